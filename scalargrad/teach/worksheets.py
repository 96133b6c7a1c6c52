"""Worksheets from a recorded graph: a sheet with blanks and its answer key, for one student or for a class.

Reads a trace for the numbers, the formulas, and the slips.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import count
from math import copysign, isclose
from pathlib import Path
from typing import Any

from .. import markup
from ..engine import Value, topological_order
from ..explain.reporting import with_numbers
from ..files import write_whole
from ..formulas import tree
from ..formulas.tree import Expression
from ..formulas.typesetting import Derivative
from ..graph.replay import record_again
from ..graph.roles import is_number, parameters_of, roles
from ..graph.tracing import BackwardStep, Trace, trace
from ..graph.views import view_of
from ..messages import say
from .marking import Marker, Marking, on_one_line
from .slips import Contribution, Formula, Gradient, Update, Workings
from .worksheet_forms import HTML, KINDS, Choice, LaTeX, Line, Markdown, Name, Sheet

_FRIENDLY = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0)
_MOST_DRAWS = 200  # of numbers, until every operation stays in its domain
_MOST_TERMS = 20  # of a sum that the key writes out
_DECIMALS = range(3, 16)  # with fewer a small answer could not be told from its neighbours
_QUESTIONS = 2  # of each kind, where a sheet asks for choices
_MOST_OPTIONS = 4
_MOST_KNOWN = 9  # gradients that a question lists
_UPDATE = tree.parse("old - change")


class _InNotebook(HTML):
    """A sheet without its picture, for a cell of a notebook: the styles of a page do not hold there."""

    rule = "_" * 8

    def math(self, *stages: str) -> str:
        return " = ".join(stages)

    def section(self, title: str, rows: list[tuple[str, str, str]]) -> str:
        return markup.table(("", "", ""), [[*map(markup.Markup, row)] for row in rows], title)

    def page(self, given: str, sections: str) -> str:
        return f"{markup.paragraphs(self.title)}\n<p>{given}</p>\n{sections}"


@dataclass(frozen=True, repr=False)
class Worksheet(Sheet):
    """A sheet with blanks and its answer key, each as Markdown, as LaTeX and as a page to print."""

    @property
    def answers(self) -> str:
        """The answers, a line for each blank, as `check` reads them."""
        return "\n".join(
            f"({line.blank}) {on_one_line(line.name, self.lang)} = {line.written(self.decimals)}".replace("  = ", " ")
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

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.blanks)} blanks; .write(folder, name) writes the sheet and its key>"

    def _repr_html_(self) -> str:
        return _InNotebook(self, key=False).document()

    def write(self, folder: str | Path, name: str, formats: Iterable[str] = ("html", "md", "tex")) -> list[Path]:
        """Write sheet and key into a folder, `name.html` and `name-key.html`, and the same as .md and .tex.

        `formats` are among these three. Raises OSError where the folder cannot be written.
        """
        writers = {"html": self.html, "md": self.markdown, "tex": self.latex}
        texts: dict[Path, str] = {}
        for suffix in formats:
            written = writers[suffix]
            texts |= {Path(folder, f"{name}.{suffix}"): written(), Path(folder, f"{name}-key.{suffix}"): written(True)}
        Path(folder).mkdir(parents=True, exist_ok=True)
        # A label may hold half of a character; UTF-8 has no such thing, and a question mark stands for it.
        return [write_whole(path, text.encode(errors="replace")) for path, text in texts.items()]

    def check(self, text: str) -> Marking:
        """Mark a student's answers, and where a wrong one is that of a known slip, say which.

        The text has a line for each blank, with its number or its name or both: `(3) net_o1 = 2.0052`, `3: 2.0052`,
        `net_o1 = 2.0052`. Right is what the answer gives when it is rounded or cut off to as many digits; that has to
        be two significant digits at least, or the exact value. What follows from the student's own earlier numbers
        is worth a mark as well.
        """
        given, strange = self.marker.read(text)
        return Marking((*self.marker.mark(given), *strange), self.lang)

    @cached_property
    def marker(self) -> Marker:
        """What marks the answers to this sheet."""
        return Marker(self)


def worksheet(
    root: Value,
    blanks: str | Iterable[str] = ("values", "gradients"),
    *,
    view: str | None = None,
    seed: int | None = None,
    friendly: bool = False,
    parameters: Iterable[Value] | None = None,
    learning_rate: float = 1.0,
    decimals: int = 4,
    title: str = "",
    lang: str = "en",
) -> Worksheet:
    """Make a worksheet from the graph under `root`, which is not changed.

    `blanks` are among `KINDS`: what comes before the first of them is given, what comes later is left out unless it
    is one too. Without a `view` the sheet is about the labelled "quantities" where an operation below the root has a
    label, else about all "operations". With a `seed` the leaves but for the targets get other numbers, with `friendly`
    short decimals; the sign of each stays. Numbers have so many `decimals`, 3 to 15; the words are in `lang`, "en" or
    "zh". Raises ValueError for a kind of blank that is not known, and where no numbers are found that keep every
    operation in its domain.

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
    if decimals not in _DECIMALS:
        raise ValueError(f"worksheet: needs decimals from {_DECIMALS[0]} to {_DECIMALS[-1]}, got {decimals}")
    own = parameters_of(root, parameters)
    draws = [dict[Value, float]()] if seed is None and not friendly else _draws(root, seed or 0, friendly)
    again = _first_that_works(root, own, draws)
    record = trace(again[root], view)
    moving = tuple(again[leaf] for leaf in own if again[leaf] in record.gradients)
    given = KINDS[: min(map(KINDS.index, chosen))]
    makes = _Lines(record, moving, learning_rate, "local derivatives" in {*given, *chosen})
    lines: list[Line] = []
    numbers = count(1)
    for line in makes.lines():
        if line.kind in chosen and not isinstance(line.formula, ast.Constant):  # dnet/db = 1 asks nothing
            lines.append(line._replace(blank=next(numbers)))
        elif line.kind in {*given, *chosen}:
            lines.append(line)
    if "choices" in chosen:
        lines += [line._replace(blank=next(numbers)) for line in makes.choices(random.Random(seed or 0))]
    shown = record.view
    title = title or say("worksheets", "title", lang, name=shown.name(shown.root))
    return Worksheet(
        title, shown.root, shown.kind, tuple(lines), moving, learning_rate, decimals, lang, False, makes.numbers
    )


