"""From a recorded graph to the lines of a program: the forward pass, the backward pass, and what is summed.

Reads the engine and the formulas of one target. The targets put these lines into functions.
"""

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from ..engine import Value, topological_order
from ..formulas.source import ATOM, PRODUCT, SUM, Formulas, Template, Term

_LONGEST = 16  # names and numbers in one line of the forward pass
_MOST_PATHS = 8  # contributions to a gradient in one line of the backward pass


class Statement(NamedTuple):
    """`name = term`; a long sum goes over several lines, and only its first is `new`."""

    name: str
    term: Term
    node: Value
    new: bool = True


class Total(NamedTuple):
    """The gradient of one parameter in one row, which is to be summed over the rows."""

    parameter: int  # which one, by its place
    term: Term
    factors: tuple[Term, Term] | None  # the upstream gradient and the local derivative, where there is one path


class Listing(NamedTuple):
    """A program without its frame."""

    forward: list[Statement]
    checked: list[Term]  # what must be finite, as an infinity in it could be lost again
    results: list[Term]  # the loss, or the outputs
    backward: list[Statement | Total]


class _Path(NamedTuple):
    """What arrives at a node along one edge: upstream x local."""

    term: Term
    factors: tuple[Term, Term] | None  # kept where the node is a parameter


def nodes_of(roots: Iterable[Value]) -> list[Value]:
    """List the nodes under several roots, parents first."""
    found: dict[Value, None] = {}
    for root in roots:
        if root not in found:  # then so is all that is under it
            found.update(dict.fromkeys(topological_order(root)))
    return list(found)


def names_of(nodes: Iterable[Value], spare: Mapping[Value, str], reserved: Collection[str]) -> dict[Value, str]:
    """Name each node by its label, and where that is no free identifier by its spare name, or v1, v2, ..."""
    nodes = list(nodes)
    names: dict[Value, str] = {}
    taken = set(reserved)
    for node in nodes:
        if node.label not in taken and is_identifier(node.label):
            names[node] = node.label
            taken.add(node.label)
    count = 0
    for node in nodes:
        if node not in names:
            name = spare.get(node, "")
            while not name or name in taken:
                count += 1
                name = f"v{count}"
            names[node] = name
            taken.add(name)
    return names


def is_identifier(label: str) -> bool:
    """Tell whether a label can be a name in a program."""
    plain = label.isidentifier() and unicodedata.normalize("NFKC", label) == label
    return plain and not keyword.iskeyword(label) and not label.startswith(("d_", "sum_", "mean_", "_"))


