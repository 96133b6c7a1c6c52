"""Worksheets from a recorded graph: a sheet with blanks, its answer key, and a checker that knows the usual mistakes.

Reads a trace for the numbers, the formulas, and the mistakes.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, reduce
from itertools import count
from math import copysign, isclose
from pathlib import Path
from typing import Any, NamedTuple

from ..engine import Value, topological_order
from ..explain.reporting import number_text, with_numbers
from ..files import write_whole
from ..formulas import tree
from ..formulas.tree import Expression
from ..graph.replay import record_again
from ..graph.roles import is_number, parameters_of, roles
from ..graph.tracing import Trace, trace
from .mistakes import MISTAKES, compare
from .worksheet_forms import HTML, LaTeX, Line, Markdown, Name, Sheet

KINDS = ("values", "local derivatives", "gradients", "updated parameters")  # in the order in which one works

_FRIENDLY = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0)
_MOST_DRAWS = 200  # of numbers, until every operation stays in its domain
_MOST_TERMS = 20  # of a sum that the key writes out
_DIGITS = range(3, 16)  # with fewer a small answer could not be told from its neighbours
_UPDATE = tree.parse("old - change")
_NUMBER = re.compile(r"[+-]?(?:\d{1,25}\.?\d{0,25}|\.\d{1,25})(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Mark(NamedTuple):
    """What the checker says of one blank."""

    blank: int
    name: str
    given: str  # as the student wrote it
    verdict: str  # "right", "wrong", "too coarse", "missing" or "unreadable"
    mistakes: tuple[str, ...] = ()  # the keys of `MISTAKES` that give this number


@dataclass(frozen=True)
class Marking:
    """What the checker says of a sheet; as text, the count and a line for each blank that is not right."""

    marks: tuple[Mark, ...]

    @property
    def right(self) -> bool:
        """Whether every blank is right and nothing unreadable stands beside them."""
        return all(mark.verdict == "right" for mark in self.marks)

    def __str__(self) -> str:
        blanks = [mark for mark in self.marks if mark.blank]
        lines = [f"{sum(mark.verdict == 'right' for mark in blanks)} of {len(blanks)} right"]
        for mark in self.marks:
            if mark.verdict != "right":
                place = f"({mark.blank}) {mark.name} = {mark.given or '____'}" if mark.blank else repr(mark.given)
                lines.append(f"{place}: {mark.verdict}")
                lines += [f"    perhaps {MISTAKES[key].name()}: {MISTAKES[key].why()}" for key in mark.mistakes]
        return "\n".join(lines)


@dataclass(frozen=True)
class Worksheet(Sheet):
    """A sheet with blanks and its answer key, each as Markdown, as LaTeX and as a page to print."""

    @property
    def answers(self) -> str:
        """The answers, a line for each blank, as `check` reads them."""
        return "\n".join(
            f"({line.blank}) {_on_one_line(line.name)} = {number_text(line.answer, self.digits)}"
            for line in self.blanks
        )

    def markdown(self, key: bool = False) -> str:
        """Write the sheet or its key as Markdown, the formulas as mathematics."""
        return Markdown(self, key).document()

    def latex(self, key: bool = False) -> str:
        """Write the sheet or its key as a LaTeX document; Chinese labels need a LaTeX that has the letters."""
        return LaTeX(self, key).document()

    def html(self, key: bool = False) -> str:
        """Write the sheet or its key as one page to print, with the picture. Raises as `draw` does."""
        return HTML(self, key).document()

    def write(self, folder: str | Path, name: str) -> list[Path]:
        """Write sheet and key into a folder: `name.html`, `name-key.html`, and the same as .md and .tex.

        Raises OSError where the folder cannot be written.
        """
        texts: dict[Path, str] = {}
        for suffix, written in (("html", self.html), ("md", self.markdown), ("tex", self.latex)):
            texts |= {Path(folder, f"{name}.{suffix}"): written(), Path(folder, f"{name}-key.{suffix}"): written(True)}
        Path(folder).mkdir(parents=True, exist_ok=True)
        # A label may hold half of a character; UTF-8 has no such thing, and a question mark stands for it.
        return [write_whole(path, text.encode(errors="replace")) for path, text in texts.items()]

    def check(self, text: str) -> Marking:
        """Mark a student's numbers, and where a wrong one is that of a known mistake, say which.

        The text has a line for each blank, with its number or its name or both: `(3) net_o1 = 2.0052`, `3: 2.0052`,
        `net_o1 = 2.0052`. Right is what the answer gives when it is rounded or cut off to as many digits; that has to
        be two significant digits at least, or the exact value.
        """
        blanks = {line.blank: line for line in self.blanks}
        names = {_on_one_line(line.name): line.blank for line in reversed(self.blanks)}
        given: dict[int, str] = {}
        strange = []
        for written in filter(None, map(str.strip, re.split(r"[;\n]", text))):
            parts = re.fullmatch(r"(.*?)(?:[:=]|\s)\s*([^\s:=]\S*)", written)
            name = parts[1].strip(" \t:=") if parts else ""
            number = re.match(r"\(?(\d{1,9})(?=[).:\s]|$)", name)
            blank = int(number[1]) if number else names.get(name, 0)
            if parts and blank in blanks:
                given[blank] = parts[2]
            else:
                strange.append(Mark(0, "", written, "unreadable"))
        return Marking((*(self._mark(line, given.get(line.blank, "")) for line in blanks.values()), *strange))

    def _mark(self, line: Line, given: str) -> Mark:
        number = given.replace("\u2212", "-")  # the sign of the printed key
        if not _NUMBER.fullmatch(number):
            return Mark(line.blank, str(line.name), given, "unreadable" if given else "missing")
        verdict = _verdict(number, line.answer)
        mistakes: tuple[str, ...] = ()
        if verdict != "right" and line.kind in ("gradients", "updated parameters"):
            mistakes = tuple(key for key, answer in self._mistaken(line).items() if _verdict(number, answer) == "right")
        return Mark(line.blank, str(line.name), given, verdict, mistakes)

    def _mistaken(self, line: Line) -> dict[str, float]:
        """Give the answer that each mistake leads to."""
        if not line.name.new:
            return {key: wrong[line.node] for key, wrong in self._mistaken_gradients.items()}
        return {
            key: line.node.data - self.learning_rate * wrong[line.node]
            for key, wrong in self._mistaken_gradients.items()
        }

    @cached_property
    def _mistaken_gradients(self) -> dict[str, dict[Value, float]]:
        """The gradients of every mistake that comes to an end on this graph."""
        found = {}
        for key in MISTAKES:
            try:
                found[key] = compare(self.root, key, self.parameters, self.learning_rate).wrong
            except (ArithmeticError, ValueError):
                continue
        return found


def worksheet(
    root: Value,
    blanks: str | Iterable[str] = ("values", "gradients"),
    *,
    view: str = "quantities",
    seed: int | None = None,
    friendly: bool = False,
    parameters: Iterable[Value] | None = None,
    learning_rate: float = 1.0,
    digits: int = 4,
    title: str = "",
) -> Worksheet:
    """Make a worksheet from the graph under `root`, which is not changed.

    `blanks` are among `KINDS`: what comes before the first of them is given, what comes later is left out unless it
    is one too. With a `seed` the leaves but for the targets get other numbers, with `friendly` short decimals; the
    sign of each stays. Numbers have `digits` decimals, 3 to 15. Raises ValueError for a kind of blank that is not
    known, and where no numbers are found that keep every operation in its domain.

    >>> w, x = Value(0.6, "w"), Value(1.5, "x")
    >>> y = w * x
    >>> y.label = "y"
    >>> print(worksheet(y).answers)
    (1) y = 0.9
    (2) dy/dw = 1.5
    """
    chosen = (blanks,) if isinstance(blanks, str) else tuple(blanks)
    if not chosen or not set(chosen) <= set(KINDS):
        raise ValueError(f"worksheet: needs blanks among {', '.join(map(repr, KINDS))}, got {blanks!r}")
    if digits not in _DIGITS:
        raise ValueError(f"worksheet: needs digits from {_DIGITS[0]} to {_DIGITS[-1]}, got {digits}")
    own = parameters_of(root, parameters)
    draws = [dict[Value, float]()] if seed is None and not friendly else _draws(root, seed or 0, friendly)
    again = _first_that_works(root, own, draws)
    moving = tuple(again[leaf] for leaf in own)
    record = trace(again[root], view)
    given = KINDS[: min(map(KINDS.index, chosen))]
    lines: list[Line] = []
    numbers = count(1)
    for line in _lines(record, moving, learning_rate):
        if line.kind in chosen and not isinstance(line.formula, ast.Constant):  # dnet/db = 1 asks nothing
            lines.append(line._replace(blank=next(numbers)))
        elif line.kind in {*given, *chosen}:
            lines.append(line)
    title = title or f"Worksheet: {record.view.name(record.view.root)}"
    return Worksheet(title, record.view.root, view, tuple(lines), moving, learning_rate, digits)


def worksheets(
    root: Value, variants: int, blanks: str | Iterable[str] = ("values", "gradients"), *, seed: int = 0, **options: Any
) -> list[Worksheet]:
    """Make several variants of a worksheet for a class, each with other numbers; options as for `worksheet`."""
    title = options.pop("title", "") or f"Worksheet: {root.label or 'root'}"
    return [
        worksheet(root, blanks, seed=seed + number, title=f"{title}, variant {number + 1}", **options)
        for number in range(variants)
    ]


def _draws(root: Value, seed: int, friendly: bool) -> Iterator[dict[Value, float]]:
    """Draw other numbers for the leaves: short decimals, or the own ones changed by up to a half."""
    leaves = [
        node for node, role in roles(root).items() if not node.parents and not is_number(node) and role != "target"
    ]
    generator = random.Random(seed)
    for _ in range(_MOST_DRAWS):
        if friendly:
            yield {leaf: copysign(generator.choice(_FRIENDLY), leaf.data) for leaf in leaves}
        else:
            yield {leaf: float(f"{(leaf.data or 1.0) * generator.uniform(0.5, 1.5):.3g}") for leaf in leaves}


def _first_that_works(root: Value, parameters: list[Value], draws: Iterable[dict[Value, float]]) -> dict[Value, Value]:
    for changed in draws:
        try:
            again = record_again(topological_order(root), changed)
        except (ArithmeticError, ValueError):
            continue
        gradients = trace(again[root]).gradients
        if not changed or any(gradients[again[leaf]] for leaf in parameters):
            return again
    raise ValueError(f"worksheet: {_MOST_DRAWS} draws gave no numbers that the operations can take; take another seed")


def _lines(record: Trace, parameters: tuple[Value, ...], learning_rate: float) -> Iterator[Line]:
    """Give every line that a sheet of this graph could have, in the order in which one works."""
    view = record.view
    asked = {node for node in view.order if node.parents} | set(parameters)
    for node in view.order:
        if written := view.formula(node):
            yield Line("values", Name(view.name(node)), written, with_numbers(view, node, written), node.data, node)
    for node in view.order:
        for edge, written in zip(view.edges(node), view.derivatives(node)):
            if edge.parent in asked:
                name = Name(view.name(node), view.name(edge.parent))
                put_in = with_numbers(view, node, written)
                yield Line("local derivatives", name, written, put_in, edge.derivative, edge.parent)
    products: dict[Value, list[Expression]] = {}
    for step in record.backward:
        product = tree.product(tree.number(step.upstream), tree.number(step.local))
        products.setdefault(step.parent, []).append(product)
    for node in reversed(view.order[:-1]):
        if node in asked:
            name = Name(view.name(view.root), view.name(node))
            working = reduce(tree.sum_of, products[node]) if len(products[node]) <= _MOST_TERMS else None
            yield Line("gradients", name, None, working, record.gradients[node], node)
    for leaf in parameters:
        change = tree.product(tree.number(learning_rate), tree.number(record.gradients[leaf]))
        answer = leaf.data - learning_rate * record.gradients[leaf]
        working = tree.substitute(_UPDATE, {"old": tree.number(leaf.data), "change": change}, {})
        yield Line("updated parameters", Name(view.name(leaf), new=True), None, working, answer, leaf)


def _on_one_line(name: Name) -> str:
    """Write a name without what parts one answer from the next: a semicolon, the end of a line."""
    return re.sub(r"[;\s]+", " ", str(name)).strip()


def _verdict(given: str, answer: float) -> str:
    """Tell whether a number is the answer, rounded or cut off to the digits that are given."""
    number, exact = Decimal(given), Decimal(repr(answer))
    if isclose(float(number), answer, rel_tol=1e-12, abs_tol=1e-15):
        return "right"
    unit = Decimal(1).scaleb(int(number.as_tuple().exponent))
    is_cut_off = number * exact >= 0 and 0 <= abs(exact) - abs(number) < unit
    if not is_cut_off and abs(exact - number) > unit / 2:
        return "wrong"
    return "too coarse" if unit * 9 > abs(exact) else "right"
