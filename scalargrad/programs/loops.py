"""C from groups of alike scalars: a loop for each kind of group, driven by tables; code does not grow with the graph.

Reads the groups. `native` compiles the loops once for all graphs with such groups; the tables say what they work on.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from ..formulas.source import Formulas, Template, Term
from ..graph.groups import (
    MINUS,
    UNIFORM,
    VARYING,
    VARYING_UNIFORM,
    VARYING_VARYING,
    Block,
    Formula,
    Group,
    Scalars,
    segments,
)
from .targets import ProgramGraph
from .vectors import C_HEAD, CSource, CVectors, lifted_words

_TILE = 32  # rows that are worked on at a time, as long as their numbers fit into a processor's cache
_SPACE = 1 << 17  # numbers
_SEGMENTS = 3  # runs of alike terms in one loop
_ALIKE = 4  # members of a group, on the average; with fewer a straight line is faster
_LARGEST_LINE = 20_000  # operations; beyond that the compiler takes long for a straight line
_COLUMNS = 8  # a row of a table of gradients is padded to so many numbers

# How the scalars of one factor stand: all members of a group share them, or they lie equally far from the member's
# first one, or anywhere.
_SHARED, _SHIFTED, _ANYWHERE = "shared", "shifted", "anywhere"
_Run: TypeAlias = tuple[Any, ...]  # the kind of its terms, and how each of their factors stands

LOOPS_HEAD = (
    f"#define TILE {_TILE}\n"
    + """\
typedef int32_t i4;
typedef void kernel(const i4 *w, const i4 *t, double *s, const double *q, int64_t n);
typedef void total(const i4 *w, const i4 *t, const double *s, const double *x, const double *c, double *g,
                   int64_t rows);
typedef double unaligned __attribute__((vector_size(WIDTH), aligned(8)));
#define AT(p) (*(v *)(p))
#if defined(__clang__) || __GNUC__ >= 12
#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MIX(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
#define MIXED(i, j, even, odd) { v a = m[i], b = m[j]; m[i] = MIX(a, b, even); m[j] = MIX(a, b, odd); }
#define LIST(...) __VA_ARGS__
#if defined(__AVX__) && defined(__GNUC__)
#define KEEP(x) __asm__("" : "+v"(x))  /* in a register: without this GCC reads it from memory at each use */
#else
#define KEEP(x)
#endif
#define EACH_LANE(j) _Pragma("GCC unroll 8") for (int j = 0; j < LANES; j++)

/* Turn rows into columns: LANES vectors. */
static inline __attribute__((always_inline)) void transpose(v *m)
{
#if WIDTH == 64
#define STEP(i) MIXED(i, i + 1, LIST(0, 8, 2, 10, 4, 12, 6, 14), LIST(1, 9, 3, 11, 5, 13, 7, 15))
    STEP(0) STEP(2) STEP(4) STEP(6)
#undef STEP
#define STEP(i) MIXED(i, i + 2, LIST(0, 1, 8, 9, 4, 5, 12, 13), LIST(2, 3, 10, 11, 6, 7, 14, 15))
    STEP(0) STEP(1) STEP(4) STEP(5)
#undef STEP
#define STEP(i) MIXED(i, i + 4, LIST(0, 1, 2, 3, 8, 9, 10, 11), LIST(4, 5, 6, 7, 12, 13, 14, 15))
    STEP(0) STEP(1) STEP(2) STEP(3)
#elif WIDTH == 32
#define STEP(i) MIXED(i, i + 1, LIST(0, 4, 2, 6), LIST(1, 5, 3, 7))
    STEP(0) STEP(2)
#undef STEP
#define STEP(i) MIXED(i, i + 2, LIST(0, 1, 4, 5), LIST(2, 3, 6, 7))
    STEP(0) STEP(1)
#else
#define STEP(i) MIXED(i, i + 1, LIST(0, 2), LIST(1, 3))
    STEP(0)
#endif
#undef STEP
}
"""
)

_DRIVER = """\
static void run(kernel *const *kernels, const i4 *t, const i4 *w, const i4 *end, double *s, const double *q, int64_t n)
{
    for (; w < end; w += w[1]) kernels[w[0]](w, t, s, q, n);
}

