"""Write a picture as TikZ: the places of the layout, roles as styles that a paper can change, formulas in math mode.

Reads the SVG of the picture for the places, and the view for all else.
"""

from collections.abc import Iterable, Mapping, Sequence

from ..engine import Value
from ..formulas import algebra
from ..formulas.latex import LaTeX, escaped, latex
from ..formulas.matrix_notation import InLaTeX, NumbersInLaTeX
from ..graph.layers import ARRANGEMENT
from ..graph.roles import is_number
from ..messages import say
from .drawing import LOOKS, Shown
from .layer_drawing import PRODUCT, LayerDrawing, edges_between, is_small, numbers_of, range_of
from .places import Route, edges_of, nodes_of
from .steps import Step

# The letters of LaTeX are smaller than those for which the layout has made room.
_BEGIN = r"\begin{tikzpicture}[x=0.65bp, y=0.65bp]"
_SHAPES = {
    "number": "draw=none",
    "operation": "rounded corners",
    "quantity": "rounded corners",
    "input": "rounded corners=9pt",
    "parameter": "very thick",
    "target": "thick, densely dashed",
    "loss": "double, very thick",
}
_DIGITS = dict(
    zip("0123456789[", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "copy"])
)
_LAST_OF_PDFLATEX = "\u017f"  # the Latin letters; what comes after them needs fonts of Unicode
_SIGNS = {"⊙": r"$\odot$", "×": r"$\times$", "−": "$-$", "÷": r"$\div$", "Σ": r"$\sum$", "^": r"\textasciicircum"}
_latex = LaTeX()


def tikz(svg: str, shown: Shown, steps: Sequence[Step] = (), updated: Mapping[Value, float] | None = None) -> str:
    """Write a `tikzpicture` that stands wherever the packages amsmath and tikz are loaded.

    With `steps` it is one for Beamer: a slide a step, with the words of the step below the picture; the step of the
    update brings the `updated` values.
    """
    first = {part: number for number, step in reversed(list(enumerate(steps, 1))) for part in step.new}
    picture = _picture(svg, shown, first, updated or {})
    if not steps:
        return _head("", picture) + _styles() + picture
    words = [
        rf"\only<{number}>{{\small\everymath{{\displaystyle}}{step.latex}}}%" for number, step in enumerate(steps, 1)
    ]
    slides = "\n".join([r"\resizebox{\linewidth}{!}{%", picture.rstrip() + "}", "", r"\medskip", *words, ""])
    return _head("a frame of the class beamer, in ", slides) + _styles() + slides


def _head(where: str, content: str) -> str:
    r"""Say at the top where the file is \input, and what compiles it."""
    plain = max(content) <= _LAST_OF_PDFLATEX
    packages, programs = ("", "pdflatex, xelatex or lualatex") if plain else (",ctex", "xelatex or lualatex")
    return rf"% \input this in {where}a document with \usepackage{{amsmath,tikz{packages}}}; for {programs}." + "\n"


def layers_tikz(svg: str, drawing: LayerDrawing) -> str:
    """Write the layers of a graph as a `tikzpicture`: matrices of numbers, their formulas, and the edges between."""
    layers, places = drawing.layers, nodes_of(svg)
    digits, lang = drawing.look
    symbols = InLaTeX(layers.shapes, digits)
    lines = [r"\begin{tikzpicture}[x=0.8bp, y=0.8bp]"]  # matrices take more room than plain text
    for name, box in drawing.boxes.items():
        x, y = places[name]
        content = [f"${symbols.name(box.name)}$"]
        if box.shape != (1, 1):
            content[0] += rf" $({box.shape[0]} \times {box.shape[1]})$"
        if box.role == ARRANGEMENT:
            sources = ", ".join(algebra.names_in(box.formula))
            content.append(escaped(say("layers", "arranged", lang, sources=sources)))
        elif box.formula is not None:
            content.append(f"$= {symbols.write(box.formula)}$")
        for title, table in numbers_of(layers, box, lang).items():
            matrix = NumbersInLaTeX({}, digits).matrix(table) if is_small(box) else ""
            said = f"${matrix}$" if matrix else escaped(range_of(table, digits, lang)).replace("…", r"\dots ")
            content.append(rf"{f'${symbols.name(title)}$' if title.startswith('delta') else title} {said}")
        role = {ARRANGEMENT: "number"}.get(box.role, box.role)
        lines.append(_node(role, name, x, y, content))
    for (_, _, sign), route in zip(edges_between(layers, drawing.boxes), edges_of(svg), strict=True):
        written = _SIGNS.get(sign) or escaped(say("layers", "product", lang) if sign == PRODUCT else sign)
        lines.append(_edge(route, written))
    picture = "\n".join([*lines, r"\end{tikzpicture}", ""])
    return _head("", picture) + _styles() + picture


def numbers(shown: Shown) -> str:
    r"""Write every number as a macro, in all its digits: \valueouthone and \gradouthone."""
    written: list[str] = []
    taken: set[str] = set()
    for node in shown.names:
        macro = _macro(shown.view.name(node))
        while macro in taken:
            macro += "x"
        taken.add(macro)
        written.append(rf"\newcommand*{{\value{macro}}}{{{node.data!r}}}")
        written.append(rf"\newcommand*{{\grad{macro}}}{{{node.grad!r}}}")
    return "\n".join([*written, ""])


