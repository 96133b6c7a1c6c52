"""The derivation: the document's, term for term; sums over paths and their count; text, and LaTeX that compiles."""

import ast
import copy
import math
import random
import re
import shutil
import subprocess
from math import fsum, isclose

import pytest

import scalargrad
from scalargrad import Value, derive, functions, topological_order
from scalargrad.explain.derivation import readable
from scalargrad.formulas.notation import text
from scalargrad.formulas.typesetting import Derivative, _pieces
from scalargrad.graph.tracing import trace
from scalargrad.rules import FUNCTIONS, RULES


def labelled(label, value):
    value.label = label
    return value


def network():
    """Network A of the document, line by line; every quantity by its label."""
    numbers = {"x1": 0.5, "x2": 1.0, "y1": 1.0, "y2": 0.0}
    numbers |= {"w1": 0.1, "w2": 0.3, "b1": 0.5, "w3": 0.6, "w4": 0.7, "b2": 1.0}
    numbers |= {"w5": 0.2, "w6": 0.4, "b3": 0.5, "w7": 0.8, "w8": 0.9, "b4": 1.0}
    q = {label: Value(number, label=label) for label, number in numbers.items()}
    for out, first, second, bias, inputs in (
        ("h1", "w1", "w2", "b1", ("x1", "x2")),
        ("h2", "w5", "w6", "b3", ("x1", "x2")),
        ("o1", "w3", "w7", "b2", ("out_h1", "out_h2")),
        ("o2", "w4", "w8", "b4", ("out_h1", "out_h2")),
    ):
        net = q[inputs[0]] * q[first] + q[inputs[1]] * q[second] + q[bias]
        q[f"net_{out}"] = labelled(f"net_{out}", net)
        q[f"out_{out}"] = labelled(f"out_{out}", net.sigmoid())
    for number in "12":
        q[f"E_o{number}"] = labelled(f"E_o{number}", (q[f"y{number}"] - q[f"out_o{number}"]) ** 2 / 2)
    q["E_total"] = labelled("E_total", q["E_o1"] + q["E_o2"])
    return q


def lines_of(derivation):
    return [re.sub(r"\s+", " ", line) for line in joined(derivation.text)]


def joined(text):
    """Undo the line breaks: each sum with its `=` on one line."""
    return re.sub(r"\n +(?=[*+-] )", " ", re.sub(r"\n +(?=\*\S)", "", text)).splitlines()


# --- the document's derivation, term for term -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "output", "last", "tidied", "result"),
    [
        ("w3", "o1", "out_h1", "-(y1 - out_o1)*out_o1*(1 - out_o1)*out_h1", -0.00869356),
        ("w4", "o2", "out_h1", "-(y2 - out_o2)*out_o2*(1 - out_o2)*out_h1", 0.05870176),
        ("b2", "o1", "1", "-(y1 - out_o1)*out_o1*(1 - out_o1)", -0.01240932),
    ],
)
def test_an_output_parameter_has_the_documents_chain(label, output, last, tidied, result):
    q = network()
    derivation = derive(q["E_total"], q[label])
    target = output.replace("o", "y")
    symbols, factors, short, numbers, total = lines_of(derivation)[2:]
    assert symbols == (
        f"dE_total/d{label} = dE_total/dE_{output} * dE_{output}/dout_{output} * dout_{output}/dnet_{output}"
        f" * dnet_{output}/d{label}"
    )
    assert factors == f" = 1 * -({target} - out_{output}) * out_{output}*(1 - out_{output}) * {last}"
    assert short == f" = {tidied}"
    assert isclose(eval(numbers.removeprefix(" = ")), result, abs_tol=5e-9)
    assert round(float(total.removeprefix(" = ")), 8) == result


