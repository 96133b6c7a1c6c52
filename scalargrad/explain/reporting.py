"""A forward and a backward pass as text for a terminal, at most 80 columns wide where the names allow it.

Reads a trace, and the formulas of its view.
"""

import ast
from math import isclose

from ..engine import Value, topological_order
from ..formulas import notation, tree
from ..formulas.terminal import WIDTH, columns, padded, wrapped
from ..formulas.tree import Expression
from ..graph.changes import check_unchanged
from ..graph.roles import is_number
from ..graph.tracing import BackwardStep, Trace
from ..graph.views import View
from ..messages import say

_MOST_DECIMALS = 17  # what tells any two floats apart
_HUGE = 1e16  # from here on a float has no decimals


def number_text(value: float, decimals: int) -> str:
    """Write a number with so many decimals, or shorter where that is all of it; a tiny or huge one with an exponent.

    Raises ValueError where `decimals` is not from 1 to 17.

    >>> number_text(0.6, 6), number_text(-0.012409318556507402, 6), number_text(0.0000012409, 6)
    ('0.6', '-0.012409', '1.2409e-06')
    """
    if not 1 <= decimals <= _MOST_DECIMALS:
        raise ValueError(f"decimals: needs a number from 1 to {_MOST_DECIMALS}, got {decimals}")
    value = float(value)
    if abs(value) < _HUGE:
        written = min(f"{value:.{decimals}f}", f"{value}", key=len)
        short = written.rstrip("0").rstrip(".") if "e" not in written else written
        if isclose(float(short), value, rel_tol=1e-14):
            return short if value else "0"
        if abs(value) >= 10.0 ** min(1 - decimals, -1):
            return written
    mantissa, exponent = f"{value:.{max(decimals - 2, 1)}e}".split("e")
    short = f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
    return short if isclose(float(short), value, rel_tol=1e-14) else f"{mantissa}e{exponent}"


