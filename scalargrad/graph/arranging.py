"""Groups of alike scalars in rows and columns, and their formulas as formulas of matrices.

Reads the groups. A vector is a column; in a batch a row is a sample.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import Any, TypeAlias

from ..engine import Value
from ..formulas import algebra as matrices
from ..formulas import tree
from ..formulas.algebra import Matrix
from ..formulas.tree import Expression
from .alike import Applied, Definition, Group, Slot, Terms, is_product, product_terms, slots
from .roles import is_number

Table: TypeAlias = list[list[Value]]
ARRANGEMENT = "arrangement"
_MOST_PARTS = 8  # of a sum that are written one by one
_FEW = 3  # scalars of different groups: written one by one as well


@dataclass(eq=False)
class Box:
    """One group: its scalars in rows and columns, and the formula by which they come from other groups.

    The scalars of an arrangement are those of other boxes in another order, or several times, as in the windows of a
    convolution; its gradients go back to where they were taken from.
    """

    name: str
    table: Table
    role: str  # as those of single scalars, or "arrangement"
    formula: Expression | None = None  # None for leaves; the names in it are those of other boxes

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns it has."""
        return len(self.table), len(self.table[0])

    @property
    def values(self) -> Matrix:
        """Its numbers."""
        return [[node.data for node in row] for row in self.table]

    def members(self) -> list[Value]:
        """List the scalars row by row."""
        return list(chain(*self.table))


