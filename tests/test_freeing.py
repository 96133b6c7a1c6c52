"""A graph is freed at once and step by step, however long it is, however small the stack, on every Python."""

import random
import subprocess
import sys
import weakref

import pytest

from scalargrad import Value, recording, topological_order
from scalargrad.freeing import PERIOD, is_cut, maker

DROP_IN_A_THREAD = """
import threading
from scalargrad import Value
node = x = Value(1.0)
for _ in range({length}):
    node = {step}
nodes = [node]
del node
threading.stack_size(32768)  # the least that Python allows
thread = threading.Thread(target=nodes.clear)
thread.start()
thread.join()
print("freed")
"""


@pytest.mark.parametrize("step", ["node + x", "(node * x).tanh()", "x + (node + x * 0.5 - 1).relu()"])
def test_a_long_graph_is_freed_in_a_thread_with_the_smallest_stack(step):
    length = 1_000_000 if step == "node + x" else 20_000
    program = DROP_IN_A_THREAD.format(length=length, step=step)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("freed\n", "", 0)


@pytest.mark.parametrize("seed", range(5))
def test_with_cuts_a_graph_is_the_same_and_dropping_the_root_frees_it_at_once(seed, monkeypatch):
    def record():
        choose = random.Random(seed)
        nodes = [Value(choose.uniform(-1, 1)) for _ in range(3)]
        for _ in range(2000):
            nodes.append((choose.choice(nodes[-5:]) * choose.choice(nodes)).tanh() + choose.choice(nodes[-5:]) * 0.5)
        root = sum(nodes[-20:])
        root.backward()
        return root

    plain = record()
    monkeypatch.setattr(recording, "new_node", maker(Value, cuts=True))
    root = record()
    order = topological_order(root)
    assert [(node.data, node.grad) for node in order] == [(node.data, node.grad) for node in topological_order(plain)]
    assert {type(node).__name__ for node in order} == {"Value"}
    assert sum(type(node) is not Value for node in order) > len(order) / 12
    inner = [node for node in order if node.parents]
    kept = inner[len(inner) // 2]
    alive = [weakref.ref(node) for node in inner]
    below = set(topological_order(kept))
    stays = [node in below for node in inner]
    del root, order, inner, below
    assert [reference() is not None for reference in alive] == stays
    del kept
    assert not any(reference() for reference in alive)


def test_no_step_through_the_order_misses_the_cuts():
    places = [is_cut(place) for place in range(PERIOD)]
    for step in (1, 2, 3, 7, 8, 64, 97, 128, 1000, 1024, 2048, 2049, 4098, *random.Random(0).sample(range(PERIOD), 40)):
        met = "".join("x" if places[at * (step or 1) % PERIOD] else "." for at in range(2 * PERIOD))
        assert len(max(met.split("x"))) <= 83
