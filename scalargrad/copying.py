"""How a graph is copied and pickled: whole, at any depth, into another process as well.

Reads the engine and the rules. A rule of the table goes by its name, one that a student declared by its formulas.
"""

from __future__ import annotations

import copyreg
import sys
import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from .engine import Value, record
from .recording import CONSTANT
from .rules import POWERS, RULES, Rule

Parents: TypeAlias = tuple[int | None, int | None]
Numbers: TypeAlias = tuple[float, float, float | None, float | None]  # data, grad and the local derivatives

_BUILT_IN = {**RULES, **{f"pow, {name} varies": rule for name, rule in POWERS.items()}, "constant": CONSTANT}
_NAMES = {rule: name for name, rule in _BUILT_IN.items()}


class _Flat:
    """The nodes under a root as lists without nesting, so that nothing recurses over the graph.

    Nodes that another of these holds already stand in `others`. Pickle and deepcopy keep what they have met until
    they are done, and this with it: so every node that they meet comes from one and the same list.
    """

    def __init__(self, root: Value) -> None:
        self.nodes: list[Value] = []
        self.others: list[Value] = []
        entered: set[Value | None] = {None, root}
        waiting: list[Value] = []
        node = root
        while True:
            for parent in (node._a, node._b):
                if parent is None or parent in entered:
                    continue
                entered.add(parent)
                if id(parent) not in _known.flats:
                    waiting.append(node)
                    node = parent
                    break
                self.others.append(parent)
            else:
                self.nodes.append(node)
                if not waiting:
                    break
                node = waiting.pop()
        self.positions = {node: position for position, node in enumerate(self.nodes)}
        _known.flats.update((id(node), self) for node in self.nodes)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (*self._columns(), self.others)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Value]:
        return _restored(*self._columns(), deepcopy(self.others, memo))

    def _columns(self) -> tuple[list[Rule | None], list[Parents], list[Numbers], list[str]]:
        """List the operations, the numbers and the labels; a parent by its position, below 0 where it is another's."""
        known: dict[Value | None, int | None] = {None: None}
        known.update((other, ~index) for index, other in enumerate(self.others))
        known.update(self.positions.items())
        return (
            [node.op for node in self.nodes],
            [(known[node._a], known[node._b]) for node in self.nodes],
            [(node.data, node.grad, node._da, node._db) for node in self.nodes],
            [node.label for node in self.nodes],
        )


class _Known(threading.local):
    """Which list holds a node, by the node's id: for as long as that list lives, and it keeps the node alive."""

    def __init__(self) -> None:
        self.flats: WeakValueDictionary[int, _Flat] = WeakValueDictionary()


_known = _Known()


def _reduced(node: Value) -> tuple[Any, ...]:
    flat = _known.flats.get(id(node)) or _Flat(node)
    return _member, (flat, flat.positions[node])


def _member(graph: _Flat | list[Value], position: int) -> Value:
    """Give a node of a graph that was restored; to copy.copy, which restores nothing, another node like the one."""
    if isinstance(graph, list):
        return graph[position]
    node = graph.nodes[position]
    return _made(node.op, node._a, node._b, (node.data, node.grad, node._da, node._db), node.label)


def _restored(
    rules: Sequence[Rule | None],
    parents: Sequence[Parents],
    numbers: Sequence[Numbers],
    labels: Sequence[str],
    others: Sequence[Value],
) -> list[Value]:
    nodes: list[Value] = []

    def node_at(position: int | None) -> Value | None:
        if position is None:
            return None
        return nodes[position] if position >= 0 else others[~position]

    for rule, (a, b), row, label in zip(rules, parents, numbers, labels):
        nodes.append(_made(rule, node_at(a), node_at(b), row, label))
    return nodes


def _made(rule: Any, a: Value | None, b: Value | None, numbers: Numbers, label: str) -> Value:
    data, grad, da, db = numbers
    node = record(rule, data, a, b, da, db)
    node.grad = grad
    node.label = label
    return node


def _reduced_rule(rule: Rule) -> tuple[Any, ...]:
    if rule in _NAMES:
        return _built_in, (_NAMES[rule],)
    for function in rule.functions.values():
        if not _is_found_by_name(getattr(function, "given", function)):
            raise TypeError(
                f"pickle: the operation {rule.name} was declared by a callable that has no name in a module; "
                "declare it by formulas as text, as in operation('cube', 'a**3', '3 * a**2')"
            )
    return Rule, tuple(getattr(rule, field.name) for field in fields(rule))


def _is_found_by_name(function: Callable[..., Any]) -> bool:
    """Tell whether another process finds a function where its module says; an object that can be called may be."""
    name = getattr(function, "__qualname__", None)
    if name is None:
        return True
    try:
        return attrgetter(name)(sys.modules[function.__module__]) is function
    except (AttributeError, KeyError):
        return False


def _built_in(name: str) -> Rule:
    return _BUILT_IN[name]


copyreg.pickle(Value, _reduced)
for cut in Value.__subclasses__():  # on some Pythons there are such among the nodes, see `freeing`
    copyreg.pickle(cut, _reduced)
copyreg.pickle(Rule, _reduced_rule)
