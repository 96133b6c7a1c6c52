"""Draw a recorded graph from left to right: every operation, or the labelled quantities with their true derivatives.

Reads the views. Only the source of the picture is built here; `rendering` lays it out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from operator import index
from pathlib import Path
from typing import Any, NamedTuple

try:
    import graphviz
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "draw: pictures need the package graphviz, which is not installed; to install it: pip install graphviz"
    ) from None

from .. import markup
from ..engine import Value, topological_order
from ..files import check_writable, write_whole
from ..formulas import notation
from ..formulas.labels import label_parts
from ..graph.changes import changed, check_unchanged
from ..graph.layers import Layers
from ..graph.roles import roles
from ..graph.views import LAYERS, Operations, View, view_of
from ..messages import language_of_locale, say
from ..recording import CONSTANT
from . import rendering
from .steps import Step, steps_of
from .vector import finish
from .widths import inches

LARGEST = 500  # nodes; a larger graph takes minutes to lay out, and nobody can read it
LARGEST_IN_NOTEBOOK = 100  # nodes; drawn unasked, so it has to be quick
_MOST_NAMES = 3  # of what has changed, in a caption
_MOST_FOR_LAYERS = 50_000  # nodes; looking for layers among more takes longer than a refusal should


class Look(NamedTuple):
    """How the nodes of one role are drawn."""

    shape: str
    fill: str
    margin: str = "0.1,0.05"  # inches at the sides, and above and below
    penwidth: float = 1.5
    slack: float = 1.0  # the width of the shape over the width of the text that it has room for


# The shapes tell the roles apart without colour. The fills are tints of the colours of Okabe and Ito, which the
# colour-blind can tell apart, and each is darker than the one before, which helps in a grey print.
LOOKS = {
    "number": Look("plaintext", "#ffffff"),
    "operation": Look("Mrecord", "#ffffff"),
    "quantity": Look("Mrecord", "#fbf6c0"),
    "input": Look("ellipse", "#c6e2f5", "0,0", slack=1.45),
    "parameter": Look("box", "#f5c777", penwidth=2.0),
    "target": Look("hexagon", "#86c9b1", "0,0", slack=1.45),
    "loss": Look("doubleoctagon", "#d494b9", "0,0", penwidth=2.0, slack=1.4),
}

_FONT_SIZE = 14.0
_MARGINS = 0.2  # inches, on both sides of a line
# With `ordering` "out" the nodes of a layer stand in the order in which they were made: h1 above h2.
_GRAPH = {"rankdir": "LR", "ordering": "out", "nodesep": "0.15", "ranksep": "0.3", "fontsize": "14", "labelloc": "b"}
_NODE = {"fontsize": f"{_FONT_SIZE:g}", "color": "#222222", "fontcolor": "#111111"}
_EDGE = {"fontsize": "12", "color": "#444444", "fontcolor": "#00477a", "penwidth": "1.3", "arrowsize": "0.7"}
_FONT = {"fontname": "Arial"}  # one name: for a list of names Graphviz without the fonts measures Times


class Shown(NamedTuple):
    """What a picture shows, for those that write it in other ways."""

    view: View
    operations: bool  # whether it is the view of every operation
    names: dict[Value, str]  # of the nodes in the source
    role_of: dict[Value, str]
    digits: int
    lang: str
    has_derivatives: bool = True  # on its edges
    formulas: bool = False  # whether it says where they come from
    all_names: bool = False  # whether operations without a label bear names

    def title(self, node: Value) -> str:
        """Give the name that a node bears in the picture, if it has one."""
        is_computed = bool(node.op and node.parents)
        is_named = node.label or (is_computed and (self.formulas or self.all_names or not self.operations))
        return self.view.name(node) if is_named else ""

    def edges(self) -> list[str]:
        """Name the edges in the order in which they stand in the source: "n4.1" is the second that leads to n4."""
        return [
            f"{name}.{position}"
            for node, name in self.names.items()
            for position, edge in enumerate(self.view.edges(node))
            if edge.parent in self.names
        ]

    def steps(self, learning_rate: float) -> list[Step]:
        """List the steps of both passes and of the update."""
        kind = "operations" if self.operations else "quantities"
        return steps_of(self.view.root, kind, self.names, self.parameters(), learning_rate, self.lang)

    def parameters(self) -> list[Value]:
        """List the parameters in the picture."""
        return [node for node in self.names if self.role_of[node] == "parameter"]


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that is rendered with `dot` on the PATH or without it, and shows itself in a notebook."""

    lang = "en"  # of what is said while it is laid out
    title = ""  # of the picture, for those who hear it
    description = ""
    names: frozenset[str] = frozenset()  # the labels in it, which are set with their indices
    shown: Shown  # of `draw`
    with_all_names: Callable[[], Drawing] | None = None  # draws it once more, for the formulas of the steps

    def write(self, path: str | os.PathLike[str], scale: float | None = None) -> Path:
        """Write the picture into a file, in the format that its suffix names: svg, png, pdf, tex, gv or dot.

        A PNG has 96 dots per inch times `scale`, by default 1.5. Raises ValueError for an unknown format, RuntimeError
        for png and pdf where neither the extra nor the program `dot` is there, and OSError with the path where it
        cannot be written. Then nothing is left behind.
        """
        target = Path(path)
        check_writable(target)
        return write_whole(target, self._rendered(target.suffix.removeprefix(".").lower(), scale))

    def pipe(
        self, format: str | None = None, *, encoding: str | None = None, scale: float | None = None
    ) -> bytes | str:
        """Give the picture as bytes, or as text in the encoding; "svg" where no format is given.

        Raises as `write`.
        """
        picture = self._rendered(format or self.format, scale)
        return picture.decode(encoding) if encoding else picture

    def _rendered(self, picture_format: str, scale: float | None = None, unasked: bool = False) -> bytes:
        if scale is not None and picture_format != "png":
            raise ValueError(f"draw: only a png has a scale, and this is {picture_format}")
        if scale is not None and not 0.1 <= scale <= 20:
            raise ValueError(f"draw: needs a scale from 0.1 to 20, got {scale}")
        if picture_format == "tex":
            return self._tikz(self._rendered("svg").decode()).encode()
        scale = scale or rendering.SCALE
        return rendering.render(self.source, picture_format, unasked, self._finished, scale, self.lang)

    def write_steps(
        self, path: str | os.PathLike[str], learning_rate: float = 1.0, scale: float | None = None
    ) -> list[Path]:
        """Write both passes and the update in steps, and give back the paths.

        An svg or png is written once for each step, as graph-01.svg, graph-02.svg and so on, all of the same size,
        what is new in bold and its formula below; a tex is one file, in which Beamer makes a slide of each step.
        Raises as `write`, and ValueError for another format.
        """
        if self.with_all_names:
            return self.with_all_names().write_steps(path, learning_rate, scale)
        target, steps = Path(path), self.shown.steps(learning_rate)
        kind = target.suffix.removeprefix(".").lower()
        if kind not in ("svg", "png", "tex"):
            raise ValueError(f"draw: the steps are written as svg, png or tex, not as {kind!r}")
        width = max(2, len(str(len(steps))))
        names = [f"{target.stem}-{number:0{width}}{target.suffix}" for number in range(1, len(steps) + 1)]
        paths = [target] if kind == "tex" else list(map(target.with_name, names))
        for file in paths:
            check_writable(file)
        svg = self._rendered("svg").decode()
        new = {node: node.data - learning_rate * node.grad for node in self.shown.parameters()}
        if kind == "tex":
            from .tikz import tikz

            return [write_whole(target, tikz(svg, self.shown, steps, new))]
        from .series import frames

        updated = {self.shown.names[node]: number_text(number, self.shown.digits) for node, number in new.items()}
        for file, frame in zip(paths, frames(svg, steps, self.shown.edges(), updated)):
            write_whole(file, frame.encode() if kind == "svg" else rendering.as_png(frame, scale or rendering.SCALE))
        return paths

    def _tikz(self, svg: str) -> str:
        from .tikz import tikz

        return tikz(svg, self.shown)

    def _finished(self, svg: str) -> str:
        return finish(svg, self.names, self.title, self.description)

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        *,
        outfile: str | os.PathLike[str] | None = None,
    ) -> str:
        """Write the source into a file and the picture beside it, as `graphviz.Digraph.render` does.

        With `cleanup` the source is not kept; `view` opens the picture. Raises as `write`.
        """
        source = Path(directory or self.directory or "", filename or self.filename)
        picture = Path(outfile) if outfile else source.with_name(f"{source.name}.{format or self.format}")
        self.write(picture)
        if not cleanup:
            self.save(source if outfile is None else picture.with_suffix(".gv"), directory="")
        if view:
            graphviz.view(str(picture))
        return str(picture)

    def view(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        cleanup: bool = False,
    ) -> str:
        """Write the picture as `render` does, and open it."""
        return self.render(filename, directory, view=True, cleanup=cleanup)

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, str]:
        return self.in_notebook()

    def in_notebook(self, unasked: bool = False) -> dict[str, str]:
        """Give the picture to a notebook, or a sentence that says why there is none."""
        try:
            return markup.picture(self._rendered("svg", unasked=unasked).decode(), repr(self))
        except TimeoutError as error:
            return markup.sentence(f"{error}, and nobody asked for this picture; draw(...) takes its time")
        except (ImportError, RuntimeError) as error:
            return markup.sentence(str(error))

    def __repr__(self) -> str:
        return "<drawing: a notebook shows it, and .write('graph.svg') puts it into a file>"


