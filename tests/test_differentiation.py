"""Gradients as Values: equal to backward's, and differentiated again, against central differences and SymPy."""

import math
from functools import partial

import pytest
from test_derivation import network

import scalargrad
from scalargrad import Value, derive, gradients, operation, topological_order
from scalargrad.rules import FUNCTIONS, RULES, Rule

POINTS = {"a": 0.7, "b": 1.3}
UNARY = [name for name, rule in RULES.items() if len(rule.operands) == 1]
BINARY = [name for name, rule in RULES.items() if len(rule.operands) == 2]
ORDERS_1 = [("a",), ("a", "a"), ("a", "a", "a")]
ORDERS_2 = [("a",), ("b",), *((x, y) for x in "ab" for y in "ab"), ("a", "a", "b"), ("b", "b", "b"), ("a", "b", "b")]


def derivative(name, point, order):
    """Differentiate a row again and again; give the number."""
    leaves = {key: Value(number, label=key) for key, number in point.items()}
    result = getattr(Value, name)(*leaves.values())
    for key in order:
        [result] = gradients(result, [leaves[key]])
    return result.data


def central_difference(function, point, key, step=1e-4):
    """Differentiate a function of numbers with respect to one of them, error of the order of step**4."""
    moved = {shift: function({**point, key: point[key] + shift * step}) for shift in (-2, -1, 1, 2)}
    return (moved[-2] - 8 * moved[-1] + 8 * moved[1] - moved[2]) / (12 * step)


CASES = [(name, {"a": at}, order) for name in UNARY for at in (0.7, -0.6) for order in ORDERS_1] + [
    (name, point, order) for name in BINARY for point in (POINTS, {"a": 1.4, "b": 0.6}) for order in ORDERS_2
]
NOT_BELOW_0 = ("log", "sqrt")


@pytest.mark.parametrize(
    ("name", "point", "order"),
    [case for case in CASES if not (case[0] in NOT_BELOW_0 and case[1]["a"] < 0)],
    ids=lambda part: part if isinstance(part, str) else "".join(map(str, part)) if isinstance(part, tuple) else None,
)
def test_first_second_and_third_derivatives_of_every_row(name, point, order):
    *before, last = order
    numeric = central_difference(lambda moved: derivative(name, moved, before), point, last)
    assert derivative(name, point, order) == pytest.approx(numeric, rel=1e-8, abs=1e-8)


def test_the_slope_of_a_power_is_there_where_its_own_slope_is_infinite():
    x = Value(0.0, label="x")
    (slope,) = gradients(x**1.5, [x])
    assert slope.data == 0.0
    with pytest.raises(ValueError, match=r"pow: needs a > 0, .* the derivative is infinite\), got a = 0\.0, b = -0\.5"):
        gradients(slope, [x])
    with pytest.raises(OverflowError, match="backward: a gradient is too large for a float: it is inf"):
        slope.backward()
    (slope,) = gradients(x ** Value(1.5), [x])
    assert slope.data == 0.0


def test_the_second_derivative_of_elu_at_0_is_that_of_pytorch():
    x = Value(0.0)
    (slope,) = gradients(x.elu(), [x])
    assert slope.data == 1.0
    assert gradients(slope, [x])[0].data == 0.0


def test_third_derivatives_by_hand():
    assert derivative("sin", {"a": 0.5}, "aaa") == pytest.approx(-math.cos(0.5), rel=1e-15)
    assert derivative("exp", {"a": 0.5}, "aaa") == pytest.approx(math.exp(0.5), rel=1e-15)
    assert derivative("log", {"a": 0.5}, "aaa") == pytest.approx(2 / 0.5**3, rel=1e-14)
    s = 1 / (1 + math.exp(-0.5))
    assert derivative("sigmoid", {"a": 0.5}, "aa") == pytest.approx(s * (1 - s) * (1 - 2 * s), rel=1e-14)


