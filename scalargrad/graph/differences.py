"""The derivative of a plain function of floats by differences, with an estimate of how far it may be off.

Reads nothing.
"""

from collections.abc import Callable, Iterator
from math import frexp, isfinite
from typing import NamedTuple

_EPSILON = 2.0**-52
_SHRINKS = 15  # by 8 each: down to where x + h/4 is the next float after x
_SMALLEST = 2.0**-1020  # of the first step, so that the smallest is a float too


class Slope(NamedTuple):
    """A derivative found by differences, how far it may be off, and the step it took."""

    value: float
    error: float
    step: float
    rounding: float = 0.0  # the part of the error that is due to the digits of the function
    settled: bool = False  # whether a smaller step is not worth the while
    flat: bool = False  # whether the function did not move at all: for a small step that may be rounding


def step_for(x: float) -> float:
    """Give a first step for differences at `x`: a power of two, so that x + h is exact.

    >>> step_for(0.0), step_for(1000.0)
    (0.0078125, 4.0)
    """
    return float(2.0 ** (frexp(max(1.0, abs(x)))[1] - 8))


def slope(function: Callable[[float], float], x: float, step: float | None, left: int, right: int) -> Slope | None:
    """Take the differences of `slopes` down to the first step that settles, and keep the best.

    None where every step leaves the domain.
    """
    best = None
    for found in slopes(function, x, step, left, right):
        if best is None or found.error < best.error:
            best = found
        if found.settled:
            break
    return best


def slopes(function: Callable[[float], float], x: float, step: float | None, left: int, right: int) -> Iterator[Slope]:
    """Take differences at h, h/2 and h/4 and extrapolate to h = 0, for one h after the other.

    `left` and `right` are 1 for a side to go to and 0 for one to leave alone. Without a `step` the largest is tried
    first. A step that leaves the domain is left out.
    Source: C. J. F. Ridders, Accurate computation of F'(x) and F'(x)F''(x), Advances in Engineering Software 4 (1982).
    """
    growth = 4.0 if left and right else 2.0  # the error falls with h^2 between both sides, with h from one
    for h in [step] if step else _steps(x):
        try:
            ends = [(function(x + right * h / k), function(x - left * h / k)) for k in (1, 2, 4)]
        except (ArithmeticError, ValueError):  # the step leaves the domain: a smaller one may not
            continue
        if not all(isfinite(end) for pair in ends for end in pair):
            continue
        first, second, third = ((up - down) * k / ((left + right) * h) for (up, down), k in zip(ends, (1, 2, 4)))
        better = [(growth * fine - coarse) / (growth - 1) for coarse, fine in ((first, second), (second, third))]
        value = (growth * growth * better[1] - better[0]) / (growth * growth - 1)
        settled = abs(better[1] - better[0])
        rounding = 16 * _EPSILON * max(abs(end) for pair in ends for end in pair) / h
        error = 4 * settled + rounding
        if not isfinite(value):
            continue
        flat = len({end for pair in ends for end in pair}) == 1
        yield Slope(value, error, h, rounding, settled <= 1e-9 * abs(value), flat)


def _steps(x: float) -> list[float]:
    """List the steps from large to small: first those for numbers around 1, then, near 0, those relative to `x`."""
    sizes = [step_for(x)]
    if 0 < abs(x) < 1:
        sizes.append(max(float(2.0 ** (frexp(x)[1] - 8)), _SMALLEST))
    steps = {size / 8**shrink for size in sizes for shrink in range(_SHRINKS)}
    return sorted(steps, reverse=True)


def kink(function: Callable[[float], float], x: float, step: float | None) -> tuple[float, float] | None:
    """Give the slopes on the left and on the right of a point where they differ; None where they do not.

    >>> kink(abs, 0.0, None)
    (-1.0, 1.0)
    """
    left, right = slope(function, x, step, 1, 0), slope(function, x, step, 0, 1)
    if left is None or right is None:
        return None
    apart = abs(left.value - right.value)
    settled = apart > 10 * (left.error + right.error) and apart > 1e-3 * max(abs(left.value), abs(right.value))
    return (left.value, right.value) if settled else None