def draw(
    root: Value,
    view: str | None = None,
    *,
    digits: int = 4,
    edges: bool = True,
    formulas: bool = False,
    inputs: Iterable[Value] = (),
    parameters: Iterable[Value] = (),
    targets: Iterable[Value] = (),
    depth: int | None = None,
    legend: bool = False,
    leaf_per_use: bool = False,
    all_names: bool = False,
    force: bool = False,
    lang: str = "en",
) -> Drawing:
    """Draw the graph under `root`: its "operations", its labelled "quantities", or its "layers" as matrices.

    Without a `view` it is "quantities" where an operation below the root has a label, else "operations".
    Numbers have `digits` significant digits (0 to 17; 0 counts as 1). With `edges` each edge shows the derivative
    of its end with respect to its start, with `formulas` also where that number comes from. A leaf that is not
    named in `inputs`, `parameters` or `targets` goes by its label, where that is one letter with or without an
    index: w and b are parameters, y and t targets, all others inputs. With `depth` only the nodes at most so
    many edges from the root are drawn. With `leaf_per_use` a leaf is drawn once for each use, as one draws a recurrent
    weight. With `all_names` operations without a label bear the names v1, v2, ... that their derivatives have.
    The words are English or, with `lang` "zh", Chinese. Where numbers have changed since the graph was recorded, as by
    an update, the picture shows what is stored, and its caption says so. Raises ValueError for more than 500 nodes,
    unless `force` is set, and for `formulas` where numbers have changed.

    >>> x = Value(3.0, label="x")
    >>> "n0 -> n1 [label=6]" in draw(x * x, "quantities").source
    True
    """
    if not 0 <= index(digits) <= 17:
        raise ValueError(f"draw: needs digits from 0 to 17, got {digits}")
    if depth is not None and index(depth) < 0:
        raise ValueError(f"draw: needs a depth of 0 or more, got {depth}")
    if formulas:
        check_unchanged(topological_order(root))
    if view == LAYERS:
        from .layer_drawing import draw_layers

        layers = Layers(root, inputs, parameters, targets)
        chosen: dict[str, Any] = {"edges": edges, "formulas": formulas, "depth": depth, "legend": legend}
        drawn = draw_layers(layers, digits=digits, force=force, lang=lang, **chosen)
        _add_captions(drawn, topological_order(root), [], lambda node: node.label, digits, lang)
        return drawn
    shown = view_of(root, view)
    operations = isinstance(shown, Operations)
    nodes = shown.order if depth is None else _near_root(shown, depth)
    check_size(len(nodes), force, lambda: _fewer(shown, len(nodes)))
    given = {"inputs": list(inputs), "parameters": list(parameters), "targets": list(targets)}
    role_of = roles(root, **given)
    drawing = Drawing(format="svg", **attributes())
    drawing.lang = lang
    names = {node: f"n{position}" for position, node in enumerate(nodes)}
    drawing.shown = Shown(shown, operations, names, role_of, digits, lang, edges, formulas, all_names)
    if any(node.parents and not drawing.shown.title(node) for node in nodes):
        looks: dict[str, Any] = {"digits": digits, "edges": edges, "legend": legend, "leaf_per_use": leaf_per_use}
        again = partial(draw, root, view, depth=depth, all_names=True, force=True, lang=lang)
        drawing.with_all_names = partial(again, **looks, **given)
    copies = _copies(shown, names) if leaf_per_use else {node: [name] for node, name in names.items()}
    for node in nodes:
        symbol = node.op.symbol or node.op.name if node.op and node.parents and operations else ""
        for name in copies[node]:
            _add_node(drawing, name, role_of[node], symbol, _lines(node, drawing.shown.title(node), digits, lang))
    starts = {node: iter(copies[node]) for node in nodes}
    for node in nodes:
        _add_edges(drawing, shown, node, names, starts, digits, edges, formulas)
    if legend:
        _add_legend(drawing, lang, [role for role in LOOKS if any(role_of[node] == role for node in nodes)])
    captions = []
    if len(nodes) < len(shown.order):
        captions.append(say("drawing", "depth", lang, shown=len(nodes), count=len(shown.order), depth=depth))
    captions += [say("drawing", f"told apart.{mark}", lang) for mark in _marks(shown, nodes)]
    _add_captions(drawing, topological_order(root), captions, shown.name, digits, lang)
    drawing.names = frozenset(filter(None, map(drawing.shown.title, nodes)))
    drawing.title = say("drawing", "title", lang, root=shown.name(root), count=len(nodes))
    drawing.description = _in_words(shown, nodes, role_of, digits, lang)
    return drawing


