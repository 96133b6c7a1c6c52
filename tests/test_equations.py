"""The documents' equations: on the worked example, and on random networks with every activation and several losses."""

import random

import pytest

from scalargrad import Value, nn
from scalargrad.graph import replay
from scalargrad.rules import RULES
from scalargrad.teach.equations import four_equations, matrix_equations, weights_as_products
from scalargrad.train.losses import (
    binary_cross_entropy_with_logits,
    half_squared_error,
    hinge_loss,
    mean_squared_error,
    softmax_cross_entropy,
)

ALL = (four_equations, matrix_equations, weights_as_products)
UNARY = [name for name, rule in RULES.items() if len(rule.operands) == 1]
POSITIVE_ONLY = ("log", "sqrt")
LOSSES = {
    "half squared": half_squared_error,
    "mean squared": mean_squared_error,
    "binary cross-entropy": binary_cross_entropy_with_logits,
    "hinge": lambda outs, targets: hinge_loss(outs, [2 * target - 1 for target in targets]),
    "softmax": lambda outs, targets: softmax_cross_entropy(outs, targets.index(1)),
}


def worked_example():
    network = nn.MLP(2, [2, 2], activation="sigmoid", output="sigmoid")
    network.set_weights([[[0.1, 0.3], [0.2, 0.4]], [[0.6, 0.8], [0.7, 0.9]]], [[0.5, 0.5], [1, 1]])
    return network, half_squared_error(network([0.5, 1.0]), [1, 0])


def random_case(seed, activation, output="linear", loss="half squared", bias=True):
    choose = random.Random(seed)
    sizes = [choose.randint(1, 4) for _ in range(choose.randint(0, 4))] + [2]
    network = nn.MLP(3, sizes, activation=activation, output=output, bias=bias)
    for parameter in network.parameters():
        parameter.data = choose.uniform(0.1, 0.6)  # positive, so that every activation has its domain
    outs = network([choose.uniform(0.2, 1.0) for _ in range(3)])
    return network, LOSSES[loss](outs, [1, 0])


def agrees(equations):
    for line in equations.lines:
        assert line.difference <= 1e-12, line
        for row, other in zip(line.by_equation, line.by_engine, strict=True):
            assert row == pytest.approx(other, rel=1e-12, abs=1e-15), line


# --- the worked example -----------------------------------------------------------------------------------------------


def test_the_four_equations_give_the_published_deltas_and_gradients():
    lines = {line.left: line for line in four_equations(*worked_example()).lines}
    published = {"delta_o1": -0.01240932, "delta_o2": 0.08379177, "delta_h1": 0.01074218, "delta_h2": 0.01287516}
    published |= {"dE_total/dw1": 0.00537109, "dE_total/dw5": -0.00869356, "dE_total/db3": -0.01240932}
    for name, number in published.items():
        assert round(lines[name].by_equation[0][0], 8) == round(lines[name].by_engine[0][0], 8) == number
    assert lines["delta_o1"].right == "dE_total/dout_o1 * sigmoid'(net_o1)"
    assert lines["delta_h1"].right == "(w5*delta_o1 + w7*delta_o2) * sigmoid'(net_h1)"
    assert lines["dE_total/db3"].right == "delta_o1"
    assert lines["dE_total/dw5"].right == "out_h1 * delta_o1"
    assert lines["dE_total/dw1"].right == "x1 * delta_h1"


def test_the_matrix_form_has_its_shapes():
    network = nn.MLP(3, [4, 2], activation="tanh", seed=1)
    equations = matrix_equations(network, half_squared_error(network([1, 2, 3]), [1, 0]))
    shapes = {(line.left, line.right): line.shapes for line in equations.lines}
    assert shapes["net(2)", "W(2) . out(1) + b(2)"] == "4x1 = 4x3 . 3x1 + 4x1"
    assert shapes["delta(3)", "dE_total/dout(3) o linear'(net(3))"] == "2x1 = 2x1 o 2x1"
    assert shapes["delta(2)", "W(3)^T . delta(3) o tanh'(net(2))"] == "4x1 = (2x4)^T . 2x1 o 4x1"
    assert shapes["dE_total/dW(2)", "delta(2) . out(1)^T"] == "4x3 = 4x1 . (3x1)^T"
    gradient = next(line for line in equations.lines if line.left == "dE_total/dW(2)")
    assert [len(row) for row in gradient.by_engine] == [3, 3, 3, 3]
    agrees(equations)