static void gather(const i4 *t, const i4 *w, const i4 *end, const double *q, double *c)
{
    for (; w < end; w += 6)
        for (int64_t j = 0; j < w[0]; j++)
            for (int64_t i = 0; i < w[1]; i++) c[w[4] + j * w[2] + i] = q[t[w[3] + j * w[1] + i]];
}

/* Put scalars that stand in rows of a tile side by side, for each row of the batch; inputs stand so already. */
static void turn(const i4 *t, const i4 *w, const i4 *end, const double *const *from, const double *s, double *x,
                 int64_t n)
{
    for (; w < end; w += 5) {
        if (w[4] >= 0) {
            for (int64_t r = 0; r < n * LANES; r++) {
                memcpy(x + w[3] + r * w[1], from[r] + w[4], w[0] * sizeof(double));
                for (int64_t i = w[0]; i < w[1]; i++) x[w[3] + r * w[1] + i] = 0;
            }
            continue;
        }
        for (int64_t i = 0; i < w[1]; i += LANES)
            for (int64_t r = 0; r < n * LANES; r += LANES) {
                v m[LANES];
                EACH_LANE(j) m[j] = i + j < w[0] ? AT(s + t[w[2] + i + j] + r) : (v){0};
                transpose(m);
                EACH_LANE(j) AT(x + w[3] + (r + j) * w[1] + i) = m[j];
            }
    }
}

struct plan {
    i4 columns, parameters, numbers, uniforms, tile, slots, sums, turned, gathered;
    i4 once, once_end, each, each_end, gathers, gathers_end, turns, turns_end, totals, totals_end, places, places_end;
    i4 checks, checks_end, checks_once, checks_once_end, results, results_end, results_once, results_once_end;
};

static int64_t numbers_of(const struct plan *h)
{
    return h->parameters + h->numbers + h->uniforms + (int64_t)h->slots * h->tile + h->sums + h->turned + h->gathered;
}

/* Work on the rows tile by tile. `out` gets of a step the gradients, then the loss; of a prediction
   rows x results, then what is 0 unless a number is not finite. */
