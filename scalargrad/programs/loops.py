"""C from groups of alike scalars: a loop for each kind of group, driven by tables; code does not grow with the graph.

Reads the groups. `native` compiles the loops once for all graphs with such groups; the tables say what they work on.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from operator import or_
from typing import NamedTuple

from ..formulas.source import Formulas
from ..graph.groups import (
    MINUS,
    NONE,
    UNIFORM,
    VARIES,
    VARYING,
    VARYING_VARYING,
    Block,
    Formula,
    Group,
    Scalars,
    segments,
)
from .driver import DRIVER, LOOPS_HEAD, TILE_ROWS
from .kernels import (
    ANYWHERE,
    EIGHT,
    FOUR,
    GIVEN,
    IN_TILE,
    ONCE,
    SHARED,
    SHIFTED,
    Run,
    formula_loop,
    sum_loop,
    total_loop,
)
from .native import LINE_FLAGS, LOOP_FLAGS
from .targets import ProgramGraph
from .vectors import C_HEAD, CSource, CVectors, lifted_words

_SPACE = 1 << 17  # numbers
_SEGMENTS = 3  # runs of alike terms in one loop
_ALIKE = 4  # members of a group, on the average; with fewer a straight line is faster
_ALIKE_IN_STEPS = 12  # the same for a recurrence, whose weights are used once in each step
_LARGEST_LINE = 20_000  # operations; beyond that the compiler takes long for a straight line
_COLUMNS = 8  # a row of a table of gradients is padded to so many numbers


class Loops(NamedTuple):
    """A program as loops: the source, and the tables and numbers that make it this graph's."""

    source: str
    tables: array[int]
    plans: dict[str, int]  # where in the tables it stands what to do for a "step", for "predict" and for "both"
    numbers: array[float]  # the constants
    work: int  # how many numbers a row takes, about
    flags: tuple[str, ...] = LINE_FLAGS  # for the compiler
    vector_math: bool = True  # whether exp and its like may be those of whole vectors, where the C library has them


def c_program(graph: ProgramGraph) -> Loops:
    """Write a program in C: as loops over groups, or as a straight line where its scalars are too little alike."""
    was_on = gc.isenabled()
    gc.disable()  # it would go through millions of new tuples again and again, and none of them is garbage
    try:
        program = _in_loops(graph)
    finally:
        if was_on:
            gc.enable()
    if program is not None:
        return program
    source = CSource(graph).write()
    plans = dict.fromkeys(("step", "predict", "both"), 0)
    return Loops(source, array("i", [0]), plans, array("d", [0]), source.count("\n"))


def _in_loops(graph: ProgramGraph) -> Loops | None:
    formulas = Formulas(CVectors(), frozenset())
    kernels = _Kernels()
    tables = _Tables(graph, formulas, kernels)
    alike = _ALIKE_IN_STEPS if tables.in_steps else _ALIKE
    is_unlike = tables.count < alike * tables.groups or 2 * tables.scattered > tables.terms
    if is_unlike and len(graph.order) <= _LARGEST_LINE:
        return None
    body = "\n".join([*formulas.functions.values(), kernels.write()])
    return Loops(
        "\n".join([C_HEAD, LOOPS_HEAD, *lifted_words(body), body, DRIVER]),
        tables.words,
        tables.plans,
        tables.numbers,
        len(graph.order),
        LOOP_FLAGS,
    )


