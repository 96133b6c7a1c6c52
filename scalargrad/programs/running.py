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
from .loops import Loops

Index: TypeAlias = Any  # array("q", ...) of positions, or None for every row
Numbers: TypeAlias = Any  # floats in a row in memory: array("d", ...), or NumPy's float64
Rows = Any  # what `checked_rows` has made of a batch: an array or a list, rows x columns

_BLOCK = 1 << 22  # bytes of NumPy's intermediate results that live at a time
_ZERO = array("d", [0.0])
_NO_MEMORY, _BAD_BATCH, _NOT_FINITE = 1, 2, 3  # what a C program gives back where it fails
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

    def both(self, rows: Rows, parameters: Numbers, index: Index) -> tuple[float, Numbers, Any]:
        """Give what `step` gives, and what `predict` gives."""
        return (*self.step(rows, parameters, index), self.predict(rows, parameters, index))


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


class PythonRunner(Runner):
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


class NumpyRunner(Runner):
    """NumPy on blocks of rows, so that the intermediate results stay in the processor's cache."""

    checks = False

    def __init__(self, source: str, parameters: int, outputs: int) -> None:
        functions = executed(source)
        self._step, self._predict = functions["step"], functions["predict"]
        self._block = min(4096, max(64, _BLOCK // (8 * source.count("\n"))))

    def _blocks(self, rows: Rows, index: Index) -> Iterator[Any]:
        """Give the rows block by block, each column in one piece of memory."""
        import numpy

        rows = chosen(numpy.asarray(rows), index)
        for start in range(0, len(rows), self._block):
            yield numpy.asfortranarray(rows[start : start + self._block])

    def step(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers]:
        import numpy

        numbers, count = parameters.tolist(), len(rows if index is None else index)
        with numpy.errstate(all="ignore"):
            mean, means = 0.0, numpy.zeros(len(numbers))
            for block in self._blocks(rows, index):
                loss, gradients = self._step(block, numbers)
                mean += loss * (len(block) / count)
                means += gradients * (len(block) / count)
        return float(mean), means

    def predict(self, rows: Rows, parameters: Numbers, index: Index = None) -> Any:
        import numpy

        numbers = parameters.tolist()
        with numpy.errstate(all="ignore"):
            return numpy.concatenate([self._predict(block, numbers) for block in self._blocks(rows, index)])


class CRunner(Runner):
    """Machine code, on several threads where the batch is large; it reads and writes buffers where they are."""

    checks = True

    def __init__(self, program: Loops, parameters: int, outputs: int) -> None:
        library = native.load(program.source)
        self._function = library.program
        self._function.argtypes = [*[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 8]
        self._function.restype = ctypes.c_int
        library.space.argtypes, library.space.restype = [ctypes.c_void_p], ctypes.c_int64
        self._program = program  # keeps the tables where their addresses are
        self._numbers = program.numbers.buffer_info()[0]
        start = program.tables.buffer_info()[0]
        self._plans = {name: start + program.tables.itemsize * place for name, place in program.plans.items()}
        self._space = max(map(library.space, self._plans.values()))
        self._spaces: list[array[float]] = []  # taken while they are in use, so that threads do not meet in one
        self._sums, self._outputs = 1 + parameters, outputs
        self._task = max(8, _TASK // program.work // 8 * 8)  # rows; the same on every machine, so that sums are

    def step(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers]:
        sums, _ = self._run("step", rows, parameters, index)
        return float(sums[-1]), sums[:-1]

    def predict(self, rows: Rows, parameters: Numbers, index: Index = None) -> Any:
        return self._run("predict", rows, parameters, index)[1]

    def both(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers, Any]:
        sums, outputs = self._run("both", rows, parameters, index)
        return float(sums[-1]), sums[:-1], outputs

    def _run(self, plan: str, rows: Rows, parameters: Numbers, index: Index) -> tuple[Numbers, Numbers]:
        """Run the program on all rows: give the mean gradients with the loss behind them, and the outputs in a row."""
        count = len(rows) if index is None else len(index)
        if isinstance(rows, list):
            width, rows = len(rows[0]), array("d", chain.from_iterable(rows))
        else:
            width = rows.shape[1]
        function, tables, numbers, given = self._function, self._plans[plan], self._numbers, _address(parameters)
        batch = _address(rows)
        order = 0 if index is None else index.buffer_info()[0]
        sums = outputs = None
        to_sums = to_outputs = 0
        if plan != "predict":
            sums, to_sums = _room(self._sums, parameters)
        if plan != "step":
            outputs, to_outputs = _room(count * self._outputs, parameters)

        def run(start: int, rest: int, to_sums: int) -> int:
            """Run it on the rows of one task."""
            try:
                space = self._spaces.pop()
            except IndexError:
                space = _ZERO * self._space
            failed: int = function(
                rest if rest < self._task else self._task,
                count,
                width,
                order and order + 8 * start,
                batch if order else batch + 8 * width * start,
                given,
                to_sums,
                to_outputs and to_outputs + 8 * self._outputs * start,
                numbers,
                tables,
                space.buffer_info()[0],
            )
            self._spaces.append(space)
            return failed

        if count <= self._task:
            failed = run(0, count, to_sums)
        else:
            starts = range(0, count, self._task)
            parts = [_ZERO * self._sums for _ in starts] if to_sums else []
            places = [part.buffer_info()[0] for part in parts] or [0] * len(starts)
            with ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1)) as pool:
                failed = max(pool.map(lambda start, place: run(start, count - start, place), starts, places))
            if parts:
                sums = array("d", map(sum, zip(*parts)))
                if not all(map(isfinite, sums)):
                    failed = failed or _NOT_FINITE
        if failed:
            _raise(failed)
        return sums, outputs


def _raise(failed: int) -> None:
    """Raise what a C program has given back."""
    if failed == _NO_MEMORY:
        raise MemoryError("compile: no memory for the intermediate results of the program")
    if failed == _BAD_BATCH:
        raise ValueError("batch: needs finite numbers")
    raise OverflowError("program: a number is too large for a float")


def _room(count: int, parameters: Numbers) -> tuple[Numbers, int]:
    """Give room for so many numbers, in an array of the kind that the parameters are, and its address."""
    if isinstance(parameters, array):
        room: Any = _ZERO * count
        return room, room.buffer_info()[0]
    room = sys.modules["numpy"].empty(count)
    return room, ctypes.addressof(ctypes.c_char.from_buffer(room))


def _address(numbers: Any) -> int:
    """Give the address of an array's numbers."""
    if isinstance(numbers, array):
        return numbers.buffer_info()[0]
    if isinstance(numbers, memoryview) or numbers.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(numbers))  # the quickest way
    address: int = numbers.__array_interface__["data"][0]
    return address


class JaxRunner(Runner):
    """A jitted function on JAX arrays, in double precision."""

    checks = False

    def __init__(self, source: str, parameters: int, outputs: int) -> None:
        import jax

        functions = executed(source)
        self.function: Callable[..., Any] = functions["step"]
        self._step, self._predict = jax.jit(functions["step"]), jax.jit(functions["predict"])

    def step(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers]:
        import jax

        with jax.enable_x64(True):
            given = jax.numpy.asarray(chosen(rows, index)), jax.numpy.asarray(parameters.tolist())
            loss, gradients = self._step(*given)
            return float(loss), gradients.tolist()

    def predict(self, rows: Rows, parameters: Numbers, index: Index = None) -> list[list[float]]:
        import jax

        with jax.enable_x64(True):
            given = jax.numpy.asarray(chosen(rows, index)), jax.numpy.asarray(parameters.tolist())
            predicted: list[list[float]] = self._predict(*given).tolist()
            return predicted


RUNNERS: dict[str, Callable[[Any, int, int], Runner]] = {
    "python": PythonRunner,
    "numpy": NumpyRunner,
    "c": CRunner,
    "jax": JaxRunner,
}
