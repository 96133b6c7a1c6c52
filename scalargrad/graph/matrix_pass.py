"""Both passes over a graph in matrices: each equation with its symbols, with the numbers put in, and what comes out.

Reads the layers. Text, LaTeX and the tables of a notebook show these equations.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple

from .. import markup
from ..engine import Value, topological_order
from ..formulas import algebra, tree
from ..formulas.algebra import Matrix
from ..formulas.mathml import math
from ..formulas.matrix_notation import (
    MOST_ENTRIES,
    InLaTeX,
    InMathML,
    NumbersInLaTeX,
    NumbersInText,
    OfMatrices,
    beside,
)
from ..formulas.terminal import WIDTH, columns, wrapped
from ..formulas.tree import Expression
from ..messages import say
from .changes import check_unchanged
from .layers import ARRANGEMENT, Box, Layers

_MARGIN = "      = "


class MatrixEquation(NamedTuple):
    """What a box, or its gradient, is equal to."""

    name: str  # what stands on the left: W_h, delta_h, dE/dW_h
    box: Box
    stages: list[list[Expression]]  # one after the other, each a sum of terms
    result: Matrix  # as the graph has it


class MatrixPass:
    """Equations of matrices under headings; as text, as LaTeX, and as tables in a notebook."""

    def __init__(self, layers: Layers, lang: str, digits: int) -> None:
        if not 1 <= digits <= 17:
            raise ValueError(f"trace: needs digits from 1 to 17, got {digits}")
        self.layers, self.lang, self.digits = layers, lang, digits
        for box in layers.boxes:
            if not all(map(isfinite, chain(*layers.tables[layers.gradient_name(box)]))):
                raise OverflowError(f"trace: the gradient of {box.name} is too large for a float")
        numbers = {name: tree.number(table[0][0]) for name, table in layers.tables.items() if _is_scalar(table)}
        self._scalars = numbers
        self.forward = [
            MatrixEquation(box.name, box, [[box.formula]], box.values)
            for box in layers.boxes
            if box.formula is not None
        ]
        self.backward = [
            MatrixEquation(layers.gradient_name(box), box, stages, layers.tables[layers.gradient_name(box)])
            for box in reversed(layers.boxes)
            if (stages := self._stages(box))
        ]

    def _stages(self, box: Box) -> list[list[Expression]]:
        """Write the gradient of a box: of a weighted input as the documents do, with what it gets put in."""
        layers = self.layers
        if not layers.is_asked_for(box) or self._is_put_in(box):
            return []
        with_primes = [layers.gradient_terms_with_primes[box.name], layers.gradient_terms[box.name]]
        put = {
            layers.gradient_name(other): layers.gradient_terms[other.name][0]
            for other in layers.boxes
            if self._is_put_in(other)
        }
        stages = [[tree.substitute(term, put, {}) for term in terms] for terms in with_primes]
        return stages if list(map(ast.dump, stages[0])) != list(map(ast.dump, stages[1])) else stages[:1]

    def _is_put_in(self, box: Box) -> bool:
        """Tell whether the gradient of a box is one product of matrices, which stands in the delta before it."""
        match self.layers.gradient_terms[box.name]:
            case [ast.BinOp(op=ast.MatMult())] if box.formula is not None and box.role != ARRANGEMENT:
                before = {self.layers.by_name[name] for name in algebra.names_in(box.formula)}
                return len(before) == 1 and self.layers.has_delta(before.pop()) and not self.layers.has_delta(box)
        return False

    # --- text -------------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The equations for a terminal, 80 columns wide where the matrices allow it."""
        blocks = [self._given(), *self._notes()]
        for key, equations in (("forward", self.forward), ("backward", self.backward)):
            if equations:
                blocks.append(self._say(key))
                blocks += ["\n".join(self.lines(equation)) for equation in equations]
        return "\n\n".join(filter(None, blocks))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{len(self.forward)} equations of matrices forward, {len(self.backward)} backward>"

    def lines(self, equation: MatrixEquation) -> list[str]:
        """Write one equation: its symbols, its shapes, the numbers put in, and what comes out."""
        symbols, numbers = OfMatrices(self.layers.shapes, 12), NumbersInText(self.layers.tables, self.digits)
        left = f"  {equation.name} = "
        margin = len(_MARGIN)
        found = [wrapped(symbols.sum_of_terms(stage), WIDTH - margin, "  ") for stage in equation.stages]
        if self._has_room(equation.stages[-1]):
            lines = numbers.lines(self._with_numbers(equation.stages[-1]))
            if max(map(columns, lines)) + margin <= WIDTH:
                found.append(lines)
        if (result := numbers.rows(equation.result)) != found[-1]:
            found.append(result)
        shape = "" if _is_scalar(equation.result) else f"   ({shape_of(equation.box)})"
        first = f"{left}{' '.join(map(str.strip, found[0]))}{shape}"
        lines = wrapped(first, WIDTH, " " * margin)
        for stage_lines in found[1:]:
            lines += beside([[_MARGIN], stage_lines])
        return lines

    def _has_room(self, stage: list[Expression]) -> bool:
        """Tell whether the numbers can be put in: where all matrices are small, and no entries are moved about."""
        names = [name for term in stage for name in algebra.names_in(term)]
        small = all(max(self.layers.shapes[name]) <= MOST_ENTRIES for name in names)
        called = {part.func.id for term in stage for part in ast.walk(term) if isinstance(part, ast.Call)}  # type: ignore[attr-defined]
        return bool(names) and small and not called & {algebra.SPREAD, algebra.GATHER}

    def _with_numbers(self, stage: list[Expression]) -> list[Expression]:
        return [tree.substitute(term, self._scalars, {}) for term in stage]

    def _given(self) -> str:
        leaves = [box for box in self.layers.boxes if box.formula is None]
        names = ", ".join(f"{box.name} ({shape_of(box)})" for box in leaves)
        return "\n".join(wrapped(self._say("given", names=names), WIDTH, "  ")) if leaves else ""

    def _notes(self) -> list[str]:
        """Say what the signs mean that occur, and which boxes are arrangements or shared."""
        equations = [*self.forward, *self.backward]
        parts = [
            part for equation in equations for stage in equation.stages for term in stage for part in ast.walk(term)
        ]
        called = {part.func.id for part in parts if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)}
        notes = [self._say("signs"), self._say("numbers")]
        notes += [self._say("ones")] * (algebra.ONES in called) + [self._say("sum")] * (algebra.SUM in called)
        for box in self.layers.boxes:
            if box.role == ARRANGEMENT:
                sources = ", ".join(algebra.names_in(box.formula))
                notes.append(self._say("arranged", name=box.name, shape=shape_of(box), sources=sources))
            elif box.formula is None and (uses := self.layers.product_uses(box)) > 1:
                notes.append(self._say("shared", name=box.name, count=uses))
        notes += [self._say("gathered")] * (algebra.GATHER in called)
        return ["\n".join(line for note in notes for line in wrapped(note, WIDTH, "  "))]

    def _say(self, key: str, **values: object) -> str:
        return say("matrices", key, self.lang, **values)

    # --- LaTeX and MathML -------------------------------------------------------------------------------------------

    @property
    def latex(self) -> str:
        """The equations as one `align*` of amsmath, which may go over several pages after \\allowdisplaybreaks."""
        return self._aligned("align*")

    @property
    def markdown(self) -> str:
        """The equations as Markdown, as mathematics."""
        return f"$$\n{mathematics}\n$$" if (mathematics := self._aligned("aligned")) else self.text

    def _aligned(self, environment: str) -> str:
        rows = [row for equation in [*self.forward, *self.backward] for row in self.latex_rows(equation)]
        if not rows:
            return ""
        return "\n".join([f"\\begin{{{environment}}}", " \\\\[1ex]\n".join(rows), f"\\end{{{environment}}}"])

    def latex_rows(self, equation: MatrixEquation) -> list[str]:
        """Write one equation as rows of an `aligned`."""
        symbols, numbers = InLaTeX(self.layers.shapes, 12), NumbersInLaTeX(self.layers.tables, self.digits)
        stages = [symbols.sum_of_terms(stage) for stage in equation.stages]
        if self._has_room(equation.stages[-1]):
            stages.append(numbers.sum_of_terms(self._with_numbers(equation.stages[-1])))
        stages.append(numbers.matrix(equation.result))
        left = symbols.name(equation.name)
        return [f"{'' if number else left} &= {stage}" for number, stage in enumerate(dict.fromkeys(stages))]

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, str]:
        return {"text/html": self.html, "text/latex": self.markdown, "text/plain": self.text}

    @property
    def html(self) -> str:
        """The equations as tables of MathML, which need no script and no network, with the results as text."""
        symbols, numbers = InMathML(self.layers.shapes, 12), NumbersInText(self.layers.tables, self.digits)
        parts = [markup.paragraphs("\n".join([self._given(), *self._notes()]))]
        for key, equations in (("forward", self.forward), ("backward", self.backward)):
            rows = [
                (
                    markup.Markup(
                        "<br/>".join(
                            math(f"{symbols.name(equation.name)}<mo>=</mo>{symbols.sum_of_terms(stage)}")
                            for stage in equation.stages
                        )
                    ),
                    shape_of(equation.box),
                    "\n".join(numbers.rows(equation.result)),
                )
                for equation in equations
            ]
            if rows:
                parts.append(markup.table(self._say("columns").split("|"), rows, self._say(key)))
        return "\n".join(filter(None, parts))