static int work(int64_t rows, int64_t of, int64_t stride, const int64_t *index, const double *batch, const double *p,
                double *out, const double *numbers, const i4 *t, double *space, int is_step)
{
    const struct plan *h = (const struct plan *)t;
    double *s = (double *)(((uintptr_t)space + 63) & ~(uintptr_t)63), *g = s + (int64_t)h->slots * h->tile;
    double *x = g + h->sums, *c = x + h->turned, *q = c + h->gathered;
    double loss = 0, check = 0, part = 1.0 / of;
    const double *rows_of_tile[TILE];
    v bad = {0};
    int64_t width = h->columns, results = (h->results_end - h->results + h->results_once_end - h->results_once) / 2;
    const double *once_loss = h->results < h->results_end ? 0 : q + t[h->results_once + 1];
    memcpy(q, p, h->parameters * sizeof(double));
    memcpy(q + h->parameters, numbers, h->numbers * sizeof(double));
    memset(g, 0, h->sums * sizeof(double));
    run(once, t, t + h->once, t + h->once_end, q, q, 1);
    for (const i4 *w = t + h->checks_once; w < t + h->checks_once_end; w++) check += q[*w] - q[*w];
    gather(t, t + h->gathers, t + h->gathers_end, q, c);
    for (int64_t start = 0; start < rows; start += h->tile) {
        int64_t count = rows - start < h->tile ? rows - start : h->tile, n = (count + LANES - 1) / LANES;
        for (int64_t r = 0; r < n * LANES; r += LANES) {
            const double **from = rows_of_tile + r;
            int64_t i = 0;
            for (int j = 0; j < LANES; j++) {
                int64_t row = start + (r + j < count ? r + j : count - 1);
                from[j] = batch + (index ? index[row] : row) * stride;
            }
            for (; i + LANES <= width; i += LANES) {
                v m[LANES];
                EACH_LANE(j) {
                    m[j] = *(const unaligned *)(from[j] + i);
                    bad += m[j] - m[j];
                }
                transpose(m);
                EACH_LANE(j) AT(s + (i + j) * h->tile + r) = m[j];
            }
            for (; i < width; i++)
                for (int j = 0; j < LANES; j++) {
                    bad[0] += from[j][i] - from[j][i];
                    s[i * h->tile + r + j] = from[j][i];
                }
        }
        run(each, t, t + h->each, t + h->each_end, s, q, n);
        v finite = {0};
        for (const i4 *w = t + h->checks; w < t + h->checks_end; w++)
            for (int64_t i = 0; i < n; i++) finite += AT(s + *w + i * LANES) - AT(s + *w + i * LANES);
        for (int i = 0; i < LANES; i++) check += finite[i];
        if (is_step) {
            for (int64_t r = 0; r < count; r++) loss += once_loss ? *once_loss : s[t[h->results + 1] + r];
            turn(t, t + h->turns, t + h->turns_end, rows_of_tile, s, x, n);
            for (const i4 *w = t + h->totals; w < t + h->totals_end; w += w[1]) totals[w[0]](w, t, s, x, c, g, count);
        } else {
            for (const i4 *w = t + h->results; w < t + h->results_end; w += 2)
                for (int64_t r = 0; r < count; r++) out[(start + r) * results + w[0]] = s[w[1] + r];
            for (const i4 *w = t + h->results_once; w < t + h->results_once_end; w += 2)
                for (int64_t r = 0; r < count; r++) out[(start + r) * results + w[0]] = q[w[1]];
        }
    }
    if (is_step) {
        memset(out, 0, (1 + h->parameters) * sizeof(double));
        v finite = {0};
        for (int64_t i = 0; i < h->sums; i += LANES) {
            AT(g + i) = of & (of - 1) ? AT(g + i) / (double)of : AT(g + i) * part;  /* the same bits for a power of 2 */
            finite += AT(g + i) - AT(g + i);
        }
        for (int i = 0; i < LANES; i++) check += finite[i];
        for (const i4 *w = t + h->places; w < t + h->places_end; w += 6)
            for (int64_t j = 0; j < w[0]; j++) {
                const double *from = g + w[3] + j * w[2];
                const i4 *to = t + w[4] + j * w[1];
                if (w[5]) memcpy(out + *to, from, w[1] * sizeof(double));
                else for (int64_t i = 0; i < w[1]; i++) out[to[i]] = from[i];
            }
        out[h->parameters] = loss / of + check;
    } else
        out[rows * results] = check;
    for (int i = 1; i < LANES; i++) bad[0] += bad[i];
    return bad[0] != bad[0] ? 2 : 0;
}

int64_t space(const i4 *t) { return numbers_of((const struct plan *)t) + 8; }

int step(int64_t rows, int64_t of, int64_t stride, const int64_t *index, const double *batch, const double *p,
         double *out, const double *numbers, const i4 *t, double *space)
{
    return work(rows, of, stride, index, batch, p, out, numbers, t, space, 1);
}

int predict(int64_t rows, int64_t of, int64_t stride, const int64_t *index, const double *batch, const double *p,
            double *out, const double *numbers, const i4 *t, double *space)
{
    return work(rows, of, stride, index, batch, p, out, numbers, t, space, 0);
}
"""


class Loops(NamedTuple):
    """A program as loops: the source, and the tables and numbers that make it this graph's."""

    source: str
    tables: dict[str, array[int]]  # for `step` and for `predict`
    numbers: array[float]  # the constants
    work: int  # how many numbers a row takes, about


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
    return Loops(source, {name: array("i", [0]) for name in ("step", "predict")}, array("d", [0]), source.count("\n"))


