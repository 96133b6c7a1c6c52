"""Write the rows of the rule table as JavaScript, so that the page can compute everything anew.

Reads the rules. A formula is read with Python's own `ast`; nothing is written a second time by hand.
"""

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..rules import FUNCTIONS, RULES, Rule

# The functions that python.js has; every other word of a formula is a row of the table.
_FUNCTIONS = frozenset(FUNCTIONS) - frozenset(RULES) | {"exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "pow", "abs"}
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "===", ast.NotEq: "!=="}


def can_run(rule: Rule) -> bool:
    """Tell whether a rule can be written as JavaScript: not one whose formula is a Python function."""
    if rule.functions:
        return False
    try:
        for formula in (rule.formula, *rule.partials):
            expression(ast.parse(formula, mode="eval").body)
    except ValueError:
        return False
    return True


def module(rules: Iterable[Rule]) -> tuple[str, dict[Rule, int]]:
    """Write the module rules.js with these rows and those that they call, and tell where in its table each stands."""
    rows: dict[Rule, int] = {}
    waiting = list(rules)
    for rule in waiting:
        if rule not in rows:
            rows[rule] = len(rows)
            waiting += [RULES[word] for word in _words(rule) if word in RULES and word not in _FUNCTIONS]
    position = {rule.name: place for rule, place in rows.items() if RULES.get(rule.name) is rule}
    written = "".join(f"  {_row(rule, position)},\n" for rule in rows)
    return (
        f'// The rows of the rule table, written by Python.\nimport {{ python }} from "./python.js";\n\n'
        f"export const RULES = [\n{written}];\n"
    ), rows


def _words(rule: Rule) -> list[str]:
    trees = [ast.parse(formula, mode="eval") for formula in (rule.formula, *rule.partials)]
    return [part.id for tree in trees for part in ast.walk(tree) if isinstance(part, ast.Name)]


def _row(rule: Rule, position: dict[str, int]) -> str:
    names = ", ".join(rule.operands)
    value = _arrow(names, ast.parse(rule.formula, mode="eval").body, position)
    trees = [ast.parse(formula, mode="eval").body for formula in rule.partials]
    partials = ", ".join(_arrow(f"{names}, y", tree, position) for tree in trees)
    branches = ", ".join(_arrow(f"{names}, y", _branch(tree), position) for tree in trees)
    return (
        f"{{ name: {as_data(rule.name)}, domain: {as_data(rule.domain)}, "
        f"value: {value}, partials: [{partials}], branches: [{branches}] }}"
    )


def _arrow(names: str, tree: ast.expr, position: dict[str, int]) -> str:
    return f"({names}) => {expression(tree, position)}"


def _branch(tree: ast.expr, number: int = 0) -> ast.expr:
    """Make of `p if test else q` the number of the branch that holds: 0 for p, 1 for q, and so on."""
    if isinstance(tree, ast.IfExp):
        return ast.IfExp(tree.test, ast.Constant(number), _branch(tree.orelse, number + 1))
    return ast.Constant(number)


def expression(tree: ast.expr, position: dict[str, int] | None = None) -> str:
    """Write an expression as JavaScript that does what Python does; raise ValueError for what has no JavaScript.

    >>> expression(ast.parse("1 / a if a != 0 else sin(a - 1)", mode="eval").body)
    'a !== 0 ? python.div(1, a) : python.sin(a - 1)'
    """

    def write(part: ast.expr) -> str:
        match part:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return repr(float(value)).removesuffix(".0")
            case ast.Name(id=name):
                return name
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"-{inner(operand)}"
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return write(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"!{inner(operand)}"
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return f"python.div({write(left)}, {write(right)})"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return f"{inner(left)} {_ARITHMETIC[type(op)]} {inner(right)}"
            case ast.Compare(left=left, ops=ops, comparators=right) if all(type(op) in _COMPARISONS for op in ops):
                return _compare([inner(side) for side in (left, *right)], ops)
            case ast.BoolOp(op=joint, values=values):
                return (" && " if isinstance(joint, ast.And) else " || ").join(map(inner, values))
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return f"{inner(test, ast.Compare)} ? {inner(body)} : {inner(otherwise, ast.IfExp)}"
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return f"{_callee(function, position)}({', '.join(map(write, arguments))})"
        raise ValueError(f"page: cannot write {ast.unparse(part)!r} as JavaScript")

    def inner(part: ast.expr, *bare: type[ast.expr]) -> str:
        is_call = isinstance(part, ast.Call) or (isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div))
        return write(part) if is_call or isinstance(part, (ast.Name, ast.Constant, *bare)) else f"({write(part)})"

    return write(tree)


def _compare(sides: Sequence[str], ops: Sequence[ast.cmpop]) -> str:
    return " && ".join(
        f"{left} {_COMPARISONS[type(op)]} {right}" for left, op, right in zip(sides, ops, sides[1:], strict=False)
    )


def _callee(function: str, position: dict[str, int] | None) -> str:
    if function in _FUNCTIONS:
        return f"python.{function}"
    if function not in RULES:
        raise ValueError(f"page: the function {function!r} has no JavaScript")
    return f"RULES[{position[function]}].value" if position else function


def as_data(data: Any) -> str:
    """Write data as JSON that can stand in a page: no sign in it can end the element that holds it.

    >>> as_data("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
