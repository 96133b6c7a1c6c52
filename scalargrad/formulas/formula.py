"""A rule's formula with the names of a graph put in, tidied as a person would, as text and as LaTeX.

Reads the rules. A formula is an expression of Python's own `ast`; a `Name` in it holds any label.
"""

import ast
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

from ..rules import FUNCTIONS, Rule

Expression: TypeAlias = ast.expr


@cache
def parse(formula: str) -> Expression:
    """Read the text of a formula; the result is shared and must not be changed.

    Raises SyntaxError for what is no expression.
    """
    return ast.parse(formula, mode="eval").body


def name(label: str) -> Expression:
    """Make the expression that stands for a labelled quantity."""
    return ast.Name(label)


def number(value: float) -> Expression:
    """Make the expression that stands for a number."""
    return ast.Constant(value + 0.0) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def substitute(expression: Expression, names: Mapping[str, Expression], numbers: Mapping[str, float]) -> Expression:
    """Put expressions in the place of names, and in the place of a condition the branch that holds for `numbers`.

    >>> text(substitute(parse("y * (1 - y)"), {"y": name("out_h1")}, {}))
    'out_h1*(1 - out_h1)'
    >>> text(substitute(parse("1 if a > 0 else 0"), {}, {"a": 2.0}))
    '1'
    """

    def put(part: Expression) -> Expression:
        match part:
            case ast.Name(id=label):
                return names.get(label, part)
            case ast.UnaryOp(op=op, operand=operand):
                return ast.UnaryOp(op, put(operand))
            case ast.BinOp(left=left, op=op, right=right):
                return ast.BinOp(put(left), op, put(right))
            case ast.Call(func=function, args=arguments):
                return ast.Call(function, [put(argument) for argument in arguments], [])
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                holds = eval(compile(ast.Expression(test), "condition", "eval"), {**FUNCTIONS, **numbers})
                return put(body if holds else otherwise)
        return part

    return put(expression)


def size(expression: Expression) -> int:
    """Count the names and numbers in an expression."""
    return sum(isinstance(part, (ast.Name, ast.Constant)) for part in ast.walk(expression))


def product(left: Expression, right: Expression) -> Expression:
    """Make the product of two expressions, as it stands."""
    return ast.BinOp(left, ast.Mult(), right)


def sum_of(left: Expression, right: Expression) -> Expression:
    """Make the sum of two expressions, as it stands."""
    return ast.BinOp(left, ast.Add(), right)


def value_formula(rule: Rule) -> Expression:
    """Give the formula of a rule as it is written: an operator, or else the name of the function.

    >>> from scalargrad.rules import RULES
    >>> text(value_formula(RULES["mul"])), text(value_formula(RULES["sigmoid"]))
    ('a*b', 'sigmoid(a)')
    """
    formula = parse(rule.formula)
    match formula:
        case ast.BinOp(left=ast.Name(), right=ast.Name()) | ast.UnaryOp(operand=ast.Name()):
            return formula
    return ast.Call(ast.Name(rule.name), [ast.Name(operand) for operand in rule.operands], [])


# --- tidying -------------------------------------------------------------------------------------------------------


def tidy(expression: Expression) -> Expression:
    """Write an expression as a person would: no `1 *`, no `+ -`, numbers gathered in front; the order is kept.

    >>> text(tidy(parse("0.5 * (2 * pow(y1 - out_o1, 2 - 1)) * -1")))
    '-(y1 - out_o1)'
    """
    match expression:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _product(-1.0, [tidy(operand)])
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _product(1.0, [tidy(left), tidy(right)])
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _quotient(tidy(left), tidy(right))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _sum(tidy(left), tidy(right))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _sum(tidy(left), _product(-1.0, [tidy(right)]))
        case ast.Call(func=ast.Name(id="pow"), args=[base, exponent]):
            return _power(tidy(base), tidy(exponent))
        case ast.Call(func=function, args=arguments):
            return ast.Call(function, [tidy(argument) for argument in arguments], [])
    return expression


def _coefficient(expression: Expression) -> tuple[float, list[Expression]]:
    """Split a tidied expression into its number and its other factors, in order."""
    match expression:
        case ast.Constant(value=int() | float() as value):
            return float(value), []
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            coefficient, factors = _coefficient(operand)
            return -coefficient, factors
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            left_number, left_factors = _coefficient(left)
            right_number, right_factors = _coefficient(right)
            return left_number * right_number, left_factors + right_factors
    return 1.0, [expression]


