"""A recorded graph worked through once more: recorded with other numbers, or run backward and left as it was.

Reads the engine. No graph that was recorded is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..engine import Value, as_value, one_pass_at_a_time, operation, topological_order


def record_again(order: Iterable[Value], changed: Mapping[Value, float]) -> dict[Value, Value]:
    """Record the operations of `order`, parents first, once more with other numbers in some leaves.

    Gives each node its counterpart, under the same label and in the same order. Raises what the operations raise
    where the new numbers leave their domain.

    >>> x = Value(3.0)
    >>> y = x * x + 1
    >>> record_again(topological_order(y), {x: 2.0})[y].data
    5.0
    """
    again: dict[Value, Value] = {}
    for node in order:
        if node.op is not None and node.parents:
            again[node] = operation(node.op)(*(again[parent] for parent in node.parents))
        else:
            number = changed.get(node, node.data)
            again[node] = Value(number) if node.op is None else as_value(number)
        again[node].label = node.label
    return again


def backward_aside(root: Value) -> dict[Value, float]:
    """Run `backward` for the gradients of this one pass, and put every `grad` back to what it was.

    Raises OverflowError as `backward` does.
    """
    order = topological_order(root)
    with one_pass_at_a_time:
        before = [node.grad for node in order]
        try:
            for node in order:
                node.grad = 0.0
            root.backward()
            return {node: node.grad for node in order}
        finally:
            for node, grad in zip(order, before):
                node.grad = grad
