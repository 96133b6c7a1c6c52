"""Gradients as `Value`s, built from the rows of the table: they can be drawn, derived and differentiated again.

Reads the rules, the formulas and the functions: a row's partial is worked out on Values where `backward` takes floats.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from math import inf, isfinite
from typing import Any, TypeAlias

from .. import functions
from ..engine import Value, as_value, record, topological_order
from ..formulas import tree
from ..formulas.tree import Expression
from ..recording import CONSTANT
from ..rules import POWERS, RULES, Rule
from .changes import check_unchanged

Term: TypeAlias = Value | float  # a float stands for what does not depend on anything: it needs no node


def gradients(root: Value, wrt: Iterable[Value]) -> list[Value]:
    """Build d root / d node for each node in `wrt`, as a graph of its own over the nodes of the recorded one.

    What `root` does not depend on has the gradient 0. A condition of a row is decided by the recorded numbers. Raises
    ValueError where numbers of the graph have changed since it was recorded, TypeError for the derivative of a
    student's own operation that is a callable and works on floats only, and OverflowError, with the operation, where
    a derivative is too large for a float.

    >>> x = Value(2.0)
    >>> [slope] = gradients(x**3, [x])
    >>> [curvature] = gradients(slope, [x])
    >>> slope.data, curvature.data
    (12.0, 12.0)
    """
    wanted = [wrt] if isinstance(wrt, Value) else list(wrt)
    if wrong := [node for node in wanted if not isinstance(node, Value)]:
        raise TypeError(f"gradients: needs Values to differentiate with respect to, got {wrong[0]!r}")
    order = topological_order(root)
    check_unchanged(order)
    leads = set(wanted)  # the nodes that depend on what is wanted: no other gradient is built
    for node in order:
        if any(parent in leads for parent in node.parents):
            leads.add(node)
    found: dict[Value, Term] = {root: 1.0}
    for node in reversed(order):
        if node not in leads or node not in found or node.op is None:
            continue
        for index, parent in enumerate(node.parents):
            if parent in leads:
                found[parent] = _add_contribution(found.get(parent, 0.0), found[node], node, node.op, index)
    return [as_value(found.get(node, 0.0)) for node in wanted]


def _add_contribution(total: Term, upstream: Term, node: Value, rule: Rule, index: int) -> Term:
    """Add upstream x local for one edge."""
    try:
        local = _partial(node, rule, index)
        if _is_finite(local):
            total = _add(total, _multiply(upstream, local))
            if _is_finite(total):
                return total
    except OverflowError:
        pass  # an operation on the way was refused: the same trouble, and it has the same remedy
    raise OverflowError(f"gradients: a derivative of {rule.name} is too large for a float, at {node!r}; scale it first")


def _is_finite(term: Term) -> bool:
    return isfinite(term.data if isinstance(term, Value) else term)


def _partial(node: Value, rule: Rule, index: int) -> Term:
    """Work out one local derivative on Values."""
    operands = dict(zip(rule.operands, node.parents))
    numbers = {name: operand.data for name, operand in operands.items()} | {"y": node.data}
    words: dict[str, Term] = {
        name: operand.data if operand.op is CONSTANT else operand for name, operand in operands.items()
    }
    own = {name: _checked(rule, name, function) for name, function in rule.functions.items()}
    chosen = tree.substitute(tree.parse(rule.computed[index]), {}, numbers)
    return _evaluate(chosen, words | {"y": node}, own)


def _evaluate(expression: Expression, words: Mapping[str, Term], own: Mapping[str, Callable[..., Any]]) -> Term:
    match expression:
        case ast.Name(id=name):
            return words[name]
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, words, own)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate(left, words, own), _evaluate(right, words, own))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            operands = [_evaluate(argument, words, own) for argument in arguments]
            if name == "pow":
                return _power(*operands)
            record: Callable[..., Term] = own.get(name) or functions.of_rule(RULES[name])
            return record(*operands)
    raise TypeError(f"gradients: cannot differentiate {ast.unparse(expression)!r}: use + - * / ** and the functions")


def _checked(rule: Rule, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Say what to do where a student's callable needs floats, as the functions of `math` do."""

    def call(*operands: Term) -> Any:
        try:
            return function(*operands)
        except TypeError as error:
            raise TypeError(
                f"gradients: operation {rule.name}: its derivative {name.removeprefix('own_')} does not work on Values "
                f"({error}); write it with operators and scalargrad's functions, or as text"
            ) from None

    return call


# Arithmetic that leaves out what changes nothing, so that the graphs stay small.


def _add(left: Term, right: Term) -> Term:
    if right == 0.0:
        return left
    return right if left == 0.0 else left + right


def _subtract(left: Term, right: Term) -> Term:
    if right == 0.0:
        return left
    return -right if left == 0.0 else left - right


def _multiply(left: Term, right: Term) -> Term:
    if left == 0.0 or right == 0.0:
        return 0.0
    for one, other in ((left, right), (right, left)):
        if one == 1.0:
            return other
        if one == -1.0:
            return -other
    return left * right


def _divide(left: Term, right: Term) -> Term:
    return left if right == 1.0 else left / right


def _power(base: Term, exponent: Term) -> Term:
    if exponent == 0.0:
        return 1.0
    if exponent == 1.0:
        return base
    if isinstance(base, Value) and base.data == 0 and 0 < exponent < 1:
        # 0, with an infinite derivative, as of the slope of x**1.5: whoever asks for that derivative is refused
        rule = RULES["pow"] if isinstance(exponent, Value) else POWERS["b"]
        return record(rule, 0.0, base, as_value(exponent), inf, 0.0)
    return functions.pow(base, exponent)


_OPERATORS: Mapping[type[ast.operator], Callable[[Term, Term], Term]] = {
    ast.Add: _add,
    ast.Sub: _subtract,
    ast.Mult: _multiply,
    ast.Div: _divide,
    ast.Pow: operator.pow,
}
