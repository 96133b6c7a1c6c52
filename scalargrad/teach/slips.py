"""The slips of a pencil: what turns the right working of a blank into a usual wrong one, each described once.

Reads the rules, the formulas and the views. The tables below are data; the sheets' marking and the page's quiz read
them, and the mistakes of an engine join them. What a slip is called, and what to say of it, stands in `messages/slips`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from math import isclose, isfinite
from types import CodeType
from typing import Any, NamedTuple, TypeAlias

from ..engine import Value, topological_order
from ..formulas import tree
from ..formulas.notation import Notation
from ..formulas.tidying import tidy
from ..formulas.tree import Expression
from ..graph.roles import is_number
from ..graph.views import Operations, View, hidden_under
from ..messages import say
from ..rules import FUNCTIONS, RULES, Rule
from .mistakes import MISTAKES

# By symbol: n3 is a value, l3_0 the local derivative along an edge, g3 a gradient.
Numbers: TypeAlias = Mapping[str, float]

_LARGEST = 60  # names and numbers of a formula, or operations that it hides; of a larger one nobody asks
_MOST_PLACES = 24  # where a derivative along an edge may slip
_MOST_OTHERS = 8  # neurons, or parameters, that one is taken for
_ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus")
_SYMBOL = re.compile(r"\b[nlg]\d+(?:_\d+)?\b")


# Slips with a formula: wherever the form on the left stands, one on the right may be worked out instead.
REWRITES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "a + b": (("term", "a"), ("term", "b"), ("sign", "a - b"), ("sign", "b - a")),
    "a - b": (("term", "a"), ("term", "-b"), ("sign", "a + b"), ("sign", "b - a")),
    "-a": (("sign", "a"),),
    "sigmoid(a)": (("sign", "1 / (1 + exp(a))"),),
    "a * b": (("factor", "a"), ("factor", "b"), ("added", "a + b")),
    "a / b": (("denominator", "a"), ("upside down", "b / a")),
    "pow(a, b)": (("exponent", "a"), ("times exponent", "a * b")),
    "a * a": (("exponent", "a"), ("times exponent", "2 * a")),
    "log(a)": (("base ten", "log(a) / 2.302585092994046"),),
    **{f"{name}(a)": (("degrees", f"{name}(a * 0.017453292519943295)"),) for name in ("sin", "cos", "tan")},
}

# Slips with the local derivative of one operation, by its rule and its operand.
PARTIALS: Mapping[tuple[str, int], tuple[tuple[str, str], ...]] = {
    ("pow", 0): (("power factor", "pow(a, b - 1)"), ("power exponent", "b * pow(a, b)"), ("power exponent", "b * a")),
    ("pow", 1): (("operand", "b * pow(a, b - 1)"), ("inner", "y")),
    ("square", 0): (("power factor", "a"), ("power exponent", "2 * a * a")),
}

# Slips with a whole formula: the wrong sign, and a factor of two where squares and halves are about.
WHOLE = (("sign", "-right"),)
WITH_A_TWO = (("half", "2 * right"), ("half", "right / 2"))

# Slips with a gradient, total = ... + upstream*local + ...: `this` is one contribution, `last` is the last of them.
SEVERAL = (("assignment", "last"), ("path", "total - this"), ("path", "this"))
GRADIENT = (
    ("sign", "-total"),
    ("sign", "total - 2 * this"),
    ("local", "total - this + upstream"),
    ("upstream", "total - this + local"),
    ("added", "total - this + upstream + local"),
)
WITH_WRONG_LOCAL = "total - this + upstream * wrong"

# Slips with an update, old - rate*gradient; `other` is the gradient of another parameter.
UPDATE = (
    ("uphill", "old + rate * gradient"),
    ("rate", "old - gradient"),
    ("change", "rate * gradient"),
    ("change", "-rate * gradient"),
)
OTHER_GRADIENT = ("other gradient", "old - rate * other")


class Slip(NamedTuple):
    """A wrong working of a blank."""

    key: str
    working: Expression


class Formula:
    """The right working of a blank and the wrong ones, each a formula in the numbers that were found before."""

    def __init__(self, right: Expression, slips: Iterable[Slip], functions: Mapping[str, Any]) -> None:
        self.working, self.functions = right, functions
        self._text = _python.write(right)
        told_apart = {(slip.key, _python.write(slip.working)): slip for slip in slips}
        self.slips = [slip for (_, text), slip in told_apart.items() if text != self._text]
        self._wrong = [(key, text) for key, text in told_apart if text != self._text]

    @cached_property
    def needs(self) -> list[str]:
        """The numbers that the right working takes."""
        return list(dict.fromkeys(_SYMBOL.findall(self._text)))

    def right(self, numbers: Numbers) -> float:
        """Work it out as it should be. Raises what the operations raise."""
        return float(eval(_compiled(self._text), {**self.functions, **numbers}))

    def wrong(self, numbers: Numbers) -> Iterator[tuple[str, float]]:
        """Work out every slip that comes to a number."""
        names = {**self.functions, **numbers}
        for key, text in self._wrong:
            try:
                number = float(eval(_compiled(text), names))
            except (ArithmeticError, ValueError):
                continue
            if isfinite(number):
                yield key, number


class Contribution(NamedTuple):
    """What one edge brings to a gradient: upstream times local, the local as a number found before or as a formula."""

    upstream: str
    local: str
    formula: Formula | None  # None where it is too long to be worked out by hand
    is_asked: bool  # whether the sheet asks for the local derivative by itself

    def numbers(self, numbers: Numbers) -> tuple[float, float]:
        """Give upstream and local. Raises what the operations raise."""
        worked_out = None if self.is_asked else self.formula
        return numbers[self.upstream], worked_out.right(numbers) if worked_out else numbers[self.local]


class Gradient:
    """The working of a gradient: the sum of what its edges bring."""

    def __init__(self, contributions: list[Contribution]) -> None:
        self.contributions = contributions

    @cached_property
    def needs(self) -> list[str]:
        """The numbers that the right working takes."""
        symbols: list[str] = []
        for part in self.contributions:
            symbols += [part.upstream, *([part.local] if part.is_asked or not part.formula else part.formula.needs)]
        return list(dict.fromkeys(symbols))

    def right(self, numbers: Numbers) -> float:
        """Work it out as it should be. Raises what the operations raise."""
        return sum(upstream * local for upstream, local in (part.numbers(numbers) for part in self.contributions))

    def wrong(self, numbers: Numbers) -> Iterator[tuple[str, float]]:
        """Work out every slip that comes to a number."""
        parts = [part.numbers(numbers) for part in self.contributions]
        brought = [upstream * local for upstream, local in parts]
        whole = {"total": sum(brought), "last": brought[-1]}
        for part, (upstream, local), this in zip(self.contributions, parts, brought):
            known = whole | {"this": this, "upstream": upstream, "local": local}
            for key, text in (*(SEVERAL if len(parts) > 1 else ()), *GRADIENT):
                yield key, eval(_compiled(text), known)
            for key, number in part.formula.wrong(numbers) if part.formula else ():
                yield key, eval(_compiled(WITH_WRONG_LOCAL), known | {"wrong": number})


class Update(NamedTuple):
    """The working of a parameter after the step: old - rate*gradient."""

    old: str
    gradient: str
    others: list[str]  # the gradients of other parameters
    rate: float

    @property
    def needs(self) -> list[str]:
        """The numbers that the right working takes."""
        return [self.old, self.gradient]

    def right(self, numbers: Numbers) -> float:
        """Work it out as it should be."""
        return numbers[self.old] - self.rate * numbers[self.gradient]

    def wrong(self, numbers: Numbers) -> Iterator[tuple[str, float]]:
        """Work out every slip."""
        known = {"old": numbers[self.old], "rate": self.rate, "gradient": numbers[self.gradient]}
        for key, text in UPDATE:
            yield key, eval(_compiled(text), known)
        for other in self.others[:_MOST_OTHERS]:
            yield OTHER_GRADIENT[0], eval(_compiled(OTHER_GRADIENT[1]), known | {"other": numbers[other]})


Working: TypeAlias = Formula | Gradient | Update
_Place: TypeAlias = tuple[Value, int]  # an operation and one of its operands
_Locals: TypeAlias = Mapping[_Place, Expression]


class Workings:
    """The workings of every value and of every derivative in a view of a graph."""

    def __init__(self, view: View, parameters: Iterable[Value] = ()) -> None:
        self.view = view
        nodes = topological_order(view.root)
        self._position = {node: position for position, node in enumerate(nodes)}
        self._shown = set(view.order)
        self._parameters = {self.symbol(node) for node in parameters}
        self._numbers = {self.symbol(node): node.data for node in nodes}
        self._functions: dict[str, Any] = dict(FUNCTIONS)
        for node in nodes:
            self._functions |= node.op.functions if node.op else {}

    def symbol(self, node: Value, kind: str = "n") -> str:
        """Name a value, `n3`, or with the kind "g" its gradient, `g3`: the place in topological order."""
        return f"{kind}{self._position[node]}"

    def value(self, node: Value) -> Formula | None:
        """Give the working of a value; None for a leaf, and where the formula is too long to be worked out by hand."""
        inner = self._inner(node) if node.parents else None
        if inner is None:
            return None
        right = inner[node]
        slips = [*self._without_bias(right), *_rewritten(right), *_of_the_whole(right, inner)]
        if len(node.parents) == 1 and _is_own(_rule(node)):
            slips.append(Slip("function", self._word(node.parents[0], inner)))
        return self._checked(right, slips, node.data)

    def derivatives(self, node: Value) -> list[Formula | None]:
        """Give the working of the derivative on each edge of a node, None as for a value."""
        edges = self.view.edges(node)
        inner = self._inner(node) if edges else None
        if inner is None:
            return [None] * len(edges)
        if isinstance(self.view, Operations):
            found = [
                (self._local(node, index, inner), self._wrong_locals(node, index, inner)) for index in range(len(edges))
            ]
        else:
            found = self._along_edges(node, inner)
        return [
            self._checked(right, [*slips, *_rewritten(right), *_of_the_whole(right, inner)], edge.derivative)
            for (right, slips), edge in zip(found, edges)
        ]

    def _checked(self, right: Expression, slips: list[Slip], recorded: float) -> Formula | None:
        """Make the working, once it is known to come to what was recorded."""
        if tree.size(right) > _LARGEST:
            return None
        readable = [slip for slip in slips if tree.size(slip.working) <= 2 * _LARGEST]
        working = Formula(right, readable, self._functions)
        try:
            again = working.right(self._numbers)
        except (ArithmeticError, NameError, ValueError):  # a name: `inf`, where factors that are numbers overflow
            return None
        return working if isclose(again, recorded, rel_tol=1e-9, abs_tol=1e-300) else None

    def _word(self, node: Value, inner: Mapping[Value, Expression]) -> Expression:
        """Give what stands for a node in a formula: its name, its number, or the formula that it hides."""
        if is_number(node):
            return tree.number(node.data)
        return tree.name(self.symbol(node)) if node in self._shown else inner[node]

    def _words(self, node: Value, inner: Mapping[Value, Expression]) -> dict[str, Expression]:
        return dict(zip("ab", (self._word(parent, inner) for parent in node.parents)))

    def _inner(self, node: Value) -> dict[Value, Expression] | None:
        """Write a node and what its formula hides in the names of what is shown, parents first."""
        hidden = hidden_under(node, self._shown.__contains__, _LARGEST)
        if len(hidden) > _LARGEST:
            return None
        written: dict[Value, Expression] = {}
        for inner in sorted(hidden, key=self._position.__getitem__):
            if inner.parents:
                rule = _rule(inner)
                form = tree.parse(rule.formula) if _is_own(rule) else tree.value_formula(rule)
                written[inner] = tree.substitute(_branch(form, inner), self._words(inner, written), {})
            elif not is_number(inner):
                return None  # a leaf without a name
            if inner.parents and tree.size(written[inner]) > _LARGEST:
                return None
        return written

    def _local(self, node: Value, index: int, inner: Mapping[Value, Expression]) -> Expression:
        words = self._words(node, inner) | {"y": self._own_word(node, inner)}
        return tidy(tree.substitute(_partial(node, index), words, {}))

    def _own_word(self, node: Value, inner: Mapping[Value, Expression]) -> Expression:
        return tree.name(self.symbol(node)) if node in self._shown else inner[node]

    def _wrong_locals(self, node: Value, index: int, inner: Mapping[Value, Expression]) -> list[Slip]:
        """Give the usual wrong derivatives of one operation with respect to one operand."""
        rule, partial = _rule(node), _partial(node, index)
        words = self._words(node, inner) | {"y": self._own_word(node, inner)}
        names = {part.id for part in ast.walk(partial) if isinstance(part, ast.Name)}
        rows = () if _is_own(rule) else PARTIALS.get((rule.name, index), ())
        found = [(key, tree.parse(text), words) for key, text in rows]
        if len(rule.partials) == 2:
            other = _partial(node, 1 - index)
            found += [("operand", other, words)] if not (_is_plain(other) or is_number(node.parents[1 - index])) else []
        else:
            found.append(("value", tree.name("y"), words))
            if "y" in names:
                found.append(("input", partial, words | {"y": words["a"]}))
            if "a" in names:
                found.append(("output", partial, words | {"a": words["y"]}))
        if "y" in names and node in self._shown:
            alike = [other for other in self.view.order if other.op is rule and other.parents and other is not node]
            for neighbour in alike[:_MOST_OTHERS]:
                found.append(("neighbour", partial, words | {"y": tree.name(self.symbol(neighbour))}))
        if not rows:
            found += [(slip.key, slip.working, words) for slip in _rewritten(partial)]
        return [Slip(key, tidy(tree.substitute(form, put, {}))) for key, form, put in found]

    def _along_edges(self, node: Value, inner: dict[Value, Expression]) -> list[tuple[Expression, list[Slip]]]:
        """Give for each labelled quantity under a node the derivative through all that lies between, and its slips."""
        between = list(inner)[::-1]  # from the node down
        places = [(here, index) for here in between for index in range(len(here.parents))]
        right = {place: self._local(*place, inner) for place in places}
        wrong = {place: self._wrong_locals(*place, inner) for place in places} if len(places) <= _MOST_PLACES else {}
        return [self._along_edge(node, edge.parent, between, right, wrong) for edge in self.view.edges(node)]

    def _along_edge(
        self, node: Value, parent: Value, between: list[Value], right: _Locals, wrong: Mapping[_Place, list[Slip]]
    ) -> tuple[Expression, list[Slip]]:
        """Multiply the local derivatives along each way from a node down to one quantity, and add up the ways."""
        leads = {parent}
        steps: list[_Place] = []
        for here in reversed(between):
            down = [(here, index) for index, below in enumerate(here.parents) if below in leads]
            leads |= {here} if down else set()
            steps[:0] = down

        def derivative(locals_: _Locals) -> Expression:
            reached: dict[Value, Expression] = {node: tree.number(1.0)}
            for here, index in steps:
                path = tree.product(reached[here], locals_[here, index])
                below = here.parents[index]
                reached[below] = tree.sum_of(reached[below], path) if below in reached else path
            return tidy(reached[parent])

        slips = []
        has_several_ways = len(steps) >= len(leads)
        for place in steps if wrong else ():
            rule, operands = _rule(place[0]), place[0].parents
            scales = rule.name in ("mul", "div") and any(map(is_number, operands))
            left_out = Slip("factor" if scales else "inner", tree.number(1.0))
            cut = [Slip("path", tree.number(0.0))] if has_several_ways else []
            for key, local in [left_out, *cut, *wrong[place]]:
                expression = derivative({**right, place: local})
                if key != "inner" or not _is_plain(expression):
                    slips.append(Slip(key, expression))
        return derivative(right), slips

    def _without_bias(self, working: Expression) -> Iterator[Slip]:
        match working:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                for term, rest in ((left, right), (right, left)):
                    if isinstance(term, ast.Name) and term.id in self._parameters:
                        yield Slip("bias", rest)
                for slip in self._without_bias(left):
                    yield Slip("bias", tree.sum_of(slip.working, right))
            case ast.Call(func=function, args=[argument]):
                for slip in self._without_bias(argument):
                    yield Slip("bias", ast.Call(function, [slip.working], []))


def told(key: str, lang: str) -> tuple[str, str]:
    """Give the name of a slip, or of an engine's mistake, and the sentence of advice."""
    topic = "mistakes" if key in MISTAKES else "slips"
    return say(topic, key, lang), say(topic, f"{key}.why", lang)