def in_notebook(value: Value, lang: str = "") -> dict[str, str]:
    """Draw a value for a notebook; a graph that is too large to be drawn unasked is put into words."""
    words, count = repr(value), len(topological_order(value))
    if count <= LARGEST_IN_NOTEBOOK:
        picture = draw(value, lang=lang or language_of_locale()).in_notebook(unasked=True)
        return picture | {"text/plain": words}
    layers = "".join(f"draw(..., {view}) shows it as matrices{boxes}, " for view, boxes in _as_layers(value, count))
    return markup.sentence(
        f"{words}: {count} nodes are too many to draw unasked (the limit is {LARGEST_IN_NOTEBOOK}); "
        f"{layers}draw(...) draws it where it is asked to, and draw(..., depth=5) a part of it"
    )


def _in_words(view: View, nodes: list[Value], role_of: Mapping[Value, str], digits: int, lang: str) -> str:
    """Say what the picture shows, for those who hear it: each quantity, and the edges that lead to it."""
    told = []
    for node in nodes:
        values = {"value": number_text(node.data, digits), "gradient": number_text(node.grad, digits)}
        role = say("drawing", f"role.{role_of[node]}", lang)
        words = say("drawing", "in words", lang, name=view.name(node), role=role, **values)
        edges = [(view.name(edge.parent), number_text(edge.derivative, digits)) for edge in view.edges(node)]
        from_ = [say("drawing", "edge in words", lang, name=name, derivative=number) for name, number in edges]
        told.append(f"{words} {' '.join(from_)}".strip())
    return "\n".join(told)


