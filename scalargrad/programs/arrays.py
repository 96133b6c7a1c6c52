"""Scalars as elements of arrays: where each one stands, and how a list of them is written as an expression on arrays.

Reads the groups. A program in matrices consists of lines on these arrays: a row for each scalar, a column for each
sample. What is the same for all samples stands in arrays of one dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby, islice
from typing import Any, NamedTuple, TypeAlias

from ..formulas.source import ATOM, Term
from ..graph.groups import Scalars

HEAD, FORWARD, BACKWARD = range(3)  # the parts of a program, in order
_WIDTH = 100  # of a line with a list
_LONGEST = 16  # names and numbers in one line
_PIECES = 6  # of arrays that are put together as they are

Part: TypeAlias = Callable[[], Term]  # the text of an expression, once all names are known


class Array:
    """A line of a program: the scalars that stand in the rows of an array, and the expression that gives them."""

    def __init__(self, members: Sequence[int], varies: bool, write: Part, stem: str = "") -> None:
        self.members = members
        self.varies = varies
        self.write = write
        self.stem = stem  # what it would like to be called; without it may go into the line that uses it
        self.name = ""
        self.is_net = False  # whether it is a weighted input: a product W v, and what is added
        self.of: Array | None = None  # the weighted input whose number it bears: net2, out2, delta2, W2
        self.shape = ""  # of a matrix, for the comment
        self.part = HEAD
        self.uses = 0
        self.is_taken_apart = False  # whether some line needs a part of it
        self.in_line: Term | None = None

    def term(self) -> Term:
        """Give what another line writes for it."""
        return self.in_line or Term(self.name)

    def goes_into_a_line(self) -> bool:
        """Tell whether a single line uses it, whole and without need of a name, and if so let it stand there."""
        term = self.write()
        if self.uses == 1 and not self.is_taken_apart and not self.stem and term.size < _LONGEST:
            self.in_line = term
        return self.in_line is not None


class Vector(NamedTuple):
    """Scalars side by side, as an expression."""

    term: Part
    is_one: bool = False  # whether it is a number or one row, which stands for any number of the same scalar
    array: Array | None = None  # the array that it is, where it is a whole one


class Arrays:
    """The arrays of one function of a program, and where each scalar stands in them."""

    def __init__(self, scalars: Scalars, tables: dict[str, str]) -> None:
        self.scalars = scalars
        self.tables = tables  # the name of each list of positions or numbers, by its text
        self.lines: list[Array] = []
        self.copied = 0  # numbers a row of a batch that stand in another array already
        self.part = HEAD
        self.at: dict[int, tuple[Array, int]] = {}
        self.parameters = self._given(scalars.parameters, "parameters")
        self._vectors: dict[tuple[tuple[int, int], ...], Vector] = {}
        self._wholes: dict[tuple[int, ...], Array] = {}
        self.columns: dict[tuple[int, ...], Array] = {}  # what is the same for all samples, as columns

    def add(self, line: Array, same: bool = False) -> None:
        """Add a line after those that it needs; with `same` all its scalars are one number a sample, in one row."""
        line.part = self.part if line.varies else HEAD
        self.lines.append(line)
        for row, scalar in enumerate(line.members):
            self.at[scalar] = line, 0 if same else row
        if same:
            line.members = line.members[:1]

    def repeat(self, scalar: int, known: int) -> None:
        """Let a scalar stand where another one stands that has the same definition."""
        self.at[scalar] = self.at[known]

    def are_side_by_side(self, wanted: Sequence[int]) -> bool:
        """Tell whether scalars stand in evenly spaced rows of one array."""
        places = [self._place(scalar) for scalar in wanted]
        return all(array is places[0][0] for array, _ in places) and _slice([row for _, row in places]) is not None

    def table(self, numbers: Sequence[Any], stem: str = "at") -> str:
        """Keep a list of positions or numbers outside of the functions, and give its name."""
        text = f"array({_long_list(numbers)})"
        return self.tables.setdefault(text, f"{stem}{len(self.tables) + 1}")

    def _given(self, members: Sequence[int], name: str) -> Array:
        array = Array(members, False, lambda: Term(name), name)
        array.name = name
        self.at |= {scalar: (array, row) for row, scalar in enumerate(members)}
        return array

    def _place(self, scalar: int) -> tuple[Array, int]:
        if scalar not in self.at:  # a number: all those of the graph stand in one array
            constants = list(self.scalars.constants.values())
            self._given(constants, self.table([self.scalars.numbers[constant] for constant in constants], "numbers"))
        return self.at[scalar]

    # --- lists of scalars as expressions -----------------------------------------------------------------------------

    def vector(self, wanted: Sequence[int], whole: bool = False) -> Vector:
        """Write scalars side by side; unless it must be `whole` one stands for any number of the same."""
        number = self.scalars.numbers[wanted[0]]
        if number is not None and not whole and all(scalar == wanted[0] for scalar in wanted):
            return Vector(lambda: self.scalars.formulas.number(number), True)
        places = [self._place(scalar) for scalar in wanted]
        if not whole and places.count(places[0]) == len(places):
            places = places[:1]
        key = self.places(wanted[: len(places)])
        if key not in self._vectors:
            self._vectors[key] = self._vector(places)
        return _used(self._vectors[key])

    def whole(self, array: Array) -> Vector:
        """Write an array as it is."""
        return _used(Vector(array.term, len(array.members) == 1, array))

    def column(self, wanted: Sequence[int], stem: str = "", of: Array | None = None) -> Vector:
        """Write scalars that are the same for all samples as a column, next to what is not."""
        vector = self.vector(wanted)
        if vector.is_one and self.scalars.numbers[wanted[0]] is not None:
            return vector
        if vector.is_one and not (of and len(wanted) == 1):
            array, row = self._place(wanted[0])
            array.uses += 1
            array.is_taken_apart = True
            return Vector(lambda: Term(f"{array.name}[{row}]"), True)
        key = tuple(wanted)
        if key not in self.columns:
            line = self.columns[key] = Array(wanted, False, lambda: Term(as_column(vector.term())), stem or "p")
            line.of = of
            self.lines.append(line)
        return self.whole(self.columns[key])

    def places(self, wanted: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Give what is the same for the same scalars, and for those with the same definition."""
        return tuple((id(array), row) for array, row in map(self._place, wanted))

    def matrix(self, rows: Sequence[Sequence[int]]) -> Part:
        """Write scalars that are the same for all samples as a matrix."""
        height, width = len(rows), len(rows[0])
        places = [[self._place(scalar) for scalar in row] for row in rows]
        array = places[0][0][0]
        if any(other is not array for row in places for other, _ in row):
            flat = self.vector(list(chain.from_iterable(rows)), whole=True)
            return lambda: Term(f"{flat.term().text}.reshape({height}, {width})")
        array.uses += 1
        array.is_taken_apart = True
        positions = [[place for _, place in row] for row in places]
        part = _reshaped(positions, len(array.members)) or f"[{self.table(positions)}]"
        return lambda: Term(f"{array.name}{part}")

    def _vector(self, places: list[tuple[Array, int]]) -> Vector:
        runs = [(array, [row for _, row in run]) for array, run in groupby(places, key=lambda place: place[0])]
        if len(runs) == 1:
            return self._rows_of(*runs[0])
        if len(runs) <= _PIECES and all(_slice(rows) for _, rows in runs):
            pieces = [_used(self._rows_of(array, rows)).term for array, rows in runs]
            return self._copied(lambda: f"concatenate([{', '.join(piece().text for piece in pieces)}])", places)
        arrays = list(dict.fromkeys(array for array, _ in runs))
        first_row, height = {}, 0
        for array in arrays:
            first_row[array] = height
            height += len(array.members)
        everything = self._put_together(arrays)
        at = self.table([first_row[array] + row for array, row in places])
        return self._copied(lambda: f"{everything.name}[{at}]", places)

    def _put_together(self, arrays: Sequence[Array]) -> Array:
        """Put whole arrays one below the other, in a line of its own."""
        key = tuple(map(id, arrays))
        if key not in self._wholes:
            pieces = [self.whole(array).term for array in arrays]
            places = [(array, row) for array in arrays for row in range(len(array.members))]
            copied = self._copied(lambda: f"concatenate([{', '.join(piece().text for piece in pieces)}])", places).array
            assert copied is not None
            self._wholes[key] = copied
        line = self._wholes[key]
        line.uses += 1
        line.is_taken_apart = True
        return line

    def _rows_of(self, array: Array, rows: list[int]) -> Vector:
        is_one, part = len(rows) == 1, _slice(rows)
        if part == (0, len(array.members), 1):
            return Vector(array.term, is_one, array)
        array.uses += 1
        array.is_taken_apart = True
        if part:
            return Vector(lambda: Term(f"{array.name}[{_slice_text(part, len(array.members))}]"), is_one)
        at = self.table(rows)
        return self._copied(lambda: f"{array.name}[{at}]", [(array, row) for row in rows])

    def _copied(self, text: Callable[[], str], places: Sequence[tuple[Array, int]]) -> Vector:
        """Add a line for scalars that stand elsewhere as well."""
        varies = places[0][0].varies
        self.copied += len(places) * varies
        line = Array([array.members[row] for array, row in places], varies, lambda: Term(text()))
        line.part = self.part if varies else HEAD
        self.lines.append(line)
        return Vector(line.term, False, line)