# --- rewriting -----------------------------------------------------------------------------------------------------


def _rewritten(working: Expression) -> Iterator[Slip]:
    """Make every slip of `REWRITES` at every place of a formula."""
    for form, slips in REWRITES.items():
        found: dict[str, Expression] = {}
        if _matches(tree.parse(form), working, found):
            for key, wrong in slips:
                yield Slip(key, tree.substitute(tree.parse(wrong), found, {}))
    match working:
        case ast.UnaryOp(op=op, operand=operand):
            for slip in _rewritten(operand):
                yield Slip(slip.key, ast.UnaryOp(op, slip.working))
        case ast.BinOp(left=left, op=op, right=right):
            for slip in _rewritten(left):
                yield Slip(slip.key, ast.BinOp(slip.working, op, right))
            for slip in _rewritten(right):
                yield Slip(slip.key, ast.BinOp(left, op, slip.working))
        case ast.Call(func=ast.Name(id=name) as function, args=arguments):
            for place, argument in enumerate(arguments):
                if name != "pow":
                    alone = "activation" if name in _ACTIVATIONS else "function"
                    yield Slip(alone if len(arguments) == 1 else "one of two", argument)
                for slip in _rewritten(argument):
                    yield Slip(
                        slip.key, ast.Call(function, [*arguments[:place], slip.working, *arguments[place + 1 :]], [])
                    )