@pytest.mark.parametrize(
    ("label", "last", "tail", "result"),
    [
        ("w1", "x1", "*x1", 0.00537109),
        ("w2", "x2", "*x2", 0.01074218),
        ("b1", "1", "", 0.01074218),
    ],
)
def test_a_hidden_parameter_has_the_documents_two_paths_and_its_factored_form(label, last, tail, result):
    q = network()
    lines = lines_of(derive(q["E_total"], q[label]))

    def path(output):
        return (
            f"dE_total/dE_{output} * dE_{output}/dout_{output} * dout_{output}/dnet_{output}"
            f" * dnet_{output}/dout_h1 * dout_h1/dnet_h1 * dnet_h1/d{label}"
        )

    def factors(output, target, weight):
        start = f"1 * -({target} - out_{output}) * out_{output}*(1 - out_{output})"
        return f"{start} * {weight} * out_h1*(1 - out_h1) * {last}"

    assert lines[2] == f"dE_total/d{label} = {path('o1')} + {path('o2')}"
    assert lines[3] == f" = {factors('o1', 'y1', 'w3')} + {factors('o2', 'y2', 'w4')}"
    for equation in (
        f"dE_total/d{label} = dE_total/dout_h1 * dout_h1/dnet_h1 * dnet_h1/d{label}",
        "dE_total/dout_h1 = dE_o1/dout_h1 + dE_o2/dout_h1",
        "dE_o1/dout_h1 = dE_o1/dnet_o1 * dnet_o1/dout_h1",
        " = dE_o1/dnet_o1 * w3",
        "dE_o1/dnet_o1 = dE_o1/dout_o1 * dout_o1/dnet_o1",
        " = -(y1 - out_o1) * out_o1*(1 - out_o1)",
        "dE_o2/dout_h1 = dE_o2/dnet_o2 * dnet_o2/dout_h1",
        " = dE_o2/dnet_o2 * w4",
        "dE_o2/dnet_o2 = dE_o2/dout_o2 * dout_o2/dnet_o2",
        " = -(y2 - out_o2) * out_o2*(1 - out_o2)",
        f"dE_total/d{label} = (-(y1 - out_o1)*out_o1*(1 - out_o1)*w3"
        f" - (y2 - out_o2)*out_o2*(1 - out_o2)*w4)*out_h1*(1 - out_h1){tail}",
    ):
        assert equation in lines
    assert round(float(lines[-1].removeprefix(" = ")), 8) == result


def test_the_numbers_of_the_factored_form_are_the_documents_deltas():
    q = network()
    lines = lines_of(derive(q["E_total"], q["w1"]))
    assert lines[lines.index("dE_o1/dnet_o1 = dE_o1/dout_o1 * dout_o1/dnet_o1") + 3] == " = -0.012409319"
    assert lines[lines.index("dE_o2/dnet_o2 = dE_o2/dout_o2 * dout_o2/dnet_o2") + 3] == " = 0.083791774"


def test_every_line_fits_a_terminal():
    q = network()
    for label in q:
        assert max(map(len, derive(q["E_total"], q[label]).text.splitlines())) <= 80, label


# --- every equation is true -------------------------------------------------------------------------------------------


def value_of(expression, known):
    """Work out a formula; each name in it, of a quantity or of a derivative, stands for the number in `known`."""
    if isinstance(expression, ast.Name):
        return known(expression.id)
    put = Numbers(known).visit(copy.deepcopy(expression))
    return eval(compile(ast.fix_missing_locations(ast.Expression(put)), "formula", "eval"), dict(FUNCTIONS))


class Numbers(ast.NodeTransformer):
    def __init__(self, known):
        self.known = known

    def visit_Call(self, node):
        return ast.Call(ast.Name(node.func.id, ast.Load()), [self.visit(part) for part in node.args], [])

    def visit_Name(self, node):
        return ast.Constant(self.known(node.id))


def true_derivatives(root, view):
    """Give the number of any name: from the trace of the node above, and where it is marked from the edge alone."""
    shown = trace(root, view).view
    nodes = {shown.name(node): node for node in shown.order}

    def known(name):
        if not isinstance(name, Derivative):
            return nodes[name].data
        above, below = nodes[name.of], nodes[name.to]
        if not name.mark:
            return trace(above, view).gradients[below]
        edges = [edge.derivative for edge in shown.edges(above) if edge.parent is below]
        return edges[int(name.mark) - 1 if name.mark.isdigit() else 0]

    return known


