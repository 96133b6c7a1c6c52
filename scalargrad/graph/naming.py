"""A name for each labelled quantity: its label, and where several bear one label also their layer, neuron or sample.

Reads the engine, the roles and the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..engine import Value, topological_order
from ..formulas.labels import label_parts
from .roles import is_number, roles


class Place(NamedTuple):
    """Where a quantity stands among those of its label, counted from 1; None where that is not one place."""

    step: int | None = None  # the layer or the step of time: one more than what of the same label leads to it
    unit: int | None = None  # the neuron: those of a step that are computed in other ways, or with other parameters
    copy: int | None = None  # the sample: those that are computed in the same way, with the same parameters


def names_of(root: Value) -> dict[Value, str]:
    """Name the labelled nodes under `root`; a label that only one of them bears is its name.

    Of several, a layer or step of time has its number above, x^(2), a neuron below, x_2, and a sample in brackets
    above, x^[2]. Where the graph does not tell which of these it is, the order in which they come stands in brackets.

    >>> x, w = (Value(3.0, label="x"), Value(4.0, label="x")), Value(0.5, label="w")
    >>> list(names_of(w * x[0] + w * x[1]).values())
    ['w', 'x^[1]', 'x^[2]']
    """
    order = topological_order(root)
    bearers: dict[str, list[Value]] = {}
    for node in order:
        if node.label:
            bearers.setdefault(node.label, []).append(node)
    alike = {label: nodes for label, nodes in bearers.items() if len(nodes) > 1}
    named = {nodes[0]: label for label, nodes in bearers.items() if len(nodes) == 1}
    if alike:
        places = _places(root, order, alike)
        taken = set(bearers)
        for label, nodes in alike.items():
            names = _told_apart(label, [places[node] for node in nodes])
            if len({*names} - taken) < len(nodes):
                names = [_name(label, Place(copy=number)) for number in range(1, len(nodes) + 1)]
            for node, name in zip(nodes, names):
                while name in taken:
                    name += "'"
                taken.add(name)
                named[node] = name
    return named


def _told_apart(label: str, places: Sequence[Place]) -> list[str]:
    """Write the names of all that bear a label, with no more than what tells them apart."""
    varies = [len(set(numbers)) > 1 for numbers in zip(*places)]
    return [_name(label, Place(*(part if used else None for part, used in zip(place, varies)))) for place in places]


def _name(label: str, place: Place) -> str:
    parts = label_parts(label)
    if place.unit is not None and (parts.word == label or len(parts.indices) == 1) and not parts.layer:
        label = "_".join([parts.word, str(place.unit), *parts.indices])
    above = "" if place.step is None or parts.layer else f"({place.step})"
    copy = "" if place.copy is None else f"[{place.copy}]"
    return f"{label}{'^' if (above or copy) and not parts.layer else ''}{above}{copy}"


def _places(root: Value, order: Sequence[Value], alike: Mapping[str, Sequence[Value]]) -> dict[Value, Place]:
    """Find the place of each node: its own, where it was computed, and for a leaf the one in which it is used."""
    steps, kinds = _steps(order, alike), _kinds(root, order)
    own: dict[Value, Place] = {}
    for nodes in alike.values():
        units: dict[tuple[int, int], int] = {}
        of_step: dict[int, int] = {}
        copies: dict[tuple[int, int], int] = {}
        for node in nodes:
            if node.parents:
                step, way = steps[node], (steps[node], kinds[node])
                if way not in units:
                    units[way] = of_step[step] = of_step.get(step, 0) + 1
                copies[way] = copies.get(way, 0) + 1
                own[node] = Place(step, units[way], copies[way])
    computed: dict[Value, Place] = {}  # where what an operation reads stands
    for node in order:
        if node.parents:
            operands = [computed[parent] for parent in node.parents if parent.parents]
            computed[node] = own[node] if node in own else Place() if node.label else _common(operands)
    uses: dict[Value, set[Place]] = {}
    places = dict(own)
    for node in reversed(order):
        if node not in places:
            used = _common(uses.get(node, ()))
            if node.parents and used == Place():
                used = computed[node]
            elif not node.parents and any(other.parents for other in alike.get(node.label, ())):
                used = used._replace(step=0)  # the first of a chain, such as an initial state
            places[node] = used
        for parent in node.parents:
            uses.setdefault(parent, set()).add(places[node])
    return places


def _common(places: Iterable[Place]) -> Place:
    """Give what several places have in common."""
    return Place(*(numbers[0] if len(set(numbers)) == 1 else None for numbers in zip(*places)))


def _steps(order: Sequence[Value], alike: Mapping[str, Sequence[Value]]) -> dict[Value, int]:
    """Count for each node how often labels come again on the way to it; a leaf is at 0."""
    steps: dict[Value, int] = {}
    met: dict[Value, frozenset[str]] = {}  # the labels of a node's own step on the way to it
    for node in order:
        step, labels = 0, frozenset[str]()
        if node.parents:
            step = max(1, *(steps[parent] for parent in node.parents))
            for parent in node.parents:
                if steps[parent] == step and not met[parent] <= labels:
                    labels |= met[parent]
            if node.label in labels:
                step, labels = step + 1, frozenset()
            if node.label in alike:
                labels |= {node.label}
        steps[node], met[node] = step, labels
    return steps


def _kinds(root: Value, order: Sequence[Value]) -> dict[Value, int]:
    """Number the ways in which nodes are computed: with the same parameters, from inputs of the same labels."""
    role_of = roles(root)
    numbers: dict[tuple[object, ...], int] = {}
    kinds: dict[Value, int] = {}
    for node in order:
        way: tuple[object, ...]
        if node.parents:
            way = (node.op, *(kinds[parent] for parent in node.parents))
        elif role_of[node] == "parameter":
            way = (node,)
        else:
            way = ("number",) if is_number(node) else ("leaf", node.label)
        kinds[node] = numbers.setdefault(way, len(numbers))
    return kinds
