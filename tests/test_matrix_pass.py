"""The equations of both passes in matrices: read back from text and LaTeX they give the numbers beside them."""

import re
import shutil
import subprocess

import pytest
from layer_cases import CASES, NASTY, flat, named

from scalargrad import Value, derive, nn, trace
from scalargrad.formulas.matrix_notation import OfMatrices
from scalargrad.graph.matrix_pass import matrix_pass
from scalargrad.rules import FUNCTIONS, RULES, function_of
from scalargrad.teach.equations import matrix_equations
from scalargrad.teach.examples import two_output
from scalargrad.train.losses import half_squared_error

numpy = pytest.importorskip("numpy")
SMALL = ("worked example", "shared bias", "batch", "recurrence", "attention", "softmax", "one_operation")
DIGITS = 15


class M:
    """A matrix for reading: `@` is the product of matrices, and of a number with one the product entry by entry."""

    def __init__(self, entries):
        self.entries = numpy.atleast_2d(numpy.array(entries, dtype=float))

    def _with(self, other, operate):
        return M(operate(self.entries, other.entries if isinstance(other, M) else other))

    def __add__(self, other):
        return self._with(other, numpy.add)

    def __sub__(self, other):
        return self._with(other, numpy.subtract)

    def __rsub__(self, other):
        return M(other - self.entries)

    def __mul__(self, other):
        return self._with(other, numpy.multiply)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other):
        return self._with(other, numpy.divide)

    def __rtruediv__(self, other):
        return M(other / self.entries)

    def __pow__(self, other):
        return self._with(other, numpy.power)

    def __neg__(self):
        return M(-self.entries)

    def __matmul__(self, other):
        other = other if isinstance(other, M) else M(other)
        if 1 in (self.entries.size, other.entries.size):
            return self * other if self.entries.size == 1 or other.entries.size == 1 else None
        return M(self.entries @ other.entries)

    __rmatmul__ = __mul__

    @property
    def T(self):
        return M(self.entries.T)


def applied(function):
    return lambda *operands: M(numpy.vectorize(function)(*(x.entries if isinstance(x, M) else x for x in operands)))


def derivative(rule):
    slope = function_of(rule, rule.partials[0], ("a", "y"))
    return lambda a: slope(a, FUNCTIONS[rule.name](a))


WORDS = {
    **{name: applied(function) for name, function in FUNCTIONS.items()},
    **{f"{rule.name}_prime": applied(derivative(rule)) for rule in RULES.values() if len(rule.operands) == 1},
    "sum": lambda matrix: M(matrix.entries.sum()),
    "ones": lambda rows, columns=1: M(numpy.ones((rows, columns))),
}


def read(written, names):
    for number, name in enumerate(sorted(names, key=len, reverse=True)):
        written = re.sub(rf"(?<!\w){re.escape(name)}(?![\w(]|\^\()(?!\^\d)", f"m{number}", written)
    written = re.sub(r"\b1_(\d+)x(\d+)", r"ones(\1, \2)", written)
    written = re.sub(r"\b1_(\d+)", r"ones(\1)", written)
    written = written.replace("'(", "_prime(").replace("^T", ".T").replace(" . ", " @ ").replace(" o ", " * ")
    tables = {f"m{number}": M(names[name]) for number, name in enumerate(sorted(names, key=len, reverse=True))}
    return eval(written, {"__builtins__": {}}, {**WORDS, **tables})


def check(found, expected, tolerance=1e-12):
    found = numpy.broadcast_to(found.entries if isinstance(found, M) else found, numpy.shape(expected))
    assert found.tolist() == [pytest.approx(row, rel=tolerance, abs=tolerance) for row in expected]


def equations(case):
    passes = matrix_pass(CASES[case](), digits=DIGITS)
    return passes, [*passes.forward, *passes.backward]


@pytest.mark.parametrize("case", CASES)
def test_every_formula_read_back_from_the_text_gives_the_numbers_of_the_graph(case):
    passes, lines = equations(case)
    notation = OfMatrices(passes.layers.shapes, 17)
    for equation in lines:
        for stage in equation.stages:
            written = notation.sum_of_terms(stage)
            if "arranged(" not in written and "gathered(" not in written:
                check(read(written, passes.layers.tables), equation.result)


