"""Optimizers and schedules: PyTorch's numbers over several steps, and what is refused."""

import math

import pytest

from scalargrad import Value
from scalargrad.train.optimizers import (
    SGD,
    Adam,
    constant,
    cosine,
    exponential,
    gradient_descent_step,
    linear,
    step_decay,
)

# Optimizer: its class and options, PyTorch's class and options, and (p, q) after steps 1, 2 and 6 from (1, -2) on
# 0.5 p^4 + pq + 3 q^2. Printed by PyTorch 2.13.0 on a CPU, in float64, by the loop in `in_pytorch`.
CASES = {
    "SGD": (
        (SGD, {"learning_rate": 0.05}),
        ("SGD", {"lr": 0.05}),
        [[1.0, -1.45], [0.9725, -1.065], [0.812849667444147, -0.36904469282361385]],
    ),
    "momentum": (
        (SGD, {"learning_rate": 0.05, "momentum": 0.9}),
        ("SGD", {"lr": 0.05, "momentum": 0.9}),
        [[1.0, -1.45], [0.9725, -0.5699999999999998], [0.19225673303265675, 1.1154026211439416]],
    ),
    "Nesterov and weight decay": (
        (SGD, {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        [
            [0.9905, -0.936],
            [0.88132397040125, -0.03408549999999983],
            [0.026782158787965724, 0.2996915456093282],
        ],
    ),
    "Adam": (
        (Adam, {"learning_rate": 0.1}),
        ("Adam", {"lr": 0.1}),
        [
            [1.0, -1.9000000000909092],
            [0.9255863281643529, -1.800185390097251],
            [0.8944904427533045, -1.405592055266728],
        ],
    ),
    "Adam with options": (
        (Adam, {"learning_rate": 0.1, "betas": (0.8, 0.95), "epsilon": 1e-6, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
        [
            [0.90000099999, -1.9000000089285707],
            [0.9577740620814261, -1.800226358423382],
            [0.8596279414887553, -1.4083669826641654],
        ],
    ),
}


def path(kind, options, steps=6):
    p, q = parameters = [Value(1.0, label="p"), Value(-2.0, label="q")]
    optimizer = kind(parameters, **options)
    points = []
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * p**4 + p * q + 3 * q**2).backward()
        optimizer.step()
        points.append([p.data, q.data])
    return points


def in_pytorch(torch, kind, options, steps):
    parameters = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, kind)([parameters], **options)
    points = []
    for _ in range(steps):
        optimizer.zero_grad()
        p, q = parameters
        (0.5 * p**4 + p * q + 3 * q**2).backward()
        optimizer.step()
        points.append(parameters.tolist())
    return points


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_pytorch(name):
    (kind, options), _, expected = CASES[name]
    first, second, *_, sixth = path(kind, options)
    for point, expected_point in zip((first, second, sixth), expected, strict=True):
        assert point == pytest.approx(expected_point, rel=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_pytorch_as_installed(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    (kind, options), (their_kind, their_options), _ = CASES[name]
    expected = in_pytorch(torch, their_kind, their_options, steps=30)
    for point, expected_point in zip(path(kind, options, steps=30), expected, strict=True):
        assert point == pytest.approx(expected_point, rel=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_arrays_take_the_same_steps_as_lists_and_go_on_from_each_other(name):
    numpy = pytest.importorskip("numpy")
    (kind, options), _, _ = CASES[name]
    by_lists, by_both = (kind([Value(0.0), Value(0.0)], **options) for _ in range(2))
    data = mixed = [1.0, -2.0]
    for step in range(6):
        gradients = [0.3 * data[0] - step, data[1] / 3]
        data = by_lists.updated(data, gradients)
        if step % 3:
            mixed = by_both.updated(numpy.array(mixed), numpy.array(gradients)).tolist()
        else:
            mixed = by_both.updated(mixed, gradients)
        assert mixed == data


def test_gradient_descent_is_old_minus_rate_times_gradient():
    parameters = [Value(0.1), Value(0.7)]
    for parameter, grad in zip(parameters, (0.3, -1 / 3)):
        parameter.grad = grad
    gradient_descent_step(parameters, 0.1)
    assert [parameter.data for parameter in parameters] == [0.1 - 0.1 * 0.3, 0.7 - 0.1 * (-1 / 3)]
    assert [parameter.grad for parameter in parameters] == [0.3, -1 / 3]  # to be set to zero by the user


def test_plain_sgd_is_gradient_descent():
    p, q = parameters = [Value(1.0), Value(-2.0)]
    for _ in range(6):
        p.grad = q.grad = 0.0
        (0.5 * p**4 + p * q + 3 * q**2).backward()
        gradient_descent_step(parameters, 0.05)
    assert [p.data, q.data] == path(SGD, {"learning_rate": 0.05})[-1]


# --- schedules -------------------------------------------------------------------------------------------------------

# The rates of steps 0 to 10 that start at 0.2: printed by PyTorch 2.13.0's StepLR(4, 0.5), ExponentialLR(0.8),
# LinearLR(1.0, 0.1, 8) and CosineAnnealingLR(10, 0.01).
SCHEDULES = {
    "step_decay": (step_decay(0.2, every=4, factor=0.5), [0.2] * 4 + [0.1] * 4 + [0.05] * 3),
    "exponential": (
        exponential(0.2, 0.8),
        [
            *(0.2, 0.16000000000000003, 0.12800000000000003, 0.10240000000000003, 0.08192000000000003),
            *(0.06553600000000002, 0.052428800000000025, 0.04194304000000002, 0.033554432000000016),
            *(0.026843545600000015, 0.021474836480000013),
        ],
    ),
    "linear": (linear(0.2, steps=8, end=0.02), [0.2, 0.1775, 0.155, 0.1325, 0.11, 0.0875, 0.065, 0.0425] + [0.02] * 3),
    "cosine": (
        cosine(0.2, steps=10, end=0.01),
        [
            *(0.2, 0.1953503690480396, 0.18185661446562001, 0.16083959896778496, 0.13435661446562, 0.105),
            *(0.07564338553437999, 0.04916040103221506, 0.028143385534380005, 0.014649630951960414, 0.01),
        ],
    ),
    "constant": (constant(0.2), [0.2] * 11),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_those_of_pytorch(name):
    schedule, expected = SCHEDULES[name]
    assert [schedule(step) for step in range(11)] == pytest.approx(expected, rel=1e-14)


def test_linear_and_cosine_stay_at_their_end():
    for schedule in (linear(0.3, steps=7, end=0.1), cosine(0.3, steps=7, end=0.1)):
        assert schedule(7) == schedule(1000) == 0.1


def test_an_optimiser_follows_a_schedule():
    w = Value(0.0)
    optimizer = SGD([w], exponential(1.0, 0.5))
    rates = []
    for _ in range(3):
        rates.append(optimizer.rate())
        w.grad = -1.0
        optimizer.step()
    assert rates == [1.0, 0.5, 0.25]
    assert w.data == 1.75


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        lambda parameters: gradient_descent_step(parameters, 0.5),
        lambda parameters: SGD(parameters, 0.5, momentum=0.5).step(),
        lambda parameters: Adam(parameters, 0.5).step(),
    ],
)
def test_a_step_that_leaves_the_floats_changes_nothing(step):
    parameters = [Value(1.0, label="first"), Value(-1.7e308, label="second")]
    parameters[0].grad, parameters[1].grad = 1.0, 1.7e308
    with pytest.raises(OverflowError, match=r"too large for a float at Value\(.*a smaller learning rate may help"):
        step(parameters)
    assert [parameter.data for parameter in parameters] == [1.0, -1.7e308]


@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize(
    ("rate", "error"), [(math.nan, ValueError), (math.inf, ValueError), (-0.1, ValueError), ("0.1", TypeError)]
)
def test_a_schedule_that_gives_no_learning_rate_is_refused_and_changes_nothing(kind, rate, error):
    w = Value(1.0)
    w.grad = 1.0
    optimizer = kind([w], lambda step: 0.5 if step == 0 else rate)
    optimizer.step()
    before = w.data
    with pytest.raises(error, match=f"the learning_rate after 1 steps needs a number of at least 0, got {rate!r}"):
        optimizer.step()
    assert w.data == before
    assert optimizer.steps == 1


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda p: SGD(p, "a"), TypeError, "learning_rate needs a number of at least 0, got 'a'"),
        (lambda p: Adam(p, epsilon="a"), TypeError, "epsilon needs a number greater than 0, got 'a'"),
        (lambda p: Adam(p, betas=(0.9,)), TypeError, r"betas needs two numbers, as in \(0.9, 0.999\), got \(0.9,\)"),
        (lambda p: Adam(p, betas=0.9), TypeError, "betas needs two numbers, .*got 0.9"),
        (lambda p: SGD([1.0], 0.1), TypeError, r"optimizer: parameters\[0\] is no Value: 1.0"),
        (lambda p: SGD(p[0], 0.1), TypeError, "optimizer: parameters needs a list of Values"),
        (lambda p: Adam([*p, *p], 0.1), ValueError, r"parameters\[1\] stands in parameters\[0\] already"),
        (lambda p: gradient_descent_step([3], 1), TypeError, r"gradient_descent_step: parameters\[0\] is no Value: 3"),
        (
            lambda p: gradient_descent_step(p, "1"),
            TypeError,
            "gradient_descent_step: needs a number as the learning rate",
        ),
    ],
)
def test_what_is_no_parameter_and_no_number(build, error, message):
    with pytest.raises(error, match=message):
        build([Value(1.0)])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda p: SGD([], 0.1), "needs at least one parameter"),
        (lambda p: SGD(p, -0.1), "learning_rate needs a number of at least 0, got -0.1"),
        (lambda p: SGD(p, float("nan")), "learning_rate needs a number of at least 0, got nan"),
        (lambda p: SGD(p, 0.1, momentum=-1), "momentum needs a number of at least 0, got -1"),
        (lambda p: SGD(p, 0.1, nesterov=True), "nesterov needs a momentum greater than 0"),
        (lambda p: SGD(p, 0.1, weight_decay=-1), "weight_decay needs a number of at least 0"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), "betas needs numbers from 0 to below 1, got 1.0"),
        (lambda p: Adam(p, epsilon=0), "epsilon needs a number greater than 0, got 0"),
        (lambda p: cosine(0.1, 0), "cosine: needs at least 1 step, got 0"),
        (lambda p: linear(0.1, 0), "linear: needs at least 1 step, got 0"),
        (lambda p: step_decay(0.1, 0), "step_decay: needs `every` to be at least 1, got 0"),
    ],
)
def test_numbers_that_make_no_sense(build, message):
    with pytest.raises(ValueError, match=message):
        build([Value(1.0)])