class Emitter:
    """Writes the lines of programs over one graph."""

    def __init__(
        self,
        order: Iterable[Value],
        inputs: Iterable[Value],
        parameters: Sequence[Value],
        names: Mapping[Value, str],
        formulas: Formulas,
        keep_labelled: bool,
    ) -> None:
        self.names = names
        self.formulas = formulas
        self.keep_labelled = keep_labelled  # whether each labelled quantity has a line of its own
        self.parameters = {parameter: index for index, parameter in enumerate(parameters)}
        self.needed = set(parameters)  # what a parameter leads to: only this has a gradient
        self.inputs = frozenset(inputs)
        self.free = {*inputs, *parameters}  # what is not the same in every call
        for node in order:
            if not self.needed.isdisjoint(node.parents):
                self.needed.add(node)
            if not self.free.isdisjoint(node.parents):
                self.free.add(node)

    def listing(self, results: Sequence[Value], seed: Term | None = None) -> Listing:
        """Write the lines that compute the results; with a `seed`, the gradient of the one result, both passes."""
        order = nodes_of(results)
        terms: dict[Value, Term] = {}
        for node in order:
            terms[node] = self._name_or_number(node, terms)
        uses = dict.fromkeys(order, 0)
        backward = self._backward(order, terms, uses, seed) if seed else []
        checked = self._count_forward(order, terms, uses)
        for node in chain(results, checked):
            uses[node] += 1
        forward = self._forward(order, terms, uses)
        return Listing(forward, [terms[node] for node in checked], [terms[node] for node in results], backward)

    def _name_or_number(self, node: Value, terms: Mapping[Value, Term]) -> Term:
        """What leads to no input and to no parameter is the number that was recorded."""
        if node not in self.free:
            return self.formulas.number(node.data)
        if not node.parents:
            return Term(self.names[node], varies=node in self.inputs)
        operands = _operands(node, terms)
        template = self._template(node, 0, operands)
        if template.number is not None:  # as in x**0
            return self.formulas.number(template.number)
        return Term(self.names[node], varies=any(operands[slot].varies for slot in template.uses))

    def _count_forward(self, order: list[Value], terms: dict[Value, Term], uses: dict[Value, int]) -> list[Value]:
        """Count how often the forward pass uses each node; list the operands in which an infinity could be lost."""
        checked: dict[Value, None] = {}
        for node in order:
            if node.parents and terms[node].number is None:
                template = self._template(node, 0, _operands(node, terms))
                for slot, parent in zip("ab", node.parents):
                    uses[parent] += template.uses.get(slot, 0)
                    if slot in template.absorbs and (parent.parents or parent in self.parameters):
                        checked[parent] = None
        return [node for node in checked if terms[node].number is None]

    def _forward(self, order: list[Value], terms: dict[Value, Term], uses: dict[Value, int]) -> list[Statement]:
        """Write the value of each node; one that is used only once goes into the line that uses it."""
        lines = []
        for node in order:
            if node.parents and uses[node] and terms[node].number is None:
                operands = _operands(node, terms)
                term = self._template(node, 0, operands).fill(operands)
                if uses[node] == 1 and term.size < _LONGEST and not (node.label and self.keep_labelled):
                    terms[node] = term
                else:
                    lines.append(Statement(self.names[node], term, node))
        return lines

    def _backward(
        self, order: list[Value], terms: dict[Value, Term], uses: dict[Value, int], seed: Term
    ) -> list[Statement | Total]:
        """Write the gradient of each node that a parameter leads to, from the root down, in the engine's order."""
        lines: list[Statement | Total] = []
        paths: dict[Value, list[_Path]] = {order[-1]: [_Path(seed, None)]}
        for node in reversed(order):
            if node not in self.needed or node not in paths:
                continue
            arriving = paths.pop(node)
            gradient = self._sum(node, arriving, lines)
            if node in self.parameters:
                lines.append(
                    Total(self.parameters[node], gradient, arriving[0].factors if len(arriving) == 1 else None)
                )
                continue
            if gradient.number is None and (gradient.precedence != ATOM or "(" in gradient.text):  # more than a name
                name = Term(self._gradient_name(node), varies=gradient.varies)
                lines.append(Statement(name.text, gradient, node, new=len(arriving) <= 1 + _MOST_PATHS))
                gradient = name
            around = {"y": terms[node], **_operands(node, terms)}
            for part, parent in enumerate(node.parents, 1):
                if parent in self.needed:
                    template = self._template(node, part, {**around, "u": gradient})
                    if template.number != 0.0:
                        for slot, operand in (("a", node.parents[0]), ("b", node.parents[-1]), ("y", node)):
                            uses[operand] += 2 * template.uses.get(slot, 0)  # 2: it needs a line, even for one use
                        local = self._template(node, part, around).fill(around) if parent in self.parameters else None
                        path = _Path(template.fill({**around, "u": gradient}), local and (gradient, local))
                        paths.setdefault(parent, []).append(path)
        return lines

    def _sum(self, node: Value, arriving: list[_Path], lines: list[Statement | Total]) -> Term:
        """Add up what arrives along the paths, in order; a long sum goes over several lines."""
        total = arriving[0].term
        name = Term(self._gradient_name(node), varies=any(path.term.varies for path in arriving))
        for start in range(1, len(arriving), _MOST_PATHS):
            if start > 1:
                lines.append(Statement(name.text, total, node, new=start == 1 + _MOST_PATHS))
                total = name
            text = f"{total:{SUM}}"
            for path in arriving[start : start + _MOST_PATHS]:
                text += f" - {path.term.text[1:]}" if path.term.negative else f" + {path.term:{PRODUCT}}"
            total = Term(text, SUM, varies=name.varies)
        return total

    def _gradient_name(self, node: Value) -> str:
        return "d_" + re.sub(r"\W", "_", self.names[node])

    def _template(self, node: Value, part: int, terms: Mapping[str, Term]) -> Template:
        assert node.op is not None  # it has parents
        return self.formulas.template(node.op, part, terms)


def _operands(node: Value, terms: Mapping[Value, Term]) -> dict[str, Term]:
    return {slot: terms[parent] for slot, parent in zip("ab", node.parents)}
