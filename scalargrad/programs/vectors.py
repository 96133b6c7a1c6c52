"""The source of a program in C, on vectors of samples, in functions of bounded length.

Reads the emitter and the targets in Python, whose way of writing it shares. `native` compiles it.
"""

import re
import textwrap
from collections.abc import Sequence

from ..engine import Value
from ..formulas.source import ATOM, LOOSE, SourceNotation, Term
from ..formulas.tree import Expression
from ..primitives import PRIMITIVES
from ..rules import RULES
from .emitter import Listing, Statement, Total
from .targets import GROUP, ProgramGraph, PythonSource, indented

_PART = 80  # statements in one C function: a compiler takes more than twice the time for twice the length
_UNIT = 100  # functions in one file, for the same reason; several files are compiled side by side
# What a C library may have for whole vectors: those of the GNU C library are within 4 units in the last place.
_ON_VECTORS = ("exp", "expm1", "log", "log1p", "tanh")
UNIT = "/* ---- the next file begins here, with all that stands above the first of these lines ---- */\n"

C_HEAD = """\
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#define LANES (WIDTH / 8)
typedef double v __attribute__((vector_size(WIDTH)));
typedef int64_t mask __attribute__((vector_size(WIDTH)));
#define NOINLINE __attribute__((noinline))
#define HIDDEN __attribute__((noinline, visibility("hidden")))  /* other libraries may have functions of this name */
#define PART HIDDEN void
#define V(x) ((x) - (v){0})
#define LIFT(f) { v r; for (int i = 0; i < LANES; i++) r[i] = f; return r; }
#define LIFT1(name, f) static NOINLINE v name(v a) LIFT(f(a[i]))
#define LIFT2(name, f) static NOINLINE v name(v a, v b) LIFT(f(a[i], b[i]))
#define LIFT3(name, f) static NOINLINE v name(v a, v b, v c) LIFT(f(a[i], b[i], c[i]))

/* `native` defines VECTOR_MATH where the C library has functions of whole vectors. */
#if WIDTH == 64
#define LIBRARY(f) _ZGVeN8v_##f
#elif defined(__AVX2__)
#define LIBRARY(f) _ZGVdN4v_##f
#elif WIDTH == 32
#define LIBRARY(f) _ZGVcN4v_##f
#else
#define LIBRARY(f) _ZGVbN2v_##f
#endif
#ifdef VECTOR_MATH
#define ON_VECTORS(name, f) v LIBRARY(f)(v); static inline v name(v a) { return LIBRARY(f)(a); }
#else
#define ON_VECTORS(name, f) LIFT1(name, f)
#endif

/* Work on rows of a batch, all or those in `index`, which stand `stride` numbers apart and are a part `of` so many:
   give the mean loss, or NaN with the reason in `given[0]`. `gradients` gets the mean gradients, `outputs` rows x
   outputs; one of the two may be null. */
#define ENTRY(name)                                                                                                   \\
    double name(int64_t rows, int64_t of, int64_t stride, const int64_t *index, const double *restrict batch,         \\
                const double *restrict p, double *restrict gradients, double *restrict outputs,                       \\
                const double *constants, const int32_t *tables, double *given)
enum { NO_MEMORY = 1, BAD_BATCH, NOT_FINITE };

static double failed(int why, double *given) { return *given = why, NAN; }
static inline v choose(mask test, v a, v b) { return (v)(((mask)a & test) | ((mask)b & ~test)); }

typedef double unaligned __attribute__((vector_size(WIDTH), aligned(8)));
#define AT(p) (*(v *)(p))
#define LOOSE(p) (*(unaligned *)(p))  /* anywhere in memory */
#if defined(__clang__) || __GNUC__ >= 12
#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MIX(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
#define MIXED(i, j, even, odd) { v a = m[i], b = m[j]; m[i] = MIX(a, b, even); m[j] = MIX(a, b, odd); }
#define LIST(...) __VA_ARGS__
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

/* What is 0 in all bits for finite numbers alone: x - x. */
static inline mask unfinite(v x) { return (mask)(x - x); }

static inline int any(mask found)
{
    int64_t all = 0;
    for (int i = 0; i < LANES; i++) all |= found[i];
    return all != 0;
}

/* Read the rows of a tile into columns, and say whether a number is not finite. */
static mask read_rows(const double *const *rows, int64_t width, int64_t tile, int64_t n, double *s)
{
    mask bad = {0};
    for (int64_t r = 0; r < n * LANES; r += LANES) {
        const double *const *from = rows + r;
        int64_t i = 0;
        for (; i + LANES <= width; i += LANES) {
            v m[LANES];
            EACH_LANE(j) {
                m[j] = LOOSE(from[j] + i);
                bad |= unfinite(m[j]);
            }
            transpose(m);
            EACH_LANE(j) AT(s + (i + j) * tile + r) = m[j];
        }
        for (; i < width; i++) {
            v m;
            EACH_LANE(j) m[j] = from[j][i];
            bad |= unfinite(m);
            AT(s + i * tile + r) = m;
        }
    }
    return bad;
}
"""

