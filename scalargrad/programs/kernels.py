"""The loops of a program in C, each written once for all groups of its kind: formulas, ordered sums, sums over rows.

Reads the kinds of the terms in a group. `loops` says which of them a graph needs, and on what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from ..formulas.source import Template, Term
from ..graph.groups import MINUS, UNIFORM, VARYING_VARYING

# How the scalars of one factor stand: all members of a group share them, or they lie equally far from the member's
# first one, or anywhere.
SHARED, SHIFTED, ANYWHERE = "shared", "shifted", "anywhere"
# Where they are: in rows of the tile, among the parameters as they were given, or among all that is the same for all
# rows, with a copy of the parameters in front.
IN_TILE, GIVEN, ONCE = "s", "p", "q"
Run: TypeAlias = tuple[Any, ...]  # the kind of its terms, and where and how each of their factors stands

# How many members are worked on at a time, with four vectors each (two, where vectors are short; with eight members two
# and one): their sums are in registers.
FOUR, EIGHT = (4, 1), (8, 4, 1)


def formula_loop(template: Template, pattern: bytes, where: str, name: str, sizes: set[int]) -> str:
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


def sum_loop(signature: Sequence[Run], where: str, name: str, sizes: set[int]) -> str:
    """Write the loop of an ordered sum over the members of a group, some members and vectors at a time."""
    if where == "once":
        body = _sum_body(signature, 1, 1, "double")
        return _loop(name, ["const int64_t c = 0;", "for (int64_t k = 0; k < w[2]; k++) {", *_indented(body), "}"])
    parts = []
    for members in sorted(sizes, reverse=True):
        for vectors in (4, 2, 1):
            body = _sum_body(signature, members, vectors, "v")
            given = "const i4 *w, const i4 *t, double *s, const double *p, const double *q, int64_t k, int64_t c"
            text = f"static void {name}_{members}_{vectors}({given})\n{{\n" + "\n".join(_indented(body)) + "\n}\n"
            guard = "" if vectors == 1 else f"#if WIDTH {'==' if vectors == 4 else '!='} 64\n"
            parts.append(guard + text + ("#endif\n" if guard else ""))

    def columns(members: int) -> list[str]:
        return [
            "int64_t c = 0;",
            "#if WIDTH == 64",
            f"for (; c + 4 * LANES <= n * LANES; c += 4 * LANES) {name}_{members}_4(w, t, s, p, q, k, c);",
            "#else",
            f"for (; c + 2 * LANES <= n * LANES; c += 2 * LANES) {name}_{members}_2(w, t, s, p, q, k, c);",
            "#endif",
            f"for (; c < n * LANES; c += LANES) {name}_{members}_1(w, t, s, p, q, k, c);",
        ]

    lines = ["int64_t k = 0;"]
    for members in sorted(sizes, reverse=True):
        lines += [f"for (; k + {members} <= w[2]; k += {members}) {{", *_indented(columns(members)), "}"]
    return "\n".join([*parts, _loop(name, lines)])


def _sum_body(signature: Sequence[Run], members: int, vectors: int, kind_of_number: str) -> list[str]:
    pairs = [(m, n) for m in range(members) for n in range(vectors)]
    zero = "-0.0" if kind_of_number == "double" else "(v){0} - 0.0"
    lines = [f"{kind_of_number} {', '.join(f'a{m}_{n} = {zero}' for m, n in pairs)};"]
    word = 5
    for kind, *stands in signature:
        given, inner, factors = [f"int64_t e = w[{word}];"], [], []
        word += 1
        for factor, (base, mode) in zip("xy", stands):
            varies = base == IN_TILE
            more = " + c" if varies else ""
            if mode == SHARED:
                given.append(f"const double *{factor} = {base} + t[w[{word}]]{more};")
                where = dict.fromkeys(range(members), f"{factor} + {factor}o[i]")
            elif mode == SHIFTED:
                given += [f"const double *{factor}{m} = {base} + t[w[{word}] + k + {m}]{more};" for m in range(members)]
                where = {m: f"{factor}{m} + {factor}o[i]" for m in range(members)}
            else:
                given += [f"const i4 *{factor}o{m} = t + w[{word}] + (k + {m}) * e;" for m in range(members)]
                where = {m: f"{base} + {factor}o{m}[i]{more}" for m in range(members)}
            if mode != ANYWHERE:
                given.append(f"const i4 *{factor}o = t + w[{word + 1}];")
            word += 2
            names: dict[tuple[int, int], str] = {}
            for m, n in pairs:
                own = 0 if mode == SHARED else m
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


def total_loop(pattern: bytes, name: str, sizes: set[int]) -> str:
    """Write the loop that adds a table of gradients up over the rows, in their order, with lanes over parameters."""
    given = (
        "const i4 *w, const i4 *t, const double *s, const double *x, const double *const *from, const double *c, "
        "double *g, int64_t rows, int is_first"
    )
    wide, narrow = (2, 1) if is_several(pattern) else (4, 2)  # vectors at a time: of 64 bytes, and of fewer
    parts = []
    for members in sorted(sizes, reverse=True):
        for vectors in sorted({wide, narrow, 1}, reverse=True):
            body = "\n".join(_indented(_total_body(pattern, members, vectors)))
            guard = "" if vectors == 1 else f"#if WIDTH {'==' if vectors == wide else '!='} 64\n"
            text = f"static void {name}_{members}_{vectors}({given}, int64_t j, int64_t i)\n{{\n{body}\n}}\n"
            parts.append(guard + text + ("#endif\n" if guard else ""))
    passed = "w, t, s, x, from, c, g, rows, is_first"
    lines = ["int64_t j = 0;"]
    for members in sorted(sizes, reverse=True):
        inner = [
            "int64_t i = 0;",
            "#if WIDTH == 64",
            f"for (; i + {wide} * LANES <= w[3]; i += {wide} * LANES) {name}_{members}_{wide}({passed}, j, i);",
            "#else",
            f"for (; i + {narrow} * LANES <= w[3]; i += {narrow} * LANES) {name}_{members}_{narrow}({passed}, j, i);",
            "#endif",
            f"for (; i < w[3]; i += LANES) {name}_{members}_1({passed}, j, i);",
        ]
        lines += [f"for (; j + {members} <= w[2]; j += {members}) {{", *_indented(inner), "}"]
    text = "\n".join(_indented(lines))
    return "\n".join([*parts, f"static void {name}({given})\n{{\n{text}\n}}\n"])


def is_several(pattern: bytes) -> bool:
    """Tell whether several products are added up in each row: a weight that is used several times."""
    return len(pattern) > 1 and set(pattern) == {VARYING_VARYING}


def _total_body(pattern: bytes, members: int, vectors: int) -> list[str]:
    pairs = [(m, n) for m in range(members) for n in range(vectors)]
    at = {(m, n): f"AT(g + w[4] + (j + {m}) * w[3] + i + {n} * LANES)" for m, n in pairs}
    lines = [f"v a{m}_{n} = is_first ? (v){{0}} : {at[m, n]};" for m, n in pairs]
    inner = []
    terms: dict[tuple[int, int], list[str]] = {pair: [] for pair in pairs}
    if is_several(pattern):
        return _products_body(at, members, vectors)
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
        inner += [f"v x{n} = LOOSE(from[r] + i + {n} * LANES); KEEP(x{n});" for n in range(vectors)]
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
    return [*lines, *(f"{at[m, n]} = a{m}_{n};" for m, n in pairs)]


def _products_body(at: dict[tuple[int, int], str], members: int, vectors: int) -> list[str]:
    """Write what adds up several products for each row, and then adds that to the sum over the rows."""
    inner = [f"v e{m}_{n} = (v){{0}} - 0.0;" for m, n in at]
    products = [f"v x{n} = AT(x + t[w[6] + k] + r * w[3] + i + {n} * LANES);" for n in range(vectors)]
    products += [f"e{m}_{n} += s[t[d{m} + k] + r] * x{n};" for m, n in at]
    inner += ["for (int64_t k = 0; k < w[8]; k++) {", *_indented(products), "}"]
    inner += [f"{place} += e{m}_{n};" for (m, n), place in at.items()]
    lines = [f"if (is_first) {place} = (v){{0}};" for place in at.values()]
    lines += [f"int64_t d{m} = w[5] + (j + {m}) * w[8];" for m in range(members)]
    return [*lines, "for (int64_t r = 0; r < rows; r++) {", *_indented(inner), "}"]


def _loop(name: str, lines: list[str]) -> str:
    given = "const i4 *w, const i4 *t, double *s, const double *p, const double *q, int64_t n"
    return f"static void {name}({given})\n{{\n" + "\n".join(_indented(lines)) + "\n}\n"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line and line[0] != "#" else line for line in lines]
