"""Which scalars of a recorded graph are alike: of the same level, by the same formula, with the same kinds of operands.

Reads the engine and the rules. What nobody else uses and nobody has named is part of the formula that uses it, and a
chain of + and - is one sum.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..engine import Value
from ..formulas.labels import label_parts
from ..rules import RULES, Rule
from .roles import is_number

_MOST_OPERANDS = 8  # of a formula that stands in one box
_MOST_BLOCKS = 8  # heads of an attention, say, that are a group each
_ADD, _SUB, _NEG, MUL = (RULES[name] for name in ("add", "sub", "neg", "mul"))


class Slot(NamedTuple):
    """The place of one operand in a formula."""

    kind: Hashable


class Applied(NamedTuple):
    """An operation on formulas."""

    rule: Rule
    operands: tuple[Any, ...]


class Terms(NamedTuple):
    """So many terms of a sum that are alike: added, or taken off."""

    sign: int
    formula: Any
    times: int


class Sum(NamedTuple):
    """Terms in the order in which the first of each kind stands."""

    terms: tuple[Terms, ...]


class Definition(NamedTuple):
    """How a scalar comes from others; the operands stand in the order of the slots, alike terms one after the other."""

    formula: Any
    operands: tuple[Value, ...]


class Group(NamedTuple):
    """Alike scalars, and their formula; None for leaves."""

    members: list[Value]
    formula: Any


def is_product(formula: Any) -> bool:
    """Tell whether a formula is the product of two scalars, each a group's or a leaf."""
    return isinstance(formula, Applied) and formula.rule is MUL and all(isinstance(x, Slot) for x in formula.operands)


