"""Worksheets as Moodle XML: a category for each blank, in it a question for each variant, and its advice for each slip.

Reads the sheets and their slips. The format is that of https://docs.moodle.org/en/Moodle_XML_format: numerical
questions with tolerances, and multichoice ones where a sheet asks for a choice.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from math import inf, isclose
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ..explain.reporting import number_text
from ..messages import say
from .slips import told
from .worksheet_forms import HTML, Line
from .worksheets import Worksheet

_PICTURE = "graph.svg"
# Every question holds its picture: what is not seen in it would be half of the file.
_NOT_SHOWN = re.compile(r'<!--.*?-->|<title>.*?</title>| (?:id|class)="[^"]*"|\n', re.DOTALL)
_FONT = re.compile(r' font-family="[^"]*"')


class _Variant(NamedTuple):
    sheet: Worksheet
    page: HTML
    picture: str  # in base 64


def moodle_xml(sheets: Sequence[Worksheet]) -> str:
    """Write the blanks of all variants as one file that Moodle's question bank imports. Raises as `draw` does."""
    quiz = Element("quiz")
    variants = []
    for sheet in sheets:
        page = HTML(sheet, key=False)
        picture = _NOT_SHOWN.sub("", page.picture())
        font = _FONT.search(picture)
        once = _FONT.sub("", picture).replace("<svg", f"<svg{font[0] if font else ''}", 1)  # said of the whole
        variants.append(_Variant(sheet, page, base64.b64encode(once.encode(errors="replace")).decode()))
    for number in range(1, 1 + max(len(sheet.blanks) for sheet in sheets)):
        asked = [(variant, line) for variant in variants for line in variant.sheet.blanks if line.blank == number]
        _category(quiz, sheets[0], asked[0][1])
        for variant, line in asked:
            (_choice if line.choice else _numerical)(quiz, variant, line)
    ElementTree.indent(quiz, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(quiz, encoding="unicode") + "\n"


def _category(quiz: Element, sheet: Worksheet, line: Line) -> None:
    question = SubElement(quiz, "question", type="category")
    path = [say("worksheets", "title", sheet.lang, name=sheet.root.label or "root"), _title(sheet, line)]
    _text(question, "category", "/".join(["$course$", "top", *(part.replace("/", "//") for part in path)]))


def _title(sheet: Worksheet, line: Line) -> str:
    return f"({line.blank:02}) {line.name.written(sheet.lang)}".strip()


def _question(quiz: Element, kind: str, variant: _Variant, line: Line, asks: str) -> Element:
    """Write what every question has: its name, and its text with the picture."""
    sheet, page, picture = variant
    question = SubElement(quiz, "question", type=kind)
    _text(question, "name", f"{sheet.title} {_title(sheet, line)}")
    image = f'<img src="@@PLUGINFILE@@/{_PICTURE}" alt="" style="max-width: 100%">'
    asked = _text(question, "questiontext", f"<p>{page.given()}</p>\n{image}\n{asks}", format="html")
    SubElement(asked, "file", name=_PICTURE, path="/", encoding="base64").text = picture
    _text(question, "generalfeedback", "", format="html")
    SubElement(question, "defaultgrade").text = "1"
    SubElement(question, "penalty").text = "0.3333333"
    SubElement(question, "hidden").text = "0"
    return question


def _numerical(quiz: Element, variant: _Variant, line: Line) -> None:
    sheet, page, _ = variant
    known = [part for part in sheet.lines if part.symbol and line.work and part.symbol in line.work.needs]
    told_before = "".join(
        f"<p>{page.math(page.name(part), page.notation.number(part.answer))}</p>\n"
        for part in known
        if part is not line
    )
    name, *stages = page.stages(line)
    asks = f"{told_before}<p><b>{page.math(name, *stages, '?')}</b></p>"
    question = _question(quiz, "numerical", variant, line, asks)
    margin = _margin(line.answer, sheet.decimals)
    _answer(question, "100", line.answer, margin, say("worksheets", "right", sheet.lang))
    for number, wide, keys in _groups(sheet, line, margin):
        _answer(question, "0", number, wide, "</p><p>".join(html.escape(_advice(key, sheet.lang)) for key in keys))
    SubElement(question, "unitgradingtype").text = "0"
    SubElement(question, "unitpenalty").text = "0"
    SubElement(question, "showunits").text = "3"  # no units
    SubElement(question, "unitsleft").text = "0"


def _choice(quiz: Element, variant: _Variant, line: Line) -> None:
    if not line.choice:
        return
    page, lang = variant.page, variant.sheet.lang
    question = _question(quiz, "multichoice", variant, line, f"<p>{page.ask(line.choice)}</p>")
    for name, value in (("single", "true"), ("shuffleanswers", "true"), ("answernumbering", "abc")):
        SubElement(question, name).text = value
    for option, slip in zip(line.choice.options, line.choice.slips):
        written = page.math(page.notation.write(option))
        answer = _text(question, "answer", f"<p>{written}</p>", fraction="0" if slip else "100", format="html")
        said = _advice(slip, lang) if slip else say("worksheets", "right", lang)
        _text(answer, "feedback", f"<p>{html.escape(said)}</p>", format="html")


def _groups(sheet: Worksheet, line: Line, margin: float) -> list[tuple[float, float, list[str]]]:
    """Put slips with one number together: the number, how far an answer may be from it, and the slips.

    Where two of them, or one and the right answer, are nearer than what rounding takes, the margins meet half way.
    """
    together: dict[float, list[str]] = {}
    for key, number in sheet.marker.slips(line):
        written = float(number_text(number, sheet.decimals))
        if abs(written - line.answer) > margin:
            together.setdefault(written, []).append(key)
    numbers = sorted({line.answer, *together})
    gaps = dict.fromkeys(numbers, inf)
    for below, above in pairwise(numbers):
        gaps[below], gaps[above] = min(gaps[below], above - below), above - below
    return [
        (number, min(_margin(number, sheet.decimals), gaps[number] / 2), list(dict.fromkeys(keys)))
        for number, keys in together.items()
    ]


def _margin(number: float, decimals: int) -> float:
    """Give one unit of the last digit: what rounding or cutting off may change."""
    written = number_text(number, decimals)
    if isclose(float(written), number, rel_tol=1e-14):
        return min(10.0**-decimals, abs(number) / 100 or 1.0)
    return float(Decimal(1).scaleb(int(Decimal(written).as_tuple().exponent)))


def _advice(key: str, lang: str) -> str:
    name, why = told(key, lang)
    return say("worksheets", "perhaps", lang, name=name, why=why)


def _answer(question: Element, fraction: str, number: float, margin: float, feedback: str) -> None:
    answer = _text(question, "answer", repr(number), fraction=fraction, format="moodle_auto_format")
    SubElement(answer, "tolerance").text = f"{margin:.6g}"
    _text(answer, "feedback", f"<p>{feedback}</p>", format="html")


def _text(parent: Element, name: str, content: str, **attributes: str) -> Element:
    """Add an element that holds a text."""
    element = SubElement(parent, name, attributes)
    SubElement(element, "text").text = "".join(sign for sign in content if sign.isprintable() or sign == "\n")
    return element