class Arranged:
    """Boxes, in an order in which they can be worked out; their names are placeholders."""

    def __init__(
        self, groups: Sequence[Group], definitions: dict[Value, Definition], role_of: dict[Value, str], root: Value
    ) -> None:
        self._definitions, self._role_of = definitions, role_of
        self._group_of = {node: number for number, group in enumerate(groups) for node in group.members}
        self._groups = groups
        self._tables: dict[int, Table] = {}  # of the groups that have found their rows and columns
        self._places: dict[Value, tuple[int, int]] = {}
        self._extra: dict[Hashable, Box] = {}  # arrangements and tables of numbers
        self._boxes: dict[str, Box] = {}
        inner = [number for number, group in enumerate(groups) if group.formula is not None]
        for number in inner:
            if len(groups[number].members) == 1:
                self._lay_out(number, [[groups[number].members[0]]])
        formulas: dict[int, Expression] = {}
        # What is one number comes last: the weights have found their rows by then, whatever else is done with them.
        for number in sorted(inner, key=lambda number: (len(groups[number].members) == 1, self._is_square(number))):
            formulas[number] = self._formula(number)
        self.boxes: list[Box] = []
        self._done: set[str] = set()
        for number in inner:
            box = Box(_key(number), self._tables[number], "loss" if root in groups[number].members else "quantity")
            box.formula = formulas[number]
            self._boxes[box.name] = box
            self._add(box)
        if not inner:
            self._add(self._leaf(self._group_of[root]))

    def _is_square(self, number: int) -> bool:
        """Tell whether a sum of products is one of squares, as a penalty on the weights is."""
        group = self._groups[number]
        operands = self._definitions[group.members[0]].operands
        return any(
            operands[start : start + 2 * count : 2] == operands[start + 1 : start + 2 * count : 2]
            for start, count in product_terms(group.formula)
        )

    def _add(self, box: Box) -> None:
        """List a box after those that it is computed from."""
        for name in matrices.names_in(box.formula) if box.formula else ():
            if name not in self._done:
                self._add(self._boxes[name] if name in self._boxes else self._leaf(int(name[1:])))
        self._done.add(box.name)
        self.boxes.append(box)

    def _leaf(self, number: int) -> Box:
        members = self._groups[number].members
        if number not in self._tables:
            self._lay_out(number, [[member] for member in members])
        return Box(_key(number), self._tables[number], self._role_of[members[0]])

    # --- rows and columns --------------------------------------------------------------------------------------------

    def _lay_out(self, number: int, table: Table) -> None:
        self._tables[number] = table
        for r, row in enumerate(table):
            for c, node in enumerate(row):
                self._places[node] = (r, c)

    def _formula(self, number: int) -> Expression:
        """Find the rows and columns of a group and write its formula; as a column where they do not fit together."""
        members, formula = self._groups[number].members, self._groups[number].formula
        operands = {member: self._sorted(self._definitions[member].operands, formula) for member in members}
        if number in self._tables:
            return _Writing(self, self._tables[number], operands).write(formula)
        table = self._table(members, formula, operands)
        try:
            written = _Writing(self, table, operands).write(formula)
        except _DoesNotFit:
            table = [[member] for member in members]
            written = _Writing(self, table, operands).write(formula)
        self._lay_out(number, table)
        if len(members) > 1 and self._is_scalar(written):  # the same number for each of them
            return tree.product(written, matrices.ones(len(table), len(table[0])))
        return written

    def _is_scalar(self, formula: Expression) -> bool:
        shapes = {}
        for name in matrices.names_in(formula):
            table = self._boxes[name].table if name in self._boxes else self._tables[int(name[1:])]
            shapes[name] = len(table), len(table[0])
        return matrices.shape(formula, shapes) == (1, 1)

    def _sorted(self, operands: tuple[Value, ...], formula: Any) -> tuple[Value, ...]:
        """Put the terms of each product in the order in which one of its factors is laid out."""
        for start, count in product_terms(formula):
            end = start + 2 * count
            pairs = list(zip(operands[start:end:2], operands[start + 1 : end : 2]))
            for side in (1, 0):
                if all(pair[side] in self._places for pair in pairs):
                    pairs.sort(key=lambda pair: self._places[pair[side]])
                    break
            operands = (*operands[:start], *chain(*pairs), *operands[end:])
        return operands

    def _table(self, members: list[Value], formula: Any, operands: dict[Value, tuple[Value, ...]]) -> Table:
        for start, count in product_terms(formula):
            end = start + 2 * count
            sides = [[operands[member][start + side : end : 2] for member in members] for side in (0, 1)]
            if grid := _grid(members, *sides):
                return grid
            return [[member] for member in members]
        paths = list(slots(formula))
        if len(set(paths)) < len(paths):  # rows are summed up
            return [[member] for member in members]
        columns = [[operands[member][slot] for member in members] for slot in range(len(paths))]
        for column in columns:
            if len(set(column)) == len(members) and all(node in self._places for node in column):
                group = self._group_of[column[0]]
                here = dict(zip(column, members))
                if here.keys() == set(chain(*self._tables[group])):
                    return [[here[node] for node in row] for row in self._tables[group]]
        for first, one in enumerate(columns):
            for other in columns[first + 1 :]:
                wide = len(set(one)) > 1 and len(set(other)) > 1
                if wide and (grid := _grid(members, [(node,) for node in one], [(node,) for node in other])):
                    return grid
        return [[member] for member in members]

    # --- tables of operands ------------------------------------------------------------------------------------------

    def matrix(self, table: Table, is_row_of_weights: bool = False) -> Expression:
        """Write a table of operands as a matrix: a box, its transpose, or an arrangement."""
        if all(map(is_number, chain(*table))):
            return self._numbers(table)
        number = self._group_of.get(table[0][0], -1)
        if number >= 0 and number not in self._tables and _is_all_of(table, self._groups[number].members):
            as_column = len(table) == 1 and not is_row_of_weights
            self._lay_out(number, _turned(table) if as_column else table)
        known = self._tables.get(number)
        if known == table:
            return tree.name(_key(number))
        if known is not None and known == _turned(table):
            return matrices.transposed(tree.name(_key(number)))
        return self._arrangement(table)

    def entries(self, table: Table) -> Expression:
        """Write a table of operands of which each goes to one entry: as a matrix, a scalar, or a vector spread out."""
        rows, columns = len(table), len(table[0])
        if len(set(chain(*table))) == 1:
            node = table[0][0]
            if is_number(node):
                return tree.number(node.data)
            if rows == columns == 1 or self._is_alone(node):
                return self.matrix([[node]])
        if all(map(is_number, chain(*table))):
            if len({str(node.data) for node in chain(*table)}) == 1:
                return tree.number(table[0][0].data)
        elif min(rows, columns) > 1 or len(set(chain(*table))) == 1:
            if all(len(set(row)) == 1 for row in table):
                return matrices.product(self.matrix([[row[0]] for row in table]), matrices.ones(1, columns))
            if all(row == table[0] for row in table):
                return matrices.product(matrices.ones(rows, 1), self.matrix([table[0]]))
        return self.matrix(table)

    def groups_of(self, operands: tuple[Value, ...]) -> tuple[int, ...]:
        """Tell which groups scalars are from; -1 for plain numbers."""
        return tuple(self._group_of.get(operand, -1) for operand in operands)

    def is_weights(self, node: Value) -> bool:
        """Tell whether a leaf is a parameter."""
        return self._role_of[node] == "parameter"

    def all_of(self, nodes: Sequence[Value]) -> Table | None:
        """Give the table that consists of these scalars, each of them once."""
        if is_number(nodes[0]):
            return None
        table = self._tables.get(self._group_of[nodes[0]])
        return table if table and _is_all_of([list(nodes)], list(chain(*table))) else None

    def _is_alone(self, node: Value) -> bool:
        return len(self._groups[self._group_of[node]].members) == 1

    def _numbers(self, table: Table) -> Expression:
        key = tuple(tuple(str(node.data) for node in row) for row in table)
        if key not in self._extra:
            self._extra[key] = Box(f"#n{len(self._extra)}", table, "number")
        return self._placed(key)

    def _arrangement(self, table: Table) -> Expression:
        if len(set(chain(*table))) == 1 and self._is_alone(table[0][0]):
            return tree.product(self.matrix([[table[0][0]]]), matrices.ones(len(table), len(table[0])))
        key = tuple(map(tuple, table))
        if key not in self._extra:
            groups = dict.fromkeys(self._group_of[node] for node in chain(*table) if not is_number(node))
            for number in groups:
                if number not in self._tables:
                    self._lay_out(number, [[member] for member in self._groups[number].members])
            formula = matrices.call(matrices.SPREAD, *(tree.name(_key(number)) for number in groups))
            self._extra[key] = Box(f"#a{len(self._extra)}", table, ARRANGEMENT, formula)
        return self._placed(key)

    def _placed(self, key: Hashable) -> Expression:
        box = self._extra[key]
        self._boxes[box.name] = box
        return tree.name(box.name)


