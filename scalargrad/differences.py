"""The derivative of a plain function of floats by differences, with an estimate of how far it may be off.

Reads nothing.
"""

from collections.abc import Callable
from math import frexp, isfinite
from typing import NamedTuple

_EPSILON = 2.0**-52


class Slope(NamedTuple):
    """A derivative found by differences, how far it may be off, and the step it took."""

    value: float
    error: float
    step: float


def step_for(x: float) -> float:
    """Give a first step for differences at `x`: a power of two, so that x + h is exact.

    >>> step_for(0.0), step_for(1000.0)
    (0.0078125, 4.0)
    """
    return float(2.0 ** (frexp(max(1.0, abs(x)))[1] - 8))


def slope(function: Callable[[float], float], x: float, step: float | None, left: int, right: int) -> Slope | None:
    """Take differences at h, h/2 and h/4, extrapolate to h = 0, and keep the h that settles best.

    `left` and `right` are 1 for a side to go to and 0 for one to leave alone. Without a `step` the largest is tried
    first. None where every step leaves the domain.
    Source: C. J. F. Ridders, Accurate computation of F'(x) and F'(x)F''(x), Advances in Engineering Software 4 (1982).
    """
    growth = 4.0 if left and right else 2.0  # the error falls with h^2 between both sides, with h from one
    best = None
    for h in [step] if step else [step_for(x) / 8**shrink for shrink in range(9)]:
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
        error = 4 * settled + 16 * _EPSILON * max(abs(end) for pair in ends for end in pair) / h
        if best is None or error < best.error:
            best = Slope(value, error, h)
        if settled <= 1e-9 * abs(value):
            break
    return best


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
