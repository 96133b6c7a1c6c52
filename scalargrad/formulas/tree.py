"""A rule's formula as a tree, with the names of a graph put in.

Reads the rules. A formula is an expression of Python's own `ast`; a `Name` in it holds any label.
"""

import ast
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

    >>> from scalargrad.formulas.notation import text
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
            case ast.Attribute(value=inner, attr=attribute):
                return ast.Attribute(put(inner), attribute)
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


def difference(left: Expression, right: Expression) -> Expression:
    """Make the difference of two expressions, as it stands."""
    return ast.BinOp(left, ast.Sub(), right)


def negative(expression: Expression) -> Expression:
    """Make the negative of an expression, as it stands."""
    return ast.UnaryOp(ast.USub(), expression)


def value_formula(rule: Rule) -> Expression:
    """Give the formula of a rule as it is written: an operator, or else the name of the function.

    >>> from scalargrad.formulas.notation import text
    >>> from scalargrad.rules import RULES
    >>> text(value_formula(RULES["mul"])), text(value_formula(RULES["sigmoid"]))
    ('a*b', 'sigmoid(a)')
    """
    formula = parse(rule.formula)
    match formula:
        case ast.BinOp(left=ast.Name(), right=ast.Name()) | ast.UnaryOp(operand=ast.Name()):
            return formula
    return ast.Call(ast.Name(rule.name), [ast.Name(operand) for operand in rule.operands], [])
