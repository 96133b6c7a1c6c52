"""Draw the layers of a graph: a box a matrix, with its shape, its formula and its numbers, and an edge a use of it.

Reads the layers. The source is laid out like that of the other views.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import NoReturn

import graphviz

from ..engine import Value
from ..formulas import algebra
from ..formulas.algebra import Matrix, Shape
from ..formulas.matrix_notation import OfMatrices
from ..formulas.tree import Expression
from ..graph.layers import ARRANGEMENT, Box, Layers
from ..graph.matrix_pass import shape_of
from ..messages import say
from .drawing import LOOKS, Drawing, attributes, check_size, in_record, number_text, width_of

_MOST_ROWS = 4  # of a matrix that shows its numbers
_MOST_COLUMNS = 4
_STYLES = {"target": "filled,dashed", "quantity": "filled,rounded", "loss": "filled,rounded"}
PRODUCT = "product"
_SIGNS = {ast.Add: "+", ast.Sub: "−", ast.Mult: "⊙", ast.Div: "÷", ast.MatMult: PRODUCT}


class _InPictures(OfMatrices):
    """Formulas of matrices with the signs of a blackboard, and numbers as the matrices of the picture have them."""

    def figures(self, value: float) -> str:
        return number_text(value, self.digits)

    def matrix_product(self, left: str, right: str) -> str:
        return f"{left} · {right}"

    def hadamard(self, left: str, right: str) -> str:
        return f"{left} ⊙ {right}"


class LayerDrawing(Drawing):
    """The drawing of the layers of a graph."""

    layers: Layers
    boxes: dict[str, Box]  # by their names in the source
    look: tuple[int, str]  # digits and language

    def write_steps(self, *_: object, **__: object) -> NoReturn:
        """Raise ValueError: the steps are those of single scalars."""
        raise ValueError(
            'draw: the steps are those of single quantities; draw them with view="quantities" (at the command line '
            "--view quantities), or write the page (scalargrad page), which steps through matrices"
        )

    def _tikz(self, svg: str, steps: object = ()) -> str:
        from .tikz import layers_tikz

        return layers_tikz(svg, self)


def draw_layers(
    layers: Layers,
    *,
    digits: int,
    edges: bool,
    formulas: bool,
    depth: int | None,
    legend: bool,
    force: bool,
    lang: str,
) -> LayerDrawing:
    """Draw layers, each box with its formula.

    With `edges` an edge shows what is done with the matrix that it comes from, with `formulas` a box also where its
    gradient comes from. Raises ValueError for too many boxes.
    """
    shown = layers.boxes if depth is None else _near_root(layers, depth)
    check_size(len(shown), force, lambda: "a smaller root or depth=5")
    looks = attributes()
    del looks["graph_attr"]["ordering"]  # what goes into one product is in no order of its own
    drawing = LayerDrawing(format="svg", **looks)
    drawing.layers, drawing.look, drawing.lang = layers, (digits, lang), lang
    drawing.boxes = {f"n{number}": box for number, box in enumerate(shown)}
    for name, box in drawing.boxes.items():
        _add_box(drawing, name, box, digits, formulas, lang)
    for start, end, sign in edges_between(layers, drawing.boxes):
        label = graphviz.nohtml(say("layers", "product", lang) if sign == PRODUCT else sign) if edges and sign else None
        is_main = drawing.boxes[start].formula is not None or drawing.boxes[start].role == "input"
        drawing.edge(start, end, label, weight="9" if is_main else "1")  # what comes from the inputs goes straight on
    if legend:
        column = Drawing(name="cluster_legend", graph_attr={"label": "", "color": "#bbbbbb", "style": "rounded"})
        for role in dict.fromkeys(box.role for box in shown):
            _add_record(column, f"legend_{role}", role, [say("layers", f"role.{role}", lang)], 0.75)
        drawing.subgraph(column)
    drawing.names = frozenset(chain(*((box.name, layers.gradient_name(box)) for box in shown)))
    drawing.title = say("layers", "title", lang, root=layers.boxes[-1].name, count=len(shown))
    drawing.description = "\n".join(_in_words(layers, box, digits, lang) for box in shown)
    return drawing


def edges_between(layers: Layers, boxes: dict[str, Box]) -> Iterator[tuple[str, str, str]]:
    """List the edges: both ends, and the sign of what is done."""
    names = {box.name: name for name, box in boxes.items()}
    for name, box in boxes.items():
        for source in dict.fromkeys(algebra.names_in(box.formula)):
            if source in names:
                yield names[source], name, _sign(box.formula, source, layers.shapes)


def _sign(formula: Expression | None, name: str, shapes: Mapping[str, Shape]) -> str:
    """Give the sign of the innermost operation that a matrix goes into; to be repeated or added up is none of them."""
    match formula:
        case ast.BinOp(left=left, op=operator, right=right):
            for side in (left, right):
                if _is_bare(side, name):
                    other = right if side is left else left
                    is_times = isinstance(operator, ast.Mult) and (1, 1) in (
                        algebra.shape(left, shapes),
                        algebra.shape(right, shapes),
                    )
                    return "Σ" if algebra.is_ones(other) else "×" if is_times else _SIGNS[type(operator)]
            return _sign(left, name, shapes) or _sign(right, name, shapes)
        case ast.UnaryOp(operand=operand):
            return _sign(operand, name, shapes) or "−" * _is_bare(operand, name)
        case ast.Call(func=ast.Name(id=word), args=operands):
            inner = next(filter(None, (_sign(operand, name, shapes) for operand in operands)), "")
            said = {"pow": "^", algebra.SUM: "Σ", algebra.SPREAD: ""}.get(word, word)
            return inner or said * any(_is_bare(operand, name) for operand in operands)
        case ast.Attribute(value=inner):
            return _sign(inner, name, shapes)
    return ""


def _is_bare(part: Expression, name: str) -> bool:
    """Tell whether a part of a formula is a matrix itself, transposed, or repeated in each row."""
    match part:
        case ast.Name(id=found):
            return found == name
        case ast.Attribute(value=inner):
            return _is_bare(inner, name)
        case ast.BinOp(left=left, op=ast.MatMult(), right=right) if algebra.is_ones(left):
            return _is_bare(right, name)
        case ast.BinOp(left=left, op=ast.MatMult(), right=right) if algebra.is_ones(right):
            return _is_bare(left, name)
    return False


def _near_root(layers: Layers, depth: int) -> list[Box]:
    near = border = {layers.boxes[-1].name}
    for _ in range(depth):
        border = {name for box in border for name in algebra.names_in(layers.by_name[box].formula)} - near
        near = near | border
    return [box for box in layers.boxes if box.name in near]


def _add_box(drawing: LayerDrawing, name: str, box: Box, digits: int, formulas: bool, lang: str) -> None:
    layers = drawing.layers
    symbols = _InPictures(layers.shapes, digits)
    fields, width = [_field([box.name])], width_of(box.name)
    shape = f"{shape_of(box)}".replace("x", "×")
    uses = layers.product_uses(box) if box.formula is None else 0
    words = [shape] * (box.shape != (1, 1)) + [say("layers", "shared", lang, count=uses)] * (uses > 1)
    if box.role == ARRANGEMENT:
        words.append(say("layers", "arranged", lang, sources=", ".join(algebra.names_in(box.formula))))
    elif box.formula is not None:
        words.append(f"= {symbols.write(box.formula)}")
    for line in words:
        fields.append(_field([line]))
        width = max(width, width_of(line))
    for title, table in numbers_of(layers, box, lang).items():
        field, needed = _numbers(title, table, digits, lang)
        if formulas and title != say("drawing", "value", lang):
            written = f"= {symbols.sum_of_terms(layers.gradient_terms[box.name])}"
            field, needed = f"{field}|{_field([written])}", max(needed, width_of(written))
        fields.append(field)
        width = max(width, needed)
    title = "\\n".join(fields[: 1 + len(words)])
    _add_record(drawing, name, box.role, ["|".join([title, *fields[1 + len(words) :]])], width)


def numbers_of(layers: Layers, box: Box, lang: str) -> dict[str, Matrix]:
    """Give the numbers that a box shows, under their titles: its values, and its gradients as they are stored."""
    found = {say("drawing", "value", lang): box.values}
    if box.role not in (ARRANGEMENT, "number"):
        title = layers.gradient_name(box) if layers.has_delta(box) else say("drawing", "gradient", lang)
        found[title] = [[node.grad for node in row] for row in box.table]
    return found


def is_small(box: Box) -> bool:
    """Tell whether a box has room for all its numbers."""
    return box.shape[0] <= _MOST_ROWS and box.shape[1] <= _MOST_COLUMNS


def _add_record(drawing: Drawing, name: str, role: str, fields: list[str], width: float) -> None:
    look = LOOKS["number" if role == ARRANGEMENT else role]
    style = _STYLES.get(role, "filled")
    drawing.node(
        name,
        "|".join(fields),
        shape="Mrecord" if "rounded" in style else "record",
        style=style,
        fillcolor=look.fill,
        penwidth=f"{look.penwidth:g}",
        margin="0.08,0.04",
        width=f"{width:.2f}",
    )


def _numbers(title: str, table: Matrix, digits: int, lang: str) -> tuple[str, float]:
    """Write the numbers of a matrix in cells, those of a large one as the range that they are in."""
    rows, columns = len(table), len(table[0])
    if rows == columns == 1 or rows > _MOST_ROWS or columns > _MOST_COLUMNS:
        numbers = number_text(table[0][0], digits) if rows == columns == 1 else range_of(table, digits, lang)
        lines = [title, numbers] if title.startswith("delta") else [f"{title} {numbers}"]  # a name stands by itself
        return _field(lines), max(map(width_of, lines))
    written = [[number_text(number, digits) for number in column] for column in zip(*table)]
    cells = "|".join("{" + "|".join(map(in_record, column)) + "}" for column in written)
    needed = sum(max(map(width_of, column)) for column in written)
    return f"{_field([title])}|{{{cells}}}", max(needed, width_of(title))


def range_of(table: Matrix, digits: int, lang: str) -> str:
    """Write from where to where the numbers of a matrix go."""
    least, most = (number_text(choose(chain(*table)), digits) for choose in (min, max))
    return say("layers", "all", lang, number=least) if least == most else f"{least} … {most}"


def _field(lines: Iterable[str]) -> str:
    return "\\n".join(map(in_record, lines))


def _in_words(layers: Layers, box: Box, digits: int, lang: str) -> str:
    """Say what a box shows, for those who hear the picture."""
    text = OfMatrices(layers.shapes, digits)
    if box.role == ARRANGEMENT:
        formula = say("layers", "arranged", lang, sources=", ".join(algebra.names_in(box.formula)))
    else:
        formula = f"= {text.write(box.formula)}" if box.formula is not None else ""
    values: list[Callable[[Value], float]] = [lambda node: node.data, lambda node: node.grad]
    value, gradient = (
        "; ".join(", ".join(number_text(of(node), digits) for node in row) for row in box.table)
        if is_small(box)
        else range_of([list(map(of, box.members()))], digits, lang)
        for of in values
    )
    role = say("layers", f"role.{box.role}", lang)
    words = say("layers", "in words", lang, name=box.name, shape=shape_of(box), role=role, formula=formula, value=value)
    if box.role in (ARRANGEMENT, "number"):
        return words
    return f"{words} {say('layers', 'gradient in words', lang, gradient=gradient)}"
