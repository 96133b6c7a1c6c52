"""The gradient check: right on right graphs, finds what is wrong and where, and says what it cannot tell."""

import math

import pytest
from test_derivation import network, random_graph

import scalargrad
from scalargrad import Value, check_gradients, operation, sigmoid, topological_order
from scalargrad.functions import RULES


def state(root):
    return [(node.data, node.grad, node.label) for node in topological_order(root)]


# --- right graphs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["quantities", "operations"])
def test_the_worked_example_is_right(view):
    q = network()
    report = check_gradients(q["E_total"], view=view)
    assert report.ok
    assert {row.verdict for row in report.rows} == {"ok"}
    assert max(row.difference for row in report.rows) < 1e-9
    row = next(row for row in report.rows if row.name == "w3")
    assert round(row.analytic, 8) == round(row.numeric, 8) == -0.00869356


def test_by_default_leaves_and_labelled_quantities_are_checked():
    q = network()
    checked = [row.node for row in check_gradients(q["E_total"]).rows]
    assert set(checked) == set(q.values()) - {q["E_total"]}
    assert len(check_gradients(q["E_total"], view="operations").rows) > len(checked)
    assert [row.name for row in check_gradients(q["E_total"], wrt=q["w1"]).rows] == ["w1"]
    assert [row.name for row in check_gradients(q["E_total"], wrt=[q["w1"], q["b2"]]).rows] == ["w1", "b2"]


@pytest.mark.parametrize("name", RULES)
def test_every_row_is_right(name):
    operands = [Value(0.7, label="a"), Value(1.3, label="b")][: len(RULES[name].operands)]
    report = check_gradients(getattr(Value, name)(*operands))
    assert report.ok
    assert {row.verdict for row in report.rows} == {"ok"}


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_are_right(seed):
    root, _ = random_graph(seed)
    assert check_gradients(root, view="operations").ok


def test_nothing_in_the_graph_changes():
    q = network()
    q["E_total"].backward()
    before = state(q["E_total"])
    check_gradients(q["E_total"], view="operations")
    assert state(q["E_total"]) == before


def test_gradients_of_very_different_sizes():
    small, large = Value(1e-6, label="small"), Value(1e6, label="large")
    root = small.log() + (large * 1e-3).sqrt() + sigmoid(Value(-30.0, label="flat"))
    report = check_gradients(root, view="quantities")
    assert report.ok
    assert [row.verdict for row in report.rows] == ["ok", "ok", "ok"]


# --- wrong graphs ---------------------------------------------------------------------------------------------------


def test_a_wrong_derivative_of_ones_own_is_named_with_both_numbers():
    cube = operation("cube", "a**3", "2 * a**2")
    x, w = Value(2.0, label="x"), Value(3.0, label="w")
    y = cube(x) * w
    report = check_gradients(y, view="quantities")
    assert not report.ok
    assert [(row.name, row.verdict) for row in report.rows] == [("x", "wrong"), ("w", "ok")]
    assert (report.rows[0].analytic, report.rows[0].numeric) == (24.0, pytest.approx(36.0, rel=1e-9))
    assert (report.first_wrong.analytic, report.first_wrong.numeric) == (8.0, pytest.approx(12.0, rel=1e-9))
    assert report.first_wrong.name == "cube, d/da in v1 = cube(x) at a = 2.0"
    with pytest.raises(ArithmeticError, match=r"cube, d/da .* recorded 8.0, central differences give 12"):
        report.raise_if_wrong()


def test_the_first_wrong_operation_in_topological_order_is_named():
    double = operation("double", lambda a: a + a, lambda a: 3.0)
    tilt = operation("tilt", "a * b", ["b", "b"])
    x, w = Value(2.0, label="x"), Value(5.0, label="w")
    first = double(x)
    report = check_gradients(tilt(first, w) + first)
    assert report.first_wrong.name.startswith("double, d/da in v1 = double(x)")
    assert report.first_wrong.node is first


def test_a_local_derivative_that_does_not_reach_the_root_is_found_too():
    wrong = operation("wrong", "a * a", "a")
    x = Value(3.0, label="x")
    report = check_gradients((wrong(x) * -4.0).relu(), view="quantities")
    assert not report.ok
    assert report.first_wrong.name.startswith("wrong, d/da")
    assert [row.verdict for row in report.rows] == ["ok"]


def test_a_small_mistake_is_found():
    wave = operation("wave", "sin(a)", "cos(a) * 1.00001")
    assert not check_gradients(wave(Value(0.3, label="x"))).ok
    assert check_gradients(wave(Value(0.3, label="x")), tolerance=1e-4).ok


def test_the_text_is_a_table_with_a_verdict():
    lines = str(check_gradients(network()["E_total"])).splitlines()
    assert lines[0].split() == ["quantity", "analytic", "numeric", "relative", "step"]
    assert any(line.startswith("w3 ") and line.endswith("ok") and "-0.00869356" in line for line in lines)
    assert lines[-1] == "ok: 26 of 26 gradients agree"
    wrong = operation("wrong_square", "a * a", "a")
    text = str(check_gradients(wrong(Value(3.0, label="x"))))
    assert "\nwrong: 1 of 1 gradients, first x: recorded 3.0, central differences give 6 " in text


