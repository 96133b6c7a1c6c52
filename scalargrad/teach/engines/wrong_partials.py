"""The wrong local derivatives that a row of the table may become in a student's hands, each with the name of its slip.

Reads the rules: every slip is a change of the row's own formula.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cache
from typing import NamedTuple

from ...formulas import notation, tree
from ...rules import RULES, Rule, function_of
from .cases import agree

ONE = ast.Constant(1)


class Slip(NamedTuple):
    """One wrong local derivative: what kind of slip gives it, and its formula."""

    kind: str
    formula: str


def find(op: str, slot: int, observed: Sequence[tuple[tuple[float, ...], float]]) -> Slip | None:
    """Find the slip that gives every observed number (operands and the derivative there), the likeliest first."""
    rule = RULES[op]
    for deep in (False, True):
        for slip in slips(rule, slot, deep):
            if all(_gives(rule, slip.formula, operands, derivative) for operands, derivative in observed):
                return slip
    return None


def _gives(rule: Rule, written: str, operands: tuple[float, ...], observed: float) -> bool:
    try:
        return agree(derivative(rule, written, operands), observed)
    except (ArithmeticError, TypeError, ValueError):  # a power of a negative number is complex
        return False


def derivative(rule: Rule, written: str, operands: tuple[float, ...]) -> float:
    """Work out a formula in a rule's words, right or wrong, at these operands. Raises what its operations raise."""
    return _function(rule, written)(*operands, rule_value(rule, operands))


def rule_value(rule: Rule, operands: tuple[float, ...]) -> float:
    """Work out the value of a rule from its operands."""
    return _function(rule, rule.formula)(*operands, 0.0)


def rule_partials(rule: Rule, operands: tuple[float, ...]) -> tuple[float, ...]:
    """Work out the local derivatives of a rule from its operands."""
    return tuple(float(derivative(rule, partial, operands)) for partial in rule.partials)


def shown(op: str, written: str, operands: tuple[float, ...]) -> str:
    """Write a formula as text, of a condition only the branch that holds for these operands."""
    rule = RULES[op]
    numbers = dict(zip("ab", operands)) | {"y": rule_value(rule, operands)}
    return notation.text(tree.substitute(tree.parse(written), {}, numbers))


@cache
def _function(rule: Rule, written: str) -> Callable[..., float]:
    return function_of(rule, written, (*rule.operands, "y"))


@cache
def slips(rule: Rule, slot: int, deep: bool = False) -> tuple[Slip, ...]:
    """List the slips of one partial; the deep ones are two slips at once."""
    right = ast.unparse(tree.parse(rule.partials[slot]))
    if deep:
        found = [
            Slip(first.kind, second.formula)
            for first in slips(rule, slot)
            if first.kind != "forgotten"
            for second in _changes(rule, first.formula, slot)
        ]
    else:
        found = list(_changes(rule, right, slot))
    kept: dict[str, Slip] = {}
    for slip in found:
        if slip.formula != right:
            kept.setdefault(slip.formula, slip)
    return tuple(kept.values())


def _changes(rule: Rule, written: str, slot: int) -> Iterator[Slip]:
    partial = tree.parse(written)
    is_power = rule.name == "pow" and slot == 0
    yield Slip("forgotten", "0")
    yield Slip("sign", ast.unparse(ast.UnaryOp(ast.USub(), partial)))
    if len(rule.partials) == 2:
        yield Slip("other operand", ast.unparse(tree.parse(rule.partials[1 - slot])))
        yield Slip("operands swapped", _renamed(partial, {"a": "b", "b": "a"}))
    else:
        yield Slip("input for output", _renamed(partial, {"y": "a"}))
        yield Slip("output for input", _renamed(partial, {"a": "y"}))
    variants = [partial]
    if "if" not in rule.formula:  # as one writes it without the result: -a / b**2
        variants.append(_with(partial, {"y": tree.parse(rule.formula)}))
    for variant in variants:
        for kind, changed in _parts(variant):
            yield Slip("power rule" if is_power else kind, ast.unparse(changed))
    if rule.name == "exp":
        yield Slip("power rule", "a * exp(a - 1)")
    for factor in ("2", *rule.operands, "y"):
        yield Slip("factor too many", f"({ast.unparse(partial)}) * {factor}")
    yield Slip("factor missing", f"({ast.unparse(partial)}) / 2")


def _parts(form: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Change one place of a formula: leave out a factor or a term, take another sign, function, exponent or branch."""
    yield from _others(form)
    match form:
        case ast.BinOp(left=left, op=op, right=right):
            yield from ((kind, ast.BinOp(other, op, right)) for kind, other in _parts(left))
            yield from ((kind, ast.BinOp(left, op, other)) for kind, other in _parts(right))
        case ast.UnaryOp(op=sign, operand=operand):
            yield from ((kind, ast.UnaryOp(sign, other)) for kind, other in _parts(operand))
        case ast.Call(func=function, args=arguments):
            for place, argument in enumerate(arguments):
                for kind, other in _parts(argument):
                    yield kind, ast.Call(function, [*arguments[:place], other, *arguments[place + 1 :]], [])
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            yield from ((kind, ast.IfExp(test, other, otherwise)) for kind, other in _parts(body))
            yield from ((kind, ast.IfExp(test, body, other)) for kind, other in _parts(otherwise))


def _others(part: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match part:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            same = ast.dump(left) == ast.dump(right)
            yield "square missing" if same else "factor missing", left
            yield "factor missing", right
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            yield "factor missing", left
            yield "factor missing", ast.BinOp(ONE, ast.Div(), right)
            yield "multiplied instead of divided", ast.BinOp(left, ast.Mult(), right)
            yield "upside down", ast.BinOp(right, ast.Div(), left)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield "sign inside", ast.BinOp(left, ast.Add(), right)
            yield "term missing", left
            yield "term missing", right
            yield "sign inside", ast.BinOp(right, ast.Sub(), left)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield "sign inside", ast.BinOp(left, ast.Sub(), right)
            yield "term missing", left
            yield "term missing", right
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield "sign", operand
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            yield "factor missing", ONE
            yield "input for output", argument
            if name in ("sin", "cos"):
                yield "another function", ast.Call(ast.Name("cos" if name == "sin" else "sin"), [argument], [])
        case ast.IfExp(test=ast.Compare() as test, body=body, orelse=otherwise):
            yield "condition missing", body
            yield "condition missing", otherwise
            yield "condition turned round", ast.IfExp(test, otherwise, body)
        case ast.Name():
            yield "factor missing", ONE
            yield "factor too many", ast.BinOp(part, ast.Mult(), part)
            yield "one less", ast.BinOp(part, ast.Sub(), ONE)


def _with(form: ast.expr, names: dict[str, ast.expr]) -> ast.expr:
    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return names.get(node.id, node)

    put: ast.expr = Put().visit(deepcopy(form))
    return put


def _renamed(form: ast.expr, names: dict[str, str]) -> str:
    return ast.unparse(_with(form, {name: ast.Name(other) for name, other in names.items()}))
