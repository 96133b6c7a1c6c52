"""`Value`: a scalar that records how it was computed, and `backward`: the chain rule over that record.

Reads the rules, and builds its methods from them. Everything else in the package reads the graph recorded here.
"""

from __future__ import annotations

from math import isfinite
from operator import ge, gt, le, lt
from threading import RLock
from typing import Any

from .recording import Number, as_float, binary, comparison, nodes_of, operator, unary
from .rules import Rule

one_pass_at_a_time = RLock()  # so that no contribution to a leaf which two threads share is lost


class Value:
    """A scalar with its gradient, and the operation, the parents and the local derivatives it came from.

    >>> w = Value(0.6, label="w3")
    >>> y = (w * 2).tanh()
    >>> y.backward()
    >>> w
    Value(data=0.6, grad=0.6100399924148181, label='w3')
    """

    __slots__ = ("data", "grad", "label", "op", "_a", "_b", "_da", "_db", "__weakref__")
    data: float
    grad: float
    label: str
    op: Rule | None  # None for a leaf that was made by hand
    _a: Value | None  # the parents stand in two slots, not in a tuple: fewer objects, less work
    _b: Value | None  # for Python's garbage collector, which is where an eager engine spends its time
    _da: Any  # a float where there is a parent, else None
    _db: Any

    def __init__(self, data: Number, label: str = "") -> None:
        if not isinstance(label, str):
            raise TypeError(f"value: needs a label that is text, got {label!r}")
        self.data = as_float(data)
        self.grad = 0.0
        self.label = label
        self.op = self._a = self._b = self._da = self._db = None

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands, in order and with repeats: `x * x` has the parents `(x, x)`."""
        if self._a is None:
            return ()
        return (self._a,) if self._b is None else (self._a, self._b)

    @property
    def partials(self) -> tuple[float, ...]:
        """The local derivatives with respect to the parents, as they were when the operation happened."""
        if self._a is None:
            return ()
        return (self._da,) if self._b is None else (self._da, self._db)

    def backward(self) -> None:
        """Run the chain rule from here: afterwards each `grad` is the derivative of this value.

        The gradients of leaves accumulate from call to call until they are set to zero, those of interior
        nodes are set afresh by each call, as in PyTorch. Raises OverflowError, and leaves the leaves as
        they were, where a gradient grows too large for a float.
        """
        order = topological_order(self)
        as_float(self.data)  # a complex number put into `data` comes this far
        with one_pass_at_a_time:
            before = [(node, node.grad) for node in order if node._a is None and node.grad]
            try:
                for node in order:
                    node.grad = 0.0
                self.grad = 1.0
                for node in reversed(order):
                    upstream = node.grad
                    if upstream - upstream:
                        raise OverflowError(
                            f"backward: a gradient is too large for a float: it is {upstream} at {node!r}"
                        )
                    if (a := node._a) is not None:
                        a.grad += upstream * node._da
                        if (b := node._b) is not None:
                            b.grad += upstream * node._db
                sums = [leaf.grad + grad for leaf, grad in before]
                if not all(map(isfinite, sums)):
                    raise OverflowError("backward: the gradients of several calls add up to more than a float can hold")
            except BaseException:
                for node in order:
                    node.grad = 0.0
                for leaf, grad in before:
                    leaf.grad = grad
                raise
            for (leaf, _), total in zip(before, sums):
                leaf.grad = total

    __add__, __radd__ = operator("add")
    __sub__, __rsub__ = operator("sub")
    __mul__, __rmul__ = operator("mul")
    __truediv__, __rtruediv__ = operator("div")
    __pow__, __rpow__ = operator("pow")
    __neg__ = neg = unary("neg")
    __abs__ = abs = unary("abs")
    add, sub, mul, div, pow = binary("add"), binary("sub"), binary("mul"), binary("div"), binary("pow")
    square, sqrt = unary("square"), unary("sqrt")
    exp, expm1 = unary("exp"), unary("expm1")
    log, log1p = unary("log"), unary("log1p")
    sin, cos, tan, arctan = unary("sin"), unary("cos"), unary("tan"), unary("arctan")
    sinh, cosh, tanh = unary("sinh"), unary("cosh"), unary("tanh")
    sigmoid, softplus = unary("sigmoid"), unary("softplus")
    relu, leaky_relu, elu = unary("relu"), unary("leaky_relu"), unary("elu")
    maximum, minimum = binary("maximum"), binary("minimum")
    logaddexp = binary("logaddexp")

    # Order is by value, equality by identity: two nodes of a graph are not one because their numbers agree.
    __lt__, __le__, __gt__, __ge__ = map(comparison, (lt, le, gt, ge))

    def __pos__(self) -> Value:
        return self

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data}, grad={self.grad}{label})"


record, as_value, operation = nodes_of(Value)  # for those who record without a method


def topological_order(root: Value) -> list[Value]:
    """List every node under `root`, parents first and `root` last, in an order that is the same in every run.

    >>> x = Value(3.0)
    >>> [node.data for node in topological_order(x * x + 1)]
    [3.0, 9.0, 1.0, 10.0]
    """
    if not isinstance(root, Value):
        raise TypeError(f"topological_order: needs a Value, got {root!r}")
    order: list[Value] = []
    entered = {None, root}  # None, so that a missing operand needs no test of its own
    waiting: list[Value] = []  # the nodes that we came down through: a list, as recursion would end at 1000
    node: Any = root
    while True:
        if (parent := node._a) not in entered or (parent := node._b) not in entered:
            entered.add(parent)
            waiting.append(node)
            node = parent
        else:
            order.append(node)
            if not waiting:
                return order
            node = waiting.pop()
