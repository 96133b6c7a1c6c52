"""Formulas typed as text, `z = w*x + b; y = sigmoid(z)`, recorded as a graph of Values.

Reads the rules and the functions. The text is read token by token and never evaluated: it may hold names, numbers,
+ - * / **, brackets and the functions of the table, and nothing else.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import pairwise
from math import isfinite
from typing import NamedTuple, NoReturn
from unicodedata import normalize

from .. import functions
from ..engine import Value, topological_order
from ..recording import Number
from ..rules import RULES

_LONGEST = 10_000  # characters of text
_DEEPEST = 100  # operators and brackets that wait for what stands inside them
_LONGEST_SHOWN = 40  # characters of one word in a message
_MOST_NAMES = 8  # in a message

_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NAME = r"[^\W\d]\w*"
_TOKEN = re.compile(rf"[^\S\n]*(?:(?P<number>{_NUMBER})|(?P<name>{_NAME})|(?P<sign>\*\*|[-+*/(),=;\n])|(?P<other>\S))")
_RAISED = re.compile(r"(\w*?)([⁰¹²³⁴-⁹]+)")  # a power as one writes it by hand
_INSTEAD = {"^": "**", "×": "*", "·": "*", "÷": "/", "−": "-", "{": "(", "[": "(", "}": ")", "]": ")"}

_BINARY = {"+": ("add", 1), "-": ("sub", 1), "*": ("mul", 2), "/": ("div", 2), "**": ("pow", 4)}
_NEGATIVE = 3  # between a product and a power: -x**2 is -(x**2)


class TypedGraph(NamedTuple):
    """What was recorded: the result of the last statement, and every name of the text with its node."""

    root: Value
    names: dict[str, Value]


class _Token(NamedTuple):
    kind: str  # "number", "name", "sign" or "end"
    text: str
    start: int


class _Waiting(NamedTuple):
    """An operator, or a bracket with the function before it, that waits for what comes after it."""

    token: _Token
    rule: str  # "" for a bracket that only groups
    precedence: int  # 0 for a bracket
    operands: int  # how many stood before it


def record_expression(text: str, numbers: Mapping[str, Number]) -> TypedGraph:
    """Record the formulas of `text`, with the numbers given for its names; each name becomes a label.

    Statements are parted by `;` or lines, and the last one is the root. Raises ValueError, with the place marked,
    for all that is not a formula, for a name without a number, and for a number or a statement that is not needed.

    >>> root, names = record_expression("z = w*x; y = z**2", {"w": 0.5, "x": 3})
    >>> root.data, root.label, names["z"].data
    (2.25, 'y', 1.5)
    """
    if len(text) > _LONGEST:
        raise ValueError(f"expression: {len(text)} characters are too many, at most {_LONGEST} are read")
    return _Reader(text, numbers).read()


def read_numbers(arguments: Iterable[str]) -> dict[str, float]:
    """Read `name=number` arguments, as they stand on a command line.

    Raises ValueError for what is not a name with a number, and for a name given twice.

    >>> read_numbers(["w=0.6", "x=-1.5e3"])
    {'w': 0.6, 'x': -1500.0}
    """
    numbers: dict[str, float] = {}
    for argument in arguments:
        match = re.fullmatch(rf"\s*({_NAME})\s*=\s*([+-]?{_NUMBER})\s*", argument)
        if not match:
            raise ValueError(f"expression: needs name=number, as in w=0.6, got {_shown(argument[:40])}")
        if match[1] in numbers:
            raise ValueError(f"expression: {match[1]} is given twice; give one number for each name")
        numbers[match[1]] = float(match[2])
        if not isfinite(numbers[match[1]]):
            raise ValueError(f"expression: the number of {match[1]} is too large for a float: {_shown(match[2])}")
    return numbers


class _Reader:
    """Reads the statements from left to right and records each operation as soon as both its operands are known."""

    def __init__(self, text: str, numbers: Mapping[str, Number]) -> None:
        self.text = text
        self.numbers = numbers
        self.names: dict[str, Value] = {}
        self.statements = [tokens for tokens in self._statements() if len(tokens) > 1]
        if not self.statements:
            raise ValueError("expression: there is nothing to read; write a formula, as in y = w*x + b")
        self._take(numbers)

    def read(self) -> TypedGraph:
        """Record every statement."""
        results = [self._statement(tokens) for tokens in self.statements]
        used = set(topological_order(results[-1]))
        for tokens, result in zip(self.statements, results):
            if result not in used:
                self._refuse(tokens[0], f"{_shown(tokens[0].text)} does not lead to the last statement; leave it out")
        if unused := [name for name in self.numbers if name not in self.names]:  # a mistake in a formula comes first
            strange = ", ".join(map(_plain, unused[:_MOST_NAMES]))
            raise ValueError(f"expression: {strange} does not stand in the text; leave its number out")
        return TypedGraph(results[-1], self.names)

    def _refuse(self, token: _Token, reason: str) -> NoReturn:
        """Raise ValueError on one line, with the text around the token and the token marked."""
        end = token.start + len(token.text)
        before, after = self.text[max(0, token.start - 20) : token.start], self.text[end : end + 20]
        line = self.text.count("\n", 0, token.start)
        column = token.start - self.text.rfind("\n", 0, token.start)
        place = f"line {line + 1}, column {column}" if "\n" in self.text else f"column {column}"
        marked = f"{_plain(before)}>>>{_plain(token.text)}<<<{_plain(after)}"
        raise ValueError(f"expression: {reason} ({place}: {marked})") from None

    def _statements(self) -> Iterable[list[_Token]]:
        statement: list[_Token] = []
        depth = 0
        for match in _TOKEN.finditer(self.text):
            token = _Token(match.lastgroup or "", match[match.lastgroup or 0], match.start(match.lastgroup or 0))
            if token.kind == "other":
                instead = _INSTEAD.get(token.text, normalize("NFKC", token.text))
                hint = f"; write {instead}" if _TOKEN.fullmatch(instead) and instead != token.text else ""
                self._refuse(token, f"cannot read {_shown(token.text)}{hint}")
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == ";" or (token.text == "\n" and depth <= 0):
                yield [*statement, token._replace(kind="end")]
                statement, depth = [], 0
            elif token.text != "\n":
                statement.append(token)
        yield [*statement, _Token("end", "", len(self.text))]

    def _take(self, numbers: Mapping[str, Number]) -> None:
        """Make the leaves, once every name is known to have one number or one formula."""
        assigned: set[str] = set()
        missing: dict[str, _Token] = {}
        for tokens in self.statements:
            target, body = _parted(tokens)
            for token, following in pairwise(body):
                known = token.text in assigned or token.text in numbers
                if token.kind == "name" and following.text == "(" and known:
                    name = _plain(token.text)
                    self._refuse(token, f"{name} is a number and not a function; for a product write {name}*(...)")
                if token.kind == "name" and following.text != "(" and not known:
                    missing.setdefault(token.text, token)
                if token.text in numbers and token.text not in self.names:
                    self.names[token.text] = self._leaf(token.text, numbers[token.text])
            if target and target.text in missing:
                self._refuse(missing[target.text], f"{_shown(target.text)} is used before its own statement")
            if target and (target.text in assigned or target.text in numbers):
                self._refuse(target, f"{_shown(target.text)} has a number or a formula already; take a new name")
            if target:
                assigned.add(target.text)
        if missing:
            token = next(iter(missing.values()))
            near = get_close_matches(token.text, [*numbers, *assigned], 1)
            instead = f", or write {near[0]}" if near else ""
            if power := _RAISED.fullmatch(token.text):
                self._refuse(token, f"cannot read {_shown(power[2])}; write {power[1]}**{normalize('NFKC', power[2])}")
            names = list(missing)[:_MOST_NAMES]
            add = " ".join(f"{_plain(name)}=NUMBER" for name in names) + " ..." * (len(missing) > len(names))
            self._refuse(token, f"no number for {', '.join(map(_shown, names))}: add {add}{instead}")

    def _leaf(self, name: str, number: Number) -> Value:
        try:
            return Value(number, label=name)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise type(error)(f"expression: the number of {_plain(name)}: {error}") from None

    def _statement(self, tokens: list[_Token]) -> Value:
        target, body = _parted(tokens)
        result = self._formula(body)
        if not isinstance(result, Value):
            if not target:
                self._refuse(body[0], "only numbers: there is nothing to differentiate; put a name in")
            result = Value(result)
        if target:
            result.label = result.label or target.text
            self.names[target.text] = result
        return result

    def _formula(self, tokens: list[_Token]) -> Value | float:
        """Read one formula: operands on one stack, and on another what waits for its second operand."""
        operands: list[Value | float] = []
        waiting: list[_Waiting] = []
        called: _Token | None = None  # the function whose bracket comes next
        complete = False  # whether an operand stands just before

        def apply(least: float) -> None:
            while waiting and waiting[-1].precedence >= least:
                last = waiting.pop()
                self._apply(last.token, last.rule, operands, len(RULES[last.rule].operands))

        for token, following in pairwise([*tokens, tokens[-1]]):
            what = "the end" if token.kind == "end" else _shown(token.text)
            if not complete and token.kind == "number":
                operands.append(self._number(token))
                complete = True
            elif not complete and token.kind == "name" and following.text == "(":
                called = self._function(token)
            elif not complete and token.kind == "name":
                operands.append(self.names[token.text])
                complete = True
            elif not complete and token.text == "(":
                waiting.append(_Waiting(called or token, called.text if called else "", 0, len(operands)))
                called = None
            elif not complete and token.text == "-":
                waiting.append(_Waiting(token, "neg", _NEGATIVE, len(operands)))
            elif not complete and token.text != "+":
                self._refuse(token, f"a name or a number is missing before {what}")
            elif complete and token.text in _BINARY:
                rule, precedence = _BINARY[token.text]
                apply(precedence + (rule == "pow"))  # a power groups to the right
                waiting.append(_Waiting(token, rule, precedence, len(operands)))
                complete = False
            elif complete and token.text in (",", ")"):
                apply(1)
                if not waiting or (token.text == "," and not waiting[-1].rule):
                    self._refuse(
                        token, f"{what} stands where no bracket" + " of a function" * (token.text == ",") + " is open"
                    )
                complete = token.text == ")"
                if complete and (bracket := waiting.pop()).rule:
                    self._apply(bracket.token, bracket.rule, operands, len(operands) - bracket.operands)
            elif complete and token.kind != "end":
                self._refuse(token, f"an operator is missing before {what}")
            if len(waiting) > _DEEPEST:
                self._refuse(token, f"nested more than {_DEEPEST} deep; give the inner parts names of their own")
        apply(1)
        if waiting:
            self._refuse(waiting[-1].token, "this bracket is not closed")
        return operands.pop()

    def _number(self, token: _Token) -> float:
        number = float(token.text)
        if not isfinite(number):
            self._refuse(token, "this number is too large for a float")
        return number

    def _function(self, token: _Token) -> _Token:
        if token.text not in RULES:
            near = get_close_matches(token.text, RULES, 1)
            known = f"the nearest is {near[0]}" if near else f"known are {', '.join(RULES)}"
            self._refuse(token, f"unknown function {_shown(token.text)}; {known}")
        return token

    def _apply(self, token: _Token, rule: str, operands: list[Value | float], count: int) -> None:
        """Replace the last operands by the result of the operation."""
        if count != len(RULES[rule].operands):
            self._refuse(token, f"{rule} takes {len(RULES[rule].operands)} operand(s), got {count}")
        try:
            operands[-count:] = [functions.of_rule(RULES[rule])(*operands[-count:])]
        except (ArithmeticError, ValueError) as error:
            self._refuse(token, str(error))


def _parted(tokens: list[_Token]) -> tuple[_Token | None, list[_Token]]:
    """Part a statement into the name that it assigns, if any, and its formula."""
    if tokens[0].kind == "name" and tokens[1].text == "=":
        return tokens[0], tokens[2:]
    return None, tokens


def _plain(text: str) -> str:
    """Write a piece of the text so that it stays short, on one line, and can be printed anywhere."""
    shown = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in shown)


def _shown(text: str) -> str:
    """Quote a piece of the text; signs that only look like those of the keyboard are named."""
    codes = " ".join(f"U+{ord(sign):04X}" for sign in text[:_MOST_NAMES] if not sign.isascii())
    return f"'{_plain(text)}'" + (f" ({codes})" if codes else "")
