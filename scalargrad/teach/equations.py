"""The documents' equations on a network of `nn`: each side worked out separately, side by side with the difference.

Reads `nn`, the rules and the gradients as Values for one side, and what `backward` finds for the other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeAlias

from .. import markup
from ..engine import Value, topological_order
from ..formulas.mathml import Typeset, math
from ..graph.differentiation import gradients
from ..graph.replay import backward_aside
from ..nn import MLP, Neuron
from ..rules import RULES, function_of

Matrix: TypeAlias = list[list[float]]  # a list of rows; in a column vector a row has one number

_MOST_TERMS = 3  # of a sum that is written out
_MOST_NUMBERS = 6  # of a row or a column that is printed

_NOTATION = Typeset()
_SIGNS = {"*": "·", ".": "·", "o": "⊙", "-": "−"}
_NAME = r"[^\W\d]\w*(?:\^\w+)?(?:\(\d+\))?"
_PIECE = re.compile(
    rf"(?x) \s* (?: d(?P<of>{_NAME}) / d(?P<to>{_NAME}) | (?P<number>-?\d[\w.]*(?:(?<=e)[-+]\d+)?)"
    r"| (?P<sign>[-*.+()=…] | o(?=\s))"
    r"| (?P<name>[^\W\d]\w*(?:\^(?!T\b)\w+)?) (?P<prime>')? (?: \((?P<layer>\d+)\) )? (?P<transposed>\^T)? ) \s*"
)


class TwoSides(NamedTuple):
    """One equation: its two sides as they are written, its shapes, and what comes out on each."""

    left: str
    right: str
    shapes: str  # "" for numbers
    by_equation: Matrix  # the right side in plain lists, from the recorded values and the rules
    by_engine: Matrix  # the left side, as recorded: a gradient that `backward` sets, or a weighted input

    @property
    def difference(self) -> float:
        """The largest difference of two entries, relative to the larger where that is above 1."""
        pairs = zip(chain(*self.by_equation), chain(*self.by_engine), strict=True)
        return max(abs(one - other) / max(1.0, abs(one), abs(other)) for one, other in pairs)


@dataclass(frozen=True, repr=False)
class Equations:
    """Equations under headings; as text, with both results and their difference."""

    groups: tuple[tuple[str, tuple[TwoSides, ...]], ...]

    @property
    def lines(self) -> list[TwoSides]:
        """Every equation in order."""
        return [line for _, lines in self.groups for line in lines]

    @property
    def difference(self) -> float:
        """The largest difference in any equation."""
        return max(line.difference for line in self.lines)

    def __str__(self) -> str:
        return "\n\n".join("\n".join([heading, *map(_as_text, lines)]) for heading, lines in self.groups if lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        header = ("equation", "by the equation", "by the engine", "difference")
        groups = ((heading, [_cells(line) for line in lines]) for heading, lines in self.groups if lines)
        return "\n".join(markup.table(header, rows, heading) for heading, rows in groups)


def four_equations(network: MLP, loss: Value) -> Equations:
    """Work out the four equations neuron by neuron, for the pass of `network` that `loss` was computed from.

    They are the delta of the last layer, the delta of a layer from the next one, the gradient of a bias and that of a
    weight. Raises RuntimeError where the pass is no longer there, and ValueError where a parameter is used more than
    once under `loss`: the equations are those of one sample.
    """
    known = _Pass(network, loss)
    last, inner, biases, weights = [], [], [], []
    for index, layer in enumerate(network.layers):
        after = network.layers[index + 1].neurons if index + 1 < len(network.layers) else []
        for j, neuron in enumerate(layer.neurons):
            name, delta = _delta(neuron), known.deltas[index][j]
            slope = f"{neuron.activation}'({neuron.net.label})"
            if after:
                terms = _sum_of([f"{other.w[j].label}*{_delta(other)}" for other in after])
                inner.append(_line(name, f"({terms}) * {slope}", delta, known.grads[neuron.net]))
            else:
                right = f"d{known.name}/d{known.outs[index][j].label} * {slope}"
                last.append(_line(name, right, delta, known.grads[neuron.net]))
            if neuron.b is not None:
                biases.append(_line(f"d{known.name}/d{neuron.b.label}", name, delta, known.grads[neuron.b]))
            for before, weight in zip(known.ins[index], neuron.w):
                right = f"{_name(before)} * {name}"
                product = before.data * delta
                weights.append(_line(f"d{known.name}/d{weight.label}", right, product, known.grads[weight]))
    return Equations(
        (
            ("1. The delta of the last layer", tuple(last)),
            ("2. The delta of a layer from the next", tuple(inner)),
            ("3. The gradient of a bias", tuple(biases)),
            ("4. The gradient of a weight", tuple(weights)),
        )
    )


def matrix_equations(network: MLP, loss: Value) -> Equations:
    """Work out the equations layer by layer, with n x m matrices of weights for n neurons and m inputs.

    The inputs are layer 1. `^T` is the transpose, `.` the product of matrices, `o` the Hadamard product, which goes
    entry by entry. The first line of a layer is the forward pass: its left side are the recorded weighted inputs.
    Raises what `four_equations` raises.
    """
    known = _Pass(network, loss)
    groups = []
    for index, layer in enumerate(network.layers):
        here, n, m = index + 2, len(layer.neurons), len(known.ins[index])
        inputs, delta = _column(value.data for value in known.ins[index]), _column(known.deltas[index])
        nets = _dot(layer.weights, inputs)
        right, shapes = f"W({here}) . out({here - 1})", f"{n}x1 = {n}x{m} . {m}x1"
        if layer.biases:
            nets = [[net + bias] for (net,), bias in zip(nets, layer.biases)]
            right, shapes = f"{right} + b({here})", f"{shapes} + {n}x1"
        lines = [TwoSides(f"net({here})", right, shapes, nets, _column(neuron.net.data for neuron in layer.neurons))]
        slopes, back = _column(known.slopes[index]), _column(known.grads[neuron.net] for neuron in layer.neurons)
        if index + 1 < len(network.layers):
            after, k = network.layers[index + 1], len(network.layers[index + 1].neurons)
            errors = _dot(_transposed(after.weights), _column(known.deltas[index + 1]))
            right, shapes = f"W({here + 1})^T . delta({here + 1})", f"{n}x1 = ({k}x{n})^T . {k}x1 o {n}x1"
        else:
            errors, right, shapes = (
                _column(known.slopes_of_loss),
                f"d{known.name}/dout({here})",
                f"{n}x1 = {n}x1 o {n}x1",
            )
        right = f"{right} o {layer.activation}'(net({here}))"
        lines.append(TwoSides(f"delta({here})", right, shapes, _hadamard(errors, slopes), back))
        if layer.biases:
            grads = _column(known.grads[neuron.b] for neuron in layer.neurons if neuron.b is not None)
            lines.append(TwoSides(f"d{known.name}/db({here})", f"delta({here})", f"{n}x1 = {n}x1", delta, grads))
        right, shapes = f"delta({here}) . out({here - 1})^T", f"{n}x{m} = {n}x1 . ({m}x1)^T"
        grads = [[known.grads[weight] for weight in neuron.w] for neuron in layer.neurons]
        lines.append(TwoSides(f"d{known.name}/dW({here})", right, shapes, _dot(delta, _transposed(inputs)), grads))
        groups.append((f"Layer {here}: n = {n} neurons, m = {m} inputs", tuple(lines)))
    return Equations(tuple(groups))


def weights_as_products(network: MLP, loss: Value) -> Equations:
    """Show for each weight that its gradient is the output before it times the error that comes back after it.

    Both factors are what the two passes left: the recorded output and the gradient of the weighted input. Raises what
    `four_equations` raises.
    """
    known = _Pass(network, loss)
    lines = tuple(
        _line(
            f"d{known.name}/d{weight.label}",
            f"{_name(before)} * {_delta(neuron)} = {before.data:.8g} * {known.grads[neuron.net]:.8g}",
            before.data * known.grads[neuron.net],
            known.grads[weight],
        )
        for inputs, layer in zip(known.ins, network.layers)
        for neuron in layer.neurons
        for before, weight in zip(inputs, neuron.w)
    )
    return Equations(
        (("The gradient of a weight: the output before it times the error that comes back after it", lines),)
    )


class _Pass:
    """What one pass of a network recorded, layer by layer, and the deltas by the first two equations."""

    def __init__(self, network: MLP, loss: Value) -> None:
        order = topological_order(loss)
        uses: dict[Value, list[Value]] = defaultdict(list)
        for node in order:
            for parent in node.parents:
                uses[parent].append(node)
        for parameter in network.parameters():
            if (number := len(uses[parameter])) != 1:
                raise ValueError(
                    f"equations: {parameter.label or parameter} is used {number} times under the loss, needs once; "
                    "take the loss of one sample, without a penalty on the weights"
                )
        self.name = loss.label or "C"
        self.grads = backward_aside(loss)
        # A weight's one use is the product with what comes in.
        products = [[uses[weight][0] for weight in layer.neurons[0].w] for layer in network.layers]
        self.ins = [
            [
                node.parents[0] if node.parents[1] is weight else node.parents[1]
                for node, weight in zip(nodes, layer.neurons[0].w)
            ]
            for nodes, layer in zip(products, network.layers)
        ]
        labelled = {node.label: node for node in order}
        last = network.layers[-1].neurons
        if missing := [neuron.out_label for neuron in last if neuron.nonlin and neuron.out_label not in labelled]:
            raise ValueError(f"equations: needs the label {missing[0]} on the output that it was given to")
        outs_of_last = [labelled[neuron.out_label] if neuron.nonlin else neuron.net for neuron in last]
        self.outs = [*self.ins[1:], outs_of_last]
        self.slopes = [
            [_slope(neuron, out) for neuron, out in zip(layer.neurons, outs)]
            for layer, outs in zip(network.layers, self.outs)
        ]
        self.slopes_of_loss = [gradient.data for gradient in gradients(loss, outs_of_last)]
        errors = _column(self.slopes_of_loss)
        self.deltas: Matrix = []
        for layer, slopes in zip(reversed(network.layers), reversed(self.slopes)):
            delta = _hadamard(errors, _column(slopes))
            self.deltas.insert(0, [number for (number,) in delta])
            errors = _dot(_transposed(layer.weights), delta)


def _slope(neuron: Neuron, out: Value) -> float:
    """Work out the derivative of the activation: by its row, or where it is a function by the rows in it."""
    net = neuron.net
    if out is net:
        return 1.0
    if (rule := RULES.get(neuron.activation)) and out.op is rule:
        return function_of(rule, rule.partials[0], ("a", "y"))(net.data, out.data)
    return gradients(out, [net])[0].data


# --- matrices as lists of rows -------------------------------------------------------------------------------------


def _column(numbers: Iterable[float]) -> Matrix:
    return [[number] for number in numbers]


def _transposed(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix)]


def _dot(left: Matrix, right: Matrix) -> Matrix:
    columns = _transposed(right)
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in left]


def _hadamard(left: Matrix, right: Matrix) -> Matrix:
    return [[a * b for a, b in zip(row, other, strict=True)] for row, other in zip(left, right, strict=True)]


# --- writing ---------------------------------------------------------------------------------------------------------


def _delta(neuron: Neuron) -> str:
    """Name the delta of a neuron as its weighted input is named: delta_o1 for net_o1, delta_1^2 for z_1^2."""
    return re.sub(r"^[^\W\d_]+", "delta", neuron.net.label)


def _name(value: Value) -> str:
    return value.label or f"{value.data:.8g}"


def _sum_of(terms: list[str]) -> str:
    return " + ".join(terms if len(terms) <= _MOST_TERMS else [terms[0], "…", terms[-1]])


def _line(left: str, right: str, by_equation: float, by_engine: float) -> TwoSides:
    return TwoSides(left, right, "", [[by_equation]], [[by_engine]])


def as_mathml(written: str) -> str:
    """Write one side of an equation as MathML: derivatives, names with an index, a layer or a transpose, products.

    >>> as_mathml("2 * x o W(3)")
    '<mn>2</mn><mo>·</mo><mi>x</mi><mo>⊙</mo><msup><mi>W</mi><mrow><mo>(</mo><mn>3</mn><mo>)</mo></mrow></msup>'
    """
    return _PIECE.sub(_piece, written).strip()


def _piece(found: re.Match[str]) -> str:
    if found["of"]:
        return _NOTATION.derivative(as_mathml(found["of"]), as_mathml(found["to"]))
    if found["number"]:
        return f"<mn>{found['number'].replace('-', '−')}</mn>"
    if found["sign"]:
        return f"<mo>{_SIGNS.get(found['sign'], found['sign'])}</mo>"
    name = _NOTATION.name(found["name"])
    if found["prime"]:
        name = f"<mrow>{name}<mo>′</mo></mrow>"
    layer, transposed = found["layer"], found["transposed"]
    above = f"<mo>(</mo><mn>{layer}</mn><mo>)</mo>" * bool(layer) + "<mi>T</mi>" * bool(transposed)
    return f"<msup>{name}<mrow>{above}</mrow></msup>" if above else name


def _as_text(line: TwoSides) -> str:
    rows = [f"    = {row}    engine: {other}" for row, other in zip(*map(_rows, (line.by_equation, line.by_engine)))]
    if more := _more_rows(line.by_equation):
        rows.append(f"    {more}")
    rows[-1] += f"    difference: {line.difference:.1e}"
    return "\n".join([f"  {line.left} = {line.right}    {line.shapes}".rstrip(), *rows])


def _cells(line: TwoSides) -> list[str]:
    """Give the cells of a table for a notebook; the shapes stand under the equation."""
    equation = math(f"{as_mathml(line.left)}<mo>=</mo>{as_mathml(line.right)}")
    shapes = f"<br/>{line.shapes}" if line.shapes else ""
    sides = ("\n".join(filter(None, [*_rows(side), _more_rows(side)])) for side in (line.by_equation, line.by_engine))
    return [markup.Markup(equation + shapes), *sides, f"{line.difference:.1e}"]


def _rows(matrix: Matrix) -> list[str]:
    return [_row(row) for row in matrix[:_MOST_NUMBERS]]


def _more_rows(matrix: Matrix) -> str:
    return f"… {more} more rows" if (more := len(matrix) - _MOST_NUMBERS) > 0 else ""


def _row(numbers: list[float]) -> str:
    written = [f"{number:12.8g}" if len(numbers) == 1 else f"{number:11.4g}" for number in numbers[:_MOST_NUMBERS]]
    return " ".join(written + ["…"] * (len(numbers) > _MOST_NUMBERS))
