"""Losses: PyTorch's numbers, extreme numbers, and what is refused."""

import math

import pytest

from scalargrad import Value, topological_order
from scalargrad.train import losses
from scalargrad.train.losses import (
    binary_cross_entropy_with_logits,
    half_squared_error,
    hinge_loss,
    l2_penalty,
    mean_squared_error,
    softmax_cross_entropy,
)

OUTPUTS = [0.3, -1.2, 2.5]

# The loss at OUTPUTS and its gradient. Printed by PyTorch 2.13.0 on a CPU, in float64, by the calls in `in_pytorch`.
PYTORCH = {
    "mean_squared_error": (
        mean_squared_error,
        [1.0, 0.0, 2.0],
        0.7266666666666666,
        [-0.4666666666666666, -0.7999999999999999, 0.3333333333333333],
    ),
    "binary_cross_entropy_with_logits": (
        binary_cross_entropy_with_logits,
        [1.0, 0.0, 0.25],
        0.9238424820330359,
        [-0.14185249439611367, 0.07715840550032746, 0.22471393999291886],
    ),
    "softmax_cross_entropy": (
        softmax_cross_entropy,
        1,
        3.827096582800486,
        [0.09757864772562466, -0.9782272607059141, 0.8806486129802894],
    ),
    "softmax_cross_entropy of probabilities": (
        softmax_cross_entropy,
        [0.2, 0.3, 0.5],
        1.677096582800486,
        [-0.10242135227437535, -0.27822726070591414, 0.3806486129802894],
    ),
    "hinge_loss": (
        hinge_loss,
        [1.0, 1.0, -1.0],
        2.1333333333333333,
        [-0.3333333333333333, -0.3333333333333333, 0.3333333333333333],
    ),
}


def loss_and_gradient(loss, numbers, targets):
    outputs = [Value(number) for number in numbers]
    root = loss(outputs, targets)
    root.backward()
    return root.data, [output.grad for output in outputs]


@pytest.mark.parametrize("name", PYTORCH)
def test_numbers_are_those_of_pytorch(name):
    loss, targets, expected, expected_gradient = PYTORCH[name]
    value, gradient = loss_and_gradient(loss, OUTPUTS, targets)
    assert value == pytest.approx(expected, rel=1e-14)
    assert gradient == pytest.approx(expected_gradient, rel=1e-13)


def in_pytorch(torch, name):
    functional = torch.nn.functional
    return {
        "mean_squared_error": functional.mse_loss,
        "binary_cross_entropy_with_logits": functional.binary_cross_entropy_with_logits,
        "softmax_cross_entropy": functional.cross_entropy,
        "softmax_cross_entropy of probabilities": functional.cross_entropy,
        "hinge_loss": lambda outputs, targets: torch.clamp(1 - targets * outputs, min=0).mean(),
    }[name]


@pytest.mark.parametrize("name", PYTORCH)
def test_numbers_are_those_of_pytorch_as_installed(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    loss, targets, *_ = PYTORCH[name]
    outputs = torch.tensor([1.7, -0.4, 0.05], dtype=torch.float64, requires_grad=True)
    dtype = torch.int64 if isinstance(targets, int) else torch.float64
    expected = in_pytorch(torch, name)(outputs, torch.tensor(targets, dtype=dtype))
    expected.backward()
    value, gradient = loss_and_gradient(loss, outputs.tolist(), targets)
    assert value == pytest.approx(expected.item(), rel=1e-14)
    assert gradient == pytest.approx(outputs.grad.tolist(), rel=1e-13)


# --- half squared error ----------------------------------------------------------------------------------------------


def test_half_squared_error_by_hand():
    # (1 - 0.5)^2 / 2 + (0 - 2)^2 / 2, and the gradient is output - target.
    assert loss_and_gradient(half_squared_error, [0.5, 2.0], [1, 0]) == (2.125, [-0.5, 2.0])


def test_half_squared_error_names_what_it_computes():
    root = half_squared_error([Value(0.5, label="out_o1"), Value(2.0, label="out_o2")], [1, 0])
    labels = [node.label for node in topological_order(root) if node.label]
    assert labels == ["y1", "out_o1", "E_o1", "y2", "out_o2", "E_o2", "E_total"]
    assert half_squared_error(Value(0.5), 1).label == "E_total"
    target = Value(1.0, label="t")
    assert "t" in [node.label for node in topological_order(half_squared_error(Value(0.5), target))]
    assert not any(node.label for node in topological_order(half_squared_error(Value(0.5), 1, label="")))


# --- extreme numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logit", "target", "expected"),
    [(-800.0, 1, 800.0), (800.0, 1, 0.0), (800.0, 0, 800.0), (-800.0, 0, 0.0), (40.0, 1, math.exp(-40))],
)
def test_binary_cross_entropy_of_a_large_logit(logit, target, expected):
    assert binary_cross_entropy_with_logits(Value(logit), target).data == pytest.approx(expected, rel=1e-15, abs=0)


