"""Plainer layouts, for graphs on which Graphviz would work for minutes.

Reads DOT source as the package `graphviz` writes it: a line for each node, then a line for each edge.
"""

import re
from collections import Counter

QUICK_FROM = 60  # edges; up to there the best layout takes far less than a second

_NODE = re.compile(r"^\t+(\w+) \[(.*)\]$", re.MULTILINE)
_EDGE = re.compile(r"^\t+(\w+) -> (\w+)(.*)$", re.MULTILINE)
_LABEL = re.compile(r'\blabel=("(?:[^"\\]|\\.)*"|[^\s\]]+)')
_SIGN = 7.5  # points; the width of a letter
_SPACE = 50.0  # points between two nodes, for the edges
_QUICK = {"nslimit": "2", "nslimit1": "2", "mclimit": "0.1", "splines": "line"}
_PLAIN = {"splines": "line", "rankdir": "TB"}


def edge_count(source: str) -> int:
    """Count the edges of a picture."""
    return sum(1 for _ in _EDGE.finditer(source))


def quick(source: str) -> str:
    """Ask Graphviz for fewer rounds and straight edges: seconds in place of minutes, and a little less tidy."""
    return _with(source, _QUICK)


def plain(source: str) -> str:
    """Give every node its place: a column for each step, in the order of the source; for Graphviz's `nop`.

    A node stands one column after the last of its parents, and a leaf one before its first use.
    """
    column: dict[str, int] = {name: 0 for name, _ in _NODE.findall(source) if name not in ("graph", "node", "edge")}
    first_use: dict[str, int] = {}
    edges = _EDGE.findall(source)
    ends = {end for _, end, _ in edges}
    for start, end, _ in edges:
        column[end] = max(column[end], column[start] + 1)
    for start, end, _ in edges:
        first_use[start] = min(first_use.get(start, column[end]), column[end])
    for name in column.keys() - ends:
        column[name] = first_use.get(name, 1) - 1
    height = 18.0 * max(label.count("\\n") + 1 for label in _LABEL.findall(source)) + _SPACE / 2
    widest: dict[int, int] = {}  # letters, in each column
    for name, attributes in _NODE.findall(source):
        if name in column:
            widest[column[name]] = max(widest.get(column[name], 1), _longest(attributes))
    between = _SIGN * max((_longest(attributes) for *_, attributes in edges), default=1) + _SPACE
    place = {-1: 0.0}
    for here in range(max(column.values(), default=0) + 1):
        place[here] = place[here - 1] + _SIGN * (widest.get(here - 1, 1) + widest.get(here, 1)) / 2 + between
    rows, used = Counter(column.values()), Counter[int]()

    def placed(match: re.Match[str]) -> str:
        name, attributes = match.groups()
        if name not in column:
            return match[0]
        here = column[name]
        used[here] += 1
        top = height * (rows[here] - 1) / 2
        return f'\t{name} [pos="{place[here]:.1f},{top - height * (used[here] - 1):.1f}" {attributes}]'

    return _with(_NODE.sub(placed, source), _PLAIN)


def _longest(attributes: str) -> int:
    label = _LABEL.search(attributes)
    return max(map(len, re.split(r"\\[nlr]|\|", label[1]))) if label else 0


def _with(source: str, attributes: dict[str, str]) -> str:
    """Set attributes of the whole graph, after those of the source."""
    end = source.rindex("}")
    written = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f"{source[:end]}\tgraph [{written}]\n}}\n"
