"""Formulas typed as text: Python itself gives the same numbers, and all else is refused on one line."""

import math
import re
import time

import pytest
from typed_cases import FORMULAS, MARKED, NO_FORMULAS, NUMBERS

from scalargrad import Value
from scalargrad.explain.typed import read_numbers, record_expression
from scalargrad.rules import RULES, Rule

FUNCTIONS = {
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "pow")},
    "abs": abs,
    "maximum": max,
    "minimum": min,
}


def record(text, **numbers):
    words = re.findall(r"\w+", text)
    return record_expression(text, {name: number for name, number in (numbers or NUMBERS).items() if name in words})


@pytest.mark.parametrize("text", FORMULAS)
def test_the_value_is_that_of_python(text):
    assert record(text).root.data == pytest.approx(eval(text, {**FUNCTIONS, **NUMBERS}), rel=1e-15)


def test_the_neuron_of_the_class():
    root, names = record("z = w*x + b; y = sigmoid(z); E = (y - t)**2 / 2")
    z = 0.6 * 1.5 + 0.9
    y = 1 / (1 + math.exp(-z))
    assert names["z"].data == z
    assert names["y"].data == pytest.approx(y, rel=1e-15)
    assert root is names["E"]
    assert root.data == pytest.approx(y**2 / 2, rel=1e-15)
    assert {name: node.label for name, node in names.items()} == {name: name for name in "wxbtzyE"}
    root.backward()
    assert names["w"].grad == pytest.approx(y * y * (1 - y) * 1.5, rel=1e-14)


def test_a_name_is_one_node_wherever_it_stands():
    root, names = record("z = w*w; y = z*z")
    assert names["z"].parents == (names["w"], names["w"])
    assert root.parents == (names["z"], names["z"])


def test_numbers_among_themselves_are_worked_out_at_once():
    root, _ = record("2*3*w")
    assert [parent.data for parent in root.parents] == [6.0, 0.6]
    assert root.parents[0].parents == ()


def test_lines_part_statements_and_brackets_hold_lines_together():
    assert record("z = (w +\n  x)\n\ny = z*2\n").root.data == pytest.approx(4.2)


def test_another_name_for_a_quantity_keeps_its_label():
    _, names = record("p = w; y = p*x")
    assert names["p"] is names["w"]
    assert names["w"].label == "w"


def test_a_name_for_a_number_is_a_leaf():
    _, names = record("c = 2*3; y = c*w")
    assert (names["c"].data, names["c"].parents, names["c"].label) == (6.0, (), "c")


def test_a_chinese_name_is_a_name():
    root, _ = record_expression("损失 = (权重*x)**2", {"权重": 2, "x": 3})
    assert (root.data, root.label) == (36, "损失")


def test_a_sum_as_long_as_the_text_may_be_is_read():
    assert record("+".join(["w"] * 5000), w=1.0).root.data == 5000


@pytest.mark.parametrize("text", NO_FORMULAS)
def test_what_is_no_formula_is_refused_on_one_line_and_at_once(text):
    started = time.process_time()
    with pytest.raises(ValueError, match=r"^expression: ") as refused:
        record_expression(text, {"w": 0.6} if "w" in text else {})
    message = str(refused.value)
    assert message.isprintable()
    assert len(message) < 400
    message.encode()
    assert time.process_time() - started < 1


@pytest.mark.parametrize(("text", "parts"), MARKED)
def test_the_message_marks_the_place_and_says_what_to_do(text, parts):
    with pytest.raises(ValueError, match="expression: ") as refused:
        record_expression(text, {"w": 0.6})
    for part in parts:
        assert part in str(refused.value)


def test_a_number_that_no_formula_needs_is_named():
    with pytest.raises(ValueError, match="q does not stand in the text"):
        record_expression("w*2", {"w": 1, "q": 2})


def test_numbers_that_are_none_are_refused():
    with pytest.raises(ValueError, match="finite"):
        record_expression("w*2", {"w": math.inf})
    with pytest.raises(TypeError, match="real number"):
        record_expression("w*2", {"w": "1"})


def test_numbers_of_a_command_line():
    assert read_numbers(["w=0.6", " x = -1e3 ", "b1=+.5", "权重=2"]) == {"w": 0.6, "x": -1000, "b1": 0.5, "权重": 2}


@pytest.mark.parametrize(
    "argument", ["w", "w=", "=1", "w=x", "w=1,5", "w=nan", "w=inf", "1=2", "w=1=2", "w=0x1", "a b=1"]
)
def test_arguments_that_are_no_name_and_number_are_refused(argument):
    with pytest.raises(ValueError, match=r"needs name=number, as in w=0\.6"):
        read_numbers([argument])


def test_a_name_given_twice_is_refused():
    with pytest.raises(ValueError, match="w is given twice"):
        read_numbers(["w=1", "w=2"])


def test_the_leaves_are_values_of_their_own():
    numbers = {"w": 1.0}
    first, second = record_expression("w*1", numbers), record_expression("w*1", numbers)
    assert isinstance(first.names["w"], Value)
    assert first.names["w"] is not second.names["w"]


def test_a_new_row_of_the_table_needs_no_function_beside_it(monkeypatch):
    monkeypatch.setitem(RULES, "squared", Rule("squared", "a * a", ("2 * a",)))
    recorded = record("y = squared(x) + squared(3)", x=2.0)
    assert recorded.root.data == 13.0