@pytest.mark.parametrize("view", ["operations", "quantities"])
@pytest.mark.parametrize("seed", range(10))
def test_every_equation_is_true(seed, view):
    root, leaves = random_graph(seed, size=9)
    parts = [node for node in leaves if node in topological_order(root)]
    known = true_derivatives(root, view)
    for wrt in parts:
        for equation in derive(root, wrt, view=view, limit=1000).equations:
            left = known(equation.left.id)
            for terms in equation.sums:
                if "…" in "".join(text(factor) for term in terms for factor in term):
                    continue
                products = [math.prod(value_of(factor, known) for factor in term) for term in terms]
                assert fsum(products) == pytest.approx(left, rel=1e-5, abs=1e-6 * max(map(abs, products)))


def test_every_equation_of_the_worked_example_is_true():
    q = network()
    known = true_derivatives(q["E_total"], "quantities")
    number = 0
    for value in q.values():
        for equation in derive(q["E_total"], value).equations:
            for terms in equation.sums:
                total = fsum(math.prod(value_of(factor, known) for factor in term) for term in terms)
                assert total == pytest.approx(known(equation.left.id), rel=1e-6)
                number += 1
    assert number > 100


# --- what is printed, read back ---------------------------------------------------------------------------------------


def random_quantities(seed):
    """Record labelled quantities that are used again, with negated sums among their derivatives."""
    choose = random.Random(seed)
    made = {name: Value(number, label=name) for name, number in (("x", 0.6), ("w", -0.4))}
    forms = (
        "{}*{}",
        "{} - tan({})",
        "{} - tan({})",
        "{} - tanh({})",
        "{} - {}*{}",
        "tanh({}) - {}/2",
        "-(1 + {}) - {}**2",
        "{} - cos({})",
    )
    forms += ("{}/(2 + {}**2)", "({} - {})**3", "sigmoid({}) - sqrt(2 + {}**2)", "square({}) - 2*{}")
    for name in "pqrstuvzy":
        formula = choose.choice(forms)
        taken = [choose.choice(list(made)[-4:]) for _ in range(formula.count("{}"))]
        made[name] = labelled(name, eval(formula.format(*taken), vars(functions), made))
    return made


def as_python(latex):
    """Turn LaTeX of the derivations back into Python."""
    latex = re.sub(
        r"\\frac\{\\partial (\w)\}\{\\partial (\w)\}(?:\\Big\|_\{\\text\{(\w+)\}\})?",
        lambda match: f" d{match[1]}/d{match[2]}" + (f"|{match[3]} " if match[3] else " "),
        latex,
    )
    for sign, python in ((r"\left", ""), (r"\right", ""), (r"\,", "*"), (r"\cdot", "*"), (r"\sigma", "sigmoid")):
        latex = latex.replace(sign, python)
    before = ""
    while before != latex:  # from the inside out
        before = latex
        latex = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))", latex)
        latex = re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", latex)
        latex = re.sub(r"\^\{([^{}]*)\}", r"**(\1)", latex)
    return latex.replace("\\", "")


def printed_stages(derivation):
    """List what stands on the two sides of every sign of equality, as text and as LaTeX."""
    for block in derivation.text.split("\n\n"):
        left = ""
        for line in joined(block):
            if " = " in line and "means" not in line:
                name, stage = line.split("= ", 1)
                left = name.strip() or left
                yield left, stage
    rows = [re.sub(r" \\\\.*", "", row) for row in derivation.latex.splitlines()[1:-1] if not row.startswith(r"&\text")]
    for name, stage in re.findall(r"^(.*) &= (.*(?:\n&.*)*)", "\n".join(rows), re.MULTILINE):
        left = as_python(name).strip() or left
        yield left, as_python(re.sub(r"\n&\\q?quad ", " ", stage))


def test_a_negated_sum_that_is_a_term_keeps_its_parentheses():
    x = Value(0.5, label="x")
    q = labelled("q", x * x)
    z = labelled("z", q * q)
    derivation = derive(labelled("y", z - q.tan()), x)
    assert "= q + q - (1 + tan(q)*tan(q))" in derivation.text
    assert r"&= q + q - \left(1 + \tan\left(q\right) \, \tan\left(q\right)\right)" in derivation.latex


