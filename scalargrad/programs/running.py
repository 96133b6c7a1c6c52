"""Sources turned into functions of checked rows: one small class a target, all with the same two methods.

Reads the native cache. `compiling` chooses among these classes; they know nothing of graphs.
"""

from __future__ import annotations

import ctypes
import os
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, Protocol, TypeAlias

from . import native
from .loops import Loops

Index: TypeAlias = Any  # array("q", ...) of positions, or None for every row
Numbers: TypeAlias = Any  # floats in a row in memory: array("d", ...), or NumPy's float64
Rows = Any  # what `checked_rows` has made of a batch: an array or a list, rows x columns

_BLOCK = 1 << 22  # bytes of NumPy's intermediate results that live at a time
_ZERO = array("d", [0.0])
_NO_MEMORY, _NOT_FINITE = 1, 2  # what a C program gives back where it fails
_TASK = 1 << 24  # row x statement: work enough for a thread of its own, some milliseconds


class Runner(Protocol):
    """A program that can be run on rows that have been checked; with an `index` on the rows that it lists.

    So is the function `step` of a source in Python: it gives means over the rows that it gets.
    """

    checks: bool  # whether it finds itself what is not finite in a batch, and gives NaN for the loss if any result is

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


class CRunner:
    """Machine code, on several threads where the batch is large; it reads and writes buffers where they are."""

    checks = True

    def __init__(self, program: Loops, parameters: int, outputs: int) -> None:
        library = native.load(program.source)
        for function in (library.step, library.predict):
            function.argtypes = [*[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 7]
            function.restype = ctypes.c_int
        library.space.argtypes, library.space.restype = [ctypes.c_void_p], ctypes.c_int64
        self._program = program  # keeps the tables where their addresses are
        entries = [
            (function, program.numbers.buffer_info()[0], program.tables[name].buffer_info()[0])
            for name, function in (("step", library.step), ("predict", library.predict))
        ]
        self._step, self._predict = entries
        self._space = max(library.space(tables) for _, _, tables in entries)
        self._spaces: list[array[float]] = []  # taken while they are in use, so that threads do not meet in one
        self._sums, self._outputs = 1 + parameters, outputs
        self._task = max(8, _TASK // program.work // 8 * 8)  # rows; the same on every machine, so that sums are

    def step(self, rows: Rows, parameters: Numbers, index: Index = None) -> tuple[float, Numbers]:
        count = len(rows) if index is None else len(index)
        parts = [_ZERO * self._sums for _ in range(0, count, self._task)]
        self._run(self._step, rows, parameters, parts, index)
        means = parts[0] if len(parts) == 1 else array("d", map(sum, zip(*parts)))
        loss = means.pop()
        return loss, means

    def predict(self, rows: Rows, parameters: Numbers, index: Index = None) -> Any:
        count, width = len(rows) if index is None else len(index), self._outputs
        sizes = [min(self._task, count - start) for start in range(0, count, self._task)]
        parts = [_ZERO * (size * width + 1) for size in sizes]
        self._run(self._predict, rows, parameters, parts, index)
        predicted = array("d")
        for part in parts:
            check = part.pop()
            if check:
                part[0] = check
            predicted.extend(part)
        return predicted

    def _run(
        self,
        entry: tuple[Callable[..., int], int, int],
        rows: Rows,
        parameters: Numbers,
        parts: list[array[float]],
        index: Index,
    ) -> None:
        """Run a function on the rows of each task, each with a place of its own for the results."""
        count = len(rows) if index is None else len(index)
        if isinstance(rows, list):
            width, rows = len(rows[0]), array("d", chain.from_iterable(rows))
        else:
            width = rows.shape[1]
        function, numbers, tables = entry
        batch, given = _address(rows), _address(parameters)
        order = None if index is None else index.buffer_info()[0]

        def run(task: int) -> int:
            start = task * self._task
            rest = count - start
            try:
                space = self._spaces.pop()
            except IndexError:
                space = _ZERO * self._space
            failed = function(
                rest if rest < self._task else self._task,
                count,
                width,
                order and order + 8 * start,
                batch if order else batch + 8 * width * start,
                given,
                parts[task].buffer_info()[0],
                numbers,
                tables,
                space.buffer_info()[0],
            )
            self._spaces.append(space)
            return failed

        if len(parts) == 1:
            failed = run(0)
        else:
            with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1)) as pool:
                failed = max(pool.map(run, range(len(parts))))
        if failed == _NO_MEMORY:
            raise MemoryError("compile: no memory for the intermediate results of the program")
        if failed == _NOT_FINITE:
            raise ValueError("batch: needs finite numbers")


def _address(numbers: Any) -> int:
    """Give the address of an array's numbers."""
    if isinstance(numbers, array):
        return numbers.buffer_info()[0]
    if isinstance(numbers, memoryview) or numbers.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(numbers))  # the quickest way
    address: int = numbers.__array_interface__["data"][0]
    return address


class JaxRunner:
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
