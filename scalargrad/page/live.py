"""Write the page in which a class types its own formulas: recorded, laid out and explained in the browser alone.

Reads the rules and the formulas, which it hands to the page's own reader of typed text as data.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from ..explain.typed import record_expression
from ..formulas import javascript, mathml, tree
from ..formulas.javascript import as_data
from ..recording import Number, as_float
from ..rules import POWERS, RULES, Rule
from . import bundle, quiz
from .writing import Page, settings_of

# What is at hand to begin with: the sentences `shelf.*` say what each is.
SHELF: dict[str, tuple[str, dict[str, float]]] = {
    "neuron": (
        "z = w*x + b\ny = sigmoid(z)\nE = (t - y)**2 / 2",
        {"w": 0.6, "x": 1.5, "b": 0.9, "t": 0.0},
    ),
    "two_output": (
        "net_h1 = x1*w1 + x2*w2 + b1\nnet_h2 = x1*w5 + x2*w6 + b3\n"
        "out_h1 = sigmoid(net_h1)\nout_h2 = sigmoid(net_h2)\n"
        "net_o1 = out_h1*w3 + out_h2*w7 + b2\nnet_o2 = out_h1*w4 + out_h2*w8 + b4\n"
        "out_o1 = sigmoid(net_o1)\nout_o2 = sigmoid(net_o2)\n"
        "E_o1 = 1/2*(y1 - out_o1)**2\nE_o2 = 1/2*(y2 - out_o2)**2\nE_total = E_o1 + E_o2",
        {
            **{"x1": 0.5, "x2": 1.0, "y1": 1.0, "y2": 0.0, "b1": 0.5, "b2": 1.0, "b3": 0.5, "b4": 1.0},
            **{"w1": 0.1, "w2": 0.3, "w3": 0.6, "w4": 0.7, "w5": 0.2, "w6": 0.4, "w7": 0.8, "w8": 0.9},
        },
    ),
    "shared_bias": (
        "net_h1 = x1*w1 + x2*w2 + b1\nout_h1 = sigmoid(net_h1)\n"
        "net_o1 = out_h1*w3 + b2\nnet_o2 = out_h1*w4 + b2\n"
        "out_o1 = sigmoid(net_o1)\nout_o2 = sigmoid(net_o2)\n"
        "E_o1 = 1/2*(y1 - out_o1)**2\nE_o2 = 1/2*(y2 - out_o2)**2\nE_total = E_o1 + E_o2",
        {
            **{"x1": 0.5, "x2": 1.0, "y1": 1.0, "y2": 0.0},
            **{"w1": 0.1, "w2": 0.3, "w3": 0.6, "w4": 0.7, "b1": 0.5, "b2": 1.0},
        },
    ),
    "softmax": (
        "z1 = w1*x + b1\nz2 = w2*x + b2\nz3 = w3*x + b3\ns = exp(z1) + exp(z2) + exp(z3)\np1 = exp(z1)/s\nE = -log(p1)",
        {"x": 1.0, "w1": 0.5, "w2": -0.3, "w3": 0.8, "b1": 0.1, "b2": 0.2, "b3": -0.1},
    ),
    "shared_weight": (
        "h = tanh(w*x)\no = tanh(w*h)\nE = (t - o)**2 / 2",
        {"w": 0.7, "x": 1.2, "t": 1.0},
    ),
    "square": ("y = x*x + x", {"x": 2.0}),
}


def playground(
    formula: str = "",
    numbers: Mapping[str, Number] | None = None,
    *,
    title: str = "",
    learning_rate: float = 1.0,
    lang: str = "en",
    digits: int = 6,
    height: int = 720,
) -> Page:
    """Make the page in which formulas are typed; it opens with `formula`, or with the first of its own examples.

    Raises ValueError for a text that is no formula and for arguments as `page` does.
    """
    if not formula:
        formula, numbers = SHELF["neuron"]
    given = {name: as_float(number) for name, number in (numbers or {}).items()}
    root = record_expression(formula, given).root  # what the page would refuse at its start is refused here
    rules_source, positions = javascript.module(all_rows().values())
    source = bundle.page(
        program=bundle.script(
            "playground", {"rules": rules_source, "rows": rows_module(positions), "dagre": bundle.layout_module()}
        ),
        data={
            **settings_of(title, learning_rate, lang, digits),
            "view": "",
            "live": True,
            "formula": formula,
            "numbers": [list(pair) for pair in given.items()],
            "shelf": [
                {"key": key, "formula": text, "numbers": [list(pair) for pair in numbers.items()]}
                for key, (text, numbers) in SHELF.items()
            ],
        },
    )
    return Page(source, height, root, lang)


def all_rows() -> dict[str, Rule]:
    """Give every row under a name of its own: those of a power with a plain number are `pow.a` and `pow.b`."""
    return RULES | {f"pow.{operand}": rule for operand, rule in POWERS.items()}


def rows_module(positions: Mapping[Rule, int]) -> str:
    """Write the rows once more, as formulas in symbols; of a local derivative one for each of its branches."""
    rows = {
        name: {
            "row": positions[rule],
            "symbol": rule.symbol or rule.name,
            "word": mathml.word(rule.name),
            "value": quiz.tree(tree.value_formula(rule)),
            "partials": [list(map(quiz.tree, _branches(tree.parse(partial)))) for partial in rule.partials],
        }
        for name, rule in all_rows().items()
    }
    return (
        "// The rows of the rule table as formulas in symbols, written by Python.\n\n"
        f"export const ROWS = {as_data(rows)};\n\nexport const FUNCTIONS = {as_data(list(RULES))};\n\n"
        f"export const GREEK = {as_data(mathml.GREEK)};\n"
    )


def _branches(expression: tree.Expression) -> list[tree.Expression]:
    if isinstance(expression, ast.IfExp):
        return [expression.body, *_branches(expression.orelse)]
    return [expression]