def _of_the_whole(right: Expression, inner: Iterable[Value]) -> list[Slip]:
    """Make the slips with a formula as a whole; a factor of two goes astray where it hides a 2 or a 1/2."""
    has_a_two = any(is_number(parent) and parent.data in (0.5, 2.0) for node in inner for parent in node.parents)
    rows = (*WHOLE, *(WITH_A_TWO if has_a_two else ()))
    return [Slip(key, tree.substitute(tree.parse(wrong), {"right": right}, {})) for key, wrong in rows]


def _is_plain(expression: Expression) -> bool:
    return not any(isinstance(part, ast.Name) for part in ast.walk(expression))


def _matches(pattern: Expression, part: Expression, found: dict[str, Expression]) -> bool:
    """Tell whether a formula has the form of a pattern, whose names stand for anything; notes what for.

    A name that stands in the pattern twice stands for one thing.
    """
    match pattern, part:
        case ast.Name(id=name), _:
            return _python.write(found.setdefault(name, part)) == _python.write(part)
        case ast.UnaryOp(operand=inner), ast.UnaryOp(operand=operand):
            return _matches(inner, operand, found)
        case ast.BinOp(op=op), ast.BinOp(op=same) if type(op) is type(same):
            return _matches(pattern.left, part.left, found) and _matches(pattern.right, part.right, found)
        case ast.Call(func=ast.Name(id=name)), ast.Call(func=ast.Name(id=called)) if name == called:
            return all(_matches(*pair, found) for pair in zip(pattern.args, part.args))
    return False


def _rule(node: Value) -> Rule:
    if node.op is None:
        raise ValueError(f"slips: a leaf has no formula: {node!r}")
    return node.op


def _is_own(rule: Rule) -> bool:
    return rule.name not in RULES  # a power of a plain number has a row of its own under the same name


def _branch(form: Expression, node: Value) -> Expression:
    """Choose the branch of a conditional formula that holds for the numbers of a node."""
    return tree.substitute(form, {}, {"y": node.data, **dict(zip("ab", (parent.data for parent in node.parents)))})


def _partial(node: Value, index: int) -> Expression:
    return _branch(tree.parse(_rule(node).partials[index]), node)


class _Python(Notation):
    """A formula as Python that computes with all digits."""

    raised = "pow({}, {})"

    def number(self, value: float) -> str:
        return repr(float(value))


_python = _Python()


@cache
def _compiled(text: str) -> CodeType:
    return compile(text, "working", "eval")
