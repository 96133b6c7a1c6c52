"""Groups of alike scalars: the matrices, convolutions and recurrences that are written out in a recorded graph.

Reads the engine and the formulas of one target. The C program is written as loops over these groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from ..engine import Value
from ..formulas.source import Formulas, Template, Term
from ..rules import RULES, Rule

# A term of a sum: its kind with its sign, and one or two factors. "Varying" is what differs from row to row of a
# batch; what is the same for all rows, such as a parameter, is worked out once a call. MINUS: the term is taken off.
SumTerm: TypeAlias = tuple[int, int, int]
NONE = -1  # in the place of a second factor
MINUS = 1
VARYING, UNIFORM, VARYING_VARYING, VARYING_UNIFORM, UNIFORM_UNIFORM = range(
    0, 10, 2
)  # plus MINUS where it is taken off

VARIES = {  # which of the factors of a term do
    VARYING: (True,),
    UNIFORM: (False,),
    VARYING_VARYING: (True, True),
    VARYING_UNIFORM: (True, False),
    UNIFORM_UNIFORM: (False, False),
}

_CLOSE = 1.05  # so many lanes for a number: no other way to cut a table is much better
_ADD, _SUB, _MUL, _NEG = (RULES[name] for name in ("add", "sub", "mul", "neg"))


class Formula(NamedTuple):
    """The definition of a scalar by a formula of a rule."""

    template: Template
    operands: tuple[int, ...]  # in the order of the template's slots


class Group(NamedTuple):
    """Alike scalars of one level: none depends on another, and all have the same definition but for the operands."""

    members: list[int]
    template: Template | None  # of the formula; None for sums
    pattern: bytes  # of a sum: the kinds of its terms; of a formula: which of its operands vary


class Block(NamedTuple):
    """Gradients of parameters that fill a table: in each row of a batch the sum of terms.

    One of them may be a product u_j * v_i, or all of them: where a weight is used several times.
    """

    pattern: bytes  # the kinds of the terms, in order
    left: list[tuple[int, ...]]  # u_j, one for each row of the table and each product; empty where there is none
    right: list[tuple[int, ...]]  # v_i, one for each column
    parameters: list[list[int]]
    uniform: list[list[list[int]]]  # for each term that is the same in all rows: a table of scalars


class Scalars:
    """Both passes over a graph as scalars of three kinds: leaf, formula of a rule, ordered signed sum.

    Chains of + and - whose partial sums nobody else uses become one sum, of numbers and products. No bit of any
    result changes: sums are ordered, and nothing is multiplied out.
    """

    def __init__(
        self,
        order: Sequence[Value],
        root: Value,
        outputs: Sequence[Value],
        inputs: Sequence[Value],
        parameters: Sequence[Value],
        formulas: Formulas,
        lanes: int = 8,
    ) -> None:
        """Read a graph. `lanes`: so many numbers stand side by side at least, in a row of a table of gradients."""
        self.formulas = formulas
        self._lanes = lanes
        self.numbers: list[float | None] = []
        self.varies: list[bool] = []
        self.levels: list[int] = []
        self.definitions: list[Formula | list[SumTerm] | None] = []
        self.places: list[int] = []  # of the node whose value or gradient it is: alike scalars stand in this order
        self.inputs = [self._new(True, place=place) for place in range(len(inputs))]
        self.parameters = [self._new(False, place=place) for place in range(len(parameters))]
        self.constants: dict[Any, int] = {}
        self.checked: dict[int, None] = {}  # what must be finite, as an infinity in it could be lost again
        self.totals: dict[int, list[SumTerm]] = {}  # of each parameter: the terms of its gradient in one row
        self._formulas: dict[Any, tuple[Template, tuple[str, ...]]] = {}
        self._order = order
        self._position = {node: place for place, node in enumerate(self._order)}
        self._leaves = dict(zip([*inputs, *parameters], [*self.inputs, *self.parameters]))
        self._needed = self._led_to_by(parameters)
        self._uses = self._count_uses([root, *outputs])
        self.values: list[int] = []  # of each node: the scalar that is its value; NONE inside a sum
        self.gradients = [NONE] * len(order)  # of each node: the scalar that is its gradient in one row; NONE if none
        self._pending: dict[int, list[SumTerm]] = {}
        self._forward()
        self.root = self._value(self._position[root])
        self.outputs = [self._value(self._position[node]) for node in outputs]
        self._backward(self._position[root], dict(zip(parameters, range(len(parameters)))))
        self._repeated: dict[int, int] = {}
        self.blocks = self._blocks()
        del self._pending, self._uses, self._position, self._order  # they hold the graph

    # --- what stands where ---------------------------------------------------------------------------------------

    def _led_to_by(self, leaves: Iterable[Value]) -> list[bool]:
        needed = set(leaves)
        for node in self._order:
            if node._a in needed or node._b in needed:
                needed.add(node)
        return [node in needed for node in self._order]

    def _count_uses(self, results: Sequence[Value]) -> list[int]:
        """Count how often each value is used in both passes, at least; a result counts as used twice."""
        uses = [0] * len(self._order)
        position, needed = self._position, self._needed
        counts: dict[Any, tuple[int, int, int]] = {}
        for place, node in enumerate(self._order):
            if (a := node._a) is None:
                continue
            at_a, at_b = position[a], None if node._b is None else position[node._b]
            key = node.op, needed[at_a], at_b is not None and needed[at_b]
            if (found := counts.get(key)) is None:
                assert node.op is not None  # it has parents
                found = counts[key] = _uses(node.op, *key[1:])
            uses[at_a] += found[0]
            if at_b is not None:
                uses[at_b] += found[1]
            uses[place] += found[2]
        for node in results:
            uses[position[node]] += 2
        return uses

    def _new(
        self, varies: bool, definition: Formula | list[SumTerm] | None = None, level: int = 0, place: int = 0
    ) -> int:
        self.numbers.append(None)
        self.varies.append(varies)
        self.levels.append(level)
        self.definitions.append(definition)
        self.places.append(place)
        return len(self.numbers) - 1

    def constant(self, number: float) -> int:
        """Give the scalar of a number."""
        key = number or str(number)  # 0.0 and -0.0 are two
        if key not in self.constants:
            self.constants[key] = self._new(False)
            self.numbers[-1] = number
        return self.constants[key]

    def _term(self, sign: int, a: int, b: int = NONE) -> SumTerm:
        if b == NONE:
            return (VARYING if self.varies[a] else UNIFORM) + sign, a, b
        if self.varies[a]:
            return (VARYING_VARYING if self.varies[b] else VARYING_UNIFORM) + sign, a, b
        return (VARYING_UNIFORM + sign, b, a) if self.varies[b] else (UNIFORM_UNIFORM + sign, a, b)

    def _sum(self, terms: list[SumTerm], place: int) -> int:
        """Give the scalar that is a sum of terms."""
        if len(terms) == 1 and terms[0][0] in (VARYING, UNIFORM):
            return terms[0][1]
        varies = not {kind | MINUS for kind, _, _ in terms} <= {UNIFORM | MINUS, UNIFORM_UNIFORM | MINUS}
        if varies:
            terms = [self._once_a_call(term, place) for term in terms]
        levels = self.levels
        level = 0
        for _, a, b in terms:  # what is uniform is there before the first row
            if self.varies[a] == varies and levels[a] > level:
                level = levels[a]
            if b != NONE and self.varies[b] == varies and levels[b] > level:
                level = levels[b]
        return self._new(varies, terms, level + 1, place)

    def _once_a_call(self, term: SumTerm, place: int) -> SumTerm:
        """Turn a product that is the same for all rows into a scalar of its own."""
        kind, a, b = term
        if kind | MINUS != UNIFORM_UNIFORM | MINUS:
            return term
        product = self._new(False, [(UNIFORM_UNIFORM, a, b)], 1 + max(self.levels[a], self.levels[b]), place)
        return UNIFORM + (kind & MINUS), product, NONE

    def _formula(self, rule: Rule, part: int, operands: dict[str, int], place: int) -> int:
        """Give the scalar of a formula; a number or an operand where it comes to no more."""
        found = tuple(self.numbers[operand] for operand in operands.values())
        key = (rule, part, found, len(operands))
        if key not in self._formulas:
            terms = {slot: Term(slot, number=number) for slot, number in zip(operands, found)}
            template = self.formulas.template(rule, part, terms)
            self._formulas[key] = template, tuple(template.uses)
        template, slots = self._formulas[key]
        if template.number is not None:
            return self.constant(template.number)
        if template.slot:
            return operands[template.slot]
        used = tuple(operands[slot] for slot in slots)
        varies = any(self.varies[operand] for operand in used)
        level = max((self.levels[operand] for operand in used if self.varies[operand] == varies), default=0)
        return self._new(varies, Formula(template, used), level + 1, place)

    # --- the passes ------------------------------------------------------------------------------------------------

    def _value(self, place: int) -> int:
        """Give the scalar of a node's value."""
        if (scalar := self.values[place]) == NONE:
            scalar = self.values[place] = self._sum(self._pending.pop(place), place)
        return scalar

    def _taken(self, place: int) -> list[SumTerm]:
        """Give the terms of a sum that nobody else uses, or the value as one term."""
        if self.values[place] == NONE and self._uses[place] <= 1:
            return self._pending.pop(place)
        return [self._term(0, self._value(place))]

    def _taken_as_one(self, place: int) -> SumTerm:
        """Give a value as one term: a product where it is one that nobody else uses."""
        if self.values[place] == NONE and self._uses[place] <= 1 and len(self._pending[place]) == 1:
            return self._pending.pop(place)[0]
        return self._term(0, self._value(place))

    def _forward(self) -> None:
        free = self._led_to_by(self._leaves)
        values, position = self.values, self._position
        for place, node in enumerate(self._order):
            values.append(NONE)
            rule = node.op
            if not free[place]:
                values[place] = self.constant(node.data)
            elif (a := node._a) is None:
                values[place] = self._leaves[node]
            elif rule is _ADD or rule is _SUB:
                assert node._b is not None
                terms = self._taken(position[a])
                kind, x, y = self._taken_as_one(position[node._b])
                terms.append((kind ^ MINUS if rule is _SUB else kind, x, y))
                self._pending[place] = terms
            elif rule is _MUL:
                assert node._b is not None
                self._pending[place] = [self._term(0, self._value(position[a]), self._value(position[node._b]))]
            elif rule is _NEG:
                kind, x, y = self._taken_as_one(position[a])
                self._pending[place] = [(kind ^ MINUS, x, y)]
            else:
                assert rule is not None
                operands = {slot: self._value(position[parent]) for slot, parent in zip("ab", node.parents)}
                values[place] = scalar = self._formula(rule, 0, operands, place)
                definition = self.definitions[scalar]
                if isinstance(definition, Formula) and self.places[scalar] == place:
                    for slot in "ab"[: len(node.parents)]:
                        known = self.numbers[operands[slot]] is not None or operands[slot] < len(self.inputs)
                        if slot in definition.template.absorbs and not known:
                            self.checked[operands[slot]] = None

    def _backward(self, root: int, parameters: dict[Value, int]) -> None:
        """Go from the root down; what arrives at a node along its edges adds up in the engine's order."""
        position, needed = self._position, self._needed
        arriving: dict[int, list[SumTerm]] = {root: [self._term(0, self.constant(1.0))]}
        for place in range(root, -1, -1):
            if not needed[place] or place not in arriving:
                continue
            node, terms = self._order[place], arriving.pop(place)
            if node in parameters:
                self.totals[parameters[node]] = terms
                continue
            self.gradients[place] = upstream = self._sum(terms, place)
            rule = node.op
            assert rule is not None
            assert node._a is not None
            a = position[node._a]
            if rule is _ADD or rule is _SUB:
                assert node._b is not None
                b = position[node._b]
                if needed[a]:
                    arriving.setdefault(a, []).append(self._term(0, upstream))
                if needed[b]:
                    arriving.setdefault(b, []).append(self._term(MINUS if rule is _SUB else 0, upstream))
            elif rule is _MUL:
                assert node._b is not None
                b = position[node._b]
                if needed[a]:
                    arriving.setdefault(a, []).append(self._product(upstream, self._value(b)))
                if needed[b]:
                    arriving.setdefault(b, []).append(self._product(upstream, self._value(a)))
            elif rule is _NEG:
                arriving.setdefault(a, []).append(self._term(MINUS, upstream))
            else:
                operands = {slot: self._value(position[parent]) for slot, parent in zip("ab", node.parents)}
                operands |= {"y": self.values[place], "u": upstream}
                for part, parent in enumerate(node.parents, 1):
                    if needed[position[parent]]:
                        path = self._formula(rule, part, operands, place)
                        if self.numbers[path] != 0.0:
                            arriving.setdefault(position[parent], []).append(self._term(0, path))

    def _product(self, upstream: int, local: int) -> SumTerm:
        first, second = self.numbers[upstream], self.numbers[local]
        if first is not None and second is not None:
            return self._term(0, self.constant(first * second))
        for number, other in ((first, local), (second, upstream)):
            if number in (1.0, -1.0):
                return self._term(MINUS if number == -1.0 else 0, other)
        return self._term(0, upstream, local)

    # --- the gradients of the parameters -----------------------------------------------------------------------------

    def _blocks(self) -> list[Block]:
        """Sort the gradients of the parameters into tables."""
        alike: dict[bytes, list[tuple[int, list[SumTerm]]]] = {}
        for parameter, terms in sorted(self.totals.items()):
            terms = [self._once_a_call(term, self.places[self.parameters[parameter]]) for term in terms]
            varying = [kind | MINUS for kind, _, _ in terms if kind | MINUS != UNIFORM | MINUS]
            if len(terms) > 1 and {VARYING_VARYING} <= {kind for kind, _, _ in terms} <= {
                VARYING_VARYING,
                VARYING_UNIFORM,
            }:
                terms = [(VARYING_VARYING, a, self._in_every_row(b)) for _, a, b in terms]
            all_products = {kind for kind, _, _ in terms} == {VARYING_VARYING}
            if (len(varying) > 1 and not all_products) or varying == [VARYING_UNIFORM | MINUS]:
                terms = [self._term(0, self._sum(terms, parameter))]
            alike.setdefault(bytes(kind for kind, _, _ in terms), []).append((parameter, terms))
        blocks: list[Block] = []
        for pattern, gradients in alike.items():
            products = [index for index, kind in enumerate(pattern) if kind | MINUS == VARYING_VARYING | MINUS]
            if not products:
                blocks.append(self._one_row(pattern, gradients))
                continue
            tables = self._tables(pattern, gradients, products, swap=False)
            if self._taken_up(tables) > _CLOSE * len(gradients):
                tables = min(tables, self._tables(pattern, gradients, products, swap=True), key=self._taken_up)
            most = 4 * self._lanes + 4 * len(gradients) if len(products) == 1 else 1.4 * len(gradients)
            if self._taken_up(tables) > most:  # no table: each gradient is a scalar of its own
                summed = [(p, [self._term(0, self._sum(terms, p))]) for p, terms in gradients]
                blocks.append(self._one_row(bytes([VARYING]), summed))
            else:
                blocks += tables
        return blocks

    def _taken_up(self, blocks: Iterable[Block]) -> int:
        """Count the lanes that tables take, those that stay empty included."""
        return sum(len(block.left) * -(-len(block.right) // self._lanes) * self._lanes for block in blocks)

    def _in_every_row(self, scalar: int) -> int:
        """Give a scalar that is the same in all rows a place in each: the 0 that a recurrence begins with."""
        if self.varies[scalar]:
            return scalar
        if scalar not in self._repeated:
            self._repeated[scalar] = self._new(True, [(UNIFORM, scalar, NONE)], 1)
        return self._repeated[scalar]

    def _one_row(self, pattern: bytes, gradients: list[tuple[int, list[SumTerm]]]) -> Block:
        varying = [index for index, kind in enumerate(pattern) if kind | MINUS == VARYING | MINUS]
        return Block(
            pattern,
            [],
            [(terms[index][1],) for _, terms in gradients for index in varying],
            [[parameter for parameter, _ in gradients]],
            [[[terms[i][1] for _, terms in gradients]] for i in range(len(pattern)) if i not in varying],
        )

    def _tables(
        self, pattern: bytes, gradients: list[tuple[int, list[SumTerm]]], products: list[int], swap: bool
    ) -> list[Block]:
        """Find the tables u_j * v_i: all u that have the same v belong to one of them."""
        u, v = (2, 1) if swap else (1, 2)
        of_left: dict[tuple[int, ...], list[tuple[tuple[int, ...], int, list[SumTerm]]]] = {}
        for parameter, terms in gradients:
            left, right = (tuple(terms[index][factor] for index in products) for factor in (u, v))
            of_left.setdefault(left, []).append((right, parameter, terms))
        of_rights: dict[tuple[tuple[int, ...], ...], list[tuple[int, ...]]] = {}
        for left, row in of_left.items():
            of_rights.setdefault(tuple(right for right, _, _ in row), []).append(left)
        return [
            Block(
                pattern,
                lefts,
                list(rights),
                [[parameter for _, parameter, _ in of_left[left]] for left in lefts],
                [
                    [[terms[i][1] for _, _, terms in of_left[left]] for left in lefts]
                    for i in range(len(pattern))
                    if i not in products
                ],
            )
            for rights, lefts in of_rights.items()
        ]

    def order_of(self, scalar: int) -> tuple[int, int]:
        """Give the order in which the scalars of a group stand, and groups one after the other."""
        return self.levels[scalar], self.places[scalar]

    # --- the groups ----------------------------------------------------------------------------------------------

    def needed_for(self, scalars: Iterable[int]) -> bytearray:
        """Mark all that some scalars are computed from, themselves included."""
        needed = bytearray(len(self.numbers) + 1)  # the last is marked where there is no second factor: NONE
        for scalar in scalars:
            needed[scalar] = True
        definitions = self.definitions
        for scalar in range(len(definitions) - 1, -1, -1):  # what one is computed from was there before it
            if needed[scalar] and (definition := definitions[scalar]) is not None:
                if isinstance(definition, Formula):
                    for operand in definition.operands:
                        needed[operand] = True
                else:
                    for _, a, b in definition:
                        needed[a] = needed[b] = True
        return needed

    def groups(self, varying: bool) -> list[Group]:
        """List the groups of what varies from row to row, or of what does not, in an order in which they can run."""
        alike: dict[tuple[int, int, bytes], list[int]] = {}
        templates: dict[int, Template | None] = {0: None}
        for scalar, definition in enumerate(self.definitions):
            if definition is None or self.varies[scalar] != varying:
                continue
            if isinstance(definition, Formula):
                kind = id(definition.template)
                templates[kind] = definition.template
                pattern = bytes(self.varies[operand] for operand in definition.operands)
            else:
                kind, pattern = 0, bytes([term[0] for term in definition])
            alike.setdefault((self.levels[scalar], kind, pattern), []).append(scalar)
        return [
            Group(sorted(members, key=self.places.__getitem__), templates[kind], pattern)
            for (_, kind, pattern), members in sorted(alike.items(), key=lambda item: item[0][0])
        ]


def segments(pattern: bytes) -> list[tuple[int, int, int]]:
    """Cut the terms of a sum into runs of one kind: the kind, where it begins, where it ends."""
    runs, start = [], 0
    for kind, run in groupby(pattern):
        end = start + len(list(run))
        runs.append((kind, start, end))
        start = end
    return runs


def _uses(rule: Rule, *needed: bool) -> tuple[int, int, int]:
    """Count how often an operation uses a, b and y: its value, and those local derivatives that are needed."""
    uses = [1, 1, 0]
    for partial, is_needed in zip(rule.partials, needed):
        words = set(re.findall(r"\b[aby]\b", partial)) if is_needed else ()
        uses = [count + (slot in words) for count, slot in zip(uses, "aby")]
    return uses[0], uses[1], uses[2]
