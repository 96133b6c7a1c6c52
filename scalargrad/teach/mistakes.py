"""The usual confusions about the backward pass, run on purpose: the gradients each one gives, beside the right ones.

Reads the rules, the engine and the trace. No graph is changed: each mistake works on numbers of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from math import isclose, isfinite
from typing import NamedTuple, TypeAlias

from .. import markup
from ..engine import Value
from ..explain.reporting import derivative_name, number_text
from ..formulas.terminal import paragraph, table
from ..graph.chain_rule import backward
from ..graph.replay import record_again
from ..graph.roles import is_number, parameters_of
from ..graph.tracing import Trace, trace
from ..graph.views import Operations
from ..messages import catalogue, language_of_locale, say
from ..rules import Rule, function_of
from .passes import Habits, run

Gradients: TypeAlias = dict[Value, float]

_MOST_VISITS = 1_000_000  # about a second


class _Setting(NamedTuple):
    """What a mistake has to work with."""

    trace: Trace
    parameters: list[Value]
    learning_rate: float

    def moved(self, gradients: Mapping[Value, float]) -> dict[Value, float]:
        """Give the data of the parameters after one step of gradient descent."""
        return {leaf: leaf.data - self.learning_rate * gradients[leaf] for leaf in self.parameters}


class Mistake(NamedTuple):
    """One confusion, and the code that makes it."""

    key: str
    work: Callable[[_Setting], tuple[Gradients, Gradients]]  # the right gradients and the wrong ones

    def name(self, lang: str = "en") -> str:
        """Say in a few words what is done wrong."""
        return say("mistakes", self.key, lang)

    def why(self, lang: str = "en") -> str:
        """Say what goes wrong then, and why."""
        return say("mistakes", f"{self.key}.why", lang)


class Comparison(NamedTuple):
    """The gradients of one mistake beside the right ones; as text, a table."""

    mistake: Mistake
    root: Value
    right: Gradients
    wrong: Gradients
    first: Value | None  # where they part first, in the order in which backward visits; None where they never do

    def text(self, decimals: int = 6, lang: str = "en") -> str:
        """Write the comparison as a table of the labelled quantities, with a mark where the two first part."""
        lines = [f"  {line}" for line in table(self._cells(decimals, lang), "<>>")]
        heading = [say("mistakes", "heading", lang, name=self.mistake.name(lang)), paragraph(self.mistake.why(lang))]
        return "\n".join([*heading, "", *lines, *(["", note] if (note := self._note(lang)) else [])])

    def _cells(self, decimals: int, lang: str) -> list[tuple[str, str, str, str]]:
        words, names = catalogue("mistakes", lang), Operations(self.root)
        cells = [("", words["right"], words["mistaken"], "")]
        for node in self.shown:
            right, wrong = (number_text(gradients[node], decimals) for gradients in (self.right, self.wrong))
            mark = words["first"] if node is self.first else ""
            cells.append((derivative_name(names, self.root, node), right, wrong, mark))
        return cells

    def _note(self, lang: str) -> str:
        return "" if self.first is not None else say("mistakes", "nothing", lang)

    @property
    def shown(self) -> list[Value]:
        """The labelled quantities, the root, and where the two part, as backward visits them."""
        order = reversed(Operations(self.root).order)
        return [node for node in order if node.label or node in (self.root, self.first)]

    def __repr__(self) -> str:
        return self.text(lang=language_of_locale())

    def _repr_html_(self) -> str:
        lang = language_of_locale()
        header, *rows = self._cells(6, lang)
        above = f"{say('mistakes', 'heading', lang, name=self.mistake.name(lang))}\n{self.mistake.why(lang)}"
        return markup.table(header, rows, above, self._note(lang))


def compare(
    root: Value, mistake: str, parameters: Iterable[Value] | None = None, learning_rate: float = 1.0
) -> Comparison:
    """Run one of `MISTAKES` on the graph under `root`, and find the first node where it goes wrong.

    Three mistakes need an update: `parameters` are the leaves that gradient descent moves (else those that `roles`
    takes for parameters, else all), by `learning_rate` x gradient. Raises ValueError for an unknown mistake, and
    ValueError or ArithmeticError where the mistaken code itself would end in an error or would not end.

    >>> a = Value(1.0, "a")
    >>> b = a + a
    >>> found = compare(b + b, "recursion")
    >>> found.right[a], found.wrong[a], found.first is a
    (4.0, 8.0, True)
    """
    if mistake not in MISTAKES:
        raise ValueError(f"mistake: needs one of {', '.join(map(repr, MISTAKES))}, got {mistake!r}")
    chosen = MISTAKES[mistake]
    setting = _Setting(trace(root, "operations"), parameters_of(root, parameters), learning_rate)
    right, wrong = chosen.work(setting)
    if not all(map(isfinite, wrong.values())):
        raise OverflowError(f"{chosen.name()}: a mistaken gradient is too large for a float")
    visited = (node for node in reversed(setting.trace.view.order) if not is_number(node))
    first = next((node for node in visited if not isclose(right[node], wrong[node], rel_tol=1e-9)), None)
    return Comparison(chosen, root, right, wrong, first)


@cache
def _partial(rule: Rule, index: int) -> Callable[..., float]:
    return function_of(rule, rule.partials[index], [*rule.operands, "y"])


def _recursion(setting: _Setting) -> tuple[Gradients, Gradients]:
    order = setting.trace.view.order
    visits = dict.fromkeys(order, 0)
    visits[order[-1]] = 1
    for node in reversed(order):
        if visits[node] > _MOST_VISITS:
            break
        for parent in node.parents:
            visits[parent] += visits[node]
    if sum(visits.values()) > _MOST_VISITS:
        raise ValueError(
            f"recursion without topological order: comes to the {len(order)} nodes more than {_MOST_VISITS} times, "
            "once for every path; take a graph with fewer paths"
        )
    return setting.trace.gradients, run([order[-1]], Habits(order="recursion"), {})


def _assignment(setting: _Setting) -> tuple[Gradients, Gradients]:
    everywhere = frozenset({(None, 0), (None, 1)})
    return setting.trace.gradients, run([setting.trace.view.root], Habits(assigned=everywhere), {})


def _not_zeroed(setting: _Setting) -> tuple[Gradients, Gradients]:
    """Two steps of training: what the second backward adds to is not zero but what the first one left in the leaves."""
    first = setting.trace.gradients
    again = record_again(setting.trace.view.order, setting.moved(first))
    second = trace(again[setting.trace.view.root], "operations").gradients
    right = {node: second[again[node]] for node in first}
    return right, {node: right[node] if node.parents else first[node] + right[node] for node in first}


def _not_reset(setting: _Setting) -> tuple[Gradients, Gradients]:
    """Two calls of backward on one graph: the right ones give the leaves twice the gradient, and no node more."""
    once = setting.trace.gradients
    wrong = run([setting.trace.view.root] * 2, Habits(between="kept"), {})
    return {node: grad if node.parents else 2 * grad for node, grad in once.items()}, wrong


def _updated_too_early(setting: _Setting) -> tuple[Gradients, Gradients]:
    """Each parameter moves as soon as its gradient is complete, and only then is the error passed back through it."""
    waiting = dict.fromkeys(setting.parameters, 0)
    for step in setting.trace.backward:
        if step.parent in waiting:
            waiting[step.parent] += 1
    moved: Gradients = {}

    def edges_of(node: Value) -> Iterator[tuple[Value, float]]:
        edges = list(enumerate(node.parents))
        own = [(parent, _local_with(moved, node, index)) for index, parent in edges if parent in waiting]
        yield from own
        yield from ((parent, _local_with(moved, node, index)) for index, parent in edges if parent not in waiting)

    def visit(node: Value, parent: Value, *brought: float) -> None:
        if parent in waiting:
            waiting[parent] -= 1
            if not waiting[parent]:
                *_, total = brought
                moved[parent] = parent.data - setting.learning_rate * total

    return setting.trace.gradients, backward(setting.trace.view.order, edges_of, visit)


def _before_backward(setting: _Setting) -> tuple[Gradients, Gradients]:
    return setting.trace.gradients, dict.fromkeys(setting.trace.gradients, 0.0)


def _changed_between(setting: _Setting) -> tuple[Gradients, Gradients]:
    """As closures do that look into `.data` when backward runs: the operands are new, the results are still old."""
    moved = setting.moved(setting.trace.gradients)

    def edges_of(node: Value) -> Iterator[tuple[Value, float]]:
        return ((parent, _local_with(moved, node, index)) for index, parent in enumerate(node.parents))

    return setting.trace.gradients, backward(setting.trace.view.order, edges_of)


def _local_with(moved: Mapping[Value, float], node: Value, index: int) -> float:
    """Work out a local derivative from the moved operands and the recorded result."""
    if node.op is None or not any(parent in moved for parent in node.parents):
        return node.partials[index]
    operands = [moved.get(parent, parent.data) for parent in node.parents]
    return float(_partial(node.op, index)(*operands, node.data))


MISTAKES: dict[str, Mistake] = {
    mistake.key: mistake
    for mistake in (
        Mistake("recursion", _recursion),
        Mistake("assignment", _assignment),
        Mistake("not zeroed", _not_zeroed),
        Mistake("not reset", _not_reset),
        Mistake("updated too early", _updated_too_early),
        Mistake("before backward", _before_backward),
        Mistake("changed between", _changed_between),
    )
}
