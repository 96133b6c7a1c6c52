"""Names for the boxes of a graph: what the labels in one have in common, or else the terms of the field.

Reads the labels and the formulas of the boxes. Each box has a name of its own.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain, count

from ..engine import Value
from ..formulas import algebra as matrices
from ..formulas.labels import label_parts
from ..rules import RULES
from .arranging import ARRANGEMENT, Box

WEIGHTED, OUTPUT = ("net", "z"), ("out", "a")  # the documents' words; the gradient of a weighted input is its delta
_BIAS, _WEIGHTS, _INPUT, _OTHER = "b", "W", "x", "v"


def names_of(boxes: Sequence[Box]) -> dict[str, str]:
    """Name each box, whose names so far are placeholders."""
    return _Naming(boxes).names


def stem(nodes: Sequence[Value]) -> str:
    """Find what labels have in common but for the numbers in them; the label itself where it is one.

    >>> stem([Value(0, "net_h1"), Value(0, "net_h2")]), stem([Value(0, "w_12^2"), Value(0, "w_21^2")])
    ('net_h', 'w^2')
    """
    labels = [node.label for node in nodes]
    if len(labels) == 1:
        return labels[0]
    found = set(map(_without_numbers, labels))
    if len(found) == 1:
        return found.pop()
    words = {label_parts(label)[0] for label in labels}
    return words.pop() if len(words) == 1 else ""


def _without_numbers(label: str) -> str:
    word, indices, layer, _ = label_parts(label)
    kept = "_".join(filter(None, (re.sub(r"\d+$", "", index) for index in indices)))
    return word + (f"_{kept}" if kept else "") + (f"^{layer}" if layer else "")


def suffix(name: str) -> str:
    """Give what follows the word in a name: its index and its layer."""
    return name.removeprefix(label_parts(name)[0])


class _Naming:
    def __init__(self, boxes: Sequence[Box]) -> None:
        self._boxes = {box.name: box for box in boxes}
        self._users: dict[str, Box] = {}
        with_products = [box for box in boxes if any(True for _ in matrices.products_in(box.formula))]
        for box in [*with_products, *boxes]:
            for name in matrices.names_in(box.formula):
                self._users.setdefault(name, box)
        self._factors = {
            name for box in boxes for part in matrices.products_in(box.formula) for name in matrices.names_in(part)
        }
        self.names: dict[str, str] = {}
        self._taken: set[str] = set()
        inner = [box for box in boxes if box.formula is not None and box.role != ARRANGEMENT]
        self._name_inner(inner)
        for box in boxes:
            if box.formula is None:
                self._name_leaf(box)
        for box in boxes:
            if box.role == ARRANGEMENT:
                self._take(box, f"{label_parts(self.names[next(matrices.names_in(box.formula))])[0]}_parts")

    def _take(self, box: Box, *proposals: str) -> None:
        pattern = "{}^({})" if suffix(proposals[0]) else "{}{}"
        numbered = (pattern.format(proposals[0], number) for number in count(2))
        self.names[box.name] = next(name for name in chain(proposals, numbered) if name not in self._taken)
        self._taken.add(self.names[box.name])

    def _name_inner(self, boxes: list[Box]) -> None:
        words = {box.name: stem(box.members()) or self._kind(box) for box in boxes}
        uses = Counter(words.values())
        number: Counter[str] = Counter()
        for box in boxes:
            word = words[box.name]
            is_own = bool(stem(box.members()))
            number[word] += 1
            if box.role == "loss":
                self._take(box, box.members()[0].label or "root")
            elif is_own and uses[word] == 1:
                self._take(box, word)
            else:
                self._take(box, f"{word}^({number[word]})" if is_own else f"{word}{number[word]}")

    def _kind(self, box: Box) -> str:
        """Tell what the field calls a box without labels: weighted input, output, or nothing in particular."""
        if any(True for _ in matrices.products_in(box.formula)):
            return "net"
        match box.formula:
            case ast.Call(func=ast.Name(id=word), args=[ast.Name(id=name)]) if word in RULES:
                if any(True for _ in matrices.products_in(self._boxes[name].formula)):
                    return "out"
        return _OTHER

    def _name_leaf(self, box: Box) -> None:
        word = stem(box.members())
        if len(box.members()) == 1 and word:
            self._take(box, word)
            return
        user = self.names.get(self._users[box.name].name, "") if box.name in self._users else ""
        is_weights = box.name in self._factors and self.is_weights(box)
        own = word or (
            _WEIGHTS if is_weights else _INPUT if box.name in self._factors or not user else self._in_a_sum(box)
        )
        if (is_weights or min(box.shape) > 1) and (len(own) == 1 or own[0] == "w"):
            own = own[0].upper() + own[1:]
        is_parameter = is_weights or own == _BIAS or box.role == "parameter"
        if is_parameter and not suffix(own) and suffix(user):
            self._take(box, own + suffix(user), f"{own}_{label_parts(user)[0]}{suffix(user).replace('_', '')}")
        else:
            self._take(box, own)

    def is_weights(self, box: Box) -> bool:
        """Tell of a factor of a product whether it is the matrix of weights, where no role says so."""
        if box.role == "parameter":
            return True
        if box.members()[0].label or box.role == "number":
            return False
        user = self._users[box.name]
        for part in matrices.products_in(user.formula):
            names = list(matrices.names_in(part))
            if box.name in names:
                other = self._boxes[names[1 - names.index(box.name)]]
                return other.formula is not None or (names[0] == box.name and not min(other.shape) > 1)
        return False

    def _in_a_sum(self, box: Box) -> str:
        """Tell what a leaf without labels that is no factor of a product is."""
        if box.role == "number":
            return "c"
        user = self._users[box.name]
        return _BIAS if any(True for _ in matrices.products_in(user.formula)) and _is_term(box.name, user) else _INPUT


def _is_term(name: str, box: Box) -> bool:
    """Tell whether a box is one term of the sum that another is, as a bias is."""
    waiting = [box.formula]
    for part in waiting:
        match part:
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
                waiting += [left, right]
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):  # repeated in each row or column
                waiting += [left] * matrices.is_ones(right) + [right] * matrices.is_ones(left)
            case ast.Attribute(value=inner):
                waiting.append(inner)
            case ast.Name(id=found) if found == name:
                return True
    return False