def test_each_weight_is_the_output_before_it_times_the_error_after_it():
    lines = {line.left: line for line in weights_as_products(*worked_example()).lines}
    assert lines["dE_total/dw5"].right == "out_h1 * delta_o1 = 0.70056714 * -0.012409319"
    assert round(lines["dE_total/dw5"].by_equation[0][0], 8) == -0.00869356


def test_the_text_shows_both_sides_and_the_difference():
    text = str(four_equations(*worked_example()))
    assert "1. The delta of the last layer\n  delta_o1 = dE_total/dout_o1 * sigmoid'(net_o1)\n" in text
    assert "    = -0.012409319    engine: -0.012409319    difference: 0.0e+00" in text
    matrices = str(matrix_equations(*worked_example()))
    assert "    =   -0.008694   -0.009072    engine:   -0.008694   -0.009072\n" in matrices
    assert max(map(len, text.splitlines())) <= 80


# --- any network, any loss --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [name for name in UNARY if name not in POSITIVE_ONLY])
@pytest.mark.parametrize("seed", range(3))
def test_they_hold_for_every_activation(seed, activation):
    case = random_case(seed, activation)
    for equations in ALL:
        agrees(equations(*case))


@pytest.mark.parametrize("output", UNARY)
def test_they_hold_for_every_activation_of_the_last_layer(output):
    case = random_case(7, "sigmoid", output)
    for equations in ALL:
        agrees(equations(*case))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(4))
def test_they_hold_for_several_losses(seed, loss):
    case = random_case(seed, "tanh", loss=loss)
    for equations in ALL:
        agrees(equations(*case))


def test_they_hold_for_an_activation_that_is_a_function_and_without_bias():
    def swish(z):
        return z * z.sigmoid()

    case = random_case(3, swish, bias=False)
    assert not four_equations(*case).groups[2][1]
    for equations in ALL:
        agrees(equations(*case))


@pytest.mark.parametrize("work_out", ALL)
def test_a_wrong_gradient_shows_as_a_difference(work_out, monkeypatch):
    """Neither side is worked out from the other: where what backward finds is falsified they no longer agree."""
    network, loss = worked_example()
    falsified = network.layers[1].neurons[0].net
    right = replay.backward_aside(loss)
    monkeypatch.setattr(
        "scalargrad.teach.equations.backward_aside", lambda _: right | {falsified: 1.01 * right[falsified]}
    )
    assert work_out(network, loss).difference > 1e-5


@pytest.mark.parametrize("work_out", ALL)
def test_a_network_that_has_been_updated_since_is_refused(work_out):
    network, loss = worked_example()
    network.layers[1].neurons[0].w[0].data = 0.61
    with pytest.raises(ValueError, match="graph: w5 has changed since it was recorded"):
        work_out(network, loss)


# --- what they leave alone, and what they refuse -------------------------------------------------------------------


def test_gradients_are_left_as_they_were():
    network, loss = worked_example()
    loss.backward()
    before = [(parameter.grad) for parameter in network.parameters()]
    four_equations(network, loss)
    assert [parameter.grad for parameter in network.parameters()] == before
    assert network.layers[1].deltas == pytest.approx([-0.01240932, 0.08379177], rel=1e-6)


def test_the_loss_of_two_samples_is_refused():
    network, _ = worked_example()
    loss = half_squared_error(network([0.5, 1.0]), [1, 0]) + half_squared_error(network([1.0, 0.5]), [0, 1])
    with pytest.raises(ValueError, match=r"w1 is used 2 times under the loss.*one sample"):
        four_equations(network, loss)


def test_a_loss_of_another_network_is_refused():
    network, _ = worked_example()
    with pytest.raises(ValueError, match="w1 is used 0 times"):
        matrix_equations(network, Value(1.0) * 2)
