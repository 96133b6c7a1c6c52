"""The lines of a student's file: where an operation hands its gradient down, where backward starts.

Reads the source behind a function, as Python itself finds it: in a file or in a cell of a notebook.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from .cases import Form
from .probe import Engine

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Place(NamedTuple):
    """A line of a student's file."""

    file: str  # its name without its folders
    line: int
    function: str
    source: str


class Definition(NamedTuple):
    """A function in a student's source."""

    file: str
    node: Function
    lines: tuple[str, ...]

    def place(self, line: int) -> Place:
        """Give a line of the function as a place."""
        name = "lambda" if isinstance(self.node, ast.Lambda) else self.node.name
        return Place(Path(self.file).name, line, name, self.lines[line - 1].strip())


def of_operand(engine: Engine, form: Form, slot: int) -> Place | None:
    """Find the line that hands a gradient to one operand of an operation; else the line that makes the result."""
    method = engine.method(form)
    if (found := _definition(method)) is None:
        return None
    node = found.node
    names = [argument.arg for argument in node.args.args]
    own = 1 - slot if form.kinds == "nv" else slot
    for inner in [found, *_called(engine, node)] if own < len(names) else []:
        for line, target, _ in _written_gradients(inner.node, engine.names.grad):
            if isinstance(target.value, ast.Name) and target.value.id == names[own]:
                return inner.place(line)
    made = [part.lineno for part in ast.walk(node) if isinstance(part, ast.Return) and part.value is not None]
    return found.place(made[-1] if made else node.lineno)


def of_receiver(engine: Engine, form: Form, slot: int) -> Place | None:
    """Find the second line of an operation that hands a gradient to the same operand: one of the two is not meant."""
    if (found := _definition(engine.method(form))) is None:
        return None
    node = found.node
    names = [argument.arg for argument in node.args.args]
    own = [
        line
        for line, target, _ in _written_gradients(node, engine.names.grad)
        if ast.unparse(target.value) == names[1 - slot if form.kinds == "nv" else slot]
    ]
    return found.place(own[-1]) if own else of_operand(engine, form, slot)


def is_in_operations(engine: Engine, form: Form) -> bool:
    """Tell whether an operation hands gradients down itself; else backward does it for all of them."""
    found = _definition(engine.method(form))
    return found is not None and any(_written_gradients(found.node, engine.names.grad))


def reverses(engine: Engine) -> bool:
    """Tell whether backward turns a list round, as one does that puts the nodes in an order first."""
    found = _definition(getattr(engine.made, engine.names.backward, None))
    return found is not None and any(sign in ast.unparse(found.node) for sign in ("reversed(", ".reverse(", "[::-1]"))


def of_operation(engine: Engine, form: Form) -> Place | None:
    """Find where an operation begins; where it has no definition of its own, that of its plain form."""
    return of_function(engine.method(form)) or of_function(engine.method(Form(form.op, "vv")))


def of_function(function: Any) -> Place | None:
    """Find where a function begins."""
    found = _definition(function)
    return found and found.place(found.node.lineno)


def of_gradient(engine: Engine) -> Place | None:
    """Find where an object gets its gradient: in a property, or else where it is made."""
    kept = vars(engine.made).get(engine.names.grad)
    getter = kept.fget if isinstance(kept, property) else None
    return of_function(getter) or of_function(vars(engine.made).get("__init__"))


def of_backward(engine: Engine) -> Place | None:
    """Find where the backward pass begins."""
    return of_function(getattr(engine.made, engine.names.backward, None))


def of_assignment(engine: Engine) -> Place | None:
    """Find the first line that gives a gradient by `=`: in backward, or else in an operation."""
    methods = [getattr(engine.made, engine.names.backward, None), *vars(engine.made).values()]
    for found in filter(None, map(_definition, methods)):
        for line, target, statement in _written_gradients(found.node, engine.names.grad):
            if isinstance(statement, ast.Assign) and not _is_start(statement, target):
                return found.place(line)
    return of_backward(engine)


def of_error(engine: Engine, error: BaseException) -> Place | None:
    """Find the last line of the student's file that an error came through."""
    file = _file(engine)
    line, name = 0, ""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == file:
            line, name = traceback.tb_lineno, code.co_name
        traceback = traceback.tb_next
    return Place(Path(file).name, line, name, linecache.getline(file, line).strip()) if line else None


def _called(engine: Engine, node: Function) -> list[Definition]:
    """List the definitions of the functions of the class or of its module that a function calls."""
    called = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    names = [
        to.attr if isinstance(to, ast.Attribute) else to.id for to in called if isinstance(to, ast.Attribute | ast.Name)
    ]
    functions = [vars(engine.made).get(name) or engine.namespace.get(name) for name in names]
    return [found for found in map(_definition, functions) if found]


def _file(engine: Engine) -> str:
    for member in vars(engine.made).values():
        if inspect.isfunction(member):
            return inspect.unwrap(member).__code__.co_filename  # type: ignore[no-any-return]
    return ""


def _is_start(statement: ast.Assign, target: ast.Attribute) -> bool:
    """Tell whether an assignment starts a gradient: with a number, or with nothing."""
    value = statement.value
    while isinstance(value, ast.UnaryOp):
        value = value.operand
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):  # p.grad = p.grad + ...
        return any(ast.unparse(side) == ast.unparse(target) for side in (value.left, value.right))
    return isinstance(value, ast.Constant) or (isinstance(value, ast.Call) and not value.keywords)


def _written_gradients(node: ast.AST, grad: str) -> list[tuple[int, ast.Attribute, ast.stmt]]:
    """List every assignment to a gradient, from top to bottom."""
    found: list[tuple[int, ast.Attribute, ast.stmt]] = []
    for part in ast.walk(node):
        if isinstance(part, ast.Assign | ast.AugAssign):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            found += [(part.lineno, to, part) for to in targets if isinstance(to, ast.Attribute) and to.attr == grad]
    return sorted(found, key=lambda entry: entry[0])


def _definition(function: Any) -> Definition | None:
    """Find the definition of a function in its source."""
    function = inspect.unwrap(function) if callable(function) else function
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    lines = tuple(linecache.getlines(code.co_filename))
    found = (node for node in _definitions(lines) if _begins(node) == code.co_firstlineno)
    return next((Definition(code.co_filename, node, lines) for node in found), None)


def _begins(node: Function) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(part.lineno for part in decorators)])


@cache
def _definitions(lines: tuple[str, ...]) -> list[Function]:
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]