def _marks(view: View, nodes: Iterable[Value]) -> list[str]:
    """List the marks by which the picture tells quantities of one label apart: "step", "unit" and "copy"."""
    found: set[str] = set()
    for node in nodes:
        if node.label and (name := view.name(node)) != node.label:
            parts, own = label_parts(name), label_parts(node.label)
            marks = {"step": parts.layer != own.layer, "unit": parts.indices != own.indices, "copy": bool(parts.copy)}
            found.update(mark for mark, used in marks.items() if used)
    return sorted(found, reverse=True)


def attributes() -> dict[str, dict[str, str]]:
    """Give what all pictures have in common."""
    return {"graph_attr": _GRAPH | _FONT, "node_attr": _NODE | _FONT, "edge_attr": _EDGE | _FONT}


def check_size(count: int, force: bool, fewer: Callable[[], str]) -> None:
    """Raise ValueError, with what to draw instead, for more than anybody can read."""
    if count > LARGEST and not force:
        raise ValueError(
            f"draw: {count} nodes are too many to read (the limit is {LARGEST}); "
            f"draw less, with {fewer()}, or all of it with force=True"
        )


def _add_captions(
    drawing: Drawing,
    order: list[Value],
    captions: list[str],
    name: Callable[[Value], str],
    digits: int,
    lang: str,
) -> None:
    """Write below a picture what its reader has to know."""
    if not any(node.grad for node in order):
        captions = [say("drawing", "not run", lang), *captions]
    if altered := changed(order):
        captions.append(_told(name, altered, digits, lang))
    if captions:
        drawing.attr(label="\\n".join(captions))


