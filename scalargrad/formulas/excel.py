"""Write the formula of a rule for a spreadsheet: Excel, LibreOffice and their like.

Reads the rules, the primitives and the source notation.
"""

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from ..primitives import PRIMITIVES
from ..rules import RULES, Rule
from .notation import ATOM, SUM
from .source import SourceNotation
from .tree import Expression, parse


class Excel(SourceNotation):
    """A formula whose names are cells."""

    conditional, precedence = "IF({},{},{})", ATOM
    compared, conjunction = "{}{}{}", "AND({},{})"
    signs: ClassVar[Mapping[str, str]] = {"==": "=", "!=": "<>"}

    def __init__(self, cells: Mapping[str, str]) -> None:
        self.cells = cells

    def write(self, expression: Expression, above: int = SUM) -> str:
        if isinstance(expression, ast.Name):
            return self.cells[expression.id]
        return super().write(expression, above)

    def number(self, value: float) -> str:
        return f"{value:.15g}".upper()

    def call(self, function: str, arguments: list[str]) -> str:
        if function in PRIMITIVES:
            return re.sub(r"#(\d)", lambda place: arguments[int(place[1]) - 1], PRIMITIVES[function].excel)
        row = RULES[function]
        return f"({written(row, 0, dict(zip(row.operands, [f'({argument})' for argument in arguments])))})"


def written(rule: Rule, part: int, cells: Mapping[str, str]) -> str:
    """Write a rule's value (part 0) or one of its local derivatives (parts 1 and 2) with cells for its names.

    Raises ValueError, with the name of the rule, for one that is a Python function.

    >>> from scalargrad.rules import RULES
    >>> written(RULES["relu"], 0, {"a": "D4"}), written(RULES["sigmoid"], 1, {"a": "D4", "y": "D5"})
    ('IF(D4<=0,0,D4)', 'D5*(1 - D5)')
    """
    if rule.functions:
        raise ValueError(f"spreadsheet: Excel has no word for the operation {rule.name}, which is a Python function")
    return Excel(cells).write(parse((rule.formula, *rule.partials)[part]))
