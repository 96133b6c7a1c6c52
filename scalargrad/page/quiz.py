"""What the page's quiz knows of slips, as plain data: the tables that the worksheets read, and the slips of one graph.

Reads the slips. A formula is a tree of lists, `["*", "n3", ["sigmoid", "n4"]]`; the page works it out.
"""

from __future__ import annotations

import ast
from typing import Any, TypeAlias

from ..formulas.tree import Expression, parse
from ..graph.views import View, view_of
from ..messages import catalogue
from ..teach import slips
from ..teach.mistakes import MISTAKES
from .data import Graph
from .forms import Forms

Tree: TypeAlias = "str | float | list[Any]"

_LARGEST = 200  # nodes; the slips of a larger graph would be most of its page

_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def tables() -> dict[str, Any]:
    """Give the slips with a contribution and with an update, which are the same for every graph."""
    rows = {"several": slips.SEVERAL, "gradient": slips.GRADIENT, "update": slips.UPDATE}
    return {
        **{name: [[key, tree(parse(text))] for key, text in table] for name, table in rows.items()},
        "wrongLocal": tree(parse(slips.WITH_WRONG_LOCAL)),
        "otherGradient": tree(parse(slips.OTHER_GRADIENT[1])),
    }


def describe(graph: Graph) -> dict[str, Any]:
    """Give the slips with the formulas of a graph, by view and node, each as the number of a form and its names.

    Of a large graph there are none: there the quiz knows the slips with a contribution and with an update.
    """
    if len(graph.nodes) > _LARGEST:
        return {}
    forms = Forms(r'"n(\d+)"')
    views = {name: _of_view(graph, view_of(graph.root, name), forms) for name in ("operations", "quantities")}
    return {"forms": forms.told, **views}


def slips_elsewhere(described: dict[str, Any]) -> set[str]:
    """Name the sentences on slips that cannot be made in a graph, by what `describe` gives for it."""
    own = {key for form in described.get("forms", ()) for key, _ in form}
    everywhere = {key for key, _ in (*slips.SEVERAL, *slips.GRADIENT, *slips.UPDATE, slips.OTHER_GRADIENT)}
    return sentences("en").keys() - {f"slip.{key}" for key in own | everywhere | MISTAKES.keys()}


def _of_view(graph: Graph, view: View, forms: Forms) -> dict[str, Any]:
    workings = slips.Workings(view, graph.parameters)
    numbered = [(graph.nodes[node].number, node) for node in view.order if node.parents]
    return {
        "values": {number: forms.of(_slips(workings.value(node))) for number, node in numbered},
        "locals": {
            number: [forms.of(_slips(working)) for working in workings.derivatives(node)] for number, node in numbered
        },
    }


def sentences(lang: str) -> dict[str, str]:
    """Give what is said of each slip and of each mistake."""
    keys = [key for key in (*catalogue("slips", lang), *MISTAKES) if not key.endswith(".why")]
    return {f"slip.{key}": "{}: {}".format(*slips.told(key, lang)) for key in keys}


def _slips(working: slips.Formula | None) -> list[list[Any]]:
    return [[slip.key, tree(slip.working)] for slip in working.slips] if working else []


def tree(expression: Expression) -> Tree:
    """Write a formula as a tree of lists.

    >>> tree(parse("total - 2 * this"))
    ['-', 'total', ['*', 2, 'this']]
    """
    match expression:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return ["-", tree(operand)]
        case ast.BinOp(left=left, op=op, right=right):
            return [_SIGNS[type(op)], tree(left), tree(right)]
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return [name, *map(tree, arguments)]
    raise ValueError(f"quiz: cannot write {ast.unparse(expression)!r}")
