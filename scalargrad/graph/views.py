"""Two views of one recorded graph: every operation, and the labelled quantities with the true derivatives between them.

Reads the engine and the formulas. Drawing, tracing, derivation and page read a graph through a view.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cached_property
from math import inf
from typing import NamedTuple, Protocol

from ..engine import Value, topological_order
from ..formulas import notation, tidying, tree
from ..formulas.tree import Expression
from ..rules import Rule
from .chain_rule import backward
from .naming import names_of
from .roles import is_number

_LARGEST_FORMULA = 60  # names and numbers; a larger one is not for reading
_ELIDED = "…"  # stands in its place, and in the place of all that would hold it


class Edge(NamedTuple):
    """One edge of a view: the quantity it comes from, and the derivative of the node that it goes to."""

    parent: Value
    derivative: float


def operand_edges(node: Value) -> tuple[Edge, ...]:
    """List the operands with the local derivatives, as recorded."""
    return tuple(map(Edge, node.parents, node.partials))


class View(Protocol):
    """What every reader of a graph may ask, whichever nodes the view shows."""

    kind: str  # the name that `view_of` knows it by
    root: Value
    order: list[Value]  # parents first, the root last

    def parents(self, node: Value) -> tuple[Value, ...]: ...

    def edges(self, node: Value) -> tuple[Edge, ...]: ...

    def name(self, node: Value) -> str: ...

    def formula(self, node: Value) -> Expression | None: ...

    def derivatives(self, node: Value) -> tuple[Expression, ...]: ...


class Operations:
    """Every operation of the graph, one edge an operand: `x * x` has two."""

    kind = "operations"

    def __init__(self, root: Value) -> None:
        self.root = root
        self.order = topological_order(root)

    @cached_property
    def _names(self) -> dict[Value, str]:
        taken = {node.label for node in self.order}
        free = (name for name in map("v{}".format, range(1, 2 * len(self.order) + 1)) if name not in taken)
        labelled = names_of(self.root)
        return {
            node: labelled.get(node) or (notation.text(tree.number(node.data)) if is_number(node) else next(free))
            for node in self.order
        }

    def parents(self, node: Value) -> tuple[Value, ...]:
        """List the operands."""
        return node.parents

    def edges(self, node: Value) -> tuple[Edge, ...]:
        """List the operands with the local derivatives, as recorded."""
        return operand_edges(node)

    def name(self, node: Value) -> str:
        """Give the label; for a plain number the number, for all else without a label `v1`, `v2`, ... in order."""
        return self._names[node]

    def formula(self, node: Value) -> Expression | None:
        """Give the operation with the names of its operands put in; None for a leaf."""
        return value_formula(node, self._expression) if node.parents else None

    def derivatives(self, node: Value) -> tuple[Expression, ...]:
        """Give the formula of each local derivative, with the names put in."""
        return tuple(local_derivative(node, index, self._expression) for index in range(len(node.parents)))

    def _expression(self, node: Value) -> Expression:
        return tree.number(node.data) if is_number(node) else tree.name(self._names[node])


class Quantities:
    """The labelled nodes and the root; each edge has the true derivative between its ends.

    That is the sum, over the paths that pass no other labelled node, of the products of the local derivatives.
    """

    kind = "quantities"

    def __init__(self, root: Value) -> None:
        self.root = root
        nodes = topological_order(root)
        self._position = {node: position for position, node in enumerate(nodes)}
        self.order = [node for node in nodes if self._is_shown(node)]
        self._regions = {node: self._region(node) for node in self.order}

    @cached_property
    def _names(self) -> dict[Value, str]:
        names = names_of(self.root)
        return names if self.root.label else {**names, self.root: "root" + "'" * ("root" in names.values())}

    def parents(self, node: Value) -> tuple[Value, ...]:
        """List the nearest labelled quantities below."""
        return tuple(edge.parent for edge in self.edges(node))

    def edges(self, node: Value) -> tuple[Edge, ...]:
        """List the nearest labelled quantities below, each with the true derivative with respect to it."""
        return self._regions[node].edges

    def name(self, node: Value) -> str:
        """Give the label, and "root" for a root without one."""
        return self._names[node]

    def formula(self, node: Value) -> Expression | None:
        """Give the formula that leads from the nearest labelled quantities to this one; None for a leaf."""
        return self._formulas(node)[0] if node.parents else None

    def derivatives(self, node: Value) -> tuple[Expression, ...]:
        """Give the formula of the derivative on each edge."""
        return self._formulas(node)[1]

    def _is_shown(self, node: Value) -> bool:
        return bool(node.label) or node is self.root

    def _region(self, node: Value) -> _Region:
        """Run the chain rule from a node down to the nearest labelled quantities."""
        hidden = sorted(hidden_under(node, self._is_shown), key=self._position.__getitem__)
        derivative = backward(hidden, operand_edges)
        shown = sorted(
            (parent for parent in derivative if self._is_shown(parent) and parent is not node),
            key=self._position.__getitem__,
        )
        return _Region(hidden, tuple(Edge(parent, derivative[parent]) for parent in shown))

    def _formulas(self, node: Value) -> tuple[Expression, tuple[Expression, ...]]:
        """Do in symbols what `_region` does in numbers."""
        region = self._regions[node]
        written: dict[Value, Expression] = {}

        def expression(inner: Value) -> Expression:
            if self._is_shown(inner):
                return tree.name(self.name(inner))
            return written[inner] if inner.parents else tree.number(inner.data)

        for inner in region.hidden:
            if inner.parents:
                written[inner] = _readable(value_formula(inner, expression))
        derivative: dict[Value, Expression] = {node: tree.number(1.0)}
        for inner in reversed(region.hidden):
            for index, parent in enumerate(inner.parents):
                path = tree.product(derivative[inner], local_derivative(inner, index, expression))
                derivative[parent] = _readable(tree.sum_of(derivative[parent], path) if parent in derivative else path)
        return written.get(node, expression(node)), tuple(
            tidying.tidy(derivative[edge.parent]) for edge in region.edges
        )


class _Region(NamedTuple):
    hidden: list[Value]  # the node itself and the unlabelled nodes under it, parents first
    edges: tuple[Edge, ...]


VIEWS: dict[str, Callable[[Value], View]] = {view.kind: view for view in (Operations, Quantities)}
LAYERS = "layers"  # the view of matrices, whose nodes are no scalars: see `layers`


def default_view(nodes: Iterable[Value]) -> str:
    """Choose the view of a graph that nobody chose a view for; `nodes` are those under the root, the root last.

    It is "quantities" where an operation below the root has a label. Else these would be one edge from each leaf to
    the root, and it is "operations".
    """
    *below, _ = nodes
    return "quantities" if any(node.label and node.parents for node in below) else "operations"


def view_of(root: Value, view: str | None = None) -> View:
    """Make the view of a graph that has the name `view`, or the one that `default_view` chooses.

    >>> a, b = Value(2.0, "a"), Value(3.0, "b")
    >>> view_of(a * b + 1).kind, view_of(a * b + 1, "quantities").kind
    ('operations', 'quantities')
    """
    name = default_view(topological_order(root)) if view is None else view
    if name == LAYERS:
        raise ValueError(f"view: {LAYERS!r} has matrices for nodes, which only draw, trace and derive show")
    if name not in VIEWS:
        raise ValueError(f"view: needs {', '.join(map(json.dumps, VIEWS))} or {json.dumps(LAYERS)}, got {name!r}")
    return VIEWS[name](root)


def hidden_under(node: Value, is_shown: Callable[[Value], bool], most: float = inf) -> list[Value]:
    """List a node and what lies between it and the nearest nodes that are shown; stop where it is more than `most`."""
    hidden, seen = [node], {node}
    for inner in hidden:
        new = [parent for parent in inner.parents if parent not in seen and not is_shown(parent)]
        hidden += dict.fromkeys(new)
        seen.update(new)
        if len(hidden) > most:
            break
    return hidden


def value_formula(node: Value, expression: Callable[[Value], Expression]) -> Expression:
    """Give the formula of an operation with the expressions of its operands put in."""
    return tree.substitute(tree.value_formula(_rule(node)), _words(node, expression), {})


def local_derivative(node: Value, index: int, expression: Callable[[Value], Expression]) -> Expression:
    """Give the formula of one local derivative with the expressions of operands and value put in, tidied."""
    numbers = {"y": node.data, **dict(zip("ab", (parent.data for parent in node.parents)))}
    words = {"y": expression(node), **_words(node, expression)}
    return tidying.tidy(tree.substitute(tree.parse(_rule(node).partials[index]), words, numbers))


def _words(node: Value, expression: Callable[[Value], Expression]) -> dict[str, Expression]:
    return dict(zip("ab", map(expression, node.parents)))


def _rule(node: Value) -> Rule:
    if node.op is None:
        raise ValueError(f"view: a leaf has no formula: {node!r}")
    return node.op


def _readable(expression: Expression) -> Expression:
    is_readable = tree.size(expression) <= _LARGEST_FORMULA and _ELIDED not in notation.text(expression)
    return expression if is_readable else tree.name(_ELIDED)
