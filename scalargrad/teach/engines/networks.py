"""The neurons, layers and networks beside a student's engine, and a step of training with them.

Reads the module that the engine stands in. Gradients are compared with central differences of the network itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from . import places
from .cases import FUNCTIONS, agree
from .examination import Examination, named
from .probe import Engine

_INPUTS = (0.8, -0.5)
_PARAMETERS = (0.3, -0.7, 0.45, 0.9, -0.35, 0.6, -0.15, 0.25, 0.5)
_ARGUMENTS = {"Neuron": (2,), "Layer": (2, 3), "MLP": (2, [2, 1])}
_COUNTS = {"Neuron": 3, "Layer": 9, "MLP": 9}  # weights and biases
_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "linear": lambda net: net,
    **{name: FUNCTIONS[name] for name in ("tanh", "relu", "sigmoid", "leaky_relu")},
}
_STEP = 1e-4
_CLOSE = 1e-3  # what central differences can tell, also where data is in single precision
_RATE = 0.01


def check(examination: Examination) -> None:
    """Check each of `Neuron`, `Layer` and `MLP` that is there, and a step of training with the largest."""
    engine = examination.engine
    if examination.are_shared:
        return
    made = {}
    for name, arguments in _ARGUMENTS.items():
        kind = engine.namespace.get(name)
        if not isinstance(kind, type):
            examination.missing.append(name)
            continue
        try:
            network = kind(*arguments)
            parameters = list(network.parameters())
        except (AttributeError, TypeError):  # made in another way, or without a list of its parameters
            examination.missing.append(f"{name}({', '.join(map(str, arguments))}).parameters()")
            continue
        if _can_be_trained(examination, name, kind, parameters):
            made[name] = (kind, network, parameters)
    try:
        if "Neuron" in made and len(made["Neuron"][2]) == _COUNTS["Neuron"]:
            _neuron(examination, *made["Neuron"])
        if made:
            _training(examination, *made[list(made)[-1]])
    except Exception as error:  # a student's code may raise anything
        examination.add("network.raises", "network", place=places.of_error(engine, error), error=named(error))
        examination.score("network", False)


def _can_be_trained(examination: Examination, name: str, kind: type, parameters: Sequence[Any]) -> bool:
    """Say where parameters are left out, or are one object; with those that it has, a network can still be trained."""
    written = f"{name}({', '.join(map(str, _ARGUMENTS[name]))})"
    different = len({id(parameter) for parameter in parameters})
    is_right = different == len(parameters) == _COUNTS[name]
    examination.score("network", is_right)
    if is_right:
        return True
    values: dict[str, Any] = {"network": written, "wanted": str(_COUNTS[name]), "count": str(len(parameters))}
    if different < len(parameters) and len(parameters) == _COUNTS[name]:
        place = places.of_function(vars(kind).get("__init__"))
        key, values = "network.shared", {**values, "different": str(different)}
    else:
        key, place = "network.parameters", places.of_function(getattr(kind, "parameters", None))
    if not any(finding.key == key for finding in examination.found):  # what is wrong in a neuron is so in all above it
        examination.add(key, "network", place=place, **values)
    return bool(parameters) and key != "network.shared"


def _set(engine: Engine, parameters: Sequence[Any], numbers: Sequence[float]) -> None:
    for parameter, number in zip(parameters, numbers):
        setattr(parameter, engine.names.data, number)


def _output(engine: Engine, network: Any) -> Any:
    given = network([engine.leaf(number) for number in _INPUTS])
    while isinstance(given, list | tuple):
        given = given[0]
    return given


def _neuron(examination: Examination, kind: type, neuron: Any, parameters: Sequence[Any]) -> None:
    """Find whether a neuron adds its bias to the weighted inputs; which activation follows is its own affair."""
    engine = examination.engine
    shown: list[tuple[tuple[float, ...], float]] = []
    for numbers in ((0.3, -0.7, 0.45), (-0.9, 0.4, 0.2)):
        _set(engine, parameters, numbers)
        shown.append((numbers, engine.data(_output(engine, neuron))))
    orders = ((0, 1, 2), (1, 2, 0))  # the bias stands last, or first

    def fits(bias: float) -> bool:
        return any(
            all(agree(activation(_INPUTS[0] * p[w1] + _INPUTS[1] * p[w2] + bias * p[b]), output) for p, output in shown)
            for activation, (w1, w2, b) in product(_ACTIVATIONS.values(), orders)
        )

    if not fits(1.0) and fits(0.0):
        examination.add("network.bias", "network", place=places.of_function(vars(kind).get("__call__")))
        examination.score("network", False)
    else:
        examination.score("network", True)


class _Fit:
    """A network with parameters that are set, and the loss of one sample."""

    def __init__(self, engine: Engine, network: Any, parameters: Sequence[Any]) -> None:
        self.engine, self.network, self.parameters = engine, network, parameters
        _set(engine, parameters, _PARAMETERS)
        for parameter in parameters:
            setattr(parameter, engine.names.grad, 0.0)

    def loss(self) -> Any:
        error = _output(self.engine, self.network) + self.engine.leaf(-1.0)
        return error * error

    def gradients(self) -> list[float]:
        self.engine.backward(self.loss())
        return [self.engine.grad(parameter) for parameter in self.parameters]

    def slope(self, parameter: Any) -> float:
        """Work out by central differences how the loss changes with a parameter."""
        before = self.engine.data(parameter)
        around = []
        for step in (_STEP, -_STEP):
            setattr(parameter, self.engine.names.data, before + step)
            around.append(self.engine.data(self.loss()))
        setattr(parameter, self.engine.names.data, before)
        return (around[0] - around[1]) / (2 * _STEP)


def _training(examination: Examination, kind: type, network: Any, parameters: Sequence[Any]) -> None:
    """Find whether zero_grad resets, each parameter has its gradient, and a step lowers the loss."""
    engine = examination.engine
    fit = _Fit(engine, network, parameters)
    gradients = fit.gradients()
    reset = getattr(network, "zero_grad", None)
    if reset is None:
        examination.missing.append(f"{kind.__name__}.zero_grad()")
    else:
        reset()
        is_zero = not any(engine.grad(parameter) for parameter in parameters)
        examination.score("training", is_zero)
        if not is_zero:
            place = places.of_function(getattr(kind, "zero_grad", None))
            examination.add("training.zero_grad", "training", place=place)
    wrong = {finding.key.split(".")[0] for finding in examination.found if not finding.is_limit} - {
        "numbers",
        "network",
    }
    zeros = {"derivative.forgotten", "derivative.receiver", "passes.used up", "order.not reversed"} & {
        f.key for f in examination.found
    }
    if zeros or "backward" in wrong:  # what the engine does wrong shows in every network
        return
    call = places.of_function(vars(kind).get("__call__"))
    for number, (parameter, gradient) in enumerate(zip(parameters, gradients), 1):
        slope = fit.slope(parameter)
        is_off = abs(slope - gradient) > _CLOSE * max(1.0, abs(slope))
        if is_off and (not gradient or not wrong):
            values: dict[str, Any] = {"network": kind.__name__, "number": str(number), "slope": f"{slope:.6f}"}
            examination.add("network.gradient", "network", place=call, got_text=f"{gradient:.6f}", **values)
            examination.score("network", False)
            return
    if wrong:
        return
    examination.score("network", True)
    start = engine.data(fit.loss())
    _set(engine, parameters, [engine.data(p) - _RATE * gradient for p, gradient in zip(parameters, gradients)])
    end = engine.data(fit.loss())
    examination.score("training", end < start)
    if end >= start:
        examination.add("training.loss", "training", place=call, start=f"{start:.6f}", end=f"{end:.6f}")