class _Kernels:
    """The loops that the programs of one source need, each kind once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], int] = {}
        self._kinds: dict[str, list[tuple[Callable[[str, set[int]], str], set[int]]]] = {
            where: [] for where in ("once", "each", "totals")
        }

    def number(
        self,
        where: str,
        signature: tuple[object, ...],
        write: Callable[[str, set[int]], str],
        members: int,
        sizes: tuple[int, ...] = FOUR,
    ) -> int:
        """Give the number of a loop among its kind, and note how many members it works on at a time."""
        key = (where, *signature)
        kind = self._kinds[where]
        if key not in self._numbers:
            self._numbers[key] = len(kind)
            kind.append((write, set()))
        number = self._numbers[key]
        for size in sizes:
            if members >= size:
                kind[number][1].add(size)
                members %= size
        return number

    def write(self) -> str:
        """Write all loops, and the tables of them."""
        texts, lists = [], []
        for where, kind in self._kinds.items():
            names = [f"{where}{number}" for number in range(len(kind))]
            texts += [write(name, sizes) for name, (write, sizes) in zip(names, kind)]
            of = "total" if where == "totals" else "kernel"
            lists.append(f"static {of} *const {where}[] = {{{', '.join([*names, '0'])}}};\n")
        return "\n".join([*texts, *lists])


class _Tables:
    """The tables of a program: which loops to run, and on what."""

    def __init__(self, graph: ProgramGraph, formulas: Formulas, kernels: _Kernels) -> None:
        given = graph.order, graph.root, graph.outputs, graph.inputs, graph.parameters
        self.scalars = scalars = Scalars(*given, formulas)
        self.kernels = kernels
        self.words = array("i")
        self._kept: dict[bytes, int] = {}
        self.copied = 0  # how many parameters are copied in front of what is the same for all rows
        self.terms = self.scattered = 0  # of sums that vary: all, and those in which each member reads its own scalars
        once, each = scalars.groups(False), scalars.groups(True)
        self.groups = len(once) + len(each)
        members_once, self.count = (sum(len(group.members) for group in groups) for groups in (once, once + each))
        slots = len(graph.inputs) + self.count - members_once
        self.tile = next((tile for tile in (TILE_ROWS, TILE_ROWS // 2) if slots * tile <= _SPACE), TILE_ROWS // 4)
        self.at = self._places(once, each)
        self.numbers = array(
            "d", (number for number in scalars.numbers if number is not None) if scalars.constants else [0]
        )
        words = {
            where: [self._group(group, where) for group in groups] for where, groups in (("once", once), ("each", each))
        }
        summed = [
            scalar
            for table in scalars.blocks
            for terms in (*table.left, *table.right, *chain(*table.uniform))
            for scalar in terms
        ]
        blocks = self._blocks(scalars.blocks)
        sizes = [len(scalars.constants), members_once, self.tile, slots, self.sums, self.turned, self.gathered]
        looked_at = [*scalars.checked, *scalars.outputs, scalars.root]
        self._read_once(self.at[scalar] for scalar in looked_at if not scalars.varies[scalar])

        def plan(columns: int, outputs: Sequence[int], needed: bytearray, blocks: Sequence[list[int]]) -> int:
            """Write the words of one way to run the program, for all groups that it needs, and give their place."""
            lists = [
                list(
                    chain.from_iterable(
                        w for w, group in zip(words[where], groups) if any(map(needed.__getitem__, group.members))
                    )
                )
                for where, groups in (("once", once), ("each", each))
            ]
            lists += blocks
            for varies in (True, False):
                checked = [check for check in scalars.checked if needed[check] and scalars.varies[check] == varies]
                lists.append([self.at[check] for check in checked])
            for varies in (True, False):
                found = [(i, self.at[result]) for i, result in enumerate(outputs) if scalars.varies[result] == varies]
                lists.append(list(chain.from_iterable(found)))
            start = len(self.words)
            header = [start, columns, len(graph.parameters), self.copied, *sizes]
            header += [self.at[scalars.root], int(scalars.varies[scalars.root])]
            self.words.extend([*header, *[0] * (2 * len(lists))])
            for given in lists:
                header += [len(self.words), len(self.words) + len(given)]
                self.words.extend(given)
            self.words[start : start + len(header)] = array("i", header)
            return start

        for_step, for_outputs = scalars.needed_for([scalars.root, *summed]), scalars.needed_for(scalars.outputs)
        for_both = bytearray(map(or_, for_step, for_outputs))
        self.plans = {
            "step": plan(len(graph.inputs), [], for_step, blocks),
            "predict": plan(graph.columns, scalars.outputs, for_outputs, [[]] * len(blocks)),
            "both": plan(len(graph.inputs), scalars.outputs, for_both, blocks),
        }

    def _places(self, once: list[Group], each: list[Group]) -> list[int]:
        """Say where each scalar stands: in its own row of a tile, or among the numbers that are worked out once."""
        scalars = self.scalars
        at = [0] * len(scalars.numbers)
        for place, scalar in enumerate(scalars.inputs):
            at[scalar] = place * self.tile
        uniform = [*scalars.parameters, *scalars.constants.values(), *chain.from_iterable(g.members for g in once)]
        for place, scalar in enumerate(uniform):
            at[scalar] = place
        for place, scalar in enumerate(chain.from_iterable(group.members for group in each), len(scalars.inputs)):
            at[scalar] = place * self.tile
        return at

    def _table(self, numbers: Iterable[int]) -> int:
        """Keep a table once, and give its place."""
        table = array("i", numbers)
        key = table.tobytes()
        if key not in self._kept:
            self._kept[key] = len(self.words)
            self.words.extend(table)
        return self._kept[key]

    def _group(self, group: Group, where: str) -> list[int]:
        """Give the words of a group: which loop, how many members, where they stand, and their tables."""
        stride = self.tile if where == "each" else 1
        head = [len(group.members), self.at[group.members[0]], stride]
        definitions = [self.scalars.definitions[member] for member in group.members]
        template = group.template
        if template is not None:
            operands = zip(*(definition.operands for definition in definitions if isinstance(definition, Formula)))
            places = []
            for column, varies in zip(operands, group.pattern):
                stands = [self.at[scalar] for scalar in column]
                if not varies:
                    self._read_once(stands)
                places.append(self._table(stands))
            write = partial(formula_loop, template, group.pattern, where)
            number = self.kernels.number(where, (template.text, group.pattern), write, head[0])
            return [number, 5 + len(places), *head, *places]
        words: list[int] = []
        at = self.at
        sums = [definition for definition in definitions if isinstance(definition, list)]
        columns_of = [list(zip(*([at[term[factor]] for term in terms] for terms in sums))) for factor in (1, 2)]
        runs = [run for kind, start, end in segments(group.pattern) for run in _regular(kind, start, end, columns_of)]
        for first in range(0, len(runs), _SEGMENTS):
            signature: list[Run] = []
            tables: list[int] = []
            if first:  # the sum so far is the first term of what follows
                so_far = (VARYING, (IN_TILE, SHIFTED)) if where == "each" else (UNIFORM, (ONCE, SHIFTED))
                signature.append(so_far)
                tables += [1, self._table(head[1] + stride * k for k in range(head[0])), self._table([0])]
            for kind, start, end in runs[first : first + _SEGMENTS]:
                stands = []
                tables.append(end - start)
                for columns, varies in zip(columns_of, VARIES[kind & ~MINUS]):
                    stand, found = self._factor(columns[start:end], varies)
                    stands.append(stand)
                    tables += found
                signature.append((kind, *stands))
                if where == "each":
                    count = (end - start) * head[0]
                    self.terms += count
                    self.scattered += 0 if stands[0][1] == SHARED else count
            write = partial(sum_loop, tuple(signature), where)
            number = self.kernels.number(where, tuple(signature), write, head[0])
            words += [number, 5 + len(tables), *head, *tables]
        return words

    def _factor(self, columns: list[tuple[int, ...]], varies: bool) -> tuple[tuple[str, str], list[int]]:
        """Find where and how the scalars of a factor stand: a column for each term, a place for each member."""
        first = columns[0]
        base = IN_TILE if varies else GIVEN
        if base == GIVEN and max(map(max, columns)) >= len(self.scalars.parameters):
            base = ONCE
            self._read_once(chain.from_iterable(columns))
        if _is_regular(columns):
            mode = SHARED if first.count(first[0]) == len(first) else SHIFTED
            return (base, mode), [self._table(first), self._table(column[0] - first[0] for column in columns)]
        return (base, ANYWHERE), [self._table(chain.from_iterable(zip(*columns))), 0]

    def _read_once(self, places: Iterable[int]) -> None:
        """Note whether parameters are read among what is the same for all rows: then they are copied there."""
        if not self.copied and any(place < len(self.scalars.parameters) for place in places):
            self.copied = len(self.scalars.parameters)

    def _blocks(self, blocks: Sequence[Block]) -> list[list[int]]:
        """Give the words of the tables of gradients, and of what must stand in rows for them."""
        gathers: list[int] = []
        turns: list[int] = []
        totals: list[int] = []
        places: list[int] = []
        self.sums = self.turned = self.gathered = 0
        self.in_steps = any(block.left and len(block.left[0]) > 1 for block in blocks)
        turned: dict[tuple[int, ...], int] = {}

        def turned_at(key: tuple[int, ...], wide: int, first: int) -> int:
            """Let scalars stand side by side, and say where."""
            if key not in turned:
                turned[key] = self.turned
                turns.extend((len(key), wide, self._table(self.at[scalar] for scalar in key), self.turned, first))
                self.turned += wide * self.tile
            return turned[key]

        for block in blocks:
            rows, columns = len(block.parameters), len(block.parameters[0])
            wide = -(-columns // _COLUMNS) * _COLUMNS
            left = self._table(self.at[scalar] for scalar in chain.from_iterable(block.left))
            several = len(block.left[0]) if block.left else 1
            keys = list(zip(*block.right))
            firsts = [self._first_input(key) for key in keys]
            as_given = several == 1 and wide == columns and keys and firsts[0] != NONE  # read where the batch is
            rights = [] if as_given else [turned_at(key, wide, first) for key, first in zip(keys, firsts)]
            right = self._table(rights) if several > 1 else rights[0] if rights else 0
            uniform = []
            for scalars in block.uniform:
                uniform.append(self.gathered)
                places_once = [self.at[scalar] for row in scalars for scalar in row]
                self._read_once(places_once)
                gathers += [rows, columns, wide, self._table(places_once), self.gathered]
                self.gathered += rows * wide
            pattern = block.pattern if several == 1 else bytes([VARYING_VARYING] * 2)  # one loop for any number of them
            number = self.kernels.number(
                "totals", (pattern,), partial(total_loop, pattern), rows, EIGHT if several > 1 else FOUR
            )
            inputs = firsts[0] if as_given else NONE
            totals += [number, 9 + len(uniform), rows, wide, self.sums, left, right, inputs, several, *uniform]
            side_by_side = all(row == list(range(row[0], row[0] + columns)) for row in block.parameters)
            table = self._table(chain.from_iterable(block.parameters))
            places += [rows, columns, wide, self.sums, table, int(side_by_side)]
            self.sums += rows * wide
        found = set(chain.from_iterable(chain.from_iterable(block.parameters for block in blocks)))
        zeros = [index for index in range(len(self.scalars.parameters)) if index not in found]
        return [gathers, turns, totals, places, zeros]

    def _first_input(self, scalars: tuple[int, ...]) -> int:
        """Give the first of scalars that are inputs side by side, and NONE if they are not."""
        first, count = scalars[0], len(scalars)
        is_row = first + count <= len(self.scalars.inputs) and scalars == tuple(range(first, first + count))
        return first if is_row else NONE  # inputs are the first scalars: their numbers are their places in a row


def _is_regular(columns: Sequence[tuple[int, ...]]) -> bool:
    """Tell whether all columns are the first one but for a shift."""
    first = columns[0]
    return all(
        [place - first_place for place, first_place in zip(column, first)].count(column[0] - first[0]) == len(first)
        for column in columns[1:]
    )


def _regular(
    kind: int, start: int, end: int, columns_of: Sequence[list[tuple[int, ...]]]
) -> list[tuple[int, int, int]]:
    """Cut a run of terms where the places of its factors stop being regular; not at all if that makes many pieces."""
    used = columns_of[: 1 if kind & ~MINUS in (VARYING, UNIFORM) else 2]
    runs, begin = [], start
    for place in range(start + 1, end):
        if not all(_is_regular([columns[begin], columns[place]]) for columns in used):
            runs.append((kind, begin, place))
            begin = place
            if len(runs) == _SEGMENTS:
                return [(kind, start, end)]
    return [*runs, (kind, begin, end)]
