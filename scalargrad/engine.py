"""`Value`: a scalar that records how it was computed, and `backward`: the chain rule over that record.

Reads the rules. Everything else in the package reads the graph recorded here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import isfinite
from numbers import Real
from operator import ge, gt, le, lt
from threading import RLock
from typing import Any, TypeAlias

from .freeing import maker
from .recording import refusal, source_of
from .rules import FUNCTIONS, POWERS, RULES, Rule

Number: TypeAlias = float | int | Real
NUMBERS = (float, int, Real)  # NumPy's scalars and Fraction are Real
one_pass_at_a_time = RLock()  # so that no contribution to a leaf which two threads share is lost
CONSTANT = Rule("constant", "", ())  # a plain number that met a Value: the 2 of `2 * x`


@cache
def operation(rule: Rule) -> Callable[..., Value]:
    """Build the function that computes a rule's value and local derivatives and records them."""
    built: dict[str, Any] = {}
    exec(source_of(rule), globals(), built)
    record_it: Callable[..., Value] = built["bind"](rule=rule, refusal=refusal, **FUNCTIONS, **rule.functions)
    return with_numbers(record_it) if rule is RULES["pow"] else record_it


def with_numbers(power: Callable[..., Value]) -> Callable[..., Value]:
    """Give a power, where its base or its exponent is a plain number, the row for that."""
    of_number, to_number = operation(POWERS["a"]), operation(POWERS["b"])

    def choose(self: Value, other: Value | Number) -> Value:
        if not isinstance(other, Value):
            if not isinstance(other, NUMBERS):
                return NotImplemented
            other = as_value(other)
        if other.op is CONSTANT:
            return to_number(self, other)
        return of_number(self, other) if self.op is CONSTANT else power(self, other)

    return choose


def operator(name: str) -> tuple[Callable[[Value, Value | Number], Value], Callable[[Value, Number], Value]]:
    """Build the method of an operator and its reflection, for `x - 2` and `2 - x`."""
    operate = operation(RULES[name])

    def reflected(self: Value, other: Number) -> Value:
        return operate(as_value(other), self) if isinstance(other, NUMBERS) else NotImplemented

    return operate, reflected


def method(name: str) -> Callable[..., Value]:
    """Build the method of an operation that is called by its name, as in `x.maximum(2)`."""
    operate = operation(RULES[name])

    def binary(self: Value, other: Value | Number) -> Value:
        return operate(self, as_value(other))

    return operate if len(RULES[name].partials) == 1 else binary


def comparison(compare: Callable[[float, float], bool]) -> Callable[[Value, Value | Number], bool]:
    """Build the method of an ordering comparison, which goes by `data` and gives a plain bool."""
    return lambda self, other: compare(self.data, as_value(other).data)


def record(op: Rule, data: float, a: Value | None, b: Value | None, da: float | None, db: float | None) -> Value:
    """Make the node of one operation: its value, its parents and its local derivatives."""
    node: Value = new_node()
    node.data = data
    node.grad = 0.0
    node.label = ""
    node.op = op
    node._a = a
    node._b = b
    node._da = da
    node._db = db
    return node


def as_float(number: Any) -> float:
    """Turn any finite real number into a float; raise TypeError, ValueError or OverflowError for all else."""
    if not isinstance(number, NUMBERS):
        kind = type(number).__name__
        raise TypeError(f"value: needs a real number, got {number!r} ({kind}); convert it first, as in float(...)")
    try:
        converted = float(number)
    except OverflowError:
        raise OverflowError("value: a whole number or fraction is too large for a float; scale it first") from None
    if not isfinite(converted):
        raise ValueError(f"value: needs a finite number, got {converted}")
    return converted


def as_value(operand: Any) -> Value:
    """Give back a Value as it is, and a plain number as a constant of the graph."""
    return operand if isinstance(operand, Value) else record(CONSTANT, as_float(operand), None, None, None, None)


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
    __neg__ = neg = method("neg")
    __abs__ = abs = method("abs")
    add, sub, mul, div, pow = map(method, ("add", "sub", "mul", "div", "pow"))
    square = method("square")
    exp = method("exp")
    expm1 = method("expm1")
    log = method("log")
    log1p = method("log1p")
    sqrt = method("sqrt")
    sin = method("sin")
    cos = method("cos")
    tan = method("tan")
    arctan = method("arctan")
    sinh = method("sinh")
    cosh = method("cosh")
    tanh = method("tanh")
    sigmoid = method("sigmoid")
    relu = method("relu")
    leaky_relu = method("leaky_relu")
    elu = method("elu")
    softplus = method("softplus")
    maximum = method("maximum")
    minimum = method("minimum")
    logaddexp = method("logaddexp")

    # Order is by value, equality by identity: two nodes of a graph are not one because their numbers agree.
    __lt__, __le__, __gt__, __ge__ = map(comparison, (lt, le, gt, ge))

    def __pos__(self) -> Value:
        return self

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data}, grad={self.grad}{label})"


new_node = maker(Value)  # past the checks of `Value.__init__`: an operation has made its own


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
