"""Formulas: tidied as a person would and never changed in value; the text is Python, the LaTeX as one expects it."""

import ast
import math
import random
import re

import pytest

from scalargrad.formulas.latex import latex
from scalargrad.formulas.notation import text
from scalargrad.formulas.tidying import tidy
from scalargrad.formulas.tree import name, number, parse, product, size, substitute, sum_of, value_formula
from scalargrad.rules import FUNCTIONS, RULES

# --- tidying ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1 * x", "x"),
        ("x * 1 * w", "x*w"),
        ("-1 * x", "-x"),
        ("x + -y", "x - y"),
        ("x - -y", "x + y"),
        ("0 * x + y", "y"),
        ("x + 0", "x"),
        ("--x", "x"),
        ("-x * -y", "x*y"),
        ("a * 2 * b * 3", "6*a*b"),
        ("0.5 * (2 * (y1 - out_o1)) * -1", "-(y1 - out_o1)"),
        ("0.5 * (2 * pow(y1 - out_o1, 2 - 1)) * -1", "-(y1 - out_o1)"),
        ("pow(x, 1)", "x"),
        ("pow(x, 0)", "1"),
        ("pow(x, 2 - 1)", "x"),
        ("x / 1", "x"),
        ("x / 2", "x/2"),
        ("2 * x / 4", "0.5*x"),
        ("-x / y", "-(x/y)"),
        ("0 / x", "0"),
        ("1 / 4", "0.25"),
        ("a - (b - c)", "a - (b - c)"),
        ("w * (out * (1 - out))", "w*out*(1 - out)"),
        ("sigmoid(1 * x)", "sigmoid(x)"),
        ("2 - 3", "-1"),
    ],
)
def test_tidying(before, after):
    written = text(tidy(parse(before)))
    assert written == after or ast.dump(tidy(parse(before))) == ast.dump(parse(after)), written


def random_expression(choose, depth=4):
    if depth == 0 or choose.random() < 0.15:
        return choose.choice(["x", "y", "z", "0", "1", "2", "0.5", "3"])
    left, right = random_expression(choose, depth - 1), random_expression(choose, depth - 1)
    kind = choose.choice(["+", "-", "*", "*", "/", "minus", "call", "pow"])
    if kind == "minus":
        return f"-({left})"
    if kind == "call":
        return f"sin({left})"
    if kind == "pow":
        return f"pow({left}, {choose.choice(['0', '1', '2', '3', '2 - 1'])})"
    return f"({left}) {kind} ({right})"


def value_of(source, names):
    try:
        return eval(source, dict(FUNCTIONS), names)
    except ZeroDivisionError:
        return None


@pytest.mark.parametrize("seed", range(300))
def test_tidying_and_writing_keep_the_value(seed):
    choose = random.Random(seed)
    source = random_expression(choose)
    names = {"x": 1.7, "y": -0.6, "z": 0.3}
    before = value_of(source, names)
    if before is None:
        return
    expression = parse(source)
    assert value_of(text(expression), names) == pytest.approx(before, rel=1e-9, abs=1e-9)
    tidied = tidy(expression)
    assert value_of(text(tidied), names) == pytest.approx(before, rel=1e-9, abs=1e-9), text(tidied)
    assert text(tidy(tidied)) == text(tidied)
    assert size(tidied) <= size(expression)
    for ugly in (r"[-+] -", r"(?<![\w.])1\*(?!\*)", "--"):
        assert not re.search(ugly, text(tidied)), text(tidied)


# --- putting names in -----------------------------------------------------------------------------------------------


def test_names_are_put_in_all_at_once():
    swapped = substitute(parse("a - b"), {"a": name("b"), "b": name("a")}, {})
    assert text(swapped) == "b - a"


def test_a_condition_gives_way_to_the_branch_that_holds():
    formula = parse(RULES["abs"].partials[0])
    assert [text(substitute(formula, {}, {"a": a})) for a in (2.0, -2.0, 0.0)] == ["1", "-1", "0"]


def test_a_parsed_formula_is_never_changed():
    before = ast.dump(parse("y * (1 - y)"))
    tidy(substitute(parse("y * (1 - y)"), {"y": name("out")}, {"y": 0.5}))
    assert ast.dump(parse("y * (1 - y)")) == before


@pytest.mark.parametrize("operation", RULES)
def test_every_row_can_be_written_with_names_in_both_notations(operation):
    rule = RULES[operation]
    names = {"a": name("net_h1"), "b": name("w1"), "y": name("out_h1")}
    numbers = {"a": 0.7, "b": 1.3, "y": 0.5}
    for part in (value_formula(rule), *(parse(partial) for partial in rule.partials)):
        written = tidy(substitute(part, names, numbers))
        assert "if" not in text(written)
        assert latex(written).count("{") == latex(written).count("}")


