"""Reading a CSV file: exactly, or refused with the line and the column.

Reads nothing of the package. `data` passes it on.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple


class Table(NamedTuple):
    """What `read_csv` read."""

    inputs: list[list[float]]
    targets: list[Any]  # numbers; lists of numbers where there are several target columns; classes 0, 1, ...
    columns: list[str]  # the names of the inputs
    classes: list[str]  # the text of class 0, 1, ...; empty where the targets were numbers


def read_csv(path: str | os.PathLike[str], targets: str | Sequence[str], delimiter: str = ",") -> Table:
    """Read a CSV file with a line of column names: the columns `targets`, and all others as inputs.

    One target column may hold text: then its texts, sorted, are the classes 0, 1, ... Empty lines do not count.
    Raises ValueError, with the line and the column, for what is no finite number, an empty cell, or a line of
    another width; OSError where the file cannot be read.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
        except UnicodeDecodeError as error:
            raise ValueError(f"read_csv: {os.fspath(path)} is not UTF-8 text ({error.reason})") from None
        except csv.Error as error:
            raise ValueError(f"read_csv: {os.fspath(path)}, line {reader.line_num}: {error}") from None
    who = f"read_csv: {os.fspath(path)}"
    if len(lines) < 2:
        raise ValueError(f"{who}: needs a line of column names and at least one line of numbers, got {len(lines)}")
    names = [name.strip() for name in lines[0][1]]
    wanted = [targets] if isinstance(targets, str) else list(targets)
    _check_columns(f"{who}, line {lines[0][0]}", names, wanted, delimiter)
    cells = [_cells(f"{who}, line {number}", names, line) for number, line in lines[1:]]
    inputs = [[_number(*row[name]) for name in names if name not in wanted] for row in cells]
    columns = [name for name in names if name not in wanted]
    if len(wanted) > 1:
        return Table(inputs, [[_number(*row[name]) for name in wanted] for row in cells], columns, [])
    column = [row[wanted[0]] for row in cells]
    if any(_is_number(text) for _, text in column):
        return Table(inputs, [_number(*cell) for cell in column], columns, [])
    classes = sorted({text for _, text in column})
    return Table(inputs, [classes.index(text) for _, text in column], columns, classes)


def _check_columns(where: str, names: list[str], wanted: list[str], delimiter: str) -> None:
    if missing := [name for name in wanted if name not in names]:
        raise ValueError(
            f"{where}: there is no column {missing[0]!r}; with the delimiter {delimiter!r} the columns are {names}"
        )
    if twice := [name for index, name in enumerate(names) if name in names[:index]]:
        raise ValueError(f"{where}: the column name {twice[0]!r} stands there twice")
    if not wanted or len(wanted) == len(names):
        raise ValueError(f"{where}: needs at least one target and one input column, got the targets {wanted}")


def _cells(where: str, names: list[str], line: list[str]) -> dict[str, tuple[str, str]]:
    """Give for each column the place, for an error message, and the text."""
    if len(line) != len(names):
        raise ValueError(f"{where}: has {len(line)} columns, needs {len(names)}: {', '.join(names)}")
    cells = {name: (f"{where}, column {name!r}", text.strip()) for name, text in zip(names, line)}
    for place, text in cells.values():
        if not text:
            raise ValueError(f"{place}: is empty; fill in a number or take the line out")
    return cells


def _number(place: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{place}: needs a number, got {text!r}") from None
    if not isfinite(number):
        raise ValueError(f"{place}: needs a finite number, got {text!r}")
    return number


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
