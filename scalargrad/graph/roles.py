"""What each node of a graph is for: input, parameter, target, plain number, quantity or loss.

Reads the engine, and the labels as the documents write them.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..engine import Value, topological_order
from ..formulas.labels import label_parts
from ..recording import CONSTANT

_ROLE_OF_LETTER = {"w": "parameter", "b": "parameter", "y": "target", "t": "target"}


def is_number(node: Value) -> bool:
    """Tell whether a node is a plain number that met a Value, with no name of its own."""
    return node.op is CONSTANT and not node.label


def roles(
    root: Value, inputs: Iterable[Value] = (), parameters: Iterable[Value] = (), targets: Iterable[Value] = ()
) -> dict[Value, str]:
    """Tell what each node is for: "number", "input", "parameter", "target", "operation", "quantity" or "loss".

    A leaf that is not named in `inputs`, `parameters` or `targets` goes by its label, where that is one letter with
    or without an index, as the documents name things: w and b_h1 are parameters, y and t1 targets, all others inputs.
    """
    given = {
        leaf: role
        for role, leaves in (("input", inputs), ("parameter", parameters), ("target", targets))
        for leaf in leaves
    }

    def role(node: Value) -> str:
        if node in given:
            return given[node]
        if node.parents:
            return "loss" if node is root else "quantity" if node.label else "operation"
        return "number" if is_number(node) else _ROLE_OF_LETTER.get(label_parts(node.label).word, "input")

    return {node: role(node) for node in topological_order(root)}


def parameters_of(root: Value, parameters: Iterable[Value] | None = None) -> list[Value]:
    """List the parameters that are named, or else the leaves that `roles` takes for parameters, or else every leaf.

    A number without a label is no leaf here. Raises ValueError where a named one is not among the leaves.
    """
    leaves = {node: role for node, role in roles(root).items() if not node.parents and not is_number(node)}
    chosen = [leaf for leaf, role in leaves.items() if role == "parameter"] if parameters is None else list(parameters)
    if strange := [node for node in chosen if node not in leaves]:
        raise ValueError(f"mistake: needs labelled leaves of the graph as parameters, got {strange[0]!r}")
    return chosen or list(leaves)
