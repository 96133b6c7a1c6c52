"""Every printed stage of a derivation, read back from text and LaTeX and worked out, gives what stands on its left."""

import random

import pytest
from fuzz_support.graphs import draw
from fuzz_support.reading import Reader, differs

from scalargrad import Value, derive, tan


def faults(root, wrt, view):
    """List every printed stage that does not give the derivative which it is said to equal."""
    reader, derivation = Reader(root, view), derive(root, wrt, view)
    for stages in (reader.text(derivation), reader.latex(derivation)):
        for shown, left, expression in stages:
            if "…" in expression or r"\cdots" in expression:
                continue
            if (found := differs(reader, left, expression)) is not None:
                yield shown, expression, found, reader.numbers[left]


def test_a_negated_sum_in_a_later_term_keeps_its_parentheses():
    x = Value(0.5, "x")
    q = x * x
    q.label = "q"
    z = q * q
    z.label = "z"
    y = z - tan(q)
    y.label = "y"
    assert not list(faults(y, q, "quantities"))
    assert not list(faults(y, x, "quantities"))


@pytest.mark.parametrize("view", ["operations", "quantities"])
@pytest.mark.parametrize("seed", range(40))
def test_every_stage_gives_the_derivative(seed, view):
    nodes = draw(seed, size=8).record()
    difference = random.Random(seed).choice(nodes) - nodes[-1]  # where signs go wrong most easily
    difference.label = "end"
    for wrt in nodes:
        try:
            derive(difference, wrt, view)
        except (ValueError, OverflowError):  # not in this view of the graph, or too large
            continue
        assert not list(faults(difference, wrt, view))
