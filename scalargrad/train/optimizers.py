"""Optimizers: what changes the parameters of a network after `backward`, and schedules of the learning rate.

Reads the `data` and `grad` of the parameters. Each step gives the numbers that PyTorch's optimizers give.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from math import cos, inf, isfinite, pi, sqrt
from typing import Any, TypeAlias

from ..engine import Value
from ..recording import NUMBERS

Numbers: TypeAlias = Any  # a list of floats, or an array of NumPy
Schedule: TypeAlias = Callable[[int], float]  # the number of steps made so far -> the learning rate


def gradient_descent_step(parameters: Iterable[Value], learning_rate: float) -> None:
    """Make one step of gradient descent: new = old - learning_rate * gradient.

    Raises TypeError for what is no Value or no number, and OverflowError where a new value is too large for a float;
    nothing is changed then.

    >>> w = Value(1.0, label="w")
    >>> (w * w).backward()
    >>> gradient_descent_step([w], 0.25)
    >>> w.data
    0.5
    """
    parameters = _listed("gradient_descent_step", parameters)
    if not isinstance(learning_rate, NUMBERS):
        raise TypeError(f"gradient_descent_step: needs a number as the learning rate, got {learning_rate!r}")
    _put(parameters, [parameter.data - learning_rate * parameter.grad for parameter in parameters])


class Optimizer:
    """Something that changes parameters by their gradients, one step after the other."""

    def __init__(self, parameters: Iterable[Value], learning_rate: float | Schedule) -> None:
        self.parameters = _listed("optimizer", parameters)
        self.learning_rate = learning_rate  # a number, or a function of the number of steps made so far
        self.steps = 0
        self._memory: list[Numbers] = []  # what is kept from step to step, a number for each parameter
        if not self.parameters:
            raise ValueError("optimizer: needs at least one parameter, got none")
        places: dict[Value, int] = {}
        for index, parameter in enumerate(self.parameters):
            if places.setdefault(parameter, index) != index:
                raise ValueError(
                    f"optimizer: parameters[{index}] stands in parameters[{places[parameter]}] already: {parameter!r}"
                )
        if not callable(learning_rate):
            _check("learning_rate", learning_rate, _at_least_0, "a number of at least 0")

    def rate(self) -> float:
        """Give the learning rate of the next step; raise TypeError or ValueError unless it is a number from 0 up."""
        rate = self.learning_rate(self.steps) if callable(self.learning_rate) else self.learning_rate
        if type(rate) is not float or not 0 <= rate < inf:
            _check(f"the learning_rate after {self.steps} steps", rate, _at_least_0, "a number of at least 0")
        return rate

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for parameter in self.parameters:
            parameter.grad = 0.0

    def step(self) -> None:
        """Change every parameter once.

        Raises OverflowError where a new value is too large for a float, and what `rate` raises; nothing is changed
        then.
        """
        parameters = self.parameters
        data = self.updated([parameter.data for parameter in parameters], [parameter.grad for parameter in parameters])
        for parameter, new in zip(parameters, data):
            parameter.data = new

    def updated(self, data: Numbers, gradients: Numbers) -> Numbers:
        """Give the parameters' new numbers after one step from `data`: lists of floats, or arrays of NumPy.

        The parameters themselves are not changed. Raises as `step` does; then the step does not count.
        """
        formula, memory = self._formula(self.rate()), list(self._memory)
        if isinstance(data, list):
            memory = [part if isinstance(part, list) else part.tolist() for part in memory]
            new, *memory = map(list, zip(*map(formula, data, gradients, *memory)))
        else:
            numpy = sys.modules["numpy"]  # it made the arrays
            with numpy.errstate(all="ignore"):  # what is not finite is found below
                new, *memory = formula(data, gradients, *map(numpy.asarray, memory))
        for numbers in (new, *memory):
            _check_all_finite(self.parameters, numbers)
        self._memory = memory
        self.steps += 1
        return new

    def _formula(self, rate: float) -> Callable[..., tuple[Any, ...]]:
        """Give the function of (parameter, gradient, what is remembered of it) to (new parameter, new memory)."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent with momentum, as `torch.optimizers.SGD`.

    velocity = momentum * velocity + gradient, at first the gradient alone; new = old - learning_rate * velocity. With
    `nesterov` the step is gradient + momentum * velocity. `weight_decay` * parameter is added to each gradient.
    Raises ValueError for numbers that make no sense.

    >>> w = Value(1.0)
    >>> optimizer = SGD([w], learning_rate=0.1, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * 1).backward()
    ...     optimizer.step()
    >>> w.data  # 1 - 0.1 * 1 - 0.1 * 1.5
    0.75
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float | Schedule,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, learning_rate)
        _check("momentum", momentum, _at_least_0, "a number of at least 0")
        _check("weight_decay", weight_decay, _at_least_0, "a number of at least 0")
        if nesterov and not momentum:
            raise ValueError("optimizer: nesterov needs a momentum greater than 0, got 0")
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self._memory = [[0.0] * len(self.parameters)] if momentum else []  # the velocities

    def _formula(self, rate: float) -> Callable[..., tuple[Any, ...]]:
        def formula(data: Any, gradient: Any, *velocity: Any) -> tuple[Any, ...]:
            if self.weight_decay:
                gradient = gradient + self.weight_decay * data
            if not velocity:
                return (data - rate * gradient,)
            new = self.momentum * velocity[0] + gradient
            direction = gradient + self.momentum * new if self.nesterov else new
            return data - rate * direction, new

        return formula


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1), as `torch.optimizers.Adam`.

    m and v are the running means of the gradient and of its square; both start at 0, which the corrections undo:
    new = old - learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon). `weight_decay` * parameter
    is added to each gradient. Raises ValueError for numbers that make no sense.

    >>> w = Value(1.0)
    >>> optimizer = Adam([w], learning_rate=0.25)
    >>> (w * 3).backward()
    >>> optimizer.step()
    >>> f"{w:.6f}"  # the first step is the learning rate, whatever the gradient
    '0.750000'
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float | Schedule = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, learning_rate)
        if not isinstance(betas, Sequence) or len(betas) != 2:
            raise TypeError(f"optimizer: betas needs two numbers, as in (0.9, 0.999), got {betas!r}")
        for beta in betas:
            _check("betas", beta, lambda number: 0 <= number < 1, "numbers from 0 to below 1")
        _check("epsilon", epsilon, lambda number: number > 0, "a number greater than 0")
        _check("weight_decay", weight_decay, _at_least_0, "a number of at least 0")
        self.betas = betas
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self._memory = [[0.0] * len(self.parameters), [0.0] * len(self.parameters)]  # the means of g and of g^2

    def _formula(self, rate: float) -> Callable[..., tuple[Any, ...]]:
        beta1, beta2 = self.betas
        size = rate / (1 - beta1 ** (self.steps + 1))
        correction = sqrt(1 - beta2 ** (self.steps + 1))

        def formula(data: Any, gradient: Any, mean: Any, square: Any) -> tuple[Any, ...]:
            if self.weight_decay:
                gradient = gradient + self.weight_decay * data
            mean = mean + (1 - beta1) * (gradient - mean)
            square = beta2 * square + (1 - beta2) * gradient * gradient
            root = sqrt(square) if isinstance(square, float) else square**0.5  # an array takes its square root there
            return data - size * mean / (root / correction + self.epsilon), mean, square

        return formula