def _in_loops(graph: ProgramGraph) -> Loops | None:
    formulas = Formulas(CVectors(), frozenset())
    kernels = _Kernels()
    tables = _Tables(graph, formulas, kernels)
    is_unlike = tables.count < _ALIKE * tables.groups or 2 * tables.scattered > tables.terms
    if is_unlike and len(graph.order) <= _LARGEST_LINE:
        return None
    body = "\n".join([*formulas.functions.values(), kernels.write()])
    return Loops(
        "\n".join([C_HEAD, LOOPS_HEAD, *lifted_words(body), body, _DRIVER]),
        {"step": tables.step, "predict": tables.predict},
        tables.numbers,
        len(graph.order),
    )


class _Kernels:
    """The loops that the programs of one source need, each kind once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], int] = {}
        self._kinds: dict[str, list[tuple[Callable[[str, set[int]], str], set[int]]]] = {
            where: [] for where in ("once", "each", "totals")
        }

    def number(
        self, where: str, signature: tuple[object, ...], write: Callable[[str, set[int]], str], members: int
    ) -> int:
        """Give the number of a loop among its kind, and note how many members it works on at a time."""
        key = (where, *signature)
        kind = self._kinds[where]
        if key not in self._numbers:
            self._numbers[key] = len(kind)
            kind.append((write, set()))
        number = self._numbers[key]
        kind[number][1].update(
            size for size, found in ((_MEMBERS, members // _MEMBERS), (1, members % _MEMBERS)) if found
        )
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
        self.words = array("i", bytes(4 * _HEADER))
        self._kept: dict[bytes, int] = {}
        self.terms = self.scattered = 0  # of sums that vary: all, and those in which each member reads its own scalars
        once, each = scalars.groups(False), scalars.groups(True)
        self.groups = len(once) + len(each)
        members_once, self.count = (sum(len(group.members) for group in groups) for groups in (once, once + each))
        slots = len(graph.inputs) + self.count - members_once
        self.tile = next((tile for tile in (_TILE, _TILE // 2) if slots * tile <= _SPACE), _TILE // 4)
        self.at = self._places(once, each)
        self.numbers = array(
            "d", (number for number in scalars.numbers if number is not None) if scalars.constants else [0]
        )
        words = {
            where: [self._group(group, where) for group in groups] for where, groups in (("once", once), ("each", each))
        }
        summed = [terms for table in scalars.blocks for terms in (*table.left, *table.right, *chain(*table.uniform))]
        blocks = self._blocks(scalars.blocks)
        sizes = [members_once, self.tile, slots, self.sums, self.turned, self.gathered]

        def plan(columns: int, results: Sequence[int], also: Iterable[int], blocks: Sequence[list[int]]) -> array[int]:
            """Write the words of one entry into the program: of all groups those that it needs."""
            needed = scalars.needed_for([*results, *also])
            lists = [
                list(
                    chain.from_iterable(
                        w for w, group in zip(words[where], groups) if not needed.isdisjoint(group.members)
                    )
                )
                for where, groups in (("once", once), ("each", each))
            ]
            lists += blocks
            for varies in (True, False):
                checked = [check for check in scalars.checked if check in needed and scalars.varies[check] == varies]
                lists.append([self.at[check] for check in checked])
            for varies in (True, False):
                found = [(i, self.at[result]) for i, result in enumerate(results) if scalars.varies[result] == varies]
                lists.append(list(chain.from_iterable(found)))
            plan = array("i", self.words)
            header = [columns, len(graph.parameters), len(scalars.constants), *sizes]
            for given in lists:
                header += [len(plan), len(plan) + len(given)]
                plan.extend(given)
            plan[: len(header)] = array("i", header)
            return plan

        self.step = plan(len(graph.inputs), [scalars.root], chain.from_iterable(summed), blocks)
        self.predict = plan(graph.columns, scalars.outputs, [], [[]] * len(blocks))

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
            places = [self._table(map(self.at.__getitem__, column)) for column in operands]
            write = partial(_formula_loop, template, group.pattern, where)
            number = self.kernels.number(where, (template.text, group.pattern), write, head[0])
            return [number, 5 + len(places), *head, *places]
        words: list[int] = []
        at = self.at
        sums = [definition for definition in definitions if isinstance(definition, list)]
        columns_of = [list(zip(*([at[term[factor]] for term in terms] for terms in sums))) for factor in (1, 2)]
        runs = [run for kind, start, end in segments(group.pattern) for run in _regular(kind, start, end, columns_of)]
        for first in range(0, len(runs), _SEGMENTS):
            signature: list[_Run] = []
            tables: list[int] = []
            if first:  # the sum so far is the first term of what follows
                signature.append((VARYING if where == "each" else UNIFORM, _SHIFTED))
                tables += [1, self._table(head[1] + stride * k for k in range(head[0])), self._table([0])]
            for kind, start, end in runs[first : first + _SEGMENTS]:
                modes = []
                tables.append(end - start)
                for columns in columns_of[: 1 if kind & ~MINUS in (VARYING, UNIFORM) else 2]:
                    mode, found = self._factor(columns[start:end])
                    modes.append(mode)
                    tables += found
                signature.append((kind, *modes))
                if where == "each":
                    count = (end - start) * head[0]
                    self.terms += count
                    self.scattered += 0 if modes[0] == _SHARED else count
            write = partial(_sum_loop, tuple(signature), where)
            number = self.kernels.number(where, tuple(signature), write, head[0])
            words += [number, 5 + len(tables), *head, *tables]
        return words

    def _factor(self, columns: list[tuple[int, ...]]) -> tuple[str, list[int]]:
        """Find how the scalars of a factor stand: a column for each term, in it a place for each member."""
        first = columns[0]
        if _is_regular(columns):
            mode = _SHARED if first.count(first[0]) == len(first) else _SHIFTED
            return mode, [self._table(first), self._table(column[0] - first[0] for column in columns)]
        return _ANYWHERE, [self._table(chain.from_iterable(zip(*columns))), 0]

    def _blocks(self, blocks: Sequence[Block]) -> list[list[int]]:
        """Give the words of the tables of gradients, and of what must stand in rows for them."""
        gathers: list[int] = []
        turns: list[int] = []
        totals: list[int] = []
        places: list[int] = []
        self.sums = self.turned = self.gathered = 0
        turned: dict[tuple[int, ...], int] = {}

        def turned_at(key: tuple[int, ...], wide: int) -> int:
            """Let scalars stand side by side, and say where."""
            if key not in turned:
                turned[key] = self.turned
                inputs = list(range(key[0], key[0] + len(key)))  # inputs are the first scalars
                first = key[0] if list(key) == inputs and inputs[-1] < len(self.scalars.inputs) else -1
                turns.extend((len(key), wide, self._table(self.at[scalar] for scalar in key), self.turned, first))
                self.turned += wide * self.tile
            return turned[key]

        for block in blocks:
            rows, columns = len(block.parameters), len(block.parameters[0])
            wide = -(-columns // _COLUMNS) * _COLUMNS
            left = self._table(self.at[scalar] for scalar in chain.from_iterable(block.left))
            rights = [turned_at(key, wide) for key in zip(*block.right)]
            several = len(block.left[0]) if block.left else 1
            right = self._table(rights) if several > 1 else rights[0] if rights else 0
            uniform = []
            for scalars in block.uniform:
                uniform.append(self.gathered)
                at = self._table(self.at[scalar] for row in scalars for scalar in row)
                gathers += [rows, columns, wide, at, self.gathered, 0]
                self.gathered += rows * wide
            pattern = block.pattern if several == 1 else bytes([VARYING_VARYING] * 2)  # one loop for any number of them
            number = self.kernels.number("totals", (pattern,), partial(_total_loop, pattern), rows)
            totals += [number, 9 + len(uniform), rows, wide, self.sums, left, right, wide, several, *uniform]
            side_by_side = all(row == list(range(row[0], row[0] + columns)) for row in block.parameters)
            table = self._table(chain.from_iterable(block.parameters))
            places += [rows, columns, wide, self.sums, table, int(side_by_side)]
            self.sums += rows * wide
        return [gathers, turns, totals, places]


_HEADER = 9 + 2 * 10


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


# --- the loops -----------------------------------------------------------------------------------------------------

_MEMBERS = 4  # worked on at a time, with four vectors of samples each (two, where vectors are short): sums in registers


def _formula_loop(template: Template, pattern: bytes, where: str, name: str, sizes: set[int]) -> str:
    """Write the loop of a formula over the members of a group."""
    lines = []
    for index, (slot, varies) in enumerate(zip(template.uses, pattern)):
        place = f"t[w[{5 + index}] + k]"
        lines.append(f"v {slot} = AT(s + {place} + c);" if varies else f"double {slot} = q[{place}];")
    term = template.text.format_map({slot: Term(slot) for slot in template.uses})
    if where == "once":
        lines.append(f"s[w[3] + k] = V({term})[0];")
        inner = lines
    else:
        lines.append(f"AT(s + w[3] + k * w[4] + c) = V({term});")
        inner = ["for (int64_t c = 0; c < n * LANES; c += LANES) {", *_indented(lines), "}"]
    return _loop(name, ["for (int64_t k = 0; k < w[2]; k++) {", *_indented(inner), "}"])


def _sum_loop(signature: Sequence[_Run], where: str, name: str, sizes: set[int]) -> str:
    """Write the loop of an ordered sum over the members of a group, some members and vectors at a time."""
    if where == "once":
        body = _sum_body(signature, 1, 1, "double")
        return _loop(name, ["const int64_t c = 0;", "for (int64_t k = 0; k < w[2]; k++) {", *_indented(body), "}"])
    parts = []
    for members in sorted(sizes, reverse=True):
        for vectors in (4, 2, 1):
            body = _sum_body(signature, members, vectors, "v")
            given = "const i4 *w, const i4 *t, double *s, const double *q, int64_t k, int64_t c"
            text = f"static void {name}_{members}_{vectors}({given})\n{{\n" + "\n".join(_indented(body)) + "\n}\n"
            guard = "" if vectors == 1 else f"#if WIDTH {'==' if vectors == 4 else '!='} 64\n"
            parts.append(guard + text + ("#endif\n" if guard else ""))

    def columns(members: int) -> list[str]:
        return [
            "int64_t c = 0;",
            "#if WIDTH == 64",
            f"for (; c + 4 * LANES <= n * LANES; c += 4 * LANES) {name}_{members}_4(w, t, s, q, k, c);",
            "#else",
            f"for (; c + 2 * LANES <= n * LANES; c += 2 * LANES) {name}_{members}_2(w, t, s, q, k, c);",
            "#endif",
            f"for (; c < n * LANES; c += LANES) {name}_{members}_1(w, t, s, q, k, c);",
        ]

    lines = ["int64_t k = 0;"]
    for members in sorted(sizes, reverse=True):
        lines += [f"for (; k + {members} <= w[2]; k += {members}) {{", *_indented(columns(members)), "}"]
    return "\n".join([*parts, _loop(name, lines)])


def _sum_body(signature: Sequence[_Run], members: int, vectors: int, kind_of_number: str) -> list[str]:
    pairs = [(m, n) for m in range(members) for n in range(vectors)]
    zero = "-0.0" if kind_of_number == "double" else "(v){0} - 0.0"
    lines = [f"{kind_of_number} {', '.join(f'a{m}_{n} = {zero}' for m, n in pairs)};"]
    word = 5
    for kind, *modes in signature:
        given, inner, factors = [f"int64_t e = w[{word}];"], [], []
        word += 1
        for factor, mode in zip("xy", modes):
            varies = (kind & ~MINUS) in (VARYING, VARYING_VARYING) or (
                (kind & ~MINUS) == VARYING_UNIFORM and factor == "x"
            )
            base, more = ("s", " + c") if varies else ("q", "")
            if mode == _SHARED:
                given.append(f"const double *{factor} = {base} + t[w[{word}]]{more};")
                where = dict.fromkeys(range(members), f"{factor} + {factor}o[i]")
            elif mode == _SHIFTED:
                given += [f"const double *{factor}{m} = {base} + t[w[{word}] + k + {m}]{more};" for m in range(members)]
                where = {m: f"{factor}{m} + {factor}o[i]" for m in range(members)}
            else:
                given += [f"const i4 *{factor}o{m} = t + w[{word}] + (k + {m}) * e;" for m in range(members)]
                where = {m: f"{base} + {factor}o{m}[i]{more}" for m in range(members)}
            if mode != _ANYWHERE:
                given.append(f"const i4 *{factor}o = t + w[{word + 1}];")
            word += 2
            names: dict[tuple[int, int], str] = {}
            for m, n in pairs:
                own = 0 if mode == _SHARED else m
                if varies and kind_of_number == "v":
                    name = f"{factor}_{own}_{n}"
                    text = f"v {name} = AT({where[m]} + {n} * LANES);"
                else:
                    name = f"{factor}_{own}"
                    text = f"double {name} = *({where[m]});"
                if text not in inner and name not in names.values():
                    inner.append(text)
                names[m, n] = name
            factors.append(names)
        sign = "-=" if kind & MINUS else "+="
        for pair in pairs:
            inner.append(f"a{pair[0]}_{pair[1]} {sign} {' * '.join(names[pair] for names in factors)};")
        lines += ["{", *_indented([*given, "for (int64_t i = 0; i < e; i++) {", *_indented(inner), "}"]), "}"]
    for m, n in pairs:
        place = f"s + w[3] + (k + {m}) * w[4] + c"
        lines.append(f"AT({place} + {n} * LANES) = a{m}_{n};" if kind_of_number == "v" else f"*({place}) = a{m}_{n};")
    return lines


def _total_loop(pattern: bytes, name: str, sizes: set[int]) -> str:
    """Write the loop that adds a table of gradients up over the rows, in their order, with lanes over parameters."""
    given = "const i4 *w, const i4 *t, const double *s, const double *x, const double *c, double *g"
    parts = []
    for members in sorted(sizes, reverse=True):
        for vectors in (4, 2, 1):
            body = "\n".join(_indented(_total_body(pattern, members, vectors)))
            guard = "" if vectors == 1 else f"#if WIDTH {'==' if vectors == 4 else '!='} 64\n"
            text = (
                f"static void {name}_{members}_{vectors}({given}, int64_t rows, int64_t j, int64_t i)\n{{\n{body}\n}}\n"
            )
            parts.append(guard + text + ("#endif\n" if guard else ""))
    lines = ["int64_t j = 0;"]
    for members in sorted(sizes, reverse=True):
        inner = [
            "int64_t i = 0;",
            "#if WIDTH == 64",
            f"for (; i + 4 * LANES <= w[3]; i += 4 * LANES) {name}_{members}_4(w, t, s, x, c, g, rows, j, i);",
            "#else",
            f"for (; i + 2 * LANES <= w[3]; i += 2 * LANES) {name}_{members}_2(w, t, s, x, c, g, rows, j, i);",
            "#endif",
            f"for (; i < w[3]; i += LANES) {name}_{members}_1(w, t, s, x, c, g, rows, j, i);",
        ]
        lines += [f"for (; j + {members} <= w[2]; j += {members}) {{", *_indented(inner), "}"]
    text = "\n".join(_indented(lines))
    return "\n".join([*parts, f"static void {name}({given}, int64_t rows)\n{{\n{text}\n}}\n"])


def _total_body(pattern: bytes, members: int, vectors: int) -> list[str]:
    pairs = [(m, n) for m in range(members) for n in range(vectors)]
    lines = [f"v a{m}_{n} = AT(g + w[4] + (j + {m}) * w[3] + i + {n} * LANES);" for m, n in pairs]
    inner = []
    terms: dict[tuple[int, int], list[str]] = {pair: [] for pair in pairs}
    if len(pattern) > 1 and set(pattern) == {VARYING_VARYING}:
        return _products_body(pairs, members, vectors)
    uniform = 9
    for kind in pattern:
        sign = "-" if kind & MINUS else "+"
        if kind & ~MINUS == UNIFORM:
            for m, n in pairs:
                name = f"c{uniform}_{m}_{n}"
                lines.append(f"v {name} = AT(c + w[{uniform}] + (j + {m}) * w[3] + i + {n} * LANES);")
                terms[m, n].append(f"{sign} {name}")
            uniform += 1
            continue
        inner += [f"v x{n} = AT(x + w[6] + r * w[7] + i + {n} * LANES); KEEP(x{n});" for n in range(vectors)]
        if kind & ~MINUS == VARYING_VARYING:
            lines += [f"const double *d{m} = s + t[w[5] + j + {m}];" for m in range(members)]
        for m, n in pairs:
            terms[m, n].append(f"{sign} d{m}[r] * x{n}" if kind & ~MINUS == VARYING_VARYING else f"{sign} x{n}")
    for m, n in pairs:
        only = len(terms[m, n]) == 1
        text = " ".join(terms[m, n]).removeprefix("+ ")
        negative = text.startswith("- ")
        if only:
            inner.append(f"a{m}_{n} {'-=' if negative else '+='} {text.removeprefix('- ')};")
        else:
            inner.append(f"a{m}_{n} += {'-' + text[2:] if negative else text};")
    lines += ["for (int64_t r = 0; r < rows; r++) {", *_indented(inner), "}"]
    return [*lines, *(f"AT(g + w[4] + (j + {m}) * w[3] + i + {n} * LANES) = a{m}_{n};" for m, n in pairs)]


def _products_body(pairs: list[tuple[int, int]], members: int, vectors: int) -> list[str]:
    """Write what adds up several products for each row, and then adds that to the sum over the rows."""
    inner = [f"v e{m}_{n} = (v){{0}} - 0.0;" for m, n in pairs]
    products = [f"v x{n} = AT(x + t[w[6] + k] + r * w[7] + i + {n} * LANES);" for n in range(vectors)]
    products += [f"e{m}_{n} += s[t[d{m} + k] + r] * x{n};" for m, n in pairs]
    inner += ["for (int64_t k = 0; k < w[8]; k++) {", *_indented(products), "}"]
    inner += [f"AT(g + w[4] + (j + {m}) * w[3] + i + {n} * LANES) += e{m}_{n};" for m, n in pairs]
    lines = [f"int64_t d{m} = w[5] + (j + {m}) * w[8];" for m in range(members)]
    return [*lines, "for (int64_t r = 0; r < rows; r++) {", *_indented(inner), "}"]


def _loop(name: str, lines: list[str]) -> str:
    given = "const i4 *w, const i4 *t, double *s, const double *q, int64_t n"
    return f"static void {name}({given})\n{{\n" + "\n".join(_indented(lines)) + "\n}\n"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line and line[0] != "#" else line for line in lines]
