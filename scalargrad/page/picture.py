"""Lay out one view of a graph: where its nodes stand and how its edges run, which the page draws.

Reads the looks of the drawings. No label goes through Graphviz, which is told only how large a node is.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import graphviz

from ..engine import Value
from ..explain.drawing import LOOKS
from ..explain.rendering import render
from ..formulas.terminal import columns
from ..graph.views import View, view_of
from .data import Graph

_FONT_SIZE = 14.0
_NUMBER = 1.2  # inches, for a gradient such as −0.008694 and the room around it
_LINE = 0.23  # inches
_CELL, _RANGE = 1.05, 1.7  # inches, for a number in a matrix, and for the range of its numbers
MOST_CELLS = 4  # of a row or a column of a matrix that shows its numbers
_LONGEST = 28  # signs of a label that are shown in the picture


def layout(graph: Graph, name: str, lang: str) -> dict[str, Any]:
    """Lay out the view `name`: its size, and for each node its box and the curves of its edges.

    A box is [x, y, width, height] around its middle, a curve the points of a cubic one, flat, of which the last is the
    tip of the arrow; all are whole points of 1/72 inch. Where that takes long, a sentence in the language `lang` says
    so. Raises RuntimeError where Graphviz fails.
    """
    view = view_of(graph.root, name)
    picture = _empty()
    ids = {node: f"n{graph.nodes[node].number}" for node in view.order}
    for node in view.order:
        _add_node(picture, ids[node], graph.nodes[node].role, _title(view, node))
    for node in view.order:
        for position, edge in enumerate(view.edges(node)):
            picture.edge(ids[edge.parent], ids[node], id=f"{ids[node]}_{position}")
    drawn = _Drawn(render(picture.source, "svg", lang=lang))
    return {
        "size": drawn.size,
        "boxes": [drawn.box(ids[node]) for node in view.order],
        "curves": [[drawn.curve(f"{ids[node]}_{k}") for k in range(len(view.edges(node)))] for node in view.order],
    }


def layout_of_layers(boxes: Sequence[Mapping[str, Any]], lang: str) -> dict[str, Any]:
    """Lay out the boxes of the layers as `layout` lays out nodes; each lists in "from" the boxes that it comes from."""
    picture = _empty()
    for number, box in enumerate(boxes):
        rows, columns = len(box["cells"]), len(box["cells"][0])
        is_small = max(rows, columns) <= MOST_CELLS
        lines = 3 if rows == columns == 1 else 2 + 2 * (rows if is_small else 1)
        room = max(_inches("".join(box["name"])) + 0.3, _CELL * columns + 0.2 if is_small else _RANGE)
        picture.node(
            f"n{number}", "", id=f"n{number}", shape="box", width=f"{room:.2f}", height=f"{lines * _LINE + 0.12:.2f}"
        )
    for number, box in enumerate(boxes):
        for position, source in enumerate(box["from"]):
            weight = "1" if boxes[source].get("role") == "parameter" else "9"
            picture.edge(f"n{source}", f"n{number}", id=f"n{number}_{position}", weight=weight)
    drawn = _Drawn(render(picture.source, "svg", lang=lang))
    return {
        "size": drawn.size,
        "boxes": [drawn.box(f"n{number}") for number in range(len(boxes))],
        "curves": [[drawn.curve(f"n{n}_{k}") for k in range(len(box["from"]))] for n, box in enumerate(boxes)],
    }


def _empty() -> graphviz.Digraph:
    return graphviz.Digraph(
        graph_attr={"rankdir": "LR", "nodesep": "0.13", "ranksep": "0.6", "bgcolor": "transparent", "pad": "0.1"},
        node_attr={"fontsize": f"{_FONT_SIZE:g}", "fontname": "Helvetica", "fixedsize": "true"},
        edge_attr={"arrowsize": "0.7"},
    )


def short(label: str) -> str:
    """Cut a label that is too long for a picture.

    >>> short("a" * 40)
    'aaaaaaaaaaaaaaaaaaaaaaaaaaa…'
    """
    label = " ".join(label.split())
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def _title(view: View, node: Value) -> str:
    symbol = f"  {node.op.symbol or node.op.name}" if node.op and node.parents else ""
    return short(view.name(node)) + symbol


def _add_node(picture: graphviz.Digraph, name: str, role: str, title: str) -> None:
    look = LOOKS[role]
    shape, style = look.shape, "filled"
    if shape == "Mrecord":
        shape, style = "box", "filled,rounded"
    lines = 1 if role == "number" else 3  # its name; value and gradient
    room = _inches(title) if role == "number" else max(_NUMBER, _inches(title))
    height = lines * _LINE + 0.12
    if look.slack > 1 and role != "number":  # a shape that narrows towards its top and bottom
        room, height = 1.25 * room, 1.25 * height
    picture.node(
        name,
        "",
        id=name,
        shape=shape,
        style=style,
        fillcolor=look.fill,
        width=f"{room:.2f}",
        height=f"{height:.2f}",
        **{"class": role},
    )


def _inches(text: str) -> float:
    wide = columns(text) - len(text)
    return (wide * 1.05 + (len(text) - wide) * 0.6) * _FONT_SIZE / 72 + 0.25


class _Drawn:
    """A picture as Graphviz writes it: groups with the ids that were given, in coordinates that a transform moves."""

    def __init__(self, svg: bytes) -> None:
        root = ElementTree.fromstring(svg)
        self._groups = {group.get("id"): group for group in root.iter() if group.get("class")}
        _, _, width, height = map(float, root.get("viewBox", "").split())
        self.size = [math.ceil(width), math.ceil(height)]
        moved = re.search(r"translate\((\S+)[ ,](\S+)\)", self._groups["graph0"].get("transform", ""))
        self._origin = (float(moved[1]), float(moved[2])) if moved else (0.0, 0.0)

    def box(self, node: str) -> list[int]:
        """Give the box around the shape of a node: [x, y, width, height], x and y in its middle."""
        points = []
        for shape in self._groups[node]:
            if shape.tag.endswith("ellipse"):
                x, y, rx, ry = (float(shape.get(name, "")) for name in ("cx", "cy", "rx", "ry"))
                points += [self._moved(x - rx, y - ry), self._moved(x + rx, y + ry)]
            else:
                points += self._points(shape)
        across, down = ([point[k] for point in points] for k in (0, 1))
        middle = [(min(side) + max(side)) / 2 for side in (across, down)]
        return list(map(round, [*middle, max(across) - min(across), max(down) - min(down)]))

    def curve(self, edge: str) -> list[int]:
        """Give the points of an edge, flat, the tip of its arrow instead of the back."""
        line, head = filter(None, map(self._points, self._groups[edge]))
        *points, back = line
        tip = max(head, key=lambda point: math.dist(point, back))
        return [round(number) for point in (*points, tip) for number in point]

    def _points(self, part: ElementTree.Element) -> list[tuple[float, float]]:
        numbers = list(map(float, re.findall(r"-?[\d.]+", part.get("points") or part.get("d") or "")))
        return [self._moved(x, y) for x, y in zip(numbers[::2], numbers[1::2])]

    def _moved(self, x: float, y: float) -> tuple[float, float]:
        return x + self._origin[0], y + self._origin[1]
