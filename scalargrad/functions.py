"""The operations as functions, `sigmoid(x)` for `x.sigmoid()`, and a way to declare an operation of one's own.

Reads the rules and the engine. A function takes Values or plain numbers, so that code reads like the formula.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import cache
from keyword import iskeyword
from math import isfinite
from typing import Any, Protocol, overload

from .engine import Value, as_value
from .engine import operation as recorder
from .formulas import notation, tree
from .formulas.source import COMPARISONS
from .recording import Number
from .rules import FUNCTIONS, RULES, Rule

__all__ = [
    "arctan",
    "cos",
    "cosh",
    "elu",
    "exp",
    "expm1",
    "leaky_relu",
    "log",
    "log1p",
    "logaddexp",
    "maximum",
    "minimum",
    "operation",
    "relu",
    "sigmoid",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "tan",
    "tanh",
]  # but for abs and pow, which are Python's own, and what has a sign


class Unary(Protocol):
    """A function of one operand: a Value gives a Value, a number gives a float."""

    @overload
    def __call__(self, a: Value, /) -> Value: ...
    @overload
    def __call__(self, a: Number, /) -> float: ...


class Binary(Protocol):
    """A function of two operands: with a Value among them it gives a Value, with two numbers a float."""

    @overload
    def __call__(self, a: Value, b: Value | Number, /) -> Value: ...
    @overload
    def __call__(self, a: Number, b: Value, /) -> Value: ...
    @overload
    def __call__(self, a: Number, b: Number, /) -> float: ...


@cache
def of_rule(rule: Rule) -> Any:
    """Make the function of a rule: it records where an operand is a Value, and with numbers alone gives a float."""
    record = recorder(rule)

    def function(*operands: Value | Number) -> Value | float:
        if len(operands) != len(rule.operands):
            raise TypeError(f"{rule.name}: takes {len(rule.operands)} operand(s), got {len(operands)}")
        result = record(*map(as_value, operands))
        return result if any(isinstance(operand, Value) for operand in operands) else result.data

    function.__name__ = function.__qualname__ = rule.name
    function.__doc__ = f"Compute {notation.text(tree.value_formula(rule))}, and record it where an operand is a Value."
    return function


add: Binary = of_rule(RULES["add"])
sub: Binary = of_rule(RULES["sub"])
mul: Binary = of_rule(RULES["mul"])
div: Binary = of_rule(RULES["div"])
neg: Unary = of_rule(RULES["neg"])
pow: Binary = of_rule(RULES["pow"])
square: Unary = of_rule(RULES["square"])
exp: Unary = of_rule(RULES["exp"])
expm1: Unary = of_rule(RULES["expm1"])
log: Unary = of_rule(RULES["log"])
log1p: Unary = of_rule(RULES["log1p"])
sqrt: Unary = of_rule(RULES["sqrt"])
sin: Unary = of_rule(RULES["sin"])
cos: Unary = of_rule(RULES["cos"])
tan: Unary = of_rule(RULES["tan"])
arctan: Unary = of_rule(RULES["arctan"])
sinh: Unary = of_rule(RULES["sinh"])
cosh: Unary = of_rule(RULES["cosh"])
tanh: Unary = of_rule(RULES["tanh"])
sigmoid: Unary = of_rule(RULES["sigmoid"])
relu: Unary = of_rule(RULES["relu"])
leaky_relu: Unary = of_rule(RULES["leaky_relu"])
elu: Unary = of_rule(RULES["elu"])
softplus: Unary = of_rule(RULES["softplus"])
abs: Unary = of_rule(RULES["abs"])
maximum: Binary = of_rule(RULES["maximum"])
minimum: Binary = of_rule(RULES["minimum"])
logaddexp: Binary = of_rule(RULES["logaddexp"])


Formula = str | Callable[..., float]
_WRITTEN_AS_SIGNS = {"abs", "pow", "sqrt"}  # |x|, x**2 and a root would be read as these; all other names are free


def operation(name: str, formula: Formula, partials: Sequence[Formula] | Formula, domain: str = "") -> Any:
    """Declare an operation by its formula and its local derivatives, and give back its function.

    A formula is text in `a`, `b` and `y`, or a callable that takes the operands. `domain` says in an error
    message what the operands must satisfy. The name may be that of a row of the table: this operation is then yours,
    and in a formula the word means the row. Raises ValueError where a text holds a word that is not known.

    >>> cube = operation("cube", "a**3", "3 * a**2")
    >>> y = cube(Value(2.0))
    >>> y.data, y.partials
    (8.0, (12.0,))
    """
    if not isinstance(name, str) or not name.isidentifier() or iskeyword(name) or name in _WRITTEN_AS_SIGNS:
        raise ValueError(f"operation: needs a name that is one word and none of abs, pow, sqrt, got {name!r}")
    partials = list(partials) if isinstance(partials, (list, tuple)) else [partials]  # type: ignore[list-item]
    if len(partials) not in (1, 2):
        raise ValueError(f"operation {name}: needs 1 or 2 partials, one for each operand, got {len(partials)}")
    functions: dict[str, Callable[..., float]] = {}
    operands = ", ".join("ab"[: len(partials)])

    def as_text(part: str, given: Formula) -> str:
        if isinstance(given, str):
            return _checked(name, given, {*operands.split(", "), "y"} if part else set(operands.split(", ")))
        if not callable(given):
            raise TypeError(f"operation {name}: needs a formula as text or as a callable, got {given!r}")
        own = f"own_{name}{part}"  # so that no name of an operation meets a word of the engine's
        functions[own] = _Given(given)
        return f"{own}({operands})"

    texts = [as_text(part, given) for part, given in zip(("", "_da", "_db"), [formula, *partials])]
    return of_rule(Rule(name, texts[0], tuple(texts[1:]), domain=domain, functions=functions))


class _Given:
    """A formula that was given as a callable: called with floats it gives a float, with Values a Value."""

    def __init__(self, given: Callable[..., Any]) -> None:
        self.given = given

    def __call__(self, *numbers: Any) -> Any:
        result = self.given(*numbers)
        return result if isinstance(result, Value) else float(result)


class _PowersAsCalls(ast.NodeTransformer):
    """Write `a ** b` as `pow(a, b)`, which refuses what would give a complex number."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            return ast.Call(ast.Name("pow", ast.Load()), [node.left, node.right], [])
        return node


