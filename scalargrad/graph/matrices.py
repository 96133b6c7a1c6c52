"""Matrices in a group of sums: the products W v that are written out in it, with rows and columns of its members.

Reads the groups. Programs on arrays and the view of layers write these products as matrices again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from .groups import MINUS, NONE, VARYING_UNIFORM, Scalars, SumTerm, segments

_Run: TypeAlias = tuple[int, int, int]  # of terms of one kind: the kind, where it begins, where it ends


class Product(NamedTuple):
    """Terms that are a product W v, or several with the same W: v is what a layer, or a filter at one place, reads.

    The member in row j and column c of its table has the terms weights[j][i] * vectors[c][i].
    """

    sign: int  # 0, or MINUS where they are taken off
    weights: list[tuple[int, ...]]  # what is the same for all rows of a batch, such as parameters
    vectors: list[tuple[int, ...]]  # one for each column: a layer of a network has one column


class Terms(NamedTuple):
    """Terms of one kind of which each member has its own, such as a bias."""

    kind: int
    left: list[tuple[int, ...]]  # for each term a scalar for each member, row after row
    right: list[tuple[int, ...]]  # the second factors; empty where a term has but one


class Table(NamedTuple):
    """Alike sums as a table, and their terms."""

    members: list[list[int]]
    terms: list[Product | Terms]


def tables_of(scalars: Scalars, members: Sequence[int]) -> list[Table]:
    """Find the matrix products in a group of sums; without any it is one table of one column."""
    sums = [definition for member in members if isinstance(definition := scalars.definitions[member], list)]
    runs = segments(bytes(kind for kind, _, _ in sums[0]))
    products = [run for run in runs if run[0] | MINUS == VARYING_UNIFORM | MINUS]
    longest = max(products, key=lambda run: run[2] - run[1], default=None)
    tables = _tables(scalars, sums, longest) if longest else None
    if tables is None:
        column = list(range(len(sums)))
        return [Table([[member] for member in members], [_terms(sums, column, run) for run in runs])]
    found = []
    for rows in tables:
        flat = [place for row in rows for place in row]
        terms: list[Product | Terms] = []
        for run in runs:
            is_product = run == longest or (run in products and len(rows[0]) == 1 and _is_shared(sums, flat, run))
            terms.append(_product(scalars, sums, rows, run) if is_product else _terms(sums, flat, run))
        found.append(Table([[members[place] for place in row] for row in rows], terms))
    return found


def _tables(scalars: Scalars, sums: Sequence[list[SumTerm]], run: _Run) -> list[list[list[int]]] | None:
    """Sort sums into tables by a run of products: a row for each row of W, a column for each v.

    Give None where the members have too little in common, or where all are multiplied by the same number.
    """
    _, start, end = run
    of_vector: dict[tuple[int, ...], list[tuple[tuple[int, ...], int]]] = {}
    for place, terms in enumerate(sums):
        vector, weights = (tuple(term[factor] for term in terms[start:end]) for factor in (1, 2))
        of_vector.setdefault(vector, []).append((weights, place))
    of_weights: dict[tuple[tuple[int, ...], ...], list[list[int]]] = {}
    for column in of_vector.values():
        of_weights.setdefault(tuple(weights for weights, _ in column), []).append([place for _, place in column])
    different = {weight for rows in of_weights for row in rows for weight in row}
    is_one_number = len(different) == 1 and scalars.numbers[min(different)] is not None
    is_one_product = end - start == 1 and len(of_vector) > 1
    if is_one_number or is_one_product or len(of_weights) > max(1, len(sums) // 2):
        return None
    return [[list(row) for row in zip(*columns)] for columns in of_weights.values()]


def _is_shared(sums: Sequence[list[SumTerm]], places: Sequence[int], run: _Run) -> bool:
    """Tell whether all members have the same varying factors."""
    _, start, end = run
    return all(len({sums[place][i][1] for place in places}) == 1 for i in range(start, end))


def _product(scalars: Scalars, sums: Sequence[list[SumTerm]], rows: list[list[int]], run: _Run) -> Product:
    """Give a run of terms as a product; the elements of v stand in the order of the graph, as in their own groups."""
    kind, start, end = run
    first = sums[rows[0][0]]
    order = sorted(range(start, end), key=lambda i: scalars.order_of(first[i][1]))
    weights = [tuple(sums[row[0]][i][2] for i in order) for row in rows]
    vectors = [tuple(sums[place][i][1] for i in order) for place in rows[0]]
    return Product(kind & MINUS, weights, vectors)


def _terms(sums: Sequence[list[SumTerm]], places: Sequence[int], run: _Run) -> Terms:
    kind, start, end = run
    left, right = ([tuple(sums[place][i][factor] for place in places) for i in range(start, end)] for factor in (1, 2))
    return Terms(kind, left, right if right[0][0] != NONE else [])