def _used(vector: Vector) -> Vector:
    """Count that a line uses an array, where it uses a whole one."""
    if vector.array:
        vector.array.uses += 1
    return vector


def as_column(term: Term) -> str:
    """Give an array of one dimension a second one."""
    text = f"{term:{ATOM}}"
    return f"{text[:-1]}, None]" if text.endswith("]") and text.count("[") == 1 else f"{text}[:, None]"


def _reshaped(rows: list[list[int]], count: int) -> str:
    """Write evenly spaced rows out of `count` numbers as a part of a matrix; "" where they are not."""
    height, width, start = len(rows), len(rows[0]), rows[0][0]
    stride = rows[1][0] - start if height > 1 else width
    before = max(0, start + height * stride - count)
    if before + width > stride or before > start:
        return ""
    if rows != [list(range(first, first + width)) for first in range(start, start + height * stride, stride)]:
        return ""
    part = _slice_text((start - before, start - before + height * stride, 1), count)
    columns = "" if width == stride else f"[:, {_slice_text((before, before + width, 1), stride)}]"
    return f"{'' if part == ':' else f'[{part}]'}.reshape({height}, {stride}){columns}"


def _slice(rows: Sequence[int]) -> tuple[int, int, int] | None:
    """Give the start, end and step of evenly spaced rows, or None."""
    if len(rows) == 1:
        return rows[0], rows[0] + 1, 1
    step = rows[1] - rows[0]
    if step < 1 or any(b - a != step for a, b in zip(rows, islice(rows, 1, None))):
        return None
    return rows[0], rows[-1] + 1, step


def _slice_text(part: tuple[int, int, int], length: int) -> str:
    start, end, step = part
    return f"{start or ''}:{'' if end == length else end}" + (f":{step}" if step > 1 else "")


def _long_list(numbers: Iterable[Any]) -> str:
    """Write a list, over several lines where it is long."""
    lines = [""]
    for number in numbers:
        text = _long_list(number) if isinstance(number, (list, tuple)) else repr(number)
        if len(lines[-1]) + len(text) > _WIDTH:
            lines.append("    ")
        lines[-1] += f"{text}, "
    return "[" + "\n".join(line.rstrip() for line in lines).removesuffix(",") + "]"
