"""The examination of an engine: what it gave for each case, and whether a pass with certain habits would give the same.

Reads the cases, and an engine. Each operation is measured alone: its local derivatives, right or wrong, are then known,
and what larger graphs show beyond them is how the pass goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

from ...engine import Value
from ..passes import Habits, run, ties
from . import wrong_partials
from .cases import Case, Form, agree, alone, right
from .findings import PARTS, Finding
from .places import Place
from .probe import Engine, Graph, Recorded


class Seen(NamedTuple):
    """What an engine gave for a case."""

    values: dict[str, float]
    gradients: dict[str, float]
    values_after: dict[str, float]  # backward


class Stop(Exception):
    """There is no point in going on: what was found spoils everything else."""


class Examination:
    """One engine, and what is known of it so far."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.found: list[Finding] = []
        self.missing: list[str] = []
        self.tried = dict.fromkeys(PARTS, 0)
        self.right = dict.fromkeys(PARTS, 0)
        self.forms: list[Form] = []  # those whose values are right
        self.primitive: list[Form] = []  # those that the engine records itself
        self.habits = Habits()
        self.are_shared = False  # whether two leaves with one number are one object
        self.helped = ExitStack()
        self._seen: dict[Case, Seen | Exception] = {}
        self._locals: dict[tuple[Form, tuple[float, ...]], tuple[float, ...]] = {}
        self._graphs: dict[Case, tuple[Recorded, Graph]] = {}

    def add(self, key: str, part: str, case: Case | None = None, place: Place | None = None, **rest: Any) -> None:
        """Add a finding, once; with a case, the gradients that the engine gave for it."""
        of_values, is_limit = rest.pop("of_values", False), rest.pop("is_limit", False)
        got = rest.pop("got", None)
        if got is None and case is not None and isinstance(seen := self.see(case), Seen):
            got = seen.values if of_values else seen.gradients
        finding = Finding(key, part, rest, case, got, of_values, place, is_limit)
        if not any((old.key, old.part, dict(old.values)) == (key, part, rest) for old in self.found):
            self.found.append(finding)

    def score(self, part: str, is_right: bool) -> None:
        """Count one thing that was tried."""
        self.tried[part] += 1
        self.right[part] += is_right

    def see(self, case: Case) -> Seen | Exception:
        """Run a case in the engine, once, and give its numbers, or the exception that it ended in."""
        if case not in self._seen:
            try:
                self._seen[case] = self._run(case)
            except Exception as error:  # a student's code may raise anything
                self._seen[case] = error
        return self._seen[case]

    def _run(self, case: Case) -> Seen:
        engine = self.engine
        quantities = case.record(engine.leaf, engine.functions)
        values = {name: engine.data(quantity) for name, quantity in quantities.items()}
        for root in case.roots:
            engine.backward(quantities[root])
        return Seen(
            values,
            {name: engine.grad(quantity) for name, quantity in quantities.items()},
            {name: engine.data(quantity) for name, quantity in quantities.items()},
        )

    def local(self, form: Form, numbers: tuple[float, ...]) -> tuple[float, ...]:
        """Measure the local derivatives of an operation in the engine itself, at these numbers."""
        if self.habits.whole:  # they were cut when they were measured
            return wrong_partials.rule_partials(form.rule, numbers)
        if (form, numbers) not in self._locals:
            alone_case = alone(form, numbers)
            seen = self.see(alone_case)
            if isinstance(seen, Exception):
                raise seen
            seed = seen.values["y"] if self.habits.seed is None else self.habits.seed
            given = [seen.gradients.get(name, 0.0) for name, _ in zip("ab", form.kinds)]
            if not seed:  # nothing can be seen through it
                given = [right(alone_case).gradients.get(name, 0.0) for name, _ in zip("ab", form.kinds)]
            self._locals[form, numbers] = tuple(gradient / (seed or 1.0) for gradient in given)
        return self._locals[form, numbers]

    def graph(self, case: Case) -> Graph:
        """Give the graph that the engine records for a case, with the local derivatives that were measured."""
        if case not in self._graphs:
            recorded = self.engine.recorded(case)
            self._graphs[case] = recorded, self.engine.graph(recorded, self.local)
        return self._graphs[case][1]

    def predictions(self, case: Case, habits: Habits) -> Iterator[dict[str, float]]:
        """Give the gradients of the leaves that a pass with these habits would leave, for every order it may take."""
        graph = self.graph(case)
        roots = [graph.nodes[name] for name in case.roots]
        choices: Iterable[Callable[[Value], bool]] = [lambda node: False]
        if habits.assigned or habits.by_value:
            choices = ties(roots)
        elif habits.order != "topological":
            choices = (lambda node: False, lambda node: True)
        for tie in choices:
            gradients = run(roots, habits, graph.forms, tie)
            yield {name: gradients.get(graph.nodes[name], 0.0) for name, _ in case.leaves}

    def explains(self, habits: Habits, case: Case) -> bool:
        """Tell whether a pass with these habits would give what the engine gave."""
        seen = self.see(case)
        if isinstance(seen, Exception):
            return True  # the exception is reported by itself
        try:
            return any(same(predicted, seen.gradients) for predicted in self.predictions(case, habits))
        except (ArithmeticError, RecursionError, TypeError, ValueError):
            return False

    def is_right(self, case: Case) -> bool:
        """Tell whether the engine's gradients are the right ones, in the leaves."""
        seen = self.see(case)
        return not isinstance(seen, Exception) and all(
            agree(seen.gradients[name], right(case).gradients[name]) for name, _ in case.leaves
        )

    def first_wrong(self, cases: Iterable[Case]) -> Case | None:
        """Give the first case on which the engine's gradients are wrong."""
        return next((case for case in cases if not self.is_right(case)), None)


def same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Tell whether the numbers of one are those of the other."""
    return all(agree(number, other[name]) for name, number in one.items())


def shown_form(form: Form) -> str:
    """Write a form as a class would: `x - y`, `2 - x`, `x**2`, `tanh(x)`."""
    return form.written(*{"v": ("x",), "vv": ("x", "y"), "vn": ("x", 2.0), "nv": (2.0, "x")}[form.kinds])


def plain_form(form: Form) -> str:
    """Write an operation with the operands that its row names: `a - b`."""
    return form.written("a", "b")


def named(error: BaseException) -> str:
    """Write an exception as its kind and its first line."""
    lines = str(error).splitlines()
    return type(error).__name__ + (f": {lines[0][:120]}" if lines else "")
