"""A student's engine as we meet it: what it calls its numbers, which operations it has, and what each one calls inside.

Reads a class that is made from a number, and the module it stands in. Nothing of it is taken for known.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, wraps
from inspect import getattr_static
from math import trunc
from types import FunctionType
from typing import Any, NamedTuple

from ...engine import Value, record
from ...recording import CONSTANT, as_float
from ...rules import RULES
from .cases import FUNCTIONS, Case, Form
from .wrong_partials import rule_value

# How students name a method that is not named like its row; an operator is the two underscored names of Python.
_ALIASES = {
    "relu": ("ReLU", "Relu"),
    "sigmoid": ("logistic",),
    "log": ("ln",),
    "abs": ("__abs__",),
    "maximum": ("max",),
    "minimum": ("min",),
}
_OPERATORS = {"add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "pow": "pow"}


class Names(NamedTuple):
    """What the class calls its number, its gradient and its backward pass."""

    data: str = "data"
    grad: str = "grad"
    backward: str = "backward"


class Call(NamedTuple):
    """One operation that the engine recorded itself, not through others of its operations."""

    form: Form
    method: Callable[..., Any]
    operands: tuple[Any, ...]
    result: Any


class Recorded(NamedTuple):
    """What a student's statements made: each name's object, and the operations behind them."""

    quantities: dict[str, Any]
    calls: list[Call]


class Graph(NamedTuple):
    """The graph a student's engine has recorded, as Values that hold its numbers."""

    nodes: dict[str, Value]  # of the names
    forms: dict[Value, Form]


