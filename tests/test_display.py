"""What each result shows in a notebook: tables and formulas that are right also where a viewer strips the tags."""

import re
from html import unescape
from xml.etree import ElementTree

import pytest

from scalargrad import Value, check_gradients, compile, derive, trace
from scalargrad.formulas.mathml import typeset
from scalargrad.formulas.tree import parse
from scalargrad.markup import Markup, table
from scalargrad.programs import native
from scalargrad.teach.equations import four_equations, matrix_equations
from scalargrad.teach.examples import two_output_with_nn
from scalargrad.teach.mistakes import compare
from scalargrad.teach.worksheets import worksheet

_NAMED = re.compile("&(?!amp|lt|gt|quot)[a-z]+;")  # HTML knows more names than XML


@pytest.fixture(scope="module")
def example():
    made = two_output_with_nn()
    made.root.backward()
    return made


def cells(html):
    """Read every table: rows of the text of its cells; tags that a sanitizer does not know are gone."""
    tables = re.findall(r"<table.*?</table>", html, re.DOTALL)
    written = [_NAMED.sub(lambda name: unescape(name[0]), found).replace("<br/>", "\n") for found in tables]
    parsed = map(ElementTree.fromstring, written)
    return [["".join(cell.itertext()) for cell in row] for made in parsed for row in made]


def stripped(written):
    return "".join(ElementTree.fromstring(written).itertext())


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        ("a / (1 + b)", "a/(1+b)"),
        ("pow(out_o1 - 1, n - 1)", "(out_o1−1)^(n−1)"),
        ("sqrt(x) * -0.5", "√(x)·(−0.5)"),
        ("z_1_2 * 1e-07", "z_1,2·(1×10^−7)"),
        ("abs(x) + leaky_relu(x)", "|x|+leaky relu(x)"),
    ],
)
def test_a_formula_reads_right_in_one_line_where_its_tags_are_stripped(formula, line):
    assert stripped(typeset(parse(formula))) == line


def test_labels_are_text_and_never_markup():
    x = Value(2.0, "<b>&x")
    y = x * x
    y.label = "<script>y"
    for html in (derive(y, x).html, trace(y)._repr_html_(), check_gradients(y)._repr_html_()):
        assert "<b>" not in html
        assert "<script>" not in html
        assert any("<b>&x" in cell for row in cells(html) for cell in row)


def test_a_derivation_shows_formulas_and_gives_latex_to_a_printer(example):
    derivation = derive(example.root, example.quantities["w1"])
    bundle = derivation._repr_mimebundle_()
    rows = cells(bundle["text/html"])
    assert rows[0][:2] == ["∂E_total/∂w_1", "="]
    assert rows[0][2] == ("∂E_total/∂E_o1·∂E_o1/∂out_o1·∂out_o1/∂net_o1·∂net_o1/∂out_h1·∂out_h1/∂net_h1·∂net_h1/∂w_1")
    assert rows[1][1] == "+"
    assert rows[-1][2] == "0.0053710916"
    assert bundle["text/latex"] == f"$$\n{derivation.latex}\n$$"
    assert bundle["text/plain"] == derivation.text


def test_a_mark_and_a_sum_on_one_line_are_set():
    x = Value(1.5, "x")
    y = x * x
    y.label = "y"
    root = y + x
    root.label = "E"
    rows = cells(derive(root, x).html)
    assert any("∂E/∂x|_direct" in row[2] for row in rows)
    assert any(row[2] in ("1+3", "3+1") for row in rows)


