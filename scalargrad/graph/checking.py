"""The gradients of a recorded graph against central differences, and the first local derivative that is off.

Reads the rules, the views and the trace. The graph is evaluated again in plain floats; nothing in it is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite
from typing import NamedTuple

from .. import markup
from ..engine import Value
from ..formulas import notation, tree
from ..formulas.terminal import table
from ..recording import CONSTANT
from ..rules import Rule, function_of
from .differences import Slope, kink, slopes, step_for
from .tracing import trace
from .views import Operations, View, view_of

_HEADER = ("quantity", "analytic", "numeric", "relative", "step", "")
_LARGEST_WORK = 5_000_000  # nodes times gradients: some ten seconds


class GradientCheck(NamedTuple):
    """One derivative, as recorded and by differences."""

    name: str
    node: Value
    analytic: float
    numeric: float | None  # None where every step leaves the domain
    difference: float | None  # relative to the larger of the two
    step: float | None
    verdict: str  # "ok", "wrong" or "unchecked"
    note: str = ""  # why it could not be checked, or only from one side


@dataclass(frozen=True, repr=False)
class GradientReport:
    """What `check_gradients` found; as text, a table with a verdict under it."""

    rows: tuple[GradientCheck, ...]
    first_wrong: GradientCheck | None  # the first operation whose local derivative is off; its name says which one

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; what could not be checked does not count as wrong."""
        return self.first_wrong is None and not any(row.verdict == "wrong" for row in self.rows)

    @property
    def verdict(self) -> str:
        """Say in a sentence or two what was found."""
        wrong = [row for row in self.rows if row.verdict == "wrong"]
        unchecked = sum(row.verdict == "unchecked" for row in self.rows)
        parts = [f"wrong: {len(wrong)} of {len(self.rows)} gradients, first {_both(wrong[0])}"] if wrong else []
        if self.first_wrong:
            parts.append(f"the first local derivative that is off: {_both(self.first_wrong)}")
        if not parts:
            parts.append(f"ok: {len(self.rows) - unchecked} of {len(self.rows)} gradients agree")
        return "\n".join(parts + ([f"{unchecked} could not be checked"] if unchecked else []))

    def raise_if_wrong(self) -> None:
        """Raise ArithmeticError with both numbers where a gradient or a local derivative is wrong."""
        if not self.ok:
            raise ArithmeticError(f"check_gradients: {self.verdict}")

    def __str__(self) -> str:
        return "\n".join([*table([_HEADER, *self._cells]), self.verdict])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return markup.table(_HEADER, self._cells, below=self.verdict)

    @property
    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                row.name,
                f"{row.analytic:.10g}",
                _short(row.numeric, ".10g"),
                _short(row.difference, ".1e"),
                _short(row.step, ".1e"),
                f"{row.verdict}: {row.note}" if row.note else row.verdict,
            )
            for row in self.rows
        ]


def check_gradients(
    root: Value,
    wrt: Value | Iterable[Value] | None = None,
    view: str | None = None,
    step: float | None = None,
    tolerance: float = 1e-6,
) -> GradientReport:
    """Compare the gradients of `root`, and every local derivative under it, with central differences.

    Checks the leaves and, by `view`, the labelled "quantities" or all "operations"; with `wrt` those alone. Without a
    view it is "quantities" where an operation below the root has a label, else "operations".
    The differences are taken at three steps and extrapolated (Ridders 1982); without `step` a fitting one is found.
    Raises ValueError where `wrt` is not in the graph, where leaves were changed after the graph was recorded,
    and where the work is too much, with the count; OverflowError where a gradient is too large for a float.

    >>> x = Value(3.0, label="x")
    >>> check_gradients(x * x).ok
    True
    """
    if step is not None and not 0 < step < inf:
        raise ValueError(f"check_gradients: needs a step > 0, got {step}")
    names, program = Operations(root), _Program(root)
    chosen = _chosen(program.order, wrt, view_of(root, view))
    if missing := [node for node in chosen if node not in program.position]:
        raise ValueError(f"check_gradients: {missing[0]!r} is not in the graph of the root")
    work = len(chosen) * len(program.order)
    if work > _LARGEST_WORK:
        raise ValueError(
            f"check_gradients: {len(chosen)} gradients over {len(program.order)} nodes are {work} operations to "
            f'evaluate again, more than {_LARGEST_WORK}; name fewer in wrt, or take view="quantities"'
        )
    gradients = trace(root, "operations").gradients
    if too_large := [node for node in chosen if not isfinite(gradients[node])]:
        raise OverflowError(f"check_gradients: the gradient of {too_large[0]!r} is too large for a float")
    rows = []
    for node in chosen:
        moved = program.function_of(program.position[node])
        rows.append(_compare(names.name(node), node, gradients[node], moved, node.data, step, tolerance))
    return GradientReport(tuple(rows), _first_wrong(names, step, tolerance))


def _chosen(order: list[Value], wrt: Value | Iterable[Value] | None, view: View) -> list[Value]:
    if wrt is not None:
        return [wrt] if isinstance(wrt, Value) else list(wrt)
    inner = [node for node in order[:-1] if node.op is not CONSTANT]
    return inner if isinstance(view, Operations) else [node for node in inner if node.label or node.op is None]


