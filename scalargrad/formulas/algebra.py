"""Formulas of matrices: worked out on lists of rows, and differentiated by the rules of the operations in them.

Reads the rules and the tree of a formula. `@` in it is the product of matrices, `*` goes entry by entry, `A.T` is the
transpose, `sum(A)` adds up all entries, and `ones(n, m)` is full of ones.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from operator import add, mul, neg, sub, truediv
from typing import Any, TypeAlias

from ..rules import FUNCTIONS, POWERS, RULES, Rule, function_of
from . import tidying, tree
from .tree import Expression

Matrix: TypeAlias = list[list[float]]  # a list of rows; a scalar is one row of one number
Shape: TypeAlias = tuple[int, int]  # rows and columns

ONES, SUM, SPREAD, GATHER = "ones", "sum", "arranged", "gathered"
PRIME = "'"  # ends the name of a derivative: relu'(net)
_TABLE = {*RULES.values(), *POWERS.values()}
_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}


def transposed(matrix: Expression) -> Expression:
    """Make the transpose: of a transpose the matrix, of a product that of the transposes."""
    if isinstance(matrix, ast.Attribute):
        return matrix.value
    match matrix:
        case ast.Constant():
            return matrix
        case ast.Call(func=ast.Name(id=word) as function, args=[rows, columns]) if word == ONES:
            return ast.Call(function, [columns, rows], [])
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            return product(transposed(right), transposed(left))
    return ast.Attribute(matrix, "T")


def product(left: Expression, right: Expression) -> Expression:
    """Make the product of two matrices; the number 1 is left out."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, ast.Constant) and one.value == 1:
            return other
    return ast.BinOp(left, ast.MatMult(), right)


def ones(rows: int, columns: int) -> Expression:
    """Make a matrix of ones."""
    return ast.Call(ast.Name(ONES), [ast.Constant(rows), ast.Constant(columns)], [])


def call(word: str, *operands: Expression) -> Expression:
    """Make a function of matrices."""
    return ast.Call(ast.Name(word), list(operands), [])


def word_of(rule: Rule) -> str:
    """Name a rule in formulas: own_relu where the name of a student's own operation means something here."""
    is_taken = rule.name in RULES or rule.name in (ONES, SUM, SPREAD, GATHER)
    return f"own_{rule.name}" if is_taken and rule not in _TABLE else rule.name


def value_formula(rule: Rule) -> Expression:
    """Give the formula of a rule as it is written; a student's own operation by its word, for its own partials."""
    return tree.value_formula(rule) if rule in _TABLE else call(word_of(rule), *map(tree.name, rule.operands))


def is_ones(expression: Expression) -> bool:
    """Tell whether an expression is a matrix of ones."""
    return isinstance(expression, ast.Call) and isinstance(expression.func, ast.Name) and expression.func.id == ONES


def names_in(expression: Expression | None) -> Iterator[str]:
    """List the names of matrices, each as often as it occurs, from left to right; none for no formula."""
    match expression:
        case ast.Name(id=label):
            yield label
        case ast.Call(args=operands):
            for operand in operands:
                yield from names_in(operand)
        case ast.BinOp(left=left, right=right):
            yield from names_in(left)
            yield from names_in(right)
        case ast.UnaryOp(operand=operand) | ast.Attribute(value=operand):
            yield from names_in(operand)


def products_in(expression: Expression | None) -> Iterator[Expression]:
    """List the products of two different matrices, but for those with ones, which only repeat or add up."""
    for part in ast.walk(expression) if expression else ():
        match part:
            case ast.BinOp(left=left, op=ast.MatMult(), right=right) if not is_ones(left) and not is_ones(right):
                yield part


# --- shapes ----------------------------------------------------------------------------------------------------------


def shape(expression: Expression, shapes: Mapping[str, Shape]) -> Shape:
    """Work out how many rows and columns come out; a scalar has one of each."""
    match expression:
        case ast.Name(id=label):
            return shapes[label]
        case ast.Attribute(value=inner):
            rows, columns = shape(inner, shapes)
            return columns, rows
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            return shape(left, shapes)[0], shape(right, shapes)[1]
        case ast.BinOp(left=left, right=right):
            return max(shape(left, shapes), shape(right, shapes))
        case ast.UnaryOp(operand=inner):
            return shape(inner, shapes)
        case ast.Call(func=ast.Name(id=word), args=[ast.Constant(value=rows), ast.Constant(value=columns)]) if (
            word == ONES
        ):
            return int(rows), int(columns)
        case ast.Call(func=ast.Name(id=word)) if word == SUM:
            return 1, 1
        case ast.Call(args=operands):
            return max(shape(operand, shapes) for operand in operands)
    return 1, 1


