"""What a row becomes: Python source that computes and records, a method of the class, and its errors.

Reads the rules. The engine builds its methods here, when it is imported: the source runs once for each row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import isfinite
from numbers import Real
from typing import Any, TypeAlias, TypeVar

from .freeing import maker
from .rules import FUNCTIONS, POWERS, RULES, Rule, with_floats

Number: TypeAlias = float | int | Real
NUMBERS = (float, int, Real)  # NumPy's scalars and Fraction are Real
CONSTANT = Rule("constant", "", ())  # a plain number that met a Value: the 2 of `2 * x`

V = TypeVar("V")
Record: TypeAlias = Callable[[Rule, float, V | None, V | None, float | None, float | None], V]

Value: type[Any]  # the engine's class, which has to be made with the methods that are built here: see `nodes_of`
new_node: Callable[[], Any]  # makes an empty one, past the checks of its `__init__`: an operation has made its own

# For `mul`: y = a * b, da = b, db = a. Infinity and NaN are found by `y - y`, which is 0.0 for every finite float and
# otherwise NaN, and NaN counts as true: a test that costs next to nothing. `bind` makes the words of the formulas
# local names, which Python finds quickly.
UNARY = """
def bind({words}):
    def operation(self):
        a = self.data
        try:
            y = {y}
            da = {da}
            if {not_finite}: raise OverflowError
        except (ArithmeticError, ValueError) as error:
            raise refusal(rule, error, a) from None
        return record(rule, y, self, None, da, None)
    return operation
"""
BINARY = """
def bind({words}):
    def operation(self, other):
        if type(other) is not Value:
            if not isinstance(other, (Value, *NUMBERS)): return NotImplemented
            other = as_value(other)
        a = self.data
        b = other.data
        try:
            y = {y}
            da = {da}
            db = {db}
            if {not_finite}: raise OverflowError
        except (ArithmeticError, ValueError) as error:
            raise refusal(rule, error, a, b) from None
        return record(rule, y, self, other, da, db)
    return operation
"""


def source_of(rule: Rule) -> str:
    """Write the Python source of a rule: a function `bind` that takes the words and gives back the operation."""
    formulas = {"y": rule.formula, **dict(zip(("da", "db"), rule.computed))}
    can_overflow = [
        name for name, formula in formulas.items() if name == "y" or any(sign in formula for sign in "+*/(")
    ]
    return (UNARY if len(rule.partials) == 1 else BINARY).format(
        words=", ".join(("rule", "refusal", *FUNCTIONS, *rule.functions)),
        not_finite=" or ".join(f"{name} - {name}" for name in can_overflow),
        **{name: with_floats(formula) for name, formula in formulas.items()},
    )


def refusal(rule: Rule, error: Exception, *operands: float) -> Exception:
    """Turn a failed operation into the exception that names it, its numbers and what it needs."""
    got = ", ".join(f"{name} = {number}" for name, number in zip("ab", operands))
    if not all(map(isfinite, operands)):
        return ValueError(f"{rule.name}: needs finite numbers, got {got}")
    if isinstance(error, OverflowError):
        return OverflowError(f"{rule.name}: the result or a local derivative is too large for a float, got {got}")
    return type(error)(f"{rule.name}: {f'needs {rule.domain}' if rule.domain else error}, got {got}")


@cache
def operation(rule: Rule) -> Callable[..., Any]:
    """Build the function that computes a rule's value and local derivatives and records them."""
    built: dict[str, Any] = {}
    exec(source_of(rule), globals(), built)
    record_it: Callable[..., Any] = built["bind"](rule=rule, refusal=refusal, **FUNCTIONS, **rule.functions)
    return with_numbers(record_it) if rule is RULES["pow"] else record_it


def with_numbers(power: Callable[..., Any]) -> Callable[..., Any]:
    """Give a power, where its base or its exponent is a plain number, the row for that."""
    of_number, to_number = operation(POWERS["a"]), operation(POWERS["b"])

    def choose(self: Any, other: Any) -> Any:
        if not isinstance(other, Value):
            if not isinstance(other, NUMBERS):
                return NotImplemented
            other = as_value(other)
        if other.op is CONSTANT:
            return to_number(self, other)
        return of_number(self, other) if self.op is CONSTANT else power(self, other)

    return choose


def operator(name: str) -> tuple[Callable[[V, V | Number], V], Callable[[V, Number], V]]:
    """Build the method of an operator and its reflection, for `x - 2` and `2 - x`."""
    operate = operation(RULES[name])

    def reflected(self: Any, other: Any) -> Any:
        return operate(as_value(other), self) if isinstance(other, NUMBERS) else NotImplemented

    return operate, reflected


def unary(name: str) -> Callable[[V], V]:
    """Build the method of an operation of one operand, as in `x.exp()`."""
    return operation(RULES[name])


def binary(name: str) -> Callable[[V, V | Number], V]:
    """Build the method of an operation of two operands that is called by its name, as in `x.maximum(2)`."""
    operate = operation(RULES[name])

    def method(self: Any, other: Any) -> Any:
        return operate(self, as_value(other))

    return method


def comparison(compare: Callable[[float, float], bool]) -> Callable[[V, V | Number], bool]:
    """Build the method of an ordering comparison, which goes by `data` and gives a plain bool."""

    def method(self: Any, other: Any) -> bool:
        return compare(self.data, as_value(other).data)

    return method


def nodes_of(kind: type[V]) -> tuple[Record[V], Callable[[Any], V], Callable[[Rule], Callable[..., V]]]:
    """Let all operations make nodes of the class `kind`; give back `record`, `as_value` and `operation`, which do."""
    global Value, new_node
    Value, new_node = kind, maker(kind)
    return record, as_value, operation


def record(op: Rule, data: float, a: Any, b: Any, da: float | None, db: float | None) -> Any:
    """Make the node of one operation: its value, its parents and its local derivatives."""
    node = new_node()
    node.data = data
    node.grad = 0.0
    node.label = ""
    node.op = op
    node._a = a
    node._b = b
    node._da = da
    node._db = db
    return node


def as_value(operand: Any) -> Any:
    """Give back a Value as it is, and a plain number as a constant of the graph."""
    return operand if isinstance(operand, Value) else record(CONSTANT, as_float(operand), None, None, None, None)


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