def slots(formula: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """List the slots of a formula in the order of the operands, each by its path; alike terms have one path."""
    if isinstance(formula, Slot):
        yield path
    elif isinstance(formula, Applied):
        for number, operand in enumerate(formula.operands):
            yield from slots(operand, (*path, number))
    else:
        for number, term in enumerate(formula.terms):
            yield from term.times * list(slots(term.formula, (*path, number)))


def groups_of(order: Sequence[Value], root: Value) -> tuple[list[Group], dict[Value, Definition]]:
    """Find the groups, leaves first and the root last, and how each scalar in them comes from others."""
    written = _Formulas(order, root)
    uses: dict[Value, set[Hashable]] = defaultdict(set)
    groups: list[Group] = []
    paths: dict[Any, list[tuple[int, ...]]] = {}
    upwards = sorted(written.alike.items(), key=lambda item: item[0][0])
    for (_, formula), alike in upwards[::-1]:
        if formula not in paths:
            paths[formula] = list(slots(formula))
        for members in reversed(list(_parts(alike, uses, formula, written.definitions))):
            groups.append(Group(members, formula))
            for member in members:
                for operand, path in zip(written.definitions[member].operands, paths[formula]):
                    uses[operand].add((len(groups), path))
    groups.reverse()
    leaves: dict[Hashable, list[Value]] = {}
    for node in order:
        if not node.parents and not is_number(node):
            leaves.setdefault((written.kind(node), frozenset(uses[node])), []).append(node)
    return [*(Group(in_order(members), None) for members in leaves.values()), *groups], written.definitions


class _Piece:
    """A part of a formula: of a node that may be taken into the formula of the one that uses it."""

    __slots__ = ("node", "formula", "operands", "terms")

    def __init__(self, node: Value, formula: Any, operands: tuple[Value, ...], terms: Any = None) -> None:
        self.node, self.formula, self.operands = node, formula, operands
        self.terms: deque[tuple[int, _Piece]] | None = terms  # of a sum that is not closed yet


class _Formulas:
    """Write the formula of each scalar that is somebody's operand, is named, or is the root."""

    def __init__(self, order: Sequence[Value], root: Value) -> None:
        self.definitions: dict[Value, Definition] = {}
        self.alike: dict[tuple[int, Any], list[Value]] = {}
        self._kinds: dict[Hashable, int] = {}
        self._kind_of: dict[Value, Hashable] = {}
        self._level: dict[Value, int] = {}
        uses = Counter(parent for node in order for parent in node.parents)
        loose: dict[Value, _Piece] = {}
        for node in order:
            if not node.parents:
                continue
            pieces = [loose.pop(parent) if parent in loose else self._slot(parent) for parent in node.parents]
            piece = self._piece(node, pieces)
            if node is root or node.label or uses[node] != 1:
                self._define(piece)
            else:
                loose[node] = piece

    def kind(self, node: Value) -> Hashable:
        """Tell what alike operands have in common."""
        if node.parents:
            return self._kind_of[node]
        return "number" if is_number(node) else f"leaf {label_parts(node.label)[0]}"

    def _slot(self, node: Value) -> _Piece:
        return _Piece(node, Slot(self.kind(node)), (node,))

    def _piece(self, node: Value, pieces: list[_Piece]) -> _Piece:
        rule = node.op
        assert rule is not None  # it has parents
        if rule is _ADD or rule is _SUB or rule is _NEG:
            signs = {_ADD: (1, 1), _SUB: (1, -1), _NEG: (-1,)}[rule]
            terms: deque[tuple[int, _Piece]] = deque()
            if rule is _ADD and _is_zero(pieces[0]):  # what sum() begins with
                signs, pieces = signs[1:], pieces[1:]
            for sign, piece in zip(signs, pieces):
                found = piece.terms if piece.terms is not None else deque([(1, piece)])
                if sign < 0:
                    found = deque((-other, term) for other, term in found)
                if len(found) > len(terms):
                    found.extendleft(reversed(terms))
                    terms = found
                else:
                    terms.extend(found)
            return _Piece(node, None, (), terms)
        pieces = [self._closed(piece) for piece in pieces]
        if sum(_size(piece.formula) for piece in pieces) > _MOST_OPERANDS:
            pieces = [piece if isinstance(piece.formula, Slot) else self._kept(piece) for piece in pieces]
        formula = Applied(rule, tuple(piece.formula for piece in pieces))
        return _Piece(node, formula, tuple(operand for piece in pieces for operand in piece.operands))

    def _closed(self, piece: _Piece) -> _Piece:
        """Make an operand of a sum; one that adds up products, as a weighted input does, stands by itself."""
        if piece.terms is None:
            return piece
        piece = self._summed(piece)
        if any(terms.times > 1 and not isinstance(terms.formula, Slot) for terms in piece.formula.terms):
            return self._kept(piece)
        return piece

    def _summed(self, piece: _Piece) -> _Piece:
        """Put alike terms of a sum together; a formula that several of them have becomes a group by itself."""
        assert piece.terms is not None
        counts = Counter((sign, term.formula) for sign, term in piece.terms)
        many = sum(_size(formula) for _, formula in counts) > _MOST_OPERANDS
        alike: dict[tuple[int, Any], list[_Piece]] = {}
        for sign, term in piece.terms:
            simple = isinstance(term.formula, Slot) or is_product(term.formula)
            if not simple and (many or counts[sign, term.formula] > 1):
                term = self._kept(term)
            alike.setdefault((sign, term.formula), []).append(term)
        if len(alike) > _MOST_OPERANDS:  # too many kinds of terms: a sum of whatever there is
            alike = {}
            for sign, term in piece.terms:
                term = self._slot(term.node) if isinstance(term.formula, Slot) else self._kept(term)
                alike.setdefault((sign, Slot("any")), []).append(term)
        formula = Sum(tuple(Terms(sign, formula, len(terms)) for (sign, formula), terms in alike.items()))
        operands = tuple(operand for terms in alike.values() for term in terms for operand in term.operands)
        return _Piece(piece.node, formula, operands)

    def _kept(self, piece: _Piece) -> _Piece:
        if piece.node not in self.definitions:
            self._define(piece)
        return self._slot(piece.node)

    def _define(self, piece: _Piece) -> None:
        if piece.terms is not None:
            piece = self._summed(piece)
        level = 1 + max(self._level.get(operand, 0) for operand in piece.operands)
        key = level, piece.formula
        self._level[piece.node] = level
        self._kind_of[piece.node] = self._kinds.setdefault(key, len(self._kinds))
        self.definitions[piece.node] = Definition(piece.formula, piece.operands)
        self.alike.setdefault(key, []).append(piece.node)


def _is_zero(piece: _Piece) -> bool:
    return is_number(piece.node) and piece.node.data == 0


def _size(formula: Any) -> int:
    """Count the operands that stand in a formula when it is written."""
    return len(set(slots(formula)))


# --- the parts of what is alike --------------------------------------------------------------------------------------


def _parts(
    alike: list[Value], uses: Mapping[Value, set[Hashable]], formula: Any, definitions: Mapping[Value, Definition]
) -> Iterator[list[Value]]:
    """Part alike scalars that are used for different things, have different names, or are blocks of one product."""
    for together in _connected(alike, uses):
        words = {label_parts(node.label)[0] for node in together}
        by_word: dict[str, list[Value]] = {}
        for node in together:
            by_word.setdefault("" if "" in words else label_parts(node.label)[0], []).append(node)
        for members in by_word.values():
            yield from map(in_order, _blocks(members, formula, definitions))


def _connected(nodes: list[Value], marks: Mapping[Value, set[Hashable]]) -> list[list[Value]]:
    """Put those together that share a mark, or are linked by others that do; those without any are together."""
    first: dict[Hashable, int] = {}
    part = list(range(len(nodes)))

    def top(number: int) -> int:
        while part[number] != number:
            part[number] = number = part[part[number]]
        return number

    for number, node in enumerate(nodes):
        for mark in marks.get(node) or {None}:
            one, other = sorted((top(number), top(first.setdefault(mark, number))))
            part[other] = one
    found: dict[int, list[Value]] = {}
    for number, node in enumerate(nodes):
        found.setdefault(top(number), []).append(node)
    return list(found.values())


def _blocks(members: list[Value], formula: Any, definitions: Mapping[Value, Definition]) -> list[list[Value]]:
    """Part a product of matrices that consists of whole blocks, as the heads of an attention do."""
    products = product_terms(formula)
    if len(members) < 4 or not products:
        return [members]
    start, count = products[0]
    rows: dict[Value, set[Hashable]] = {}
    for node in members:
        operands = definitions[node].operands[start : start + 2 * count]
        rows[node] = {(0, operands[::2]), (1, operands[1::2])}
    blocks = _connected(members, rows)
    sizes = [
        (len(block), *(len({mark for node in block for mark in rows[node] if mark[0] == side}) for side in (0, 1)))  # type: ignore[index]
        for block in blocks
    ]
    whole = all(size == left * right and size > 1 for size, left, right in sizes)
    return blocks if whole and len(blocks) <= _MOST_BLOCKS else [members]


def product_terms(formula: Any) -> list[tuple[int, int]]:
    """List where in the operands several alike products begin, and how many these are."""
    found: list[tuple[int, int]] = []

    def look(part: Any, start: int) -> int:
        if isinstance(part, Slot):
            return start + 1
        if isinstance(part, Applied):
            for operand in part.operands:
                start = look(operand, start)
            return start
        for terms in part.terms:
            if terms.times > 1 and is_product(terms.formula):
                found.append((start, terms.times))
            start += terms.times * len(list(slots(terms.formula)))
        return start

    look(formula, 0)
    return found


def in_order(members: list[Value]) -> list[Value]:
    """Sort by the numbers in the labels where each has its own; otherwise they stay as they were found."""
    keys = [[int(number) for number in re.findall(r"\d+", node.label)] for node in members]
    if len({len(key) for key in keys}) > 1 or len(set(map(tuple, keys))) < len(members):
        return members
    return [node for _, _, node in sorted(zip(keys, range(len(members)), members))]
