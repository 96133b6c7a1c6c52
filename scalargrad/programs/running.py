"""Sources turned into functions of checked rows: one small class a target, all with the same two methods.

Reads the native cache. `compiling` chooses among these classes; they know nothing of graphs.
"""

from __future__ import annotations

import ctypes
import os
import sys
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from math import isfinite
from typing import Any, Protocol, TypeAlias

from . import native
from .batches import is_numpy
from .loops import Loops
from .matrices import Matrices

Index: TypeAlias = Any  # array("q", ...) of positions, or None for every row
Numbers: TypeAlias = Any  # floats in a row in memory: array("d", ...), or NumPy's float64
Rows = Any  # what `checked_rows` has made of a batch: an array or a list, rows x columns

_BLOCK = 1 << 22  # bytes of NumPy's intermediate results that live at a time
_LARGE = 1 << 18  # bytes of one array of many scalars: more may be asked of the system anew each time
_ZERO = array("d", [0.0])
_NO_MEMORY, _BAD_BATCH, _NOT_FINITE = 1, 2, 3  # what a C program gives back where it fails
_number_at = ctypes.c_char.from_buffer  # the quickest way to an address
_TASK = 1 << 24  # row x statement: work enough for a thread of its own, some milliseconds


class Runner(Protocol):
    """A program that can be run on rows that have been checked; with an `index` on the rows that it lists.

    So is the function `step` of a source in Python: it gives means over the rows that it gets.
    """

    checks: bool  # whether it raises itself ValueError for a batch, and ArithmeticError for results, not finite

    def step(self, rows: Rows, parameters: Numbers, index: Index) -> tuple[float, Numbers]:
        """Give the mean loss over the rows, and the mean gradients, as many as parameters."""

    def predict(self, rows: Rows, parameters: Numbers, index: Index) -> Any:
        """Give rows x outputs: lists, an array of NumPy, or an array("d", ...) of row after row."""


def executed(source: str) -> dict[str, Any]:
    """Run Python source, and give the functions that it defines."""
    functions: dict[str, Any] = {}
    exec(compile(source, "<scalargrad program>", "exec"), functions)
    return functions


def chosen(rows: Rows, index: Index) -> Rows:
    """Take the rows that an index lists."""
    if index is None:
        return rows
    return [rows[place] for place in index] if isinstance(rows, list) else rows[index]


class PythonRunner:
    """Plain Python on lists."""

    checks = False

    def __init__(self, source: str, parameters: int, outputs: int) -> None:
        functions = executed(source)
        self._step, self._predict = functions["step"], functions["predict"]

    def step(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers]:
        loss, gradients = self._step(_lists(chosen(rows, index)), parameters.tolist())
        return loss, gradients

    def predict(self, rows: Rows, parameters: Numbers, index: Index = None) -> list[list[float]]:
        outputs: list[list[float]] = self._predict(_lists(chosen(rows, index)), parameters.tolist())
        return outputs


def _lists(rows: Rows) -> list[list[float]]:
    return rows if isinstance(rows, list) else rows.tolist()


