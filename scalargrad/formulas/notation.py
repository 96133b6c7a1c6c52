"""Write a formula: one way through its tree, and a method for each kind of expression, which a language replaces.

Reads the tree of a formula.
"""

import ast

from .tree import Expression

SUM, PRODUCT, POWER, ATOM = range(4)  # the precedence of an expression, for `Notation.write`


class Notation:
    """How to write each kind of expression; the base class writes Python, which is also the text of a formula.

    A language replaces signs and forms, with `{}` for each part, and a method where these are not enough.
    """

    plus, minus, negation, times = " + ", " - ", "-", "*"
    fraction, raised, parentheses = "{}/{}", "{}**{}", "({})"
    fraction_bar = False  # whether fractions and exponents are set above each other, which needs no parentheses
    powers_of_ten = False  # whether 2e-09 is written as a product with a power of ten

    def name(self, label: str) -> str:
        return label

    def number(self, value: float) -> str:
        digits, _, exponent = self.figures(value).partition("e")
        return self.power_of_ten(digits, int(exponent)) if exponent else digits

    def figures(self, value: float) -> str:
        return f"{value:.12g}"

    def power_of_ten(self, digits: str, exponent: int) -> str:
        return f"{digits}e{exponent:+03}"

    def sum(self, left: str, sign: str, right: str) -> str:
        return f"{left}{self.plus if sign == '+' else self.minus}{right}"

    def negative(self, operand: str) -> str:
        return f"{self.negation}{operand}"

    def product(self, left: str, right: str) -> str:
        return f"{left}{self.times}{right}"

    def quotient(self, left: str, right: str) -> str:
        return self.fraction.format(left, right)

    def power(self, base: str, exponent: str) -> str:
        return self.raised.format(base, exponent)

    def call(self, function: str, arguments: list[str]) -> str:
        return f"{function}({', '.join(arguments)})"

    def group(self, inner: str) -> str:
        return self.parentheses.format(inner)

    def write(self, expression: Expression, above: int = SUM) -> str:
        """Write an expression, in parentheses where its precedence is below `above`."""
        written, precedence = self._write(expression)
        return written if precedence >= above else self.group(written)

    def _write(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case ast.Name(id=label):
                return self.name(label), ATOM
            case ast.Constant(value=int() | float() as value):
                is_product = self.powers_of_ten and "e" in self.figures(value)
                return self.number(value), PRODUCT if is_product else ATOM
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


_python = Notation()


def text(expression: Expression) -> str:
    """Write an expression as text, which is also Python.

    >>> from scalargrad.formulas.tree import parse
    >>> text(parse("x1 * w1 + x2 * w2 + b1"))
    'x1*w1 + x2*w2 + b1'
    """
    return _python.write(expression)