class WithDecimals(notation.Notation):
    """The text of a formula with its numbers written by `number_text`."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals

    def figures(self, value: float) -> str:
        return number_text(value, self.decimals)


def derivative_name(view: View, of: Value, to: Value) -> str:
    """Name a derivative: `dE_total/dw3`."""
    return f"d{view.name(of)}/d{view.name(to)}"


def forward_text(trace: Trace, decimals: int = 6) -> str:
    """Write the forward pass: what is given, then each formula, its numbers put in, its value.

    Raises ValueError where these numbers have changed since the pass.

    >>> from scalargrad import Value, trace
    >>> w, x = Value(0.6, "w"), Value(1.5, "x")
    >>> print(forward_text(trace((w * x).sigmoid())))
      w = 0.6   x = 1.5
    <BLANKLINE>
      v1 = w*x = 0.6*1.5 = 0.9
      v2 = sigmoid(v1) = sigmoid(0.9) = 0.710950
    """
    view = trace.view
    check_unchanged(topological_order(view.root))
    leaves = [node for node in view.order if not node.parents and not is_number(node)]
    given = [f"{view.name(leaf)} = {number_text(leaf.data, decimals)}" for leaf in leaves]
    worked = [
        (view.name(node), _worked(view, node, view.formula(node), node.data, decimals))
        for node in view.order
        if node.parents
    ]
    return "\n\n".join("\n".join(lines) for lines in (_filled(given), _equations(worked)) if lines)


def local_text(trace: Trace, decimals: int = 6) -> str:
    """Write the local derivatives, which the forward pass records: each formula, its numbers put in, its value.

    Raises ValueError where these numbers have changed since the pass.

    >>> from scalargrad import Value, trace
    >>> print(local_text(trace(Value(0.6, "w") * Value(1.5, "x"))))
      dv1/dw = x = 1.5
      dv1/dx = w = 0.6
    """
    view = trace.view
    check_unchanged(topological_order(view.root))
    return "\n".join(
        _equations(
            [
                (derivative_name(view, node, edge.parent), _worked(view, node, written, edge.derivative, decimals))
                for node in view.order
                for edge, written in zip(view.edges(node), view.derivatives(node))
                if not is_number(edge.parent)
            ]
        )
    )


def backward_text(trace: Trace, decimals: int = 6, lang: str = "en") -> str:
    """Write the backward pass: each contribution as upstream x local, and the running sum where paths meet.

    The nodes stand in the order in which backward visits them: each upstream is worked out above its use.

    >>> from scalargrad import Value, trace
    >>> x = Value(3.0, "x")
    >>> print(backward_text(trace(x * x)))
      dv1/dv1 = 1
    <BLANKLINE>
      dv1/dx:  via v1  1 x 3 = 3
               via v1  1 x 3 = 3  sum 6
    """
    view = trace.view
    steps: dict[Value, list[BackwardStep]] = {}
    for step in trace.backward:
        if not is_number(step.parent):
            steps.setdefault(step.parent, []).append(step)
    rows = [(index, step) for node in reversed(view.order) for index, step in enumerate(steps.get(node, []))]
    names = padded([derivative_name(view, view.root, step.parent) + ":" for _, step in rows])
    ways = padded([say("explain", "via", lang, node=view.name(step.node)) for _, step in rows])
    sum_is = f"{say('explain', 'sum', lang)} "
    upstream = _aligned([number_text(step.upstream, decimals) for _, step in rows])
    local = _aligned([number_text(step.local, decimals) for _, step in rows])
    sums = _aligned([number_text(number, decimals) for _, step in rows for number in (step.contribution, step.total)])
    contribution, total = sums[::2], sums[1::2]
    products = [f"{way}  {u} x {d} = {c}" for way, u, d, c in zip(ways, upstream, local, contribution)]
    lines = [f"  {derivative_name(view, view.root, view.root)} = 1", ""]
    room = WIDTH - max(map(columns, products), default=0)
    beside = bool(rows) and room >= 4 + columns(names[0])  # the derivative beside its products, or else above them
    sum_beside = beside and room >= 4 + columns(names[0]) + columns(f"  {sum_is}{total[0]}")
    for (index, _), name, product, so_far in zip(rows, names, products, total):
        if not beside and not index:
            lines.append(f"  {name}")
        margin = f"  {' ' * columns(name) if index else name}  " if beside else "    "
        lines.append(margin + product)
        if index and sum_beside:
            lines[-1] += f"  {sum_is}{so_far}"
        elif index:
            lines.append(f"{' ' * (columns(margin + product) - columns(sum_is + so_far))}{sum_is}{so_far}")
    return "\n".join(line.rstrip() for line in lines).rstrip()


def with_numbers(view: View, node: Value, written: Expression) -> Expression | None:
    """Put the numbers in a formula of a node; None where it is too long."""
    if any(isinstance(part, ast.Name) and part.id == "…" for part in ast.walk(written)):
        return None
    owners = [node, *(edge.parent for edge in view.edges(node))]
    return tree.substitute(written, {view.name(owner): tree.number(owner.data) for owner in owners}, {})


def _worked(view: View, node: Value, written: Expression | None, value: float, decimals: int) -> list[str]:
    """Write a formula with the names, with the numbers and as its value, saying no thing twice."""
    notation = WithDecimals(decimals)
    stages = [written, with_numbers(view, node, written)] if written else []
    pieces = [notation.write(stage).replace("…", "...") for stage in stages if stage]
    return list(dict.fromkeys([*pieces, number_text(value, decimals)]))


def _equations(rows: list[tuple[str, list[str]]]) -> list[str]:
    """Set `name = formula = numbers = value`, the first signs under each other, on as many lines as are needed."""
    width = max((columns(name) for name, _ in rows), default=0)
    lines = []
    for name, pieces in rows:
        margin, line = f"  {name}{' ' * (width - columns(name))}", ""
        for piece in pieces:
            parts = wrapped(f" = {piece}", max(WIDTH - width - 2, 20), "     ")
            if line and columns(margin + line + parts[0]) > WIDTH:
                parts.insert(0, "")
            for part in parts[:-1]:
                lines.append(margin + line + part)
                margin, line = " " * (width + 2), ""
            line += parts[-1]
        lines.append(margin + line)
    return lines


def _filled(cells: list[str]) -> list[str]:
    """Set cells side by side, as many to a line as fit, in columns."""
    width = max(map(columns, cells), default=0) + 3
    count = max(1, (WIDTH + 1) // width)
    cells = padded(cells, width)
    return ["  " + "".join(cells[start : start + count]).rstrip() for start in range(0, len(cells), count)]


def _aligned(numbers: list[str]) -> list[str]:
    """Set numbers with their decimal points under each other."""
    before = max((len(number.partition(".")[0]) for number in numbers), default=0)
    return padded([" " * (before - len(number.partition(".")[0])) + number for number in numbers])
