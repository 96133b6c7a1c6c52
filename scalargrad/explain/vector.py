"""Finish an SVG of Graphviz: fonts for every system, indices set below, and a title and a description in words.

Reads the labels, as LaTeX and MathML do.
"""

import re
from collections.abc import Container
from html import escape, unescape
from typing import NamedTuple

from ..formulas.labels import label_parts

_FONTS = "Arial, Liberation Sans, DejaVu Sans, Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif"
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
# The pieces of a formula: ones, names, and what stands between.
_PIECES = re.compile(r"((?<!\w)1_\d+(?:x\d+)?(?!\w)|[^\W\d]\w*(?:\^(?!T\b)(?:\w+|\(\w+\)))?(?:\^T\b)?|\^T\b)")
_ONES = re.compile(r"1_(\d+)(?:x(\d+))?")  # a matrix of ones, and its rows and columns
# Few fonts have the sign of the Hadamard product: by itself it leaves the font to the rest of its line.
_SYMBOL, _SYMBOL_FONTS = "⊙", "DejaVu Sans, Cambria Math, STIX Two Math, Noto Sans Math, Apple Symbols, sans-serif"
_BELOW, _ABOVE = 0.25, -0.4  # the line, in font sizes: where indices and where layers stand
_TEXT = re.compile(r'(<text [^>]*font-size="([\d.]+)"[^>]*>)([^<]*)(</text>)')


class _Run(NamedTuple):
    text: str
    place: float  # below the line, in font sizes


def finish(svg: str, names: Container[str], title: str, description: str) -> str:
    """Set the `names` with their indices, name the fonts, and let a screen reader say what the picture shows."""

    def set_name(match: re.Match[str]) -> str:
        before, size, content, after = match.groups()
        label = unescape(content)
        if label in names:
            return before + with_indices(label, float(size)) + after
        if label.startswith("= "):
            runs = [run for piece in _PIECES.split(label) for run in _of_formula(piece, names)]
            return before + _set(runs, size) + after
        return match[0]

    svg = _TEXT.sub(set_name, svg).replace('font-family="Arial"', f'font-family="{_FONTS}"')
    words = _NOT_XML.sub("\ufffd", f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n")
    return re.sub(r"<svg ([^>]*)>\n?", lambda opening: f'<svg role="img" {opening[1]}>\n{words}', svg, count=1)


def with_indices(label: str, size: float) -> str:
    """Write a label as the content of an SVG text, its indices below and its layer above the line.

    >>> with_indices("net_h1", 14.0)
    'net<tspan dy="3.5" font-size="10">h1</tspan>'
    """
    return _set(_runs(label), size)


def _runs(label: str) -> list[_Run]:
    parts = label_parts(label)
    runs = [_Run(parts.word, 0.0), _Run(",".join(parts.indices), _BELOW), _Run(parts.above(), _ABOVE)]
    return [run for run in runs if run.text]


def _of_formula(piece: str, names: Container[str]) -> list[_Run]:
    """Take a piece of a formula apart: a name, also a transposed one, or what stands between names."""
    if piece not in names and (ones := _ONES.fullmatch(piece)):
        return [_Run("1", 0.0), _Run("×".join(filter(None, ones.groups())), _BELOW)]
    name = piece.removesuffix("^T")
    transposed = [_Run("T", _ABOVE)] * (name != piece)
    return [*(_runs(name) if name in names else [_Run(name, 0.0)] * bool(name)), *transposed]


def _set(runs: list[_Run], size: str | float) -> str:
    """Set runs of text, each moved from where the one before it stands."""
    height, content, here = float(size), "", 0.0
    for run in runs:
        moved = height * (run.place - here)
        small = f' font-size="{height * 0.7 + 0.2:.3g}"' if run.place else ""
        text = escape(run.text)
        if moved or small:
            text = f'<tspan dy="{moved:g}"{small}>{text}</tspan>'
        content += text.replace(_SYMBOL, f'<tspan font-family="{_SYMBOL_FONTS}">{_SYMBOL}</tspan>')
        here = run.place
    return content
