"""The forward and the backward pass as lines on arrays, with the names of the documents: net, out, delta, W, b.

Reads the groups, their matrices and the arrays. `matrices` puts these lines into functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, groupby
from typing import NamedTuple

from ..formulas.source import ATOM, PRODUCT, SUM, Term
from ..graph.groups import MINUS, NONE, UNIFORM, VARYING_UNIFORM, Formula, Group, Scalars
from ..graph.matrices import Product, Table, Terms, tables_of
from ..rules import RULES
from .arrays import BACKWARD, FORWARD, HEAD, Array, Arrays, Part, Vector, as_column
from .emitter import is_identifier
from .targets import WORDS, ProgramGraph

_FEW = 3  # terms that stand side by side in a line; more of them are added up along an axis
FUNCTIONS = ("asarray", "broadcast_to", "column_stack", "concatenate", "zeros")
RESERVED = frozenset({*WORDS, *FUNCTIONS})
_OWN = frozenset({*RESERVED, *RULES, "at", "numbers"})  # what no array is called because of its labels


class Piece(NamedTuple):
    """A part of a sum."""

    sign: int  # 0, or MINUS
    term: Part
    is_one: bool = False  # as in `Vector`


class Passes:
    """The arrays of one function of a program: of the forward pass, and of the backward pass what it needs."""

    def __init__(
        self,
        graph: ProgramGraph,
        scalars: Scalars,
        groups: Sequence[Group],
        tables: dict[str, str],
        results: Iterable[int],
    ) -> None:
        self.scalars = scalars
        self.needed = scalars.needed_for(results)
        self.arrays = Arrays(scalars, tables)
        self.matrices: dict[tuple[tuple[tuple[int, int], ...], ...], tuple[Array, str]] = {}  # by places
        self.names = set(RESERVED)  # that are taken
        self._labels: dict[int, str] = {}  # of each value
        self._values: dict[int, list[int]] = {}  # of each gradient: what it is the gradient of
        for node, value, gradient in zip(graph.order, scalars.values, scalars.gradients):
            if value != NONE:
                self._labels[value] = node.label
                self._values.setdefault(gradient, []).append(value)
        self._add_inputs([node.label for node in graph.inputs])
        last = max(scalars.values)  # the scalars after it belong to the backward pass
        for part in (FORWARD, BACKWARD):
            self.arrays.part = part
            for group in groups:
                members = [m for m in group.members if self.needed[m] and (m > last) == (part == BACKWARD)]
                known = self._known(members)
                for alike in self._of_the_same_arrays([m for m in members if known[m] == m]):
                    if group.template:
                        self._add_formula(group, alike)
                    else:
                        for table in tables_of(scalars, alike):
                            self._add_sums(table)
                for member in members:
                    self.arrays.repeat(member, known[member])

    def _add_inputs(self, labels: Sequence[str]) -> None:
        """Cut a batch into x, y and so on: as the labels say, or else into what a layer reads and what it does not."""
        inputs, read = self.scalars.inputs, set()
        for terms in self.scalars.definitions:
            if isinstance(terms, list):
                read |= {a for kind, a, _ in terms if kind | MINUS == VARYING_UNIFORM | MINUS and a < len(inputs)}
        kinds = [(_stem(label), not _stem(label) and place in read) for place, label in enumerate(labels)]
        runs = [(kind[0], list(run)) for kind, run in groupby(inputs, key=kinds.__getitem__)]
        if len(runs) > len("xyz"):
            runs = [("", list(inputs))]
        for stem, run in runs:
            end = "" if run[-1] == inputs[-1] else run[-1] + 1
            text = "batch.T" if len(runs) == 1 else f"batch.T[{run[0] or ''}:{end}]"
            taken = {line.stem for line in self.arrays.lines}
            name = next(word for word in (stem, *"xyz", "inputs") if word and word not in taken)
            self.arrays.add(Array(run, True, lambda text=text: Term(text), name))  # type: ignore[misc]

    def _used_in(self, member: int) -> Iterable[int]:
        """Give the scalars in a definition."""
        definition = self.scalars.definitions[member]
        if isinstance(definition, Formula):
            return definition.operands
        return chain.from_iterable(term[1:] for term in definition or ())

    def _is_of_numbers(self, line: Array) -> bool:
        """Tell whether a line would be no array, but a number."""
        used = self._used_in(line.members[0])
        return not line.varies and all(s == NONE or self.scalars.numbers[s] is not None for s in used)

    def _known(self, members: Sequence[int]) -> dict[int, int]:
        """Give for each member the first one with the same definition: what was recorded twice is worked out once."""
        found: dict[tuple[object, ...], int] = {}
        known = {}
        for member in members:
            key = tuple(self.arrays.at.get(scalar, scalar) for scalar in self._used_in(member))
            known[member] = found.setdefault(key, member)
        return known

    def _of_the_same_arrays(self, members: Sequence[int]) -> list[list[int]]:
        """Sort members by the arrays that they are made of, unless that makes too many pieces."""
        found: dict[tuple[int, ...], list[int]] = {}
        for member in members:
            found.setdefault(tuple(map(self._array_of, self._used_in(member))), []).append(member)
        return list(found.values()) if len(found) <= max(_FEW, len(members) // _FEW) else [list(members)]

    def _array_of(self, scalar: int) -> int:
        return id(self.arrays.at[scalar][0]) if scalar in self.arrays.at else NONE  # a number

    # --- formulas and sums -------------------------------------------------------------------------------------------

    def _operand(self, wanted: Sequence[int], line: Array) -> Vector:
        """Write scalars as an operand in a line."""
        if line.varies and not self.scalars.varies[wanted[0]]:
            return self.arrays.column(wanted, "b" * line.is_net, line if line.is_net else None)
        return self.arrays.vector(wanted)

    def _add_formula(self, group: Group, members: Sequence[int]) -> None:
        template = group.template
        assert template is not None
        line = Array(members, self.scalars.varies[members[0]], lambda: template.fill(_terms(operands)))
        columns = zip(*(d.operands for member in members if isinstance(d := self.scalars.definitions[member], Formula)))
        operands = {slot: self._operand(column, line) for slot, column in zip(template.uses, columns)}
        for slot, operand in operands.items():
            if operand.array:
                operand.array.uses += template.uses[slot] - 1
        same = all(operand.is_one for operand in operands.values())
        if same and self._is_of_numbers(line):
            slot, scalar = next(zip(template.uses, self._used_in(members[0])))
            operands[slot] = self.arrays.vector([scalar], whole=True)
        self._name(line, [operand.array for operand in operands.values()])
        self.arrays.add(line, same)

    def _add_sums(self, table: Table) -> None:
        members = list(chain.from_iterable(table.members))
        pieces: list[Piece] = []
        line = Array(members, self.scalars.varies[members[0]], lambda: sum_of(pieces))
        matrices = [terms.weights for terms in table.terms if isinstance(terms, Product)]
        line.is_net = self.arrays.part == FORWARD and any(len(weights) * len(weights[0]) > 1 for weights in matrices)
        for terms in table.terms:
            pieces += self._product(terms, line) if isinstance(terms, Product) else self._terms(terms, line)
        if line.varies and all(isinstance(t, Terms) and t.kind | MINUS == UNIFORM | MINUS for t in table.terms):
            pieces.append(Piece(0, lambda: Term("zeros((1, rows))"), True))  # each sample has a number of its own
        elif self._is_of_numbers(line):
            pieces.append(Piece(0, lambda: Term("zeros(1)"), True))
        self._name(line)
        self.arrays.add(line, all(piece.is_one for piece in pieces))

    def _product(self, product: Product, line: Array) -> Iterator[Piece]:
        """Write W v, in pieces where v stands in several arrays; with several v all are multiplied at once."""
        if len(product.vectors) > 1:
            weights = self.matrix(product.weights, "W", line)
            places = self.arrays.vector(list(chain.from_iterable(zip(*product.vectors))), whole=True)
            shape, width = len(line.members), len(product.vectors[0])
            yield Piece(product.sign, lambda: _reshaped_product(weights(), places.term(), width, shape))
            return
        (vector,) = product.vectors
        runs = [list(run) for _, run in groupby(range(len(vector)), key=lambda i: self._array_of(vector[i]))]
        for run in runs if len(runs) <= _FEW else [list(range(len(vector)))]:
            rows = [tuple(weights[i] for i in run) for weights in product.weights]
            part = self.arrays.vector([vector[i] for i in run], whole=True)
            if len(run) > 1:
                yield Piece(product.sign, _matrix_times(self.matrix(rows, "W", line), part))
            elif len(rows) > 1:  # a column by one element: BLAS takes ten times the time for that
                yield Piece(product.sign, _times(Vector(self.matrix(rows, "W", line)), part))
            else:
                weight = self.arrays.column(rows[0])
                yield Piece(product.sign, _times(weight, part), True)

    def _terms(self, terms: Terms, line: Array) -> Iterator[Piece]:
        """Write terms side by side, many of them as a sum along an axis."""
        sign, height = terms.kind & MINUS, len(line.members)
        in_a_row = [scalars[0] for scalars in terms.left]
        if len(terms.left) <= _FEW and (height > 1 or len(in_a_row) == 1 or not self.arrays.are_side_by_side(in_a_row)):
            for place, scalars in enumerate(terms.left):
                left = self._operand(scalars, line)
                if terms.right:
                    right = self._operand(terms.right[place], line)
                    yield Piece(sign, _times(left, right), left.is_one and right.is_one)
                else:
                    yield Piece(sign, left.term, left.is_one)
            return
        if not terms.right and height > 1:
            flat = [s for term in zip(*terms.left) for s in sorted(term, key=self.scalars.order_of)]
            if self.scalars.varies[flat[0]] and self.arrays.are_side_by_side(flat):
                rows = self.arrays.vector(flat, whole=True)
                yield Piece(sign, lambda: Term(f"{rows.term():{ATOM}}.reshape({height}, {len(terms.left)}, -1).sum(1)"))
                return
        flat = list(chain.from_iterable(terms.left))
        whole = self.arrays.vector(flat, whole=True)
        left = whole
        if line.varies and not self.scalars.varies[flat[0]]:
            left = Vector(lambda: Term(as_column(whole.term())))
        text = _times(left, self._operand(list(chain.from_iterable(terms.right)), line)) if terms.right else left.term
        self.arrays.copied += len(flat) * self.scalars.varies[flat[0]]
        shape = f"{len(terms.left)}, {height}" + ", -1" * line.varies
        if height == 1:
            yield Piece(sign, lambda: Term(f"{text():{ATOM}}.sum(0, keepdims=True)"), True)
        else:
            yield Piece(sign, lambda: Term(f"{text():{ATOM}}.reshape({shape}).sum(0)"))

    def matrix(self, rows: Sequence[Sequence[int]], stem: str = "", net: Array | None = None) -> Part:
        """Write a matrix of what is the same for all samples; where its transpose is known, as that."""
        key = tuple(map(self.arrays.places, rows))
        if key not in self.matrices:
            line = Array(list(chain.from_iterable(rows)), False, self.arrays.matrix(rows), stem)
            line.of = net if net and net.is_net else None
            line.shape = f"{len(rows)} x {len(rows[0])}"
            self.arrays.lines.append(line)
            self.matrices[tuple(zip(*key))] = line, ".T"
            self.matrices[key] = line, ""
        matrix, turned = self.matrices[key]
        matrix.uses += 1
        return lambda: Term(matrix.term().text + turned, matrix.term().precedence)

    def checks(self) -> list[Part]:
        """List what is 0 where the numbers are finite in which an infinity could be lost again, and otherwise NaN."""
        at, arrays = self.arrays.at, self.arrays
        checked = [scalar for scalar in self.scalars.checked if self.needed[scalar]]
        given = [scalar for scalar in checked if at[scalar][0] is arrays.parameters]
        vectors = [arrays.vector(given, whole=True)] if given else []
        found = dict.fromkeys(at[scalar][0] for scalar in checked)
        vectors += [arrays.whole(array) for array in found if array is not arrays.parameters]
        for vector in vectors:
            if vector.array:
                vector.array.uses += 1  # it stands in the line twice
        return [_check_of(vector) for vector in vectors]

    # --- names -------------------------------------------------------------------------------------------------------

    def _name(self, line: Array, operands: Sequence[Array | None] = ()) -> None:
        """Say what an array would like to be called: as its labels say, or net, out and delta, or nothing at all."""
        if self.arrays.part == FORWARD:
            stems = {_stem(self._labels.get(member, "")) for member in line.members}
            line.stem = stems.pop() if len(stems) == 1 else ""
            nets = [operand for operand in operands if operand and operand.is_net]
            if line.is_net:
                line.of, line.stem = line, line.stem or "net"
            elif nets and len(operands) == 1:
                line.of, line.stem = nets[0], line.stem or "out"
            return
        at = self.arrays.at
        owners = [{at[value][0] for value in self._values.get(member, ()) if value in at} for member in line.members]
        nets = [array for array in set.intersection(*owners) if array.is_net]
        if len(nets) == 1 and len(nets[0].members) == len(line.members):
            line.of, line.stem = nets[0], "delta"

    def settled(self) -> dict[int, list[str]]:
        """Name the arrays, and write those that have a line of their own, for each part of the function in order."""
        lines = sorted((line for line in self.arrays.lines if line.uses), key=lambda line: line.part)
        nets = [line for line in lines if line.is_net]
        numbers = {net: f"{number}" * (len(nets) > 1) for number, net in enumerate(nets, 1)}
        stems = [line.stem for line in lines if not line.of]
        taken = self.names
        taken |= self.scalars.formulas.functions.keys()
        counts: dict[str, Iterator[int]] = {}
        parts: dict[int, list[str]] = {HEAD: [], FORWARD: [], BACKWARD: []}
        for line in lines:
            if line.goes_into_a_line():
                continue
            stem = line.stem or "v"
            is_one_of_many = not line.stem or (not line.of and stems.count(stem) > 1)
            name = "" if is_one_of_many else stem + (numbers[line.of] if line.of else "")
            while not name or name in taken:
                name = f"{stem}{next(counts.setdefault(stem, count(1)))}"
            taken.add(name)
            line.name = name
            shape = f"  # {line.shape}" if line.shape else ""
            parts[line.part].append(f"{name} = {line.write().text}{shape}")
        return parts


def _terms(operands: dict[str, Vector]) -> dict[str, Term]:
    return {slot: operand.term() for slot, operand in operands.items()}


def _times(left: Vector, right: Vector) -> Part:
    def write() -> Term:
        a, b = left.term(), right.term()
        return Term(f"{a:{PRODUCT}}*{b:{PRODUCT + 1}}", PRODUCT, a.size + b.size)

    return write


def _matrix_times(matrix: Part, vector: Vector) -> Part:
    def write() -> Term:
        term = vector.term()
        return Term(f"{matrix().text} @ {term:{ATOM}}", PRODUCT, 1 + term.size)

    return write


def _reshaped_product(weights: Term, vectors: Term, width: int, height: int) -> Term:
    return Term(f"({weights.text} @ {vectors:{ATOM}}.reshape({width}, -1)).reshape({height}, -1)")


def _check_of(vector: Vector) -> Part:
    return lambda: Term(f"({vector.term().text} - {vector.term().text}).sum()")


def sum_of(pieces: Sequence[Piece]) -> Term:
    """Write a sum of pieces with their signs."""
    terms = [(piece.sign, piece.term()) for piece in pieces]
    terms = [(sign, term) for sign, term in terms if term.number != 0.0] or terms[:1]
    sign, first = terms[0]
    if len(terms) == 1 and not sign:  # beside `*` a product of matrices is easier to read in brackets
        return first._replace(precedence=SUM) if " @ " in first.text else first
    text = f"{first:{SUM}}"
    if sign:
        text = f"-({text})" if " @ " in text else f"-{first:{PRODUCT}}"
    for sign, term in terms[1:]:
        text += f"{' - ' if sign else ' + '}{term:{PRODUCT}}"
    return Term(text, SUM, sum(term.size for _, term in terms))


def _stem(label: str) -> str:
    """Give the letters that a label begins with, if they can be a name.

    >>> _stem("net_h1"), _stem("w_12^2"), _stem("误差1"), _stem("for1"), _stem("x²")
    ('net', 'w', '误差', '', '')
    """
    match = re.match(r"[^\W\d_]+", label)
    return match[0] if match and match[0] not in _OWN and is_identifier(match[0]) else ""