def _product(coefficient: float, operands: list[Expression]) -> Expression:
    factors: list[Expression] = []
    for operand in operands:
        operand_number, operand_factors = _coefficient(operand)
        coefficient *= operand_number
        factors += operand_factors
    if coefficient == 0 or not factors:
        return number(coefficient)
    if abs(coefficient) != 1:
        factors = [ast.Constant(abs(coefficient)), *factors]
    result = factors[0]
    for factor in factors[1:]:
        result = ast.BinOp(result, ast.Mult(), factor)
    return result if coefficient > 0 else ast.UnaryOp(ast.USub(), result)


def _quotient(left: Expression, right: Expression) -> Expression:
    coefficient, factors = _coefficient(left)
    match right:
        case ast.Constant(value=int() | float() as value) if value and (coefficient != 1 or value == 1 or not factors):
            return _product(coefficient / value, factors)
    if coefficient < 0:
        return _product(-1.0, [_quotient(_product(-1.0, [left]), right)])
    return number(0.0) if coefficient == 0 else ast.BinOp(left, ast.Div(), right)


def _sum(left: Expression, right: Expression) -> Expression:
    match left, right:
        case ast.Constant(value=int() | float() as first), ast.Constant(value=int() | float() as second):
            return number(first + second)
        case ast.Constant(value=0), _:
            return right
        case _, ast.Constant(value=0):
            return left
        case ast.Constant(value=int() | float() as first), ast.UnaryOp(
            op=ast.USub(), operand=ast.Constant(value=int() | float() as second)
        ):
            return number(first - second)
        case _, ast.UnaryOp(op=ast.USub(), operand=operand):
            return ast.BinOp(left, ast.Sub(), operand)
    return ast.BinOp(left, ast.Add(), right)


def _power(base: Expression, exponent: Expression) -> Expression:
    match exponent:
        case ast.Constant(value=0):
            return number(1.0)
        case ast.Constant(value=1):
            return base
    return ast.Call(ast.Name("pow"), [base, exponent], [])


# --- writing -------------------------------------------------------------------------------------------------------

SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly an expression holds together, for `Notation.write`


class Notation:
    """How to write each kind of expression; the base class writes Python, which is also the text of a formula."""

    fraction_bar = False  # whether fractions and exponents are set above each other, which needs no parentheses

    def name(self, label: str) -> str:
        return label

    def number(self, value: float) -> str:
        return f"{value:.12g}"

    def sum(self, left: str, sign: str, right: str) -> str:
        return f"{left} {sign} {right}"

    def negative(self, operand: str) -> str:
        return f"-{operand}"

    def product(self, left: str, right: str) -> str:
        return f"{left}*{right}"

    def quotient(self, left: str, right: str) -> str:
        return f"{left}/{right}"

    def power(self, base: str, exponent: str) -> str:
        return f"{base}**{exponent}"

    def call(self, function: str, arguments: list[str]) -> str:
        return f"{function}({', '.join(arguments)})"

    def group(self, inner: str) -> str:
        return f"({inner})"

    def write(self, expression: Expression, above: int = SUM) -> str:
        """Write an expression, in parentheses where it holds together less tightly than `above` asks."""
        written, precedence = self._write(expression)
        return written if precedence >= above else self.group(written)

    def _write(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case ast.Name(id=label):
                return self.name(label), ATOM
            case ast.Constant(value=int() | float() as value):
                written = self.number(value)
                return written, PRODUCT if " " in written else ATOM  # 2 \cdot 10^{-5} holds together less
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negative(self.write(operand, PRODUCT)), SUM
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.sum(self.write(left), "+", self.write(right, PRODUCT)), SUM
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return self.sum(self.write(left), "-", self.write(right, PRODUCT)), SUM
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self.product(self.write(left, PRODUCT), self.write(right, POWER)), PRODUCT
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                if self.fraction_bar:
                    return self.quotient(self.write(left), self.write(right)), PRODUCT
                return self.quotient(self.write(left, PRODUCT), self.write(right, POWER)), PRODUCT
            case ast.Call(func=ast.Name(id="pow"), args=[base, exponent]):
                return self.power(
                    self.write(base, ATOM), self.write(exponent, SUM if self.fraction_bar else ATOM)
                ), POWER
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self.call(function, [self.write(argument) for argument in arguments]), ATOM
        raise ValueError(f"formula: cannot write {ast.unparse(expression)!r}")


_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
)
_LATEX_FUNCTIONS: dict[str, str] = {
    "sigmoid": r"\sigma",
    "log": r"\ln",
    "maximum": r"\max",
    "minimum": r"\min",
    **{function: rf"\{function}" for function in ("exp", "sin", "cos", "tan", "tanh")},
}
_LATEX_SPECIAL = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def label_parts(label: str) -> tuple[str, list[str], str]:
    """Split a label as students write it into its word, the indices below it and the layer above it.

    >>> label_parts("out_o1"), label_parts("w3"), label_parts("w_1_12^2"), label_parts("two words")
    (('out', ['o1'], ''), ('w', ['3'], ''), ('w', ['1', '12'], '2'), ('two words', [], ''))
    """
    match = re.fullmatch(r"([^\W\d_]+)_?([^\W_]*)(?:_(\w+))?(?:\^(\w+))?", label)
    if not match:
        return label, [], ""
    word, first, second, layer = match.groups()
    return word, [part for part in (first, second) if part], layer or ""


