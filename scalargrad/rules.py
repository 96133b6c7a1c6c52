"""The table of rules: one row an operation, its formula and its local derivatives as text.

Reads the primitives, the words of its formulas. The engine, the derivation, the programs, the page and the tests
read it.
"""

import builtins
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .primitives import PRIMITIVES


@dataclass(frozen=True, eq=False)
class Rule:
    """One operation: `y` as a formula in `a` (and `b`), and dy/da (and dy/db) in `a`, `b` and `y`."""

    name: str
    formula: str
    partials: tuple[str, ...]
    symbol: str = ""  # what a picture shows; the name where there is nothing shorter
    domain: str = ""  # what the operands must satisfy, for the error message
    functions: Mapping[str, Callable[..., float]] = field(default_factory=dict, repr=False)  # a student's own
    number: str = ""  # the operand that is a plain number, which has no derivative: the b of x**2
    with_digits: tuple[str, ...] = ()  # the partials for an engine, where the form that a class reads loses digits

    @property
    def operands(self) -> tuple[str, ...]:
        """The names of the operands: `("a",)` or `("a", "b")`."""
        return ("a", "b")[: len(self.partials)]

    @property
    def computed(self) -> tuple[str, ...]:
        """The local derivatives as an engine computes them."""
        return self.with_digits or self.partials


# Far out y is 1 to all its digits, and 1 - y has none left; there the input has them.
_SIGMOID = "y * (1 - y) if a < 4 else exp(-a) * y * y"
_TANH = "1 - y * y if a * a < 4 else exp(-2 * abs(a)) * (1 + abs(y)) * (1 + abs(y))"

# Where a derivative does not exist the row holds a documented choice. It is PyTorch's where relu, leaky_relu and
# abs have at 0 the derivative 0, 0.01 and 0, elu the second derivative 0, and where for a = b maximum and minimum give
# each side half. A power has no derivative in its exponent where a < 0: 0 stands for it. Beyond 9e15, whose square is
# 8e31, b - 1 is rounded to an even number, and with it goes the sign of a power of a negative number. Where a is NaN
# a conditional takes the branch that keeps it, so that the engine finds it.
RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("add", "a + b", ("1", "1"), symbol="+"),
        Rule("sub", "a - b", ("1", "-1"), symbol="−"),
        Rule("mul", "a * b", ("b", "a"), symbol="×"),
        Rule("div", "a / b", ("1 / b", "-y / b"), symbol="÷", domain="b != 0"),
        Rule("neg", "-a", ("-1",), symbol="−"),
        Rule(
            "pow",
            "pow(a, b)",
            (
                "0 if a == 0 == b else b * pow(a, b - 1) if b * b < 8e31 "
                "else b * y / a if a < 0 else b * pow(a, b - 1)",
                "y * log(a) if a > 0 else 0",
            ),
            symbol="^",
            domain="a > 0, or a whole number b (at a = 0: b = 0 or b >= 1, as below 1 the derivative is infinite)",
        ),
        Rule("square", "a * a", ("2 * a",), symbol="·²"),
        Rule("exp", "exp(a)", ("y",)),
        Rule("expm1", "expm1(a)", ("exp(a)",)),
        Rule("log", "log(a)", ("1 / a",), domain="a > 0"),
        Rule("log1p", "log1p(a)", ("1 / (1 + a)",), domain="a > -1"),
        Rule("sqrt", "sqrt(a)", ("1 / (2 * y)",), symbol="√", domain="a > 0"),
        Rule("sin", "sin(a)", ("cos(a)",)),
        Rule("cos", "cos(a)", ("-sin(a)",)),
        Rule("tan", "tan(a)", ("1 + y * y",)),
        Rule("arctan", "arctan(a)", ("1 / (1 + a * a)",)),
        Rule("sinh", "sinh(a)", ("cosh(a)",)),
        Rule("cosh", "cosh(a)", ("sinh(a)",)),
        Rule("tanh", "tanh(a)", ("1 - y * y",), with_digits=(_TANH,)),
        Rule(
            "sigmoid",
            "1 / (1 + exp(-a)) if a >= 0 else exp(a) / (1 + exp(a))",
            ("y * (1 - y)",),
            symbol="σ",
            with_digits=(_SIGMOID,),
        ),
        Rule("relu", "0 if a <= 0 else a", ("1 if a > 0 else 0",)),
        Rule("leaky_relu", "0.01 * a if a <= 0 else a", ("1 if a > 0 else 0.01",)),
        Rule("elu", "expm1(a) if a <= 0 else a", ("exp(a) if a < 0 else 1",)),
        Rule("softplus", "(0 if a <= 0 else a) + log1p(exp(-abs(a)))", ("sigmoid(a)",)),
        Rule("abs", "abs(a)", ("1 if a > 0 else -1 if a < 0 else 0",), symbol="|·|"),
        Rule(
            "maximum",
            "b if a <= b else a",
            ("1 if a > b else 0 if a < b else 0.5", "1 if a < b else 0 if a > b else 0.5"),
        ),
        Rule(
            "minimum",
            "b if a >= b else a",
            ("1 if a < b else 0 if a > b else 0.5", "1 if a > b else 0 if a < b else 0.5"),
        ),
        Rule("logaddexp", "(b if a <= b else a) + log1p(exp(-abs(a - b)))", ("sigmoid(a - b)", "sigmoid(b - a)")),
    )
}

# A plain number has no derivative, so none that could be too large or missing: x**2 and 2**x have rows of their own.
POWERS: dict[str, Rule] = {
    "a": replace(RULES["pow"], partials=("0", RULES["pow"].partials[1]), number="a"),
    "b": replace(RULES["pow"], partials=(f"0 if b == 0 else {RULES['pow'].partials[0]}", "0"), number="b"),
}

# The words of a formula: the primitives, and every row by its name.
FUNCTIONS: dict[str, Callable[..., float]] = {
    word: getattr(math if said.python.startswith("math.") else builtins, said.python.removeprefix("math."))
    for word, said in PRIMITIVES.items()
}


def with_floats(formula: str) -> str:
    """Write the whole numbers of a formula as floats, so that it gives floats: `1 - y` becomes `1.0 - y`."""
    return re.sub(r"(?<![\w.])(?<![\d.][eE][+-])(\d+)(?![\w.])", r"\1.0", formula)


def function_of(rule: Rule, formula: str, names: Sequence[str]) -> Callable[..., float]:
    """Turn a formula of a rule into a function of floats with the parameters `names`.

    >>> function_of(RULES["sigmoid"], "y * (1 - y)", ["y"])(0.5)
    0.25
    """
    function: Callable[..., float] = eval(
        f"lambda {', '.join(names)}: {with_floats(formula)}", {**FUNCTIONS, **rule.functions}
    )
    return function


def _check(rules: Mapping[str, Rule]) -> None:
    """Refuse a primitive without a row, as no reader could differentiate it, and a formula with an unknown word."""
    if missing := PRIMITIVES.keys() - rules.keys():
        raise ValueError(f"rules: the primitive {min(missing)} has no row")
    for name, rule in rules.items():
        called = {word for text in (rule.formula, *rule.computed) for word in re.findall(r"\w+(?=\()", text)}
        if unknown := called - (PRIMITIVES.keys() | rules.keys() - {name}):
            raise ValueError(f"rules: the row {name} calls {min(unknown)}, which is no primitive and no other row")


_check(RULES)
FUNCTIONS |= {
    name: function_of(rule, rule.formula, rule.operands) for name, rule in RULES.items() if name not in FUNCTIONS
}
