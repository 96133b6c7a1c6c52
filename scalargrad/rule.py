"""A rule: one row of the table, and its formulas as functions of floats.

Reads the primitives, the words of the formulas.
"""

import builtins
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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


# The words of a formula: the primitives, and once the table is there every row by its name.
FUNCTIONS: dict[str, Callable[..., float]] = {
    word: getattr(math if said.python.startswith("math.") else builtins, said.python.removeprefix("math."))
    for word, said in PRIMITIVES.items()
}


def with_floats(formula: str) -> str:
    """Write the whole numbers of a formula as floats, so that it gives floats: `1 - y` becomes `1.0 - y`."""
    return re.sub(r"(?<![\w.])(?<![\d.][eE][+-])(\d+)(?![\w.])", r"\1.0", formula)


def function_of(rule: Rule, formula: str, names: Sequence[str]) -> Callable[..., float]:
    """Turn a formula of a rule into a function of floats with the parameters `names`.

    >>> function_of(Rule("sigmoid", "", ()), "y * (1 - y)", ["y"])(0.5)
    0.25
    """
    function: Callable[..., float] = eval(
        f"lambda {', '.join(names)}: {with_floats(formula)}", {**FUNCTIONS, **rule.functions}
    )
    return function


def add_words(rules: Mapping[str, Rule]) -> None:
    """Make a word of every row by its name.

    Raises ValueError for a primitive without a row, as no reader could differentiate it, and for a row that calls an
    unknown word.
    """
    if missing := PRIMITIVES.keys() - rules.keys():
        raise ValueError(f"rules: the primitive {min(missing)} has no row")
    for name, rule in rules.items():
        called = {word for text in (rule.formula, *rule.computed) for word in re.findall(r"\w+(?=\()", text)}
        if unknown := called - (PRIMITIVES.keys() | rules.keys() - {name}):
            raise ValueError(f"rules: the row {name} calls {min(unknown)}, which is no primitive and no other row")
    FUNCTIONS.update(
        (name, function_of(rule, rule.formula, rule.operands)) for name, rule in rules.items() if name not in FUNCTIONS
    )
