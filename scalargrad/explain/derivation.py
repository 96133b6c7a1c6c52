"""The derivation of one gradient as it is done on paper: symbols, local derivatives with the names put in, numbers.

Reads a view for the edges and their formulas, and a trace for the numbers: the chain rule itself ran there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, reduce
from itertools import groupby, islice
from math import floor, fsum, isfinite, log10, prod
from operator import attrgetter
from typing import Any, Literal, NamedTuple, overload

from .. import markup
from ..engine import Value, topological_order
from ..formulas import notation, tidying, tree
from ..formulas.tree import Expression
from ..formulas.typesetting import Derivative, Equation, as_latex, as_mathml, as_text
from ..graph.changes import check_unchanged
from ..graph.matrix_pass import MatrixDerivation, matrix_derivation
from ..graph.tracing import BackwardStep, trace
from ..graph.views import LAYERS, hidden_under
from ..messages import say

_LONGEST_TERM = 24  # factors that are written; of a longer product the middle is left out
_MOST_FACTORS = 100_000  # over all the paths that are listed
_MOST_EQUATIONS = 40  # of the recursive form
_MOST_TERMS = 20  # of one of its equations
_LARGEST_TOGETHER = 60  # names and numbers of the formula in one piece
_MOST_HIDDEN = 2000  # unlabelled operations between labelled quantities that a formula is written for
_FARTHEST_DETOUR = 1000  # nodes to search for another way between the ends of an edge


class Path(NamedTuple):
    """One way from the root down to the quantity, and the product of the derivatives along it."""

    factors: tuple[BackwardStep, ...]
    product: float


class Derivation:
    """The derivation of d root / d wrt. It shows itself as text, and in a notebook as formulas."""

    def __init__(self, root: Value, wrt: Value, view: str | None, limit: int, lang: str) -> None:
        self.root, self.wrt, self.lang = root, wrt, lang
        traced = trace(root, view)
        self._view, self._gradients = traced.view, traced.gradients
        if not isinstance(wrt, Value) or wrt not in self._gradients:
            raise ValueError(
                f"derive: {wrt!r} is not in the {self._view.kind} view of the graph of {self._view.name(root)}; take a "
                'Value that the root was computed from, and label it or use view="operations"'
            )
        self._formulas: dict[Value, tuple[Expression, ...]] = {}
        self._has_marks = False
        # The part of the graph between the two ends: for each node, parents first, its edges down and those up.
        self._below: dict[Value, list[BackwardStep]] = {wrt: []}
        self._above: dict[Value, list[BackwardStep]] = {wrt: []}
        for node, steps in groupby(reversed(traced.backward), key=attrgetter("node")):
            if edges := [step for step in steps if step.parent in self._below][::-1]:
                self._below[node], self._above[node] = edges, []
            for edge in edges:
                self._above[edge.parent].append(edge)
        self._between = list(self._below)
        self.count = self._count()  # of the paths; exact, however many there are
        self.paths = self._list(limit)
        if not all(map(isfinite, [self._gradients[wrt], *(path.product for path in self.paths)])):
            raise OverflowError(
                f"derive: the derivative with respect to {self._view.name(wrt)} is too large for a float"
            )

    @property
    def sum(self) -> float:
        """The gradient: the sum over the paths, or where they are not all listed the number that the trace has."""
        if len(self.paths) == self.count:
            return fsum(path.product for path in self.paths)
        return self._gradients[self.wrt]

    @property
    def text(self) -> str:
        """The derivation for a terminal, 80 columns wide where the names allow it."""
        ends = {"wrt": self._view.name(self.wrt), "root": self._view.name(self.root)}
        blocks = [self._say("one path" if self.count == 1 else "paths", self.count, **ends)]
        blocks += map(as_text, self.equations)
        blocks[2:2] = [self._say("factored")] if len(blocks) > 2 else []
        return "\n\n".join([*blocks, *self._notes])

    @property
    def latex(self) -> str:
        """The derivation as one `aligned` of amsmath, for math mode."""
        blocks = [" \\\\\n".join(as_latex(equation)) for equation in self.equations]
        blocks += [rf"&\text{{{note}}}" for note in self._notes]
        return "\\begin{aligned}\n" + " \\\\[2ex]\n".join(blocks) + "\n\\end{aligned}"

    @property
    def markdown(self) -> str:
        """The derivation as Markdown, its formulas as mathematics."""
        return f"$$\n{self.latex}\n$$"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<derivation of d{self._view.name(self.root)}/d{self._view.name(self.wrt)} = {self.sum}>"

    @property
    def html(self) -> str:
        """The derivation as tables of MathML, which need no script and no network."""
        blocks = [markup.aligned(as_mathml(equation)) for equation in self.equations]
        return "\n".join([*blocks, *map(markup.paragraphs, self._notes)])

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, str]:
        return {"text/html": self.html, "text/latex": self.markdown, "text/plain": self.text}

    def _say(self, key: str, count: int = 0, **names: str) -> str:
        return say("explain", key, self.lang, count=readable(count, self.lang), **names)

    def _more(self, key: str, count: int) -> list[Expression]:
        return [tree.name(self._say(key, count))] if count > 0 else []

    # --- the paths ---------------------------------------------------------------------------------------------------

    def _count(self) -> int:
        paths = {self.root: 1}
        for node in reversed(self._between):
            here = paths.pop(node)  # not kept: a count may have thousands of digits
            if node is self.wrt:
                break
            for factor in self._below[node]:
                paths[factor.parent] = paths.get(factor.parent, 0) + here
        return here

    def _list(self, limit: int) -> tuple[Path, ...]:
        paths: list[Path] = []
        written = 0
        for factors in islice(self._walk(), limit):
            paths.append(Path(factors, prod(factor.local for factor in factors)))
            written += len(factors)
            if written > _MOST_FACTORS:
                break
        return tuple(paths)

    def _walk(self) -> Iterator[tuple[BackwardStep, ...]]:
        """Go down each path in turn, in the order of the edges."""
        if self.root is self.wrt:
            yield ()
            return
        path: list[BackwardStep] = []
        waiting = [iter(self._below[self.root])]
        while waiting:
            if (factor := next(waiting[-1], None)) is None:
                waiting.pop()
                del path[-1:]
            elif factor.parent is self.wrt:
                yield (*path, factor)
            else:
                path.append(factor)
                waiting.append(iter(self._below[factor.parent]))

    # --- the equations -----------------------------------------------------------------------------------------------

    @cached_property
    def equations(self) -> list[Equation]:
        """The sum over the paths; where there are several, also the recursive form, linear in the graph.

        Raises ValueError where numbers have changed since the derivation was asked for.
        """
        check_unchanged(topological_order(self.root))
        left = self._derivative(self.root, self.wrt)
        if self.root is self.wrt:
            return [Equation(left, [[[tree.number(1.0)]]])]
        terms = [self._term(path.factors) for path in self.paths]
        over_paths = _equation(left, terms, self.sum, self._more("more paths", self.count - len(terms)))
        if self.count > 1 and len(self._own) > 1:
            return [over_paths, *self._recursive(), *self._together()]
        if self.count > 1:
            return [over_paths, *self._together()]
        if len(factors := terms[0].locals) <= _LONGEST_TERM:
            over_paths.sums.insert(2, [[_tidy_product(factors)]])
        return [over_paths]

    def _derivative(self, of: Value, to: Value, mark: str = "") -> Expression:
        return tree.name(Derivative(self._view.name(of), self._view.name(to), mark))

    def _symbol(self, factor: BackwardStep) -> Expression:
        """Name a factor; marked where the name alone would mean the sum of all the ways between its ends."""
        same = [other.edge for other in self._below[factor.node] if other.parent is factor.parent]
        mark = (
            str(same.index(factor.edge) + 1)
            if len(same) > 1
            else self._say("direct")
            if self._has_detour(factor)
            else ""
        )
        self._has_marks |= bool(mark)
        return self._derivative(factor.node, factor.parent, mark)

    def _has_detour(self, factor: BackwardStep) -> bool:
        """Tell whether other ways lead from a node down to the parent than the edge itself."""
        if len(self._above[factor.parent]) == 1:
            return False
        ways = [other.parent for other in self._below[factor.node] if other.parent is not factor.parent]
        seen = set(ways)
        for node in ways:
            if node is factor.parent or len(ways) > _FARTHEST_DETOUR:
                return True
            new = [below.parent for below in self._below[node] if below.parent not in seen]
            ways += dict.fromkeys(new)
            seen.update(new)
        return False

    def _local(self, factor: BackwardStep) -> Expression:
        node = factor.node
        if node not in self._formulas:
            self._formulas[node] = () if self._hides_much(node) else self._view.derivatives(node)
        return self._formulas[node][factor.edge] if self._formulas[node] else tree.name("…")

    def _hides_much(self, node: Value) -> bool:
        """Tell whether so many unlabelled operations lie right under a node that no formula of it can be read."""
        return len(hidden_under(node, self._gradients.__contains__, _MOST_HIDDEN)) > _MOST_HIDDEN

    def _term(self, factors: tuple[BackwardStep, ...], head: Value | None = None) -> _Term:
        """Write a product of factors, after d head / d (its uppermost node) where a `head` is given."""
        shown, left_out = list(factors), len(factors) - _LONGEST_TERM
        if left_out > 0:
            half = _LONGEST_TERM // 2
            shown = [*factors[:half], *factors[-half:]]
        first = [self._derivative(head, factors[0].node)] if head else []
        written = (
            [*first, *map(self._symbol, shown)],
            [*first, *map(self._local, shown)],
            [
                *([_rounded(self._gradients[factors[0].node])] if head else []),
                *(_rounded(factor.local) for factor in shown),
            ],
        )
        if left_out > 0:
            for line in written:
                line.insert(len(first) + half, tree.name(self._say("factors", left_out)))
        return _Term(*written, self._product(factors, head))

    def _product(self, factors: tuple[BackwardStep, ...], head: Value | None) -> float:
        upstream = self._gradients[factors[0].node] if head else 1.0
        return upstream * prod(factor.local for factor in factors)

    def _recursive(self) -> Iterator[Equation]:
        """Write each derivative from those above it: the deltas, as one works it out by hand."""
        own = set(self._own)
        for node in self._own[:_MOST_EQUATIONS]:
            parts: dict[Value, list[_Chain]] = {}
            for factor in self._above[node]:
                parts.setdefault(self._heads[factor.node], []).append(self._chain(factor, own))
            left = self._derivative(self.root if node is self.wrt else self._heads[node], node)
            totals = [fsum(self._product(*chain) for chain in part) for part in parts.values()]
            if len(parts) == 1 or self.root in parts:
                yield self._sum_of(left, [chain for part in parts.values() for chain in part], fsum(totals))
                continue
            symbols = [self._derivative(head, node) for head in islice(parts, _MOST_TERMS)]
            more = self._more("more terms", len(parts) - len(symbols))
            lines = ([*symbols, *more], [*map(_rounded, totals[:_MOST_TERMS]), *more], [_rounded(fsum(totals))])
            yield Equation(left, [[[term] for term in line] for line in lines])
            yield from map(self._sum_of, symbols, parts.values(), totals)

    def _sum_of(self, left: Expression, chains: list[_Chain], total: float) -> Equation:
        """Write the sum over the edges of a node, the first of them where they are many."""
        terms = [self._term(*chain) for chain in chains[:_MOST_TERMS]]
        return _equation(left, terms, total, self._more("more terms", len(chains) - len(terms)))

    def _chain(self, factor: BackwardStep, own: set[Value]) -> _Chain:
        """Follow an edge up to the first quantity that has an equation of its own, or to the head."""
        chain = [factor]
        while (top := chain[-1].node) not in own and self._heads[top] is not top:
            chain += self._above[top]
        return _Chain(tuple(reversed(chain)), self._heads[top] if top in own else None)

    @cached_property
    def _own(self) -> list[Value]:
        """List what has an equation of its own: `wrt`, where several edges meet, and what these edges come from."""
        meeting = [node for node in self._between if len(self._above[node]) > 1]
        own = {self.wrt, *meeting, *(factor.node for node in meeting for factor in self._above[node])}
        return [node for node in self._between if node in own and self._heads[node] is not node]

    @cached_property
    def _heads(self) -> dict[Value, Value]:
        """Find for each quantity what one differentiates: the root, or the one term of it that the quantity is in.

        Where the root is a plain sum, E_total = E_o1 + E_o2, its derivative in each term is 1: what leads to
        E_o1 alone has the derivative of E_o1.
        """
        heads = {self.root: self.root}
        for factor in self._below[self.root]:
            alone = len(self._above[factor.parent]) == 1 and factor.parent is not self.wrt
            if alone and factor.local == 1 and notation.text(self._local(factor)) == "1":
                heads[factor.parent] = factor.parent
        for node in reversed(self._between):
            if node not in heads:
                above = {heads[factor.node] for factor in self._above[node]}
                heads[node] = above.pop() if len(above) == 1 else self.root
        return heads

    def _together(self) -> Iterator[Equation]:
        """Write the recursive form in one piece, where it is short enough to be read."""
        if len(self._between) > _LARGEST_TOGETHER:
            return
        whole = {self.root: tree.number(1.0)}
        for node in reversed(self._between[:-1]):
            terms = [tree.product(whole[factor.node], self._local(factor)) for factor in self._above[node]]
            whole[node] = tidying.tidy(reduce(tree.sum_of, terms))
            if tree.size(whole[node]) > _LARGEST_TOGETHER or "…" in notation.text(whole[node]):
                return
        left = self._derivative(self.root, self.wrt)
        yield Equation(left, [[[whole[self.wrt]]], [[_rounded(self.sum)]]])

    @property
    def _notes(self) -> list[str]:
        notes = []
        if self.count > 1 and (more := len(self._own) - _MOST_EQUATIONS) > 0:
            notes.append(self._say("more quantities", more))
        if self._has_marks:
            notes.append(self._say("marks"))
        return notes


@overload
def derive(  # type: ignore[overload-overlap]
    root: Value, wrt: Value, view: Literal["layers"], limit: int = 20, lang: str = "en"
) -> MatrixDerivation: ...


@overload
def derive(root: Value, wrt: Value, view: str | None = None, limit: int = 20, lang: str = "en") -> Derivation: ...


def derive(
    root: Value, wrt: Value, view: str | None = None, limit: int = 20, lang: str = "en"
) -> Derivation | MatrixDerivation:
    """Derive d root / d wrt over labelled "quantities" or all "operations", and list up to `limit` paths.

    Without a `view` it is "quantities" where an operation below the root has a label, else "operations". Over "layers"
    it is the equations in matrices that lead to the gradient of the matrix with `wrt` in it. Its words are English or,
    with `lang` "zh", Chinese. Raises ValueError where `wrt` is not in that view of the graph and where numbers of the
    graph have changed since it was recorded, OverflowError where a product is too large.

    >>> x, w = Value(2.0, label="x"), Value(0.5, label="w")
    >>> y = (x * w).sin()
    >>> y.label = "y"
    >>> print(derive(y, w, "quantities"))
    1 path from w to y
    <BLANKLINE>
    dy/dw = cos(x*w)*x
          = 1.0806046
    """
    if limit < 1:
        raise ValueError(f"derive: needs a limit of 1 path or more, got {limit}")
    if view == LAYERS:
        return matrix_derivation(root, wrt, lang)
    return Derivation(root, wrt, view, limit, lang)


def readable(count: int, lang: str = "en") -> str:
    """Write a count so that it can be read: all its digits, or of a very large one how many there are.

    >>> readable(1048576), readable(10**100)
    ('1 048 576', 'about 1.0e+100')
    """
    if count < 10**12:
        return f"{count:,}".replace(",", " ")
    power = floor(digits := log10(count))
    return say("explain", "about", lang, number=f"{floor(10 ** (digits - power + 1) + 1e-6) / 10}e+{power}")


class _Chain(NamedTuple):
    factors: tuple[BackwardStep, ...]
    head: Value | None  # what is differentiated, where the derivative of it comes before the factors


class _Term(NamedTuple):
    symbols: list[Expression]
    locals: list[Expression]
    numbers: list[Expression]
    product: float


def _equation(left: Expression, terms: list[_Term], total: float, more: list[Expression]) -> Equation:
    """Write a sum of terms in the three stages, with how many `more` there are, and the result."""
    sums = [[term.symbols for term in terms], [term.locals for term in terms], [term.numbers for term in terms]]
    if len(terms) > 1:
        sums.append([[_rounded(term.product)] for term in terms])
    if more:
        for line in sums:
            line.append(more)
    return Equation(left, [*sums, [[_rounded(total)]]])


def _rounded(value: float) -> Expression:
    return tree.number(float(f"{value:.8g}"))


def _tidy_product(factors: list[Expression]) -> Expression:
    return tidying.tidy(reduce(tree.product, factors))
