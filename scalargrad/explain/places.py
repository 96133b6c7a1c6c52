"""Where a layout has put the nodes of a picture, its edges and the numbers on them; for those that draw it again.

Reads the SVG that Graphviz writes.
"""

import re
from typing import NamedTuple
from xml.etree import ElementTree

_SVG = "{http://www.w3.org/2000/svg}"
_RISE = 4.0  # points; from the foot of a letter to its middle

Point = tuple[float, float]  # to the right and up


class Route(NamedTuple):
    """The way of an edge."""

    start: str
    end: str
    points: list[Point]  # of a Bézier curve: an end, two that bend it, the next end, and so on
    label: Point  # the middle of what stands on it, if anything does


def nodes_of(svg: str) -> dict[str, Point]:
    """Find the middle of each node, by the names of the source."""
    found = {}
    for group in _groups(svg, "node"):
        # A plain number has no shape.
        corners = [point for part in group.iter() for point in _corners(part)] or [_middle(group)]
        found[group.findtext(f"{_SVG}title", "")] = _between(corners)
    return found


def edges_of(svg: str) -> list[Route]:
    """List the edges, in the order of the source."""
    routes = {}
    for group in _groups(svg, "edge"):
        start, _, end = group.findtext(f"{_SVG}title", "").partition("->")
        points = [point for line in group.iter(f"{_SVG}path") for point in _corners(line)]
        number = int(group.get("id", "").removeprefix("edge"))
        routes[number] = Route(start, end, points, _middle(group))
    return [routes[number] for number in sorted(routes)]


def _groups(svg: str, kind: str) -> list[ElementTree.Element]:
    return [group for group in ElementTree.fromstring(svg.encode()).iter(f"{_SVG}g") if group.get("class") == kind]


def _middle(group: ElementTree.Element) -> Point:
    """Find the middle of the lines of text."""
    return _between([(float(text.get("x", 0)), _RISE - float(text.get("y", 0))) for text in group.iter(f"{_SVG}text")])


def _between(points: list[Point]) -> Point:
    xs, ys = zip(*(points or [(0.0, 0.0)]))
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def _corners(shape: ElementTree.Element) -> list[Point]:
    if shape.tag == f"{_SVG}ellipse":
        return [(float(shape.get("cx", 0)), -float(shape.get("cy", 0)))]
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", shape.get("points") or shape.get("d") or "")]
    return [(x, -y) for x, y in zip(numbers[::2], numbers[1::2])]
