"""The spreadsheet, recalculated by LibreOffice: Python's numbers, before and after an input is changed."""

import csv
import io
import os
import re
import shutil
import subprocess
import zipfile
from html.parser import HTMLParser

import pytest
from figure_support import operations

import scalargrad
from scalargrad import Value
from scalargrad.cli import main
from scalargrad.graph.replay import backward_aside, record_again
from scalargrad.graph.roles import roles
from scalargrad.graph.views import Operations
from scalargrad.rules import RULES
from scalargrad.teach.examples import two_output

pytest.importorskip("xlsxwriter")

RECALCULATE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode"><value>0</value></prop></item>
</oor:items>"""
ALL_SHEETS = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1"


def graphs():
    """The documents' network, and one that every operation of the table enters."""
    return {"network": two_output().root, "operations": operations()}


def changed_input(content, row, number):
    """Type another number into the value of a row of the first tab, as a student does."""
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(whole, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                text, count = re.subn(rb'(<c r="D%d"[^>]*><v>)[^<]*' % row, rb"\g<1>%r" % number, text)
                assert count == 1
            new.writestr(name, text)
    return whole.getvalue()


def filled_in(content, answers):
    """Write numbers into the blanks of the second tab."""
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(whole, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "xl/worksheets/sheet2.xml":
                for cell, number in answers.items():
                    blank = rb'<c r="%s" (s="\d+")/>' % cell.encode()
                    text, count = re.subn(blank, rb'<c r="%s" \1><v>%r</v></c>' % (cell.encode(), number), text)
                    assert count == 1
            new.writestr(name, text)
    return whole.getvalue()


def cells(node, graph):
    """What Python says about one row: value, local derivatives, gradient, updated value, and the value after it."""
    partials = [
        partial if graph.role_of[parent] != "number" else None for parent, partial in zip(node.parents, node.partials)
    ]
    return [
        node.data,
        *partials,
        *[None] * (2 - len(partials)),
        graph.gradients[node],
        graph.updated.get(node),
        graph.after[node].data,
    ]


class Expected:
    def __init__(self, root):
        self.gradients = backward_aside(root)
        self.order = Operations(root).order
        self.role_of = roles(root)
        self.updated = {
            node: node.data - self.gradients[node] for node in self.order if self.role_of[node] == "parameter"
        }
        self.after = record_again(self.order, self.updated)


@pytest.fixture(scope="module")
def recalculated(tmp_path_factory):
    """Every spreadsheet of these tests, worked out by LibreOffice in one go: the rows of each tab."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if not office:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no LibreOffice on the PATH")
    folder = tmp_path_factory.mktemp("sheets")
    profile = folder / "profile" / "user"
    profile.mkdir(parents=True)
    (profile / "registrymodifications.xcu").write_text(RECALCULATE)
    for name, root in graphs().items():
        book = scalargrad.spreadsheet(root)
        x = next(node for node in Operations(root).order if node.label in ("x", "x1"))
        row = Operations(root).order.index(x) + 4
        book.write(folder / f"{name}.xlsx")
        (folder / f"{name}-changed.xlsx").write_bytes(changed_input(book.content, row, 0.625))
    answers = key_of(graphs()["network"])
    book = scalargrad.spreadsheet(graphs()["network"]).content
    (folder / "right.xlsx").write_bytes(filled_in(book, answers))
    (folder / "wrong.xlsx").write_bytes(filled_in(book, {cell: 1.002 * n + 1e-9 for cell, n in answers.items()}))
    mixed = {cell: n if cell in every_other(answers) else 1.002 * n + 1e-9 for cell, n in answers.items()}
    (folder / "mixed.xlsx").write_bytes(filled_in(book, mixed))
    command = [office, f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", ALL_SHEETS]
    made = subprocess.run(
        [*command, "--outdir", folder, *folder.glob("*.xlsx")], capture_output=True, text=True, timeout=150
    )
    assert made.returncode == 0, made.stderr
    read = {path.stem: list(csv.reader(path.open(encoding="utf-8"))) for path in folder.glob("*.csv")}
    return read | {"folder": folder}


class Colours(HTMLParser):
    """The colours of the cells in the second of the tables that LibreOffice writes."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.row, self.column, self.found = 0, 0, 0, {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "table":
            self.tables, self.row = self.tables + 1, 0
        elif tag == "tr":
            self.row, self.column = self.row + 1, 0
        elif tag == "td" and self.tables == 2:
            if "bgcolor" in given:
                self.found["ABCDEFGHI"[self.column] + str(self.row)] = given["bgcolor"].lower()
            self.column += int(given.get("colspan", 1))


@pytest.fixture(scope="module")
def coloured(recalculated):
    """The colours of the second tab, with every rule for them worked out: LibreOffice writes those into HTML."""
    folder = recalculated["folder"]
    office = shutil.which("soffice") or shutil.which("libreoffice")
    command = [office, f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", "html"]
    books = [folder / f"{name}.xlsx" for name in ("network", "right", "wrong", "mixed")]
    made = subprocess.run([*command, "--outdir", folder, *books], capture_output=True, text=True, timeout=150)
    assert made.returncode == 0, made.stderr
    return {book.stem: Colours(book.with_suffix(".html").read_text("utf-8")).found for book in books}


def every_other(answers):
    return dict(list(answers.items())[::2])


def key_of(root):
    """What belongs into each blank, rounded as a student writes it: to five significant digits."""
    graph, answers = Expected(root), {}
    for row, node in enumerate(graph.order, 4):
        if graph.role_of[node] != "number":
            found = cells(node, graph)
            if not node.parents:
                found[0] = None
            wanted = {"DEFGHI"[place]: n for place, n in enumerate(found) if n is not None}
            if not node.parents and node not in graph.updated:
                wanted.pop("I")
            answers |= {f"{column}{row}": float(f"{n:.5g}") for column, n in wanted.items()}
    return answers


@pytest.mark.parametrize("name", ["network", "operations"])
@pytest.mark.parametrize("change", ["", "-changed"])
@pytest.mark.parametrize("tab", ["Graph", "Key"])
def test_every_cell_is_python_s_number(recalculated, name, change, tab):
    root = graphs()[name]
    if change:
        order = Operations(root).order
        x = next(node for node in order if node.label in ("x", "x1"))
        root = record_again(order, {x: 0.625})[root]
    graph = Expected(root)
    rows = recalculated[f"{name}{change}-{tab}"][3:]
    assert len(rows) == len(graph.order)
    for row, node in zip(rows, graph.order):
        if graph.role_of[node] == "number":
            assert float(row[3]) == node.data
            continue
        for shown, number in zip(row[3:], cells(node, graph)):
            if number is None:
                assert shown == ""
            else:
                assert float(shown) == pytest.approx(number, rel=1e-12, abs=1e-300), row


def test_the_blanks_turn_green_for_the_key_and_for_nothing_else(recalculated):
    """The tab counts what is green by the same condition."""
    count = len(key_of(graphs()["network"]))
    for name, right in (("network", 0), ("right", count), ("wrong", 0), ("mixed", (count + 1) // 2)):
        first = recalculated[f"{name}-To fill in"][0]
        assert (int(first[4]), first[5]) == (right, f"of {count}; four significant digits are enough")


@pytest.mark.parametrize("name", ["network", "right", "wrong", "mixed"])
def test_a_blank_is_green_where_it_agrees_with_the_key_and_nowhere_else(recalculated, coloured, name):
    """The colour itself, as LibreOffice shows it. Before, 4 empty blanks were green, and of 167 right ones 51."""
    answers = key_of(graphs()["network"])
    right = {"right": set(answers), "mixed": set(every_other(answers))}.get(name, set())
    assert {cell for cell, colour in coloured[name].items() if colour == "#7fc97f"} == right


def test_an_operation_that_excel_cannot_say_is_refused_by_name():
    cube = scalargrad.operation("cube", lambda a: a**3, lambda a: 3 * a**2)
    with pytest.raises(ValueError, match="spreadsheet: Excel has no word for the operation cube"):
        scalargrad.spreadsheet(cube(Value(2.0)))


def test_a_label_is_never_a_formula():
    book = scalargrad.spreadsheet(Value(2.0, label="=1+1") * 2).content
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        assert b"<f>1+1</f>" not in parts.read("xl/worksheets/sheet1.xml")
        assert b"=1+1" in parts.read("xl/sharedStrings.xml")


def test_leaves_are_open_and_formulas_are_locked():
    w = Value(0.5, label="w")
    with zipfile.ZipFile(io.BytesIO(scalargrad.spreadsheet(w * 2).content)) as parts:
        sheet, styles = parts.read("xl/worksheets/sheet1.xml").decode(), parts.read("xl/styles.xml").decode()
    assert "<sheetProtection" in sheet
    formats = re.findall(r"<xf .*?(?:/>|</xf>)", styles.split("<cellXfs")[1])
    open_ = {cell: 'locked="0"' in formats[int(style)] for cell, style in re.findall(r'<c r="(\w+)" s="(\d+)"', sheet)}
    assert [open_[cell] for cell in ("B1", "D4", "D5", "D6", "G4")] == [True, True, False, False, False]


def test_the_command_writes_it(tmp_path, capsys):
    assert main(["sheet", "y = w*x", "w=2", "x=3", "--out", str(tmp_path / "graph.xlsx"), "--lang", "zh"]) == 0
    with zipfile.ZipFile(tmp_path / "graph.xlsx") as parts:
        assert "答案" in parts.read("xl/workbook.xml").decode()


def test_every_operation_of_the_table_is_in_the_graph_that_is_recalculated():
    assert {node.op.name for node in Operations(operations()).order if node.op} >= set(RULES)


def test_another_ending_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"spreadsheet: needs a file that ends in .xlsx, got 'graph.xls'"):
        scalargrad.spreadsheet(two_output().root).write(tmp_path / "graph.xls")
    assert not list(tmp_path.iterdir())
