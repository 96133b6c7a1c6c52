"""A graph worked through once more: recorded with other numbers, and run backward without a trace of it."""

import math

import pytest

from scalargrad import Value, topological_order
from scalargrad.graph.replay import backward_aside, record_again


def test_recording_again_takes_other_numbers_and_keeps_the_rest():
    w, x = Value(0.5, "w"), Value(2.0, "x")
    y = (2 * w * x).tanh()
    y.label = "y"
    again = record_again(topological_order(y), {w: 0.25})
    assert again[y].data == math.tanh(1.0)
    assert [node.label for node in again.values()] == [node.label for node in again]
    assert [node.op for node in again.values()] == [node.op for node in again]
    assert (w.data, y.data) == (0.5, math.tanh(2.0))


def test_backward_aside_gives_one_pass_and_leaves_every_gradient_as_it_was():
    x = Value(3.0)
    y = x * x
    y.backward()
    z = y * x
    assert backward_aside(z) == {x: 27.0, y: 3.0, z: 1.0}
    assert (x.grad, y.grad, z.grad) == (6.0, 1.0, 0.0)


def test_backward_aside_restores_where_a_gradient_overflows():
    x = Value(0.0)
    x.grad, small = 7.0, x * 1e200
    y = small * 1e200
    with pytest.raises(OverflowError):
        backward_aside(y)
    assert (x.grad, small.grad) == (7.0, 0.0)
