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

from .. import markup
from ..engine import Value, topological_order
from ..explain.drawing import in_notebook
from ..files import check_writable, write_whole
from ..graph.views import default_view
from ..messages import LANGUAGES, catalogue, say
from ..recording import as_float
from . import bundle, data, layers, picture, quiz

LARGEST = 1000  # nodes; a picture of more takes long to lay out, and nobody can step through it
DIGITS = (3, 4, 6, 8, 17)


# The page goes into a frame when the picture that stands for it has loaded. A viewer that allows no scripts drops both
# attributes and keeps the picture; of a frame that it does not allow it would show the whole source as text.
_UNFOLD = (
    "const frame = document.createElement('iframe'); frame.srcdoc = this.dataset.page; frame.title = 'scalargrad'; "
    "frame.style = 'width: 100%; height: {height}px; border: 1px solid #8888; border-radius: 6px'; "
    "this.replaceWith(frame)"
)
_NO_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


class Page:
    """A page as text, `html`, that is written into a file and shows itself in a notebook, in a frame of its own."""

    def __init__(self, source: str, height: int, root: Value, lang: str) -> None:
        self.html = source
        self.height = height  # of the frame, in pixels
        self.root = root
        self.lang = lang

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page into a file, and give back its path.

        Raises OSError with the path where it cannot be written; then no file is left behind.
        """
        return write_whole(path, self.html)

    def __repr__(self) -> str:
        return f"<page of {self.root.label or self.root!r}: .write('steps.html') puts it into a file>"

    def _repr_html_(self) -> str:
        image = markup.image(in_notebook(self.root, self.lang).get("image/svg+xml", _NO_PICTURE), repr(self))
        script = _UNFOLD.format(height=self.height)
        frame = image.replace("<img ", f'<img data-page="{html.escape(self.html)}" onload="{script}" ', 1)
        return f"{frame}\n{markup.paragraphs(say('notebook', 'page', self.lang, root=self.root.label or 'root'))}"


def write_page(root: Value, path: str | os.PathLike[str], **options: Any) -> Path:
    """Write the page of the graph under `root` into a file, and give back its path: `page(root, ...).write(path)`."""
    check_writable(path)
    return page(root, **options).write(path)


def page(
    root: Value,
    *,
    title: str = "",
    parameters: Iterable[Value] = (),
    inputs: Iterable[Value] = (),
    targets: Iterable[Value] = (),
    learning_rate: float = 1.0,
    lang: str = "en",
    digits: int = 6,
    height: int = 720,
) -> Page:
    """Make the page of the graph under `root`, which goes through both passes and the update.

    A leaf that is not named in `inputs`, `parameters` or `targets` goes by its label, where that is one letter with
    or without an index: w and b are parameters, y and t targets. `lang` is "en" or "zh", `digits` how many significant
    digits are shown (3, 4, 6, 8, or 17 for all), `height` that of the frame in a notebook. Raises ValueError for a
    graph of more than 1000 nodes and for one whose leaves have changed since it was recorded, and OverflowError where
    a gradient is too large for a float.
    """
    settings = settings_of(title, learning_rate, lang, digits)
    if (count := len(topological_order(root))) > LARGEST:
        raise ValueError(
            f"page: {count} nodes are too many for a page (the limit is {LARGEST}); "
            "take a smaller root, such as the loss of one sample instead of a batch"
        )
    graph = data.graph_of(root, inputs, parameters, targets)
    rate = settings["learningRate"]
    known_slips = quiz.describe(graph)
    needless = quiz.slips_elsewhere(known_slips)
    for sentences in settings["messages"].values():
        for key in [key for key in sentences if key.startswith(("typed.", "shelf.")) or key in needless]:
            del sentences[key]
    source = bundle.page(
        program=bundle.script("main", {"rules": graph.rows_source}),
        data={
            **settings,
            "view": default_view(graph.nodes),
            "live": graph.live,
            "graph": {
                **(told := data.describe(graph, rate)),
                "views": data.packed(told["views"]),
                "slips": known_slips,
                "layers": layers.describe(graph, lang),
                "layouts": {view: picture.layout(graph, view, lang) for view in ("quantities", "operations")},
            },
        },
    )
    return Page(source, height, root, lang)


def settings_of(title: str, learning_rate: float, lang: str, digits: int) -> dict[str, Any]:
    """Check what every page can be told, and give it back as the page's data, with the sentences of the page."""
    rate = as_float(learning_rate)
    if rate < 0:
        raise ValueError(f"page: needs a learning rate of 0 or more, got {learning_rate!r}")
    if lang not in LANGUAGES:
        raise ValueError(f"page: needs lang {' or '.join(map(repr, LANGUAGES))}, got {lang!r}")
    if index(digits) not in DIGITS:
        raise ValueError(f"page: needs digits {', '.join(map(str, DIGITS))}, got {digits}")
    return {
        "title": title.encode("utf-8", "replace").decode(),  # half of a surrogate pair has no encoding
        "lang": lang,
        "digits": "all" if digits == max(DIGITS) else digits,
        "learningRate": rate,
        "slips": quiz.tables(),
        "messages": {lang: catalogue("page", lang) | quiz.sentences(lang) for lang in LANGUAGES},
    }
