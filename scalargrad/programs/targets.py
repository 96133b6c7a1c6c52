"""The source of a program in Python, NumPy and JAX: how each writes an expression, and the functions around the lines.

Reads the emitter. A target is one small class: its words, its notation and its frame.
"""

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from ..engine import Value
from ..formulas.source import ATOM, LOOSE, SUM, Formulas, SourceNotation, Term
from ..primitives import PRIMITIVES
from ..rules import FUNCTIONS
from .emitter import Emitter, Listing, Statement, Total, names_of, nodes_of

_WIDTH = 100  # of a line with a list
GROUP = 4  # how many checks stand in one line


@dataclass(frozen=True, eq=False)
class ProgramGraph:
    """What a program is made of."""

    root: Value
    inputs: Sequence[Value]
    parameters: Sequence[Value]
    outputs: Sequence[Value]

    @cached_property
    def columns(self) -> int:
        """How many columns the outputs need: the inputs after these may be left off."""
        needed = set(self.order if self.root in self.outputs else nodes_of(self.outputs))
        return max((index for index, node in enumerate(self.inputs, 1) if node in needed), default=1)

    @cached_property
    def order(self) -> list[Value]:
        """All nodes, parents first."""
        return nodes_of([self.root, *self.outputs])


class PythonSource:
    """Plain Python, the labels as names: the derivation as code. It adds in the engine's order, to the same bits.

    But for one thing: it has the local derivatives of sigmoid and tanh in the form that one reads, `y*(1 - y)`, which
    far out loses digits that the engine keeps.
    """

    class Notation(SourceNotation):
        square = False

    words: ClassVar[Mapping[str, str]] = {word: said.python for word, said in PRIMITIVES.items()}

    def __init__(self, graph: ProgramGraph) -> None:
        self.formulas = Formulas(self.Notation(), WORDS)
        names = self.names(graph)
        self.emitter = Emitter(graph.order, graph.inputs, graph.parameters, names, self.formulas, keep_labelled=True)
        self.graph = graph
        self.root = _printable(graph.root.label) or "root"
        self.inputs = [names[node] for node in graph.inputs]
        self.parameters = [names[node] for node in graph.parameters]

    def names(self, graph: ProgramGraph) -> dict[Value, str]:
        """Name the quantities by their labels; where they have none: inputs x1, parameters p1, all else v1, ..."""
        spare = {node: f"x{i}" for i, node in enumerate(graph.inputs, 1)}
        spare |= {node: f"p{i}" for i, node in enumerate(graph.parameters, 1)}
        rules = {node.op.name for node in graph.order if node.op}
        functions = {rule + part + more for rule in rules for part in ("", "_da", "_db") for more in ("", "_")}
        return names_of(dict.fromkeys([*spare, *graph.order]), spare, WORDS | FUNCTIONS.keys() | functions)

    def write(self) -> str:
        """Write the whole source: the functions `step` and `predict`, and those that they call."""
        step = self.step(self.emitter.listing([self.graph.root], self.formulas.number(1.0)))
        predict = self.predict(self.emitter.listing(self.graph.outputs))
        body = "\n\n".join([*self.formulas.functions.values(), step, predict])
        called = set(re.findall(r"\w+(?=[(.])", body))
        lines = imports({word: said for word, said in self.words.items() if word in called})
        return "\n".join([f"# {self.root}: forward pass and backward pass, written out\n", *lines, body])

    def step(self, listing: Listing) -> str:
        """Write the function that gives the mean loss and the mean gradients."""
        sums = [f"sum_{name}" for name in self.parameters]
        return function_text(
            "step(batch, parameters)",
            *list_text("[", self.parameters, "] = parameters"),
            "sum_loss = 0.0",
            *list_text("[", sums, f"] = [0.0] * {len(sums)}"),
            *list_text("for [", self.inputs, "] in batch:"),
            *indented(
                "# forward",
                *map(self.line, listing.forward),
                *self.checks(listing.checked),
                f"sum_loss += {self.results(listing)[0]}",
                "# backward",
                *(self.total(line) if isinstance(line, Total) else self.backward(line) for line in listing.backward),
            ),
            "rows = len(batch)",
            *list_text("return sum_loss / rows, [", [f"{name} / rows" for name in sums], "]"),
        )

    def predict(self, listing: Listing) -> str:
        """Write the function that gives the outputs of each row."""
        return function_text(
            "predict(batch, parameters)",
            *list_text("[", self.parameters, "] = parameters"),
            "outputs = []",
            *list_text("for [", self.inputs[: self.graph.columns], "] in batch:"),
            *indented(
                *map(self.line, listing.forward),
                *self.checks(listing.checked),
                *list_text("outputs.append([", self.results(listing), "])"),
            ),
            "return outputs",
        )

    def line(self, line: Statement) -> str:
        """Write one line, with the label of its quantity where that is not its name."""
        label = _printable(line.node.label)
        return f"{line.name} = {line.term:{LOOSE}}" + (f"  # {label}" if label not in ("", line.name) else "")

    def backward(self, line: Statement) -> str:
        """Write one line of the backward pass, with the derivative that it is."""
        label = _printable(line.node.label)
        return f"{line.name} = {line.term:{LOOSE}}" + (f"  # d {self.root} / d {label}" if label else "")

    def total(self, total: Total) -> str:
        """Write the line that adds a row's gradient to the sum."""
        return f"sum_{self.parameters[total.parameter]} += {total.term:{LOOSE}}"

    def check(self, term: Term) -> str:
        """Write what is 0 where a term is finite, and otherwise NaN."""
        return f"({term} - {term})"

    def checks(self, terms: Sequence[Term]) -> Iterator[str]:
        """Write the lines that add up the checks of all terms."""
        if terms:
            yield "# 0, or NaN where one of these is not finite"
        for start in range(0, len(terms), GROUP):
            group = " + ".join(map(self.check, terms[start : start + GROUP]))
            yield f"check = check + {group}" if start else f"check = {group}"

    def results(self, listing: Listing) -> list[str]:
        """Write the results, each with the checks added: they add 0."""
        return [f"{term:{SUM}} + check" if listing.checked else f"{term:{LOOSE}}" for term in listing.results]


