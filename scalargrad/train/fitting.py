"""`fit`: gradient descent over data, sample by sample in the engine for a class to look into, or as a compiled program.

Reads the losses, the optimizers and the programs. The numbers in the comments are the eleven training steps of
https://zhuanlan.zhihu.com/p/61863634.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from math import ceil
from numbers import Integral
from typing import Any, NamedTuple, TypeAlias

from ..engine import Value
from ..programs import compiling
from ..recording import as_float
from .history import History
from .losses import half_squared_error
from .optimizers import SGD, Optimizer, Schedule
from .samples import Loss, Model, Samples, floats

_COMPARED = 20  # samples, spread over the data, that a program is compared with the engine on
_ADVICE = "; a smaller learning rate may help"


class Step(NamedTuple):
    """What a callback gets: one iteration, after the backward passes and before the update."""

    iteration: int  # from 1
    samples: list[int]  # the batch, as positions in the data
    loss: float  # the mean over the batch; the mean gradients stand in the parameters
    roots: list[Value]  # the loss of each sample, with its graph; empty where a program does the work


def fit(
    model: Model,
    inputs: Sequence[Any],
    targets: Sequence[Any],
    loss: Loss = half_squared_error,
    *,
    iterations: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | Schedule | None = None,
    optimizer: Optimizer | None = None,
    seed: int | None = 0,
    target: str | None = None,
    callback: Callable[[Step], object] | None = None,
    progress: bool = True,
) -> History:
    """Train a model, change its parameters in place, and give back the history of the run.

    `inputs` holds a row of numbers for each sample, `targets` a number or a row. Where the model has several outputs
    and each target is a whole number, it is a class: class 2 of 3 becomes the row 0, 0, 1. `loss(outputs, target)`
    is the loss of one sample; descent is on the mean over a batch. Without an `optimizer` it is plain gradient
    descent with the `learning_rate`, a number or a schedule; 0.1 if not given.

    One iteration is one batch and one update. Give their number, or that of the `epochs`, the rounds over all data.
    Without a `batch_size` all data are one batch; with 1 it is descent sample by sample. Each epoch takes the samples
    in another order, drawn by `seed`; with None in their own.

    With `target=None` the engine records every sample, and `callback` gets the graphs. With "python", "numpy", "c",
    "jax" or "auto" the graph of the first sample is compiled, and gives the same but for the last bits. So a model or
    loss must not branch on a value, as in `if target.data == 1`: before the run the program is compared with the
    engine on a sample of each different target and on about 20 spread over the data, and ValueError is raised where
    they differ. A callback that returns True ends the run. A progress bar is shown on a terminal and in a notebook,
    with `tqdm` installed. Ctrl-C ends the run with what was learned so far.

    Raises TypeError or ValueError where the data do not fit the model or the loss, before anything is changed; and
    FloatingPointError, with the sample and the operation, where a number leaves what a float or the operation can
    take. Then the parameters are again those of the last iteration that went well.

    >>> from scalargrad import nn
    >>> from scalargrad.train import data
    >>> model = nn.MLP(2, [4, 1], activation="tanh", seed=1)
    >>> fit(model, *data.xor(labels=(-1, 1)), epochs=500, learning_rate=0.5).accuracies[-1]
    1.0
    """
    # 1. The model has drawn its parameters; set how many iterations there are, how large a batch and a step is.
    data = Samples(model, inputs, targets, loss)
    size = _whole("batch_size", len(data.rows) if batch_size is None else batch_size)
    total = _iterations(iterations, epochs, ceil(len(data.rows) / size))
    optimizer = _optimiser(model, optimizer, learning_rate)
    run: _Compiled | _Eager
    run = _Compiled(data, optimizer, target) if target else _Eager(data, optimizer, keep=callback is not None)
    batches = _batches(len(data.rows), size, seed)
    history = History()
    right = seen = 0  # of the samples of this epoch
    parameters = run.parameters
    good = now = parameters.now()
    with _progress_bar(total, progress) as advance:
        try:
            for iteration in range(1, total + 1):
                batch = next(batches)  # 2. Take a batch.
                now = parameters.now()
                mean, outputs, roots = run(batch)  # 3. to 9.
                good = now
                history.losses.append(mean)
                if data.classes:
                    right += data.count_right(outputs, batch)
                    seen += len(batch)
                    if seen >= len(data.rows) or iteration == total:
                        history.accuracies.append(right / seen)
                        right = seen = 0
                if callback is not None:
                    parameters.show()
                    if callback(Step(iteration, batch, mean, roots)) is True:
                        break
                    parameters.look()
                parameters.step()  # 10. Update the parameters with the mean of the gradients.
                advance(mean)
                # 11. Go on with the next batch, until all iterations are done.
            parameters.show()
        except KeyboardInterrupt:
            parameters.put(now)  # it may have come in the middle of an update
            history.interrupted = True
        except FloatingPointError as error:
            parameters.put(good)
            raise FloatingPointError(
                f"fit: iteration {iteration}, {error}; the parameters are those of the last iteration that went well"
            ) from error.__cause__
        except BaseException:
            parameters.show()
            raise
    return history


def accuracy(model: Model, inputs: Sequence[Any], targets: Sequence[Any], loss: Loss = half_squared_error) -> float:
    """Give the share of the samples that a model puts into the right class.

    Several outputs: the largest one is the class. One output with targets -1 and 1: its sign; with 0 and 1: whether
    it is above the middle, which is 0.5, or 0 where the loss takes it as a logit. Raises ValueError where the targets
    are no classes.
    """
    data = Samples(model, inputs, targets, loss)
    if not data.classes:
        raise ValueError("accuracy: needs targets that are classes: 0, 1, ..., or -1 and 1, and more than one of them")
    right = sum(data.is_right(floats(data.record(sample).outputs), sample) for sample in range(len(data.rows)))
    return right / len(data.rows)


# --- the parameters of a run ----------------------------------------------------------------------------------------


class _InValues:
    """The parameters' numbers where they belong: in the Values."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    def now(self) -> Any:
        """Give the numbers as they are now; they do not change afterwards."""
        return [parameter.data for parameter in self.optimizer.parameters]

    def put(self, numbers: Any) -> None:
        """Set the numbers, in the Values too."""
        for parameter, number in zip(self.optimizer.parameters, numbers):
            parameter.data = number

    def step(self) -> None:
        """Update the numbers by the gradients."""
        with _naming("the update", advice=""):  # the optimizer gives its own
            self.optimizer.step()

    def show(self) -> None:
        """Write numbers and gradients into the Values, where somebody looks at them."""

    def look(self) -> None:
        """Take what somebody wrote into the Values."""


