"""Data to train on: XOR, moons, circles and spirals made on the spot, Iris and digits, and CSV files.

Reads the tables. A data set is a pair, rows of inputs and as many targets, in plain Python lists.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from math import cos, pi, sin, sqrt
from typing import Any, TypeAlias, TypeVar

from .tables import Table, read_csv

Rows: TypeAlias = list[list[float]]
DataSet: TypeAlias = tuple[Rows, list[float]]
_Target = TypeVar("_Target")

__all__ = [
    "Table",
    "circles",
    "digits",
    "extra",
    "iris",
    "moons",
    "read_csv",
    "spirals",
    "split",
    "standardiser",
    "xor",
]


def xor(labels: tuple[float, float] = (0, 1)) -> DataSet:
    """Make the four samples of exclusive or; `labels` are the targets of false and true, such as (-1, 1).

    >>> xor()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    false, true = labels
    return [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [false, true, true, false]


def moons(count: int = 100, noise: float = 0.1, seed: int = 0, labels: tuple[float, float] = (0, 1)) -> DataSet:
    """Make two half circles that reach into each other: `count` points, in turn of the upper and the lower one.

    `noise` is the standard deviation of what is added to each coordinate. Raises ValueError for fewer than 2 points.
    """

    def point(turn: float, upper: bool) -> tuple[float, float]:
        x, y = cos(pi * turn), sin(pi * turn)
        return (x, y) if upper else (1 - x, 0.5 - y)

    return _two_classes("moons", count, noise, seed, labels, point)


def circles(
    count: int = 100, noise: float = 0.05, seed: int = 0, labels: tuple[float, float] = (0, 1), radius: float = 0.5
) -> DataSet:
    """Make a circle of radius 1 and one of `radius` inside it: `count` points, in turn of the outer and the inner one.

    Raises ValueError for fewer than 2 points.
    """

    def point(turn: float, outer: bool) -> tuple[float, float]:
        r = 1.0 if outer else radius
        return r * cos(2 * pi * turn), r * sin(2 * pi * turn)

    return _two_classes("circles", count, noise, seed, labels, point)


def _two_classes(
    who: str,
    count: int,
    noise: float,
    seed: int,
    labels: tuple[float, float],
    point: Callable[[float, bool], tuple[float, float]],
) -> DataSet:
    _check_count(who, count, 2)
    rng = random.Random(seed)
    inputs, targets = [], []
    for index in range(count):
        first = index % 2 == 0
        turn = index // 2 / max(1, (count + first) // 2 - 1)  # from 0 to 1 along the curve
        x, y = point(turn, first)
        inputs.append([x + rng.gauss(0, noise), y + rng.gauss(0, noise)])
        targets.append(labels[0] if first else labels[1])
    return inputs, targets


def spirals(count: int = 150, classes: int = 2, noise: float = 0.05, seed: int = 0) -> tuple[Rows, list[int]]:
    """Make spirals that wind around each other: `count` points in all, the targets are the classes 0, 1, ...

    Raises ValueError for fewer than 2 points a class.
    """
    _check_count("spirals", classes, 2, "classes")
    _check_count("spirals", count, 2 * classes)
    rng = random.Random(seed)
    inputs, targets = [], []
    for index in range(count):
        turn = (index // classes + 1) / (count // classes + 1)
        angle = 2 * pi * (turn + index % classes / classes)
        inputs.append([turn * cos(angle) + rng.gauss(0, noise), turn * sin(angle) + rng.gauss(0, noise)])
        targets.append(index % classes)
    return inputs, targets


def iris() -> tuple[Rows, list[int]]:
    """Give Fisher's 150 irises: 4 lengths in cm, and classes 0 setosa, 1 versicolor, 2 virginica.

    Raises ModuleNotFoundError where scikit-learn, which holds them, is not installed.
    """
    found = extra("sklearn.datasets").load_iris()
    return found.data.tolist(), found.target.tolist()


def digits() -> tuple[Rows, list[int]]:
    """Give 1797 handwritten digits: 8 x 8 grey levels from 0 to 1, row by row, and classes 0 to 9.

    Raises ModuleNotFoundError where scikit-learn, which holds them, is not installed.
    """
    found = extra("sklearn.datasets").load_digits()
    return (found.data / 16).tolist(), found.target.tolist()


def extra(module: str) -> Any:
    """Import a library of the extra `demos`; raise ModuleNotFoundError that says how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = {"sklearn": "scikit-learn"}.get(package := module.partition(".")[0], package)
        raise ModuleNotFoundError(
            f'{library} is not installed; python -m pip install -e ".[demos]" brings it', name=error.name
        ) from None


def split(
    inputs: Sequence[list[float]], targets: Sequence[_Target], held_out: float = 0.2, seed: int = 0
) -> tuple[tuple[Rows, list[_Target]], tuple[Rows, list[_Target]]]:
    """Draw a share of the samples to test with, and give back what is left to train with, then what was drawn.

    Raises ValueError where the lists are not equally long, or where one of the two would be empty.

    >>> train, test = split([[0.0], [1.0], [2.0], [3.0]], "abcd", held_out=0.25)
    >>> train, test
    (([[0.0], [1.0], [3.0]], ['a', 'b', 'd']), ([[2.0]], ['c']))
    """
    if len(inputs) != len(targets):
        raise ValueError(f"split: needs one target for each row, got {len(inputs)} rows and {len(targets)} targets")
    number = round(held_out * len(inputs)) if 0 < held_out < 1 else 0
    if not 0 < number < len(inputs):
        raise ValueError(f"split: cannot hold out a share of {held_out} of {len(inputs)} samples and train with others")
    order = list(range(len(inputs)))
    random.Random(seed).shuffle(order)
    drawn, left = order[:number], order[number:]
    return ([inputs[i] for i in left], [targets[i] for i in left]), (
        [inputs[i] for i in drawn],
        [targets[i] for i in drawn],
    )


def standardiser(inputs: Sequence[Sequence[float]]) -> Callable[[Iterable[Sequence[float]]], Rows]:
    """Give the function that takes from each column the mean it has in `inputs`, and divides by its deviation there.

    Made of what one trains with, it serves what one tests with too. A column that does not vary becomes 0. Raises
    ValueError where there are no rows, or rows of different widths.

    >>> standardiser([[1.0, 5.0], [3.0, 5.0]])([[1.0, 5.0], [5.0, 5.0]])
    [[-1.0, 0.0], [3.0, 0.0]]
    """
    if len({len(row) for row in inputs}) != 1:
        raise ValueError("standardiser: needs rows that are equally long, at least one")
    columns = list(zip(*inputs))
    means = [sum(column) / len(column) for column in columns]
    deviations = [
        sqrt(sum((number - mean) ** 2 for number in column) / len(column)) for column, mean in zip(columns, means)
    ]

    def standardise(rows: Iterable[Sequence[float]]) -> Rows:
        return [
            [
                (number - mean) / (deviation or 1.0)
                for number, mean, deviation in zip(row, means, deviations, strict=True)
            ]
            for row in rows
        ]

    return standardise


def _check_count(who: str, count: int, least: int, what: str = "points") -> None:
    if not isinstance(count, int) or count < least:
        raise ValueError(f"{who}: needs at least {least} {what}, got {count!r}")
