"""Mark a student's answers as a fair teacher does: by the student's own earlier numbers, naming the usual slips.

Reads the lines of a sheet, its workings, the slips and the mistakes. An answer may be an expression; it is read by
the reader of typed formulas and never evaluated as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import isclose, isfinite
from typing import NamedTuple
from unicodedata import normalize

from .. import markup
from ..engine import Value
from ..explain.reporting import number_text
from ..explain.typed import record_expression
from ..messages import say
from .mistakes import MISTAKES, compare
from .slips import Gradient, Update, told
from .worksheet_forms import LETTERS, Line, Name, Sheet

_NUMBER = re.compile(r"[+-]?(?:\d{1,25}\.?\d{0,25}|\.\d{1,25})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_BLANK = re.compile(r"\((\d{1,9})\)[.:]?\s*|(\d{1,9})(?:\)|[.:](?=\s)|\s*[:=]|(?=\s))\s*", re.ASCII)
_MOST_ROUNDING = 0.05  # of an answer, that rounded numbers may put on it


class Mark(NamedTuple):
    """What is said of one blank."""

    blank: int
    name: str
    given: str  # as the student wrote it
    verdict: str  # "right", "follows", "wrong", "too coarse", "missing" or "unreadable"
    slips: tuple[str, ...] = ()  # the keys of the slips and mistakes that give this number
    follows: tuple[int, ...] = ()  # the blanks whose wrong numbers lead to this one

    @property
    def worth(self) -> bool:
        """Whether it is worth a mark: right, or what follows from the student's own earlier numbers."""
        return self.verdict in ("right", "follows")

    def sentences(self, lang: str) -> list[str]:
        """Say what the verdict is, and what each slip is called and what helps."""
        blanks = say("worksheets", "comma", lang).join(f"({blank})" for blank in self.follows)
        how = "perhaps.choice" if self.given.strip("() ").lower() in LETTERS else "perhaps"
        told_slips = (told(key, lang) for key in self.slips)
        return [
            say("worksheets", self.verdict, lang, blanks=blanks),
            *(say("worksheets", how, lang, name=name, why=why) for name, why in told_slips),
        ]


@dataclass(frozen=True, repr=False)
class Marking:
    """What is said of a sheet; as text, the count and a line for each blank that is not right."""

    marks: tuple[Mark, ...]
    lang: str = "en"

    @property
    def right(self) -> bool:
        """Whether every blank is right and nothing unreadable stands beside them."""
        return all(mark.verdict == "right" for mark in self.marks)

    @property
    def points(self) -> int:
        """A mark for each blank that is right, or that follows from the student's own earlier numbers."""
        return sum(mark.worth for mark in self.marks)

    def __str__(self) -> str:
        blanks = [mark for mark in self.marks if mark.blank]
        lines = [say("worksheets", "count", self.lang, points=self.points, count=len(blanks))]
        for mark in self.marks:
            verdict, *slips = mark.sentences(self.lang)
            if mark.blank and mark.verdict != "right":
                place = {"blank": mark.blank, "name": mark.name, "given": mark.given or "____"}
                lines.append(say("worksheets", "line", self.lang, verdict=verdict, **place))
            elif not mark.blank:
                lines.append(f"{mark.given!r}: {verdict}")
            lines += [f"    {sentence}" for sentence in slips]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        count = sum(bool(mark.blank) for mark in self.marks)
        rows = [
            (f"({mark.blank})" if mark.blank else "", mark.name, mark.given, "\n".join(mark.sentences(self.lang)))
            for mark in self.marks
        ]
        return markup.table(
            ("", "", "", ""), rows, say("worksheets", "count", self.lang, points=self.points, count=count)
        )


class Answer(NamedTuple):
    """A number that a student wrote, and how far it may be from what is meant."""

    number: float
    unit: Decimal | None  # of the last digit; None for an expression, whose digits nobody counted
    exact: Decimal