class MatrixDerivation(MatrixPass):
    """The equations of matrices that lead to the gradient of one box."""

    def __init__(self, layers: Layers, wrt: Value, lang: str, digits: int) -> None:
        super().__init__(layers, lang, digits)
        box = layers.box_of.get(wrt) if isinstance(wrt, Value) else None
        if box is None or box.role == "number":
            raise ValueError(
                f"derive: {wrt!r} is in no box of the layers of {layers.boxes[-1].name}; take a leaf or what has a "
                'label, or use view="operations"'
            )
        self.root, self.wrt, self.box = layers.root, wrt, box
        needed = {box.name}
        for other in layers.boxes:
            if any(name in needed for name in algebra.names_in(other.formula)):
                needed.add(other.name)
        self.forward = []
        self.backward = [
            MatrixEquation(layers.gradient_name(other), other, stages, layers.tables[layers.gradient_name(other)])
            for other in reversed(layers.boxes)
            if other.name in needed and (stages := self._stages(other) or self._own_stages(other))
        ]

    def _own_stages(self, box: Box) -> list[list[Expression]]:
        """Write the gradient of the box that is asked for, also where it is an input."""
        return [self.layers.gradient_terms[box.name]] if box is self.box else []

    @property
    def sum(self) -> float:
        """The gradient."""
        return self.layers.gradients[self.wrt]

    @property
    def text(self) -> str:
        """The equations for a terminal, after what is derived."""
        root, box = self.layers.boxes[-1].name, self.box
        title = self._say("to", root=root, name=box.name, shape=shape_of(box))
        blocks = [title, *self._notes(), *("\n".join(self.lines(equation)) for equation in self.backward)]
        if len(box.members()) > 1:
            row, column = next(
                (r, c) for r, row in enumerate(box.table) for c, node in enumerate(row) if node is self.wrt
            )
            wrt = self.wrt.label or f"{box.name}[{row + 1},{column + 1}]"
            entry = self._say("entry", wrt=wrt, row=row + 1, column=column + 1, name=box.name)
            blocks.append(f"{entry}\n  d{root}/d{wrt} = {self.sum:.8g}")
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        return f"<derivation of {self.layers.gradient_name(self.box)}: {len(self.backward)} equations of matrices>"


def matrix_pass(root: Value, lang: str = "en", digits: int = 6) -> MatrixPass:
    """Record both passes from `root` in matrices.

    Raises ValueError where numbers of the graph have changed since it was recorded, OverflowError where a gradient is
    too large.
    """
    check_unchanged(topological_order(root))
    return MatrixPass(Layers(root), lang, digits)


def matrix_derivation(root: Value, wrt: Value, lang: str = "en", digits: int = 6) -> MatrixDerivation:
    """Derive the gradient of the box that `wrt` stands in.

    Raises as `matrix_pass`, and ValueError where `wrt` is in no box.
    """
    check_unchanged(topological_order(root))
    return MatrixDerivation(Layers(root), wrt, lang, digits)


def shape_of(box: Box) -> str:
    """Write the shape of a box: `4 x 2`."""
    return "{} x {}".format(*box.shape)


def _is_scalar(table: Sequence[Sequence[float]]) -> bool:
    return len(table) == len(table[0]) == 1