def test_a_power_whose_exponent_is_0_still_depends_on_it():
    """d(a**b)/da = b * a**(b - 1) is 0 at b = 0, but its derivative by b is a**(b - 1) = 1/a."""
    a, b = Value(4.0), Value(0.0)
    [slope] = gradients(a**b, [a])
    [mixed] = gradients(slope, [b])
    assert (slope.data, mixed.data) == (0.0, 0.25)
    assert (Value(1e-309) ** 0).partials == (0.0, 0.0)  # on a plain 0 nothing depends
    x = Value(1.0)  # x**x has the derivatives 1, 2 and 3 at 1
    found = x**x
    for expected in (1.0, 2.0, 3.0):
        [found] = gradients(found, [x])
        assert found.data == expected


def test_first_derivatives_are_those_of_backward():
    q = network()
    root = q["E_total"]
    root.backward()
    for label, value in q.items():
        assert gradients(root, [value])[0].data == pytest.approx(value.grad, rel=1e-14), label


def test_the_graph_that_is_differentiated_stays_as_it_is():
    q = network()
    before = [(node.data, node.grad, node.label) for node in topological_order(q["E_total"])]
    gradients(q["E_total"], q.values())
    assert [(node.data, node.grad, node.label) for node in topological_order(q["E_total"])] == before


PARAMETERS = ["w1", "w2", "b1", "w3", "w4", "b2", "w5", "w6", "b3", "w7", "w8", "b4"]


def test_the_hessian_of_the_worked_example():
    q = network()
    parameters = [q[label] for label in PARAMETERS]
    hessian = [[h.data for h in gradients(g, parameters)] for g in gradients(q["E_total"], parameters)]

    def gradient_of(label, parameters_at):
        return example_gradients(parameters_at)[label]

    numbers = {label: q[label].data for label in PARAMETERS}
    for i, row in enumerate(PARAMETERS):
        for j, column in enumerate(PARAMETERS):
            assert hessian[i][j] == pytest.approx(hessian[j][i], rel=1e-12, abs=1e-16)
            if i <= j:
                numeric = central_difference(partial(gradient_of, row), numbers, column, step=1e-3)
                assert hessian[i][j] == pytest.approx(numeric, rel=1e-7, abs=1e-11)
    assert hessian[3][3] != 0


def example_gradients(parameters):
    """Work out the gradients of the worked example from the document's closed forms, in floats."""
    p, x1, x2 = parameters, 0.5, 1.0

    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    h1 = sigmoid(x1 * p["w1"] + x2 * p["w2"] + p["b1"])
    h2 = sigmoid(x1 * p["w5"] + x2 * p["w6"] + p["b3"])
    o1 = sigmoid(h1 * p["w3"] + h2 * p["w7"] + p["b2"])
    o2 = sigmoid(h1 * p["w4"] + h2 * p["w8"] + p["b4"])
    d1, d2 = (o1 - 1) * o1 * (1 - o1), o2 * o2 * (1 - o2)
    e1 = (p["w3"] * d1 + p["w4"] * d2) * h1 * (1 - h1)
    e2 = (p["w7"] * d1 + p["w8"] * d2) * h2 * (1 - h2)
    outputs = {"w3": d1 * h1, "w7": d1 * h2, "b2": d1, "w4": d2 * h1, "w8": d2 * h2, "b4": d2}
    return outputs | {"w1": e1 * x1, "w2": e1 * x2, "b1": e1, "w5": e2 * x1, "w6": e2 * x2, "b3": e2}


def test_gradients_stay_small_graphs():
    x = Value(3.0)
    assert len(topological_order(gradients(x * x, [x])[0])) == 2  # x + x
    assert gradients(x + 1, [x])[0].data == 1.0
    assert not gradients(x + 1, [x])[0].parents
    assert [node.data for node in topological_order(gradients(x**2, [x])[0])] == [2.0, 3.0, 6.0]
    [slope] = gradients((-x).relu() * x.sin(), [x])
    assert [node.op.name for node in topological_order(slope)[1:]] == ["neg", "relu", "cos", "mul"]  # no sin * 0