# `x` holds one vector a column and then the weights of the lanes: 1, and 0 for the lanes after the last row.
_C_FRAME = """\
HIDDEN ENTRY({name})
{{
    double lost = 0, loss = 0;
    mask bad = {{0}};
    const double *from[LANES];
    char *space = calloc(({columns} + 1 + {sums} + {slots}) * sizeof(v) + 64, 1);  /* begins at 64 */
    if (!space) return failed(NO_MEMORY, given);
    v *x = (v *)(space + 64 - (uintptr_t)space % 64), *g = x + {columns} + 1, *w = g + {sums};
    for (int64_t row = 0; row < rows; row += LANES) {{
        for (int lane = 0; lane < LANES; lane++) {{
            int64_t place = row + lane < rows ? row + lane : rows - 1;
            from[lane] = batch + (index ? index[place] : place) * stride;
            x[{columns}][lane] = row + lane < rows;
        }}
        bad |= read_rows(from, {columns}, LANES, 1, (double *)x);
{calls}
{each}
    }}
{last}
    free(space);
    return any(bad) ? failed(BAD_BATCH, given) : lost != lost ? failed(NOT_FINITE, given) : loss;
}}
"""
_PROGRAM = """\
int64_t space(const int32_t *tables) {{ return 1; }}

ENTRY(program)
{{
    double loss = gradients ? step({given}) : 0;
    return outputs && loss == loss ? loss + predict({given}) : loss;
}}
"""
_GIVEN = "rows, of, stride, index, batch, p, gradients, outputs, constants, tables, given"


class _CScalar(SourceNotation):
    """One sample: the body of a function that is then lifted to vectors."""

    conditional, conjunction = "{} ? {} : {}", "{} && {}"

    def call(self, function: str, arguments: list[str]) -> str:
        known = PRIMITIVES[function].c if function in PRIMITIVES else f"one_{function}"
        return f"{known}({', '.join(arguments)})"


class CVectors(SourceNotation):
    """A vector of samples; V(...) makes a vector of a number as well."""

    conditional, precedence = "choose({}, V({}), V({}))", ATOM
    compared, conjunction = "(mask)(V({}) {} V({}))", "{} & {}"

    def call(self, function: str, arguments: list[str]) -> str:
        return f"all_{function}({', '.join(f'V({argument})' for argument in arguments)})"

    def function(self, name: str, operands: list[str], formula: Expression) -> str:
        given = ", ".join(f"double {operand}" for operand in operands)
        body = _CScalar().with_operands(formula)
        text = f"static double one_{name}({given}) {{ return {body}; }}\nLIFT{len(operands)}(all_{name}, one_{name})\n"
        on_vectors = self.with_operands(formula)
        if not any(f"all_{word}(" in on_vectors for word in _ON_VECTORS):
            return text
        given = ", ".join(f"v {operand}" for operand in operands)
        whole = f"static NOINLINE v all_{name}({given}) {{ return V({on_vectors}); }}\n"
        return f"#ifdef VECTOR_MATH\n{whole}#else\n{text}#endif\n"