def worksheets(
    root: Value, variants: int, blanks: str | Iterable[str] = ("values", "gradients"), *, seed: int = 0, **options: Any
) -> list[Worksheet]:
    """Make several variants of a worksheet for a class, each with other numbers; options as for `worksheet`."""
    title, lang = _title_and_language(root, options)
    return [
        worksheet(
            root,
            blanks,
            seed=seed + number,
            title=say("worksheets", "variant", lang, title=title, number=number + 1),
            lang=lang,
            **options,
        )
        for number in range(variants)
    ]


def faded(
    root: Value, count: int, blanks: str | Iterable[str] = ("values", "gradients"), *, seed: int = 0, **options: Any
) -> list[Worksheet]:
    """Make a set of worked examples that fade: the same network `count` times, each with other numbers.

    The first is worked in full, each later one leaves more steps blank, backwards from the end, and the last leaves
    them all. Options as for `worksheet`. Raises ValueError for fewer than two.
    """
    if count < 2:
        raise ValueError(f"faded: needs two sheets or more, from worked in full to all blank, got {count}")
    title, lang = _title_and_language(root, options)
    sheets = []
    for number in range(count):
        which = "faded.all" if number == 0 else "faded.none" if number == count - 1 else "faded"
        name = say("worksheets", which, lang, title=title, number=number + 1, count=count)
        whole = worksheet(root, blanks, seed=seed + number, title=name, lang=lang, **options)
        shown = len(whole.blanks) - round(len(whole.blanks) * number / (count - 1))
        lines = tuple(line._replace(blank=max(line.blank - shown, 0)) for line in whole.lines)
        sheets.append(replace(whole, lines=lines, is_worked=True))
    return sheets