@pytest.mark.parametrize("seed", range(24))
def test_every_printed_stage_is_true(seed):
    """Of `z - (1 + q)` once `z - 1 + q` was printed, with the right number under it."""
    names = random_quantities(seed)
    root = names["y"]
    order = topological_order(root)
    known = true_derivatives(root, "quantities")

    def number(match):
        return repr(known(Derivative(*match.groups(default="")))).join("()")

    stages = 0
    for wrt in (names["x"], names["w"]):
        for left, stage in printed_stages(derive(root, wrt, lang="en")) if wrt in order else ():
            one, other = (re.sub(r"d(\w)/d(\w)(?:\|(\w+))?", number, side) for side in (left, stage))
            values = {name: node.data for name, node in names.items()}
            assert eval(other, dict(FUNCTIONS), values) == pytest.approx(eval(one), rel=1e-5, abs=1e-6), (left, stage)
            stages += 1
    assert stages > 4 or not {names["x"], names["w"]} & set(order)


# --- sums and counts ------------------------------------------------------------------------------------------------


def random_graph(seed, size=25):
    choose = random.Random(seed)
    nodes = [Value(choose.uniform(0.5, 1.5), label=f"x{number}") for number in range(3)]
    unary = [name for name, rule in RULES.items() if len(rule.operands) == 1 and name not in ("exp", "tan", "log")]
    for number in range(size):
        a, b = choose.choice(nodes[-6:]), choose.choice(nodes[-6:])
        node = choose.choice([lambda a, b: a * b * 0.5, lambda a, b: a + b, lambda a, b: a - 0.3 * b])(a, b)
        if choose.random() < 0.5:
            node = getattr(node * node * 0.1 + 0.2, choose.choice(unary))()
        nodes.append(node)
        if choose.random() < 0.5:
            node.label = f"q{number}"
    root = sum(nodes[-4:-1], nodes[-1])
    root.label = "root"
    return root, nodes[:3]


def count_by_walking(root, wrt):
    return 1 if root is wrt else sum(count_by_walking(parent, wrt) for parent in root.parents)


@pytest.mark.parametrize("seed", range(12))
def test_paths_sum_to_the_gradient_on_random_graphs(seed):
    root, leaves = random_graph(seed, size=10)
    root.backward()
    for leaf in (leaf for leaf in leaves if leaf in topological_order(root)):
        for view in ("operations", "quantities"):
            derivation = derive(root, leaf, view=view, limit=100_000)
            size = fsum(abs(path.product) for path in derivation.paths)
            assert len(derivation.paths) == derivation.count
            assert isclose(derivation.sum, leaf.grad, rel_tol=1e-12, abs_tol=1e-14 * size)
            assert all(
                isclose(path.product, eval("*".join(repr(factor.local) for factor in path.factors)), rel_tol=1e-12)
                for path in derivation.paths
            )


@pytest.mark.parametrize("seed", range(12))
def test_the_count_is_that_of_walking_every_path(seed):
    root, leaves = random_graph(seed, size=10)
    for leaf in (leaf for leaf in leaves if leaf in topological_order(root)):
        assert derive(root, leaf, view="operations").count == count_by_walking(root, leaf)


def test_a_path_is_a_chain_of_edges_from_the_root_to_the_quantity():
    q = network()
    for path in derive(q["E_total"], q["x1"]).paths:
        nodes = [factor.node for factor in path.factors]
        assert nodes[0] is q["E_total"]
        assert path.factors[-1].parent is q["x1"]
        assert [factor.parent for factor in path.factors[:-1]] == nodes[1:]


def diamonds(number, label=""):
    x = node = Value(0.5, label="x")
    for index in range(number):
        node = labelled(f"{label}{index}" if label else "", 0.5 * node + 0.5 * node.sin())
    return labelled("root", node), x


def test_more_paths_than_can_be_listed_are_counted_exactly():
    root, x = diamonds(333)
    derivation = derive(root, x, view="operations")
    assert derivation.count == 2**333  # 1.7e100
    assert len(derivation.paths) == 20
    assert "about 1.7e+100 paths from x to root" in derivation.text
    assert "more paths" in derivation.text
    root.backward()
    assert derivation.sum == x.grad


def test_the_limit_says_how_many_paths_are_left_out():
    q = network()
    derivation = derive(q["E_total"], q["x1"], limit=1)
    assert derivation.count == 4
    assert len(derivation.paths) == 1
    assert "… 3 more paths" in derivation.text
    q["E_total"].backward()
    assert derivation.sum == pytest.approx(q["x1"].grad, rel=1e-15)


