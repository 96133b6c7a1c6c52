"""Backward passes as mistaken engines run them: in what order, with what start, adding or not, and what stays between.

Reads a recorded graph. No graph is changed: each pass works on numbers of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import trunc
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from ..engine import Value, topological_order

Gradients: TypeAlias = dict[Value, float]
Slot: TypeAlias = tuple[Hashable, int]  # one operand of one kind of operation

_MOST_CHOICES = 6  # of operands that may change places


class Habits(NamedTuple):
    """How an engine runs its backward pass; what stands here by default is right."""

    order: str = "topological"
    seed: float | None = 1.0  # what the root starts with; None for its own number
    assigned: frozenset[Slot] = frozenset()  # where `=` stands in the place of `+=`
    upstream: Mapping[Hashable, str] = MappingProxyType({})  # "missing" or "added", where it is not multiplied
    repeats: str = "both"  # or "first", "last": which one is seen where both operands are one value
    between: str = "fresh"  # what a pass does with the gradients that it finds; see `_begin`
    by_value: bool = False  # whether nodes with equal numbers count as one when nodes are remembered
    whole: bool = False  # whether each contribution is cut to a whole number


def run(
    roots: Sequence[Value],
    habits: Habits,
    kinds: Mapping[Value, Hashable],
    tie: Callable[[Value], bool] = lambda node: False,
) -> Gradients:
    """Run backward from each root in turn, and give the gradients that stand at the end.

    `kinds` sorts the operations, for habits that only some have. Local derivatives are those that an engine shows with
    an upstream gradient of 1: where it adds the two, one more than they are. `tie` tells of a node whether its second
    operand is looked at before its first.
    """
    gradients: Gradients = {}
    started: set[Value] = set()
    for root in roots:
        nodes = topological_order(root)
        for node in nodes:
            gradients.setdefault(node, 0.0)
        _begin(gradients, nodes, habits.between)
        seed = root.data if habits.seed is None else habits.seed
        gradients[root] = seed + (gradients[root] if habits.between == "seed added" else 0.0)
        used = {"used up": set(started), "all used up": set(nodes if started else ())}.get(habits.between, set())
        started.update(nodes)
        for node, slot in visits(root, habits, tie, gradients):
            if node in used:
                continue
            parent, kind = node.parents[slot], kinds.get(node)
            if node.parents.count(parent) == 2 and habits.repeats == ("first" if slot else "last"):
                continue
            upstream, local = gradients[node], node.partials[slot]
            how = habits.upstream.get(kind, "")
            contribution = {"": upstream * local, "missing": local, "added": upstream + local - 1}[how]
            if habits.whole:
                contribution = float(trunc(contribution))
            before = 0.0 if (kind, slot) in habits.assigned else gradients[parent]
            gradients[parent] = before + contribution
    return gradients


def _begin(gradients: Gradients, nodes: Sequence[Value], between: str) -> None:
    """Set to zero what a pass sets to zero: "fresh" the interior, "reset" all, the others nothing."""
    for node in nodes:
        if (between == "fresh" and node.parents) or between == "reset":
            gradients[node] = 0.0


def ties(roots: Sequence[Value]) -> Iterator[Callable[[Value], bool]]:
    """Give every way to choose, for each node, which of its operands comes first: an engine may keep them in a set."""
    nodes = dict.fromkeys(node for root in roots for node in topological_order(root))
    choices = [node for node in nodes if len(node.parents) == 2][:_MOST_CHOICES]
    for chosen in product((False, True), repeat=len(choices)):
        taken = dict(zip(choices, chosen))
        yield lambda node, taken=taken: taken.get(node, False)  # type: ignore[misc]


def visits(
    root: Value, habits: Habits, tie: Callable[[Value], bool], gradients: Gradients
) -> Iterator[tuple[Value, int]]:
    """Give the edges, as nodes and operands, in the order in which a backward pass goes along them."""
    if habits.order == "edge by edge":
        yield from _edge_by_edge(root)
        return
    way = _Way(tie, (lambda node: node.data) if habits.by_value else id)
    for node in ORDERS[habits.order](root, way):
        if habits.order == "seeds again":
            gradients[node] = 1.0
        for slot in range(len(node.parents)):
            yield node, slot


class _Way(NamedTuple):
    """How a pass goes over a graph: which operand it looks at first, and what it remembers a node by."""

    tie: Callable[[Value], bool]
    key: Callable[[Value], float]

    def parents(self, node: Value) -> Sequence[Value]:
        return node.parents[::-1] if len(node.parents) == 2 and self.tie(node) else node.parents


def _postorder(root: Value, way: _Way, remembers: bool = True) -> list[Value]:
    order: list[Value] = []
    visited: set[float] = set()
    waiting = [(root, False)]
    while waiting:
        node, is_done = waiting.pop()
        if is_done:
            order.append(node)
        elif way.key(node) not in visited:
            if remembers:
                visited.add(way.key(node))
            waiting.append((node, True))
            waiting += [(parent, False) for parent in reversed(way.parents(node))]
    return order


def _recursion(root: Value, way: _Way) -> Iterator[Value]:
    """`def back(v): v._backward(); for p in v.parents: back(p)`, with a stack in the place of the recursion."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(way.parents(node))


def _edge_by_edge(root: Value) -> Iterator[tuple[Value, int]]:
    """`for p in v.parents: p.grad += ...; p.backward()`, with a stack in the place of the recursion."""
    waiting = [(root, slot) for slot in reversed(range(len(root.parents)))]
    while waiting:
        node, slot = waiting.pop()
        yield node, slot
        parent = node.parents[slot]
        waiting += [(parent, below) for below in reversed(range(len(parent.parents)))]


def _waiting(root: Value, way: _Way, first: bool, remembers: bool) -> Iterator[Value]:
    """Take nodes from a queue (`first`) or a stack, with or without a set of those that were seen."""
    waiting = deque([root])
    seen = {way.key(root)}
    while waiting:
        node = waiting.popleft() if first else waiting.pop()
        yield node
        for parent in way.parents(node):
            if not remembers or way.key(parent) not in seen:
                seen.add(way.key(parent))
                waiting.append(parent)


def _preorder(root: Value, way: _Way) -> Iterator[Value]:
    seen: set[float] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if way.key(node) not in seen:
            seen.add(way.key(node))
            yield node
            waiting += reversed(way.parents(node))


ORDERS: dict[str, Callable[[Value, _Way], Iterable[Value]]] = {
    "topological": lambda root, way: reversed(_postorder(root, way)),
    "recursion": _recursion,
    "visited forgotten": lambda root, way: reversed(_postorder(root, way, remembers=False)),
    "not reversed": _postorder,
    "depth first": _preorder,
    "breadth first": lambda root, way: _waiting(root, way, first=True, remembers=True),
    "queue": lambda root, way: _waiting(root, way, first=True, remembers=False),
    "stack": lambda root, way: _waiting(root, way, first=False, remembers=True),
    "seeds again": _recursion,
}
EVERY_ORDER = (*ORDERS, "edge by edge")
