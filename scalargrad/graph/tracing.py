"""What a forward and a backward pass do, step by step, as records that do not change.

Reads the views. Text, pictures and page show these records: none of them works out the chain rule again.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Literal, NamedTuple, overload

from .. import markup
from ..engine import Value, topological_order
from ..formulas.mathml import typeset
from ..formulas.typesetting import derivative
from ..messages import catalogue
from .chain_rule import backward
from .changes import check_unchanged
from .matrix_pass import MatrixPass, matrix_pass
from .views import LAYERS, View, view_of


class ForwardStep(NamedTuple):
    """One value appears."""

    node: Value
    value: float


class BackwardStep(NamedTuple):
    """One contribution goes down one edge: upstream x local, added to what the parent has already."""

    node: Value
    parent: Value
    edge: int  # which of the node's edges this is: 0, 1, ...
    upstream: float  # d root / d node, complete at this step
    local: float  # d node / d parent, along this edge
    contribution: float  # upstream x local
    total: float  # d root / d parent, as far as it is known after this step
    complete: bool  # whether the parent waits for no further contribution


class Trace(NamedTuple):
    """Both passes over one view of a graph."""

    view: View
    forward: list[ForwardStep]
    backward: list[BackwardStep]
    gradients: dict[Value, float]  # d root / d node, of this pass alone
    lang: str = "en"  # of the tables that a notebook shows

    def updated(self, parameters: Iterable[Value], learning_rate: float) -> dict[Value, float]:
        """Give what one step of gradient descent makes of the parameters; it changes nothing in the graph."""
        return {node: node.data - learning_rate * self.gradients[node] for node in parameters}

    def __repr__(self) -> str:
        name = self.view.name(self.view.root)
        return f"<trace of {name}: {len(self.forward)} values forward, {len(self.backward)} contributions backward>"

    def _repr_html_(self) -> str:
        view, name, words = self.view, self.view.name, catalogue("trace", self.lang)
        values = [
            (name(node), markup.Markup(typeset(written) if (written := view.formula(node)) else ""), f"{value:.8g}")
            for node, value in self.forward
        ]
        contributions = [
            (
                str(number),
                markup.Markup(derivative(name(view.root), name(step.parent))),
                name(step.node),
                *(f"{value:.6g}" for value in (step.upstream, step.local, step.contribution, step.total)),
                words["complete" if step.complete else "waits"],
            )
            for number, step in enumerate(self.backward, 1)
        ]
        passes = {"forward": values, "backward": contributions}
        return "\n".join(markup.table(words[f"{key}.columns"], rows, words[key]) for key, rows in passes.items())


@overload
def trace(root: Value, view: Literal["layers"], lang: str = "en") -> MatrixPass: ...  # type: ignore[overload-overlap]


@overload
def trace(root: Value, view: str | None = None, lang: str = "en") -> Trace: ...


def trace(root: Value, view: str | None = None, lang: str = "en") -> Trace | MatrixPass:
    """Record the forward and the backward pass from `root`, over "operations" or labelled "quantities".

    Without a `view` it is "quantities" where an operation below the root has a label, else "operations". Over "layers"
    it is the equations of both passes in matrices, with their numbers. The words are English or, with `lang` "zh",
    Chinese. Changes nothing in the graph. The sums are formed in the order in which `backward` forms them. Raises
    ValueError where numbers of the graph have changed since it was recorded, OverflowError where a gradient is too
    large.

    >>> x = Value(3.0, label="x")
    >>> [(step.contribution, step.total, step.complete) for step in trace(x * x).backward]
    [(3.0, 3.0, False), (3.0, 6.0, True)]
    """
    if view == LAYERS:
        return matrix_pass(root, lang)
    shown = view_of(root, view)
    check_unchanged(topological_order(root))
    waiting = dict.fromkeys(shown.order, 0)
    for node in shown.order:
        for parent in shown.parents(node):
            waiting[parent] += 1
    steps: list[BackwardStep] = []

    def visit(
        node: Value, parent: Value, edge: int, upstream: float, local: float, contribution: float, total: float
    ) -> None:
        waiting[parent] -= 1
        steps.append(BackwardStep(node, parent, edge, upstream, local, contribution, total, not waiting[parent]))

    gradients = backward(shown.order, shown.edges, visit)
    for node in reversed(shown.order):
        if not isfinite(gradients[node]):
            found = f"{shown.name(node)} is too large for a float: {gradients[node]}"
            raise OverflowError(f"trace: the gradient of {found}")
    return Trace(shown, [ForwardStep(node, node.data) for node in shown.order], steps, gradients, lang)
