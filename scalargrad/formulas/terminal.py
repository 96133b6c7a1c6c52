"""Text for a terminal: how wide it is, cells and tables that stand under each other, and lines of 80 columns.

Reads nothing. A Chinese character takes two columns, an accent that is written over the letter before it none.
"""

import re
from collections.abc import Sequence
from unicodedata import category, east_asian_width

WIDTH = 80

_WIDE = "[\u2e80-\u9fff\uff00-\uffef]"  # Chinese characters and signs
_CLOSING = "[，。；：、！？）”》]"
_UNBROKEN = re.compile(rf"[（“《]*(?:{_WIDE}|(?:(?!{_WIDE})[^\s（“《])+){_CLOSING}*\s*")


def columns(text: str) -> int:
    """Count the columns that a text takes.

    >>> columns("net"), columns("权重 w")
    (3, 6)
    """
    if text.isascii():
        return len(text)
    return sum(0 if category(sign) in ("Mn", "Me", "Cf") else 1 + (east_asian_width(sign) in "WF") for sign in text)


def padded(cells: Sequence[str], width: int = 0) -> list[str]:
    """Make cells equally wide, at least `width`, with spaces after them."""
    width = max([width, *map(columns, cells)])
    return [cell + " " * (width - columns(cell)) for cell in cells]


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Give the width of each column of a table."""
    return [max(map(columns, column)) for column in zip(*rows)]


def table(rows: Sequence[Sequence[str]], layout: str = "") -> list[str]:
    """Set the cells of each row under those of the row above, two spaces between.

    `layout` has a `>` for each column that is flush right; all others are flush left.

    >>> table([("权重", "1.5"), ("w", "10.5")], "<>")
    ['权重   1.5', 'w     10.5']
    """
    room, lines = widths(rows), []
    for row in rows:
        cells = []
        for cell, width, flush in zip(row, room, layout.ljust(len(row))):
            space = " " * (width - columns(cell))
            cells.append(space + cell if flush == ">" else cell + space)
        lines.append("  ".join(cells).rstrip())
    return lines


def paragraph(text: str, first: str = "", rest: str = "") -> str:
    """Set a text in lines of at most 80 columns, after the margins `first` and `rest`; Chinese breaks anywhere.

    A line begins with no closing sign of Chinese and ends with no opening one.

    >>> paragraph("梯度" * 30 + "。").splitlines()[1]
    '梯度梯度梯度梯度梯度梯度梯度梯度梯度梯度。'
    """
    lines, line = [], first
    for piece in _UNBROKEN.findall(text):
        if columns(line + piece.rstrip()) > WIDTH and line not in (first, rest):
            lines.append(line.rstrip())
            line = rest
        line += piece
    return "\n".join([*lines, line.rstrip()])


def wrapped(formula: str, width: int, margin: str) -> list[str]:
    """Cut a formula at its spaces into lines of at most `width` columns, with a margin before all but the first.

    >>> wrapped("权重*x1 + 偏置", 10, "  ")
    ['权重*x1 +', '  偏置']
    """
    lines, line, space = [], "", ""
    for piece in re.findall(r"\s+|\S+", formula):
        if piece.isspace():
            space = piece
            continue
        if line.strip() and columns(line + space + piece) > width:
            lines.append(line)
            line, space = margin, ""
        line, space = line + space + piece, ""
    return [*lines, line]
