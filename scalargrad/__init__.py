"""A scalar autograd engine that explains itself: `Value`, `backward`, and readers of the graph they record."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import copying as copying
from . import functions
from .engine import Value, topological_order
from .functions import *  # noqa: F403  the operations by name: its `__all__`

if TYPE_CHECKING:
    from .explain.derivation import derive
    from .explain.drawing import draw
    from .explain.workbook import spreadsheet
    from .graph.checking import check_gradients
    from .graph.differentiation import gradients
    from .graph.tracing import trace
    from .page import write_page
    from .programs.compiling import compile

# Imported when first used, so that `import scalargrad` is quick.
_LATER = {
    "check_gradients": "graph.checking",
    "compile": "programs.compiling",
    "derive": "explain.derivation",
    "draw": "explain.drawing",
    "gradients": "graph.differentiation",
    "spreadsheet": "explain.workbook",
    "trace": "graph.tracing",
    "write_page": "page",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    if name == "teach":  # for `scalargrad.teach.check_engine`
        return import_module(".teach", __name__)
    raise AttributeError(f"module 'scalargrad' has no attribute {name!r}")


def _in_notebook(value: Value, *_: Any, **__: Any) -> dict[str, str]:
    try:
        from .explain.drawing import in_notebook
    except ModuleNotFoundError as error:
        return {"text/plain": f"{value!r}\n{error}"}
    return in_notebook(value)


def _chain_rule_here(node: Value) -> None:
    for parent, partial in zip(node.parents, node.partials):
        parent.grad += partial * node.grad


def _sign(node: Value) -> str:
    """Give the operation as micrograd shows it: `+`, `*`, `**2`, `ReLU`; nothing for a leaf."""
    if node.op is None or not node.parents:
        return ""
    if node.op.number == "b":
        return f"**{node.parents[1].data:g}"
    return {"add": "+", "sub": "-", "mul": "*", "div": "/", "neg": "-", "pow": "**", "relu": "ReLU"}.get(
        node.op.name, node.op.name
    )


__version__ = "0.2.0"

# What code written for micrograd and its lecture reads: the parents, the operation, and one node's chain rule.
Value._prev = property(lambda node: set(node.parents))  # type: ignore[attr-defined]
Value._op = property(_sign)  # type: ignore[attr-defined]
Value._backward = _chain_rule_here  # type: ignore[attr-defined]

Value._repr_mimebundle_ = _in_notebook  # type: ignore[attr-defined]  # a notebook asks: a Value shows its graph

__all__ = [
    "Value",
    "check_gradients",
    "compile",
    "derive",
    "draw",
    "gradients",
    "spreadsheet",
    "topological_order",
    "trace",
    "write_page",
]
__all__ += functions.__all__
