"""Finish an SVG of Graphviz: fonts for every system, indices set below, and a title and a description in words.

Reads the labels, as LaTeX and MathML do.
"""

import re
from collections.abc import Container
from html import escape, unescape

from ..formulas.labels import label_parts

_FONTS = "Arial, Liberation Sans, DejaVu Sans, Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif"
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_TEXT = re.compile(r'(<text [^>]*font-size="([\d.]+)"[^>]*>)([^<]*)(</text>)')


def finish(svg: str, names: Container[str], title: str, description: str) -> str:
    """Set the `names` with their indices, name the fonts, and let a screen reader say what the picture shows."""

    def set_name(match: re.Match[str]) -> str:
        before, size, content, after = match.groups()
        label = unescape(content)
        return before + with_indices(label, float(size)) + after if label in names else match[0]

    svg = _TEXT.sub(set_name, svg).replace('font-family="Arial"', f'font-family="{_FONTS}"')
    words = _NOT_XML.sub("\ufffd", f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n")
    return re.sub(r"<svg ([^>]*)>\n?", lambda opening: f'<svg role="img" {opening[1]}>\n{words}', svg, count=1)


def with_indices(label: str, size: float) -> str:
    """Write a label as the content of an SVG text, its indices below and its layer above the line.

    >>> with_indices("net_h1", 14.0)
    'net<tspan dy="3.5" font-size="10">h1</tspan>'
    """
    parts = label_parts(label)
    small = f'font-size="{size * 0.7 + 0.2:.3g}"'
    below = f'<tspan dy="{size / 4:g}" {small}>{escape(",".join(parts.indices))}</tspan>' if parts.indices else ""
    rise = size * (0.65 if parts.indices else 0.4)  # from the indices, or from the line
    above = f'<tspan dy="-{rise:g}" {small}>{escape(parts.above())}</tspan>' if parts.above() else ""
    return escape(parts.word) + below + above
