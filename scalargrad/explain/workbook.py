"""Write a graph as a live spreadsheet: change an input, and forward pass, backward pass and update follow.

Reads the cells of the graph.
"""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..engine import Value
from ..files import write_whole
from ..formulas.notation import text
from ..graph.roles import roles
from ..graph.tracing import trace
from ..messages import catalogue
from ..recording import as_float
from .cells import AFTER, COLUMNS, RATE, TOP, VALUE, Rows
from .drawing import LOOKS

_GREEN = "#7fc97f"


class Workbook:
    """A spreadsheet as the bytes of an xlsx file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the spreadsheet into a file, and give back its path.

        Raises ValueError where it does not end in .xlsx, and OSError where it cannot be written.
        """
        if Path(path).suffix.lower() != ".xlsx":
            raise ValueError(f"spreadsheet: needs a file that ends in .xlsx, got {Path(path).name!r}")
        return write_whole(path, self.content)

    def __repr__(self) -> str:
        return "<spreadsheet: .write('graph.xlsx') puts it into a file>"


def spreadsheet(
    root: Value,
    *,
    inputs: Iterable[Value] = (),
    parameters: Iterable[Value] = (),
    targets: Iterable[Value] = (),
    learning_rate: float = 1.0,
    lang: str = "en",
) -> Workbook:
    """Make the spreadsheet of the graph under `root`: one row a quantity, every cell a formula of other cells.

    It has three tabs: the graph, the same with blanks that turn green when they are filled in right, and the key. The
    roles are those of `draw`. Raises RuntimeError where XlsxWriter is missing, and ValueError, with its name, for an
    operation that a spreadsheet cannot say, and where numbers have changed since the graph was recorded. What the
    operations raise where the update leaves their domain is raised as well.
    """
    try:
        import xlsxwriter
    except ImportError:
        raise RuntimeError("spreadsheet: needs XlsxWriter; `pip install 'scalargrad-edu[excel]'`") from None
    words, content = catalogue("spreadsheet", lang), io.BytesIO()
    graph = Rows(trace(root, "operations"), roles(root, inputs, parameters, targets), as_float(learning_rate))
    book = xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_formulas": False})
    for tab in ("graph", "blanks", "key"):
        _Tab(book, tab, graph, words).fill()
    book.close()
    return Workbook(content.getvalue())


class _Tab:
    """One of the three tabs."""

    def __init__(self, book: Any, tab: str, graph: Rows, words: dict[str, str]) -> None:
        self.tab, self.graph, self.words, self.book = tab, graph, words, book
        self.sheet = book.add_worksheet(words[tab])
        self.main, self.key = (f"'{words[name]}'!" for name in ("graph", "key"))
        self.cells = {node: graph.cells(node) for node in graph.view.order}
        self.formats: dict[tuple[str, bool], Any] = {}
        self.bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})

    def fill(self) -> None:
        sheet, top = self.sheet, TOP - 1
        sheet.write_string("A1", self.words["rate"], self.bold)
        if self.tab == "graph":
            sheet.write_number("B1", self.graph.rate, self._format("parameter", locked=False))
        else:
            sheet.write_formula("B1", f"={self.main}{RATE}", None, self.graph.rate)
        for column, heading in enumerate(COLUMNS):
            sheet.write_string(top, column, self.words[heading], self.bold)
        for node in self.cells:
            self._row(node)
        for columns, width in (("A:B", 14), ("C:C", 28), ("D:I", 16)):
            sheet.set_column(columns, width)
        sheet.set_row(top, 32)
        sheet.freeze_panes(TOP, 1)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)  # one page wide, in print
        sheet.protect()  # without a password: it keeps a formula from being typed over by mistake
        if self.tab == "blanks":
            self._check()

    def _row(self, node: Value) -> None:
        sheet, row, role = self.sheet, self.graph.row[node], self.graph.role_of[node]
        shown, formula = self._format(role), self.graph.view.formula(node)
        for column, words in zip(
            "ABC", (self.graph.view.name(node), self.words[role], text(formula) if formula else "")
        ):
            sheet.write_string(f"{column}{row}", words, shown)
        for column, cell in self.cells[node].items():
            place = f"{column}{row}"
            if self.tab == "blanks" and cell.asked:
                sheet.write_blank(place, None, self._format(role, locked=False))
            elif self.tab == "graph" and isinstance(cell.content, float):
                sheet.write_number(place, cell.content, self._format(role, locked=role == "number"))
            else:
                content = cell.content if self.tab == "graph" else f"{self.main}{place}"
                sheet.write_formula(place, f"={content}", shown, cell.number)

    def _check(self) -> None:
        """Let a blank turn green where it agrees with the key in four significant digits, and count those."""
        rows = self.graph.row
        asked = [
            (f"{column}{rows[node]}", cell.asked) for node, row in self.cells.items() for column, cell in row.items()
        ]
        blanks = [place for place, is_asked in asked if is_asked]
        green = self.book.add_format({"bg_color": _GREEN, "bold": True})
        for cell in blanks:  # a rule each: programs differ in what a formula for many cells is relative to
            right = f"AND(ISNUMBER({cell}),ABS({cell}-{self.key}{cell})<=0.0005*ABS({self.key}{cell}))"
            self.sheet.conditional_format(cell, {"type": "formula", "criteria": f"={right}", "format": green})
        area = f"{VALUE}{TOP + 1}:{AFTER}{max(rows.values())}"
        fits = f"(ABS({area}-{self.key}{area})<=0.0005*ABS({self.key}{area}))"
        counted = f"=SUMPRODUCT(ISNUMBER({area})*{fits})-{len(asked) - len(blanks)}"
        self.sheet.write_string("D1", self.words["right"], self.bold)
        self.sheet.write_formula("E1", counted, None, 0)
        self.sheet.write_string("F1", self.words["of"].format(count=len(blanks)))

    def _format(self, role: str, locked: bool = True) -> Any:
        """Give the look of a cell; each is made once, as making it takes longer than writing a cell."""
        if (role, locked) not in self.formats:
            look = {"bg_color": LOOKS[role].fill, "border": 1, "locked": locked}
            self.formats[role, locked] = self.book.add_format(look)
        return self.formats[role, locked]