class CSource(PythonSource):
    """Straight-line C on vectors of samples, in functions of bounded length that hand values on in an array `w`."""

    Notation = CVectors  # type: ignore[assignment]

    def names(self, graph: ProgramGraph) -> dict[Value, str]:
        names = {node: f"t{i}" for i, node in enumerate(graph.order)}
        names |= {node: f"x[{i}]" for i, node in enumerate(graph.inputs)}
        return names | {node: f"p[{i}]" for i, node in enumerate(graph.parameters)}

    def write(self) -> str:
        columns = len(self.inputs)
        entries = [
            *self._entry("step", self.emitter.listing([self.graph.root], Term(f"x[{columns}]"))),
            *self._entry("predict", self.emitter.listing(self.graph.outputs)),
        ]
        functions = "\n".join(self.formulas.functions.values())
        body = "\n".join([functions, *entries])
        lifted = lifted_words(body)
        promised = [f"{entry.partition(chr(10))[0]};" for entry in entries if entry.startswith(("PART ", "HIDDEN "))]
        units = ["\n".join(entries[start : start + _UNIT]) for start in range(0, len(entries), _UNIT)]
        units[-1] += _PROGRAM.format(given=_GIVEN)
        return UNIT.join(["\n".join([C_HEAD, *lifted, functions, *promised, ""]), *units])

    def _entry(self, name: str, listing: Listing) -> list[str]:
        """Write the functions that one entry into the program calls, and that entry."""
        results, backward = len(listing.results), name == "step"
        columns = len(self.inputs) if backward else self.graph.columns
        sums = 1 + len(self.parameters) if backward else results + 1
        loss = len(self.parameters)  # after the gradients
        check = loss if backward else results  # where the checks are added
        statements = [self._assigned(line) for line in listing.forward]
        for start in range(0, len(listing.checked), GROUP):
            group = " + ".join(f"({term} - {term})" for term in listing.checked[start : start + GROUP])
            statements.append(f"g[{check}] += V({group});")
        for index, term in enumerate(listing.results):
            statements.append(f"g[{loss}] += V({term})*x[{columns}];" if backward else f"g[{index}] = V({term});")
        for line in listing.backward:
            statements.append(
                f"g[{line.parameter}] += {line.term:{LOOSE}};" if isinstance(line, Total) else self._assigned(line)
            )
        parts, slots = _in_parts(statements)
        given = "const double *restrict p, const v *restrict x, v *restrict g, v *restrict w"
        functions = [
            f"PART {name}{i}({given})\n{{\n" + "\n".join(indented(*part)) + "\n}\n" for i, part in enumerate(parts)
        ]
        total = "double sum = 0; for (int lane = 0; lane < LANES; lane++) sum += g[i][lane];"
        if backward:
            each = ""
            mean = f"lost += sum - sum; if (i < {loss}) gradients[i] = sum / of; else loss = sum / of;"
            last = f"for (int64_t i = 0; i < {sums}; i++) {{ {total} {mean} }}"
        else:
            each = (
                "for (int lane = 0; lane < LANES && row + lane < rows; lane++)\n"
                f"    for (int64_t i = 0; i < {results}; i++) {{\n"
                f"        outputs[(row + lane) * {results} + i] = g[i][lane];\n"
                "        lost += g[i][lane] - g[i][lane];\n"
                "    }"
            )
            last = f"int64_t i = {results}; {total} lost += sum;"
        frame = _C_FRAME.format(
            name=name,
            columns=columns,
            sums=sums,
            slots=slots,
            calls="\n".join(f"        {name}{i}(p, x, g, w);" for i in range(len(parts))),
            each=textwrap.indent(each, " " * 8),
            last=textwrap.indent(last, " " * 4),
        )
        return [*functions, frame]

    def _assigned(self, line: Statement) -> str:
        term = f"{line.term:{LOOSE}}" if line.term.varies else f"V({line.term:{LOOSE}})"
        return f"{'v ' if line.new else ''}{line.name} = {term};"


def lifted_words(body: str) -> list[str]:
    """Write the functions of whole vectors that a body calls."""
    return [
        f"{'ON_VECTORS' if word in _ON_VECTORS else f'LIFT{len(RULES[word].operands)}'}(all_{word}, {said.c})"
        for word, said in PRIMITIVES.items()
        if f"all_{word}(" in body
    ]


def _in_parts(statements: Sequence[str]) -> tuple[list[list[str]], int]:
    """Cut statements into parts; a variable that more than one part uses becomes a slot of `w`. Count the slots."""
    variable = re.compile(r"\b(?:t\d+|d_\w+)\b")
    first: dict[str, int] = {}
    slots: dict[str, str] = {}
    for position, statement in enumerate(statements):
        for name in variable.findall(statement):
            if first.setdefault(name, position // _PART) != position // _PART and name not in slots:
                slots[name] = f"w[{len(slots)}]"

    def put(statement: str) -> str:
        new, name = re.match(r"(v )?(\S+)", statement).groups()  # type: ignore[union-attr]
        if new and name in slots:
            statement = statement[2:]
        return variable.sub(lambda match: slots.get(match[0], match[0]), statement)

    return [
        [put(statement) for statement in statements[start : start + _PART]]
        for start in range(0, len(statements), _PART)
    ], len(slots)
