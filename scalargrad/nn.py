"""Neurons, layers and networks made of `Value`s, with labels in the documents' notations.

Reads the engine and the rules. A network is used like a function: numbers or Values in, Values out.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import count
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias
from weakref import ref
from zlib import crc32

from .engine import Value, as_value
from .files import write_whole
from .recording import Number, as_float
from .rules import RULES

Activation: TypeAlias = str | bool | Callable[[Value], Value]
Inputs: TypeAlias = Iterable[Value | Number]
Matrix: TypeAlias = Sequence[Sequence[Number]]
Seed: TypeAlias = int | random.Random | None

ACTIVATIONS = ("linear", *(name for name, rule in RULES.items() if len(rule.operands) == 1))
_FORMAT = "scalargrad parameters 2"
_WITHOUT_CHECKSUM = "scalargrad parameters 1"
_SPELLINGS = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU"}

# The methods behind `+` and `*`, called directly: a forward pass is little else than these two.
_add, _multiply = Value.__add__, Value.__mul__


class Module:
    """Something with parameters."""

    def parameters(self) -> list[Value]:
        """List the parameters, each of them once."""
        return []

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for parameter in self.parameters():
            parameter.grad = 0.0


class Neuron(Module):
    """One neuron: `net = x1*w1 + x2*w2 + ... + b`, from left to right, and `out = activation(net)`.

    The activation is "linear", a row of the rules with one operand by its name, or a function on Values. Weights
    are drawn from -1 to 1: from Python's own `random` where `seed` is None, which is what micrograd does, otherwise
    from a generator of their own. `nonlin` is micrograd's word: True is "relu" and False "linear". A linear neuron
    has no node of its own for its output: net and out are one, and its label is that of out.

    >>> neuron = Neuron(2, activation="sigmoid", seed=1)
    >>> neuron, len(neuron.parameters())
    (SigmoidNeuron(2), 3)
    """

    def __init__(
        self,
        nin: int,
        activation: Activation = "relu",
        bias: bool = True,
        seed: Seed = None,
        *,
        nonlin: bool | None = None,
    ) -> None:
        _check_size("neuron", "inputs", nin)
        self.activation, self._activate = _activation(activation if nonlin is None else nonlin)
        uniform = random.uniform if seed is None else _generator(seed).uniform
        self.w = [Value(uniform(-1, 1), label=f"w{number}") for number in range(1, nin + 1)]
        self.b = Value(0.0, label="b") if bias else None
        self.net_label, self.out_label = "net", "out"  # given to the two nodes of each pass
        self._net: ref[Value] | None = None

    def __call__(self, inputs: Inputs) -> Value:
        """Compute the output for as many inputs as there are weights; raises ValueError for another number."""
        return self._forward(_values("neuron", inputs, len(self.w)))

    def _forward(self, inputs: list[Value]) -> Value:
        net = reduce(_add, map(_multiply, inputs, self.w))
        if self.b is not None:
            net = _add(net, self.b)
        net.label = self.net_label
        self._net = ref(net)
        out = self._activate(net) if self._activate else net
        out.label = self.out_label
        return out

    @property
    def net(self) -> Value:
        """The weighted input of the last pass.

        Raises RuntimeError where there is none: the neuron does not keep a graph alive.
        """
        net = self._net() if self._net else None
        if net is None:
            raise RuntimeError(
                f"{self}: has no weighted input now; use it, and keep the output or the loss in a variable meanwhile"
            )
        return net

    @property
    def delta(self) -> float:
        """The derivative of the root with respect to the weighted input, after `backward`; of the last pass alone.

        Raises RuntimeError where the graph of that pass is gone.
        """
        return self.net.grad

    @property
    def nonlin(self) -> bool:
        """Tell whether there is an activation other than "linear"."""
        return self._activate is not None

    def parameters(self) -> list[Value]:
        """List the weights, then the bias."""
        return [*self.w] if self.b is None else [*self.w, self.b]

    def __getstate__(self) -> dict[str, Any]:
        own = self._activate if isinstance(self._activate, _Checked) else None  # all others go by their names
        return {**self.__dict__, "_activate": own, "_net": None}  # a copy has made no pass yet

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._activate is None:
            _, self._activate = _activation(self.activation)

    def __repr__(self) -> str:
        spelling = _SPELLINGS.get(self.activation) or self.activation.title().replace("_", "")
        return f"{spelling}Neuron({len(self.w)})"


class Layer(Module):
    """Neurons side by side, with the same inputs; the output is always a list.

    The keywords are those of `Neuron`, and the notation of the labels is that of `MLP`.

    >>> layer = Layer(3, 2, seed=1)
    >>> layer.set_weights([[1, 2, 3], [4, 5, 6]], [7, 8])
    >>> [out.data for out in layer([1, 1, 1])]
    [13.0, 23.0]
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        activation: Activation = "relu",
        bias: bool = True,
        seed: Seed = None,
        *,
        nonlin: bool | None = None,
        notation: str = "net/out",
    ) -> None:
        _check_size("layer", "neurons", nout)
        generator = None if seed is None else _generator(seed)
        self.neurons = [Neuron(nin, activation, bias, generator, nonlin=nonlin) for _ in range(nout)]
        _label([self], notation)

    def __call__(self, inputs: Inputs) -> list[Value]:
        """Compute the outputs; raises ValueError for a wrong number of inputs."""
        values = _values("layer", inputs, len(self.neurons[0].w))
        return [neuron._forward(values) for neuron in self.neurons]

    @property
    def activation(self) -> str:
        """The name of the activation."""
        return self.neurons[0].activation

    @property
    def weights(self) -> list[list[float]]:
        """The weights as an n x m matrix for n neurons and m inputs: row j belongs to neuron j."""
        return [[weight.data for weight in neuron.w] for neuron in self.neurons]

    @property
    def biases(self) -> list[float]:
        """The n biases; an empty list for a layer without."""
        return [neuron.b.data for neuron in self.neurons if neuron.b is not None]

    @property
    def deltas(self) -> list[float]:
        """The delta of each neuron, as `Neuron.delta`."""
        return [neuron.delta for neuron in self.neurons]

    def set_weights(self, weights: Matrix, biases: Sequence[Number] = ()) -> None:
        """Set an n x m matrix of weights and n biases for n neurons and m inputs.

        Raises ValueError, and changes nothing, where the shapes are others.
        """
        new_weights, new_biases = [_matrix(weights)], [_row(biases)]
        _check_shapes("layer", [self], new_weights, new_biases)
        _put([self], new_weights, new_biases)

    def parameters(self) -> list[Value]:
        """List the parameters neuron by neuron."""
        return _once(self.neurons)

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers one after the other: `nin` inputs, then a layer of neurons for each number in `nouts`.

    A network whose last layer has one neuron gives that Value, any other a list. The labels are the documents', and
    inputs that are plain numbers become x1, x2, ...:

    - notation "net/out": hidden neurons h1, h2, ... and outputs o1, o2, ..., so net_h1, out_h1, net_o1, out_o1. With
      several hidden layers the layer stands above: net_h1^2. Weights and biases are numbered through the network,
      neuron by neuron: w1, w2, ... and b1, b2, ...
    - notation "z/a": z_1^2 and a_1^2 for neuron 1 in layer 2, where the inputs are layer 1; w_12^2 leads to neuron 1
      in layer 2 from neuron 2 in layer 1 (w_1_12^2 where an index has two digits), and b_1^2 is its bias.

    >>> network = MLP(2, [3, 1], activation="tanh", seed=1)
    >>> network
    MLP of [Layer of [TanhNeuron(2), TanhNeuron(2), TanhNeuron(2)], Layer of [LinearNeuron(3)]]
    >>> network([0.5, 1.0]).label
    'out_o1'
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: Activation = "relu",
        output: Activation = "linear",
        bias: bool = True,
        seed: Seed = None,
        *,
        notation: str = "net/out",
    ) -> None:
        if not isinstance(nouts, Sequence) or not nouts:
            raise ValueError(f"mlp: needs a list with the number of neurons of each layer, got {nouts!r}")
        _activation(activation)  # a network of one layer has no other use for it, and would not notice a mistake
        generator = None if seed is None else _generator(seed)
        sizes = [nin, *nouts]
        self.layers = [
            Layer(sizes[index], sizes[index + 1], output if index == len(nouts) - 1 else activation, bias, generator)
            for index in range(len(nouts))
        ]
        _label(self.layers, notation)

    def __call__(self, inputs: Inputs) -> Any:
        """Compute the output: a Value where the last layer has one neuron, and otherwise a list of Values.

        Raises ValueError for a wrong number of inputs.
        """
        values = _values("mlp", inputs, len(self.layers[0].neurons[0].w), label="x")
        for layer in self.layers:
            values = layer(values)
        return values[0] if len(values) == 1 else values

    @property
    def weights(self) -> list[list[list[float]]]:
        """The matrix of weights of each layer."""
        return [layer.weights for layer in self.layers]

    @property
    def biases(self) -> list[list[float]]:
        """The biases of each layer."""
        return [layer.biases for layer in self.layers]

    def set_weights(self, weights: Sequence[Matrix], biases: Sequence[Sequence[Number]] | None = None) -> None:
        """Set the matrix of weights and the biases of each layer.

        Raises ValueError, and changes nothing, where the shapes are others.
        """
        new_weights = [_matrix(matrix) for matrix in weights]
        new_biases = [[] for _ in new_weights] if biases is None else [_row(row) for row in biases]
        _check_shapes("mlp", self.layers, new_weights, new_biases)
        _put(self.layers, new_weights, new_biases)

    def parameters(self) -> list[Value]:
        """List the parameters layer by layer, neuron by neuron."""
        return _once(self.layers)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write activations and parameters to a JSON file, every float exact, with a checksum.

        The file appears whole or not at all. Raises OSError where it cannot be written.
        """
        layers = [
            {"activation": layer.activation, "weights": layer.weights, "biases": layer.biases} for layer in self.layers
        ]
        content = {"format": _FORMAT, "checksum": _checksum(layers), "layers": layers}
        write_whole(path, json.dumps(content, allow_nan=False, indent=1))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the parameters from a file that `save` wrote.

        Raises ValueError, and changes nothing, where it is no such file, was damaged or holds another network;
        OSError where it cannot be read.
        """
        content = Path(path).read_bytes()
        try:
            data = json.loads(content)
            if data["format"] not in (_FORMAT, _WITHOUT_CHECKSUM):
                raise ValueError(f"its format is {data['format']!r}, not {_FORMAT!r}")
            if data["format"] == _FORMAT and data["checksum"] != _checksum(data["layers"]):
                raise ValueError("its checksum does not fit its numbers: it was damaged or changed by hand")
            activations = [layer["activation"] for layer in data["layers"]]
            weights = [_matrix(layer["weights"]) for layer in data["layers"]]
            biases = [_row(layer["biases"]) for layer in data["layers"]]
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            raise ValueError(
                f"load: cannot read parameters from {os.fspath(path)!r} ({type(error).__name__}: {error})"
            ) from None
        who = f"load {os.fspath(path)!r}"
        _check_shapes(who, self.layers, weights, biases)
        expected = [layer.activation for layer in self.layers]
        if activations != expected:
            raise ValueError(
                f"{who}: needs the activations {', '.join(expected)}, got {', '.join(map(str, activations))}"
            )
        _put(self.layers, weights, biases)

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