# --- what cannot be checked -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_a_kink_is_said_to_have_no_derivative(name):
    x = Value(0.0, label="x")
    report = check_gradients(getattr(x, name)())
    assert report.ok
    assert report.rows[0].verdict == "unchecked"
    assert "no derivative here" in report.rows[0].note
    assert "1 could not be checked" in report.verdict


def test_a_value_outside_the_slopes_of_a_kink_is_wrong():
    bent = operation("bent", "0 if a <= 0 else a", "1 if a > 0 else 5")
    assert not check_gradients(bent(Value(0.0, label="x"))).ok


def test_near_a_kink_the_step_becomes_small():
    assert [row.verdict for row in check_gradients(Value(1e-5, label="x").relu()).rows] == ["ok"]


def test_near_the_edge_of_the_domain_the_step_becomes_small():
    assert [row.verdict for row in check_gradients(Value(1e-5, label="x").log()).rows] == ["ok"]


def test_at_the_edge_of_the_domain_one_side_is_enough():
    [row] = check_gradients(Value(0.0, label="x") ** 3.5).rows
    assert (row.verdict, row.note) == ("ok", "from one side")


def test_where_every_step_leaves_the_domain_it_says_so():
    exponent = Value(2.0, label="e")
    report = check_gradients(Value(-2.0, label="b") ** exponent, wrt=exponent)
    assert report.ok
    assert (report.rows[0].numeric, report.rows[0].note) == (None, "every step leaves the domain")


def test_noise_is_not_taken_for_a_mistake():
    [row] = check_gradients(1e10 + Value(2.0, label="x").sin(), view="quantities").rows
    assert row.verdict == "unchecked"
    assert "do not settle" in row.note


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_quantity_that_is_not_in_the_graph_is_named():
    with pytest.raises(ValueError, match="'stranger'"):
        check_gradients(network()["E_total"], wrt=Value(1.0, label="stranger"))


def test_a_graph_whose_leaves_were_changed_is_refused():
    q = network()
    q["w1"].data = 0.2
    with pytest.raises(ValueError, match="graph: w1 has changed since it was recorded"):
        check_gradients(q["E_total"])


def test_too_much_work_is_refused_with_the_count():
    node = Value(0.5, label="x")
    for _ in range(5_000):
        node = node.sin()
    with pytest.raises(ValueError, match="5000 gradients over 5001 nodes are 25005000 operations"):
        check_gradients(node)
    assert check_gradients(node, view="quantities").ok


def test_a_step_can_be_given_and_must_be_positive():
    x = Value(2.0, label="x")
    [row] = check_gradients(x**3, step=1e-3).rows
    assert row.step == 1e-3
    assert math.isclose(row.numeric, 12.0, rel_tol=1e-9)
    with pytest.raises(ValueError, match="needs a step > 0, got 0"):
        check_gradients(x**3, step=0)


def test_the_function_is_exported():
    assert scalargrad.check_gradients is check_gradients


# --- far from 1, and where floats are too coarse ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "function"),
    [
        (-30.0, lambda x: -x.sigmoid().log()),
        (1e-12, Value.log),
        (1e-12, Value.sqrt),
        (1e-12, lambda x: 1 / x),
        (1e-300, Value.log),
        (1e9, Value.cos),
        (1.5707963, Value.tan),
    ],
)
def test_a_right_gradient_far_from_1_is_confirmed(at, function):
    report = check_gradients(function(Value(at, label="x")), view="operations")
    assert {row.verdict for row in report.rows} == {"ok"}
    assert report.ok


@pytest.mark.parametrize(
    ("at", "function"), [(1.0, lambda x: (x * 1e9).sin()), (30.0, lambda x: -(1 - x.sigmoid()).log())]
)
def test_what_rounding_hides_is_not_called_wrong(at, function):
    report = check_gradients(function(Value(at, label="x")), view="operations")
    assert report.ok, str(report)
    assert report.first_wrong is None


@pytest.mark.parametrize("at", [-1.0, 0.3, 2.0, 100.0])
@pytest.mark.parametrize("factor", ["1.00001", "0.99999", "2", "0"])
@pytest.mark.parametrize(
    ("formula", "partial"), [("sin(a)", "cos(a)"), ("a**3", "3 * a**2"), ("exp(a / 50)", "y / 50")]
)
def test_a_wrong_factor_is_found_at_moderate_numbers(at, factor, formula, partial):
    wrong = operation("wrong", formula, f"({partial}) * {factor}")
    report = check_gradients(wrong(Value(at, label="x")))
    assert [row.verdict for row in report.rows] == ["wrong"]
    assert report.first_wrong.name.startswith("wrong, d/da")


@pytest.mark.parametrize(("at", "function"), [(1e-12, "log(a)"), (1e9, "cos(a)")])
def test_a_wrong_derivative_far_from_1_is_found(at, function):
    partial = {"log(a)": "2 / a", "cos(a)": "sin(a)"}[function]
    assert not check_gradients(operation("wrong", function, partial)(Value(at, label="x"))).ok


def test_a_constant_beside_a_large_number_needs_no_division_by_0():
    assert check_gradients(1e12 + 0 * Value(1.0, label="x")).ok


def test_a_leaf_changed_to_where_there_is_no_value_is_told_as_that():
    x = Value(3.0, label="x")
    y = x.log()
    x.data = -3
    with pytest.raises(ValueError, match=r"x has changed .* \(log gave 1\.09\d*, and now: log: needs a > 0"):
        check_gradients(y)
