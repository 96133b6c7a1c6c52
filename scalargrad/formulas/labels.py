"""A label as students write it, `out_o1`, taken apart into its word, its indices and its layer.

Reads nothing: text only.
"""

import re
from collections.abc import Callable
from typing import NamedTuple


class Label(NamedTuple):
    """The parts of a label."""

    word: str
    indices: list[str]  # below the line
    layer: str  # above it, in parentheses
    copy: str = ""  # above it, in brackets: which sample, say, of those with the same label

    def above(self, word: Callable[[str], str] = str) -> str:
        """Write what stands above the line, the layer as `word` writes it."""
        return (f"({word(self.layer)})" if self.layer else "") + (f"[{self.copy}]" if self.copy else "")


def label_parts(label: str) -> Label:
    """Split a label as students write it into its word, the indices below it, the layer and the sample above it.

    >>> tuple(label_parts("out_o1")), tuple(label_parts("w_1_12^2")), tuple(label_parts("two words"))
    (('out', ['o1'], '', ''), ('w', ['1', '12'], '2', ''), ('two words', [], '', ''))
    >>> tuple(label_parts("h^(2)")), tuple(label_parts("x1^[3]")), tuple(label_parts("z_1^2[3]"))
    (('h', [], '2', ''), ('x', ['1'], '', '3'), ('z', ['1'], '2', '3'))
    """
    if told_apart := re.fullmatch(r"(.+)\^(?:\((\d+)\)|(\w*)(?=\[))(?:\[(\d+)\])?", label, re.DOTALL):
        inner, step, layer, copy = told_apart.groups()
        word, indices, *_ = label_parts(inner)
        return Label(word, indices, step or layer or "", copy or "")
    match = re.fullmatch(r"([^\W\d_]+)_?([^\W_]*)(?:_(\w+))?(?:\^(\w+))?", label)
    if not match:
        return Label(label, [], "")
    word, first, second, layer = match.groups()
    return Label(word, [part for part in (first, second) if part], layer or "")
