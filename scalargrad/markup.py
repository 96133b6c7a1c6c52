"""Pieces of HTML that show a result in a notebook: a picture, a table, and a line of words.

Reads nothing. What they make is right without scripts and in a notebook that is not trusted, where a viewer strips what
it does not know: pictures are images, and the cells hold text.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

_MOST_ROWS = 200  # of a table that shows itself
_IS_NUMBER = re.compile(r"[-+\d.e\s]*")
_TABLE = '<table style="font-size:90%">'


def picture(svg: str, words: str) -> dict[str, str]:
    """Give a picture as what a notebook asks for: an image as wide as the cell at most, and the SVG itself.

    A notebook that is not trusted shows no SVG of its own, but it shows an image; `words` stand where it shows none.
    """
    return {"text/html": image(svg, words), "image/svg+xml": svg, "text/plain": words}


def image(svg: str, words: str) -> str:
    """Write a picture as an image that no sanitizer takes out."""
    data = b64encode(svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(words)}" style="max-width:100%">'


def sentence(words: str) -> dict[str, str]:
    """Give words that stand where a picture cannot."""
    return {"text/html": paragraphs(words), "text/plain": words}


class Markup(str):
    """Text that is HTML already; any other text in a table is shown as it is."""

    __slots__ = ()


def table(header: Sequence[str], rows: Sequence[Sequence[str]], above: str = "", below: str = "") -> str:
    """Write a table, numbers to the right and all else to the left, with words above and below it.

    Of a long table the first 200 rows are shown, and how many more there are.
    """
    lines = [_row("th", header), *(_row("td", row) for row in rows[:_MOST_ROWS])]
    if (more := len(rows) - _MOST_ROWS) > 0:
        below = f"… {more} more rows\n{below}"
    parts = [paragraphs(above), _TABLE, *lines, "</table>", paragraphs(below)]
    return "\n".join(filter(None, parts))


def aligned(rows: Iterable[tuple[str, str, str]]) -> str:
    """Set formulas under each other at their signs: what stands before it, the sign, what stands after it."""
    sides = ("right", "center", "left")
    lines = [
        "<tr>"
        + "".join(f'<td style="text-align:{side};padding:2px 4px">{cell}</td>' for side, cell in zip(sides, row))
        + "</tr>"
        for row in rows
    ]
    return "\n".join([_TABLE, *lines, "</table>"])


def paragraphs(words: str) -> str:
    """Write each line of a text as a paragraph; none of an empty text."""
    return "\n".join(f"<p>{_cell(line)}</p>" for line in words.splitlines() if line)


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f'<{tag} style="{_style(cell)}">{_cell(cell)}</{tag}>' for cell in cells) + "</tr>"


def _style(cell: str) -> str:
    """Keep the numbers of a cell on their line; all else may wrap, so that the table fits a printed page."""
    if _IS_NUMBER.fullmatch(cell):
        return "text-align:right;padding:2px 6px;white-space:nowrap"
    return "text-align:left;padding:2px 6px"


def _cell(cell: str) -> str:
    return cell if isinstance(cell, Markup) else escape(cell).replace("\n", "<br/>")
