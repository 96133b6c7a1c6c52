"""The graph, its gradients and its refusals, against hand-worked numbers and PyTorch's rules for `backward`."""

import gc
import math
import random
import weakref
from fractions import Fraction

import numpy as np
import pytest

from scalargrad import Value, compile, derive, operation, topological_order
from scalargrad.rules import RULES


def central_difference(function, numbers, index, step=1e-6):
    above, below = list(numbers), list(numbers)
    above[index] += step
    below[index] -= step
    return (function(*map(Value, above)).data - function(*map(Value, below)).data) / (2 * step)


# --- the graph -----------------------------------------------------------------------------------------------------


def test_an_operation_records_its_parents_in_order_with_repeats():
    x, w = Value(3.0), Value(4.0)
    product, square = x * w, x * x
    assert product.parents == (x, w)
    assert product.partials == (4.0, 3.0)
    assert square.parents == (x, x)
    assert product.op is RULES["mul"]
    assert x.op is None
    assert x.parents == x.partials == ()


def test_partials_are_stored_when_the_operation_happens():
    x, w = Value(3.0), Value(4.0)
    product = x * w
    w.data = 100.0
    product.backward()
    assert x.grad == 4.0


def test_what_the_student_wrote_is_what_is_recorded():
    x, w = Value(3.0), Value(4.0)
    assert [node.op.name for node in (x - w, x / w, -x, 2 - x, 1 / x, x**2, 2**x)] == [
        "sub", "div", "neg", "sub", "div", "pow", "pow",
    ]  # fmt: skip
    assert [parent.data for parent in (2 - x).parents] == [2.0, 3.0]
    assert (2 - x).parents[0].op.name == "constant"


@pytest.mark.parametrize("number", [2, 2.0, True, Fraction(5, 2), np.float32(2.5), np.float64(2.5), np.int64(2)])
def test_numbers_of_every_kind_stand_on_either_side(number):
    x = Value(3.0)
    plain = float(number)
    assert [y.data for y in (x + number, number + x)] == [3 + plain, plain + 3]
    assert [y.data for y in (x - number, number - x)] == [3 - plain, plain - 3]
    assert [y.data for y in (x * number, number * x)] == [3 * plain, plain * 3]
    assert [y.data for y in (x / number, number / x)] == [3 / plain, plain / 3]
    assert [y.data for y in (x**number, number**x)] == [3**plain, plain**3]
    assert Value(number).data == plain
    assert type(Value(number).data) is float


def test_numpy_arrays_of_values_work_on_either_side():
    x = Value(3.0)
    assert [y.data for y in x * np.array([1.0, 2.0])] == [3.0, 6.0]
    assert [y.data for y in np.array([Value(1.0), Value(2.0)]) + x] == [4.0, 5.0]


def test_order_is_by_value_and_equality_by_identity():
    a, b = Value(1.0), Value(1.0)
    assert a != b
    assert a == a
    assert (a <= b) is True
    assert (a < b) is False
    assert (a > 0.5) is True
    assert (a >= 2) is False
    assert max(Value(1.0), Value(3.0), Value(2.0)).data == 3.0
    assert len({a, b}) == 2


def test_a_value_shows_itself_and_formats_as_its_number():
    w = Value(0.25, label="w1")
    assert repr(w) == "Value(data=0.25, grad=0.0, label='w1')"
    assert str(Value(0.25)) == f"{Value(0.25)}" == "Value(data=0.25, grad=0.0)"
    assert f"{w:.4f}" == "0.2500"
    assert +w is w


def test_the_functions_of_math_refuse_a_value_as_the_gradient_would_be_lost():
    p = Value(0.5)
    for lose in (math.log, math.sqrt, float):
        with pytest.raises(TypeError, match=r"must be (a string or a )?real number, not '?Value'?"):
            lose(p)
    assert f"{p:.4f}" == "0.5000"


def test_topological_order_has_parents_first_and_is_the_same_every_time():
    rng = random.Random(1)
    nodes = [Value(rng.uniform(-1, 1)) for _ in range(5)]
    for _ in range(200):
        nodes.append(rng.choice(nodes) * rng.choice(nodes) + rng.choice(nodes[-9:]) * 0.5)
    order = topological_order(nodes[-1])
    position = {node: index for index, node in enumerate(order)}
    assert len(position) == len(order)
    assert order[-1] is nodes[-1]
    assert all(position[parent] < position[node] for node in order for parent in node.parents)
    assert topological_order(nodes[-1]) == order


def test_topological_order_refuses_what_is_no_value():
    with pytest.raises(TypeError, match=r"topological_order: needs a Value, got 3\.0"):
        topological_order(3.0)


# --- gradients, worked by hand -------------------------------------------------------------------------------------


