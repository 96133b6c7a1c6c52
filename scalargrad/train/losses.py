"""Losses: what a network is trained to make small, as one `Value`.

Reads the engine and the functions. Outputs come first and targets second, as in PyTorch; a single output needs no list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from numbers import Integral
from typing import TypeAlias

from ..engine import Value, as_value
from ..recording import Number

Outputs: TypeAlias = Value | Sequence[Value]
Targets: TypeAlias = Value | Number | Sequence[Value | Number]


def half_squared_error(outputs: Outputs, targets: Targets, label: str = "E") -> Value:
    """Add up 1/2 (target - output)^2 over the outputs: the documents' loss.

    With a `label` the nodes are named as in the documents: E_o1, E_o2, ... and E_total (E_total alone for one
    output), and targets that are plain numbers y1, y2, ... Raises ValueError where the numbers of outputs and
    targets differ.

    >>> half_squared_error([Value(0.5), Value(3.0)], [1, 1]).data
    2.125
    """
    outputs, targets = _paired("half_squared_error", outputs, targets, label="y" if label else "")
    errors = [0.5 * (target - output) ** 2 for output, target in zip(outputs, targets)]
    if label:
        for number, error in enumerate(errors, start=1):
            error.label = f"{label}_o{number}"
    total = _sum(errors)
    if label:
        total.label = f"{label}_total"
    return total


def mean_squared_error(outputs: Outputs, targets: Targets) -> Value:
    """Average (output - target)^2 over the outputs: PyTorch's `mse_loss`.

    Raises ValueError where the numbers of outputs and targets differ.

    >>> mean_squared_error([Value(0.5), Value(3.0)], [1, 1]).data
    2.125
    """
    outputs, targets = _paired("mean_squared_error", outputs, targets)
    return _mean([(output - target) ** 2 for output, target in zip(outputs, targets)])


def binary_cross_entropy_with_logits(logits: Outputs, targets: Targets) -> Value:
    """Average -y ln s - (1 - y) ln(1 - s) with s = sigmoid(logit): PyTorch's `binary_cross_entropy_with_logits`.

    The logit is the output before a sigmoid: -ln s = softplus(-logit) and -ln(1 - s) = softplus(logit) hold for
    any finite number. Raises ValueError for a target that is not from 0 to 1, and where the numbers of logits and
    targets differ.

    >>> binary_cross_entropy_with_logits(Value(-800.0), 1).data
    800.0
    """
    logits, targets = _paired("binary_cross_entropy_with_logits", logits, targets)
    for target in targets:
        if not 0 <= target <= 1:
            raise ValueError(f"binary_cross_entropy_with_logits: needs targets from 0 to 1, got {target.data}")
    return _mean([y * (-logit).softplus() + (1 - y) * logit.softplus() for logit, y in zip(logits, targets)])


def softmax_cross_entropy(logits: Sequence[Value], target: int | Integral | Sequence[Value | Number]) -> Value:
    """Compute -sum y_k ln p_k with p = softmax(logits): PyTorch's `cross_entropy`, for one sample.

    `target` is the index of the class, from 0, or a probability for each class (as Values, where the target is to be
    an input of a program that is made from the graph). The logits are the outputs before a
    softmax: -ln p_k = ln(sum exp(logits)) - logit_k holds for any finite numbers. Raises IndexError for an index
    that is no class, TypeError for one Value in place of a list of logits, and ValueError where the numbers of logits
    and targets differ or there are none.

    >>> softmax_cross_entropy([Value(0.0), Value(1000.0)], 0).data
    1000.0
    """
    if isinstance(logits, Value):
        raise TypeError(f"softmax_cross_entropy: needs a list of logits, one for each class, got {logits!r}")
    if isinstance(target, Integral):  # NumPy's integers as well
        target = int(target)
        if not len(logits):
            raise ValueError("softmax_cross_entropy: needs a logit for each class, got none")
        if not 0 <= target < len(logits):
            raise IndexError(f"softmax_cross_entropy: needs a class from 0 to {len(logits) - 1}, got {target}")
        return reduce(Value.logaddexp, logits) - logits[target]
    logits, targets = _paired("softmax_cross_entropy", logits, target)
    normaliser = reduce(Value.logaddexp, logits)
    return _sum([y * (normaliser - logit) for logit, y in zip(logits, targets)])


def hinge_loss(scores: Outputs, targets: Targets) -> Value:
    """Average max(0, 1 - y * score) over the scores, for targets y of -1 and 1.

    Raises ValueError for another target, and where the numbers of scores and targets differ.

    >>> hinge_loss([Value(0.25), Value(3.0)], [1, 1]).data
    0.375
    """
    scores, targets = _paired("hinge_loss", scores, targets)
    for target in targets:
        if target.data not in (-1, 1):
            raise ValueError(f"hinge_loss: needs targets of -1 or 1, got {target.data}")
    return _mean([(1 - y * score).relu() for score, y in zip(scores, targets)])


def l2_penalty(parameters: Iterable[Value], strength: float) -> Value:
    """Compute strength * (sum of the squared parameters), to be added to a loss.

    Its gradient is 2 * strength * parameter, so PyTorch's `weight_decay` is twice the strength. Raises ValueError
    where there are no parameters.

    >>> l2_penalty([Value(3.0), Value(4.0)], 0.1).data
    2.5
    """
    squares = [parameter * parameter for parameter in parameters]
    if not squares:
        raise ValueError("l2_penalty: needs at least one parameter, got none")
    return strength * _sum(squares)


def _paired(who: str, outputs: Outputs, targets: Targets, label: str = "") -> tuple[list[Value], list[Value]]:
    """Give outputs and targets as two lists of Values of the same length."""
    output_list = [outputs] if isinstance(outputs, Value) else [as_value(output) for output in outputs]
    given = list(targets) if isinstance(targets, Iterable) else [targets]
    if not output_list or len(output_list) != len(given):
        raise ValueError(
            f"{who}: needs one target for each output, got {len(output_list)} outputs and {len(given)} targets"
        )
    target_list = [
        target if isinstance(target, Value) or not label else Value(target, label=f"{label}{number}")
        for number, target in enumerate(given, start=1)
    ]
    return output_list, [as_value(target) for target in target_list]


def _sum(terms: Sequence[Value]) -> Value:
    return reduce(Value.__add__, terms)


def _mean(terms: Sequence[Value]) -> Value:
    return terms[0] if len(terms) == 1 else _sum(terms) / len(terms)
