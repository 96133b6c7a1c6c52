"""The layers of a recorded graph, whoever wrote it: groups of alike scalars as matrices, and both passes over them.

Reads the engine, the roles, the groups and the formulas of matrices. A scalar is a matrix of one row and one column.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from operator import add

from ..engine import Value, topological_order
from ..formulas import algebra as matrices
from ..formulas import tidying, tree
from ..formulas.algebra import Matrix
from ..formulas.labels import label_parts
from ..formulas.tree import Expression
from ..formulas.typesetting import Derivative
from .alike import groups_of
from .arranging import ARRANGEMENT, Arranged, Box
from .box_names import OUTPUT, WEIGHTED, names_of, suffix
from .replay import backward_aside
from .roles import roles

__all__ = ["ARRANGEMENT", "Box", "Layers"]


class Layers:
    """Both passes over a graph in matrices: boxes in an order in which they can be worked out, the root last.

    What each leaf is for can be said, as for `roles`. The formula of a box is one of the names of other boxes.

    >>> w, x = [[Value(0.1), Value(0.3)], [Value(0.2), Value(0.4)]], [Value(0.5), Value(1.0)]
    >>> outs = [sum(a * b for a, b in zip(row, x)).sigmoid() for row in w]
    >>> [(box.name, box.shape) for box in Layers(outs[0] + outs[1]).boxes]
    [('W1', (2, 2)), ('x', (2, 1)), ('net1', (2, 1)), ('out1', (2, 1)), ('root', (1, 1))]
    """

    def __init__(
        self,
        root: Value,
        inputs: Iterable[Value] = (),
        parameters: Iterable[Value] = (),
        targets: Iterable[Value] = (),
    ) -> None:
        self.root = root
        order = topological_order(root)
        groups, definitions = groups_of(order, root)
        self.boxes = Arranged(groups, definitions, roles(root, inputs, parameters, targets), root).boxes
        self._rename(names_of(self.boxes))
        self.words = matrices.Words({matrices.word_of(node.op): node.op for node in order if node.op and node.parents})
        self.by_name = {box.name: box for box in self.boxes}
        self._delta_names = self._deltas()

    def _rename(self, names: dict[str, str]) -> None:
        put = {key: tree.name(name) for key, name in names.items()}
        for box in self.boxes:
            box.name = names[box.name]
            if box.formula is not None:
                box.formula = tree.substitute(box.formula, put, {})

    def _deltas(self) -> dict[str, str]:
        """Name the gradients of the weighted inputs: delta_h for net_h."""
        named: dict[str, str] = {}
        for box in self.boxes:
            word = label_parts(box.name)[0]
            if box.formula is not None and (word in WEIGHTED or self._is_weighted_input(box)):
                short = f"delta{suffix(box.name)}" if word in (*WEIGHTED, *OUTPUT) else f"delta_{box.name}"
                taken = {*named.values(), *self.by_name}
                named[box.name] = next((name for name in (short, f"delta_{box.name}") if name not in taken), "")
        return named

    def _is_weighted_input(self, box: Box) -> bool:
        """Tell whether a box is a product with a leaf of more than one number: a matrix of weights."""
        return any(
            self.by_name[name].formula is None and self.by_name[name].role != "number"
            for part in matrices.products_in(box.formula)
            for name in matrices.names_in(part)
        )

    def gradient_name(self, box: Box) -> str:
        """Name the gradient of a box: a delta, or dE/dW_h."""
        return self._delta_names.get(box.name) or Derivative(self.boxes[-1].name, box.name)

    @cached_property
    def gradients(self) -> dict[Value, float]:
        """The gradients of this pass alone, as `backward` finds them."""
        return backward_aside(self.root)

    @cached_property
    def tables(self) -> dict[str, Matrix]:
        """The numbers of each box and of its gradient, by their names, as the graph has them.

        A scalar of an arrangement has no gradient of its own in the graph: what its uses bring is worked out.
        """
        found = {box.name: box.values for box in self.boxes}
        for box in reversed(self.boxes):
            name = self.gradient_name(box)
            if box.role == ARRANGEMENT:
                found[name] = self.worked_out(self.gradient_terms[box.name], box, found)
            else:
                found[name] = [[self.gradients.get(node, 0.0) for node in row] for row in box.table]
        return found

    @cached_property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """The rows and columns of each box and of its gradient, by their names."""
        return {name: box.shape for box in self.boxes for name in (box.name, self.gradient_name(box))}

    @cached_property
    def gradient_terms(self) -> dict[str, list[Expression]]:
        """What each box gets in the backward pass, by its name: a formula for each of its uses."""
        return self._gradient_terms(primes=False)

    @cached_property
    def gradient_terms_with_primes(self) -> dict[str, list[Expression]]:
        """The same, with the derivative of a function written as the documents do: sigmoid'(net)."""
        return self._gradient_terms(primes=True)

    def has_delta(self, box: Box) -> bool:
        """Tell whether the gradient of a box is called delta: that of a weighted input is."""
        return box.name in self._delta_names

    def is_asked_for(self, box: Box) -> bool:
        """Tell whether the backward pass says what the gradient of a box is; of a leaf it need not."""
        if box.role == ARRANGEMENT:
            return any(self.is_asked_for(self.by_name[name]) for name in matrices.names_in(box.formula))
        return box.formula is not None or box.name in self._leaves_asked_for

    @cached_property
    def _leaves_asked_for(self) -> set[str]:
        """The leaves but numbers, targets and inputs that are called x; these inputs where there are no others."""
        leaves = [box for box in self.boxes if box.formula is None and box.role not in ("number", "target")]
        others = [
            box
            for box in leaves
            if box.role != "input" or any(label_parts(node.label).word != "x" for node in box.members())
        ]
        return {box.name for box in others or leaves}

    def product_uses(self, box: Box) -> int:
        """Count the products with a box in them; with an arrangement, as of windows, each row of it is one."""
        uses = 0
        for other in self.boxes:
            for part in matrices.products_in(other.formula):
                if box.name in (names := list(matrices.names_in(part))):
                    rows = [self.by_name[name].shape[0] for name in names if self.by_name[name].role == ARRANGEMENT]
                    uses += max(rows, default=1)
        return uses

    @cached_property
    def box_of(self) -> dict[Value, Box]:
        """The box that each scalar stands in, where it is shown."""
        return {node: box for box in self.boxes if box.role != ARRANGEMENT for node in box.members()}

    def _gradient_terms(self, primes: bool) -> dict[str, list[Expression]]:
        tables = {box.name: box.values for box in self.boxes}
        chain_rule = matrices.Differentiation(self.shapes, tables, self.words, primes)
        arriving: dict[str, list[Expression]] = {box.name: [] for box in self.boxes}
        arriving[self.boxes[-1].name].append(tree.number(1.0))
        for box in reversed(self.boxes):
            if box.formula is None:
                continue
            upstream = tree.name(self.gradient_name(box)) if box is not self.boxes[-1] else tree.number(1.0)
            if box.role == ARRANGEMENT:
                for name in matrices.names_in(box.formula):
                    arriving[name].append(matrices.call(matrices.GATHER, upstream))
                continue
            for name, brought in chain_rule.contributions(box.formula, upstream, tree.name(box.name)):
                arriving[name].append(tidying.tidy(brought))
        return {name: _gathered(terms) for name, terms in arriving.items()}

    def worked_out(self, terms: list[Expression], box: Box, tables: dict[str, Matrix] | None = None) -> Matrix:
        """Work out a sum of formulas that gives the numbers or the gradients of a box, from those of other boxes."""
        known = self.tables if tables is None else tables
        rows, columns = box.shape
        total = [[0.0] * columns for _ in range(rows)]
        for term in terms:
            total = matrices.entrywise(add, total, self._evaluated(term, box, known))
        return total

    def _evaluated(self, term: Expression, box: Box, tables: dict[str, Matrix]) -> Matrix:
        word = term.func.id if isinstance(term, ast.Call) and isinstance(term.func, ast.Name) else ""
        if word == matrices.SPREAD:
            return box.values
        if word == matrices.GATHER:
            (name,) = matrices.names_in(term)
            (source,) = (other for other in self.boxes if self.gradient_name(other) == name)
            sums: dict[Value, float] = {}
            for node, number in zip(source.members(), chain(*tables[name])):
                sums[node] = sums.get(node, 0.0) + number
            return [[sums.get(node, 0.0) for node in row] for row in box.table]
        return matrices.evaluate(term, tables, self.words)


def _gathered(terms: list[Expression]) -> list[Expression]:
    """Add up terms that are the same, and leave out those that are 0, unless that is all there is."""
    counts: dict[str, int] = {}
    first: dict[str, Expression] = {}
    for term in terms:
        if not (isinstance(term, ast.Constant) and term.value == 0):
            key = ast.dump(term)
            counts[key] = counts.get(key, 0) + 1
            first.setdefault(key, term)
    found = [
        tidying.tidy(tree.product(tree.number(counts[key]), term)) if counts[key] > 1 else term
        for key, term in first.items()
    ]
    return found or [tree.number(0.0)]