def test_fan_out():
    a = Value(3.0)
    b = a + a
    c = b + b
    c.backward()
    assert (c.grad, b.grad, a.grad) == (1.0, 2.0, 4.0)


def test_a_factor_used_three_times():
    x = Value(2.0)
    (x * x * x).backward()
    assert x.grad == 12.0


def test_diamond():
    """y = (x + 1) * (x * 3): dy/dx = 3 x + 3 (x + 1) = 15 at x = 2."""
    x = Value(2.0)
    left, right = x + 1, x * 3
    (left * right).backward()
    assert (left.grad, right.grad, x.grad) == (6.0, 3.0, 15.0)


def test_interior_node_used_again_after_it_was_used():
    """With b = a * 2, c = b * 3, y = c + b * c: dy/db = 3 + (c + 3 b) = 3 + 6 b, and dy/da is twice that."""
    a = Value(1.0)
    b = a * 2
    c = b * 3
    y = c + b * c
    y.backward()
    assert (b.grad, a.grad) == (15.0, 30.0)


def test_two_calls_give_the_leaves_exactly_twice_the_gradient_and_the_interior_once():
    x, w = Value(0.1), Value(0.7)
    inner = x * w
    y = (inner + x).tanh() * inner
    y.backward()
    once = (x.grad, w.grad, inner.grad)
    y.backward()
    assert (x.grad, w.grad, inner.grad) == (2 * once[0], 2 * once[1], once[2])


def test_a_second_root_over_shared_nodes_adds_to_the_leaves():
    x = Value(3.0)
    shared = x * x
    (shared * 2).backward()
    assert (x.grad, shared.grad) == (12.0, 2.0)
    (shared * 5).backward()
    assert (x.grad, shared.grad) == (42.0, 5.0)


