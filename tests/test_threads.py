"""backward() from several threads over shared leaves: no contribution is lost."""

import sys
import threading

import pytest

from scalargrad import Value
from scalargrad.graph.replay import backward_aside


@pytest.fixture
def impatient():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work, count=8):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("impatient")
def test_no_contribution_to_a_shared_leaf_is_lost():
    x = Value(1.0)

    def work():
        for _ in range(1000):
            (x * 1.0 + 0.0).backward()

    in_threads(work)
    assert x.grad == 8 * 1000


@pytest.mark.usefixtures("impatient")
def test_a_pass_that_puts_everything_back_disturbs_no_other():
    x = Value(1.0)
    wrong = []

    def work():
        for _ in range(200):
            y = x * 2.0
            y.backward()
            if backward_aside(y)[x] != 2.0:
                wrong.append(y)

    in_threads(work)
    assert not wrong
    assert x.grad == 8 * 200 * 2