def _first_wrong(names: Operations, step: float | None, tolerance: float) -> GradientCheck | None:
    """Find the first operation whose recorded local derivative is not that of its formula."""
    for node in names.order:
        if (rule := node.op) is None:
            continue
        operands = [parent.data for parent in node.parents]
        for index, partial in enumerate(node.partials):
            moved = _local(_function(rule), operands, index)
            if rule.operands[index] == rule.number or _plainly_right(partial, moved, operands[index], step, tolerance):
                continue
            found = _compare("", node, partial, moved, operands[index], step, tolerance)
            if found.verdict == "wrong":
                at = ", ".join(f"{name} = {operand}" for name, operand in zip("ab", operands))
                written = notation.text(names.formula(node) or tree.name(rule.name))
                return found._replace(name=f"{rule.name}, d/d{'ab'[index]} in {names.name(node)} = {written} at {at}")
    return None


def _local(function: Callable[..., float], operands: list[float], index: int) -> Callable[[float], float]:
    before, after = operands[:index], operands[index + 1 :]
    return lambda x: function(*before, x, *after)


def _plainly_right(
    partial: float, function: Callable[[float], float], x: float, step: float | None, tolerance: float
) -> bool:
    """Tell in one difference what needs no better one, as nearly every local derivative of a large graph."""
    h = step or step_for(x) / 256
    try:
        difference = (function(x + h) - function(x - h)) / (2 * h)
    except (ArithmeticError, ValueError):
        return False
    return abs(difference - partial) <= tolerance * abs(partial)


class _Program:
    """A graph as lists, to evaluate again with one value moved."""

    def __init__(self, root: Value) -> None:
        self.order = Operations(root).order
        self.position = {node: position for position, node in enumerate(self.order)}
        self.steps = [
            (
                _function(node.op) if node.op and node.parents else None,
                tuple(self.position[parent] for parent in node.parents),
            )
            for node in self.order
        ]
        self.values = [node.data for node in self.order]

    def function_of(self, start: int) -> Callable[[float], float]:
        """Give the root as a function of one node's value."""
        depends = bytearray(len(self.order))
        depends[start] = 1
        steps = []
        for position in range(start + 1, len(self.order)):
            function, operands = self.steps[position]
            if function and any(depends[operand] for operand in operands):
                depends[position] = 1
                steps.append((position, function, operands))

        def moved(x: float) -> float:
            values = self.values.copy()
            values[start] = x
            for position, function, operands in steps:
                values[position] = function(*[values[operand] for operand in operands])
            return values[-1]

        return moved


@cache
def _function(rule: Rule) -> Callable[..., float]:
    return function_of(rule, rule.formula, rule.operands)


def _compare(
    name: str,
    node: Value,
    analytic: float,
    function: Callable[[float], float],
    x: float,
    step: float | None,
    tolerance: float,
) -> GradientCheck:
    for left, right in ((1, 1), (0, 1), (1, 0)):
        note = "" if left and right else "from one side"
        seen: list[Slope] = []
        for found in slopes(function, x, step, left, right):
            seen.append(found)
            if _agrees(analytic, found, tolerance):
                break
        if seen:
            break
    else:
        return GradientCheck(name, node, analytic, None, None, None, "unchecked", "every step leaves the domain")
    if not _agrees(analytic, found, tolerance):
        found = min(seen, key=lambda each: each.error)
    difference = abs(analytic - found.value)
    verdict = "ok"
    if not _agrees(analytic, found, tolerance) and not difference <= found.error <= tolerance:
        found, certain = _contradiction(analytic, seen, tolerance)
        verdict = "wrong" if certain else "unchecked"
        if not certain:
            within = abs(analytic - found.value) <= found.error
            note = "the differences do not settle, " + (f"within {found.error:.1e}" if within else "no two steps agree")
        elif sides := kink(function, x, step):
            note = "no derivative here, {:.6g} from the left and {:.6g} from the right".format(*sides)
            verdict = "unchecked" if min(sides) - tolerance <= analytic <= max(sides) + tolerance else "wrong"
    difference, largest = abs(analytic - found.value), max(abs(analytic), abs(found.value))
    relative = difference / largest if largest else 0.0
    return GradientCheck(name, node, analytic, found.value, relative, found.step, verdict, note)


def _agrees(analytic: float, found: Slope, tolerance: float) -> bool:
    """Tell whether differences that are good enough to tell confirm a derivative."""
    if found.value == analytic and found.error <= tolerance:
        return True
    allowed = tolerance * max(abs(analytic), abs(found.value))
    return abs(analytic - found.value) <= allowed and found.error <= 10 * allowed


def _contradiction(analytic: float, seen: list[Slope], tolerance: float) -> tuple[Slope, bool]:
    """Find the differences that settle best, and tell whether they are sure to contradict a derivative.

    They are where a second step gives the same: noise gives something else for every step. A step over which the
    function does not move at all says nothing where it moves over a larger one: rounding makes stairs of a slope.
    """
    moving = [found for found in seen if not found.flat] or seen
    best = min(moving, key=lambda found: found.error / (max(abs(found.value), abs(analytic)) or 1.0))
    others = [found for found in moving if found is not best]

    def same(other: Slope) -> bool:
        apart = abs(other.value - best.value)
        within = max(tolerance * max(abs(other.value), abs(best.value)), other.rounding + best.rounding)
        return apart <= within and abs(analytic - other.value) > 2 * other.rounding

    return best, abs(analytic - best.value) > best.error and (not others or any(map(same, others)))


def _both(row: GradientCheck) -> str:
    step = f" (step {row.step:.1e})" if row.step else ""
    return f"{row.name}: recorded {row.analytic!r}, central differences give {_short(row.numeric, '.12g')}{step}"


def _short(number: float | None, spec: str) -> str:
    return "-" if number is None else format(number, spec)