class _InArrays(_InValues):
    """The parameters' numbers and gradients in arrays of NumPy; a step makes new ones, so that none is half done."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)
        self.look()

    def now(self) -> Any:
        return self.numbers

    def put(self, numbers: Any) -> None:
        self.numbers = numbers
        self.show()

    def step(self) -> None:
        try:
            self.numbers = self.optimizer.updated(self.numbers, self.gradients)
        except (ArithmeticError, ValueError):
            self.show()
            super().step()  # it fails too, and its words are about the Values

    def show(self) -> None:
        for parameter, number, gradient in zip(
            self.optimizer.parameters, self.numbers.tolist(), self.gradients.tolist()
        ):
            parameter.data, parameter.grad = number, gradient

    def look(self) -> None:
        array = import_module("numpy").array
        self.numbers = array([parameter.data for parameter in self.optimizer.parameters])
        self.gradients = array([parameter.grad for parameter in self.optimizer.parameters])


# --- one batch -----------------------------------------------------------------------------------------------------


_Result: TypeAlias = tuple[float, Any, list[Value]]  # mean loss, outputs of each sample, roots


class _Eager:
    """The engine: each sample is recorded, and its graph run backward."""

    def __init__(self, data: Samples, optimizer: Optimizer, keep: bool = False) -> None:
        self.data, self.keep = data, keep  # the graphs are kept only where somebody looks at them
        self.parameters = _InValues(optimizer)
        self.leaves = list(dict.fromkeys([*data.model.parameters(), *optimizer.parameters]))

    def __call__(self, batch: list[int]) -> _Result:
        for parameter in self.leaves:
            parameter.grad = 0.0
        total = 0.0
        outputs: list[list[float]] = []
        roots: list[Value] = []
        for sample in batch:  # 3. Take a sample of the batch, its inputs and its targets.
            with _naming(f"sample {sample}"):
                recorded = self.data.record(sample)  # 4. and 5. Run the network forward, and compute the loss.
                # 6. to 8. From the root down: the deltas of the output layer, those of each layer before it, and
                # the gradients of the parameters. 9. Those of the samples add up, as the parameters are leaves.
                recorded.root.backward()
            total += recorded.root.data
            outputs.append(floats(recorded.outputs))
            if self.keep:
                roots.append(recorded.root)
        with _naming("the sum over the batch"):
            for parameter in self.leaves:
                parameter.grad = as_float(parameter.grad / len(batch))
            return as_float(total / len(batch)), outputs, roots


class _Compiled:
    """A program: the graph of the first sample, run on all rows of a batch."""

    def __init__(self, data: Samples, optimizer: Optimizer, target: str) -> None:
        self.data, self.optimizer = data, optimizer
        recorded = data.record(0)
        self.program = compiling.compile(
            recorded.root, recorded.leaves, optimizer.parameters, target=target, outputs=recorded.outputs
        )
        table: Any = [[*row, *wanted] for row, wanted in zip(data.rows, data.wanted)]
        is_array = self.program.target != "python" and find_spec("numpy")
        self.table = import_module("numpy").array(table) if is_array else table
        self.all = list(range(len(table)))
        self._compare_with_engine(table)
        has_own_step = type(optimizer).step is not Optimizer.step
        self.parameters = _InArrays(optimizer) if is_array and not has_own_step else _InValues(optimizer)

    def _compare_with_engine(self, table: list[list[float]]) -> None:
        """Raise ValueError where the engine records for another sample what the program does not give."""
        for sample in sorted({*self.data.firsts, *range(0, len(table), ceil(len(table) / _COMPARED))}):
            try:
                root = self.data.record(sample).root
                recorded = compiling.loss_and_gradients(root, self.optimizer.parameters)
            except (ArithmeticError, ValueError):
                continue  # the run will name this sample and the operation
            try:
                difference = self.program.difference(recorded, table[sample])
                reason = "{} {} against {}".format(*difference) if difference else ""
            except (ArithmeticError, ValueError) as error:
                reason = f"the program fails: {str(error).removeprefix('row 0, counted from 0: ')}"
            if reason:
                raise ValueError(
                    f"fit: the graph of sample {sample} is another than that of sample 0 (a branch on a value?): "
                    f"{reason}; train it without target"
                )

    def __call__(self, batch: list[int]) -> _Result:
        in_arrays = self.parameters if isinstance(self.parameters, _InArrays) else None
        numbers = in_arrays and in_arrays.numbers
        rows = None if batch == self.all else batch
        try:
            if self.data.classes:
                mean, gradients, outputs = self.program.with_outputs(self.table, numbers, rows)
            else:
                mean, gradients = self.program(self.table, numbers, rows)
                outputs = []
        except (ArithmeticError, ValueError) as error:
            self.parameters.show()
            _Eager(self.data, self.optimizer)(batch)  # it knows the sample and the operation
            raise FloatingPointError(f"the program: {error}{_ADVICE}") from error
        if in_arrays:
            in_arrays.gradients = gradients
        else:
            for parameter, gradient in zip(self.optimizer.parameters, gradients):
                parameter.grad = gradient
        return mean, outputs, []


@contextmanager
def _naming(place: str, advice: str = _ADVICE) -> Iterator[None]:
    """Put the place where numbers went wrong in front of what the engine says about it, and advice behind."""
    try:
        yield
    except (ArithmeticError, ValueError) as error:
        raise FloatingPointError(f"{place}: {error}{advice}") from error


# --- the run -------------------------------------------------------------------------------------------------------


def _whole(name: str, number: int) -> int:
    if not isinstance(number, Integral) or number < 1:
        raise ValueError(f"fit: {name} needs a whole number of at least 1, got {number!r}")
    return int(number)


def _iterations(iterations: int | None, epochs: int | None, batches: int) -> int:
    if epochs is None and iterations is not None:
        return _whole("iterations", iterations)
    if iterations is None and epochs is not None:
        return _whole("epochs", epochs) * batches
    raise ValueError(f"fit: needs either iterations or epochs, got {iterations} and {epochs}")


def _optimiser(model: Model, optimizer: Optimizer | None, learning_rate: float | Schedule | None) -> Optimizer:
    if optimizer is None:
        return SGD(model.parameters(), 0.1 if learning_rate is None else learning_rate)
    if learning_rate is not None:
        raise ValueError("fit: the optimizer has a learning rate of its own; give it there")
    if not {*optimizer.parameters} <= {*model.parameters()}:
        raise ValueError("fit: the optimizer has parameters that are none of the model's")
    return optimizer


def _batches(count: int, size: int, seed: int | None) -> Iterator[list[int]]:
    """Give batch after batch, epoch after epoch, as positions; the last batch of an epoch may be smaller."""
    order, rng = list(range(count)), random.Random(seed)
    while True:
        if seed is not None and size < count:  # one batch of all is the same in any order, but for the last bits
            rng.shuffle(order)
        for start in range(0, count, size):
            yield order[start : start + size]


@contextmanager
def _progress_bar(total: int, wanted: bool) -> Iterator[Callable[[float], None]]:
    """Show a bar with the loss and the time left; give the function that moves it on."""
    if not (wanted and (sys.stderr.isatty() or _in_notebook()) and find_spec("tqdm")):
        yield lambda loss: None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets it says so, and shows a bar of text
        bars = import_module("tqdm.auto")
    with bars.tqdm(total=total, unit="iteration") as bar:

        def advance(loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            bar.update()

        yield advance


def _in_notebook() -> bool:
    """Tell whether a kernel of Jupyter runs this: its standard error is no terminal, but a notebook shows a bar."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
