"""Gather what the page has to know about a graph: its nodes, its numbers, its formulas and what one step makes of them.

Reads the views, the trace and the rules. The result is plain data, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, NamedTuple

from ..engine import Value, record
from ..formulas import javascript, mathml
from ..formulas.tree import Expression, name, number
from ..graph.changes import check_unchanged
from ..graph.replay import record_again
from ..graph.roles import is_number, roles
from ..graph.tracing import trace
from ..graph.views import Operations, Quantities, local_derivative, value_formula
from ..rules import Rule
from .forms import Forms


class Node(NamedTuple):
    """What the page knows of one node, beside the node itself."""

    number: int  # its place in the order, parents first
    name: str
    role: str


class Graph(NamedTuple):
    """A graph as the page shows it: its nodes, parents first, and the rows that the page computes them by."""

    nodes: dict[Value, Node]
    rows: dict[Rule, int]  # where the row of an operation stands in `rows_source`; empty where not `live`
    rows_source: str  # the JavaScript module
    live: bool  # whether the page can compute every operation itself
    given: list[Value]  # the nodes that were copied, in the same order, with no more names than they had

    @property
    def root(self) -> Value:
        """The last node."""
        return next(reversed(self.nodes))

    @property
    def parameters(self) -> list[Value]:
        """The leaves that an update moves."""
        return [node for node, known in self.nodes.items() if known.role == "parameter"]


def graph_of(root: Value, inputs: Iterable[Value], parameters: Iterable[Value], targets: Iterable[Value]) -> Graph:
    """Copy a graph for the page, with a name and a role for every node.

    Raises ValueError for a named leaf that is none, and where the graph's leaves have changed since it was recorded.
    """
    given = _roles_of(root, inputs, parameters, targets)
    root, role_of = _named(root, given)
    operations = Operations(root)
    nodes = {node: Node(number, operations.name(node), role) for number, (node, role) in enumerate(role_of.items())}
    check_unchanged(nodes)
    rules = dict.fromkeys(node.op for node in nodes if node.op is not None and node.parents)
    live = all(map(javascript.can_run, rules))
    source, rows = javascript.module(rules if live else ())
    return Graph(nodes, rows, source, live, list(given))


def describe(graph: Graph, learning_rate: float) -> dict[str, Any]:
    """Describe a graph in plain data, with the numbers that Python recorded and those after one update."""
    moved = trace(graph.root, "operations").updated(graph.parameters, learning_rate)
    return {
        "nodes": [_told(graph, node, known) for node, known in graph.nodes.items()],
        "recorded": _numbers(graph.nodes),
        "after": _after_update(graph.nodes, moved),
        "parameters": [graph.nodes[node].number for node in graph.parameters],
        "views": {"operations": _operations(graph), "quantities": _quantities(graph)},
    }


def packed(views: Mapping[str, Any]) -> dict[str, Any]:
    """Tell the formulas of the views by their forms; the page puts the nodes in."""
    forms = Forms(r'\["n","(\d+)"\]')
    told = {
        name: {
            **view,
            "formulas": list(map(forms.of, view["formulas"])),
            "derivatives": [list(map(forms.of, row)) for row in view["derivatives"]],
        }
        for name, view in views.items()
    }
    return {"forms": forms.told, **told}


def _told(graph: Graph, node: Value, known: Node) -> dict[str, Any]:
    """Tell of a node what there is to tell: no empty label, no operands of a leaf."""
    told = {
        "label": known.name if node.label else "",
        "symbol": (node.op.symbol or node.op.name) if node.op and node.parents else "",
        "parents": [graph.nodes[parent].number for parent in node.parents],
        "number": is_number(node),
    }
    rule = graph.rows.get(node.op) if node.op else None
    return {
        "name": mathml.parts(known.name),
        "role": known.role,
        **({} if rule is None else {"rule": rule}),
        **{key: value for key, value in told.items() if value},
    }


def _numbers(order: Iterable[Value]) -> dict[str, Any]:
    nodes = list(order)
    return {"values": [node.data for node in nodes], "partials": [list(node.partials) for node in nodes]}


def _after_update(order: Iterable[Value], moved: Mapping[Value, float]) -> dict[str, Any] | None:
    """Record the graph again with the updated parameters; None where that leaves an operation's domain."""
    try:
        again = record_again(order, moved)
    except (ArithmeticError, ValueError):
        return None
    return _numbers(again.values())


def _operations(graph: Graph) -> dict[str, Any]:
    def expression(node: Value) -> Expression:
        return number(node.data) if is_number(node) else name(f"n{graph.nodes[node].number}")

    return {
        "shown": list(range(len(graph.nodes))),
        "formulas": [mathml.tree(value_formula(node, expression)) if node.parents else None for node in graph.nodes],
        "derivatives": [
            [mathml.tree(local_derivative(node, index, expression)) for index in range(len(node.parents))]
            for node in graph.nodes
        ],
    }


class _Numbered(Quantities):
    """The labelled quantities under their numbers, as two of them may bear one label."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        super().__init__(graph.root)

    def name(self, node: Value) -> str:
        return f"n{self.nodes[node].number}"


def _quantities(graph: Graph) -> dict[str, Any]:
    view = _Numbered(graph)
    formulas = {node: view.formula(node) for node in view.order}
    return {
        "shown": [graph.nodes[node].number for node in view.order],
        "formulas": [mathml.tree(written) if (written := formulas[node]) else None for node in view.order],
        "derivatives": [list(map(mathml.tree, view.derivatives(node))) for node in view.order],
    }


def _named(root: Value, role_of: Mapping[Value, str]) -> tuple[Value, dict[Value, str]]:
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


def _roles_of(
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
                raise ValueError(f"page: {argument} needs leaves of the graph, got {leaf!r}")
    return found
