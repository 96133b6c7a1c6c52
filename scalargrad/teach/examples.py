"""The documents' two networks, each built twice: line by line from `Value`s, and with `nn`.

Reads the engine, the functions, `nn` and `losses`. "The document" is the derivation of backpropagation that the
networks come from: what it says, and where it slips, is recorded here for the command and the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .. import nn
from ..engine import Value, topological_order
from ..functions import sigmoid
from ..messages import say
from ..train.losses import half_squared_error

Numbers: TypeAlias = Mapping[str, float]  # label -> number

# Network B: one hidden neuron, the six parameters that the document names: x1 and x2 -> h1 with its bias, h1 -> o1 and
# o2, and b2 is the bias of both outputs.
SHARED_BIAS: Numbers = {"w1": 0.1, "w2": 0.3, "b1": 0.5, "w3": 0.6, "w4": 0.7, "b2": 1.0}
# Network A: two inputs, two hidden neurons, two outputs, and b2 is the bias of o1. The other six have no name in the
# document and are numbered on: x1 and x2 -> h2 with its bias, h2 -> o1 and o2, and the bias of o2.
TWO_OUTPUT: Numbers = {**SHARED_BIAS, "w5": 0.2, "w6": 0.4, "b3": 0.5, "w7": 0.8, "w8": 0.9, "b4": 1.0}
INPUTS: Numbers = {"x1": 0.5, "x2": 1.0}
TARGETS: Numbers = {"y1": 1.0, "y2": 0.0}
LEARNING_RATE = 1.0

# The document's closed forms of the gradients, in the labels of the graph, and the same pattern for the parameters
# that it does not name. A delta is one factor, in parentheses: this order of operations gives the published digits.
_DELTA_O1 = "(out_o1 - y1) * out_o1 * (1 - out_o1)"
_DELTA_O2 = "(out_o2 - y2) * out_o2 * (1 - out_o2)"
_DELTA_H1 = f"(w3 * ({_DELTA_O1}) + w4 * ({_DELTA_O2})) * out_h1 * (1 - out_h1)"
_DELTA_H2 = f"(w7 * ({_DELTA_O1}) + w8 * ({_DELTA_O2})) * out_h2 * (1 - out_h2)"
DOCUMENT_FORMS: Mapping[str, str] = {
    "w1": f"{_DELTA_H1} * x1",
    "w2": f"{_DELTA_H1} * x2",
    "b1": _DELTA_H1,
    "w3": f"{_DELTA_O1} * out_h1",
    "w4": f"{_DELTA_O2} * out_h1",
    "b2": _DELTA_O1,
}
_TWO_OUTPUT_FORMS = {
    **DOCUMENT_FORMS,
    "w5": f"{_DELTA_H2} * x1",
    "w6": f"{_DELTA_H2} * x2",
    "b3": _DELTA_H2,
    "w7": f"{_DELTA_O1} * out_h2",
    "w8": f"{_DELTA_O2} * out_h2",
    "b4": _DELTA_O2,
}
_SHARED_BIAS_FORMS = {**DOCUMENT_FORMS, "b2": f"{_DELTA_O1} + {_DELTA_O2}"}
SHARED_BIAS_PATHS: Mapping[str, str] = {"o1": _DELTA_O1, "o2": _DELTA_O2}  # b2's two, by the output they come through


@dataclass(frozen=True, eq=False)
class Example:
    """A recorded network with its loss."""

    name: str
    root: Value
    quantities: Mapping[str, Value]  # every labelled node by its label, parents first
    inputs: tuple[Value, ...]
    targets: tuple[Value, ...]
    parameters: tuple[Value, ...]  # in the order of TWO_OUTPUT and SHARED_BIAS
    learning_rate: float
    closed_forms: Mapping[str, str]  # the gradient of each parameter as a formula in labels, for `evaluate`
    network: nn.MLP | None = None  # None where it was built line by line

    def numbers(self) -> dict[str, float]:
        """Give the value of each labelled quantity."""
        return {label: node.data for label, node in self.quantities.items()}


@dataclass(frozen=True, eq=False)
class Step:
    """One complete step of gradient descent in numbers, and both graphs to look into."""

    before: Example  # after its backward pass
    after: Example
    first_forward: Numbers  # what the forward pass computes: net, out and E
    gradients: Numbers  # of E_total, with respect to the parameters
    updated: Numbers
    second_forward: Numbers


@dataclass(frozen=True)
class Slip:
    """A place where a reader who steps through the document stumbles."""

    key: str
    networks: tuple[str, ...]  # the examples in which it shows

    def statement(self, lang: str = "en") -> str:
        """Say what the document writes, and what is right."""
        return say("walkthrough", f"slip.{self.key}", lang)


def two_output(parameters: Numbers = TWO_OUTPUT) -> Example:
    """Build network A line by line, in the document's order of operations."""
    x1, x2, y1, y2 = _leaves({**INPUTS, **TARGETS})
    w1, w2, b1, w3, w4, b2, w5, w6, b3, w7, w8, b4 = _leaves({label: parameters[label] for label in TWO_OUTPUT})

    net_h1 = x1 * w1 + x2 * w2 + b1
    out_h1 = sigmoid(net_h1)
    net_h2 = x1 * w5 + x2 * w6 + b3
    out_h2 = sigmoid(net_h2)

    net_o1 = out_h1 * w3 + out_h2 * w7 + b2
    out_o1 = sigmoid(net_o1)
    net_o2 = out_h1 * w4 + out_h2 * w8 + b4
    out_o2 = sigmoid(net_o2)

    E_o1 = 0.5 * (y1 - out_o1) ** 2
    E_o2 = 0.5 * (y2 - out_o2) ** 2
    E_total = E_o1 + E_o2

    net_h1.label, out_h1.label, net_h2.label, out_h2.label = "net_h1", "out_h1", "net_h2", "out_h2"
    net_o1.label, out_o1.label, net_o2.label, out_o2.label = "net_o1", "out_o1", "net_o2", "out_o2"
    E_o1.label, E_o2.label, E_total.label = "E_o1", "E_o2", "E_total"
    return _example("two-output", E_total, _TWO_OUTPUT_FORMS)