def _told(name: Callable[[Value], str], altered: list[list[Value]], digits: int, lang: str) -> str:
    """Say which numbers have changed since the graph was recorded: one of each list has."""
    either = say("drawing", "or", lang)
    names = [
        either.join(name(node) if node.label else number_text(node.data, digits) for node in nodes) for nodes in altered
    ]
    told = ", ".join(names[:_MOST_NAMES]) + ", …" * (len(names) > _MOST_NAMES)
    return _in_plain(say("drawing", "changed", lang, names=told))


def _near_root(view: View, depth: int) -> list[Value]:
    """List the nodes at most `depth` edges from the root, in the order of the view."""
    near = {view.root}
    border = [view.root]
    for _ in range(depth):
        border = list(dict.fromkeys(edge.parent for node in border for edge in view.edges(node)))
        border = [node for node in border if node not in near]
        if not border:
            break
        near.update(border)
    return [node for node in view.order if node in near]


def _fewer(view: View, count: int) -> str:
    """Say how the graph can be drawn with fewer nodes."""
    proposals = [*map("".join, _as_layers(view.root, count)), "a smaller root", "depth=5"]
    labelled = sum(1 for node in view.order if node.label or node is view.root)
    if view.kind == "operations" and 1 < labelled < count:
        proposals.insert(-2, f'view="quantities" ({labelled} nodes)')
    return " or ".join([", ".join(proposals[:-1]), proposals[-1]])


def _as_layers(root: Value, count: int) -> list[tuple[str, str]]:
    """Propose the view of layers, with how many boxes it has, where it makes the graph much smaller."""
    if count > _MOST_FOR_LAYERS:
        return [('view="layers"', "")]
    boxes = len(Layers(root).boxes)
    return [('view="layers"', f" ({boxes} boxes)")] if boxes < min(count / 3, LARGEST) else []


def _lines(node: Value, title: str, digits: int, lang: str) -> list[str]:
    """Write what a node says, line by line."""
    if node.op is CONSTANT and not node.label:
        return [number_text(node.data, digits)]
    value, gradient = say("drawing", "value", lang), say("drawing", "gradient", lang)
    return [
        *title.splitlines(),
        f"{value} {number_text(node.data, digits)}",
        f"{gradient} {number_text(node.grad, digits)}",
    ]


