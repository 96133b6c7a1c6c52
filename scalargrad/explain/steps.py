"""A picture in steps: what each step of the forward and the backward pass and of the update adds to it, and its words.

Reads the trace.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ..engine import Value
from ..formulas import notation
from ..formulas.latex import escaped
from ..formulas.typesetting import Derivative, DerivativeInLaTeX
from ..graph.roles import is_number
from ..graph.tracing import trace
from ..messages import say

_latex = DerivativeInLaTeX()


class Step(NamedTuple):
    """What a step shows: parts such as "n3 value", "n3 grad", "n3 updated" and "n0->n3", and a formula in words."""

    new: tuple[str, ...]
    words: str
    latex: str  # the words, for LaTeX


def steps_of(
    root: Value, view: str, names: Mapping[Value, str], parameters: list[Value], learning_rate: float, lang: str
) -> list[Step]:
    """List the steps: the leaves, a value each, a contribution along an edge each, and the update at once.

    Where `names` has a part of the graph only, these are the steps of both passes that show something in that part.
    """
    passes = trace(root, view)
    name = passes.view.name
    leaves = [node for node in passes.view.order if not node.parents and node in names]
    found = [_said([f"{names[leaf]} value" for leaf in leaves], say("steps", "leaves", lang))] if leaves else []
    for step in passes.forward:
        if step.node in names and (formula := passes.view.formula(step.node)):
            words = f"{name(step.node)} = {notation.text(formula)} = {step.value:.6g}"
            latex = f"${_latex.name(name(step.node))} = {_latex.write(formula)} = {_typeset(step.value)}$"
            found.append(Step((f"{names[step.node]} value",), words, latex))
    top = name(root)
    found.append(Step((f"{names[root]} grad",), f"d{top}/d{top} = 1", f"${_slope(top, top)} = 1$"))
    for contribution in passes.backward:
        node, parent = contribution.node, contribution.parent
        if is_number(parent) or parent not in names:
            continue
        numbers = f"{contribution.upstream:.6g} * {contribution.local:.6g} = {contribution.contribution:.6g}"
        words = f"d{top}/d{name(node)} * d{name(node)}/d{name(parent)} = {numbers}"
        upstream, local, brought = map(_typeset, contribution[3:6])
        product = rf"{_slope(top, name(node))} \cdot {_slope(name(node), name(parent))}"
        local = rf"({local})" if local.startswith("-") else local
        latex = rf"${product} = {upstream} \cdot {local} = {brought}$"
        if contribution.total != contribution.contribution:
            words += say("steps", "sum", lang, total=f"{contribution.total:.6g}")
            latex += say("steps", "sum", lang, total=f"${_typeset(contribution.total)}$")
        edge = (f"{names[node]}.{contribution.edge}",) if node in names else ()
        done = (f"{names[parent]} grad",) if contribution.complete else ()
        if edge or done:
            found.append(Step((*edge, *done), words, latex))
    if parameters:
        new = [f"{names[parameter]} updated" for parameter in parameters]
        found.append(_said(new, say("steps", "update", lang, rate=f"{learning_rate:g}")))
    return found


def _said(new: list[str], words: str) -> Step:
    return Step(tuple(new), words, escaped(words))


def _slope(of: str, to: str) -> str:
    return _latex.name(Derivative(of, to))


def _typeset(number: float) -> str:
    mantissa, _, exponent = f"{number:.6g}".partition("e")
    return _latex.power_of_ten(mantissa, int(exponent)) if exponent else mantissa
