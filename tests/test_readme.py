"""The commands and the Python blocks of both READMEs run as they stand there.

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
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")}
COMMANDS = {
    name: [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    for name, text in READMES.items()
}
ALL = sorted({command for commands in COMMANDS.values() for command in commands})
LEFT_TO_CI = re.compile(r"python3 -m venv|-m pip install|-m pytest|tests/benchmarks/|tests/fuzz")
DEMO = re.compile(r"\.venv/bin/python (demos/\w+\.py)$")  # `test_demos` runs them all


@pytest.mark.parametrize(("name", "least"), [("README.md", 40), ("README.zh-CN.md", 25)])
def test_its_python_blocks_print_what_they_say(name, least, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(str(ROOT / name), module_relative=False, encoding="utf-8")
    assert results.failed == 0
    assert results.attempted > least


def test_there_is_one_command_for_each_thing():
    for wanted in ("python3 -m venv .venv", ".venv/bin/scalargrad example", ".venv/bin/python -m pytest -n auto"):
        assert COMMANDS["README.md"].count(wanted) == 1


@pytest.mark.parametrize("name", READMES)
def test_it_begins_with_one_picture_one_command_and_one_page_to_click(name):
    beginning = READMES[name].split("\n## ")[0]
    shown = [beginning.index(what) for what in ("![", "uvx --from git+", "(demos/steps.html)")]
    assert shown == sorted(shown)
    assert beginning.count("![") == beginning.count("```text") == 1


def test_no_line_of_prose_is_longer_than_120():
    prose = re.sub(r"```.*?```", "", READMES["README.md"], flags=re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 120 and not line.startswith("|")] == []


@pytest.mark.parametrize("command", [line for line in ALL if not (LEFT_TO_CI.search(line) or DEMO.match(line))])
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


@pytest.mark.parametrize("demo", [match[1] for match in map(DEMO.match, ALL) if match])
def test_the_demo_is_there(demo):
    assert (ROOT / demo).is_file()


@pytest.mark.parametrize(
    ("name", "target"),
    [(name, target) for name, text in READMES.items() for target in re.findall(r"\]\(([^)#:]+)\)", text)],
)
def test_every_file_that_a_readme_shows_is_there(name, target):
    assert (ROOT / target).exists()
