"""The text of both passes and of an explanation: the published numbers, sound arithmetic, 80 columns."""

import re

import pytest

from scalargrad import Value, sigmoid, trace
from scalargrad.explain.explaining import explain, explain_graph
from scalargrad.explain.reporting import backward_text, forward_text, local_text, number_text
from scalargrad.teach.examples import shared_bias, two_output

NEURON = "z = w*x + b; y = sigmoid(z); E = (y - t)**2 / 2"
NUMBERS = {"w": 0.6, "x": 1.5, "b": 0.9, "t": 0}
PRODUCT = re.compile(r"via (\S+) +(\S+) +x +(\S+) += +(\S+)")


def normal(text):
    """Leave out what only sets the columns."""
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        (0.6, 6, "0.6"),
        (0.1 + 0.2, 6, "0.3"),
        (0.1 + 0.2, 17, "0.30000000000000004"),
        (2 / 3, 4, "0.6667"),
        (0.00704002, 6, "0.007040"),
        (-0.00869356, 8, "-0.00869356"),
        (0.0000012345, 6, "1.2345e-06"),
        (0.00000123456, 6, "1.2346e-06"),
        (5e-324, 3, "4.9e-324"),
        (123456.789, 2, "123456.79"),
        (1.5e300, 4, "1.5e+300"),
        (10, 3, "10"),
        (0, 3, "0"),
        (-0.0, 3, "0"),
        (0.9996, 3, "1.000"),
    ],
)
def test_a_number_is_short_where_it_is_exact_and_rounded_where_it_is_not(value, decimals, written):
    assert number_text(value, decimals) == written


@pytest.mark.parametrize("decimals", [0, 18, -1])
def test_decimals_out_of_range_are_refused(decimals):
    with pytest.raises(ValueError, match="from 1 to 17"):
        number_text(0.5, decimals)


def test_the_forward_pass_of_the_worked_example():
    lines = normal(forward_text(trace(two_output().root, "quantities")))
    assert "net_h1 = x1*w1 + x2*w2 + b1 = 0.5*0.1 + 1*0.3 + 0.5 = 0.85" in lines
    assert "out_h1 = sigmoid(net_h1) = sigmoid(0.85) = 0.700567" in lines
    assert "E_total = E_o1 + E_o2 = 0.007040 + 0.400973 = 0.408013" in lines


def test_the_local_derivatives_of_the_worked_example():
    lines = normal(local_text(trace(two_output().root, "quantities")))
    assert "dnet_o1/dw3 = out_h1 = 0.700567" in lines
    assert "dout_o1/dnet_o1 = out_o1*(1 - out_o1) = 0.881341*(1 - 0.881341) = 0.104579" in lines
    assert "dE_o1/dout_o1 = -(y1 - out_o1) = -(1 - 0.881341) = -0.118659" in lines


def test_the_backward_pass_of_the_worked_example():
    lines = normal(backward_text(trace(two_output().root, "quantities"), 8))
    start = lines.index("dE_total/dout_h1: via net_o2 0.08379177 x 0.7 = 0.05865424")
    assert lines[start + 1] == "via net_o1 -0.01240932 x 0.6 = -0.00744559"
    assert lines[start + 2] == "sum 0.05120865"
    for published in ("= -0.00869356", "= 0.05870176", "= -0.01240932", "= 0.00537109", "= 0.01074218", "= 0.06125670"):
        assert any(line.endswith(published) for line in lines), published


@pytest.mark.parametrize("view", ["quantities", "operations"])
@pytest.mark.parametrize("build", [two_output, shared_bias])
def test_every_line_of_the_backward_pass_is_sound_arithmetic(build, view):
    passes = trace(build().root, view)
    text = backward_text(passes, 10)
    found = [PRODUCT.search(line) for line in text.splitlines()]
    products = [match for match in found if match]
    labelled = [step for step in passes.backward if step.parent.parents or step.parent.label]
    assert len(products) == len(labelled)
    for match in products:
        upstream, local, contribution = map(float, match.groups()[1:4])
        assert upstream * local == pytest.approx(contribution, rel=1e-6, abs=2e-10)


def test_an_upstream_stands_above_where_it_is_used():
    text = backward_text(trace(two_output().root, "quantities"))
    lines = text.splitlines()
    at = {line.split(":")[0].strip(): number for number, line in enumerate(lines) if ":" in line}
    for number, line in enumerate(lines):
        if match := PRODUCT.search(line):
            upstream = f"dE_total/d{match[1]}"
            assert upstream == "dE_total/dE_total" or at[upstream] < number


def test_running_sums_where_paths_meet():
    x = Value(3.0, "x")
    y = x * x + x
    assert normal(backward_text(trace(y)))[-3:] == [
        "dv2/dx: via v2 1 x 1 = 1",
        "via v1 1 x 3 = 3 sum 4",
        "via v1 1 x 3 = 3 sum 7",
    ]