class NumpySource(PythonSource):
    """The same text on arrays, one element a row."""

    class Notation(SourceNotation):
        def choice(self, test: str, body: str, otherwise: str) -> tuple[str, int]:
            return f"where({test}, {body}, {otherwise})", ATOM

        def both(self, left: str, right: str) -> str:
            return f"{left} & {right}"

    words: ClassVar[Mapping[str, str]] = {
        **{word: said.numpy for word, said in PRIMITIVES.items()},
        **{word: f"numpy.{word}" for word in ("dot", "where", "zeros", "add", "array", "broadcast_to")},
    }

    def step(self, listing: Listing) -> str:
        given = {line.parameter for line in listing.backward if isinstance(line, Total)}
        gradients = [f"mean_{name}" if index in given else "0.0" for index, name in enumerate(self.parameters)]
        return function_text(
            "step(batch, parameters)",
            *self.unpacked(self.inputs, listing),
            "# forward",
            *map(self.line, listing.forward),
            *self.checks(listing.checked),
            f"mean_loss = {self.loss(listing)}",
            "# backward",
            *(self.total(line) if isinstance(line, Total) else self.backward(line) for line in listing.backward),
            *list_text("return mean_loss, array([", gradients, "])"),
        )

    def predict(self, listing: Listing) -> str:
        return function_text(
            "predict(batch, parameters)",
            *self.unpacked(self.inputs[: self.graph.columns], listing),
            *map(self.line, listing.forward),
            *self.checks(listing.checked),
            *list_text("return array([", [f"broadcast_to({text}, rows)" for text in self.results(listing)], "]).T"),
        )

    def unpacked(self, inputs: Sequence[str], listing: Listing) -> Iterator[str]:
        """Write the lines that name the columns of a batch, the parameters and the number of rows."""
        some = "" if len(inputs) == len(self.inputs) else f"[:{len(inputs)}]"
        yield from list_text("[", inputs, f"] = batch.T{some}")
        yield from list_text("[", self.parameters, "] = parameters")
        yield "rows = len(batch)"
        if any(self.check(term).endswith(", zero)") for term in listing.checked):
            yield "zero = zeros(rows)"

    def loss(self, listing: Listing) -> str:
        """Write the mean loss, with the checks added."""
        return self.mean(listing.results[0]) + (" + check" if listing.checked else "")

    def total(self, total: Total) -> str:
        return f"mean_{self.parameters[total.parameter]} = {self.mean(total.term, total.factors)}"

    def mean(self, term: Term, factors: tuple[Term, Term] | None = None) -> str:
        """Write the mean over the rows; that of a product of two arrays is NumPy's `dot`."""
        if factors and factors[0].varies and factors[1].varies:
            return f"dot({factors[0]:{LOOSE}}, {factors[1]:{LOOSE}})/rows"
        return f"add.reduce({term:{LOOSE}})/rows" if term.varies else f"{term:{LOOSE}}"

    def check(self, term: Term) -> str:
        return f"dot({term}, zero)" if term.varies else super().check(term)


