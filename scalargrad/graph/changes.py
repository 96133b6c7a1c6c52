"""Which numbers of a graph have changed since it was recorded, so that no reader mixes old ones with new.

Reads the engine: each operation is recorded once more on its operands as they are now, and compared with what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf, isclose
from typing import NamedTuple

from ..engine import Value, operation
from ..recording import CONSTANT
from ..rules import Rule, function_of

_MOST_NAMES = 3
_LAST_DIGITS = 1e-12  # a graph that was recorded on another machine may differ in the last of them


def check_unchanged(order: Iterable[Value]) -> None:
    """Raise ValueError, with the names, where numbers of a graph have changed since it was recorded.

    >>> x = Value(2.0, "x")
    >>> y = x * x
    >>> x.data = 7.0
    >>> check_unchanged([x, y])
    Traceback (most recent call last):
    ...
    ValueError: graph: x has changed since it was recorded (mul gave 4.0, and now 49.0); record it again
    """
    nodes = list(order)
    if names := [" or ".join(node.label or repr(node) for node in either) for either in changed(nodes)]:
        told = ", ".join(names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        have = "has" if len(names) == 1 else "have"
        first = next(filter(None, (_compared(node, node.op).told for node in nodes if node.op and node.parents)))
        raise ValueError(f"graph: {told}{more} {have} changed since it was recorded ({first}); record it again")


def changed(order: Iterable[Value]) -> list[list[Value]]:
    """List what has changed in the nodes of a graph, and where it can have been one of several nodes, all of these.

    What alters no result and no local derivative, as a negative number that stays negative under relu, goes unseen.
    """
    nodes = list(order)
    if all(map(_is_as_recorded, nodes)):
        return []
    compared = [_compared(node, node.op) for node in nodes if node.op is not None and node.parents]
    unchanged = {node for each in compared for node in each.unchanged}
    suspects = [_left(nodes, unchanged) for each in compared for nodes in each.suspects]
    certain = {nodes[0] for nodes in suspects if len(nodes) == 1}
    unexplained = [nodes for nodes in suspects if len(nodes) == 1 or not certain.intersection(nodes)]
    return list(map(list, dict.fromkeys(tuple(_leaves_of(nodes)) for nodes in unexplained)))


def _is_as_recorded(node: Value) -> bool:
    """Tell quickly of nearly every node that it has not changed."""
    if node.op is None or not node.parents:
        return True
    try:
        now = _again(node, node.op)
    except (ArithmeticError, ValueError):
        return False
    return now.data == node.data and now.partials == node.partials


def _again(node: Value, rule: Rule) -> Value:
    """Record an operation once more; one that `gradients` made where its derivative is infinite stands for itself."""
    if inf in node.partials:
        value = function_of(rule, rule.formula, rule.operands)
        if value(*(parent.data for parent in node.parents)) == node.data:
            return node
    return operation(rule)(*node.parents)


class _Compared(NamedTuple):
    """One operation, as recorded and as it is now."""

    told: str  # how they differ, "" where they do not
    suspects: list[list[Value]]  # one out of each of these has changed
    unchanged: list[Value]  # what cannot have changed, or only by a rare chance


def _compared(node: Value, rule: Rule) -> _Compared:
    try:
        now = _again(node, rule)
    except (ArithmeticError, ValueError) as error:
        return _Compared(f"{rule.name} gave {node.data}, and now: {error}", [[*node.parents, node]], [])
    same_value, *same = (
        isclose(was, is_now, rel_tol=_LAST_DIGITS)
        for was, is_now in zip((node.data, *node.partials), (now.data, *now.partials))
    )
    if same_value and all(same):
        return _Compared("", [], [] if " if " in rule.formula else [node, *node.parents])
    alone = [
        (operand, agrees) for index, agrees in enumerate(same) for operand in _alone_in(node, rule.partials[index])
    ]
    certain = [[operand] for operand, agrees in alone if not agrees]
    unchanged = [operand for operand, agrees in alone if agrees]
    if not same_value:
        told = f"{rule.name} gave {node.data}, and now {now.data}"
        return _Compared(told, certain or [[*node.parents, node]], unchanged)
    at = same.index(False)
    told = f"a local derivative of {rule.name} was {node.partials[at]}, and is {now.partials[at]} now"
    return _Compared(told, certain or [[*node.parents]], [node, *unchanged])


def _alone_in(node: Value, partial: str) -> list[Value]:
    """List the operand that a local derivative is made of, if it tells by itself whether that operand has changed."""
    words = re.findall(r"[a-z]\w*", partial)
    return [operand for name, operand in zip("ab", node.parents) if words == [name]]


def _left(suspects: list[Value], unchanged: set[Value]) -> list[Value]:
    """Leave out who cannot have done it; if that is nobody, then everybody can."""
    varying = [node for node in dict.fromkeys(suspects) if node.op is not CONSTANT]
    return [node for node in varying if node not in unchanged] or varying


def _leaves_of(nodes: list[Value]) -> list[Value]:
    return [node for node in nodes if not node.parents] or nodes