def test_softmax_cross_entropy_of_large_logits():
    assert loss_and_gradient(softmax_cross_entropy, [1000.0, 0.0, -1000.0], 1) == (1000.0, [1.0, -1.0, 0.0])
    assert loss_and_gradient(softmax_cross_entropy, [0.0, 0.0], 1)[0] == math.log(2)


def test_one_hot_targets_and_an_index_agree():
    by_index = loss_and_gradient(softmax_cross_entropy, OUTPUTS, 2)
    one_hot = loss_and_gradient(softmax_cross_entropy, OUTPUTS, [0, 0, 1])
    assert by_index[0] == one_hot[0]
    assert by_index[1] == pytest.approx(one_hot[1], rel=1e-15)


def test_hinge_at_its_corner_has_no_slope():
    assert loss_and_gradient(hinge_loss, [1.0], [1]) == (0.0, [0.0])


def test_l2():
    parameters = [Value(3.0), Value(-4.0)]
    root = l2_penalty(parameters, 0.5)
    root.backward()
    assert root.data == 12.5
    assert [parameter.grad for parameter in parameters] == [3.0, -4.0]  # 2 * strength * parameter


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_targets_can_be_values_and_numpy():
    np = pytest.importorskip("numpy")
    targets = np.array([1.0, 0.0, 2.0])
    expected = mean_squared_error([Value(number) for number in OUTPUTS], [1, 0, 2]).data
    assert loss_and_gradient(mean_squared_error, OUTPUTS, targets)[0] == expected
    assert loss_and_gradient(mean_squared_error, OUTPUTS, [Value(target) for target in targets])[0] == expected
    assert (
        loss_and_gradient(softmax_cross_entropy, OUTPUTS, np.int64(1))[0]
        == loss_and_gradient(softmax_cross_entropy, OUTPUTS, 1)[0]
    )


@pytest.mark.parametrize(
    "name",
    [
        "half_squared_error",
        "mean_squared_error",
        "binary_cross_entropy_with_logits",
        "softmax_cross_entropy",
        "hinge_loss",
    ],
)
def test_too_few_or_too_many_targets_are_refused_with_both_numbers(name):
    outputs = [Value(0.5), Value(0.5)]
    for targets in ([1], [1, 1, 1], []):
        with pytest.raises(ValueError, match=f"{name}: .* got 2 outputs and {len(targets)} targets"):
            getattr(losses, name)(outputs, targets)
    with pytest.raises(ValueError, match="got 0 outputs and 0 targets"):
        getattr(losses, name)([], [])


@pytest.mark.parametrize(
    ("loss", "targets", "error", "message"),
    [
        (binary_cross_entropy_with_logits, [1, 2], ValueError, "needs targets from 0 to 1, got 2.0"),
        (binary_cross_entropy_with_logits, [-1, 1], ValueError, "needs targets from 0 to 1, got -1.0"),
        (hinge_loss, [1, 0], ValueError, "needs targets of -1 or 1, got 0.0"),
        (softmax_cross_entropy, 2, IndexError, "needs a class from 0 to 1, got 2"),
        (softmax_cross_entropy, -1, IndexError, "needs a class from 0 to 1, got -1"),
        (mean_squared_error, [1, float("nan")], ValueError, "needs a finite number"),
        (mean_squared_error, [1, "2"], TypeError, "needs a real number"),
    ],
)
def test_targets_that_make_no_sense(loss, targets, error, message):
    with pytest.raises(error, match=message):
        loss([Value(0.5), Value(0.5)], targets)


def test_a_loss_of_nothing_is_refused():
    with pytest.raises(ValueError, match="l2_penalty: needs at least one parameter, got none"):
        l2_penalty([], 0.1)
    with pytest.raises(ValueError, match="softmax_cross_entropy: needs a logit for each class, got none"):
        softmax_cross_entropy([], 0)


@pytest.mark.parametrize("target", [0, [1.0]])
def test_one_logit_alone_is_no_list_of_logits(target):
    with pytest.raises(TypeError, match="softmax_cross_entropy: needs a list of logits, one for each class"):
        softmax_cross_entropy(Value(0.0), target)