def test_a_trace_is_a_table_of_both_passes(example):
    record = trace(example.root, "quantities")
    rows = cells(record._repr_html_())
    assert ["net_h1", "x_1·w_1+x_2·w_2+b_1", "0.85"] in rows
    last = [row for row in rows if row[1:3] == ["∂E_total/∂out_h1", "net_o1"]]
    assert [row[3:] for row in last] == [["-0.0124093", "0.6", "-0.00744559", "0.0512087", "complete"]]
    assert sum(row[-1] == "waits for more" for row in rows) == 4
    assert len(rows) == 2 + len(record.forward) + len(record.backward)
    chinese = cells(trace(example.root, "quantities", lang="zh")._repr_html_())
    assert [row[:4] for row in chinese if row[0] in ("量", "步")] == [
        ["量", "公式", "值"],
        ["步", "梯度", "经由", "上游梯度"],
    ]
    assert {row[-1] for row in chinese if len(row) == 8} == {"", "已累加完", "尚未累加完"}
    assert [len(row) for row in chinese] == [len(row) for row in rows]
    assert repr(record) == "<trace of E_total: 27 values forward, 30 contributions backward>"


def test_a_gradient_check_and_a_mistake_are_tables_and_readable_text(example):
    report = check_gradients(example.root)
    assert cells(report._repr_html_())[0] == ["quantity", "analytic", "numeric", "relative", "step", ""]
    assert "26 of 26 gradients agree" in report._repr_html_()
    assert repr(report) == str(report)
    comparison = compare(example.root, "recursion")
    assert ["dE_total/dout_h1", "0.051209", "0.051209", ""] in cells(comparison._repr_html_())
    assert repr(comparison) == comparison.text()
    assert "&lt;- here they part" in comparison._repr_html_()


def test_equations_are_typeset_with_both_results(example):
    four = cells(four_equations(example.network, example.root)._repr_html_())
    assert four[1][0] == "δ_o1=∂E_total/∂out_o1·sigmoid′(net_o1)"
    assert [cell.strip() for cell in next(row for row in four if row[0].startswith("δ_h1="))[:3]] == [
        "δ_h1=(w_3·δ_o1+w_4·δ_o2)·sigmoid′(net_h1)",
        "0.010742183",
        "0.010742183",
    ]
    matrices = matrix_equations(example.network, example.root)
    written = [row[0] for row in cells(matrices._repr_html_())]
    assert "δ(2)=W(3)T·δ(3)⊙sigmoid′(net(2))\n2x1 = (2x2)^T . 2x1 o 2x1" in written
    assert "∂E_total/∂W(2)=δ(2)·out(1)T\n2x2 = 2x1 . (2x1)^T" in written
    assert repr(matrices) == str(matrices)


def test_a_long_table_says_how_much_it_leaves_out():
    html = table(("n",), [(str(number),) for number in range(1000)])
    assert len(cells(html)) == 201
    assert "<p>… 800 more rows</p>" in html


def test_a_table_shows_text_as_it_is():
    assert cells(table(("a<b",), [("x\ny",), (Markup("<i>z</i>"),)])) == [["a<b"], ["x\ny"], ["z"]]


@pytest.mark.parametrize("target", ["python", "numpy", "c"])
def test_a_program_shows_its_source_as_code(target):
    x, w = Value(2.0, "x"), Value(3.0, "w")
    if target == "c" and not next(native.compilers(), None):
        pytest.skip("there is no C compiler")
    if target == "numpy":
        pytest.importorskip("numpy")
    program = compile(w * x, [x], [w], target)
    language, *lines, end = program._repr_markdown_().splitlines()
    assert language == ("```c" if target == "c" else "```python")
    assert "\n".join(lines).strip() == program.source.strip()
    assert end == "```"


@pytest.mark.parametrize(("lang", "right", "missing"), [("en", "right", "missing"), ("zh", "正确", "没有填写")])
def test_a_worksheet_and_its_marking_are_tables(example, lang, right, missing):
    sheet = worksheet(example.root, blanks=("gradients",), lang=lang)
    rows = cells(sheet._repr_html_())
    assert len(rows) == len({line.kind for line in sheet.lines}) + len(sheet.lines)
    assert ["(1)", "∂Etotal/∂Eo2", "________"] in rows
    assert repr(sheet).startswith(f"<{sheet.title}: 22 blanks")
    marking = sheet.check("\n".join(sheet.answers.splitlines()[:-1]))
    rows = cells(marking._repr_html_())
    assert [row[-1] for row in rows[1:]] == [right] * 21 + [missing]
    assert repr(marking) == str(marking)
