"""An equation with one derivative on its left, in the steps in which it is worked out, as text and as LaTeX.

Reads the formulas. The derivation writes its equations with it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

from . import mathml
from .latex import LaTeX
from .notation import PRODUCT, SUM, Notation, text
from .terminal import WIDTH, columns
from .tree import Expression

_IN_ROW = 6  # factors, or terms that are one number or name, in one row of LaTeX


class Equation(NamedTuple):
    """A derivative and the sums that it equals, one after the other; a sum is a list of terms, a term of factors."""

    left: Expression
    sums: list[list[list[Expression]]]


class Derivative(str):
    """The name of a derivative: dE/dw. A mark tells one way between the two from the sum of all: dE/dw|direct."""

    of: str
    to: str
    mark: str

    def __new__(cls, of: str, to: str, mark: str = "") -> Derivative:
        """Make the name; a plain string in every way, with its parts at hand for LaTeX."""
        self = super().__new__(cls, f"d{of}/d{to}|{mark}" if mark else f"d{of}/d{to}")
        self.of, self.to, self.mark = of, to, mark
        return self


class DerivativeInLaTeX(LaTeX):
    """The LaTeX of a formula with derivatives among its names."""

    def name(self, label: str) -> str:
        if isinstance(label, Derivative):
            written = rf"\frac{{\partial {super().name(label.of)}}}{{\partial {super().name(label.to)}}}"
            return written + (rf"\Big|_{{\text{{{label.mark}}}}}" if label.mark else "")
        return rf"\cdots\text{{{label[1:].rstrip('…')}}}" if label.startswith("…") else super().name(label)


class DerivativeInMathML(mathml.Typeset):
    """The MathML of a formula with derivatives among its names."""

    def name(self, label: str) -> str:
        if isinstance(label, Derivative):
            written = self.derivative(super().name(label.of), super().name(label.to))
            if not label.mark:
                return written
            below = f"<mrow>{mathml.unseen('_')}<mtext>{label.mark}</mtext></mrow>"
            return f"<msub><mrow>{written}<mo>|</mo></mrow>{below}</msub>"
        return f"<mtext>{label}</mtext>" if label.startswith("…") else super().name(label)


def as_text(equation: Equation) -> str:
    """Write an equation for a terminal, 80 columns wide where the names allow it.

    >>> from scalargrad.formulas.tree import name, parse
    >>> print(as_text(Equation(name(Derivative("y", "x")), [[[parse("cos(x)"), parse("2")]]])))
    dy/dx = cos(x) * 2
    """
    left = text(equation.left)
    lines = [left] if columns(left) > WIDTH // 3 else []
    margin = "  " if lines else " " * columns(left)
    for sign, written in _rows(equation, Notation(), parenthesised=False):
        line = f"{margin if lines else left} {sign} "
        parts = [f" * {factor}" if number else factor for number, factor in enumerate(written)]
        for piece in [piece for part in parts for piece in _pieces(part, WIDTH - columns(line))]:
            if line.strip() and columns(line + piece) > WIDTH:
                lines.append(line)
                line = f"{margin}   {piece.lstrip()}"
            else:
                line += piece
        lines.append(line)
    return "\n".join(lines)


def as_latex(equation: Equation) -> list[str]:
    """Write an equation as the rows of an `aligned`."""
    left, lines = DerivativeInLaTeX().write(equation.left), []
    for sign, written in _rows(equation, DerivativeInLaTeX(), parenthesised=True):
        start = f"{left} &= " if sign == "=" else rf"&\quad {sign} "
        left = ""
        for begin in range(0, len(written), _IN_ROW):
            lines.append(start + r" \cdot ".join(written[begin : begin + _IN_ROW]))
            start = r"&\qquad \cdot "
    return lines


def derivative(of: str, to: str) -> str:
    """Write the name of a derivative as an element that a notebook shows.

    >>> derivative("E", "w").count("<mi>∂</mi>")
    2
    """
    return mathml.math(DerivativeInMathML().name(Derivative(of, to)))


def as_mathml(equation: Equation) -> list[tuple[str, str, str]]:
    """Write an equation as rows of MathML: what stands left of the sign, the sign, what stands right of it."""
    left, lines = mathml.math(DerivativeInMathML().write(equation.left)), []
    for sign, written in _rows(equation, DerivativeInMathML(), parenthesised=True):
        for begin in range(0, len(written), _IN_ROW):
            product = "<mo>·</mo>".join(written[begin : begin + _IN_ROW])
            lines.append(
                (left, mathml.math(f"<mo>{'·' if begin else sign.replace('-', '−')}</mo>"), mathml.breakable(product))
            )
            left = ""
    return lines


def _rows(equation: Equation, notation: Notation, parenthesised: bool) -> Iterator[tuple[str, list[str]]]:
    """Write each term as its sign and its factors; a sum that reads like the one before it is left out."""
    before = [("=", notation.write(equation.left))]
    for terms in equation.sums:
        rows: list[tuple[str, list[str]]] = []
        for first, *others in terms:
            sign = "+" if rows else "="
            if rows and isinstance(first, ast.UnaryOp):
                sign, first = "-", first.operand
            is_operand = sign == "-" or (others and not _is_negative(first))
            written = [notation.write(first, PRODUCT if is_operand else SUM)]
            for factor in others:
                bare = _is_negative(factor) and not parenthesised
                written.append(notation.write(factor, SUM if bare else PRODUCT))
            rows.append((sign, written))
        if all(len(written) == 1 for _, written in rows):
            length = _IN_ROW if parenthesised else len(rows)
            rows = [_on_one_line(rows[begin : begin + length], notation) for begin in range(0, len(rows), length)]
        reads = [(sign, reduce(notation.product, written)) for sign, written in rows]
        if reads != before:
            yield from rows
        before = reads


def _is_negative(expression: Expression) -> bool:
    return isinstance(expression, ast.UnaryOp)


def _on_one_line(rows: list[tuple[str, list[str]]], notation: Notation) -> tuple[str, list[str]]:
    (first_sign, [written]), *others = rows
    for sign, [term] in others:
        written = notation.sum(written, sign, term)
    return first_sign, [written]


def _pieces(written: str, room: int) -> list[str]:
    """Cut a formula where a line of it may end: at the signs, or else the products, in the fewest parentheses."""
    if columns(written) <= room:
        return [written]
    places, depth = [], 0
    for match in re.finditer(r" [+-] |(?<!\*)\*(?!\*)|[()]", written):
        if match[0] in "()":
            depth += 1 if match[0] == "(" else -1
        elif at := match.start():
            places.append((depth, match[0] == "*", at))
    best = min(places)[:2] if places else None
    ends = [0, *(at for *kind, at in places if tuple(kind) == best), len(written)]
    pieces = [written[start:end] for start, end in pairwise(ends)]
    return pieces if len(pieces) == 1 else [short for piece in pieces for short in _pieces(piece, room)]