def _title_and_language(root: Value, options: dict[str, Any]) -> tuple[str, str]:
    """Take the title and the language of a set out of its options."""
    lang = options.pop("lang", "en")
    name = view_of(root, options.get("view")).name(root)
    return options.pop("title", "") or say("worksheets", "title", lang, name=name), lang


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
        gradients = trace(again[root], "operations").gradients
        if not changed or any(gradients[again[leaf]] for leaf in parameters):
            return again
    raise ValueError(f"worksheet: {_MOST_DRAWS} draws gave no numbers that the operations can take; take another seed")


class _Lines:
    """Makes every line that a sheet of a graph could have, each with its working."""

    def __init__(self, record: Trace, parameters: tuple[Value, ...], learning_rate: float, asks_locals: bool) -> None:
        self.record, self.parameters, self.learning_rate = record, parameters, learning_rate
        view = record.view
        self.workings = Workings(view, parameters)
        self.symbol = self.workings.symbol
        self.asked = {node for node in view.order if node.parents} | set(parameters)
        self.numbers = {self.symbol(node): node.data for node in view.order}
        self.numbers |= {self.symbol(node, "g"): gradient for node, gradient in record.gradients.items()}
        self.steps: dict[Value, list[BackwardStep]] = {}
        self.brings: dict[Value, list[Contribution]] = {}
        locals_ = {node: self.workings.derivatives(node) for node in view.order}
        self.derivatives = {node: view.derivatives(node) for node in view.order}
        for step in record.backward:
            symbol = self.local_symbol(step.node, step.edge)
            self.numbers[symbol] = step.local
            written = locals_[step.node][step.edge]
            part = Contribution(self.symbol(step.node, "g"), symbol, written, asks_locals and step.parent in self.asked)
            self.brings.setdefault(step.parent, []).append(part)
            self.steps.setdefault(step.parent, []).append(step)

    def local_symbol(self, node: Value, edge: int) -> str:
        """Name the local derivative along an edge."""
        return f"{self.symbol(node, 'l')}_{edge}"

    def lines(self) -> Iterator[Line]:
        """Give the lines in the order in which one works."""
        view, record = self.record.view, self.record
        for node in view.order:
            if written := view.formula(node):
                put_in = with_numbers(view, node, written)
                symbol, work = self.symbol(node), self.workings.value(node)
                yield Line("values", Name(view.name(node)), written, put_in, node.data, node, symbol, work)
        works = {part.local: part.formula for parts in self.brings.values() for part in parts}
        for node in view.order:
            for number, (edge, written) in enumerate(zip(view.edges(node), self.derivatives[node])):
                if edge.parent in self.asked:
                    name, symbol = Name(view.name(node), view.name(edge.parent)), self.local_symbol(node, number)
                    put_in = with_numbers(view, node, written)
                    work = works[symbol]
                    yield Line("local derivatives", name, written, put_in, edge.derivative, edge.parent, symbol, work)
        for node in reversed(view.order[:-1]):
            if node in self.asked:
                name, gradient = Name(view.name(view.root), view.name(node)), record.gradients[node]
                symbols, put_in = self.written_out(node)
                symbol, sum_of = self.symbol(node, "g"), Gradient(self.brings[node])
                yield Line("gradients", name, None, put_in, gradient, node, symbol, sum_of, symbols)
        for leaf in self.parameters:
            change = tree.product(tree.number(self.learning_rate), tree.number(record.gradients[leaf]))
            answer = leaf.data - self.learning_rate * record.gradients[leaf]
            put_in = tree.substitute(_UPDATE, {"old": tree.number(leaf.data), "change": change}, {})
            others = [self.symbol(other, "g") for other in self.parameters if other is not leaf]
            step = Update(self.symbol(leaf), self.symbol(leaf, "g"), others, self.learning_rate)
            yield Line("updated parameters", Name(view.name(leaf), new=True), None, put_in, answer, leaf, "", step)

    def written_out(self, node: Value) -> tuple[Expression | None, Expression | None]:
        """Write the sum of upstream times local in names and in numbers; neither where it is long."""
        steps = self.steps[node]
        if len(steps) > _MOST_TERMS:
            return None, None
        symbols = [tree.product(self.derivative(step.node), self.derivatives[step.node][step.edge]) for step in steps]
        numbers = [tree.product(tree.number(step.upstream), tree.number(step.local)) for step in steps]
        return reduce(tree.sum_of, symbols), reduce(tree.sum_of, numbers)

    def derivative(self, node: Value) -> Expression:
        """Name the gradient of a node."""
        view = self.record.view
        return tree.name(Derivative(view.name(view.root), view.name(node)))

    def choices(self, generator: random.Random) -> Iterator[Line]:
        """Ask which gradient may be computed next, and which factor is missing in a contribution."""
        order = [node for node in reversed(self.record.view.order) if node in self.asked]
        most = min(len(order) - 1, _MOST_KNOWN)
        cuts = [cut for cut in range(1, most) if any(not self.is_ready(n, order[:cut]) for n in order[cut:])]
        for cut in sorted(generator.sample(cuts, min(_QUESTIONS, len(cuts)))):
            yield self.ask_next(order[:cut], order[cut:], generator)
        root = self.symbol(self.record.view.root, "g")
        parts = [
            (node, step, part.formula)
            for node in order
            if node in self.steps
            for step, part in zip(self.steps[node], self.brings[node])
            if part.formula and part.upstream != root and len(self.different(part.formula, step.local)) > 1
        ]
        for node, step, written in generator.sample(parts, min(_QUESTIONS, len(parts))):
            yield self.ask_factor(node, step, written, generator)

    def is_ready(self, node: Value, known: list[Value]) -> bool:
        """Tell whether all that uses a node has its gradient."""
        return all(step.node in known for step in self.steps[node])

    def ask_next(self, known: list[Value], rest: list[Value], generator: random.Random) -> Line:
        """Ask which gradient may be computed next."""
        ready = [node for node in rest if self.is_ready(node, known)]
        early = [node for node in rest if node not in ready]
        options = [(ready[0], ""), *((node, "not ready") for node in generator.sample(early, min(2, len(early))))]
        options.append((generator.choice(known[1:] or known), "done already"))
        generator.shuffle(options)
        shown = {"known": tuple(map(self.derivative, known))}
        nodes, slips = zip(*options)
        choice = Choice("choices.next", shown, tuple(map(self.derivative, nodes)), slips)
        return Line("choices", Name(""), None, None, slips.index(""), ready[0], choice=choice)

    def ask_factor(self, node: Value, step: BackwardStep, written: Formula, generator: random.Random) -> Line:
        """Ask which factor stands beside the upstream gradient."""
        names = {self.symbol(shown): tree.name(self.record.view.name(shown)) for shown in self.record.view.order}
        different = self.different(written, step.local)
        options = [(written.working, ""), *generator.sample(different, min(_MOST_OPTIONS - 1, len(different)))]
        generator.shuffle(options)
        workings, slips = zip(*options)
        product = tree.product(self.derivative(step.node), tree.name("?"))
        about = {"gradient": (self.derivative(node),), "upstream": (product,)}
        put_in = tuple(tree.substitute(working, names, {}) for working in workings)
        choice = Choice("choices.factor", about, put_in, slips)
        return Line("choices", Name(""), None, None, slips.index(""), node, choice=choice)

    def different(self, written: Formula, right: float) -> list[tuple[Expression, str]]:
        """List slips with a factor that come to other numbers than the right one and than each other."""
        found: dict[float, tuple[Expression, str]] = {}
        for slip in written.slips:
            working = Formula(slip.working, [], written.functions)
            try:
                number = working.right(self.numbers)
            except (ArithmeticError, ValueError):
                continue
            if not any(isclose(number, other, rel_tol=1e-6) for other in (right, *found)):
                found[number] = (slip.working, slip.key)
        return list(found.values())