# --- labels --------------------------------------------------------------------------------------------------------


def _label(layers: Sequence[Layer], notation: str) -> None:
    """Give the parameters and the nodes of each pass their names in one of the documents' notations."""
    if notation not in ("net/out", "z/a"):
        raise ValueError(f'notation: needs "net/out" or "z/a", got {notation!r}')
    if notation == "net/out":
        _label_net_out(layers)
    else:
        _label_z_a(layers)


def _label_net_out(layers: Sequence[Layer]) -> None:
    weights, biases = count(1), count(1)
    for number, layer in enumerate(layers, start=2):
        kind = "o" if layer is layers[-1] else "h"
        above = f"^{number}" if kind == "h" and len(layers) > 2 else ""
        for index, neuron in enumerate(layer.neurons, start=1):
            neuron.net_label = f"net_{kind}{index}{above}"
            neuron.out_label = f"out_{kind}{index}{above}"
            for weight in neuron.w:
                weight.label = f"w{next(weights)}"
            if neuron.b is not None:
                neuron.b.label = f"b{next(biases)}"


def _label_z_a(layers: Sequence[Layer]) -> None:
    for number, layer in enumerate(layers, start=2):
        between = "_" if max(len(layer.neurons), len(layer.neurons[0].w)) > 9 else ""
        for index, neuron in enumerate(layer.neurons, start=1):
            neuron.net_label = f"z_{index}^{number}"
            neuron.out_label = f"a_{index}^{number}"
            for source, weight in enumerate(neuron.w, start=1):
                weight.label = f"w_{index}{between}{source}^{number}"
            if neuron.b is not None:
                neuron.b.label = f"b_{index}^{number}"


