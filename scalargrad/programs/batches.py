"""A batch, checked: rows of finite numbers, all as wide as the program's inputs.

Reads the engine's idea of a number. The error names the row and the column.
"""

import sys
from collections.abc import Sequence
from math import isfinite
from typing import Any

from ..recording import as_float

Rows = Any


def checked_rows(batch: Any, columns: Sequence[str], needed: int, as_it_is: bool = False) -> Rows:
    """Give the first columns of a batch: as an array of float64 if it came as one, otherwise as lists of floats.

    `columns` names the inputs; only the first `needed` are given, and a row may leave off the others. With `as_it_is`
    an array of float64, rows one after the other, is given whole and not looked through: a program does that. Raises
    TypeError for what is no number, ValueError for no rows, a wrong width, and NaN or infinity.
    """
    if as_it_is and (shape := shape_in_memory(batch, 2)) and shape[0] and shape[1] in (needed, len(columns)):
        return batch
    if isinstance(batch, memoryview):
        batch = batch.tolist()
    if hasattr(batch, "__array__"):
        return _checked_array(batch, columns, needed)
    if isinstance(batch, (str, bytes, dict)) or not hasattr(batch, "__iter__"):
        raise TypeError(f"batch: needs rows of numbers, got {batch!r:.80}")
    rows = [_checked_row(index, row, columns, needed) for index, row in enumerate(batch)]
    if not rows:
        raise ValueError("batch: needs at least one row, got none")
    for index, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(f"batch: row {index} has {len(row)} columns, but row 0 has {len(rows[0])}")
    return rows if len(rows[0]) == needed else [row[:needed] for row in rows]


def shape_in_memory(numbers: Any, dimensions: int) -> tuple[int, ...] | None:
    """Give the shape of an array of this machine's floats, one after the other; None for all else."""
    try:
        view = memoryview(numbers)
    except (TypeError, ValueError):
        return None
    if view.format == "d" and view.ndim == dimensions and view.c_contiguous:
        return view.shape if not view.readonly or is_numpy(numbers) else None
    return None


def is_numpy(numbers: Any) -> bool:
    """Tell whether something is an array of NumPy, which is not imported for that."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(numbers, numpy.ndarray)


def _checked_row(index: int, row: Any, columns: Sequence[str], needed: int) -> list[float]:
    if isinstance(row, (str, bytes, dict)) or not hasattr(row, "__iter__"):
        raise TypeError(f"batch: row {index} is no list of numbers: {row!r:.80} (rows are counted from 0)")
    numbers = list(row)
    check_width(f"row {index} has", len(numbers), columns, needed)
    for column, number in enumerate(numbers):
        if type(number) is not float or not isfinite(number):
            numbers[column] = _checked_number(index, column, number, columns)
    return numbers


def _checked_number(row: int, column: int, number: Any, columns: Sequence[str]) -> float:
    try:
        return as_float(number)
    except (TypeError, ValueError, OverflowError) as error:
        reason = str(error).removeprefix("value: ")
        raise type(error)(f"batch: row {row}, column {column} ({columns[column]}), counted from 0: {reason}") from None


def _checked_array(batch: Any, columns: Sequence[str], needed: int) -> Any:
    import numpy

    rows = numpy.asarray(batch)
    if rows.ndim != 2:
        raise ValueError(f"batch: needs an array of two dimensions, rows and columns, got the shape {rows.shape}")
    if not len(rows):
        raise ValueError("batch: needs at least one row, got none")
    check_width("each row has", rows.shape[1], columns, needed)
    if rows.dtype.kind in "fiub":
        rows = numpy.ascontiguousarray(rows, numpy.float64)
        if numpy.isfinite(rows).all():
            return rows if rows.shape[1] == needed else numpy.ascontiguousarray(rows[:, :needed])
    numbers = [_checked_row(index, row, columns, needed) for index, row in enumerate(rows.tolist())]
    return numpy.array(numbers, numpy.float64)[:, :needed]


def check_width(who: str, width: int, columns: Sequence[str], needed: int) -> None:
    """Raise ValueError, with the column that is missing or too many, unless a row is as wide as it should be."""
    if width in (len(columns), needed):
        return
    widths = f"{needed} or {len(columns)}" if needed != len(columns) else f"{needed}"
    missing = f"; column {width} ({columns[width]}) is missing" if width < len(columns) else ""
    raise ValueError(f"batch: {who} {width} columns, needs {widths}: {', '.join(columns)}{missing} (counted from 0)")