def number_text(value: float, digits: int) -> str:
    """Write a number with so many significant digits, and one of ordinary size without an exponent.

    >>> number_text(0.00704002, 4), number_text(123456.7, 4), number_text(-0.0, 4)
    ('0.00704', '123457', '0')
    """
    written = f"{value + 0.0:.{digits}g}"
    return f"{value:.0f}" if "e+" in written and abs(value) < 1e9 else written


def _add_node(drawing: Drawing, name: str, role: str, symbol: str, lines: list[str]) -> None:
    look = LOOKS[role]
    shape, style = (look.shape, "filled") if symbol or look.shape != "Mrecord" else ("box", "filled,rounded")
    if shape == "Mrecord":  # the symbol stands in a compartment of its own
        label = f"{in_record(symbol)}|{_escaped(lines, in_record)}"
    else:
        label = _escaped([symbol, *lines] if symbol else lines)
    # Graphviz measures with the fonts that are here, or guesses without any; the reader's may be wider.
    width = max([0.4 if role == "number" else 0.75, *(look.slack * width_of(line) for line in lines)])
    drawing.node(
        name,
        graphviz.nohtml(label),
        shape=shape,
        style=style,
        fillcolor=look.fill,
        margin=look.margin,
        penwidth=f"{look.penwidth:g}",
        width=f"{width:.2f}",
    )


def _copies(view: View, names: dict[Value, str]) -> dict[Value, list[str]]:
    """Name the copies of each leaf, one for each use; all else is there once."""
    copies = {node: [name] for node, name in names.items()}
    used: set[Value] = set()
    for parent in (edge.parent for node in names for edge in view.edges(node)):
        if parent in used and parent in names and not parent.parents:
            copies[parent].append(f"{names[parent]}u{len(copies[parent]) + 1}")
        used.add(parent)
    return copies


def _add_edges(
    drawing: Drawing,
    view: View,
    node: Value,
    names: dict[Value, str],
    starts: dict[Value, Iterator[str]],
    digits: int,
    edges: bool,
    formulas: bool,
) -> None:
    found = view.edges(node)
    written = view.derivatives(node) if edges and formulas else ()
    for position, edge in enumerate(found):
        if edge.parent not in names:
            continue
        lines = [number_text(edge.derivative, digits)] if edges and edge.parent.op is not CONSTANT else []
        if lines and written and (text := notation.text(written[position])) != lines[0]:
            lines = [text, f"= {lines[0]}"]
        drawing.edge(
            next(starts[edge.parent], names[edge.parent]),
            names[node],
            graphviz.nohtml(_escaped(lines)) if lines else None,
        )


def _add_legend(drawing: Drawing, lang: str, shown: list[str]) -> None:
    """Put a column of samples at the left, one for each role that the picture shows."""
    column = Drawing(name="cluster_legend", graph_attr={"label": "", "color": "#bbbbbb", "style": "rounded"})
    for role in shown:
        _add_node(column, f"legend_{role}", role, "", [say("drawing", f"role.{role}", lang)])
    drawing.subgraph(column)


def width_of(line: str) -> float:
    """Give the inches that a line needs, with room at both sides."""
    return inches(line, _FONT_SIZE) + _MARGINS


# A label comes from a user and has to show as it is. Graphviz reads backslashes and entities in it, a record also
# braces and bars, and an SVG cannot hold control characters at all: their pictures of Unicode stand for them.
_PLAIN = {"\\": "\\\\", "&": "&amp;", "\t": "    ", "\x7f": "\u2421"}
_PLAIN |= {chr(code): chr(0x2400 + code) for code in range(32) if chr(code) != "\t"}
_UNENCODABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")
_RECORD = {sign: f"\\{sign}" for sign in "{}|<> "}


def _in_plain(text: str) -> str:
    return "".join(_PLAIN.get(sign, sign) for sign in _UNENCODABLE.sub("\ufffd", text))


def in_record(text: str) -> str:
    """Write text as it is in the label of a record."""
    return "".join(_RECORD.get(sign, sign) for sign in _in_plain(text))


def _escaped(lines: list[str], escape: Callable[[str], str] = _in_plain) -> str:
    return "\\n".join(map(escape, lines))