_WORDS_OF_A_FORMULA: tuple[type[ast.AST], ...] = (
    ast.Name,
    ast.Constant,
    ast.BinOp,
    ast.UnaryOp,
    ast.Call,
    ast.IfExp,
    ast.Compare,
)
_ARITIES = {name: len(rule.operands) for name, rule in RULES.items()}
_SIGNS_OF_A_FORMULA: tuple[type[ast.AST], ...] = (
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.USub,
    *COMPARISONS,
    ast.expr_context,
)


def _checked(name: str, text: str, operands: set[str]) -> str:
    """Give back the text of a formula, once each part of it is known to be an operand, a number or a function."""
    try:
        formula = _PowersAsCalls().visit(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"operation {name}: cannot read the formula {text!r}: {error.msg}") from None
    called = {id(part.func) for part in ast.walk(formula) if isinstance(part, ast.Call)}
    for part in ast.walk(formula):
        match part:
            case ast.Call(func=ast.Name(id=word), args=given) if word in _ARITIES and len(given) != _ARITIES[word]:
                raise ValueError(
                    f"operation {name}: {word} in {text!r} takes {_ARITIES[word]}, got {len(given)} operands"
                )
            case ast.Name(id=word) if word not in (FUNCTIONS if id(part) in called else operands):
                known = ", ".join([*sorted(operands), *(f"{function}()" for function in sorted(FUNCTIONS))])
                raise ValueError(
                    f"operation {name}: the formula {text!r} holds the unknown word {word!r}; known: {known}"
                )
            case ast.Constant(value=value) if not isinstance(value, (int, float)) or not isfinite(value):
                raise ValueError(f"operation {name}: the formula {text!r} holds {value!r}, which is no finite number")
        if not isinstance(part, _WORDS_OF_A_FORMULA + _SIGNS_OF_A_FORMULA):
            raise ValueError(
                f"operation {name}: cannot read the formula {text!r}: it may hold + - * / **, comparisons, "
                "`x if condition else z`, numbers and functions"
            )
    return ast.unparse(formula)
