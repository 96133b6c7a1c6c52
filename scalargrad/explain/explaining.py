"""Explain a formula: the forward pass, the backward pass, and the derivation of its gradients, as text.

Reads the expressions, the reports of both passes, and the derivation.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from ..engine import Value
from ..graph.roles import parameters_of, roles
from ..graph.tracing import trace
from ..messages import say
from ..recording import Number
from .derivation import derive
from .reporting import backward_text, forward_text, local_text
from .typed import record_expression

_MOST_DERIVATIONS = 12  # in one text


def explain(
    source: str,
    numbers: Mapping[str, Number],
    wrt: str | Iterable[str] | None = None,
    decimals: int = 6,
    view: str | None = None,
    lang: str = "en",
    *,
    inputs: Iterable[str] = (),
    parameters: Iterable[str] = (),
    targets: Iterable[str] = (),
) -> str:
    """Explain the formulas of `source` with the numbers given for their names, for a terminal of 80 columns.

    The derivation is that of the names in `wrt`; without it, of the parameters (those named, and w..., b...), or else
    of every name that has a number, up to twelve. Without a `view` it is "quantities" where a formula but the last has
    a name, else "operations". `lang` is "en" or "zh". Raises ValueError for a text that is no formula, as
    `record_expression` does, and for a name that does not stand in it.

    >>> print(explain("y = w**2", {"w": 3}))
    Forward pass
    <BLANKLINE>
      w = 3
    <BLANKLINE>
      y = w**2 = 3**2 = 9
    <BLANKLINE>
    Local derivatives
    <BLANKLINE>
      dy/dw = 2*w = 2*3 = 6
    <BLANKLINE>
    Backward pass: upstream x local derivative
    <BLANKLINE>
      dy/dy = 1
    <BLANKLINE>
      dy/dw:  via y  1 x 6 = 6
    <BLANKLINE>
    Derivation
    <BLANKLINE>
    1 path from w to y
    <BLANKLINE>
    dy/dw = 2*w
          = 6
    """
    root, names = record_expression(source, numbers)
    if wrt is not None:
        chosen = named(names, [wrt] if isinstance(wrt, str) else wrt)
    else:
        role_of = roles(root, named(names, inputs), named(names, parameters), named(names, targets))
        chosen = [node for node, role in role_of.items() if role == "parameter"] or parameters_of(root)
    others = {name: node.label for name, node in names.items() if name != node.label}
    same = [say("explain", "same", lang, name=name, node=label) for name, label in others.items()]
    return "\n\n".join([*same, explain_graph(root, chosen, decimals, view, lang)])


def named(names: Mapping[str, Value], wanted: Iterable[str]) -> list[Value]:
    """Find nodes by their names; raise ValueError, with the nearest name, for one that is not there."""
    found = list(wanted)
    for name in found:
        if name not in names:
            near = get_close_matches(name, names, 1) or [", ".join(names)]
            raise ValueError(f"explain: there is no {name!r} in the formulas; take {near[0]}")
    return [names[name] for name in found]


def explain_graph(
    root: Value, wrt: Iterable[Value] | None = None, decimals: int = 6, view: str | None = None, lang: str = "en"
) -> str:
    """Explain the graph under `root`, over labelled "quantities" or all "operations".

    `wrt`, `view` and `lang` are those of `explain`. Raises ValueError where one of `wrt` is not in that view.
    """
    passes = trace(root, view)
    derived = parameters_of(root) if wrt is None else list(wrt)
    derivations = [derive(root, node, view, lang=lang).text for node in derived[:_MOST_DERIVATIONS]]
    if left_out := derived[_MOST_DERIVATIONS:]:
        first = passes.view.name(left_out[0])
        derivations.append(say("explain", "left out", lang, count=len(left_out), first=first))
    parts = {
        "forward": forward_text(passes, decimals),
        "local": local_text(passes, decimals),
        "backward": backward_text(passes, decimals, lang),
        "derivation": "\n\n".join(derivations),
    }
    return "\n\n".join(f"{say('explain', title, lang)}\n\n{text}" for title, text in parts.items() if text)