# --- matrices ------------------------------------------------------------------------------------------------------


def _row(numbers: Iterable[Any]) -> list[float]:
    if not isinstance(numbers, Iterable):
        raise TypeError(f"set_weights: needs a list of numbers, got {numbers!r}")
    row = list(numbers)
    if strange := [number for number in row if isinstance(number, bool)]:
        raise TypeError(f"set_weights: needs numbers, got {strange[0]}; write 1 or 0")
    return [as_float(number) for number in row]


def _matrix(rows: Iterable[Iterable[Any]]) -> list[list[float]]:
    if not isinstance(rows, Iterable):
        raise TypeError(f"set_weights: needs a matrix as a list of rows, got {rows!r}")
    return [_row(row) for row in rows]


def _checksum(layers: Any) -> str:
    """Sum up what a file of parameters says; one flipped bit gives another sum."""
    return f"{crc32(json.dumps(layers, sort_keys=True).encode()):08x}"


def _shape(weights: list[list[float]], biases: list[float]) -> str:
    widths = sorted({len(row) for row in weights})
    columns = " or ".join(map(str, widths)) or "0"  # 2 or 3: the rows are not equally long
    return f"{len(weights)} x {columns} weights with {len(biases)} biases"


def _check_shapes(
    who: str, layers: Sequence[Layer], weights: list[list[list[float]]], biases: list[list[float]]
) -> None:
    """Raise ValueError, with both shapes, unless there is a matrix and a row of the right shape for each layer."""
    if len(weights) != len(biases):
        raise ValueError(f"{who}: needs biases for each layer, got {len(weights)} matrices and {len(biases)} biases")
    needed = ", ".join(_shape(layer.weights, layer.biases) for layer in layers)
    got = ", ".join(map(_shape, weights, biases))
    if needed != got:
        raise ValueError(f"{who}: needs {needed}, got {got}")


