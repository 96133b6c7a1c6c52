"""A recorded graph as a program: compiled once, then run on batches of any size at the speed of the machine.

Reads the engine and the sources of `programs/`. Training runs what `compile` gives back.
"""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import chain
from math import isfinite
from struct import error as StructError
from struct import pack
from typing import Any

from ..engine import Value
from ..graph.changes import check_unchanged
from ..graph.replay import backward_aside, record_again
from ..recording import as_float
from . import native
from .batches import Rows, checked_rows, is_numpy, shape_in_memory
from .emitter import nodes_of
from .loops import Loops, c_program
from .matrices import Matrices, matrix_program
from .running import RUNNERS, CRunner, JaxRunner, Numbers, chosen
from .targets import JaxSource, NumpySource, ProgramGraph, PythonSource

_TOLERANCE = 1e-9  # of the self-check, relative to the largest of the loss and the gradients

WRITERS: dict[str, Callable[[ProgramGraph], str | Loops | Matrices]] = {
    "python": lambda graph: PythonSource(graph).write(),
    "numpy": lambda graph: matrix_program(graph, NumpySource) or NumpySource(graph).write(),
    "c": c_program,
    "jax": lambda graph: matrix_program(graph, JaxSource) or JaxSource(graph).write(),
}


def compile(
    root: Value,
    inputs: Iterable[Value],
    parameters: Iterable[Value] = (),
    target: str = "auto",
    outputs: Iterable[Value] = (),
    vector_math: bool = True,
) -> Program:
    """Turn a graph that was recorded for one sample into a program for batches.

    `inputs` are the leaves that a row of a batch holds the numbers of, in this order, targets included;
    `parameters` are the leaves to differentiate by, and their `data` is read at each call; every other leaf
    stays the number that it is. `outputs` are the nodes that `predict` evaluates: the root, if none is given.

    `target` is "python" (the derivation as code), "numpy" (where layers are found in the graph their matrices,
    otherwise the derivation on arrays), "c" (needs a C compiler), "jax" (needs JAX; written as for NumPy), or
    "auto": the fastest of c, numpy and python that works here. Where the C compiler takes too long, or
    where for "auto" it fails, a warning says so, and the next of these is taken.

    Target "c" takes exp, expm1, log, log1p and tanh from the C library's functions of whole vectors, where it has them:
    the GNU C library's are within 4 units in the last place. With `vector_math=False` it takes those of one number, as
    Python does.

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
    if target not in ("auto", *WRITERS):
        raise ValueError(f'compile: needs a target out of "auto", {", ".join(WRITERS)}; got {target!r}')
    for role, given in (("inputs", inputs), ("parameters", parameters), ("outputs", outputs)):
        if isinstance(given, Value):
            raise TypeError(f"compile: {role} needs a list of Values, got one alone: {given!r}")
    graph = _checked_graph(root, list(inputs), list(parameters), list(outputs))
    for choice in _choices(target):
        try:
            return Program(graph, choice, vector_math)
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

    def __init__(self, graph: ProgramGraph, target: str, vector_math: bool = True) -> None:
        self.target = target
        written = WRITERS[target](graph)
        if isinstance(written, Loops):
            written = written._replace(vector_math=vector_math)
        self.source = written if isinstance(written, str) else written.source
        self._graph = graph
        self._columns = [node.label or f"x{index}" for index, node in enumerate(graph.inputs, 1)]
        self._runner = RUNNERS[target](written, len(graph.parameters), len(graph.outputs))
        self._check_itself()

    def __call__(
        self, batch: Any, parameters: Any | None = None, rows: Sequence[int] | None = None
    ) -> tuple[float, Any]:
        """Give the mean loss over the rows of a batch, and the mean gradients, one for each parameter.

        `batch` holds one row a sample, its columns in the order of `inputs`; with `rows` only those are taken, by
        their positions, in this order. `parameters` are numbers to use in place of the parameters' data. The gradients
        are a list, or where the parameters came as an array of floats one like it: with arrays of float64 for the
        batch and the parameters no number is turned into a Python object on its way. Raises TypeError or ValueError
        for a wrong batch, with the row and the column, and what the engine raises, with the row, where an operation
        leaves its domain or overflows.
        """
        table = checked_rows(batch, self._columns, len(self._columns), self._runner.checks)
        numbers, index = self._numbers(parameters), None if rows is None else _index(rows, len(table))
        try:
            loss, gradients = self._runner.step(table, numbers, index)
            if not self._runner.checks and not (isfinite(loss) and all(map(isfinite, gradients))):
                raise OverflowError
        except (ArithmeticError, ValueError):
            table = checked_rows(batch, self._columns, len(self._columns))
            self._explain([self._graph.root], chosen(table, index), numbers)
            raise OverflowError("program: the sum over the rows is too large for a float") from None
        return loss, gradients if type(gradients) is type(parameters) else _like(parameters, gradients)

    def with_outputs(
        self, batch: Any, parameters: Any | None = None, rows: Sequence[int] | None = None
    ) -> tuple[float, Any, Any]:
        """Give the mean loss, the mean gradients and the outputs of each row, with target "c" in one pass.

        Arguments and results are those of the call and of `predict`. Raises as they do.
        """
        if isinstance(self._runner, CRunner):
            table = checked_rows(batch, self._columns, len(self._columns), self._runner.checks)
            numbers, index = self._numbers(parameters), None if rows is None else _index(rows, len(table))
            with suppress(ArithmeticError, ValueError):
                loss, gradients, outputs = self._runner.both(table, numbers, index)
                return loss, _like(parameters, gradients), self._in_rows(outputs, parameters)
        return (*self(batch, parameters, rows), self.predict(batch, parameters, rows))

    def predict(self, batch: Any, parameters: Any | None = None, rows: Sequence[int] | None = None) -> Any:
        """Give the outputs for each row of a batch: the forward pass alone.

        They are lists, or where the parameters came as an array of NumPy one of rows x outputs. A row may leave off
        the last columns that no output needs, such as the targets. Raises as the call does.
        """
        table = checked_rows(batch, self._columns, self._graph.columns, self._runner.checks)
        numbers, index = self._numbers(parameters), None if rows is None else _index(rows, len(table))
        try:
            outputs = self._in_rows(self._runner.predict(table, numbers, index), parameters)
            if not self._runner.checks and not all(map(isfinite, chain.from_iterable(outputs))):
                raise OverflowError
        except (ArithmeticError, ValueError):
            table = checked_rows(batch, self._columns, self._graph.columns)
            self._explain(self._graph.outputs, chosen(table, index), numbers)
            raise OverflowError("program: an output is too large for a float") from None
        return outputs

    def _in_rows(self, outputs: Any, parameters: Any) -> Any:
        """Give outputs as lists, one for each row, or as an array of NumPy where the parameters are one."""
        width = len(self._graph.outputs)
        if is_numpy(parameters):
            import numpy

            return numpy.asarray(outputs).reshape(-1, width)
        if isinstance(outputs, array):
            numbers = outputs.tolist()
            return [numbers[start : start + width] for start in range(0, len(numbers), width)]
        return outputs if isinstance(outputs, list) else outputs.reshape(-1, width).tolist()

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

    def _numbers(self, parameters: Any | None) -> Numbers:
        """Give the parameters' numbers as floats in a row in memory."""
        needed = len(self._graph.parameters)
        if parameters is not None and (shape := shape_in_memory(parameters, 1)) and shape[0] == needed:
            return parameters
        given = [parameter.data for parameter in self._graph.parameters] if parameters is None else parameters
        numbers = list(given)
        if len(numbers) != needed:
            raise ValueError(f"program: needs {needed} parameters, got {len(numbers)}")
        try:
            return array("d", pack(f"{len(numbers)}d", *numbers))  # in half the time of array("d", numbers)
        except (StructError, OverflowError):
            return array("d", [_parameter(index, number) for index, number in enumerate(numbers)])

    def _explain(self, results: Sequence[Value], rows: Rows, parameters: Numbers) -> None:
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
        allowed = _TOLERANCE * max(1.0, *map(abs, recorded))
        for node, expected, got in zip([None, *self._graph.parameters], recorded, [loss, *gradients]):
            if not abs(expected - got) <= allowed:
                return "loss" if node is None else f"gradient of {node.label or node!r}", expected, got
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


def _like(parameters: Any, gradients: Any) -> Any:
    """Give gradients as a list, or as an array of the kind that the parameters are."""
    if isinstance(parameters, array):
        return gradients if isinstance(gradients, array) else array("d", gradients)
    if is_numpy(parameters):
        import numpy

        return numpy.frombuffer(gradients) if isinstance(gradients, array) else numpy.asarray(gradients)
    return gradients if isinstance(gradients, list) else gradients.tolist()


def _index(rows: Sequence[int], count: int) -> array[int]:
    """Give the positions of rows as numbers in memory, all within a table."""
    index = array("q", rows)
    if not index or min(index) < 0 or max(index) >= count:
        raise IndexError(f"program: needs rows from 0 to {count - 1}, at least one, got {list(rows)[:20]}")
    return index


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