def two_output_with_nn(parameters: Numbers = TWO_OUTPUT) -> Example:
    """Build network A with `nn`; every number comes out the same."""
    network = nn.MLP(2, [2, 2], activation="sigmoid", output="sigmoid")
    _name_and_set(network, "w1 w2 b1  w5 w6 b3  w3 w7 b2  w4 w8 b4", parameters)
    outputs = network(_leaves(INPUTS))
    return _example("two-output", half_squared_error(outputs, _leaves(TARGETS)), _TWO_OUTPUT_FORMS, network)


def shared_bias(parameters: Numbers = SHARED_BIAS) -> Example:
    """Build network B line by line, in the document's order of operations."""
    x1, x2, y1, y2 = _leaves({**INPUTS, **TARGETS})
    w1, w2, b1, w3, w4, b2 = _leaves({label: parameters[label] for label in SHARED_BIAS})

    net_h1 = x1 * w1 + x2 * w2 + b1
    out_h1 = sigmoid(net_h1)

    net_o1 = out_h1 * w3 + b2
    out_o1 = sigmoid(net_o1)
    net_o2 = out_h1 * w4 + b2
    out_o2 = sigmoid(net_o2)

    E_o1 = 0.5 * (y1 - out_o1) ** 2
    E_o2 = 0.5 * (y2 - out_o2) ** 2
    E_total = E_o1 + E_o2

    net_h1.label, out_h1.label = "net_h1", "out_h1"
    net_o1.label, out_o1.label, net_o2.label, out_o2.label = "net_o1", "out_o1", "net_o2", "out_o2"
    E_o1.label, E_o2.label, E_total.label = "E_o1", "E_o2", "E_total"
    return _example("shared-bias", E_total, _SHARED_BIAS_FORMS)


def shared_bias_with_nn(parameters: Numbers = SHARED_BIAS) -> Example:
    """Build network B with `nn`: both output neurons hold the same bias."""
    network = nn.MLP(2, [1, 2], activation="sigmoid", output="sigmoid")
    first, second = network.layers[1].neurons
    second.b = first.b
    _name_and_set(network, "w1 w2 b1  w3 b2  w4", parameters)
    outputs = network(_leaves(INPUTS))
    return _example("shared-bias", half_squared_error(outputs, _leaves(TARGETS)), _SHARED_BIAS_FORMS, network)


EXAMPLES: Mapping[str, Callable[..., Example]] = {"two-output": two_output, "shared-bias": shared_bias}


def step(build: Callable[..., Example]) -> Step:
    """Make one complete step with a network: forward, backward, update, forward again.

    >>> step(two_output).updated["b1"]
    0.48925781687016445
    """
    before = build()
    before.root.backward()
    gradients = {parameter.label: parameter.grad for parameter in before.parameters}
    updated = {
        parameter.label: parameter.data - before.learning_rate * parameter.grad for parameter in before.parameters
    }
    after = build(updated)
    return Step(before, after, _computed(before), gradients, updated, _computed(after))


def evaluate(form: str, numbers: Numbers) -> float:
    """Compute a closed form from the numbers of an example.

    >>> evaluate("(out_o1 - y1) * out_o1 * (1 - out_o1)", two_output().numbers())
    -0.012409318556507402
    """
    return float(eval(form, {"__builtins__": {}}, dict(numbers)))


SLIPS: tuple[Slip, ...] = (
    Slip("forward", ("two-output", "shared-bias")),
    Slip("shared", ("shared-bias",)),
    Slip("misprints", ("two-output",)),
    Slip("delta", ("two-output", "shared-bias")),
    Slip("smallest", ("two-output", "shared-bias")),
)


def _leaves(numbers: Numbers) -> list[Value]:
    return [Value(number, label=label) for label, number in numbers.items()]


def _name_and_set(network: nn.MLP, labels: str, parameters: Numbers) -> None:
    """Give the parameters of a network, which it lists neuron by neuron, their names and their values."""
    for label, parameter in zip(labels.split(), network.parameters(), strict=True):
        parameter.label = label
        parameter.data = parameters[label]


def _example(name: str, root: Value, closed_forms: Mapping[str, str], network: nn.MLP | None = None) -> Example:
    quantities = {node.label: node for node in topological_order(root) if node.label}
    inputs, targets, parameters = (
        tuple(quantities[label] for label in labels) for labels in (INPUTS, TARGETS, closed_forms)
    )
    return Example(name, root, quantities, inputs, targets, parameters, LEARNING_RATE, closed_forms, network)


def _computed(example: Example) -> dict[str, float]:
    return {label: node.data for label, node in example.quantities.items() if node.parents}