def test_a_gradient_can_be_drawn_derived_and_run_backward():
    x = Value(0.5, label="x")
    [slope] = gradients(x.sin() * x, [x])
    second = 2 * math.cos(0.5) - 0.5 * math.sin(0.5)
    slope.backward()
    assert x.grad == pytest.approx(second, rel=1e-14)
    assert derive(slope, x).sum == pytest.approx(second, rel=1e-14)


def test_what_the_root_does_not_depend_on_has_the_gradient_0():
    x, stranger = Value(2.0), Value(1.0)
    assert [gradient.data for gradient in gradients(x * x, [x, stranger])] == [4.0, 0.0]


def test_a_kink_goes_by_the_recorded_number():
    x = Value(-2.0)
    assert gradients(x.relu(), [x])[0].data == 0.0
    assert gradients(abs(x), [x])[0].data == -1.0


def test_an_operation_of_ones_own_in_text():
    cube = operation("cube", "a**3", "3 * a**2")
    odd = operation("odd", "expm1(a) + log1p(b)", ["exp(a)", "1 / (1 + b)"])
    x, y = Value(2.0), Value(3.0)
    [slope] = gradients(cube(x), [x])
    assert gradients(slope, [x])[0].data == 12.0
    assert gradients(gradients(odd(x, y), [y])[0], [y])[0].data == pytest.approx(-1 / 16)
    grow = operation("grow", "exp(a) - 1", "expm1(a) + 1")
    assert gradients(gradients(grow(x), [x])[0], [x])[0].data == pytest.approx(math.exp(2))


def test_a_callable_made_of_operators_is_differentiated():
    square = operation("square", lambda a: a * a, lambda a: 2 * a)
    x = Value(3.0)
    [slope] = gradients(square(x), [x])
    assert (slope.data, gradients(slope, [x])[0].data) == (6.0, 2.0)


def test_a_callable_on_floats_is_refused_and_not_taken_for_a_constant():
    wave = operation("wave", lambda a: math.sin(a), lambda a: a * 0 + math.cos(a))
    x = Value(0.5)
    with pytest.raises(TypeError, match="gradients: operation wave: its derivative wave_da does not work on Values"):
        gradients(wave(x), [x])
    constant = operation("constant_slope", lambda a: 2 * a, lambda a: 2.0)
    assert gradients(constant(x), [x])[0].data == 2.0


def test_something_else_than_a_value_is_refused():
    x = Value(1.0)
    with pytest.raises(TypeError, match=r"needs Values .* got 'x'"):
        gradients(x * x, ["x"])


def test_a_long_chain():
    x = node = Value(0.5)
    for _ in range(20_000):
        node = node.sin()
    [slope] = gradients(node, [x])
    node.backward()
    assert slope.data == x.grad


def test_the_function_is_exported():
    assert scalargrad.gradients is gradients


def test_a_new_row_of_the_table_needs_no_function_beside_it(monkeypatch):
    monkeypatch.setitem(RULES, "squared", Rule("squared", "a * a", ("2 * a",)))
    monkeypatch.setitem(FUNCTIONS, "squared", lambda a: a * a)
    cube = operation("cube", "a**3", "3 * squared(a)")
    x = Value(2.0)
    [slope] = gradients(cube(x), [x])
    [curvature] = gradients(slope, [x])
    assert (slope.data, curvature.data) == (12.0, 12.0)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x * 1e200 * 1e200, "mul"),
        (lambda x: x.sin() * 1e200 * 1e200, "mul"),
        (lambda x: ((x * 1e150) * 1e150 + x * 1e150) * 1e150, "mul"),
    ],
)
def test_a_derivative_too_large_for_a_float_is_refused_with_its_operation(function, name):
    x = Value(1e-200, label="x")
    with pytest.raises(OverflowError, match=f"gradients: a derivative of {name} is too large for a float"):
        gradients(function(x), [x])