@pytest.mark.parametrize(
    ("operation", "written"),
    [("add", "a + b"), ("neg", "-a"), ("div", "a/b"), ("pow", "a**b"), ("sigmoid", "sigmoid(a)"), ("relu", "relu(a)")],
)
def test_the_formula_of_a_value_is_what_one_writes(operation, written):
    assert text(value_formula(RULES[operation])) == written


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "a - (b + c)",
        "a - b + c",
        "(a + b)*c",
        "a/(b*c)",
        "a/b*c",
        "a*(b/c)",
        "(-a)**2",
        "-(a**2)",
        "(a*b)**2",
        "a**(b + 1)",
        "-(a + b)",
        "exp(-a)",
        "(a**b)**c",
    ],
)
def test_parentheses_stand_where_python_needs_them(written):
    expression = parse(written.replace("**", "@"))  # a power is a call in formulas
    names = {"a": 1.3, "b": 0.7, "c": 2.2}
    as_calls = _Powers().visit(expression)
    assert value_of(text(as_calls), names) == pytest.approx(value_of(written, names), rel=1e-12)


class _Powers(ast.NodeTransformer):
    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.MatMult):
            return ast.Call(ast.Name("pow"), [node.left, node.right], [])
        return node


def test_numbers():
    assert [text(number(value)) for value in (2.0, -0.5, 1e-9, 1 / 3)] == ["2", "-0.5", "1e-09", "0.333333333333"]
    assert latex(number(2.5e-9)) == r"2.5 \cdot 10^{-9}"
    assert latex(number(-3.0)) == "-3"


def test_what_is_no_formula_is_refused():
    with pytest.raises(ValueError, match="formula: cannot write 'a @ b'"):
        text(parse("a @ b"))


# --- LaTeX ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("w3", "w_{3}"),
        ("w_3", "w_{3}"),
        ("x", "x"),
        ("out_o1", r"\mathrm{out}_{o1}"),
        ("E_total", r"E_{\mathrm{total}}"),
        ("net_h1^2", r"\mathrm{net}_{h1}^{(2)}"),
        ("z_1^2", "z_{1}^{(2)}"),
        ("w_12^3", "w_{12}^{(3)}"),
        ("w_1_12^2", "w_{1,12}^{(2)}"),
        ("eta", r"\eta"),
        ("δ_1", r"\delta_{1}"),
        ("delta_o1", r"\delta_{o1}"),
        ("权重_1", r"\text{权重}_{1}"),
        ("a b", r"\text{a b}"),
        ("50%", r"\text{50\%}"),
        ("x^y^z", r"\text{x\textasciicircum{}y\textasciicircum{}z}"),
        (r"\alpha", r"\text{\textbackslash{}alpha}"),
    ],
)
def test_labels(label, written):
    assert latex(name(label)) == written


@pytest.mark.parametrize(
    ("formula", "written"),
    [
        ("a * (1 - a)", r"a \, \left(1 - a\right)"),
        ("(a + b) / (a * b)", r"\frac{a + b}{a \, b}"),
        ("pow(a, b - 1)", "a^{b - 1}"),
        ("pow(a + b, 2)", r"\left(a + b\right)^{2}"),
        ("pow(pow(a, b), 2)", r"\left(a^{b}\right)^{2}"),
        ("sqrt(a)", r"\sqrt{a}"),
        ("abs(a)", r"\left| a \right|"),
        ("log(a)", r"\ln\left(a\right)"),
        ("sigmoid(a)", r"\sigma\left(a\right)"),
        ("leaky_relu(a)", r"\operatorname{leaky relu}\left(a\right)"),
        ("maximum(a, b)", r"\max\left(a, b\right)"),
    ],
)
def test_latex(formula, written):
    assert latex(parse(formula)) == written


def test_a_label_with_a_superscript_can_be_raised_to_a_power():
    """TeX refuses a second exponent on one symbol."""
    z = name("z_1^2")
    assert latex(ast.Call(ast.Name("pow"), [z, number(2.0)], [])) == r"\left(z_{1}^{(2)}\right)^{2}"
    assert latex(ast.Call(ast.Name("pow"), [number(2e-9), z], [])) == r"\left(2 \cdot 10^{-9}\right)^{z_{1}^{(2)}}"


def test_products_and_sums_stand_as_they_are():
    assert text(sum_of(product(number(1.0), name("x")), number(-0.5))) == "1*x + (-0.5)"
    assert math.isclose(eval("1*3.0 + (-0.5)"), 2.5)