# --- numbers ---------------------------------------------------------------------------------------------------------


class Words:
    """What the functions in formulas of matrices mean: the rows of the table, and operations of a student's own."""

    def __init__(self, own: Mapping[str, Rule] | None = None) -> None:
        self.rules: dict[str, Rule] = {**(own or {}), **RULES}

    def rule(self, word: str) -> Rule:
        """Give the rule of that name."""
        return self.rules[word]

    def function(self, word: str) -> Callable[..., float]:
        """Give the function of floats of that name, which may be a derivative: `relu'`, or `maximum'a`."""
        name, is_derivative, operand = word.partition(PRIME)
        if not is_derivative:
            if name in FUNCTIONS:
                return FUNCTIONS[name]
            return function_of(self.rules[name], self.rules[name].formula, self.rules[name].operands)
        rule = self.rules[name]
        partial = rule.partials[rule.operands.index(operand or "a")]
        value = function_of(rule, rule.formula, rule.operands)
        derivative = function_of(rule, partial, (*rule.operands, "y"))
        return lambda *numbers: derivative(*numbers, value(*numbers))


def evaluate(expression: Expression, tables: Mapping[str, Matrix], words: Words) -> Matrix:
    """Work out a formula on tables of numbers; a scalar meets every entry of what it is combined with."""

    def work(part: Expression) -> Matrix:
        match part:
            case ast.Name(id=label):
                return tables[label]
            case ast.Constant(value=int() | float() as number):
                return [[float(number)]]
            case ast.Attribute(value=inner):
                return [list(column) for column in zip(*work(inner))]
            case ast.UnaryOp(operand=inner):
                return entrywise(neg, work(inner))
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                columns = list(zip(*work(right)))
                return [[sum(map(mul, row, column)) for column in columns] for row in work(left)]
            case ast.BinOp(left=left, op=operator, right=right):
                operate: dict[type[ast.operator], Callable[..., float]] = {
                    ast.Add: add,
                    ast.Sub: sub,
                    ast.Mult: mul,
                    ast.Div: truediv,
                }
                return entrywise(operate[type(operator)], work(left), work(right))
            case ast.Call(func=ast.Name(id=word), args=operands) if word == ONES:
                rows, columns_ = (int(size.value) for size in operands)  # type: ignore[attr-defined]
                return [[1.0] * columns_ for _ in range(rows)]
            case ast.Call(func=ast.Name(id=word), args=[operand]) if word == SUM:
                return [[sum(chain(*work(operand)))]]
            case ast.Call(func=ast.Name(id=word), args=operands):
                return entrywise(words.function(word), *map(work, operands))
        raise ValueError(f"matrices: cannot work out {ast.unparse(part)!r}")

    return work(expression)


def entrywise(function: Callable[..., float], *operands: Matrix) -> Matrix:
    """Call a function on each entry; a matrix of one number stands for as many as are needed."""
    largest = max(operands, key=lambda matrix: (len(matrix), len(matrix[0])))
    rows, columns = len(largest), len(largest[0])
    full = [[matrix[0] * columns] * rows if len(matrix) == len(matrix[0]) == 1 else matrix for matrix in operands]
    return [[function(*entries) for entries in zip(*rows_, strict=True)] for rows_ in zip(*full, strict=True)]


# --- derivatives -----------------------------------------------------------------------------------------------------