def _latex_word(word: str) -> str:
    """Set a run of characters: a letter or a number as it is, a Greek letter by its name, a word upright."""
    greek = unicodedata.name(word, "").removeprefix("GREEK SMALL LETTER ").lower() if len(word) == 1 else word
    if _GREEK.fullmatch(greek):
        return rf"\{greek}"
    if re.fullmatch(r"[A-Za-z]|[a-z]?[0-9]+", word):
        return word
    escaped = "".join(_LATEX_SPECIAL.get(sign, sign if sign.isprintable() else " ") for sign in word)
    return rf"\mathrm{{{escaped}}}" if re.fullmatch(r"[A-Za-z0-9]+", word) else rf"\text{{{escaped}}}"


class LaTeX(Notation):
    """The LaTeX of a formula."""

    fraction_bar = True

    def name(self, label: str) -> str:
        r"""Set a label: `out_o1` as \mathrm{out}_{o1}, `w3` as w_{3}, `z_1^2` as z_{1}^{(2)}."""
        word, indices, layer = label_parts(label)
        below = f"_{{{','.join(map(_latex_word, indices))}}}" if indices else ""
        return _latex_word(word) + below + (f"^{{({_latex_word(layer)})}}" if layer else "")

    def number(self, value: float) -> str:
        digits, _, exponent = f"{value:.12g}".partition("e")
        return rf"{digits} \cdot 10^{{{int(exponent)}}}" if exponent else digits

    def product(self, left: str, right: str) -> str:
        return rf"{left} \, {right}"

    def quotient(self, left: str, right: str) -> str:
        return rf"\frac{{{left}}}{{{right}}}"

    def power(self, base: str, exponent: str) -> str:
        if "^" in base and not base.startswith(r"\left("):
            base = self.group(base)  # there is room for one exponent only
        return f"{base}^{{{exponent}}}"

    def call(self, function: str, arguments: list[str]) -> str:
        inner = ", ".join(arguments)
        if function == "sqrt":
            return rf"\sqrt{{{inner}}}"
        if function == "abs":
            return rf"\left| {inner} \right|"
        written = _LATEX_FUNCTIONS.get(function) or rf"\operatorname{{{function.replace('_', ' ')}}}"
        return rf"{written}\left({inner}\right)"

    def group(self, inner: str) -> str:
        return rf"\left({inner}\right)"


_python, _latex = Notation(), LaTeX()


def text(expression: Expression) -> str:
    """Write an expression as text, which is also Python.

    >>> text(parse("x1 * w1 + x2 * w2 + b1"))
    'x1*w1 + x2*w2 + b1'
    """
    return _python.write(expression)


def latex(expression: Expression) -> str:
    r"""Write an expression as LaTeX, for math mode.

    >>> print(latex(parse("out_o1 * (1 - out_o1)")))
    \mathrm{out}_{o1} \, \left(1 - \mathrm{out}_{o1}\right)
    """
    return _latex.write(expression)