class JaxSource(NumpySource):
    """A pure function of (batch, parameters), so that jit, vmap, grad and sharding apply."""

    words: ClassVar[Mapping[str, str]] = {
        **{word: said.jax for word, said in PRIMITIVES.items()},
        **{word: f"jax.numpy.{word}" for word in ("where", "mean", "array", "broadcast_to")},
    }

    def loss(self, listing: Listing) -> str:
        return f"mean({self.results(listing)[0]})"

    def mean(self, term: Term, factors: tuple[Term, Term] | None = None) -> str:
        return f"mean({term:{LOOSE}})"

    def check(self, term: Term) -> str:
        return PythonSource.check(self, term)


# What a name in the source must not be.
WORDS = frozenset(
    {
        *("batch", "parameters", "step", "predict", "rows", "outputs", "check", "zero", "mean_loss", "len"),
        *keyword.kwlist,
        *PythonSource.words,
        *NumpySource.words,
        *JaxSource.words,
    }
)

# --- layout --------------------------------------------------------------------------------------------------------


def function_text(signature: str, *lines: str) -> str:
    """Write a function: its first line and its body."""
    return "\n".join([f"def {signature}:", *indented(*lines), ""])


def imports(words: Mapping[str, str]) -> list[str]:
    """Write the lines that import functions such as `numpy.power` under the words of the formulas."""
    modules: dict[str, list[str]] = {}
    for word, said in words.items():
        module, _, function = said.rpartition(".")
        if module:  # what has none is Python's own
            modules.setdefault(module, []).append(word if word == function else f"{function} as {word}")
    lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(modules.items())]
    return [*lines[:-1], f"{lines[-1]}\n\n"] if lines else []


def indented(*lines: str) -> list[str]:
    """Set lines further in."""
    return [f"    {line}" for line in lines]


def list_text(before: str, items: Iterable[str], after: str) -> list[str]:
    """Write a list, over several lines where it is long."""
    lines = [before]
    for item in items:
        if len(lines[-1]) + len(item) > _WIDTH:
            lines.append("    ")
        lines[-1] += f"{item}, "
    lines[-1] = lines[-1].removesuffix(", ") + after
    return list(map(str.rstrip, lines[:-1])) + lines[-1:]


def _printable(label: str) -> str:
    """Make a label fit for a comment."""
    return "".join(sign if sign.isprintable() else " " for sign in label)
