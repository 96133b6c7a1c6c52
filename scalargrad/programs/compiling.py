"""A recorded graph as a program: compiled once, then run on batches of any size at the speed of the machine.

Reads the engine and the sources of `programs/`. Training runs what `compile` gives back.
"""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from itertools import chain
from math import isfinite, nan
from struct import error as StructError
from struct import pack
from typing import Any

from ..engine import Value, as_float
from ..graph.changes import check_unchanged
from ..graph.replay import backward_aside, record_again
from . import native
from .batches import Rows, checked_rows
from .emitter import nodes_of
from .running import RUNNERS, JaxRunner
from .targets import JaxSource, NumpySource, ProgramGraph, PythonSource
from .vectors import CSource

_LARGEST_C = 200_000  # operations; beyond that a C compiler takes minutes
_TOLERANCE = 1e-9  # of the self-check, relative to the largest of the loss and the gradients

SOURCES = {"python": PythonSource, "numpy": NumpySource, "c": CSource, "jax": JaxSource}


def compile(
    root: Value,
    inputs: Iterable[Value],
    parameters: Iterable[Value] = (),
    target: str = "auto",
    outputs: Iterable[Value] = (),
) -> Program:
    """Turn a graph that was recorded for one sample into a program for batches.

    `inputs` are the leaves that a row of a batch holds the numbers of, in this order, targets included;
    `parameters` are the leaves to differentiate by, and their `data` is read at each call; every other leaf
    stays the number that it is. `outputs` are the nodes that `predict` evaluates: the root, if none is given.

    `target` is "python" (the derivation as code), "numpy", "c" (needs a C compiler), "jax" (needs JAX), or
    "auto": the fastest of c, numpy and python that works here. Where a graph is too large for the C compiler,
    or where for "auto" that compiler fails, a warning says so, and the next of these is taken.

    The graph is what was recorded: an `if` on a value took one branch then, and the program takes that branch
    for every row. (`relu`, `maximum` and their like decide row by row.) A derivative that no parameter needs
    is not computed.

    The program is run once on the recorded numbers. Raises ValueError where it does not give the recorded
    loss and gradients, where an operation cannot be written as source, and where inputs or parameters are no
    leaves; RuntimeError where target "c" finds no compiler; ImportError where a library is missing.

    >>> x, w = Value(2.0, label="x"), Value(3.0, label="w")
    >>> program = compile((w * x) ** 2, inputs=[x], parameters=[w], target="python")
    >>> program([[1.0], [2.0]])
    (22.5, [15.0])
    """
    if target not in ("auto", *SOURCES):
        raise ValueError(f'compile: needs a target out of "auto", {", ".join(SOURCES)}; got {target!r}')
    for role, given in (("inputs", inputs), ("parameters", parameters), ("outputs", outputs)):
        if isinstance(given, Value):
            raise TypeError(f"compile: {role} needs a list of Values, got one alone: {given!r}")
    graph = _checked_graph(root, list(inputs), list(parameters), list(outputs))
    for choice in _choices(target):
        too_large = choice == "c" and len(graph.order) > _LARGEST_C
        try:
            if too_large:
                raise TimeoutError(f"compile: {len(graph.order)} nodes are more than a C compiler takes ({_LARGEST_C})")
            return Program(graph, choice)
        except TimeoutError as error:
            warnings.warn(f"{error}; the program will run without it, and slower", RuntimeWarning, stacklevel=2)
        except native.CompilerError as error:
            if target == "c":
                raise
            warnings.warn(f"{error}; the program will run without it, and slower", RuntimeWarning, stacklevel=2)
    raise AssertionError("python, the last choice, neither times out nor lacks a compiler")


def _choices(target: str) -> list[str]:
    """List the targets to try, in order."""
    slower = ["numpy", "python"] if find_spec("numpy") else ["python"]
    if target == "auto":
        return ["c", *slower] if next(native.compilers(), None) else slower
    return ["c", *slower] if target == "c" else [target]


def _checked_graph(
    root: Value, inputs: Sequence[Value], parameters: Sequence[Value], outputs: Sequence[Value]
) -> ProgramGraph:
    graph = ProgramGraph(root, inputs, parameters, outputs or [root])
    given: dict[Value, str] = {}
    for role, nodes in (("inputs", inputs), ("parameters", parameters)):
        for index, node in enumerate(nodes):
            if not isinstance(node, Value):
                raise TypeError(f"compile: {role}[{index}] is no Value: {node!r}")
            if node.parents:
                raise ValueError(f"compile: {role}[{index}] is no leaf, but the result of an operation: {node!r}")
            if node in given:
                raise ValueError(f"compile: {role}[{index}] stands in {given[node]} already: {node!r}")
            given[node] = f"{role}[{index}]"
    if not inputs:
        raise ValueError("compile: needs at least one input: a batch has one column for each")
    for node in graph.order:
        if node.op and node.op.functions:
            raise ValueError(
                f"compile: the operation {node.op.name} was declared by callables, which cannot be written as source; "
                "declare it by formulas as text, as in operation('cube', 'a**3', '3 * a**2')"
            )
    check_unchanged(graph.order)
    return graph


