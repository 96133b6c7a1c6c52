"""A graph as rows of cells, one a node, in which every cell is a formula of other cells: both passes and the update.

Reads the trace, and the rules as a spreadsheet writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..engine import Value
from ..formulas.excel import written
from ..graph.replay import record_again
from ..graph.tracing import Trace

RATE = "$B$1"
TOP = 3  # the row of the headings
COLUMNS = ("name", "role", "formula", "value", "first", "second", "gradient", "updated", "after")
VALUE, FIRST, SECOND, GRADIENT, UPDATED, AFTER = "DEFGHI"
_LONGEST = 8000  # characters of one cell's formula, in Excel


class Cell(NamedTuple):
    """What stands in a cell."""

    content: str | float  # a formula, or the number of a leaf
    number: float  # what it comes to
    asked: bool = True  # whether a student works it out


class Rows:
    """The cells of every node, in the row that is its own."""

    def __init__(self, passes: Trace, role_of: Mapping[Value, str], rate: float) -> None:
        self.view, self.gradients, self.role_of, self.rate = passes.view, passes.gradients, role_of, rate
        self.row = {node: number for number, node in enumerate(self.view.order, TOP + 1)}
        self.sums: dict[Value, list[str]] = {node: [] for node in self.view.order} | {self.view.root: ["1"]}
        for step in passes.backward:
            row = self.row[step.node]
            self.sums[step.parent].append(f"{GRADIENT}{row}*{(FIRST, SECOND)[step.edge]}{row}")
        self.updated = passes.updated([node for node, role in role_of.items() if role == "parameter"], rate)
        self.after = record_again(self.view.order, self.updated)

    def cells(self, node: Value) -> dict[str, Cell]:
        """List the cells in a node's row by their columns."""
        row, after = self.row[node], self.after[node].data
        value, updated = f"{VALUE}{row}", f"{UPDATED}{row}"
        if not node.op or not node.parents:
            found = {VALUE: Cell(node.data, node.data, False), AFTER: Cell(value, node.data, False)}
        else:
            before, then = (
                {name: f"{column}{self.row[parent]}" for name, parent in zip("ab", node.parents)}
                for column in (VALUE, AFTER)
            )
            found = {VALUE: Cell(written(node.op, 0, before), node.data)}
            found[AFTER] = Cell(written(node.op, 0, then), after)
            for part, (column, parent) in enumerate(zip((FIRST, SECOND), node.parents), 1):
                if self.role_of[parent] != "number":
                    found[column] = Cell(written(node.op, part, {**before, "y": value}), node.partials[part - 1])
        if self.role_of[node] != "number":
            found[GRADIENT] = Cell("+".join(self.sums[node]) or "0", self.gradients[node])
        if node in self.updated:
            found[UPDATED] = Cell(f"{value}-{RATE}*{GRADIENT}{row}", after)
            found[AFTER] = Cell(updated, after)
        if (longest := max(len(str(cell.content)) for cell in found.values())) > _LONGEST:
            name = self.view.name(node)
            raise ValueError(f"spreadsheet: {name} is used too often: a formula of {longest} characters")
        return found
