"""Pieces of HTML that show a result in a notebook: a picture, a table, and a line of words.

Reads nothing. What they make is right without scripts and in a notebook that is not trusted, where a viewer strips what
it does not know: pictures are images, and the cells hold text.
"""

from base64 import b64encode
from html import escape


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
    return {"text/html": f"<p>{escape(words)}</p>", "text/plain": words}
