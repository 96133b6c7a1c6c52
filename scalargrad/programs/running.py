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
from typing import Any, Protocol

from . import native

Rows = Any  # what `checked_rows` has made of a batch: an array or a list, rows x columns

_BLOCK = 1 << 22  # bytes of NumPy's intermediate results that live at a time
_TASK = 1 << 24  # row x statement: work enough for a thread of its own, some milliseconds


class Runner(Protocol):
    """A program that can be run on rows that have been checked.

    So is the function `step` of a source in Python: it gives means over the rows that it gets.
    """

    def step(self, rows: Rows, parameters: array[float]) -> tuple[float, list[float]]:
        """Give the mean loss over the rows, and the mean gradients, as many as parameters."""

    def predict(self, rows: Rows, parameters: array[float]) -> list[list[float]]:
        """Give rows x outputs."""


def executed(source: str) -> dict[str, Any]:
    """Run Python source, and give the functions that it defines."""
    functions: dict[str, Any] = {}
    exec(compile(source, "<scalargrad program>", "exec"), functions)
    return functions


class PythonRunner:
    """Plain Python on lists."""

    def __init__(self, source: str, parameters: int, outputs: int) -> None:
        functions = executed(source)
        self._step, self._predict = functions["step"], functions["predict"]

    def step(self, rows: Rows, parameters: array[float]) -> tuple[float, list[float]]:
        loss, gradients = self._step(_lists(rows), parameters.tolist())
        return loss, gradients

    def predict(self, rows: Rows, parameters: array[float]) -> list[list[float]]:
        outputs: list[list[float]] = self._predict(_lists(rows), parameters.tolist())
        return outputs


def _lists(rows: Rows) -> list[list[float]]:
    return rows if isinstance(rows, list) else rows.tolist()


class NumpyRunner:
    """NumPy on blocks of rows, so that the intermediate results stay in the processor's cache."""

    def __init__(self, source: str, parameters: int, outputs: int) -> None:
        functions = executed(source)
        self._step, self._predict = functions["step"], functions["predict"]
        self._block = min(4096, max(64, _BLOCK // (8 * source.count("\n"))))

    def _blocks(self, rows: Rows) -> Iterator[Any]:
        """Give the rows block by block, each column in one piece of memory."""
        import numpy

        rows = numpy.asarray(rows)
        for start in range(0, len(rows), self._block):
            yield numpy.asfortranarray(rows[start : start + self._block])

    def step(self, rows: Rows, parameters: array[float]) -> tuple[float, list[float]]:
        import numpy

        numbers, count = parameters.tolist(), len(rows)
        with numpy.errstate(all="ignore"):
            mean, means = 0.0, numpy.zeros(len(numbers))
            for block in self._blocks(rows):
                loss, gradients = self._step(block, numbers)
                mean += loss * (len(block) / count)
                means += gradients * (len(block) / count)
        return float(mean), means.tolist()

    def predict(self, rows: Rows, parameters: array[float]) -> list[list[float]]:
        import numpy

        numbers = parameters.tolist()
        predicted: list[list[float]] = []
        with numpy.errstate(all="ignore"):
            for block in self._blocks(rows):
                predicted += self._predict(block, numbers).tolist()
        return predicted


class CRunner:
    """Machine code, on several threads where the batch is large."""

    def __init__(self, source: str, parameters: int, outputs: int) -> None:
        library = native.load(source)
        self._step, self._predict = library.step, library.predict
        for function in (self._step, self._predict):
            function.argtypes = [ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 3]
            function.restype = ctypes.c_int
        self._sums, self._outputs = 1 + parameters, outputs
        self._task = max(8, _TASK // source.count("\n") // 8 * 8)  # rows; the same on every machine, so that sums are

    def step(self, rows: Rows, parameters: array[float]) -> tuple[float, list[float]]:
        count = len(rows)
        parts = [array("d", bytes(8 * self._sums)) for _ in range(0, count, self._task)]
        self._run(self._step, rows, parameters, parts)
        means = parts[0].tolist() if len(parts) == 1 else [sum(column) for column in zip(*parts)]
        return means[0], means[1:]

    def predict(self, rows: Rows, parameters: array[float]) -> list[list[float]]:
        count, width = len(rows), self._outputs
        sizes = [min(self._task, count - start) for start in range(0, count, self._task)]
        parts = [array("d", bytes(8 * (size * width + 1))) for size in sizes]
        self._run(self._predict, rows, parameters, parts)
        predicted = []
        for part, size in zip(parts, sizes):
            numbers, check = part[:-1].tolist(), part[-1]
            if check:
                numbers[0] = check
            predicted += [numbers[start : start + width] for start in range(0, size * width, width)]
        return predicted

    def _run(
        self, function: Callable[..., int], rows: Rows, parameters: array[float], parts: list[array[float]]
    ) -> None:
        """Run a function on the rows of each task, each with a place of its own for the results."""
        count, width = len(rows), len(rows[0])
        if isinstance(rows, list):
            rows = array("d", chain.from_iterable(rows))
            address = rows.buffer_info()[0]
        else:
            address = rows.__array_interface__["data"][0]
        given = parameters.buffer_info()[0]

        def run(index: int) -> int:
            start = index * self._task
            size = min(self._task, count - start)
            return function(size, count, address + 8 * width * start, given, parts[index].buffer_info()[0])

        if len(parts) == 1:
            failed = run(0)
        else:
            with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1)) as pool:
                failed = any(pool.map(run, range(len(parts))))
        if failed:
            raise MemoryError("compile: no memory for the intermediate results of the program")


class JaxRunner:
    """A jitted function on JAX arrays, in double precision."""

    def __init__(self, source: str, parameters: int, outputs: int) -> None:
        import jax

        functions = executed(source)
        self.function: Callable[..., Any] = functions["step"]
        self._step, self._predict = jax.jit(functions["step"]), jax.jit(functions["predict"])

    def step(self, rows: Rows, parameters: array[float]) -> tuple[float, list[float]]:
        import jax

        with jax.enable_x64(True):
            loss, gradients = self._step(jax.numpy.asarray(rows), jax.numpy.asarray(parameters.tolist()))
            return float(loss), gradients.tolist()

    def predict(self, rows: Rows, parameters: array[float]) -> list[list[float]]:
        import jax

        with jax.enable_x64(True):
            predicted: list[list[float]] = self._predict(
                jax.numpy.asarray(rows), jax.numpy.asarray(parameters.tolist())
            ).tolist()
            return predicted


RUNNERS: dict[str, Callable[[str, int, int], Runner]] = {
    "python": PythonRunner,
    "numpy": NumpyRunner,
    "c": CRunner,
    "jax": JaxRunner,
}