class Marker:
    """Marks the answers to one sheet, as many as there are."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._blanks = {line.symbol: line.blank for line in sheet.blanks if line.symbol}
        self._slips: dict[int, list[tuple[str, float]]] = {}
        self._rounding: dict[int, float] = {}

    def read(self, text: str) -> tuple[dict[int, str], list[Mark]]:
        """Read a line for each blank: its number or its name or both, then the answer. What is none comes back too."""
        blanks = {line.blank for line in self.sheet.blanks}
        names = {on_one_line(line.name, self.sheet.lang): line.blank for line in reversed(self.sheet.blanks)}
        given: dict[int, str] = {}
        strange = []
        for written in filter(None, map(str.strip, re.split(r"[;\n]", text))):
            number = _BLANK.match(written)
            name, answer = _parted(written[number.end() :] if number else written, names)
            blank = int(number[1] or number[2]) if number else names.get(name, 0)
            if blank in blanks and answer:
                given[blank] = answer
            else:
                strange.append(Mark(0, "", written, "unreadable"))
        return given, strange

    def mark(self, given: Mapping[int, str]) -> list[Mark]:
        """Mark the answers, by the numbers of their blanks."""
        own = dict(self.sheet.numbers)
        strays: set[str] = set()  # the symbols whose number is not the right one
        marks = []
        for line in self.sheet.blanks:
            text = given.get(line.blank, "").strip()
            if line.choice:
                marks.append(_mark_choice(line, text))
                continue
            answer = _read_number(text)
            mark = self._mark(line, text, answer, own, strays)
            marks.append(mark)
            if mark.verdict != "right" and (answer or self._leads(line, strays)):
                number = answer.number if answer else self._worked_out(line, own)
                if not isclose(number, line.answer, rel_tol=1e-12):
                    strays.add(line.symbol)
                    own[line.symbol] = number
        return marks

    def _mark(self, line: Line, text: str, answer: Answer | None, own: Mapping[str, float], strays: set[str]) -> Mark:
        name = line.name.written(self.sheet.lang)
        if not answer:
            return Mark(line.blank, name, text, "unreadable" if text else "missing")
        if line.blank not in self._rounding:
            self._rounding[line.blank] = self._rounded_inputs(line, self.sheet.numbers)
        verdict = self._verdict(answer, line.answer, self._rounding[line.blank])
        if verdict == "right":
            return Mark(line.blank, name, text, "right")
        leads = self._leads(line, strays)
        if leads and self._verdict(answer, self._worked_out(line, own), self._rounded_inputs(line, own)) == "right":
            return Mark(line.blank, name, text, "follows", (), tuple(sorted(self._blanks[symbol] for symbol in leads)))
        wrong = [*self._slips_of(line), *(_slips(line, own) if leads else ())]
        # What is too coarse to be wrong is still told where it is a slip's number to the last digit, as 0 may be.
        rounding = self._rounding[line.blank] if verdict == "wrong" else 0.0
        hits = [(key, number) for key, number in wrong if self._verdict(answer, number, rounding) == "right"]
        slips = dict.fromkeys(key for key, number in hits if verdict == "wrong" or isclose(answer.number, number))
        return Mark(line.blank, name, text, verdict, tuple(slips))

    def _leads(self, line: Line, strays: set[str]) -> list[str]:
        """List the numbers that a blank takes and that are not the right ones."""
        return [symbol for symbol in line.work.needs if symbol in strays] if line.work and strays else []

    def _worked_out(self, line: Line, numbers: Mapping[str, float]) -> float:
        """Work a blank out from given numbers; where they leave an operation's domain it is the right answer."""
        try:
            number = line.work.right(numbers) if line.work else line.answer
        except (ArithmeticError, ValueError):
            return line.answer
        return number if isfinite(number) else line.answer

    def _rounded_inputs(self, line: Line, numbers: Mapping[str, float]) -> float:
        """Tell how far the answer moves where the numbers that it takes are rounded to the digits of the sheet."""
        here = self._worked_out(line, numbers)
        moved = 0.0
        for symbol in line.work.needs if line.work else ():
            rounded = float(number_text(numbers[symbol], self.sheet.decimals))
            if rounded != numbers[symbol]:
                moved += abs(self._worked_out(line, {**numbers, symbol: rounded}) - here)
        return min(moved, _MOST_ROUNDING * abs(here))

    def _verdict(self, answer: Answer, right: float, rounding: float) -> str:
        """Tell whether an answer is a number, rounded or cut off to the digits that are given."""
        if isclose(answer.number, right, rel_tol=1e-12, abs_tol=1e-15):
            return "right"
        if answer.unit and abs(answer.number - right) > 2 * float(answer.unit) + rounding:
            return "wrong"  # by far: most are, and exact arithmetic is slow
        exact = Decimal(repr(right))
        unit = answer.unit or _unit(Decimal(number_text(right, self.sheet.decimals)))
        is_cut_off = answer.exact * exact >= 0 and 0 <= abs(exact) - abs(answer.exact) < unit
        if not is_cut_off and abs(exact - answer.exact) > unit / 2 + Decimal(rounding):
            return "wrong"
        return "too coarse" if answer.unit and unit * 9 > abs(exact) else "right"

    def _slips_of(self, line: Line) -> list[tuple[str, float]]:
        """Give the number of every slip and of every engine's mistake at a blank, from the right numbers before it."""
        if line.blank not in self._slips:
            found = _slips(line, self.sheet.numbers)
            for key, gradients in self._mistaken.items() if isinstance(line.work, Gradient | Update) else ():
                wrong = gradients[line.node]
                new = line.node.data - self.sheet.learning_rate * wrong
                found.append((key, new if isinstance(line.work, Update) else wrong))
            self._slips[line.blank] = found
        return self._slips[line.blank]

    @cached_property
    def _mistaken(self) -> dict[str, dict[Value, float]]:
        """The gradients of every mistake that comes to an end on this graph."""
        found = {}
        for key in MISTAKES:
            try:
                found[key] = compare(self.sheet.root, key, self.sheet.parameters, self.sheet.learning_rate).wrong
            except (ArithmeticError, ValueError):
                continue
        return found

    def slips(self, line: Line) -> Iterable[tuple[str, float]]:
        """Give the number that each slip leads to at a blank, where it is another one than the right answer."""
        return [(key, number) for key, number in self._slips_of(line) if not isclose(number, line.answer)]


