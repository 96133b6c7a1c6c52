"""Write the rows of the rule table as JavaScript, so that the page can compute everything anew.

Reads the primitives, the rules and the formulas, as the programs do; nothing is written a second time by hand.
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..primitives import PRIMITIVES
from ..rules import RULES, Rule
from .source import SourceNotation
from .tree import Expression, parse


class JavaScript(SourceNotation):
    """JavaScript that does what Python does: `position` tells where in the table each row stands that is called."""

    fraction, fraction_bar = "python.div({}, {})", True  # a call, as Python's fails where JavaScript's gives Infinity
    conditional, conjunction = "{} ? {} : {}", "{} && {}"
    signs: ClassVar[Mapping[str, str]] = {"==": "===", "!=": "!=="}

    def __init__(self, position: Mapping[str, int]) -> None:
        self.position = position

    def number(self, value: float) -> str:
        return super().number(value).removesuffix(".0")

    def call(self, function: str, arguments: list[str]) -> str:
        if function in PRIMITIVES:
            return f"python.{function}({', '.join(arguments)})"
        return f"RULES[{self.position[function]}].value({', '.join(arguments)})"


def can_run(rule: Rule) -> bool:
    """Tell whether a rule can be written as JavaScript: not one whose formula is a Python function."""
    return not rule.functions


def module(rules: Iterable[Rule]) -> tuple[str, dict[Rule, int]]:
    """Write the module rules.js with these rows and those that they call, and tell where in its table each stands."""
    rows: dict[Rule, int] = {}
    waiting = list(rules)
    for rule in waiting:
        if rule not in rows:
            rows[rule] = len(rows)
            waiting += [RULES[word] for word in _called(rule) if word not in PRIMITIVES]
    notation = JavaScript({rule.name: place for rule, place in rows.items() if RULES.get(rule.name) is rule})
    written = "".join(f"  {_row(rule, notation)},\n" for rule in rows)
    own = sorted(said.javascript for said in PRIMITIVES.values() if "." not in said.javascript)
    strict = [
        f"  {word}: strict({said.javascript}),\n" for word, said in PRIMITIVES.items() if said.javascript not in own
    ]
    return (
        "// The rows of the rule table and the words of their formulas, written by Python.\n"
        f'import {{ div, {", ".join(own)}, strict }} from "./python.js";\n\n'
        f"export const python = {{\n  div,\n  {', '.join(own)},\n{''.join(strict)}}};\n\n"
        f"export const RULES = [\n{written}];\n"
    ), rows


def _called(rule: Rule) -> list[str]:
    trees = [parse(formula) for formula in (rule.formula, *rule.computed)]
    calls = [part.func for tree in trees for part in ast.walk(tree) if isinstance(part, ast.Call)]
    return [function.id for function in calls if isinstance(function, ast.Name)]


def _row(rule: Rule, notation: JavaScript) -> str:
    names = ", ".join(rule.operands)
    value = _arrow(names, parse(rule.formula), notation)
    partials = ", ".join(_arrow(f"{names}, y", tree, notation) for tree in map(parse, rule.computed))
    branches = ", ".join(_arrow(f"{names}, y", _branch(tree), notation) for tree in map(parse, rule.partials))
    return (
        f"{{ name: {as_data(rule.name)}, domain: {as_data(rule.domain)}, "
        f"value: {value}, partials: [{partials}], branches: [{branches}] }}"
    )


def _arrow(names: str, tree: Expression, notation: JavaScript) -> str:
    return f"({names}) => {notation.with_operands(tree)}"


def _branch(tree: Expression, number: int = 0) -> Expression:
    """Make of `p if test else q` the number of the branch that holds: 0 for p, 1 for q, and so on."""
    if isinstance(tree, ast.IfExp):
        return ast.IfExp(tree.test, ast.Constant(number), _branch(tree.orelse, number + 1))
    return ast.Constant(number)


def as_data(data: Any) -> str:
    """Write data as JSON that can stand in a page: no sign in it can end the element that holds it.

    >>> as_data("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