@pytest.mark.parametrize("digits", [1, 4, 6, 8, 12, 15])
@pytest.mark.parametrize("view", ["quantities", "operations"])
def test_the_text_fits_a_terminal(view, digits):
    passes = trace(two_output().root, view)
    for text in (forward_text(passes, digits), local_text(passes, digits), backward_text(passes, digits)):
        assert max(map(len, text.splitlines())) <= 80
        assert text.isascii()
        assert not any(line.endswith(" ") for line in text.splitlines())


def test_a_long_sum_is_broken_and_a_longer_one_left_out():
    def net(count):
        terms = [Value(1.5, f"x{i}") * Value(0.25, f"w{i}") for i in range(count)]
        result = sum(terms[1:], terms[0])
        result.label = "net"
        return forward_text(trace(result, "quantities"))

    lines = net(14).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].endswith("= 5.25")
    assert "".join(net(14).split()).endswith("=" + "+".join(["1.5*0.25"] * 14) + "=5.25")
    assert net(200).splitlines()[-1] == "  net = ... = 75"


def test_chinese_labels_take_two_columns():
    lines = forward_text(trace((Value(2.0, "权重") * Value(3.0, "x")).exp(), "operations")).splitlines()
    assert lines[0] == "  权重 = 2   x = 3"


def test_where_two_quantities_share_a_label_each_has_its_name_and_its_number():
    h = Value(2.0, "h")
    for _ in range(2):
        h = h * h
        h.label = "h"
    assert normal(forward_text(trace(h, "quantities")))[2:] == [
        "h^(1) = h^(0)*h^(0) = 2*2 = 4",
        "h^(2) = h^(1)*h^(1) = 4*4 = 16",
    ]
    assert normal(local_text(trace(h, "quantities"))) == [
        "dh^(1)/dh^(0) = h^(0) + h^(0) = 2 + 2 = 4",
        "dh^(2)/dh^(1) = h^(1) + h^(1) = 4 + 4 = 8",
    ]


def test_a_constant_has_no_line():
    text = backward_text(trace((Value(1.0, "x") * 2).exp()))
    assert "d2" not in text
    assert len(text.splitlines()) == 4


def test_a_leaf_alone():
    passes = trace(Value(3.0, "x"))
    assert forward_text(passes) == "  x = 3"
    assert local_text(passes) == ""
    assert backward_text(passes) == "  dx/dx = 1"


def test_the_neuron_explained():
    lines = normal(explain(NEURON, NUMBERS))
    y = float(sigmoid(1.8))
    for expected in (
        "z = w*x + b = 0.6*1.5 + 0.9 = 1.8",
        "y = sigmoid(z) = sigmoid(1.8) = 0.858149",
        "dy/dz = y*(1 - y) = 0.858149*(1 - 0.858149) = 0.121729",
        f"dE/dw: via z {y * y * (1 - y):.6f} x 1.5 = {y * y * (1 - y) * 1.5:.6f}",
        "dE/dw = dE/dy * dy/dz * dz/dw",
        "dE/db = dE/dy * dy/dz * dz/db",
    ):
        assert expected in lines
    assert [line for line in lines if line.startswith("1 path")] == ["1 path from w to E", "1 path from b to E"]


def test_the_derivation_is_of_the_names_that_are_asked_for():
    lines = normal(explain(NEURON, NUMBERS, wrt="x"))
    assert [line for line in lines if line.startswith("1 path")] == ["1 path from x to E"]
    lines = normal(explain(NEURON, NUMBERS, wrt=["t", "z"]))
    assert [line for line in lines if line.startswith("1 path")] == ["1 path from t to E", "1 path from z to E"]


def test_without_parameters_every_name_is_derived():
    assert "path from q to y" in explain("y = q**2", {"q": 3})


def test_a_name_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no 'ww' in the formulas; take w"):
        explain(NEURON, NUMBERS, wrt="ww")
    with pytest.raises(ValueError, match="take w, x, b"):
        explain(NEURON, NUMBERS, wrt="loss")


def test_no_formula_is_refused():
    with pytest.raises(ValueError, match=r"^expression: cannot read"):
        explain("__import__('os')", {})


def test_of_many_parameters_the_first_dozen_is_derived():
    source = " + ".join(f"w{i}*x" for i in range(20))
    text = explain(source, {f"w{i}": i for i in range(20)} | {"x": 1})
    assert text.count("1 path from") == 12
    assert "and 8 more" in text


@pytest.mark.parametrize("view", ["quantities", "operations"])
def test_any_graph_can_be_explained(view):
    text = explain_graph(shared_bias().root, view=view)
    assert "Forward pass" in text
    assert text.count("from b2 to E_total") == 1
    assert max(map(len, text.splitlines())) <= 90
