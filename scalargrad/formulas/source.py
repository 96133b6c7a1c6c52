"""A rule's formula as a template of source text, with a slot for each operand.

Reads the rules and the formulas. The emitter fills the slots; a target says how each kind of expression is written.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, ClassVar, NamedTuple

from ..primitives import PRIMITIVES
from ..rules import RULES, Rule
from .notation import Notation
from .tree import Expression, name, number, parse, product

LOOSE, SUM, PRODUCT, POWER, ATOM = range(-1, 4)  # the precedence of a text, as in `Notation`


class Term(NamedTuple):
    """The text of an expression, and what must be known to build it into a larger one."""

    text: str
    precedence: int = ATOM
    size: int = 1  # how many names and numbers it holds
    varies: bool = True  # whether it differs from row to row
    number: float | None = None  # what it is, where it is a number

    @property
    def negative(self) -> bool:
        """Whether the text is a minus sign and then a product."""
        return self.precedence == SUM and self.text.startswith("-") and self.number is None

    def __format__(self, above: str) -> str:
        return self.text if self.precedence >= int(above or ATOM) else f"({self.text})"


class Template(NamedTuple):
    """The text of a formula with slots, such as `{u:1}*{b:2}`, and how often each slot occurs."""

    text: str
    precedence: int
    uses: Mapping[str, int]
    slot: str = ""  # the slot that is the whole formula, if it is no more than that
    absorbs: frozenset[str] = frozenset()  # the slots in which an infinity may be lost, as in tanh
    number: float | None = None  # the number that the formula comes to, if it is one

    def fill(self, terms: Mapping[str, Term]) -> Term:
        """Put terms into the slots."""
        if self.slot:
            return terms[self.slot]
        if self.number is not None:
            return Term(self.text, self.precedence, varies=False, number=self.number)
        used = [terms[slot] for slot in self.uses]
        size = sum(term.size * count for term, count in zip(used, self.uses.values()))
        return Term(self.text.format_map(terms), self.precedence, size, any(term.varies for term in used))


class SourceNotation(Notation):
    """How a target writes an expression; the base class writes Python, with a slot for each name."""

    conditional, precedence = "{1} if {0} else {2}", LOOSE  # the form of a choice, and how close it binds
    compared, conjunction = "{} {} {}", "{} and {}"
    signs: ClassVar[Mapping[str, str]] = {}  # of comparisons, where they differ from Python's
    square = True  # whether pow(a, 2) may become a*a, which can differ in the last bit

    def write(self, expression: Expression, above: int = SUM) -> str:
        if isinstance(expression, ast.Name):
            return f"{{{expression.id}:{above}}}"
        return super().write(expression, above)

    def number(self, value: float) -> str:
        return repr(float(value))

    def power(self, base: str, exponent: str) -> str:
        return self.call("pow", [base, exponent])

    def choice(self, test: str, body: str, otherwise: str) -> tuple[str, int]:
        return self.conditional.format(test, body, otherwise), self.precedence

    def comparison(self, left: str, sign: str, right: str) -> str:
        return self.compared.format(left, self.signs.get(sign, sign), right)

    def both(self, left: str, right: str) -> str:
        return self.conjunction.format(left, right)

    def function(self, name: str, operands: list[str], formula: Expression) -> str:
        """Write a formula as a function of its own."""
        return f"def {name}({', '.join(operands)}):\n    return {self.with_operands(formula)}\n"

    def with_operands(self, formula: Expression) -> str:
        """Write a formula in its own words."""
        return self.write(formula, LOOSE).format_map({slot: Term(slot) for slot in "aby"})

    def test(self, expression: Expression) -> str:
        """Write a condition."""
        match expression:
            case ast.Compare(left=left, ops=signs, comparators=others):
                pairs = zip([left, *others], signs, others)
                tests = [self.comparison(self.write(a), COMPARISONS[type(sign)], self.write(b)) for a, sign, b in pairs]
                return reduce(lambda first, second: self.both(f"({first})", f"({second})"), tests)
        return self.comparison(self.write(expression), "!=", self.number(0.0))

    def _write(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self.choice(self.test(test), self.write(body), self.write(otherwise))
            case ast.Compare():  # taken as a number: 1 or 0
                return self.choice(self.test(expression), self.number(1.0), self.number(0.0))
        return super()._write(expression)


COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_DECIDES = re.compile(r"\bif\b|\bpow\b")  # where the number of an operand changes what is written
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class Formulas:
    """The formulas of the rules as one target writes them, and the functions that they call."""

    def __init__(self, notation: SourceNotation, reserved: frozenset[str]) -> None:
        self.notation = notation
        self.functions: dict[str, str] = {}  # the text of each function that the program needs, by its name
        self._reserved = reserved
        self._names: dict[tuple[Rule, int], str] = {}
        self._templates: dict[tuple[Any, ...], Template] = {}

    def number(self, value: float) -> Term:
        """Make the term of a number."""
        return Term(self.notation.number(value), ATOM if value >= 0 else SUM, varies=False, number=value)

    def template(self, rule: Rule, part: int, terms: Mapping[str, Term]) -> Template:
        """Make the template of a rule's value (part 0) or of one of its local derivatives (parts 1 and 2).

        With an upstream gradient `u` among the terms the formula is multiplied by it.
        """
        numbers = {slot: term.number for slot, term in terms.items() if term.number is not None}
        if numbers and "u" not in numbers and not _DECIDES.search((rule.formula, *rule.partials)[part]):
            numbers = {slot: number for slot, number in numbers.items() if abs(number) == 1.0}  # others change nothing
        upstream = "u" in terms
        key = (rule, part, tuple(numbers.items()), upstream)
        if key not in self._templates:
            try:
                self._templates[key] = self._template(rule, part, numbers, upstream)
            except ValueError as error:
                raise ValueError(f"compile: cannot write the operation {rule.name}: {error}") from None
        return self._templates[key]

    def _template(self, rule: Rule, part: int, numbers: Mapping[str, float], upstream: bool) -> Template:
        whole = parse((rule.formula, *rule.partials)[part])
        folded = self._fold(whole, numbers)
        if {ast.IfExp, ast.Call} <= set(map(type, ast.walk(folded))):  # too long to stand inside a line
            operands = [number(numbers[slot]) if slot in numbers else name(slot) for slot in _operands(whole)]
            folded = ast.Call(ast.Name(self._function(rule, part)), operands, [])
        if upstream and not (part and _value(folded) == 0.0):
            folded = _operate(self._fold(name("u"), numbers), ast.Mult(), folded)
        if isinstance(folded, ast.Name):
            return Template("", ATOM, {folded.id: 1}, folded.id)
        text, precedence = self.notation._write(folded)
        slots = re.findall(r"\{(\w):", text)
        uses = {slot: slots.count(slot) for slot in dict.fromkeys(slots)}
        return Template(text, precedence, uses, absorbs=frozenset(_absorbing(folded)), number=_value(folded))

    def _function(self, rule: Rule, part: int) -> str:
        """Give the name of the function of a formula, and keep its text."""
        if (rule, part) not in self._names:
            function = rule.name + ("", "_da", "_db")[part]
            while function in self.functions or function in self._reserved:
                function += "_"
            self._names[rule, part] = function
            formula = parse((rule.formula, *rule.partials)[part])
            written = self.notation.function(function, _operands(formula), self._fold(formula, {}))
            self.functions[function] = written  # after the functions that it calls
        return self._names[rule, part]

    def _fold(self, expression: Expression, numbers: Mapping[str, float]) -> Expression:
        """Put numbers in the place of names and work out what they decide; no bit of any result changes."""

        def put(part: Expression) -> Expression:
            match part:
                case ast.Name(id=label):
                    return number(numbers[label]) if label in numbers else part
                case ast.UnaryOp(op=ast.USub() as op, operand=operand):
                    operand = put(operand)
                    value = _value(operand)
                    return ast.UnaryOp(op, operand) if value is None else number(-value)
                case ast.BinOp(left=left, op=op, right=right):
                    return _operate(put(left), op, put(right))
                case ast.Call(func=ast.Name(id=function), args=arguments):
                    return self._call(function, [put(argument) for argument in arguments])
                case ast.Compare(left=left, ops=signs, comparators=others):
                    return _compare(put(left), signs, [put(other) for other in others])
                case ast.IfExp(test=test, body=body, orelse=otherwise):
                    test = put(test)
                    if any(isinstance(inner, ast.Name) for inner in ast.walk(test)):
                        return ast.IfExp(test, put(body), put(otherwise))
                    return put(body if eval(ast.unparse(test)) else otherwise)
            return part

        return put(expression)

    def _call(self, function: str, arguments: list[Expression]) -> Expression:
        match function, arguments:
            case "pow", [base, exponent] if _value(exponent) == 1.0:
                return base
            case "pow", [ast.Name() as base, exponent] if _value(exponent) == 2.0 and self.notation.square:
                return product(base, base)
        if function not in PRIMITIVES:  # another row, called by its name
            function = self._function(RULES[function], 0)
        return ast.Call(ast.Name(function), arguments, [])


def _operands(formula: Expression) -> list[str]:
    """List the operands that a formula mentions."""
    mentioned = {part.id for part in ast.walk(formula) if isinstance(part, ast.Name)}
    return [slot for slot in "aby" if slot in mentioned]


def _absorbing(expression: Expression) -> set[str]:
    """Find the operands that may be infinite while the result is finite."""
    match expression:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            return _absorbing(left) | _absorbing(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _absorbing(left) | set(_operands(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _absorbing(operand)
        case ast.Name():
            return set()
    return set(_operands(expression))


def _value(expression: Expression) -> float | None:
    """Give the number that an expression is, or None."""
    match expression:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
    return None


def _compare(left: Expression, signs: list[ast.cmpop], others: list[Expression]) -> Expression:
    """Make a comparison; of a chain such as `a == 0 == b` no more than false where two numbers in it decide that."""
    for first, sign, second in zip([left, *others], signs, others):
        pair = ast.Compare(first, [sign], [second])
        if len(signs) > 1 and None not in (_value(first), _value(second)) and not eval(ast.unparse(pair)):
            return ast.Constant(False)
    return ast.Compare(left, signs, others)


def _operate(left: Expression, op: ast.operator, right: Expression) -> Expression:
    """Make the sum, difference, product or quotient of two expressions, worked out where it is a number."""
    first, second = _value(left), _value(right)
    if first is not None and second is not None and type(op) in _ARITHMETIC and (second or type(op) is not ast.Div):
        return number(_ARITHMETIC[type(op)](first, second))
    match op, first, second:
        case ((ast.Mult() | ast.Div()), _, 1.0):
            return left
        case ast.Mult(), 1.0, _:
            return right
        case ((ast.Mult() | ast.Div()), _, -1.0):
            return ast.UnaryOp(ast.USub(), left)
        case ast.Mult(), -1.0, _:
            return ast.UnaryOp(ast.USub(), right)
    return ast.BinOp(left, op, right)