class Engine:
    """A class that is checked, with what is needed to make, join, run and read its objects."""

    def __init__(self, made: type, namespace: Mapping[str, Any] | None = None, names: Names | None = None) -> None:
        self.made = made
        self.names = names or Names()
        self.namespace = namespace if namespace is not None else vars(sys.modules[made.__module__])
        self.functions = dict(self._functions())
        self.seeds = False  # whether backward must be helped: it does not start with 1 at the root
        self.cleans = False  # whether what is made must be helped: it does not start with a gradient of 0
        self.keeps = False  # whether numbers must be helped: the class rounds them
        self._calls: list[Call] | None = None
        self._results: set[int] = set()

    def leaf(self, number: float) -> Any:
        """Make a leaf."""
        made = self.made(number)
        if self.keeps:
            setattr(made, self.names.data, number)
        return self._clean(made)

    def _clean(self, quantity: Any) -> Any:
        if self.cleans:
            setattr(quantity, self.names.grad, 0.0)
        return quantity

    def data(self, quantity: Any) -> float:
        """Read the number of a quantity."""
        return float(getattr(quantity, self.names.data))

    def grad(self, quantity: Any) -> float:
        """Read the gradient of a quantity; where none has arrived yet, that is 0."""
        found = getattr(quantity, self.names.grad, None)
        return 0.0 if found is None else float(found)

    def backward(self, root: Any) -> None:
        """Run backward from a root; where it must be helped, the root's gradient is 1 whatever is written there."""
        if self.seeds:
            root.__class__ = self._seeded
        getattr(root, self.names.backward)()
        if self.seeds:
            root.__class__ = self.made
            setattr(root, self.names.grad, 1.0)

    def has(self, form: Form) -> bool:
        """Tell whether the engine names the operation at all."""
        if form.op in FUNCTIONS:
            return form.op in self.functions
        return self._operator(form) is not None or (
            form.kinds == "nv" and self._operator(Form(form.op, "vv")) is not None
        )

    def method(self, form: Form) -> Callable[..., Any] | None:
        """Give the function in the student's file that does an operation."""
        if form.op not in FUNCTIONS:
            return self._operator(form)
        for name in _names(form.op):
            found = getattr(self.made, name, None) or self.namespace.get(name)
            if found is not None:
                return found  # type: ignore[no-any-return]
        return None

    def _operator(self, form: Form) -> Callable[..., Any] | None:
        name = "neg" if form.op == "neg" else ("r" if form.kinds == "nv" else "") + _OPERATORS[form.op]
        return getattr(self.made, f"__{name}__", None)

    def _functions(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        for op in FUNCTIONS:
            for name in _names(op):
                if callable(getattr(self.made, name, None)):
                    yield op, _calling(name)
                    break
                found = self.namespace.get(name)
                if callable(found) and getattr(found, "__module__", None) == self.made.__module__:
                    yield op, found
                    break

    @cached_property
    def _seeded(self) -> type:
        one = property(lambda root: 1.0, lambda root, gradient: None)
        return type(self.made.__name__, (self.made,), {"__slots__": (), self.names.grad: one})

    # --- what an operation is made of -------------------------------------------------------------------------------

    def recorded(self, case: Case) -> Recorded:
        """Record a case while the engine is watched, and see which operations the engine made of it."""
        calls: list[Call] = []
        self._calls = calls
        self._results = set()
        try:
            return Recorded(case.record(self.leaf, self.functions), calls)
        finally:
            self._calls = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Put a watcher around each operation of the class and of its module for a while."""
        changed: list[tuple[Any, str, Any]] = []
        functions = self.functions
        try:
            self.functions = {
                op: self._watcher(Form(op, "v" if len(RULES[op].partials) == 1 else "vv"), function)
                for op, function in functions.items()
            }
            for form, name in _watched_names():
                found = getattr_static(self.made, name, None)
                if isinstance(found, FunctionType):
                    changed.append((self.made, name, vars(self.made).get(name)))
                    setattr(self.made, name, self._watcher(form, found))
            yield
        finally:
            self.functions = functions
            for owner, name, before in reversed(changed):
                if before is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, before)

    def _keep(self, form: Form, operands: Sequence[Any], result: Any) -> None:
        """Give a result back the decimals that the class has cut off, where it was right but for them."""
        with suppress(ArithmeticError, TypeError, ValueError):
            numbers = [self.data(operand) if isinstance(operand, self.made) else float(operand) for operand in operands]
            value = rule_value(form.rule, tuple(numbers))
            if self.data(result) in (trunc(value), round(value)):
                setattr(result, self.names.data, value)

    @contextmanager
    def gradients_of_their_own(self) -> Iterator[None]:
        """Let each object keep a gradient of its own for a while, whatever the class does to share them."""
        key = f"{self.names.grad} of its own"
        before = vars(self.made).get(self.names.grad)
        own = property(lambda made: vars(made).get(key, 0.0), lambda made, number: vars(made).update({key: number}))
        setattr(self.made, self.names.grad, own)
        try:
            yield
        finally:
            if before is None:
                delattr(self.made, self.names.grad)
            else:
                setattr(self.made, self.names.grad, before)

    @contextmanager
    def compared_by_identity(self) -> Iterator[None]:
        """Let the class compare and hash its objects by identity for a while, whatever it says of equality."""
        before = {name: vars(self.made)[name] for name in ("__eq__", "__hash__") if name in vars(self.made)}
        for name in before:
            setattr(self.made, name, getattr(object, name))
        try:
            yield
        finally:
            for name, method in before.items():
                setattr(self.made, name, method)

    def _watcher(self, form: Form, method: Callable[..., Any]) -> Callable[..., Any]:
        binary = len(form.rule.partials) == 2

        @wraps(method)
        def watch(*operands: Any, **options: Any) -> Any:
            result = method(*operands, **options)
            calls = self._calls
            if calls is None and not self.cleans and not self.keeps:
                return result
            if not isinstance(result, self.made) or any(result is operand for operand in operands):
                return result
            self._clean(result)
            ordered = operands[::-1] if form.kinds == "nv" else operands
            if self.keeps:
                self._keep(form, ordered, result)
            if calls is None or id(result) in self._results or len(operands) != len(form.rule.partials):
                return result
            kinds = "".join("v" if isinstance(operand, self.made) else "n" for operand in ordered) if binary else "v"
            self._results.add(id(result))
            calls.append(Call(Form(form.op, kinds), method, ordered, result))
            return result

        return watch

    def graph(self, found: Recorded, locals_of: Callable[[Form, tuple[float, ...]], Sequence[float]]) -> Graph:
        """Write what the engine recorded as Values of ours, with its own numbers and the local derivatives given."""
        nodes: dict[int, Value] = {}
        kept: dict[Value, Form] = {}

        def node(operand: Any) -> Value:
            if not isinstance(operand, self.made):
                return record(CONSTANT, as_float(operand), None, None, None, None)
            if id(operand) not in nodes:
                nodes[id(operand)] = Value(self.data(operand))
            return nodes[id(operand)]

        for call in found.calls:
            a, *b = parents = [node(operand) for operand in call.operands]
            da, *db = locals_of(call.form, tuple(parent.data for parent in parents))
            made = record(call.form.rule, self.data(call.result), a, b[0] if b else None, da, db[0] if db else None)
            nodes[id(call.result)] = made
            kept[made] = call.form
        return Graph({name: node(quantity) for name, quantity in found.quantities.items()}, kept)


def _names(op: str) -> tuple[str, ...]:
    return (op, *_ALIASES.get(op, ()))


def _calling(name: str) -> Callable[..., Any]:
    return lambda quantity, *others: getattr(quantity, name)(*others)


def _watched_names() -> Iterator[tuple[Form, str]]:
    for op, rule in RULES.items():
        binary = len(rule.partials) == 2
        for name in _names(op):
            yield Form(op, "vv" if binary else "v"), name
        if op in _OPERATORS:
            yield Form(op, "vv"), f"__{_OPERATORS[op]}__"
            yield Form(op, "nv"), f"__r{_OPERATORS[op]}__"
    yield Form("neg", "v"), "__neg__"
