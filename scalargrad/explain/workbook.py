"""Write a graph as a live spreadsheet: change an input, and forward pass, backward pass and update follow.

Reads the view of every operation, the roles, and the rules as a spreadsheet writes them.
"""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..engine import Value, topological_order
from ..files import write_whole
from ..formulas import notation
from ..formulas.excel import written
from ..graph.chain_rule import backward
from ..graph.changes import check_unchanged
from ..graph.replay import record_again
from ..graph.roles import roles
from ..graph.views import Operations
from ..messages import catalogue
from ..recording import as_float
from .drawing import LOOKS

_LONGEST = 8000  # characters of one cell's formula, in Excel
_RATE = "$B$1"
_TOP = 3  # the row of the headings
_COLUMNS = ("name", "role", "formula", "value", "first", "second", "gradient", "updated", "after")
_VALUE, _FIRST, _GRADIENT, _UPDATED, _AFTER = "D", "E", "G", "H", "I"


class Workbook:
    """A spreadsheet as the bytes of an xlsx file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the spreadsheet into a file, and give back its path; raises OSError where it cannot be written."""
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
    check_unchanged(topological_order(root))
    graph = _Graph(root, roles(root, inputs, parameters, targets), as_float(learning_rate))
    words = catalogue("spreadsheet", lang)
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_formulas": False})
    for tab in ("graph", "blanks", "key"):
        _Tab(book, tab, graph, words).fill()
    book.close()
    return Workbook(content.getvalue())


class _Graph:
    """The formulas of every cell, and the number that each comes to."""

    def __init__(self, root: Value, role_of: dict[Value, str], rate: float) -> None:
        self.view = Operations(root)
        self.role_of = role_of
        self.rate = rate
        self.row = {node: number for number, node in enumerate(self.view.order, _TOP + 1)}
        self.sums: dict[Value, list[str]] = {node: [] for node in self.view.order}
        for node in reversed(self.view.order):
            for column, parent in zip((_FIRST, "F"), node.parents):
                self.sums[parent].append(f"{_GRADIENT}{self.row[node]}*{column}{self.row[node]}")
        self.sums[root] = ["1"]
        self.gradients = backward(self.view.order, self.view.edges)
        steps = {node: rate * self.gradients[node] for node, role in role_of.items() if role == "parameter"}
        self.updated = {node: node.data - step for node, step in steps.items()}
        self.after = record_again(self.view.order, self.updated)

    def cells(self, node: Value) -> dict[str, tuple[str, float]]:
        """Give the formula and the number of each cell in a node's row."""
        if self.role_of[node] == "number":
            return {}
        row = self.row[node]
        found = {}
        if node.op and node.parents:
            here = {name: f"{_VALUE}{self.row[parent]}" for name, parent in zip("ab", node.parents)}
            after = {name: f"{_AFTER}{self.row[parent]}" for name, parent in zip("ab", node.parents)}
            found[_VALUE] = (written(node.op, 0, here), node.data)
            for part, (column, parent) in enumerate(zip((_FIRST, "F"), node.parents), 1):
                if self.role_of[parent] != "number":
                    found[column] = (written(node.op, part, here | {"y": f"{_VALUE}{row}"}), node.partials[part - 1])
            found[_AFTER] = (written(node.op, 0, after), self.after[node].data)
        found[_GRADIENT] = ("+".join(self.sums[node]) or "0", self.gradients[node])
        if node in self.updated:
            found[_UPDATED] = (f"{_VALUE}{row}-{_RATE}*{_GRADIENT}{row}", self.updated[node])
            found[_AFTER] = (f"{_UPDATED}{row}", self.updated[node])
        if (longest := max(len(formula) for formula, _ in found.values())) > _LONGEST:
            raise ValueError(
                f"spreadsheet: {self.view.name(node)} is used too often: a formula of {longest} characters"
            )
        return found


