"""Lay out one view of a graph as an SVG whose nodes and edges the page can find, fill with text and light up.

Reads the looks of the drawings. No label goes through Graphviz: a node says `name`, `value` and `gradient`, and the
page puts the text in.
"""

import re

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
_LONGEST = 28  # signs of a label that are shown in the picture


def svg(graph: Graph, name: str) -> str:
    """Give the SVG of the view `name`; the node with number 3 has the id `name_3`, its first edge `name_3_0`.

    Raises RuntimeError where Graphviz fails.
    """
    view = view_of(graph.root, name)
    picture = graphviz.Digraph(
        graph_attr={"rankdir": "LR", "nodesep": "0.13", "ranksep": "0.6", "bgcolor": "transparent", "pad": "0.1"},
        node_attr={"fontsize": f"{_FONT_SIZE:g}", "fontname": "Helvetica", "fixedsize": "true"},
        edge_attr={"arrowsize": "0.7"},
    )
    ids = {node: f"{name}_{graph.nodes[node].number}" for node in view.order}
    for node in view.order:
        _add_node(picture, ids[node], graph.nodes[node].role, _title(view, node))
    for node in view.order:
        for position, edge in enumerate(view.edges(node)):
            picture.edge(ids[edge.parent], ids[node], id=f"{ids[node]}_{position}")
    return _bare(render(picture.source, "svg").decode())


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
    lines = ["name"] if role == "number" else ["name", "value", "gradient"]
    room = _inches(title) if role == "number" else max(_NUMBER, _inches(title))
    height = len(lines) * _LINE + 0.12
    if look.slack > 1 and role != "number":  # a shape that narrows towards its top and bottom
        room, height = 1.25 * room, 1.25 * height
    picture.node(
        name,
        "\\n".join(lines),
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


def _bare(source: str) -> str:
    """Keep of an SVG file what a page needs: no prologue, no comments, no titles, no size and no colours of its own."""
    source = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", source[source.index("<svg") :], flags=re.DOTALL)
    source = re.sub(r' (?:font-family|font-size|fill|stroke)="[^"]*"', "", source)
    return re.sub(r'(<svg) width="[^"]*" height="[^"]*"', r"\1", source, count=1)
