"""The small graphs on which bugs show, each as statements with numbers for its leaves, and the right gradients of each.

Reads the rules, the engine and the functions. The right numbers are those of our own engine.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from math import isclose
from types import MappingProxyType
from typing import Any, NamedTuple

from ...engine import Value
from ...explain.reporting import number_text
from ...formulas import notation, tree
from ...functions import of_rule
from ...rules import RULES, Rule

TOLERANCE = 1e-5  # an engine may compute in single precision
INFIX = ("add", "sub", "mul", "div", "pow", "neg")  # what is written with an operator; all else is called by its name
FUNCTIONS = {name: of_rule(rule) for name, rule in RULES.items() if name not in INFIX}
_POINTS = ((1.5, 0.4), (0.6, 2.2), (-0.7, 1.3))
_WHOLE_EXPONENTS = ((1.5, 3.0), (0.6, 2.0), (1.3, -1.0))


class Form(NamedTuple):
    """An operation in one of the ways in which it can be written: `v` for a Value, `n` for a plain number."""

    op: str
    kinds: str  # "v", or of two operands "vv", "vn" or "nv"

    @property
    def rule(self) -> Rule:
        """The row of the operation."""
        return RULES[self.op]

    def written(self, *operands: str | float) -> str:
        """Write the operation with names and numbers as its operands: `a*b`, `2 - a`, `tanh(a)`."""
        expressions = {
            operand: tree.name(given) if isinstance(given, str) else tree.number(given)
            for operand, given in zip(self.rule.operands, operands)
        }
        return notation.text(tree.substitute(tree.value_formula(self.rule), expressions, {}))


class Case(NamedTuple):
    """One small graph: statements, the numbers of its leaves, and the roots on which backward is called, in order."""

    text: str
    leaves: tuple[tuple[str, float], ...]
    roots: tuple[str, ...]

    @property
    def statements(self) -> list[str]:
        """The statements, one by one."""
        return self.text.split("; ")

    @property
    def names(self) -> list[str]:
        """The names of the graph, leaves first."""
        return [*dict(self.leaves), *(statement.split(" = ")[0] for statement in self.statements)]

    def record(self, make: Any, functions: Mapping[str, Any]) -> dict[str, Any]:
        """Run the statements with `make(number)` for each leaf, and give back what each name stands for."""
        quantities = {name: make(number) for name, number in self.leaves}
        exec(_compiled(self.text), {"__builtins__": {}, **functions}, quantities)
        return quantities

    def picture(self) -> list[str]:
        """Draw the graph as a tree of text, the root first; what is used twice is marked where it comes again."""
        written = dict(statement.split(" = ") for statement in self.statements)
        numbers = dict(self.leaves)
        lines: list[str] = []
        drawn: set[str] = set()

        def draw(name: str, first: str, others: str) -> None:
            again = name in drawn
            drawn.add(name)
            if name in numbers:
                lines.append(f"{first}{name} = {number_text(numbers[name], 6)}" + " *" * again)
                return
            lines.append(f"{first}{name} = {written[name]}" + " *" * again)
            parents = [] if again else operands(written[name])
            for place, parent in enumerate(parents, 1):
                last = place == len(parents)
                draw(parent, others + ("└─ " if last else "├─ "), others + ("   " if last else "│  "))

        for root in dict.fromkeys(self.roots):
            draw(root, "", "")
        return lines


class Right(NamedTuple):
    """What our engine gives: the value and the gradient of each name."""

    values: Mapping[str, float]
    gradients: Mapping[str, float]


def case(text: str, *roots: str, **leaves: float) -> Case:
    """Make a case; without `roots`, backward is called once, on what the last statement names."""
    return Case(text, tuple(leaves.items()), roots or (text.split("; ")[-1].split(" = ")[0],))


def operands(written: str) -> list[str]:
    """List the names in an expression from left to right, with repeats, without those of functions."""
    parts = list(ast.walk(ast.parse(written, mode="eval")))
    called = {part.func for part in parts if isinstance(part, ast.Call)}
    names = [part for part in parts if isinstance(part, ast.Name) and part not in called]
    return [node.id for node in sorted(names, key=lambda node: node.col_offset)]


@cache
def _compiled(text: str) -> Any:
    return compile(text, "case", "exec")


@cache
def right(case: Case) -> Right:
    """Work out a case in our engine; backward runs on each root in turn, and the leaves add up."""
    quantities: dict[str, Value] = case.record(Value, FUNCTIONS)
    for root in case.roots:
        quantities[root].backward()
    return Right(
        MappingProxyType({name: value.data for name, value in quantities.items()}),
        MappingProxyType({name: value.grad for name, value in quantities.items()}),
    )


def agree(one: float, other: float) -> bool:
    """Tell whether two numbers are the same, as far as single precision can tell."""
    return isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


@cache
def points(form: Form) -> tuple[tuple[float, ...], ...]:
    """Choose the numbers at which an operation is tried: those of ours that lie in its domain."""
    chosen = _WHOLE_EXPONENTS if form == Form("pow", "vn") else _POINTS
    tried = [point[: len(form.rule.partials)] for point in chosen]
    return tuple(point for point in tried if _is_in_domain(form, point))


def _is_in_domain(form: Form, point: tuple[float, ...]) -> bool:
    try:
        FUNCTIONS.get(form.op, of_rule(form.rule))(*point)
    except (ArithmeticError, ValueError):
        return False
    return True


def alone(form: Form, point: tuple[float, ...]) -> Case:
    """Make the graph of one operation alone."""
    names = [name if kind == "v" else number for name, kind, number in zip("ab", form.kinds, point)]
    leaves = {name: number for name, kind, number in zip("ab", form.kinds, point) if kind == "v"}
    return case(f"y = {form.written(*names)}", **leaves)


def below(form: Form, point: tuple[float, ...], outer: Form) -> Case:
    """Make the graph of one operation below another, so that its upstream gradient is not 1."""
    inner = alone(form, point)
    return case(f"{inner.text.replace('y =', 't =', 1)}; y = {outer.written('t', 'c')}", **dict(inner.leaves), c=2.5)


def beside(form: Form, point: tuple[float, ...], operand: str, outer: Form) -> Case:
    """Make the graph in which an operand of one operation has got a gradient on another path before."""
    inner = alone(form, point)
    text = f"{inner.text.replace('y =', 't =', 1)}; y = {outer.written('t', operand)}"
    return case(text, **dict(inner.leaves))


def twice(form: Form, number: float) -> Case:
    """Make the graph of one operation that takes one value for both operands."""
    return case(f"y = {form.written('a', 'a')}", a=number)


# From the smallest on: where a value is used again, and where its gradient must wait. No two nodes of one graph hold
# the same number, so that an engine that takes equal numbers for one node is not met here.
STRUCTURES = (
    case("b = a + a; y = b + b", a=1.5),
    case("b = a * c; y = b + b", a=1.5, c=0.4),
    case("b = a * c; d = b + a; y = d * b", a=1.5, c=0.4),
    case("b = a * c; d = b * c; y = b * d", a=1.5, c=0.4),
    case("b = a * c; d = c * b; e = b + d; y = e * b", a=1.5, c=0.4),
    case("b = a + c; d = b * c; e = b * a; f = d + e; y = f * d", a=1.5, c=0.4),
    case("b = a * c; d = b + c; e = d * b; f = e + d; y = f * e", a=1.3, c=0.7),
)
TWICE = (
    case("b = a * c; y = b * c", "y", "y", a=1.5, c=0.4),
    case("y = a * c", "y", "y", a=1.5, c=0.4),
    case("y = a * b; z = a * c", "y", "z", a=1.5, b=0.4, c=2.5),
    case("b = a * c; y = b * d; z = b * c", "y", "z", a=1.5, c=0.4, d=2.5),
)
EQUAL = (
    (case("y = a * b", a=1.5, b=1.5), case("y = a * b", a=1.5, b=0.4)),
    (
        case("t = a * c; u = b * c; y = t * u", a=1.5, b=1.5, c=0.4),
        case("t = a * c; u = b * c; y = t * u", a=1.5, b=2.5, c=0.4),
    ),
    (
        case("t = a * b; u = c * d; y = t + u", a=1.5, b=0.4, c=0.4, d=1.5),
        case("t = a * b; u = c * d; y = t + u", a=1.5, b=0.4, c=0.7, d=1.3),
    ),
)
DEPTH = 5000


def forms() -> Iterator[Form]:
    """Give every form of every operation."""
    for name, rule in RULES.items():
        for kinds in ("v",) if len(rule.partials) == 1 else ("vv", "vn", "nv"):
            yield Form(name, kinds)