class _DoesNotFit(Exception):
    """A formula has no matrix form with these rows and columns."""


class _Writing:
    """Write the formula of a group that is laid out in a table."""

    def __init__(self, arranged: Arranged, table: Table, operands: dict[Value, tuple[Value, ...]]) -> None:
        self._arranged, self._table = arranged, table
        self._operands = [[operands[member] for member in row] for row in table]
        self._next = 0
        self._is_column = len(table[0]) == 1

    def write(self, formula: Any) -> Expression:
        """Write a formula from its first slot on."""
        self._next = 0
        return self._write(formula)

    def _write(self, formula: Any) -> Expression:
        if isinstance(formula, Slot):
            return self._arranged.entries(self._taken())
        if isinstance(formula, Applied):
            operands = [self._write(operand) for operand in formula.operands]
            return tree.substitute(matrices.value_formula(formula.rule), dict(zip("ab", operands)), {})
        written: Expression | None = None
        for terms in formula.terms:
            for term in self._terms(terms):
                if written is None:
                    written = tree.negative(term) if terms.sign < 0 else term
                else:
                    written = tree.sum_of(written, term) if terms.sign > 0 else tree.difference(written, term)
        assert written is not None  # a sum has terms
        return written

    def _taken(self) -> Table:
        self._next += 1
        return [[operands[self._next - 1] for operands in row] for row in self._operands]

    def _terms(self, terms: Terms) -> list[Expression]:
        if terms.times == 1:
            return [self._write(terms.formula)]
        factors = 2 if is_product(terms.formula) else 1
        start, self._next = self._next, self._next + terms.times * factors
        rows = [[operands[start : self._next] for operands in row] for row in self._operands]
        return [self._of_groups(part, factors) for part in self._by_groups(rows, factors)]

    def _by_groups(self, rows: list[list[tuple[Value, ...]]], factors: int) -> Iterator[list[list[tuple[Value, ...]]]]:
        """Part the terms by the groups that their operands are from, where these are the same in all entries."""
        parted = [[self._arranged.groups_of(operands) for operands in row] for row in rows]
        first = parted[0][0]
        if any(groups != first for row in parted for groups in row):
            yield rows
            return
        terms = [first[begin : begin + factors] for begin in range(0, len(first), factors)]
        if len(kinds := dict.fromkeys(terms)) > _MOST_PARTS:
            yield rows
            return
        for groups in kinds:
            chosen = [
                number * factors + factor
                for number, here in enumerate(terms)
                if here == groups
                for factor in range(factors)
            ]
            yield [[tuple(operands[place] for place in chosen) for operands in row] for row in rows]

    def _of_groups(self, rows: list[list[tuple[Value, ...]]], factors: int) -> Expression:
        if len(rows[0][0]) == factors:  # one term
            written = [[[operands[slot] for operands in row] for row in rows] for slot in range(factors)]
            return reduce(tree.product, map(self._arranged.entries, written))
        if factors == 1:
            return self._sums(rows)
        left = [[operands[::2] for operands in row] for row in rows]
        right = [[operands[1::2] for operands in row] for row in rows]
        return self._products(left, right)

    def _sums(self, rows: list[list[tuple[Value, ...]]]) -> Expression:
        """Write the sums of rows, or of all that there is."""
        if not self._is_column:
            raise _DoesNotFit
        summed = [list(row[0]) for row in rows]
        if len(rows) == 1:
            table = self._arranged.all_of(summed[0])
            if not table and len(summed[0]) <= _FEW:
                return reduce(tree.sum_of, [self._arranged.entries([[node]]) for node in summed[0]])
            return matrices.call(matrices.SUM, self._arranged.matrix(table or summed))
        return matrices.product(self._arranged.matrix(summed), matrices.ones(len(summed[0]), 1))

    def _products(self, left: list[list[tuple[Value, ...]]], right: list[list[tuple[Value, ...]]]) -> Expression:
        """Write sums of products as a product of two matrices, or else as the sums of the rows of one."""
        for one, other in ((left, right), (right, left)):
            first, second = [row[0] for row in one], other[0]
            by_rows = all(entry == row[0] for row in one for entry in row)
            if by_rows and all(row == second for row in other):
                if len(first) == len(second) == 1:
                    return self._one_product(first[0], second[0])
                factors = [
                    self._arranged.matrix(list(map(list, rows)), self._arranged.is_weights(rows[0][0]))
                    for rows in (first, second)
                ]
                return matrices.product(factors[0], matrices.transposed(factors[1]))
        if not self._is_column:
            raise _DoesNotFit
        pair = [self._arranged.matrix([list(row[0]) for row in side]) for side in (left, right)]
        return matrices.product(tree.product(*pair), matrices.ones(len(left[0][0]), 1))

    def _one_product(self, left: tuple[Value, ...], right: tuple[Value, ...]) -> Expression:
        """Write one sum of products: a row times a column, or where both are tables entry by entry."""
        arranged = self._arranged
        table = arranged.all_of(left)
        if left == right or (table and min(len(table), len(table[0])) > 1):
            table = table or [[node] for node in left]
            partner = dict(zip(left, right))
            entries = tree.product(
                arranged.matrix(table), arranged.matrix([[partner[x] for x in row] for row in table])
            )
            return matrices.call(matrices.SUM, entries)
        if arranged.is_weights(right[0]) and not arranged.is_weights(left[0]):
            left, right = right, left
        return matrices.product(
            arranged.matrix([list(left)], True), matrices.transposed(arranged.matrix([list(right)]))
        )


def _key(number: int) -> str:
    return f"#{number}"


def _turned(table: Table) -> Table:
    return [list(column) for column in zip(*table)]


def _is_all_of(table: Table, members: list[Value]) -> bool:
    nodes = list(chain(*table))
    return len(nodes) == len(members) and set(nodes) == set(members)


def _grid(members: list[Value], left: Sequence[Hashable], right: Sequence[Hashable]) -> Table | None:
    """Put members into rows and columns by what they have on the left and on the right, if these fill a table."""
    rows, columns = list(dict.fromkeys(left)), list(dict.fromkeys(right))
    here = dict(zip(zip(left, right), members))
    if len(here) != len(members) or len(members) != len(rows) * len(columns):
        return None
    grid = [[here[row, column] for column in columns] for row in rows]
    changes_last = len(rows) > 1 < len(columns) and left[0] != left[1]
    return _turned(grid) if changes_last or len(rows) == 1 else grid