def test_a_root_that_is_a_leaf_accumulates_its_own_gradient():
    x = Value(3.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0


def test_gradients_start_again_after_they_are_set_to_zero():
    x = Value(3.0)
    y = x * x
    y.backward()
    x.grad = 0
    y.backward()
    assert x.grad == 6.0


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_every_operation_has_a_method_whose_gradient_is_the_central_difference(rule):
    numbers = (1.3, 0.6)[: len(rule.operands)]
    values = [Value(number) for number in numbers]

    def apply(*operands):
        return getattr(operands[0], rule.name)(*operands[1:])

    y = apply(*values)
    y.backward()
    assert y.op is rule
    for index, value in enumerate(values):
        assert value.grad == pytest.approx(central_difference(apply, numbers, index), rel=1e-6, abs=1e-9)


def test_long_expression_agrees_with_central_differences():
    def expression(a, b, c):
        hidden = (a * b + c).sigmoid()
        return (hidden - a) ** 2 / (1 + b.exp()) + abs(c) * hidden.log() - hidden.maximum(c)

    numbers = (0.3, -1.2, 0.8)
    values = [Value(number) for number in numbers]
    expression(*values).backward()
    for index, value in enumerate(values):
        assert value.grad == pytest.approx(central_difference(expression, numbers, index), rel=1e-6)


# --- size and memory -----------------------------------------------------------------------------------------------


def test_a_chain_of_a_million_operations_runs_backward_and_is_freed():
    x = Value(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + x
    y.backward()
    assert x.grad == 1_000_001.0
    last = weakref.ref(y.parents[0])
    del y
    assert last() is None


def test_dropping_the_root_frees_every_node_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        x = Value(0.5)
        nodes = [x]
        for _ in range(20):
            nodes.append((nodes[-1] * nodes[len(nodes) // 2]).tanh() + 1)
        root = nodes[-1]
        root.backward()
        alive = [weakref.ref(node) for node in topological_order(root) if node is not x]
        del nodes, root
        assert [reference() for reference in alive] == [None] * len(alive)
    finally:
        gc.enable()


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda: Value("3"), TypeError, r"value: needs a real number, got '3' \(str\); convert it first, as in float"),
        (lambda: Value(None), TypeError, r"value: needs a real number, got None \(NoneType\)"),
        (lambda: Value(1j), TypeError, r"value: needs a real number, got 1j \(complex\)"),
        (lambda: Value(np.complex64(1j)), TypeError, r"value: needs a real number"),
        (lambda: Value(Value(1)), TypeError, r"value: needs a real number, got Value\(data=1.0, grad=0.0\)"),
        (lambda: Value(math.nan), ValueError, r"value: needs a finite number, got nan"),
        (lambda: Value(10**400), OverflowError, r"value: a whole number or fraction is too large for a float"),
        (lambda: Value(1) * math.inf, ValueError, r"value: needs a finite number, got inf"),
        (lambda: Value(1) + "3", TypeError, r"unsupported operand type\(s\) for \+: 'Value' and 'str'"),
        (lambda: 1j * Value(1), TypeError, r"unsupported operand type\(s\) for \*: 'complex' and 'Value'"),
        (lambda: Value(1).maximum("3"), TypeError, r"value: needs a real number, got '3' \(str\)"),
        (lambda: Value(1) < "3", TypeError, r"value: needs a real number, got '3' \(str\)"),
        (lambda: Value(0).log(), ValueError, r"log: needs a > 0, got a = 0\.0"),
        (lambda: Value(-1).log(), ValueError, r"log: needs a > 0, got a = -1\.0"),
        (lambda: Value(-1).sqrt(), ValueError, r"sqrt: needs a > 0, got a = -1\.0"),
        (lambda: 1 / Value(0), ZeroDivisionError, r"div: needs b != 0, got a = 1\.0, b = 0\.0"),
        (lambda: Value(1000).exp(), OverflowError, r"exp: .* too large for a float, got a = 1000\.0"),
        (lambda: Value(1e200) * Value(1e200), OverflowError, r"mul: .* too large for a float, got a = 1e\+200, b = 1e"),
        (lambda: 0 / Value(1e-320), OverflowError, r"div: .* local derivative is too large for a float, got a = 0\.0"),
        (lambda: Value(-8) ** 0.5, ValueError, r"pow: needs a > 0, or a whole number b .*, got a = -8\.0, b = 0\.5"),
        (
            lambda: Value(0) ** 0.5,
            ValueError,
            r"pow: needs a > 0, .* as below 1 the derivative is infinite\), got a = 0\.0, b = 0\.5",
        ),
    ],
)
def test_bad_input_is_refused_with_the_operation_and_the_numbers(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt()


@pytest.mark.parametrize(
    ("power", "value", "partials"),
    [
        (lambda: Value(2e153) ** 2, 4e306, (4e153, 0.0)),
        (lambda: Value(1e306) ** 1, 1e306, (1.0, 0.0)),
        (lambda: Value(5e102) ** 3, 1.25e308, (7.5e205, 0.0)),
        (lambda: Value(5e102).pow(3), 1.25e308, (7.5e205, 0.0)),
        (lambda: 0.0 ** Value(0.5), 0.0, (0.0, 0.0)),
        (lambda: 2 ** Value(3.0), 8.0, (0.0, 8 * math.log(2))),
        (lambda: Value(2.0) ** Value(3.0), 8.0, (12.0, 8 * math.log(2))),
    ],
)
def test_a_plain_number_in_a_power_has_no_derivative_that_could_be_refused(power, value, partials):
    assert power().data == pytest.approx(value, rel=1e-15)
    assert power().partials == pytest.approx(partials, rel=1e-15)
    assert power().op.name == "pow"


@pytest.mark.parametrize("b", [2.0**53, 2.0**53 + 2, 1e16, -1e16])
def test_the_derivative_of_a_huge_power_of_minus_one_has_its_sign(b):
    """From 2**53 on every float is an even number, and b - 1 is odd, though no float says so."""
    assert (Value(-1.0) ** b).data == 1.0
    assert (Value(-1.0) ** b).partials[0] == -b
    assert (Value(0.0) ** abs(b)).partials[0] == 0.0


def test_a_number_that_was_spoilt_by_hand_is_found_by_the_next_operation():
    w = Value(1.0)
    w.data = math.nan
    for attempt in (lambda: w * 2, lambda: w.relu(), lambda: w.maximum(0), lambda: -w):
        with pytest.raises(ValueError, match=r"\w+: needs finite numbers, got a = nan"):
            attempt()


def test_a_gradient_too_large_for_a_float_is_refused_and_the_leaves_stay_as_they_were():
    x, w = Value(1e-200), Value(1.0)
    (x * w).backward()
    before = (x.grad, w.grad)
    y = (x * 1e200) * 1e200 * w
    with pytest.raises(OverflowError, match="backward: a gradient is too large for a float: it is inf at"):
        y.backward()
    assert (x.grad, w.grad) == before


# --- a student's own operation -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cube",
    [
        operation("cube", "a**3", "3 * a**2"),
        operation("cube", lambda a: a**3, lambda a: 3 * a**2),
    ],
    ids=["text", "callable"],
)
def test_an_operation_of_ones_own(cube):
    x = Value(2.0)
    y = cube(x * 1) + 1
    y.backward()
    assert (y.data, x.grad) == (9.0, 12.0)
    assert y.parents[0].op.name == "cube"
    assert cube(2.0) == 8.0


def test_an_operation_of_ones_own_with_two_operands_and_a_domain():
    ratio = operation("ratio", "a / (a + b)", ["y * (1 - y) / a", "-y / (a + b)"], domain="a + b != 0")
    a, b = Value(1.0), Value(3.0)
    ratio(a, b).backward()
    assert (a.grad, b.grad) == (0.1875, -0.0625)
    with pytest.raises(ZeroDivisionError, match=r"ratio: needs a \+ b != 0, got a = 1\.0, b = -1\.0"):
        ratio(1.0, -1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("two words", "a", "1"), "needs a name that is one word and none of abs, pow, sqrt, got 'two words'"),
        (("sqrt", "a", "1"), "needs a name that is one word and none of abs, pow, sqrt, got 'sqrt'"),
        (("cube", "a is 1", "1"), "cannot read the formula 'a is 1'"),
        (("cube", "a^3 +", "1"), r"operation cube: cannot read the formula 'a\^3 \+'"),
        (
            ("cube", "kube(a)", "1"),
            "operation cube: the formula 'kube\\(a\\)' holds the unknown word 'kube'; known: a, abs",
        ),
        (
            ("cube", "a^3", "1"),
            r"operation cube: cannot read the formula 'a\^3': it may hold \+ - \* / \*\*",
        ),
        (("cube", "a.real", "1"), "cannot read the formula 'a.real'"),
        (("cube", "a * y", "1"), "holds the unknown word 'y'"),
        (("cube", "exp * a", "1"), "holds the unknown word 'exp'"),
        (("cube", "exp(a, a)", "1"), "exp in 'exp\\(a, a\\)' takes 1, got 2 operands"),
        (("cube", "'x'", "1"), "holds 'x', which is no finite number"),
        (("cube", "1e999 * a", "1"), "holds inf, which is no finite number"),
        (("lambda", "a", "1"), "needs a name that is one word .* got 'lambda'"),
        (("cube", "a", []), "operation cube: needs 1 or 2 partials, one for each operand, got 0"),
    ],
)
def test_an_operation_that_cannot_be_read_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        operation(*arguments)