class Differentiation:
    """The chain rule through formulas of matrices: what an upstream gradient brings to each name in one."""

    def __init__(
        self, shapes: Mapping[str, Shape], tables: Mapping[str, Matrix], words: Words, primes: bool = False
    ) -> None:
        self.shapes, self.tables, self.words = shapes, tables, words
        self.primes = primes  # whether the derivative of a function is written as sigmoid'(net)

    def contributions(
        self, expression: Expression, upstream: Expression, value: Expression
    ) -> list[tuple[str, Expression]]:
        """List what reaches each name, in the order in which they stand in the formula.

        `upstream` is the gradient of the formula, `value` the name that it has.
        """
        found: list[tuple[str, Expression]] = []
        self._go_down(expression, upstream, value, found)
        return found

    def _go_down(self, part: Expression, upstream: Expression, value: Expression, found: list[Any]) -> None:
        match part:
            case ast.Name(id=label):
                found.append((label, upstream))
            case ast.Attribute(value=inner):
                self._go_down(inner, transposed(upstream), transposed(value), found)
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                if not is_ones(left):
                    self._go_down(left, product(upstream, transposed(right)), left, found)
                if not is_ones(right):
                    self._go_down(right, product(transposed(left), upstream), right, found)
            case ast.Call(func=ast.Name(id=word), args=[operand]) if word == SUM:
                self._go_down(operand, self._times(upstream, ones(*self._shape(operand))), operand, found)
            case ast.Constant():
                pass
            case _:
                rule, operands = self._rule(part)
                if rule is None:
                    return
                for slot, operand in enumerate(operands):
                    if any(names_in(operand)):
                        local = self._local(rule, slot, operands, value)
                        arriving = tidying.tidy(self._times(upstream, tidying.tidy(local)))
                        if self._shape(operand) == (1, 1) != self._shape(part):
                            arriving = call(SUM, self._filled(arriving, self._shape(part)))
                        self._go_down(operand, arriving, operand, found)

    def _rule(self, part: Expression) -> tuple[Rule | None, list[Expression]]:
        match part:
            case ast.BinOp(left=left, op=operator, right=right):
                return RULES[_OPERATORS[type(operator)]], [left, right]
            case ast.UnaryOp(operand=operand):
                return RULES["neg"], [operand]
            case ast.Call(func=ast.Name(id=word), args=operands) if word not in (ONES, SPREAD, GATHER):
                return self.words.rule(word), operands
        return None, []

    def _local(self, rule: Rule, slot: int, operands: list[Expression], value: Expression) -> Expression:
        """Give the formula of a local derivative; `relu'(net)` where the entries are on different sides of a kink."""
        partial = tree.parse(rule.partials[slot])
        words = {"y": value, **dict(zip("ab", operands))}
        if self.primes and len(operands) == 1 and rule is not RULES["neg"]:
            return call(word_of(rule) + PRIME, *operands)
        if any(isinstance(inner, ast.IfExp) for inner in ast.walk(partial)):
            numbers = [evaluate(operand, self.tables, self.words) for operand in operands]
            compute = self.words.function(word_of(rule))
            branches: dict[str, Expression] = {}
            shape_ = max((len(matrix), len(matrix[0])) for matrix in numbers)
            spread = [entrywise(lambda number, _: number, matrix, _zeros(shape_)) for matrix in numbers]
            for rows in zip(*spread):
                for entries in zip(*rows):
                    branch = tree.substitute(partial, {}, {"y": compute(*entries), **dict(zip("ab", entries))})
                    branches[ast.dump(branch)] = branch
            if len(branches) > 1:
                return call(word_of(rule) + PRIME + (rule.operands[slot] if len(rule.operands) > 1 else ""), *operands)
            (partial,) = branches.values()
        return tree.substitute(partial, words, {})

    def _shape(self, expression: Expression) -> Shape:
        return shape(expression, self.shapes)

    def _times(self, left: Expression, right: Expression) -> Expression:
        """Multiply entry by entry; ones that change no shape are left out."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, ast.Constant) and one.value == 1:
                return other
            if self._shape(one) == self._shape(other):
                match one:
                    case ast.BinOp(left=factor, op=ast.Mult(), right=ast.Call() as last) if is_ones(last):
                        return tree.product(factor, other) if one is left else tree.product(other, factor)
                if is_ones(one):
                    return other
        return tree.product(left, right)

    def _filled(self, expression: Expression, needed: Shape) -> Expression:
        """Spread a scalar over a shape."""
        return expression if self._shape(expression) == needed else self._times(expression, ones(*needed))


def _zeros(shape_: Shape) -> Matrix:
    return [[0.0] * shape_[1] for _ in range(shape_[0])]