def test_the_recursive_form_stays_linear():
    def length(number):
        root, x = diamonds(number)
        return len(derive(root, x, view="operations", limit=1).equations)

    assert length(9) - length(8) == length(8) - length(7)
    assert length(4) < 4 * length(1)
    root, x = diamonds(200)
    assert "more quantities in the same way" in derive(root, x, view="operations").text


def test_a_quantity_that_is_used_many_times_stays_readable():
    w, h = Value(0.5, label="w"), Value(0.1, label="h0")
    for number in range(1, 2001):
        h = (h * w).tanh()
        h.label = f"h{number}"
    derivation = derive(h, w)
    assert len(derivation.text) < 30_000
    assert len(derivation.text.splitlines()) < 800
    assert len(derivation.latex) < 80_000
    assert derivation.text.count("… 1 980 more terms") == 4
    equation = next(block for block in derivation.text.split("\n\n") if "more terms" in block)
    assert equation.splitlines()[-1].split("= ")[-1] == f"{derivation.sum:.8g}"


def test_a_leaf_in_every_other_operation_stays_readable():
    x = y = Value(0.5, label="x")
    for number in range(2000):
        y = y * 1.00001 if number % 2 else y + x
    derivation = derive(y, x, view="operations")
    assert len(derivation.text) < 30_000
    assert len(derivation.text.splitlines()) < 800
    assert "… 981 more terms" in derivation.text


def test_a_sum_of_many_losses_stays_readable():
    w, total = Value(0.5, label="w"), Value(0.0)
    for number in range(200):
        loss = (w * number - 1) ** 2
        loss.label = f"E{number}"
        total = total + loss
    total.label = "E"
    assert len(derive(total, w).text.splitlines()) < 800


def test_a_long_formula_is_cut_at_its_outermost_signs():
    written = " + ".join(f"sin(a{number}*(b + c))" for number in range(3000))
    pieces = _pieces(written, 40)
    assert "".join(pieces) == written
    assert len(pieces) == 3000
    assert pieces[1] == " + sin(a1*(b + c))"


def test_the_brackets_of_a_long_formula_are_counted_as_one_goes_along():
    class Counted(str):
        def count(self, *arguments):
            raise AssertionError("counts from the start at every sign")

    assert _pieces(Counted("a*(b + c) + d*e"), 10) == ["a*(b + c)", " + d*e"]


@pytest.mark.parametrize("view", ["operations", pytest.param("quantities", marks=pytest.mark.thorough)])
def test_a_hundred_thousand_operations_are_answered(view):
    x = node = Value(0.5, label="x")
    for _ in range(50_000):
        node = node * 0.99999 + 1e-6
    derivation = derive(node, x, view=view)
    node.backward()
    assert isclose(derivation.sum, x.grad, rel_tol=1e-12)
    assert len(derivation.text) < 2000
    assert derivation.count == 1


@pytest.mark.parametrize(
    ("count", "written"), [(7, "7"), (1_048_576, "1 048 576"), (10**100, "about 1.0e+100"), (2**333, "about 1.7e+100")]
)
def test_counts_are_readable(count, written):
    assert readable(count) == written


# --- what one may ask -----------------------------------------------------------------------------------------------


def test_a_quantity_that_is_not_in_the_graph_is_named():
    q = network()
    with pytest.raises(ValueError, match=r"'stranger'.*not in the quantities view of the graph of E_total"):
        derive(q["E_total"], Value(1.0, label="stranger"))


def test_an_unlabelled_quantity_needs_the_other_view():
    x = Value(2.0, label="x")
    inner = x * 3
    root = inner.sin()
    with pytest.raises(ValueError, match='label it or use view="operations"'):
        derive(root, inner, view="quantities")
    assert derive(root, inner).sum == pytest.approx(0.960170286650366)  # cos(6)


def test_the_root_with_respect_to_itself_is_1():
    q = network()
    derivation = derive(q["E_total"], q["E_total"])
    assert (derivation.count, derivation.sum) == (1, 1.0)
    assert derivation.text.endswith("dE_total/dE_total = 1")


