"""The table of rules: one row an operation, its formula and its local derivatives as text.

Reads what a rule is. The engine, the derivation, the programs, the page and the tests read it.
"""

from dataclasses import replace

from .rule import FUNCTIONS, Rule, add_words, function_of, with_floats

__all__ = ["FUNCTIONS", "POWERS", "RULES", "Rule", "function_of", "with_floats"]

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

add_words(RULES)
