"""NumPy and JAX from groups of alike scalars: the forward and the backward pass of a network as the matrices they are.

Reads the passes. Where too few scalars of a graph are alike `targets` writes it line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, compress, groupby
from typing import NamedTuple

from ..formulas.source import ATOM, PRODUCT, Formulas, Term
from ..graph.groups import MINUS, NONE, UNIFORM, Block, Formula, Group, Scalars
from .arrays import BACKWARD, FORWARD, HEAD, Array, Part, as_column
from .passes import FUNCTIONS, RESERVED, Passes, Piece, sum_of
from .targets import GROUP, NumpySource, ProgramGraph, function_text, imports

_PRODUCTS = 8  # of the same weights, side by side; more of them become one product
_OPERATION = re.compile(r" [-+@] |[*/]|\w\(|\w\[")  # each takes about the same time, whatever the size of its arrays
_GAIN = 1.1  # so many times fewer operations than line by line, or it is not worth it


class Matrices(NamedTuple):
    """A program that takes the parameters as an array."""

    source: str
    height: int  # of its largest array


def matrix_program(graph: ProgramGraph, target: type[NumpySource]) -> Matrices | None:
    """Write a program as matrices; None where too few scalars are alike for that to be faster."""
    formulas = Formulas(target.Notation(), RESERVED)
    given = graph.order, graph.root, graph.outputs, graph.inputs, graph.parameters
    scalars = Scalars(*given, formulas, lanes=2)  # a product of two numbers a row is no matrix
    groups = scalars.groups(False) + scalars.groups(True)
    tables: dict[str, str] = {}
    step = _Step(graph, scalars, groups, tables)
    text = step.write()
    if not step.is_worth_it(text):
        return None
    functions = [*formulas.functions.values(), text, _Predict(graph, scalars, groups, tables).write()]
    lists = "".join(f"{name} = {numbers}\n" for numbers, name in tables.items())
    text = "\n\n".join([*([lists] if lists else []), *functions])
    called = set(re.findall(r"\w+(?=[(.])", text))
    module = target.words["where"].removesuffix(".where")
    words = {**target.words, **{word: f"{module}.{word}" for word in FUNCTIONS}, "array": "numpy.array"}
    lines = imports({word: said for word, said in words.items() if word in called})
    title = "# Forward pass and backward pass as matrices: a row for each neuron, a column for each sample\n"
    height = max(len(line.members) for line in step.arrays.lines if line.varies)
    return Matrices("\n".join([title, *lines, text]), height)


class _Gradient(NamedTuple):
    """The gradients of some parameters, added up over the rows: a line of the program."""

    name: str
    text: str
    parameters: list[list[int]]
    is_flat: bool  # whether the array has one dimension: one parameter in each row

    @property
    def flat(self) -> str:
        """The array with all its numbers in a row."""
        return self.name if self.is_flat else f"{self.name}.ravel()"


class _Step(Passes):
    """Both passes: the mean loss and the mean gradients."""

    def __init__(self, graph: ProgramGraph, scalars: Scalars, groups: Sequence[Group], tables: dict[str, str]) -> None:
        summed = (terms for block in scalars.blocks for terms in (*block.left, *block.right, *chain(*block.uniform)))
        super().__init__(graph, scalars, groups, tables, [scalars.root, *chain.from_iterable(summed)])
        self._loss = self.arrays.vector([scalars.root])
        self._checks = self.checks()
        self._gradients: list[tuple[Part, list[list[int]], bool]] = []
        for block in scalars.blocks:
            if block.left:
                self._add_table(block)
            else:
                self._add_rows(block)

    def write(self) -> str:
        """Write the function `step`."""
        lines = self.settled()
        loss = f"{self._loss.term():{ATOM}}"
        if self.scalars.numbers[self.scalars.root] is None:
            loss += ".sum()"
        if self.scalars.varies[self.scalars.root]:
            loss = loss.replace(".sum(0, keepdims=True).sum()", ".sum()") + "/rows"
        gradients = list(self._named_gradients())
        return function_text(
            "step(batch, parameters)",
            "rows = len(batch)",
            "parameters = asarray(parameters)",
            *lines[HEAD],
            "# forward",
            *lines[FORWARD],
            *check_lines(self._checks),
            f"mean_loss = {loss}" + " + check" * bool(self._checks),
            "# backward",
            *lines[BACKWARD],
            *(f"{gradient.name} = {gradient.text}" for gradient in gradients),
            f"return mean_loss, {self._in_order(gradients)}" + "/rows" * bool(gradients),
        )

    def is_worth_it(self, text: str) -> bool:
        """Tell whether this takes much fewer operations than a program line by line, and copies no more."""
        line_by_line = sum(len(block.parameters) * len(block.parameters[0]) for block in self.scalars.blocks)
        for definition in compress(self.scalars.definitions, self.needed):
            if isinstance(definition, Formula):
                line_by_line += max(1, len(_OPERATION.findall(definition.template.text)))
            elif definition:
                line_by_line += sum(1 + (b != NONE) for _, _, b in definition) - 1
        return line_by_line > _GAIN * len(_OPERATION.findall(text)) and line_by_line > self.arrays.copied

    # --- the gradients of the parameters -----------------------------------------------------------------------------

    def _add_table(self, block: Block) -> None:
        """Write the gradients u_j * v_i, and what is added to them, as a matrix: delta @ x.T."""
        scalars = [[self.scalars.parameters[place] for place in row] for row in block.parameters]
        if self.matrices.get(tuple(map(self.arrays.places, scalars)), (None, ""))[1]:  # the other way round
            turned = [list(map(list, zip(*rows))) for rows in (block.parameters, *block.uniform)]
            block = Block(block.pattern, block.right, block.left, turned[0], turned[1:])
        vector = self.arrays.vector
        if len(block.left[0]) <= _PRODUCTS:
            sides = zip(zip(*block.left), zip(*block.right))
            pairs = [(vector(u, whole=True).term, vector(v, whole=True).term) for u, v in sides]
        else:  # all uses of a weight stand side by side, like samples
            order = sorted(range(len(block.left[0])), key=lambda use: self.scalars.order_of(block.left[0][use]))
            u, v = (
                _reshaped(vector([row[use] for row in rows for use in order], whole=True).term, len(rows))
                for rows in (block.left, block.right)
            )
            pairs = [(u, v)]
        if len(block.left[0]) > 1:
            pieces = [Piece(0, _product_of(*pair)) for pair in pairs]
        else:
            uniform = (_in_all_rows(self.matrix([tuple(row) for row in rows])) for rows in block.uniform)
            pieces = [
                Piece(kind & MINUS, next(uniform) if kind | MINUS == UNIFORM | MINUS else _product_of(*pairs[0]))
                for kind in block.pattern
            ]
        self._gradients.append((lambda: sum_of(pieces), block.parameters, False))

    def _add_rows(self, block: Block) -> None:
        """Write the gradients that are no products, as sums over the rows, for the arrays that they stand in."""
        at, parameters = self.arrays.at, block.parameters[0]
        right = [rights[0] for rights in block.right]
        of_array: dict[Array | None, list[int]] = {}
        for i in range(len(parameters)):
            of_array.setdefault(at[right[i]][0] if right else None, []).append(i)
        for columns in of_array.values():
            pieces, uniform = [], iter(block.uniform)
            for kind in block.pattern:
                if kind | MINUS == UNIFORM | MINUS:
                    (row,) = next(uniform)
                    part = self.arrays.vector([row[i] for i in columns], whole=True).term
                    pieces.append(Piece(kind & MINUS, _in_all_rows(part)))
                else:
                    part = self.arrays.vector([right[i] for i in columns], whole=True).term
                    pieces.append(Piece(kind & MINUS, _added_up(part)))
            self._gradients.append((_sum_later(pieces), [[parameters[i]] for i in columns], True))

    def _named_gradients(self) -> Iterator[_Gradient]:
        """Give the gradients the names of what they belong to: dW1, db1."""
        known = {key: line.name for key, (line, turned) in self.matrices.items() if not turned}
        columns = self.arrays.columns.items()
        known |= {tuple((place,) for place in self.arrays.places(wanted)): line.name for wanted, line in columns}
        count = 0
        for part, parameters, is_flat in self._gradients:
            scalars = [[self.scalars.parameters[place] for place in row] for row in parameters]
            name = "d" + known.get(tuple(map(self.arrays.places, scalars)), "")
            if name in {"d", *self.names}:
                count += 1
                name = f"d_p{count}"
            yield _Gradient(name, part().text, parameters, is_flat)

    def _in_order(self, gradients: Sequence[_Gradient]) -> str:
        """Put the gradients together in the order of the parameters."""
        count = len(self.scalars.parameters)
        sheets: dict[tuple[int, int], list[_Gradient]] = {}  # tables of so many rows with so many parameters between
        for gradient in gradients:
            rows = [row[0] for row in gradient.parameters]
            stride = rows[1] - rows[0] if len(rows) > 1 else len(gradient.parameters[0])
            sheets.setdefault((len(rows), stride), []).append(gradient)
        pieces: list[tuple[int, int, str]] = []  # from where to where
        for (height, stride), parts in sheets.items():
            pieces += _sheets(height, stride, parts)
        pieces.sort()
        texts, end = [], 0
        for start, stop, text in pieces:
            if start > end:
                texts.append(f"zeros({start - end})")
            if start < end or not text:
                return self._by_positions(gradients)
            texts.append(text)
            end = stop
        if end < count or not texts:
            texts.append(f"zeros({count - end})")
        return f"concatenate([{', '.join(texts)}])"  # one alone as well: it may be the parameters themselves

    def _by_positions(self, gradients: Sequence[_Gradient]) -> str:
        texts = [gradient.flat for gradient in gradients]
        where = {
            place: i for i, place in enumerate(p for gradient in gradients for row in gradient.parameters for p in row)
        }
        count = len(self.scalars.parameters)
        if len(where) < count:
            texts.append("zeros(1)")
        at = self.arrays.table([where.get(place, len(where)) for place in range(count)])
        return f"concatenate([{', '.join(texts)}])[{at}]"


class _Predict(Passes):
    """The forward pass: the outputs of each row."""

    def __init__(self, graph: ProgramGraph, scalars: Scalars, groups: Sequence[Group], tables: dict[str, str]) -> None:
        super().__init__(graph, scalars, groups, tables, scalars.outputs)
        self._checks = self.checks()
        self._outputs: list[Part] = []
        for varies, run in groupby(scalars.outputs, key=scalars.varies.__getitem__):
            outputs = list(run)
            part = self.arrays.vector(outputs, whole=True).term
            self._outputs.append(part if varies else _in_each_row(part, len(outputs)))

    def write(self) -> str:
        """Write the function `predict`."""
        lines = self.settled()
        texts = [f"{part():{ATOM}}" for part in self._outputs]
        outputs = texts[0] if len(texts) == 1 else f"concatenate([{', '.join(texts)}])"
        return function_text(
            "predict(batch, parameters)",
            "rows = len(batch)",
            "parameters = asarray(parameters)",
            *lines[HEAD],
            *lines[FORWARD],
            *check_lines(self._checks),
            f"return {outputs}.T" + " + check" * bool(self._checks),
        )


def check_lines(checks: Sequence[Part]) -> Iterator[str]:
    """Write the lines that add up all checks."""
    if checks:
        yield "# 0, or NaN where one of these is not finite"
    for start in range(0, len(checks), GROUP):
        group = " + ".join(check().text for check in checks[start : start + GROUP])
        yield f"check = check + {group}" if start else f"check = {group}"


def _sheets(height: int, stride: int, parts: Sequence[_Gradient]) -> Iterator[tuple[int, int, str]]:
    """Lay tables side by side that share their rows of parameters; the text is "" where that leaves gaps."""
    parts = sorted(parts, key=lambda part: part.parameters[0][0])
    row: list[_Gradient] = []
    for part in parts:
        row.append(part)
        width = sum(len(each.parameters[0]) for each in row)
        if width < stride and part is not parts[-1]:
            continue
        first = row[0].parameters[0][0]
        laid = [[p for each in row for p in each.parameters[j]] for j in range(height)]
        is_whole = [p for line in laid for p in line] == list(range(first, first + height * width))
        together = f"column_stack([{', '.join(each.name for each in row)}]).ravel()"
        text = together if len(row) > 1 else row[0].flat
        yield first, first + height * width, text if is_whole else ""
        row = []


def _product_of(left: Part, right: Part) -> Part:
    return lambda: Term(f"{left():{ATOM}} @ {right():{ATOM}}.T", PRODUCT)


def _added_up(part: Part) -> Part:
    return lambda: Term(f"{part():{ATOM}}.sum(1)")


def _in_all_rows(part: Part) -> Part:
    return lambda: Term(f"rows*{part():{PRODUCT + 1}}", PRODUCT)


def _reshaped(part: Part, height: int) -> Part:
    return lambda: Term(f"{part():{ATOM}}.reshape({height}, -1)")


def _in_each_row(part: Part, height: int) -> Part:
    return lambda: Term(f"broadcast_to({as_column(part())}, ({height}, rows))")


def _sum_later(pieces: Sequence[Piece]) -> Part:
    return lambda: sum_of(pieces)