def _macro(label: str) -> str:
    spelled = "".join(_DIGITS.get(sign, sign) for sign in label)
    return "".join(sign for sign in spelled if sign.isascii() and sign.isalpha()) or "quantity"


def _styles() -> str:
    """Write a style for each role, without any library of TikZ: one that is loaded on a slide is gone on the next.

    A paper restyles a role by `sg input own` and the like, wherever that is set before.
    """
    colours = [rf"\definecolor{{sg{role}}}{{HTML}}{{{look.fill[1:].upper()}}}%" for role, look in LOOKS.items()]
    roles = [
        rf"  sg {role}/.style={{sg node, fill=sg{role}, {shape}, sg {role} own/.try}},"
        for role, shape in _SHAPES.items()
    ]
    return "\n".join(
        [
            *colours,
            r"\tikzset{sg node/.style={draw, align=center, inner sep=3pt, font=\footnotesize},",
            *roles,
            r"  sg edge/.style={->, >=stealth, draw=black!75},",
            r"  sg derivative/.style={font=\scriptsize, text=blue!50!black, align=center, inner sep=1pt}}%",
            "",
        ]
    )


def _picture(svg: str, shown: Shown, first: Mapping[str, int], updated: Mapping[Value, float]) -> str:
    node_of = {name: node for node, name in shown.names.items()}
    lines = [_BEGIN]
    for place, (x, y) in nodes_of(svg).items():
        name = place.partition("u")[0]  # the copies of a leaf go by its name
        if name in node_of:
            role, content = shown.role_of[node_of[name]], _lines(node_of[name], shown, name, first, updated)
        else:
            role = place.removeprefix("legend_")
            content = [say("drawing", f"role.{role}", shown.lang)]
        lines.append(_node(role, place, x, y, content))
    for part, route in zip(shown.edges(), edges_of(svg)):
        node, position = node_of[route.end], int(part.partition(".")[2])
        lines.append(_edge(route, r"\\".join(_from(part, line, first) for line in _derivative(node, position, shown))))
    return "\n".join([*lines, r"\end{tikzpicture}", ""])


def _node(role: str, name: str, x: float, y: float, content: Iterable[str]) -> str:
    written = r"\\".join(content)
    return rf"  \node[sg {role}] ({name}) at ({x:.1f}, {y:.1f}) {{{written}}};"


def _edge(route: Route, label: str) -> str:
    """Draw an edge on the way that the layout has found, from the border of one node to that of the other."""
    points = [f"({x:.1f}, {y:.1f})" for x, y in route.points]
    curves = zip(points[1::3], points[2::3], [*points[3:-1:3], f"({route.end})"])
    way = "".join(f" .. controls {bend} and {other} .. {end}" for bend, other, end in curves)
    x, y = route.label
    said = f" node[sg derivative] at ({x:.1f}, {y:.1f}) {{{label}}}" if label else ""
    return rf"  \draw[sg edge] ({route.start}){way}{said};"


def _derivative(node: Value, position: int, shown: Shown) -> list[str]:
    """Write what stands on an edge, as in the picture, line by line."""
    edge = shown.view.edges(node)[position]
    if not shown.has_derivatives or is_number(edge.parent):
        return []
    number = _number(edge.derivative, shown.digits)
    formula = latex(shown.view.derivatives(node)[position]) if shown.formulas else number
    return [f"${number}$"] if formula == number else [f"${formula}$", f"$= {number}$"]


def _lines(node: Value, shown: Shown, name: str, first: Mapping[str, int], updated: Mapping[Value, float]) -> list[str]:
    """Write what a node says, as in the picture."""
    if is_number(node):
        return [f"${_number(node.data, shown.digits)}$"]
    title = f"${_latex.name(named)}$" if (named := shown.title(node)) else ""
    if shown.operations and node.op and node.parents:
        title = rf"\textbf{{{escaped(node.op.name)}}} {title}"
    said = f"{say('drawing', 'value', shown.lang)} "
    value = _from(f"{name} value", f"{said}${_number(node.data, shown.digits)}$", first)
    if node in updated:
        value = _from(f"{name} updated", f"{said}${_number(updated[node], shown.digits)}$", first, value)
    gradient = f"{say('drawing', 'gradient', shown.lang)} ${_number(node.grad, shown.digits)}$"
    return [*filter(None, [title]), value, _from(f"{name} grad", gradient, first)]


def _from(part: str, content: str, first: Mapping[str, int], before: str = "") -> str:
    """Let Beamer show a part from its step on, first in red; before that another or, empty, its room."""
    if part not in first:
        return content
    other = before or rf"\phantom{{{content}}}"
    return rf"\alt<{first[part]}->{{\alert<{first[part]}>{{{content}}}}}{{{other}}}"


def _number(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value + 0.0:.{digits}g}".partition("e")
    return _latex.power_of_ten(mantissa, int(exponent)) if exponent else mantissa
