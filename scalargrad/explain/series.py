"""Show a picture in steps: one SVG for each step, all of the same size, what is new in bold, its formula below.

Reads the SVG of the whole picture, and the steps.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree

from .steps import Step
from .widths import inches

_SVG = "{http://www.w3.org/2000/svg}"
_SIZE = 16.0  # points; of the letters of the formula, and more below a wide picture, which is shown smaller
_WIDEST = 900.0  # points; from there on
_NEW = {"font-weight": "bold", "fill": "#a00000"}


def frames(svg: str, steps: Sequence[Step], edges: Sequence[str], updated: Mapping[str, str]) -> Iterator[str]:
    """Give one SVG for each step, one after the other.

    A node's last two lines are its value and its gradient. `edges` are the names of the edges in their order,
    `updated` the new values.
    """
    ElementTree.register_namespace("", _SVG[1:-1])
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    known: set[str] = set()
    for number, step in enumerate(steps):
        known.update(step.new)
        yield _frame(svg, step, f"{number + 1}/{len(steps)}   {step.words}", known, edges, updated)


def _frame(svg: str, step: Step, words: str, known: set[str], edges: Sequence[str], updated: Mapping[str, str]) -> str:
    picture = ElementTree.fromstring(svg.encode())
    for group in picture.iter(f"{_SVG}g"):
        texts = list(group.iterfind(f".//{_SVG}text"))
        if group.get("class") == "node" and len(texts) > 1:
            name = group.findtext(f"{_SVG}title", "").partition("u")[0]  # the copies of a leaf go by its name
            _show(texts[-2], f"{name} value", known, step.new)
            _show(texts[-1], f"{name} grad", known, step.new)
            if (part := f"{name} updated") in known:
                texts[-2].text = f"{(texts[-2].text or '').split()[0]} {updated[name]}"
                _show(texts[-2], part, known, step.new)
        elif group.get("class") == "edge":
            part = edges[int(group.get("id", "edge1").removeprefix("edge")) - 1]
            for text in texts:
                _show(text, part, known, step.new)
            if part in step.new:
                for line in group.iterfind(f".//{_SVG}path"):
                    line.set("stroke-width", "3.5")
    return _with_words(picture, words)


def _show(text: ElementTree.Element, part: str, known: set[str], new: Sequence[str]) -> None:
    if part not in known:
        text.set("visibility", "hidden")
    elif part in new:
        for name, value in _NEW.items():
            text.set(name, value)


def _with_words(picture: ElementTree.Element, words: str) -> str:
    """Write a line below the picture, smaller where it is long; the size of the picture does not depend on it."""
    left, top, width, height = map(float, picture.get("viewBox", "0 0 1 1").split())
    largest = _SIZE * max(1.0, width / _WIDEST)
    below = 2 * largest
    picture.set("viewBox", f"{left:g} {top:g} {width:g} {height + below:g}")
    picture.set("height", f"{height + below:g}pt")
    size = min(largest, largest * (width - 16) / 72 / inches(words, largest))
    place = {"x": f"{left + 8:g}", "y": f"{top + height + below / 2:g}", "font-size": f"{size:.3g}"}
    line = ElementTree.SubElement(picture, f"{_SVG}text", place | {"font-family": "DejaVu Sans, Arial, sans-serif"})
    line.text = re.sub(r"\s+", " ", words)
    return ElementTree.tostring(picture, encoding="unicode")