@pytest.mark.parametrize("name", ["rule", "self", "a", "y", "record", "Value", "operation"])
def test_an_operation_may_have_a_name_that_the_engine_uses(name):
    square = operation(name, lambda a: a * a, lambda a: 2 * a)
    assert square(Value(3.0)).partials == (6.0,)


@pytest.mark.parametrize("name", ["square", "sinh", "sigmoid", "add"])
def test_a_name_that_the_table_has_too_is_the_students(name):
    """So a row that is added to the table one day breaks nobody's lesson."""
    theirs = operation(name, "a**2 / 2", "a")
    y = theirs(Value(3.0, label="x"))
    y.label = "y"
    assert (y.data, y.partials) == (4.5, (3.0,))
    assert y.op is not RULES[name]
    assert f"dy/dx = {y.parents[0].label}" in derive(y, y.parents[0]).text
    assert compile(y, y.parents, [], target="python").predict([[4.0]]) == [[8.0]]


def test_small_and_large_numbers_in_a_formula():
    shifted = operation("shifted_log", "log(a + 1e-9) + 0.00001 * a - 1e20", "1 / (a + 1e-9) + 0.00001")
    assert shifted(Value(1.0)).partials == (1 / (1 + 1e-9) + 1e-5,)


def test_a_local_derivative_too_large_for_a_float_is_refused():
    doubled = operation("doubled", "0.25 * a", "a + a")
    with pytest.raises(OverflowError, match=r"doubled: .* too large for a float, got a = 1e\+308"):
        doubled(Value(1e308))


def test_an_operation_without_a_domain_says_what_python_says():
    logarithm = operation("logarithm", "log(a)", "1 / a")
    with pytest.raises(ValueError, match=r"logarithm: math domain error, got a = -1\.0"):
        logarithm(Value(-1.0))


def test_several_calls_whose_gradients_add_up_to_infinity_are_refused():
    x = Value(1.0)
    y = x * 1e308
    y.backward()
    with pytest.raises(OverflowError, match="backward: the gradients of several calls add up"):
        y.backward()
    assert x.grad == 1e308


def test_a_label_is_text():
    with pytest.raises(TypeError, match="value: needs a label that is text, got 3"):
        Value(1.0, label=3)


@pytest.mark.parametrize("a", [1e3, 1e14, 1e16, 1e308])
def test_logaddexp_shares_its_gradient_however_large_the_operands(a):
    assert Value(a).logaddexp(a).partials == (0.5, 0.5)
    assert sum(Value(a).logaddexp(a + 3).partials) == pytest.approx(1, rel=1e-15)


def test_a_complex_number_put_into_data_is_refused_by_backward():
    """Before: gradients were complex numbers."""
    x = Value(1.0)
    x.data = 1j
    with pytest.raises(TypeError, match=r"value: needs a real number, got \S+ \(complex\)"):
        (x * 2).backward()
    assert x.grad == 0