def _put(layers: Sequence[Layer], weights: list[list[list[float]]], biases: list[list[float]]) -> None:
    for layer, matrix, row in zip(layers, weights, biases, strict=True):
        for neuron, numbers in zip(layer.neurons, matrix, strict=True):
            for weight, number in zip(neuron.w, numbers, strict=True):
                weight.data = number
        for neuron, bias in zip(layer.neurons, row):
            if neuron.b is not None:
                neuron.b.data = bias


# --- what users give -----------------------------------------------------------------------------------------------


def _activation(given: Activation) -> tuple[str, Callable[[Value], Value] | None]:
    """Give the name of an activation and its function; None for "linear"."""
    if isinstance(given, bool):
        given = "relu" if given else "linear"
    if callable(given):
        return (own := _Checked(given)).name, own
    if given not in ACTIVATIONS:
        raise ValueError(f"activation: needs a function on Values or one of {', '.join(ACTIVATIONS)}; got {given!r}")
    return given, None if given == "linear" else getattr(Value, given)


class _Checked:
    """An activation that is a function of the user's: it has to give back a Value."""

    def __init__(self, function: Callable[[Value], Value]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def __call__(self, net: Value) -> Value:
        out = self.function(net)
        if not isinstance(out, Value):
            raise TypeError(f"activation {self.name}: must give back a Value, got {out!r}")
        return out


def _values(who: str, inputs: Inputs, needed: int, label: str = "") -> list[Value]:
    """Turn inputs into Values, numbered labels on those that were numbers if there is a `label` for them."""
    try:
        given = list(inputs)
    except TypeError:
        raise TypeError(f"{who}: needs a list of {needed} inputs, got {inputs!r}") from None
    if len(given) != needed:
        raise ValueError(f"{who}: needs {needed} inputs, got {len(given)}")
    if label:
        return [
            x if isinstance(x, Value) else Value(x, label=f"{label}{number}") for number, x in enumerate(given, start=1)
        ]
    return [as_value(x) for x in given]


def _check_size(who: str, what: str, size: int) -> None:
    if not isinstance(size, Integral) or size < 1:
        raise ValueError(f"{who}: needs a whole number of {what}, at least 1, got {size!r}")


def _generator(seed: int | random.Random) -> random.Random:
    return seed if isinstance(seed, random.Random) else random.Random(seed)


def _once(modules: Iterable[Module]) -> list[Value]:
    """List the parameters of several modules, those that they share once."""
    return list(dict.fromkeys(parameter for module in modules for parameter in module.parameters()))
