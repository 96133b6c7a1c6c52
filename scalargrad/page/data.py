"""Gather what the page has to know about a graph: its nodes, its numbers, its formulas and what one step makes of them.

Reads the views, the trace and the rules. The result is plain data, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from ..engine import Value, record
from ..formulas import mathml
from ..formulas.formula import Expression, name, number
from ..graph.replay import record_again
from ..graph.roles import is_number, roles
from ..graph.tracing import trace
from ..graph.views import Quantities, local_derivative, value_formula
from ..rules import Rule, function_of


def describe(
    order: Sequence[Value],
    names: Mapping[Value, str],
    rows: Mapping[Any, int],
    role_of: Mapping[Value, str],
    learning_rate: float,
) -> dict[str, Any]:
    """Describe the graph `order` (parents first, the root last), with the numbers that Python recorded."""
    numbers = {node: position for position, node in enumerate(order)}
    parameters = [numbers[node] for node in order if role_of[node] == "parameter"]
    root = order[-1]
    gradients = trace(root).gradients
    return {
        "nodes": [
            {
                "label": node.label,
                "name": mathml.parts(names[node]),
                "role": role_of[node],
                "symbol": (node.op.symbol or node.op.name) if node.op and node.parents else "",
                "rule": rows.get(node.op),
                "parents": [numbers[parent] for parent in node.parents],
                "number": is_number(node),
            }
            for node in order
        ],
        "recorded": _numbers(order),
        "after": _after_update(order, {order[i]: gradients[order[i]] for i in parameters}, learning_rate),
        "parameters": parameters,
        "views": {"operations": _operations(order, numbers), "quantities": _quantities(root, numbers)},
    }


def _numbers(order: Sequence[Value]) -> dict[str, Any]:
    return {"values": [node.data for node in order], "partials": [list(node.partials) for node in order]}


def _after_update(order: Sequence[Value], gradients: Mapping[Value, float], rate: float) -> dict[str, Any] | None:
    """Record the graph again with the updated parameters; None where that leaves an operation's domain."""
    moved = {node: node.data - rate * gradient for node, gradient in gradients.items()}
    try:
        again = record_again(order, moved)
    except (ArithmeticError, ValueError):
        return None
    return _numbers(list(again.values()))


def _operations(order: Sequence[Value], numbers: Mapping[Value, int]) -> dict[str, Any]:
    def expression(node: Value) -> Expression:
        return number(node.data) if is_number(node) else name(f"n{numbers[node]}")

    return {
        "shown": list(range(len(order))),
        "formulas": [mathml.tree(value_formula(node, expression)) if node.parents else None for node in order],
        "derivatives": [
            [mathml.tree(local_derivative(node, index, expression)) for index in range(len(node.parents))]
            for node in order
        ],
    }


class _Numbered(Quantities):
    """The labelled quantities under their numbers, as two of them may bear one label."""

    def __init__(self, root: Value, numbers: Mapping[Value, int]) -> None:
        self.numbers = numbers
        super().__init__(root)

    def name(self, node: Value) -> str:
        return f"n{self.numbers[node]}"


def _quantities(root: Value, numbers: Mapping[Value, int]) -> dict[str, Any]:
    view = _Numbered(root, numbers)
    formulas = {node: view.formula(node) for node in view.order}
    return {
        "shown": [numbers[node] for node in view.order],
        "formulas": [mathml.tree(written) if (written := formulas[node]) else None for node in view.order],
        "derivatives": [list(map(mathml.tree, view.derivatives(node))) for node in view.order],
    }


def check_recorded(order: Sequence[Value], names: Mapping[Value, str]) -> None:
    """Compute every operation of the graph `order` again from its operands, and compare with what was recorded.

    Raises ValueError where the numbers differ: then the page would show steps that do not add up.
    """
    functions: dict[Rule, list[Callable[..., float]]] = {}
    for node in order:
        if node.op is None or not node.parents:
            continue
        if node.op not in functions:
            operands = node.op.operands
            functions[node.op] = [
                function_of(node.op, node.op.formula, operands),
                *(function_of(node.op, partial, [*operands, "y"]) for partial in node.op.partials),
            ]
        value, *partials = functions[node.op]
        numbers = [parent.data for parent in node.parents]
        again: list[Any]
        try:
            again = [value(*numbers)]
            again += [partial(*numbers, again[0]) for partial in partials]
        except (ArithmeticError, ValueError) as error:
            again = [error]
        for place, (was, now) in enumerate(zip([node.data, *node.partials], again)):
            if was != now:
                what = f"a local derivative of {names[node]}" if place else names[node]
                raise ValueError(
                    "write_page: a leaf has changed since the graph was recorded; record it again "
                    f"({what} was recorded as {was}, and is now {now})"
                )


def named(root: Value, role_of: Mapping[Value, str]) -> tuple[Value, dict[Value, str]]:
    """Copy a graph, as it was recorded, with a name for every leaf that has none and is no plain number.

    They are called x1, p1, t1 and on, for inputs, parameters and targets. Gives back the root and the roles.
    """
    taken = {node.label for node in role_of}
    free = {
        role: (label for label in map(f"{letter}{{}}".format, count(1)) if label not in taken)
        for role, letter in (("input", "x"), ("parameter", "p"), ("target", "t"))
    }
    copies: dict[Value | None, Value | None] = {None: None}
    roles_of_copies = {}
    for node, role in role_of.items():
        if node.op is None:
            copy = Value(node.data)
        else:
            copy = record(node.op, node.data, copies[node._a], copies[node._b], node._da, node._db)
        copy.label = node.label or ("" if node.parents or role == "number" else next(free[role]))
        copies[node] = copy
        roles_of_copies[copy] = role
    return copy, roles_of_copies


def roles_of(
    root: Value, inputs: Iterable[Value], parameters: Iterable[Value], targets: Iterable[Value]
) -> dict[Value, str]:
    """Tell the role of every node, once it is known that the leaves which were named are leaves of the graph.

    Raises ValueError for one that is not.
    """
    given = {"inputs": list(inputs), "parameters": list(parameters), "targets": list(targets)}
    found = roles(root, given["inputs"], given["parameters"], given["targets"])
    for argument, leaves in given.items():
        for leaf in leaves:
            if leaf not in found or leaf.parents:
                raise ValueError(f"write_page: {argument} needs leaves of the graph, got {leaf!r}")
    return found
