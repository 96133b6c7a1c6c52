"""A label as students write it, `out_o1`, taken apart into its word, its indices and its layer.

Reads nothing: text only.
"""

import re


def label_parts(label: str) -> tuple[str, list[str], str]:
    """Split a label as students write it into its word, the indices below it and the layer above it.

    >>> label_parts("out_o1"), label_parts("w3"), label_parts("w_1_12^2"), label_parts("two words")
    (('out', ['o1'], ''), ('w', ['3'], ''), ('w', ['1', '12'], '2'), ('two words', [], ''))
    """
    match = re.fullmatch(r"([^\W\d_]+)_?([^\W_]*)(?:_(\w+))?(?:\^(\w+))?", label)
    if not match:
        return label, [], ""
    word, first, second, layer = match.groups()
    return word, [part for part in (first, second) if part], layer or ""
