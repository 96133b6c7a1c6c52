"""Write a formula as a person would: no `1 *`, no `+ -`, numbers gathered in front.

Reads the tree of a formula.
"""

import ast

from .tree import Expression, number


def tidy(expression: Expression) -> Expression:
    """Write an expression as a person would: no `1 *`, no `+ -`, numbers gathered in front; the order is kept.

    >>> from scalargrad.formulas.notation import text
    >>> from scalargrad.formulas.tree import parse
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
