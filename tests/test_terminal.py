"""Text for a terminal: Chinese labels stand under each other like all others, and no line is wider than 80 columns."""

import pytest

from scalargrad import Value, check_gradients, derive, trace
from scalargrad.explain.reporting import forward_text
from scalargrad.formulas.terminal import WIDTH, columns, padded, paragraph, table
from scalargrad.teach.mistakes import compare


def chinese_neuron():
    weight, x, bias = Value(0.5, "权重"), Value(2.0, "x"), Value(0.1, "偏置")
    net = weight * x + bias
    net.label = "净输入"
    out = net.sigmoid()
    out.label = "输出"
    return out


@pytest.mark.parametrize(("text", "width"), [("", 0), ("w3", 2), ("权重", 4), ("é", 1), ("e\u0301", 1), ("ｗ", 2)])
def test_columns_are_those_of_a_terminal(text, width):
    assert columns(text) == width


def test_the_columns_of_a_table_begin_under_each_other():
    lines = table([("量", "值", ""), ("w", "10", "here"), ("净输入", "2.5", "")], "<>")
    assert lines == ["量       值", "w        10  here", "净输入  2.5"]
    assert padded(["权重", "w"]) == ["权重", "w   "]


def test_the_report_of_a_gradient_check_is_aligned_under_chinese_labels():
    head, *rows, _ = str(check_gradients(chinese_neuron())).splitlines()
    places = {columns(line[: line.index(line.split()[1])]) for line in (head, *rows)}
    assert len(places) == 1


def test_the_table_of_a_mistake_is_aligned_under_chinese_labels():
    lines = [line for line in compare(chinese_neuron(), "before backward").text().splitlines() if "/d" in line]
    ends = {columns(line[: line.index(line.split()[1]) + len(line.split()[1])]) for line in lines}
    assert len(ends) == 1


def test_no_line_of_a_text_with_chinese_labels_is_too_wide():
    terms = [Value(0.1 * n, f"第{n}个很长的输入变量的名字") for n in range(1, 7)]
    y = sum(terms[1:], terms[0]).tanh()
    y.label = "输出"
    texts = [derive(y, terms[0]).text, forward_text(trace(y, "quantities"))]
    assert all(columns(line) <= WIDTH for text in texts for line in text.splitlines())


def test_chinese_text_is_cut_beside_its_characters_and_never_before_a_mark_that_closes():
    text = "上游梯度乘以局部导数（链式法则），再沿着所有路径求和。The sum so far 是到目前为止的和。" * 3
    lines = paragraph(text).splitlines()
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(columns(line) <= WIDTH and line[0] not in "，。）" and line[-1] != "（" for line in lines)
