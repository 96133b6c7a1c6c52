"""The chain rule in numbers over any edges: those of the operations, of a view, or of what is hidden in one.

Reads nothing: whoever calls it says what the nodes are, and the edges. The engine's own pass stands in the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

Node = TypeVar("Node")
Visited = TypeVar("Visited", contravariant=True)


class Visit(Protocol[Visited]):
    """What is told of each edge: which of the node's it is, and what it brings to the parent."""

    def __call__(
        self,
        node: Visited,
        parent: Visited,
        edge: int,
        upstream: float,
        local: float,
        contribution: float,
        total: float,
        /,
    ) -> None: ...


def backward(
    order: Sequence[Node],
    edges_of: Callable[[Node], Iterable[tuple[Node, float]]],
    visit: Visit[Node] | None = None,
) -> dict[Node, float]:
    """Go down `order`, parents first, from its last node, and give the derivative of that node by every other.

    `edges_of` lists the parents of a node with the derivatives by them, and `visit` is told of each edge. What reaches
    a parent outside of the order is summed up there. A sum too large for a float comes out as infinity or NaN.

    >>> backward(["x", "y"], {"x": [], "y": [("x", 3.0), ("x", 3.0)]}.__getitem__)
    {'x': 6.0, 'y': 1.0}
    """
    gradients = dict.fromkeys(order, 0.0)
    gradients[order[-1]] = 1.0
    for node in reversed(order):
        upstream = gradients[node]
        for edge, (parent, local) in enumerate(edges_of(node)):
            contribution = upstream * local
            gradients[parent] = total = gradients.get(parent, 0.0) + contribution
            if visit:
                visit(node, parent, edge, upstream, local, contribution, total)
    return gradients