def from_latex(row):
    """Turn the LaTeX of a formula of numbers into Python."""
    row = re.sub(
        r"\\begin\{pmatrix\}(?P<rows>.*?)\\end\{pmatrix\}"
        r"|\\mathbf\{1\}_\{(?P<ones>[^}]*)\}|\^\{(?:\\circ )?(?P<power>[\d.]+)\}|(?P<number>\d[\d.]*(?:e-?\d+)?)",
        _number,
        plain(row.replace(r"\left(", "(").replace(r"\right)", ")")),
    )
    while r"\frac" in row:
        row = fraction(row)
    for latex, python in {
        **{r"^{T}": ".T", r"\odot": "*", r"\oslash": "/", r"\sigma": "sigmoid", r"\ln": "log"},
        **{r"\tanh": "tanh", r"\exp": "exp", "'": "_prime", r"\,": "@"},
    }.items():
        row = row.replace(latex, python)
    return re.sub(r"\\operatorname\{(\w+)\}", r"\1", row)


def _number(found):
    if found["rows"]:
        return f"M({[[float(x) for x in line.split('&')] for line in found['rows'].split(chr(92) * 2)]})"
    if found["ones"]:
        return f"ones({found['ones'].replace(chr(92) + 'times', ',')})"
    return f"**{found['power']}" if found["power"] else f"M({found['number']})"


def plain(row):
    return re.sub(r"(-?[\d.]+) \\cdot 10\^\{(-?\d+)\}", r"\1e\2", row)


def fraction(row):
    """Write the first fraction as a quotient."""
    start, parts = row.index(r"\frac"), []
    place = start + len(r"\frac")
    for _ in range(2):
        depth, begin = 0, place
        while True:
            depth += {"{": 1, "}": -1}.get(row[place], 0)
            place += 1
            if not depth:
                break
        parts.append(row[begin + 1 : place - 1])
    return f"{row[:start]}(({parts[0]})/({parts[1]})){row[place:]}"


@pytest.mark.parametrize("case", SMALL)
def test_numbers_put_in_and_read_back_from_latex_give_what_comes_out(case):
    passes, lines = equations(case)
    count = 0
    for equation in lines:
        *_, last = rows = [row.partition("&= ")[2] for row in passes.latex_rows(equation)]
        check(eval(from_latex(last), {**WORDS, "M": M}), equation.result, 1e-14)
        if len(rows) > len(equation.stages) + 1:
            check(eval(from_latex(rows[-2]), {**WORDS, "M": M}), equation.result)
            count += 1
    assert count > 2 or case == "one_operation"


@pytest.mark.parametrize("case", CASES)
def test_the_text_fits_a_terminal_and_says_what_its_signs_mean(case):
    for lang in ("en", "zh"):
        text = matrix_pass(CASES[case](), lang).text
        assert max(map(len, text.splitlines())) <= 80


def test_the_worked_example_in_matrices_gives_the_published_gradients():
    passes = trace(two_output().root, "layers")
    found = {equation.name: equation.result for equation in passes.backward}
    assert found["delta_o"] == [[-0.012409318556507402], [0.08379177401075323]]
    assert found["dE_total/db_h"] == [[0.010742183129835565], [0.01287516032090534]]
    published = [0.00537109, 0.01074218, 0.00643758, 0.01287516]
    assert flat(found["dE_total/dW_h"]) == pytest.approx(published, abs=5e-9)
    assert flat(found["dE_total/dW_o"]) == pytest.approx([-0.00869356, -0.00907194, 0.05870176, 0.0612567], abs=5e-9)
    assert "delta_h = (W_o^T . delta_o) o sigmoid'(net_h)   (2 x 1)" in passes.text
    assert "  dE_total/dW_o = delta_o . out_h^T   (2 x 2)" in passes.text
    assert "[ -0.00869356  -0.00907194 ]" in passes.text


def test_they_are_the_equations_of_the_documents_for_a_network():
    model = nn.MLP(3, [4, 2], activation="tanh", output="sigmoid", seed=2)
    loss = half_squared_error(model([0.1, -0.4, 0.8]), [1, 0])
    found = {equation.name: equation.result for equation in trace(loss, "layers").backward}
    documents = {line.left: line.by_equation for line in matrix_equations(model, loss).lines}
    for ours, theirs in {
        **{"delta_h": "delta(2)", "delta_o": "delta(3)", "dE_total/dW_h": "dE_total/dW(2)"},
        **{"dE_total/dW_o": "dE_total/dW(3)", "dE_total/db_h": "dE_total/db(2)"},
    }.items():
        assert flat(found[ours]) == pytest.approx(flat(documents[theirs]), rel=1e-12)