class _Tab:
    """One of the three tabs."""

    def __init__(self, book: Any, tab: str, graph: _Graph, words: dict[str, str]) -> None:
        self.tab, self.graph, self.words, self.book = tab, graph, words, book
        self.sheet = book.add_worksheet(words[tab])
        self.main, self.key = (f"'{words[name]}'!" for name in ("graph", "key"))
        self.given = 0  # cells of the blanks' tab that are filled in already
        self.bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})

    def fill(self) -> None:
        sheet, top = self.sheet, _TOP - 1
        sheet.write_string("A1", self.words["rate"], self.bold)
        if self.tab == "graph":
            sheet.write_number("B1", self.graph.rate, self._format("parameter", locked=False))
        else:
            sheet.write_formula("B1", f"={self.main}{_RATE}", None, self.graph.rate)
        for column, heading in enumerate(_COLUMNS):
            sheet.write_string(top, column, self.words[heading], self.bold)
        for node in self.graph.view.order:
            self._row(node)
        sheet.set_column("A:B", 14)
        sheet.set_column("C:C", 28)
        sheet.set_column("D:I", 16)
        sheet.set_row(top, 32)
        sheet.freeze_panes(_TOP, 1)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)  # one page wide, in print
        sheet.protect()  # without a password: it keeps a formula from being typed over by mistake
        if self.tab == "blanks":
            self._check()

    def _row(self, node: Value) -> None:
        graph, sheet, row = self.graph, self.sheet, self.graph.row[node]
        role, formula = graph.role_of[node], graph.view.formula(node)
        shown = self._format(role)
        sheet.write_string(f"A{row}", graph.view.name(node), shown)
        sheet.write_string(f"B{row}", self.words[role], shown)
        sheet.write_string(f"C{row}", notation.text(formula) if formula else "", shown)
        cells = graph.cells(node)
        if not node.parents and self.tab == "graph":
            sheet.write_number(f"{_VALUE}{row}", node.data, self._format(role, locked=role == "number"))
        elif not node.parents:
            sheet.write_formula(f"{_VALUE}{row}", f"={self.main}{_VALUE}{row}", shown, node.data)
            self.given += 1
        if not node.parents and _AFTER not in cells:
            sheet.write_formula(f"{_AFTER}{row}", f"={self.main}{_VALUE}{row}", shown, node.data)
            self.given += 1
        for column, (cell, number) in cells.items():
            if self.tab == "graph":
                sheet.write_formula(f"{column}{row}", f"={cell}", shown, number)
            elif self.tab == "key":
                sheet.write_formula(f"{column}{row}", f"={self.main}{column}{row}", shown, number)
            else:
                sheet.write_blank(f"{column}{row}", None, self._format(role, locked=False))

    def _check(self) -> None:
        """Let a blank turn green where it agrees with the key in four significant digits, and count those."""
        rows = self.graph.row
        blanks = [f"{column}{rows[node]}" for node in rows for column in self.graph.cells(node)]
        cell, area = blanks[0], f"D{_TOP + 1}:{_AFTER}{max(rows.values())}"
        right = f"AND(ISNUMBER({cell}),ABS({cell}-{self.key}{cell})<=0.0005*ABS({self.key}{cell}))"
        green = self.book.add_format({"bg_color": "#7fc97f", "bold": True})
        where = {"multi_range": " ".join(blanks)}
        self.sheet.conditional_format(cell, {"type": "formula", "criteria": f"={right}", "format": green, **where})
        fits = f"(ABS({area}-{self.key}{area})<=0.0005*ABS({self.key}{area}))"
        counted = f"=SUMPRODUCT(ISNUMBER({area})*{fits})-{self.given}"
        self.sheet.write_string("D1", self.words["right"], self.bold)
        self.sheet.write_formula("E1", counted, None, 0)
        self.sheet.write_string("F1", self.words["of"].format(count=len(blanks)))

    def _format(self, role: str, locked: bool = True) -> Any:
        return self.book.add_format({"bg_color": LOOKS[role].fill, "border": 1, "locked": locked})
