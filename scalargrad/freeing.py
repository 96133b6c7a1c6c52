"""How a chain of nodes is freed step by step where CPython would free it by recursion, deeper than a stack may be.

Reads nothing. The engine makes its nodes with the maker that is built here.
"""

import sys
from collections.abc import Callable, Iterable
from itertools import cycle, repeat
from threading import local
from typing import Any

# Freeing a node frees its parents, and theirs. Up to 3.12 CPython comes back after fifty of them, from 3.13 on after
# 10 000, or where it takes the stack for full: too late in a thread with a small one, and in a browser.
_RECURSES = sys.version_info >= (3, 13)
PERIOD = 4099  # a prime, so that what a graph repeats in steps of any length meets every place of the order below


def is_cut(place: int) -> bool:
    """Tell which nodes are cuts: one in eight, and among those in any steps never more than 83 in a row without one."""
    return place**3 % PERIOD % 8 == 0


class _Waiting(local):
    """The nodes that a thread has still to let go of."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.is_emptied = False


_waiting = _Waiting()


def let_go(node: Any) -> None:
    """Free the parents of a node, and at a cut among those that they free, free what comes after it from here."""
    nodes = _waiting.nodes
    nodes += (node._a, node._b)
    node._a = node._b = None
    if not _waiting.is_emptied:
        _waiting.is_emptied = True
        try:
            while nodes:
                nodes.pop()
        finally:
            _waiting.is_emptied = False


def maker(kind: type, cuts: bool = _RECURSES) -> Callable[[], Any]:
    """Give what makes an empty object of a kind, past its `__init__`; one in eight is a cut where they are needed."""
    kinds: Iterable[type] = repeat(kind)
    if cuts:
        cut = type(kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__, "__del__": let_go})
        kinds = cycle([cut if is_cut(place) else kind for place in range(PERIOD)])
    return map(object.__new__, kinds).__next__