def test_no_numbers_are_left_out_where_they_are_put_in_and_shared_weights_are_named():
    text = trace(CASES["convolution"](), "layers").text
    assert "relu([" not in text
    assert "k is shared: 9 products use it, and its gradient is their sum." in text
    assert "W1 is shared: 3 products use it" in trace(CASES["recurrence"](), "layers").text


def test_a_derivation_ends_with_the_entry_that_is_asked_for():
    example = two_output()
    w3 = next(node for node in example.parameters if node.label == "w3")
    derivation = derive(example.root, w3, "layers")
    example.root.backward()
    assert derivation.sum == w3.grad
    assert [equation.name for equation in derivation.backward][-1] == "dE_total/dW_o"
    assert derivation.text.endswith("w3 is the entry in row 1, column 1 of W_o.\n  dE_total/dw3 = -0.0086935608")
    assert "net_h" not in derivation.text
    x1 = example.inputs[0]
    assert "dE_total/dx = W_h^T . delta_h" in derive(example.root, x1, "layers").text


def test_an_entry_without_a_label_goes_by_its_place():
    w, x = [[Value(0.1), Value(0.3)], [Value(0.2), Value(0.4)]], [Value(0.5), Value(1.0)]
    outs = [sum(a * b for a, b in zip(row, x)).sigmoid() for row in w]
    text = derive(outs[0] + outs[1], w[0][1], "layers").text
    (at,) = re.findall(r"droot/d(\S+) = \S+$", text)
    assert at == "W1[1,2]"
    assert f"{at} is the entry in row 1, column 2 of W1.\n" in text
    assert "d0.3" not in text


def test_leaves_of_every_name_get_their_gradient_but_inputs_called_x_beside_others():
    k, x, b = [Value(0.5, "k1"), Value(-0.2, "k2")], [Value(float(n), f"x{n}") for n in range(1, 4)], Value(0.1, "b")
    convolved = [(k[0] * x[i] + k[1] * x[i + 1] + b).tanh() for i in range(2)]
    plain = [Value(0.5), Value(0.8)]
    for loss, expected in (
        (convolved[0] + convolved[1], {"droot/dk", "droot/db"}),
        (sum((2 * leaf + 1) ** 3 for leaf in plain), {"droot/dx"}),
        (sum(leaf * leaf for leaf in (Value(0.5, "x1"), Value(0.8, "x2"))), {"droot/dx"}),
    ):
        loss.backward()
        passes = trace(loss, "layers")
        leaves = {equation.name: equation for equation in passes.backward if equation.box.formula is None}
        assert set(leaves) == expected
        for equation in leaves.values():
            assert flat(equation.result) == [node.grad for node in equation.box.members()]


def test_refusals_say_what_to_do():
    example = two_output()
    with pytest.raises(ValueError, match="take a leaf or what has a label"):
        derive(example.root, Value(1.0), "layers")
    example.parameters[0].data = 7.0
    with pytest.raises(ValueError, match="w1 has changed since it was recorded"):
        trace(example.root, "layers")
    x = Value(1e200, "x")
    with pytest.raises(OverflowError):
        trace((x * 1e100) * (Value(1e-200) * 1e100) * 1e100 * 1e100 * 1e-100 * 1e-100, "layers")


def test_a_notebook_shows_tables_and_mathematics():
    bundle = trace(two_output().root, "layers", "zh")._repr_mimebundle_()
    assert "前向传播" in bundle["text/html"]
    assert "<mo>⊙</mo>" in bundle["text/html"]
    assert r"\begin{aligned}" in bundle["text/latex"]


@pytest.mark.thorough
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no LaTeX")
def test_latex_compiles_the_equations_of_every_case(tmp_path):
    parts = [matrix_pass(root).latex for root in [*(make() for make in CASES.values()), *map(named, NASTY)]]
    document = "\n".join(
        [
            r"\documentclass{article}\usepackage{amsmath}\usepackage[a3paper,landscape,margin=1cm]{geometry}",
            r"\allowdisplaybreaks\begin{document}",
            *parts,
            r"\end{document}",
        ]
    )
    (tmp_path / "equations.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "equations.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert not run.returncode, run.stdout[-2000:]
    assert (tmp_path / "equations.pdf").stat().st_size > 10_000