def test_a_limit_of_no_path_is_refused():
    with pytest.raises(ValueError, match="limit of 1 path or more, got 0"):
        derive(Value(1.0), Value(1.0), limit=0)


def test_a_product_too_large_for_a_float_is_refused():
    x = Value(1e-200, label="x")
    with pytest.raises(OverflowError, match="x is too large for a float"):
        derive(x * 1e200 * 1e200, x, view="operations")


def test_two_edges_to_one_parent_and_a_direct_edge_are_told_apart():
    x = Value(0.5, label="x")
    y = labelled("y", x * x)
    assert "dy/dx = dy/dx|1 + dy/dx|2\n" in derive(y, x, view="operations").text
    z = labelled("z", x * y.sin())
    text = derive(z, x).text
    assert "dz/dx = dz/dx|direct\n      + dz/dy * dy/dx\n" in text
    assert "along this one edge" in text


def test_nothing_in_the_graph_changes():
    q = network()
    derive(q["E_total"], q["w1"]).text  # noqa: B018
    assert all(value.grad == 0 for value in q.values())


# --- LaTeX ------------------------------------------------------------------------------------------------------------


def derivations():
    """Give one of every kind that is written: the source of the LaTeX document, and of the page that was looked at."""
    q = network()
    yield from (derive(q["E_total"], value) for value in q.values())
    yield derive(q["E_total"], q["w1"], view="operations")
    yield derive(q["E_total"], q["x1"], limit=1)
    for name, rule in RULES.items():
        a, b = Value(0.7, label="alpha"), Value(1.3, label="b_1^2")
        y = labelled(f"y_{name}", getattr(a, name)(*[b][: len(rule.operands) - 1]) * 3e-9)
        yield derive(y, a)
    for view in ("operations", "quantities"):
        root, x = diamonds(40, label="z_1^")
        yield derive(root, x, view=view)
        root, leaves = random_graph(5)
        yield derive(root, leaves[2], view=view)
    for label in (
        "a b",
        "w_",
        "50%",
        "#1",
        "a&b",
        "x^y^z",
        "{",
        "}}",
        "\\alpha",
        "~",
        "_x_y_z",
        "δ",
        "out_h1^a_b",
        "$",
        "a\n\nb",
        "\0",
    ):
        x = Value(0.5, label=label)
        yield derive(labelled("y", (x * 2).sin()), x)


def document(latex):
    head = "\\documentclass{article}\n\\usepackage[paperwidth=34cm,paperheight=60cm,margin=1cm]{geometry}\n"
    body = "\n".join(f"\\[{part}\\]" for part in latex)
    return f"{head}\\usepackage{{amsmath}}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"


def compile_latex(source, folder):
    if not (latex := shutil.which("pdflatex")):
        pytest.skip("there is no pdflatex on this machine")
    (folder / "derivations.tex").write_text(source, encoding="utf-8")
    command = [latex, "-interaction=nonstopmode", "-halt-on-error", "derivations.tex"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    assert result.returncode == 0, result.stdout[-1500:]


def test_the_latex_of_every_derivation_compiles(tmp_path):
    compile_latex(document(derivation.latex for derivation in derivations()), tmp_path)
    assert (tmp_path / "derivations.pdf").stat().st_size > 10_000


def test_chinese_labels_stand_in_text_mode(tmp_path):
    """A Chinese character is fine in text mode for whoever has the font; here a letter stands for it."""
    x = Value(0.5, label="输入_1")
    derivation = derive(labelled("误差^2", (x * 2).sin()), x)
    assert r"\frac{\partial \text{误差}^{(2)}}{\partial \text{输入}_{1}}" in derivation.latex
    bare = re.sub(r"\\text\{[^}]*\}", "", derivation.latex)
    assert bare.isascii()
    compile_latex(document([re.sub(r"[\u4e00-\u9fff]", "x", derivation.latex)]), tmp_path)


def test_markdown_is_the_latex_between_dollars():
    q = network()
    derivation = derive(q["E_total"], q["w3"])
    assert derivation.markdown == f"$$\n{derivation.latex}\n$$"
    assert r"\frac{\partial E_{\mathrm{total}}}{\partial w_{3}} &= " in derivation.latex


def test_the_function_is_exported():
    assert scalargrad.derive is derive