class Program:
    """A compiled graph: call it with a batch, and it gives the mean loss and the mean gradients."""

    def __init__(self, graph: ProgramGraph, target: str) -> None:
        self.target = target
        self.source = SOURCES[target](graph).write()
        self._graph = graph
        self._columns = [node.label or f"x{index}" for index, node in enumerate(graph.inputs, 1)]
        self._runner = RUNNERS[target](self.source, len(graph.parameters), len(graph.outputs))
        self._check_itself()

    def __call__(self, batch: Any, parameters: Iterable[float] | None = None) -> tuple[float, list[float]]:
        """Give the mean loss over the rows of a batch, and the mean gradients, one for each parameter.

        `batch` holds one row a sample, its columns in the order of `inputs`; `parameters` are numbers to use in
        place of the parameters' data. Raises TypeError or ValueError for a wrong batch, with the row and the
        column, and what the engine raises, with the row, where an operation leaves its domain or overflows.
        """
        rows = checked_rows(batch, self._columns, len(self._columns))
        numbers = self._numbers(parameters)
        try:
            loss, gradients = self._runner.step(rows, numbers)
        except (ArithmeticError, ValueError):
            loss, gradients = nan, []
        if not isfinite(loss + sum(gradients)) and not all(map(isfinite, [loss, *gradients])):
            self._explain([self._graph.root], rows, numbers)
            raise OverflowError("program: the sum over the rows is too large for a float")
        return loss, gradients

    def predict(self, batch: Any, parameters: Iterable[float] | None = None) -> list[list[float]]:
        """Give the outputs for each row of a batch: the forward pass alone.

        A row may leave off the last columns that no output needs, such as the targets. Raises as the call does.
        """
        rows = checked_rows(batch, self._columns, self._graph.columns)
        numbers = self._numbers(parameters)
        try:
            outputs = self._runner.predict(rows, numbers)
        except (ArithmeticError, ValueError):
            outputs = [[nan]]
        if not all(map(isfinite, chain.from_iterable(outputs))):
            self._explain(self._graph.outputs, rows, numbers)
            raise OverflowError("program: an output is too large for a float")
        return outputs

    @property
    def function(self) -> Callable[..., Any]:
        """The pure function (batch, parameters) -> (loss, gradients) of target "jax", for jit, vmap, grad and sharding.

        It takes and gives JAX arrays, in the precision that JAX is set to: for float64 set `jax_enable_x64`.
        Raises AttributeError for another target.
        """
        if not isinstance(self._runner, JaxRunner):
            raise AttributeError(f'program: only target "jax" has a pure function, this one is "{self.target}"')
        return self._runner.function

    def __repr__(self) -> str:
        inputs, parameters = len(self._graph.inputs), len(self._graph.parameters)
        return f"<program for {self.target}: {inputs} inputs, {parameters} parameters>"

    def _repr_markdown_(self) -> str:
        return f"```{'c' if self.target == 'c' else 'python'}\n{self.source}\n```"

    def _numbers(self, parameters: Iterable[float] | None) -> array[float]:
        needed = self._graph.parameters
        numbers = [parameter.data for parameter in needed] if parameters is None else list(parameters)
        if len(numbers) != len(needed):
            raise ValueError(f"program: needs {len(needed)} parameters, got {len(numbers)}")
        try:
            return array("d", pack(f"{len(numbers)}d", *numbers))  # in half the time of array("d", numbers)
        except (StructError, OverflowError):
            return array("d", [_parameter(index, number) for index, number in enumerate(numbers)])

    def _explain(self, results: Sequence[Value], rows: Rows, parameters: array[float]) -> None:
        """Run the engine row by row, so that it raises what it has to say about the operation that failed."""
        order = nodes_of(results)
        for index, row in enumerate(rows):
            leaves = dict(zip([*self._graph.parameters, *self._graph.inputs], map(float, [*parameters, *row])))
            try:
                fresh = record_again(order, leaves)
                if results == [self._graph.root]:
                    fresh[self._graph.root].backward()
            except (ArithmeticError, ValueError) as error:
                raise type(error)(f"row {index}, counted from 0: {error}") from None

    def difference(self, recorded: Sequence[float], row: Sequence[float]) -> tuple[str, float, float] | None:
        """Compare the program on one row with the `loss_and_gradients` of a graph, relative to the largest of them.

        Give the name of the first number that differs, what was recorded and what the program gives; None where all
        agree to nine digits. Raises what the call raises.
        """
        loss, gradients = self([row])
        names = ["loss", *(f"gradient of {node.label or node!r}" for node in self._graph.parameters)]
        allowed = _TOLERANCE * max(1.0, *map(abs, recorded))
        for name, expected, got in zip(names, recorded, [loss, *gradients]):
            if not abs(expected - got) <= allowed:
                return name, expected, got
        return None

    def _check_itself(self) -> None:
        """Raise ValueError unless the program gives on the recorded numbers what the graph recorded."""
        recorded = loss_and_gradients(self._graph.root, self._graph.parameters)
        try:
            difference = self.difference(recorded, [node.data for node in self._graph.inputs])
        except (ArithmeticError, ValueError) as error:
            raise ValueError(f"compile: the program fails on the recorded numbers: {error}") from None
        if difference:
            name, expected, got = difference
            raise ValueError(f"compile: the graph recorded {expected} for the {name}, but the program gives {got}")


def _parameter(index: int, number: Any) -> float:
    try:
        return as_float(number)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"program: parameters[{index}]: {str(error).removeprefix('value: ')}") from None


def loss_and_gradients(root: Value, parameters: Sequence[Value]) -> list[float]:
    """Run backward for the gradients of this graph alone, and leave every `grad` as it was.

    Raises OverflowError as `backward` does.
    """
    found = backward_aside(root)
    return [root.data, *(found.get(parameter, 0.0) for parameter in parameters)]