class NumpyRunner:
    """NumPy on blocks of rows, so that the intermediate results stay in the processor's cache."""

    checks = True

    def __init__(self, program: str | Matrices, parameters: int, outputs: int) -> None:
        import numpy

        source, height = program if isinstance(program, Matrices) else (program, program.count("\n"))  # a row a line
        functions = executed(source)
        self._step, self._predict = functions["step"], functions["predict"]
        self._takes_array = isinstance(program, Matrices)  # of parameters; lines of single scalars take floats
        self._block = min(4096, max(64, (_LARGE if self._takes_array else _BLOCK) // (8 * height)))
        self._zeros = numpy.zeros(parameters)

    def _blocks(self, rows: Rows, index: Index) -> Iterator[Any]:
        """Give the rows block by block, each column in one piece of memory."""
        import numpy

        rows = _finite(chosen(numpy.asarray(rows), index), ValueError)
        for start in range(0, len(rows), self._block):
            yield numpy.asfortranarray(rows[start : start + self._block])

    def step(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers]:
        import numpy

        numbers = parameters if self._takes_array else parameters.tolist()
        count = len(rows if index is None else index)
        mean, means = 0.0, self._zeros
        with numpy.errstate(all="ignore"):
            for block in self._blocks(rows, index):
                loss, gradients = self._step(block, numbers)
                share = len(block) / count
                mean += loss * share
                means = means + gradients * share if share < 1 else gradients
            if not isfinite(mean + numpy.vdot(means, self._zeros)):  # 0, or NaN where one of them is not finite
                raise OverflowError
            return float(mean), means

    def predict(self, rows: Rows, parameters: Numbers, index: Index = None) -> Any:
        import numpy

        numbers = parameters if self._takes_array else parameters.tolist()
        with numpy.errstate(all="ignore"):
            return _finite(numpy.concatenate([self._predict(block, numbers) for block in self._blocks(rows, index)]))


def _finite(numbers: Any, error: type[Exception] = OverflowError) -> Any:
    """Give numbers of NumPy back; raise an error unless all are finite."""
    import numpy

    if numpy.count_nonzero(numpy.isfinite(numbers)) < numbers.size:  # quicker than `all`
        raise error("a number is not finite")
    return numbers


class CRunner:
    """Machine code, on several threads where the batch is large; it reads and writes buffers where they are."""

    checks = True

    def __init__(self, program: Loops, parameters: int, outputs: int) -> None:
        library = native.load(program.source, program.flags, program.vector_math)
        self._function = library.program
        self._function.argtypes = [*[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 8]
        self._function.restype = ctypes.c_double
        library.space.argtypes, library.space.restype = [ctypes.c_void_p], ctypes.c_int64
        self._program = program  # keeps the tables where their addresses are
        self._constants = ctypes.c_void_p(program.numbers.buffer_info()[0])
        start = program.tables.buffer_info()[0]
        step = program.tables.itemsize
        self._plans = {name: ctypes.c_void_p(start + step * place) for name, place in program.plans.items()}
        self._space = max(map(library.space, self._plans.values()))
        # Each with its address; taken while it is in use, so that threads do not meet in one.
        self._spaces: list[tuple[array[float], int]] = []
        self._known: tuple[Any, int] = (None, 0)  # the last parameters that were an array of NumPy, and their address
        self._parameters, self._outputs = parameters, outputs
        self._task = max(8, _TASK // program.work // 8 * 8)  # rows; the same on every machine, so that sums are

    def step(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers]:
        gradients = _room(self._parameters, parameters)
        return self._run("step", rows, parameters, index, gradients, None), gradients

    def predict(self, rows: Rows, parameters: Numbers, index: Index = None) -> Any:
        outputs = _room(len(rows if index is None else index) * self._outputs, parameters)
        self._run("predict", rows, parameters, index, None, outputs)
        return outputs

    def both(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers, Any]:
        """Give what `step` gives, and what `predict` gives, in one pass."""
        gradients = _room(self._parameters, parameters)
        outputs = _room(len(rows if index is None else index) * self._outputs, parameters)
        return self._run("both", rows, parameters, index, gradients, outputs), gradients, outputs

    def _run(
        self, plan: str, rows: Rows, parameters: Numbers, index: Index, gradients: Numbers | None, outputs: Numbers
    ) -> float:
        """Run the program on all rows: write the mean gradients and the outputs, and give the mean loss."""
        if isinstance(rows, list):
            count, width, rows = len(rows), len(rows[0]), array("d", chain.from_iterable(rows))
        else:
            count, width = rows.shape
        order = 0
        if index is not None:
            count, order = len(index), index.buffer_info()[0]
        batch, numbers = _address(rows), self._address_of(parameters)
        if count <= self._task:
            to_gradients = 0 if gradients is None else _address(gradients)
            to_outputs = 0 if outputs is None else _address(outputs)
            return self._on_rows(plan, count, count, width, order, batch, numbers, to_gradients, to_outputs)
        starts = range(0, count, self._task)
        parts = [None if gradients is None else _ZERO * self._parameters for _ in starts]

        def run(start: int, part: array[float] | None) -> float:
            return self._on_rows(
                plan,
                min(self._task, count - start),
                count,
                width,
                order and order + 8 * start,
                batch if order else batch + 8 * width * start,
                numbers,
                _address(part),
                to_outputs and to_outputs + 8 * self._outputs * start,
            )

        to_outputs = _address(outputs)
        with ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1)) as pool:
            loss = sum(pool.map(run, starts, parts))
        if gradients is not None:
            for place, gradient in enumerate(map(sum, zip(*parts))):
                gradients[place] = gradient
            if not all(map(isfinite, [loss, *gradients])):
                _raise(_NOT_FINITE)
        return loss

    def _on_rows(
        self,
        plan: str,
        rows: int,
        of: int,
        width: int,
        order: int,
        batch: int,
        numbers: int,
        gradients: int,
        outputs: int,
    ) -> float:
        """Run the program on rows, with the addresses of what it reads and writes: give their part of the mean loss."""
        try:
            space, place = taken = self._spaces.pop()
        except IndexError:
            space = _ZERO * self._space
            space, place = taken = space, space.buffer_info()[0]
        loss: float = self._function(
            rows,
            of,
            width,
            order,
            batch,
            numbers,
            gradients,
            outputs,
            self._constants,
            self._plans[plan],
            place,
        )
        if loss != loss:
            _raise(space[0])
        self._spaces.append(taken)
        return loss

    def _address_of(self, parameters: Numbers) -> int:
        """Give the address of parameters, looked up once for an array of NumPy: it does not move while we hold it."""
        known, address = self._known
        if parameters is not known:
            address = _address(parameters)
            if is_numpy(parameters):
                self._known = parameters, address
        return address


def _raise(failed: float) -> None:
    """Raise what a C program has given back."""
    if failed == _NO_MEMORY:
        raise MemoryError("compile: no memory for the intermediate results of the program")
    if failed == _BAD_BATCH:
        raise ValueError("batch: needs finite numbers")
    raise OverflowError("program: a number is too large for a float")


def _room(count: int, parameters: Numbers) -> Numbers:
    """Give room for so many numbers, in an array of the kind that the parameters are."""
    return _ZERO * count if isinstance(parameters, array) else sys.modules["numpy"].empty(count)


def _address(numbers: Any) -> int:
    """Give the address of an array's numbers; 0 where there are none."""
    if numbers is None:
        return 0
    try:
        return ctypes.addressof(_number_at(numbers))
    except (TypeError, ValueError):  # it is read-only, or empty
        address: int = numbers.__array_interface__["data"][0] if len(numbers) else _ZERO.buffer_info()[0]
        return address


class JaxRunner:
    """A jitted function on JAX arrays, in double precision."""

    checks = True

    def __init__(self, program: str | Matrices, parameters: int, outputs: int) -> None:
        import jax

        functions = executed(program.source if isinstance(program, Matrices) else program)
        self.function: Callable[..., Any] = functions["step"]
        self._step, self._predict = jax.jit(functions["step"]), jax.jit(functions["predict"])
        self._once = jax.jit(functions["step"], compiler_options={"xla_backend_optimization_level": 0})

    def step(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers]:
        import jax
        import numpy

        with jax.enable_x64(True):
            loss, gradients = self._once(*_given(rows, index, parameters))
            self._once = self._step  # the first run is the check on the recorded numbers: compiled in half the time
            return float(_finite(loss)), _finite(numpy.array(gradients))

    def predict(self, rows: Rows, parameters: Numbers, index: Index = None) -> Any:
        import jax
        import numpy

        with jax.enable_x64(True):
            return _finite(numpy.array(self._predict(*_given(rows, index, parameters))))


def _given(rows: Rows, index: Index, parameters: Numbers) -> tuple[Any, Any]:
    """Give a batch and parameters as arrays of NumPy."""
    import numpy

    return _finite(chosen(numpy.asarray(rows), index), ValueError), numpy.asarray(parameters)


RUNNERS: dict[str, Callable[[Any, int, int], Runner]] = {
    "python": PythonRunner,
    "numpy": NumpyRunner,
    "c": CRunner,
    "jax": JaxRunner,
}
