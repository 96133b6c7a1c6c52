"""Describe the layers of a graph for the page: its matrices, the formulas between them, and where they are drawn.

Reads the layers and the layout of pictures. The result is plain data, ready for JSON.
"""

from __future__ import annotations

from typing import Any

from ..formulas import algebra, mathml
from ..formulas.matrix_notation import InMathML
from ..graph.layers import ARRANGEMENT, Box, Layers
from .data import Graph
from .picture import layout_of_layers

_LEAF_ROLES = ("input", "parameter", "target")
_MOST_BOXES = 60  # more are not stepped through


def describe(graph: Graph, lang: str) -> dict[str, Any] | None:
    """Describe the layers of a graph: its matrices, and the formulas by which they come from each other.

    None where there is nothing but single scalars, and where the boxes are too many to be read.
    """
    known = dict(zip(graph.given, graph.nodes.values()))  # a name that the page made up would name a matrix
    leaves = {role: [node for node in known if known[node].role == role] for role in _LEAF_ROLES}
    layers = Layers(graph.given[-1], leaves["input"], leaves["parameter"], leaves["target"])
    if len(layers.boxes) > _MOST_BOXES or all(box.shape == (1, 1) for box in layers.boxes):
        return None
    symbols = _ByPlace(layers)

    def told(box: Box) -> dict[str, Any]:
        told: dict[str, Any] = {
            "name": mathml.parts(box.name),
            **({} if box.role in ("quantity", ARRANGEMENT) else {"role": box.role}),
            "cells": [[known[node].number for node in row] for row in box.table],
            "from": [symbols.places[name] for name in dict.fromkeys(algebra.names_in(box.formula))],
        }
        if box.formula is not None:
            told["formula"] = mathml.tree_of(symbols.write(box.formula))
        if box.role == ARRANGEMENT:
            told["arranged"] = True
        if layers.is_asked_for(box):
            told["brought"] = mathml.tree_of(symbols.sum_of_terms(layers.gradient_terms[box.name]))
        if layers.has_delta(box):
            told["delta"] = mathml.parts(layers.gradient_name(box))
        return told

    boxes = list(map(told, layers.boxes))
    return {"boxes": boxes, "layout": layout_of_layers(boxes, lang)}


class _ByPlace(InMathML):
    """Formulas with the places of boxes for their names: `<n>3</n>` is the third's, `<g>3</g>` that of its gradient."""

    def __init__(self, layers: Layers) -> None:
        super().__init__(layers.shapes, 6)
        self.places = {box.name: number for number, box in enumerate(layers.boxes)}
        self._gradients = {layers.gradient_name(box): number for number, box in enumerate(layers.boxes)}

    def name(self, label: str) -> str:
        if label in self.places:
            return f"<n>{self.places[label]}</n>"
        return f"<g>{self._gradients[label]}</g>"
