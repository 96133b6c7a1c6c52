"""The samples to train with, checked against the model and the loss, and the class that each output falls into.

Reads the engine. `training` records and compiles the graphs of these samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..engine import Value
from ..recording import NUMBERS, as_float

Loss: TypeAlias = Callable[[Any, Any], Value]  # (outputs, target) of one sample

_TRIED = 100  # different targets that are tried on the loss before anything is trained


class Model(Protocol):
    """What can be trained: `nn.MLP`, or anything else that is called with a row and lists its parameters."""

    def __call__(self, inputs: Any, /) -> Any: ...

    def parameters(self) -> list[Value]: ...


class SampleGraph(NamedTuple):
    """The graph of one sample."""

    leaves: list[Value]  # the inputs, then the targets
    outputs: list[Value]
    root: Value


class Samples:
    """The samples, checked against model and loss, and how to tell whether an output is right."""

    def __init__(self, model: Model, inputs: Sequence[Any], targets: Sequence[Any], loss: Loss) -> None:
        self.model, self.loss = model, loss
        if len(inputs) != len(targets) or not len(inputs):
            raise ValueError(f"data: needs one target for each row, got {len(inputs)} rows and {len(targets)} targets")
        self.rows = _matrix("inputs", inputs)
        self.single = all(isinstance(wanted, NUMBERS) for wanted in targets)  # the loss gets a number, not a list
        self.wanted = _matrix("targets", targets)
        outputs = model(_leaves("x", self.rows[0]))
        self.listed, width = not isinstance(outputs, Value), len(_values(outputs))
        if width > 1 and self.single:
            self.wanted = [_one_hot(index, wanted, width) for index, wanted in enumerate(targets)]
            self.single = False
        different = {tuple(wanted): sample for sample, wanted in reversed([*enumerate(self.wanted)])}
        self.firsts = sorted(different.values())[:_TRIED]  # one sample of each different target
        for sample in self.firsts:
            try:
                self.record(sample)
            except (ArithmeticError, ValueError) as error:
                raise ValueError(f"data: sample {sample} cannot be trained with: {error}") from error
        self.classes = _classes({*different}, width)
        self.threshold = self._threshold() if width == 1 and self.classes else 0.0

    def record(self, sample: int) -> SampleGraph:
        """Record the graph of one sample, from fresh leaves."""
        xs, ys = _leaves("x", self.rows[sample]), _leaves("y", self.wanted[sample])
        outputs = self.model(xs)
        root = self.loss(outputs, ys[0] if self.single else ys)
        if not isinstance(root, Value):
            raise TypeError(f"data: the loss must be a Value, got {root!r}")
        return SampleGraph([*xs, *ys], _values(outputs), root)

    def is_right(self, output: list[float], sample: int) -> bool:
        """Tell whether outputs fall into the class that is wanted; only where there are `classes`."""
        if len(output) > 1:
            return output.index(max(output)) == self.class_of[sample]
        return (output[0] > self.threshold) == self.class_of[sample]

    def count_right(self, outputs: Any, batch: list[int]) -> int:
        """Count the samples of a batch that are right, from lists of outputs or from an array of NumPy."""
        if isinstance(outputs, list):
            return sum(self.is_right(output, sample) for output, sample in zip(outputs, batch))
        got = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > self.threshold
        wanted = self._classes_in_array if len(batch) == len(self.rows) else self._classes_in_array.take(batch)
        return int(import_module("numpy").count_nonzero(got == wanted))

    @cached_property
    def _classes_in_array(self) -> Any:
        return import_module("numpy").array(self.class_of)

    @cached_property
    def class_of(self) -> list[int]:
        """Which output is to be the largest, for each sample; with one output, whether it is the upper class."""
        if len(next(iter(self.classes))) > 1:
            return [wanted.index(1.0) for wanted in self.wanted]
        upper = max(self.classes)[0]
        return [int(wanted[0] == upper) for wanted in self.wanted]

    def _threshold(self) -> float:
        """Find above what one output means the upper class: the middle of the two, or 0 where it is a logit."""

        def loss_at(output: float, wanted: float) -> float:
            outputs, targets = [Value(output)], [Value(wanted)]
            return self.loss(outputs if self.listed else outputs[0], targets[0] if self.single else targets).data

        is_logit = (0.0,) in self.classes and loss_at(0.25, 1.0) < loss_at(0.25, 0.0)
        return 0.0 if is_logit else sum(wanted for (wanted,) in self.classes) / 2


def _leaves(letter: str, numbers: list[float]) -> list[Value]:
    return [Value(number, label=f"{letter}{index}") for index, number in enumerate(numbers, 1)]


def _matrix(what: str, given: Sequence[Any]) -> list[list[float]]:
    """Turn rows into lists of floats; a number is a row of one."""
    rows: list[list[float]] = []
    for index, row in enumerate(given):
        numbers: list[float] = []
        try:
            for number in [row] if isinstance(row, NUMBERS) else row:
                numbers.append(as_float(number))
        except (TypeError, ValueError, OverflowError) as error:
            place = f"{what}[{index}], column {len(numbers)},"
            raise type(error)(f"data: {place} needs a row of finite numbers: {error}") from None
        rows.append(numbers)
        if len(rows[-1]) != len(rows[0]):
            raise ValueError(f"data: {what}[{index}] has {len(rows[-1])} numbers, but {what}[0] has {len(rows[0])}")
    return rows


def _one_hot(index: int, wanted: float, classes: int) -> list[float]:
    if wanted not in range(classes):
        raise ValueError(
            f"data: targets[{index}] is {wanted}, but the model has {classes} outputs: needs a class from 0 to "
            f"{classes - 1}, or a row of {classes} numbers"
        )
    return [float(number == wanted) for number in range(classes)]


def _classes(different: set[tuple[float, ...]], outputs: int) -> set[tuple[float, ...]]:
    """Give the different targets if they are classes, otherwise nothing."""
    if outputs > 1:
        are_classes = all(sorted(wanted) == [0.0] * (outputs - 1) + [1.0] for wanted in different)
    else:
        are_classes = different in ({(0.0,), (1.0,)}, {(-1.0,), (1.0,)})
    return different if are_classes else set()


def _values(outputs: Any) -> list[Value]:
    return [outputs] if isinstance(outputs, Value) else list(outputs)


def floats(values: list[Value]) -> list[float]:
    """List the numbers of Values."""
    return [value.data for value in values]
