"""The record of both passes is the engine's own, step for step."""

import random

import pytest

from scalargrad import Value, trace


def random_graph(seed):
    rng = random.Random(seed)
    nodes = [Value(rng.uniform(0.5, 1.5), label=f"x{index}") for index in range(4)]
    for step in range(60):
        a, b = rng.choice(nodes), rng.choice(nodes[-8:])
        nodes.append(rng.choice([a + b, a * b, a / (b * b + 1), a.tanh(), a - b, a.sigmoid() * 2]))
        nodes[-1].label = f"q{step}" if rng.random() < 0.3 else ""
    return nodes[-1]


@pytest.mark.parametrize("seed", range(10))
def test_the_gradients_of_the_trace_are_those_of_backward_to_the_last_bit(seed):
    root = random_graph(seed)
    record = trace(root, "operations")
    root.backward()
    assert all(gradient == node.grad for node, gradient in record.gradients.items())


@pytest.mark.parametrize("view", ["operations", "quantities"])
def test_each_step_is_upstream_times_local_and_the_last_one_completes_the_sum(view):
    root = random_graph(3)
    record = trace(root, view)
    running = dict.fromkeys(record.view.order, 0.0)
    complete = {root}
    for step in record.backward:
        assert step.node in complete
        assert step.upstream == record.gradients[step.node]
        assert step.local == record.view.edges(step.node)[step.edge].derivative
        assert step.contribution == step.upstream * step.local
        running[step.parent] += step.contribution
        assert step.total == running[step.parent]
        if step.complete:
            complete.add(step.parent)
            assert step.total == record.gradients[step.parent]
    assert complete == set(record.view.order)


def test_the_forward_pass_lists_values_parents_first():
    x = Value(3.0, label="x")
    assert [step.value for step in trace(x * x + 1).forward] == [3.0, 9.0, 1.0, 10.0]


def test_tracing_changes_nothing():
    x = Value(3.0)
    y = x * x
    y.backward()
    trace(y)
    assert (x.grad, y.grad) == (6.0, 1.0)


def test_a_step_does_not_change():
    step = trace(Value(3.0) * 2).backward[0]
    with pytest.raises(AttributeError):
        step.total = 1.0


def test_a_long_chain_is_traced():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    assert trace(y).gradients[x] == 100_001.0


@pytest.mark.parametrize("view", ["operations", "quantities"])
def test_a_gradient_too_large_for_a_float_is_refused(view):
    x = Value(1e-300, label="x")
    with pytest.raises(OverflowError, match="trace: the gradient of x is too large for a float: inf"):
        trace(x * 1e200 * 1e200, view)