# --- schedules -----------------------------------------------------------------------------------------------------


def constant(rate: float) -> Schedule:
    """Keep the learning rate.

    >>> constant(0.1)(1000)
    0.1
    """
    return lambda step: rate


def step_decay(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the learning rate by `factor` after `every` so many steps.

    >>> [step_decay(0.5, every=10, factor=0.5)(step) for step in (0, 9, 10, 20)]
    [0.5, 0.5, 0.25, 0.125]
    """
    if every < 1:
        raise ValueError(f"step_decay: needs `every` to be at least 1, got {every}")
    return lambda step: rate * factor ** (step // every)


def exponential(rate: float, factor: float) -> Schedule:
    """Multiply the learning rate by `factor` after each step.

    >>> [exponential(1.0, 0.5)(step) for step in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    return lambda step: rate * factor**step


def linear(rate: float, steps: int, end: float = 0.0) -> Schedule:
    """Go from `rate` to `end` in a straight line of `steps` steps, and stay there.

    >>> [linear(1.0, 4)(step) for step in (0, 1, 2, 4, 5)]
    [1.0, 0.75, 0.5, 0.0, 0.0]
    """
    _check_steps("linear", steps)

    def schedule(step: int) -> float:
        part = min(step / steps, 1)
        return (1 - part) * rate + part * end

    return schedule


def cosine(rate: float, steps: int, end: float = 0.0) -> Schedule:
    """Go from `rate` to `end` along half a cosine wave of `steps` steps, and stay there.

    >>> [round(cosine(1.0, 4)(step), 6) for step in (0, 1, 2, 4, 5)]
    [1.0, 0.853553, 0.5, 0.0, 0.0]
    """
    _check_steps("cosine", steps)
    return lambda step: end + (rate - end) * (1 + cos(pi * min(step / steps, 1))) / 2


# -------------------------------------------------------------------------------------------------------------------


def _put(parameters: list[Value], data: list[float]) -> None:
    """Change all parameters, or none."""
    for parameter, new in zip(parameters, data):
        _check_finite(parameter, new)
    for parameter, new in zip(parameters, data):
        parameter.data = new


def _check_all_finite(parameters: list[Value], numbers: Numbers) -> None:
    if isinstance(numbers, list) or not isfinite(numbers.dot(numbers)):  # the squares may be too large alone
        for parameter, number in zip(parameters, numbers):
            _check_finite(parameter, number)


def _check_finite(parameter: Value, number: float) -> None:
    if not isfinite(number):
        raise OverflowError(
            f"step: a number gets too large for a float at {parameter!r}; a smaller learning rate may help"
        )


def _listed(who: str, parameters: Iterable[Value]) -> list[Value]:
    """Give parameters as a list, and raise TypeError unless they are Values."""
    if isinstance(parameters, Value):
        raise TypeError(f"{who}: parameters needs a list of Values, got one alone: {parameters!r}")
    listed = list(parameters)
    for index, parameter in enumerate(listed):
        if not isinstance(parameter, Value):
            raise TypeError(f"{who}: parameters[{index}] is no Value: {parameter!r}")
    return listed


def _at_least_0(number: float) -> bool:
    return number >= 0


def _check(name: str, number: float, holds: Callable[[float], bool], needed: str) -> None:
    if not isinstance(number, NUMBERS):
        raise TypeError(f"optimizer: {name} needs {needed}, got {number!r}")
    if not (holds(number) and isfinite(number)):
        raise ValueError(f"optimizer: {name} needs {needed}, got {number}")


def _check_steps(schedule: str, steps: int) -> None:
    if steps < 1:
        raise ValueError(f"{schedule}: needs at least 1 step, got {steps}")
