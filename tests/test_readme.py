"""The README's commands and its Python blocks run as they stand there.

The commands that install and that test are run by `.ci/run`, which takes them from the README as well.
"""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
LEFT_TO_CI = re.compile(r"python3 -m venv|-m pip install|-m pytest|tests/benchmarks/")
DEMO = re.compile(r"\.venv/bin/python (demos/\w+\.py)$")  # `test_demos` runs them all


def test_its_python_blocks_print_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert results.failed == 0
    assert results.attempted > 40


def test_there_is_one_command_for_each_thing():
    for wanted in ("python3 -m venv .venv", ".venv/bin/scalargrad example", ".venv/bin/python -m pytest -n auto"):
        assert COMMANDS.count(wanted) == 1


@pytest.mark.parametrize("command", [line for line in COMMANDS if not (LEFT_TO_CI.search(line) or DEMO.match(line))])
def test_the_command_runs(command, tmp_path):
    program, *arguments = shlex.split(command)
    if program.endswith("scalargrad"):
        arguments = ["-m", "scalargrad", *arguments]
    else:
        assert program == ".venv/bin/python"
        arguments[0] = str(ROOT / arguments[0])
    result = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.parametrize("demo", [match[1] for match in map(DEMO.match, COMMANDS) if match])
def test_the_demo_is_there(demo):
    assert (ROOT / demo).is_file()


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_file_that_the_readme_shows_is_there(target):
    assert (ROOT / target).is_file()