def _slips(line: Line, numbers: Mapping[str, float]) -> list[tuple[str, float]]:
    """Work out the slips at a blank; none where the numbers before it leave an operation's domain."""
    try:
        found = list(line.work.wrong(numbers)) if line.work else []
    except (ArithmeticError, ValueError):
        return []
    return [(key, number) for key, number in found if isfinite(number)]


def on_one_line(name: Name, lang: str) -> str:
    """Write a name without what parts one answer from the next: a semicolon, the end of a line."""
    return re.sub(r"[;\s]+", " ", name.written(lang)).strip()


def _parted(written: str, names: Mapping[str, int]) -> tuple[str, str]:
    """Part a line into a name and an answer, at its last sign of equality or colon, or else after a known name."""
    if sign := re.fullmatch(r"(.*)[:=](.*)", written, re.DOTALL):
        return " ".join(sign[1].rstrip(" :=").split()), sign[2].strip()
    words = written.split()
    for count in range(len(words) - 1, 0, -1):
        if (name := " ".join(words[:count])) in names:
            return name, " ".join(words[count:])
    return "", written


def _mark_choice(line: Line, text: str) -> Mark:
    letter = normalize("NFKC", text).strip("() .").lower()
    if not letter:
        return Mark(line.blank, "", text, "missing")
    if len(letter) > 1 or not line.choice or letter not in LETTERS[: len(line.choice.options)]:
        return Mark(line.blank, "", text, "unreadable")
    slip = line.choice.slips[LETTERS.index(letter)]
    return Mark(line.blank, "", text, "wrong" if slip else "right", (slip,) if slip else ())


def _read_number(text: str) -> Answer | None:
    """Read a number, or an expression of numbers such as 0.0838*0.7; None for what is neither."""
    plain = normalize("NFKC", text).replace("\u2212", "-").strip()  # the minus sign of the printed key
    if _NUMBER.fullmatch(plain):
        exact = Decimal(plain)
        return Answer(float(exact), _unit(exact), exact) if isfinite(float(exact)) else None
    if not plain:
        return None
    try:
        number = record_expression(f"answer = {plain}", {}).root.data
    except (ArithmeticError, ValueError):
        return None
    return Answer(number, None, Decimal(repr(number)))


def _unit(number: Decimal) -> Decimal:
    """Give the unit of the last digit of a number as it is written."""
    return Decimal(1).scaleb(int(number.as_tuple().exponent))
