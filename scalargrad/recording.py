"""What a row becomes: the source of the function that computes an operation and records it, and its error messages.

Reads the rules. The engine runs this source once for each row, when it is imported.
"""

from math import isfinite

from .rules import FUNCTIONS, Rule, with_floats

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
