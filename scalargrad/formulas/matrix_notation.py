"""Write formulas of matrices as text, LaTeX and MathML: products of matrices and Hadamard products are told apart.

Reads the tree of a formula and the shapes and the numbers of the matrices in it.
"""

import ast
import re
from collections.abc import Mapping, Sequence

from .algebra import ONES, PRIME, Matrix, Shape, shape
from .labels import label_parts
from .latex import command
from .mathml import word
from .notation import ATOM, POWER, PRODUCT, Notation
from .terminal import columns
from .tree import Expression
from .typesetting import DerivativeInLaTeX, DerivativeInMathML

MOST_ENTRIES = 5  # of a row or a column that is written out
_FIRST_BLOCK = 0xE000  # characters that nobody writes stand for matrices until these are set in lines


class OfMatrices(Notation):
    """How to write what only matrices have; where one factor is a number, a product is that of formulas.

    `.` is the product of matrices, `o` the Hadamard product, entry by entry, `^T` the transpose and `1_3` a column of
    three ones.
    """

    matrix_times, entry_times, entry_fraction, transposed = " . ", " o ", "{}/{}", "{}^T"
    all_ones, by = "1_{}", "x"

    def __init__(self, shapes: Mapping[str, Shape], digits: int) -> None:
        self.shapes, self.digits = shapes, digits

    def figures(self, value: float) -> str:
        return f"{value:.{self.digits}g}"

    def matrix_product(self, left: str, right: str) -> str:
        return f"{left}{self.matrix_times}{right}"

    def hadamard(self, left: str, right: str) -> str:
        return f"{left}{self.entry_times}{right}"

    def transpose(self, matrix: str) -> str:
        return self.transposed.format(matrix)

    def ones(self, rows: int, columns: int) -> str:
        return self.all_ones.format(rows if columns == 1 else f"{rows}{self.by}{columns}")

    def entry_quotient(self, left: str, right: str) -> str:
        return self.entry_fraction.format(left, right)

    def entry_power(self, base: str, exponent: str) -> str:
        return self.power(base, exponent)

    def sum_of_terms(self, terms: Sequence[Expression]) -> str:
        """Write terms that are added up."""
        written = self.write(terms[0])
        for term in terms[1:]:
            if isinstance(term, ast.UnaryOp):
                written = self.sum(written, "-", self.write(term.operand, PRODUCT))
            else:
                written = self.sum(written, "+", self.write(term))
        return written

    def _write(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case ast.Attribute(value=inner):
                plain = isinstance(inner, ast.Name) and not self._has_raised(inner.id)
                return self.transpose(self.write(inner, ATOM) if plain else self.group(self.write(inner))), ATOM
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return self.matrix_product(self._factor(left, ast.Mult), self.write(right, POWER)), PRODUCT
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if not self._has_scalar(left, right):
                return self.hadamard(self._factor(left, ast.MatMult), self.write(right, POWER)), PRODUCT
            case ast.BinOp(left=left, op=ast.Div(), right=right) if not self._is_scalar(right):
                return self.entry_quotient(self.write(left, PRODUCT), self.write(right, POWER)), PRODUCT
            case ast.Call(func=ast.Name(id=called), args=[ast.Constant(value=rows), ast.Constant(value=columns_)]) if (
                called == ONES
            ):
                return self.ones(int(str(rows)), int(str(columns_))), ATOM
            case ast.Call(func=ast.Name(id="pow"), args=[base, exponent]) if not self._is_scalar(base):
                return self.entry_power(self.write(base, ATOM), self.write(exponent, ATOM)), POWER
        return super()._write(expression)

    def _has_raised(self, label: str) -> bool:
        """Tell whether there is something above the line already, where the sign of the transpose goes."""
        return "/" in label or bool(label_parts(label).above())

    def _factor(self, left: Expression, other: type[ast.operator]) -> str:
        """Write the first factor, in parentheses where it is a product of the other kind."""
        match left:
            case ast.BinOp(left=first, op=operator, right=second) if isinstance(operator, other):
                if other is ast.MatMult or not self._has_scalar(first, second):
                    return self.group(self.write(left))
        return self.write(left, PRODUCT)

    def _is_scalar(self, expression: Expression) -> bool:
        return shape(expression, self.shapes) == (1, 1)

    def _has_scalar(self, left: Expression, right: Expression) -> bool:
        return self._is_scalar(left) or self._is_scalar(right)


class InLaTeX(OfMatrices, DerivativeInLaTeX):
    """Formulas of matrices for math mode, with amsmath."""

    matrix_times, entry_times, entry_fraction = r" \, ", r" \odot ", r"{} \oslash {}"
    transposed, all_ones, by = "{}^{{T}}", r"\mathbf{{1}}_{{{}}}", r" \times "

    def entry_power(self, base: str, exponent: str) -> str:
        return rf"{base}^{{\circ {exponent}}}"

    def call(self, function: str, arguments: list[str]) -> str:
        name, is_derivative, operand = function.partition(PRIME)
        if not is_derivative:
            return super().call(function, arguments)
        plain = command(name) if "#" not in command(name) else rf"\operatorname{{{name}}}"
        return rf"{plain}'{f'_{{{operand}}}' if operand else ''}{self.group(', '.join(arguments))}"


class InMathML(OfMatrices, DerivativeInMathML):
    """Formulas of matrices as MathML."""

    matrix_times, entry_times, entry_fraction = "<mo>·</mo>", "<mo>⊙</mo>", "{}<mo>⊘</mo>{}"
    transposed, all_ones = "<msup><mrow>{}</mrow><mi>T</mi></msup>", "<msub><mn>1</mn><mtext>{}</mtext></msub>"
    by = "×"

    def call(self, function: str, arguments: list[str]) -> str:
        name, is_derivative, operand = function.partition(PRIME)
        if not is_derivative:
            return super().call(function, arguments)
        below = f"<msub><mo>′</mo><mi>{operand}</mi></msub>" if operand else "<mo>′</mo>"
        return f"<mrow><mi>{word(name)}</mi>{below}</mrow>{self.group('<mo>,</mo>'.join(arguments))}"


# --- with numbers ----------------------------------------------------------------------------------------------------


class NumbersInLaTeX(InLaTeX):
    """The same with the numbers of the matrices in the place of their names."""

    def __init__(self, tables: Mapping[str, Matrix], digits: int) -> None:
        super().__init__({name: (len(table), len(table[0])) for name, table in tables.items()}, digits)
        self.tables = tables

    def name(self, label: str) -> str:
        return self.matrix(self.tables[label])

    def matrix(self, table: Matrix) -> str:
        """Write the numbers of a matrix, of a large one the first of each row and column."""
        if len(table) == len(table[0]) == 1:
            return self.number(table[0][0] + 0.0)
        rows = [" & ".join([*map(self.number, row[:MOST_ENTRIES]), *_more(row, r"\cdots")]) for row in shown(table)]
        return r"\begin{pmatrix}" + r" \\ ".join([*rows, *_more(table, r"\vdots")]) + r"\end{pmatrix}"

    def _has_raised(self, label: str) -> bool:
        return False


class NumbersInText(OfMatrices):
    """Formulas with matrices of numbers, in as many lines as the highest of these has rows."""

    def __init__(self, tables: Mapping[str, Matrix], digits: int) -> None:
        super().__init__({name: (len(table), len(table[0])) for name, table in tables.items()}, digits)
        self.tables = tables
        self._blocks: list[list[str]] = []

    def name(self, label: str) -> str:
        self._blocks.append(self.rows(self.tables[label]))
        return chr(_FIRST_BLOCK + len(self._blocks) - 1)

    def lines(self, terms: Sequence[Expression]) -> list[str]:
        """Write a sum of terms; the signs stand in the first line."""
        self._blocks = []
        written = self.sum_of_terms(terms)
        pieces = [piece for piece in re.split(r"([\ue000-\uf8ff])", written) if piece]
        blocks = [
            self._blocks[ord(piece) - _FIRST_BLOCK] if ord(piece[0]) >= _FIRST_BLOCK else [piece] for piece in pieces
        ]
        return beside(blocks)

    def rows(self, table: Matrix) -> list[str]:
        """Write the rows of a matrix, its columns under each other; a scalar is its number."""
        if len(table) == len(table[0]) == 1:
            return [self.number(table[0][0] + 0.0)]
        cells = [[*map(self.number, row[:MOST_ENTRIES]), *_more(row, "…")] for row in shown(table)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        rows = ["[ " + "  ".join(map(str.rjust, row, widths)) + " ]" for row in cells]
        return [*rows, *_more(table, "  …")]

    def _has_raised(self, label: str) -> bool:
        return False


def shown(table: Matrix) -> Matrix:
    """Give the rows of a matrix that are written out."""
    return table[:MOST_ENTRIES]


def beside(blocks: Sequence[Sequence[str]]) -> list[str]:
    """Set blocks of lines beside each other, their first lines on one."""
    height = max(map(len, blocks), default=0)
    lines = [""] * height
    for block in blocks:
        width = max(map(columns, block))
        for number in range(height):
            line = block[number] if number < len(block) else ""
            lines[number] += line + " " * (width - columns(line))
    return [line.rstrip() for line in lines]


def _more(entries: Sequence[object], sign: str) -> list[str]:
    return [sign] if len(entries) > MOST_ENTRIES else []
