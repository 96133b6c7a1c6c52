"""Write a graph as one HTML file that a class clicks through: forward pass, backward pass, update, forth and back.

Reads the views, the trace, the rules and the drawings. The file needs no network, no Python and no install.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import Any

from ..engine import Value, as_float, topological_order
from ..files import write_whole
from ..formulas import javascript
from ..graph.views import Operations, view_of
from ..messages import LANGUAGES, catalogue
from . import bundle, data, picture

LARGEST = 1000  # nodes; a picture of more takes long to lay out, and nobody can step through it
DIGITS = (3, 4, 6, 8, 17)


class Page:
    """A page that shows itself in a notebook, in a frame of its own."""

    def __init__(self, source: str, height: int) -> None:
        self.source = source
        self.height = height

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.source)}" title="scalargrad" '
            f'style="width: 100%; height: {self.height}px; border: 1px solid #8888; border-radius: 6px"></iframe>'
        )


def write_page(
    root: Value,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    parameters: Iterable[Value] = (),
    inputs: Iterable[Value] = (),
    targets: Iterable[Value] = (),
    learning_rate: float = 1.0,
    lang: str = "en",
    digits: int = 6,
) -> Path:
    """Write the graph under `root` as a page that goes through both passes and the update, and give back its path.

    A leaf that is not named in `inputs`, `parameters` or `targets` goes by the first letter of its label: w and b
    are parameters, y and t targets. `lang` is "en" or "zh", `digits` how many significant digits are shown (3, 4,
    6, 8, or 17 for all). Raises ValueError for a graph of more than 1000 nodes and for one whose leaves have changed
    since it was recorded, OverflowError where a gradient is too large for a float, and OSError with the path where
    the file cannot be written; then no file is left behind.
    """
    source = page_html(
        root,
        title=title,
        parameters=parameters,
        inputs=inputs,
        targets=targets,
        learning_rate=learning_rate,
        lang=lang,
        digits=digits,
    )
    return write_whole(path, source)


def page_html(
    root: Value,
    *,
    title: str = "",
    parameters: Iterable[Value] = (),
    inputs: Iterable[Value] = (),
    targets: Iterable[Value] = (),
    learning_rate: float = 1.0,
    lang: str = "en",
    digits: int = 6,
) -> str:
    """Give the page as text; arguments and errors as `write_page`."""
    rate = as_float(learning_rate)
    if rate < 0:
        raise ValueError(f"write_page: needs a learning rate of 0 or more, got {learning_rate!r}")
    if lang not in LANGUAGES:
        raise ValueError(f"write_page: needs lang {' or '.join(map(repr, LANGUAGES))}, got {lang!r}")
    if index(digits) not in DIGITS:
        raise ValueError(f"write_page: needs digits {', '.join(map(str, DIGITS))}, got {digits}")
    title = title.encode("utf-8", "replace").decode()  # half of a surrogate pair has no encoding
    order = topological_order(root)
    if len(order) > LARGEST:
        raise ValueError(
            f"write_page: {len(order)} nodes are too many for a page (the limit is {LARGEST}); "
            "take a smaller root, such as the loss of one sample instead of a batch"
        )
    root, role_of = data.named(root, data.roles_of(root, inputs, parameters, targets))
    order = list(role_of)
    operations = Operations(root)
    names = {node: operations.name(node) for node in order}
    data.check_recorded(order, names)
    rules = dict.fromkeys(node.op for node in order if node.op is not None and node.parents)
    live = all(map(javascript.can_run, rules))
    rows_source, rows = javascript.module(rules if live else ())
    numbers = {node: position for position, node in enumerate(order)}
    messages = {lang: catalogue("page", lang) for lang in LANGUAGES}
    return bundle.page(
        title=title or messages[lang]["title"],
        lang=lang,
        program=bundle.script("main", {"rules": rows_source}),
        data={
            "title": title,
            "lang": lang,
            "digits": "all" if digits == max(DIGITS) else digits,
            "learningRate": rate,
            "view": "quantities" if any(node.label and node.parents for node in order[:-1]) else "operations",
            "live": live,
            "graph": data.describe(order, names, rows, role_of, rate),
            "messages": messages,
        },
        pictures={
            view: picture.svg(view_of(root, view), view, numbers, role_of) for view in ("quantities", "operations")
        },
    )


def show(root: Value, *, height: int = 720, **options: Any) -> Page:
    """Show the page inside a notebook, `height` pixels high; other arguments and errors as `write_page`."""
    return Page(page_html(root, **options), height)
