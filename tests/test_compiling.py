"""Programs in every target against the eager engine, on random graphs over every row of the table."""

import math
import os
import random
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from scalargrad import Value
from scalargrad.functions import operation
from scalargrad.programs import compiling, native, running
from scalargrad.rules import RULES

has_compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or find_spec("ziglang")
TARGETS = [
    "python",
    pytest.param("numpy", marks=pytest.mark.skipif(not find_spec("numpy"), reason="NumPy is not installed")),
    pytest.param("c", marks=pytest.mark.skipif(not has_compiler, reason="there is no C compiler")),
    pytest.param("jax", marks=pytest.mark.skipif(not find_spec("jax"), reason="JAX is not installed")),
]
each_target = pytest.mark.parametrize("target", TARGETS)


@pytest.fixture(autouse=True, scope="module")
def _cache_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def eager(record, rows, numbers):
    """The mean loss and gradients, each row recorded anew and run backward by the engine."""
    total, totals = 0.0, [0.0] * len(numbers)
    for row in rows:
        parameters = [Value(number) for number in numbers]
        loss = record([Value(number) for number in row], parameters)
        loss.backward()
        total += loss.data
        totals = [sum_ + parameter.grad for sum_, parameter in zip(totals, parameters)]
    return total / len(rows), [sum_ / len(rows) for sum_ in totals]


def random_graph(seed):
    """A function that records a graph in which each row of the table occurs."""
    operations = list(RULES)

    def record(inputs, parameters):
        choose = random.Random(seed)
        names = operations[:]
        choose.shuffle(names)
        nodes = [*inputs, *parameters, Value(1.0), Value(0.75, label="not an identifier")]
        for name in names:
            a, b = choose.choice(nodes), choose.choice(nodes)
            if name in ("log", "sqrt", "pow"):
                a = a * a + 0.5
            if name == "div":
                b = b * b + 1
            if name in ("exp", "tan", "pow"):
                a, b = a.tanh().abs() + 0.25, b.sin()
            operands = [a, b][: len(RULES[name].partials)]
            nodes.append(getattr(operands[0], name)(*operands[1:]).tanh() * choose.uniform(0.5, 2))
        return sum(nodes[1:], nodes[0])

    return record


def batch_of(seed, rows, columns):
    numbers = random.Random(seed)
    return [[numbers.uniform(-2, 2) for _ in range(columns)] for _ in range(rows)]


@each_target
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_engine_on_random_graphs_over_every_row(target, seed):
    if target == "jax" and seed:
        pytest.skip("JAX takes long to compile, and the first graph holds every row")
    record, rows, numbers = random_graph(seed), batch_of(seed, 21, 3), [0.3, -1.2, 0.8]
    inputs, parameters = [Value(x) for x in rows[0]], [Value(p) for p in numbers]
    program = compiling.compile(record(inputs, parameters), inputs, parameters, target)
    loss, gradients = program(rows)
    expected_loss, expected = eager(record, rows, numbers)
    if target == "python":
        assert (loss, gradients) == (expected_loss, expected)
    else:
        scale = max(map(abs, [expected_loss, *expected]))
        assert [loss, *gradients] == pytest.approx([expected_loss, *expected], rel=1e-12, abs=1e-12 * scale)


# A compilation for each row takes long, and the random graphs hold every row: the rows where branches meet.
BRANCHING = ("relu", "maximum", "pow", "sigmoid", "abs")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        *(("python", name) for name in RULES),
        *(pytest.param("numpy", name, marks=TARGETS[1].marks) for name in RULES),
        *(pytest.param(*target.values, name, marks=target.marks) for target in TARGETS[2:] for name in BRANCHING),
    ],
)
def test_each_row_where_its_branches_meet(target, name):
    rule = RULES[name]
    points = (-2.0, -0.5, 0.0, 0.5, 2.0)
    rows = [[a, b] for a in points for b in points]

    def record(inputs, parameters):
        operands = [inputs[0] * parameters[0], inputs[1] + parameters[1]][: len(rule.partials)]
        return getattr(operands[0], name)(*operands[1:])

    numbers = [1.0, 0.0]
    allowed = []
    for row in rows:
        try:
            eager(record, [row], numbers)
        except (ArithmeticError, ValueError):
            continue
        allowed.append(row)
    inputs, parameters = [Value(x) for x in allowed[-1]], [Value(p) for p in numbers]
    program = compiling.compile(record(inputs, parameters), inputs, parameters, target)
    for row in allowed:
        loss, gradients = program([row])
        expected_loss, expected = eager(record, [row], numbers)
        assert [loss, *gradients] == pytest.approx([expected_loss, *expected], rel=1e-12, abs=1e-12)
    for row in rows:
        if row not in allowed:
            with pytest.raises((ArithmeticError, ValueError), match=f"row 0.*{name}"):
                program([row])


def worked_example():
    """The documents' network with two outputs, and the leaves in the order x, y, w."""

    def leaf(label, number):
        return Value(number, label=label)

    x1, x2, y1, y2 = leaf("x1", 0.5), leaf("x2", 1.0), leaf("y1", 1.0), leaf("y2", 0.0)
    labels = ("w1", "w2", "b1", "w3", "w4", "b2", "w5", "w6", "b3", "w7", "w8", "b4")
    numbers = (0.1, 0.3, 0.5, 0.6, 0.7, 1.0, 0.2, 0.4, 0.5, 0.8, 0.9, 1.0)
    w1, w2, b1, w3, w4, b2, w5, w6, b3, w7, w8, b4 = parameters = list(map(leaf, labels, numbers))
    out_h1 = (x1 * w1 + x2 * w2 + b1).sigmoid()
    out_h2 = (x1 * w5 + x2 * w6 + b3).sigmoid()
    out_o1 = (out_h1 * w3 + out_h2 * w7 + b2).sigmoid()
    out_o2 = (out_h1 * w4 + out_h2 * w8 + b4).sigmoid()
    loss = 0.5 * (y1 - out_o1) ** 2 + 0.5 * (y2 - out_o2) ** 2
    for label, node in {"out_h1": out_h1, "out_h2": out_h2, "out_o1": out_o1, "out_o2": out_o2, "E": loss}.items():
        node.label = label
    return loss, [x1, x2, y1, y2], parameters, [out_o1, out_o2]


@each_target
def test_the_worked_example_gives_the_published_gradients(target):
    loss, inputs, parameters, outputs = worked_example()
    program = compiling.compile(loss, inputs, parameters, target, outputs)
    mean, gradients = program([[0.5, 1.0, 1.0, 0.0]])
    assert round(mean, 8) == 0.40801310
    published = [0.00537109, 0.01074218, 0.010742183129835565, -0.00869356, 0.05870176, -0.012409318556507402]
    published += [0.00643758, 0.01287516, 0.01287516032090534, -0.00907194, 0.0612567, 0.08379177401075323]
    assert gradients == pytest.approx(published, abs=5e-9)
    assert gradients[2] == pytest.approx(0.010742183129835565, rel=1e-13)
    assert program.predict([[0.5, 1.0]]) == [pytest.approx([0.8813406204337122, 0.8955144637754225], rel=1e-14)]
    assert program.predict([[0.5, 1.0, 1.0, 0.0]]) == program.predict([[0.5, 1.0]])


@each_target
def test_the_source_is_the_same_every_time_and_python_reads_like_the_derivation(target):
    graph = worked_example()
    sources = {compiling.compile(*graph[:3], target, graph[3]).source for graph in (graph, worked_example())}
    assert len(sources) == 1
    if target == "python":
        (source,) = sources
        assert "d_out_h1 = " in source
        assert "# d E / d out_h1" in source
        assert "out_h1 = sigmoid(v" in source


@pytest.mark.parametrize("target", [target for target in TARGETS if getattr(target, "values", ["python"])[0] != "c"])
def test_the_functions_of_a_source_give_means_and_rows_of_outputs(target):
    numpy = pytest.importorskip("numpy")
    x, w, unused = Value(2.0, label="x"), Value(3.0, label="w"), Value(1.0)
    source = compiling.compile((x * w).relu(), [x], [w, unused], target, [x * w, w]).source
    functions = running.executed(source)
    batch = [[1.0], [2.0], [6.0], [-1.0]]
    given = batch if target == "python" else functions.get("array", numpy.array)(batch)
    loss, gradients = functions["step"](given, [2.0, 0.0])
    assert (float(loss), [float(number) for number in gradients]) == (4.5, [2.25, 0.0])
    predicted = functions["predict"](given, [2.0, 0.0])
    assert [[float(number) for number in row] for row in predicted] == [
        [2.0, 2.0],
        [4.0, 2.0],
        [12.0, 2.0],
        [-2.0, 2.0],
    ]


@each_target
def test_parameters_are_read_at_each_call(target):
    x, w = Value(2.0, label="x"), Value(3.0, label="w")
    program = compiling.compile(w * w * x, [x], [w], target)
    assert program([[2.0]]) == (18.0, [12.0])
    w.data -= 1
    assert program([[2.0]]) == (8.0, [8.0])
    assert program([[2.0]], parameters=[1.0]) == (2.0, [4.0])
    with pytest.raises(ValueError, match="needs 1 parameters, got 2"):
        program([[2.0]], parameters=[1.0, 2.0])
    with pytest.raises(TypeError, match="needs a real number, got '1'"):
        program([[2.0]], parameters=["1"])


@each_target
def test_batches_of_every_size_and_kind(target):
    numpy = pytest.importorskip("numpy")
    x, w = Value(2.0), Value(3.0)
    program = compiling.compile((w * x).tanh(), [x], [w], target)
    for count in (1, 7, 8, 9, 5000):
        column = [0.001 * i - 1 for i in range(count)]
        loss, (gradient,) = program([[number] for number in column])
        assert loss == pytest.approx(math.fsum(math.tanh(3 * x) for x in column) / count, rel=1e-12)
        expected = math.fsum(x * (1 - math.tanh(3 * x) ** 2) for x in column) / count
        assert gradient == pytest.approx(expected, rel=1e-11)
        assert program(numpy.array(column)[:, None]) == (loss, [gradient])
        assert len(program.predict(numpy.array(column)[:, None])) == count
    wide = numpy.arange(20.0).reshape(4, 5)
    assert program(wide[:, 2:3]) == program([[2.0], [7.0], [12.0], [17.0]])
    assert program(numpy.array([[1], [2]])) == program([[1], [2]])


@each_target
def test_large_batches_on_several_threads(target):
    numpy = pytest.importorskip("numpy")
    x, w = Value(0.5), Value(1.5)
    program = compiling.compile(x * w, [x], [w], target)
    if target in ("numpy", "c"):
        column = numpy.arange(800_003.0)[:, None]
        loss, (gradient,) = program(column)
        assert gradient == pytest.approx(400_001.0, rel=1e-13)
        assert loss == pytest.approx(600_001.5, rel=1e-13)
        assert program.predict(column)[-1] == [800_002 * 1.5]


@each_target
@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([], ValueError, "at least one row"),
        ([[1.0, 2.0], [1.0]], ValueError, r"row 1 has 1 columns, needs 2: x1, x2; column 1 \(x2\) is missing"),
        ([[1.0, 2.0, 3.0]], ValueError, "row 0 has 3 columns, needs 2"),
        ([[1.0, 2.0], [1.0, "2"]], TypeError, r"row 1, column 1 \(x2\).*'2'"),
        ([[1.0, 2.0], [float("nan"), 2.0]], ValueError, r"row 1, column 0 \(x1\).*nan"),
        ([[1.0, float("inf")]], ValueError, r"row 0, column 1 \(x2\).*inf"),
        ([[1.0, None]], TypeError, r"row 0, column 1 \(x2\).*None"),
        ([[1.0, 2.0], [1.0, 10**400]], OverflowError, r"row 1, column 1 \(x2\).*too large for a float"),
        ([1.0, 2.0], TypeError, "row 0 is no list"),
        (["ab"], TypeError, "row 0 is no list"),
        ("text", TypeError, "needs rows of numbers"),
        (3.0, TypeError, "needs rows of numbers"),
    ],
)
def test_wrong_batches_are_refused(target, batch, error, message):
    program = small_program(target)
    for run in (program, program.predict):
        with pytest.raises(error, match=message):
            run(batch)


@each_target
def test_wrong_arrays_are_refused(target):
    numpy = pytest.importorskip("numpy")
    program = small_program(target)
    for batch, error, message in [
        (numpy.zeros((0, 2)), ValueError, "at least one row"),
        (numpy.zeros(2), ValueError, "two dimensions"),
        (numpy.zeros((3, 3)), ValueError, "each row has 3 columns, needs 2"),
        (numpy.array([[1.0, 2.0], [3.0, math.nan]]), ValueError, r"row 1, column 1 \(x2\)"),
        (numpy.array([["1", "2"]]), TypeError, r"row 0, column 0 \(x1\)"),
        (numpy.array([[1.0, None]], dtype=object), TypeError, r"row 0, column 1 \(x2\)"),
        (numpy.array([[1.0, 2j]]), TypeError, r"row 0, column 0 \(x1\)"),
    ]:
        with pytest.raises(error, match=message):
            program(batch)


_programs = {}


def small_program(target):
    if target not in _programs:
        x1, x2, w = Value(1.0, label="x1"), Value(2.0, label="x2"), Value(3.0, label="w")
        _programs[target] = compiling.compile((w * x1 + x2).tanh(), [x1, x2], [w], target)
    return _programs[target]


@each_target
def test_leaving_the_domain_names_the_operation_and_the_row(target):
    x, w = Value(1.0), Value(2.0)
    program = compiling.compile((x * w).log(), [x], [w], target)
    for run in (program, program.predict):
        with pytest.raises(ValueError, match=r"row 1, counted from 0: log: needs a > 0, got a = -2.0"):
            run([[1.0], [-1.0]])


@each_target
def test_an_infinity_that_tanh_would_hide_is_found(target):
    x, w = Value(1.0), Value(2.0)
    program = compiling.compile((x * w).tanh(), [x], [w], target)
    for run in (program, program.predict):
        with pytest.raises(OverflowError, match=r"row 2.*mul"):
            run([[1.0], [2.0], [1e308]])


@each_target
def test_a_parameter_that_is_not_finite_is_refused(target):
    with pytest.raises(ValueError, match="finite"):
        small_program(target)([[1.0, 2.0]], parameters=[math.inf])
    x, w = Value(1.0), Value(2.0)
    program = compiling.compile(x * w, [x], [w], target)
    with pytest.raises(OverflowError, match="sum over the rows"):
        program([[1.5e308], [1.5e308]], parameters=[1.0])


def test_a_parameter_that_is_too_large_for_a_float_is_refused():
    with pytest.raises(OverflowError, match=r"program: parameters\[0\]: .*too large for a float"):
        small_program("python")([[1.0, 2.0]], [10**400])


@each_target
def test_operations_declared_as_text(target):
    step = operation("gate", "a * b if 0 < a <= 2 else 0.5 * a", ("b if a > 0 else 0.5", "1 if a > 0 else 0"))
    called = operation("softer", "sigmoid(a) * maximum(a, 0) + 2**a + (a > 1)", "1 - y / 3")
    double = operation("double", "exp(a) if a > 0 else a + 1", "exp(a) if a > 0 else 1")

    def record(inputs, parameters):
        return double(called(step(inputs[0] * parameters[0], inputs[1] - parameters[1])))

    rows, numbers = batch_of(5, 9, 2), [0.7, -0.2]
    inputs, parameters = [Value(x) for x in rows[0]], [Value(p) for p in numbers]
    program = compiling.compile(record(inputs, parameters), inputs, parameters, target)
    expected_loss, expected = eager(record, rows, numbers)
    loss, gradients = program(rows)
    assert [loss, *gradients] == pytest.approx([expected_loss, *expected], rel=1e-12)


def test_two_operations_of_one_name():
    first, second = operation("twin", "exp(a) if a > 0 else 1", "2"), operation("twin", "exp(a) if a > 1 else 3", "2")
    x = Value(0.5, label="twin")
    program = compiling.compile(first(x) + second(x), [x], target="python")
    assert program([[0.5]])[0] == math.exp(0.5) + 3


def test_an_operation_declared_by_callables_is_refused():
    square = operation("square", lambda a: a * a, lambda a: 2 * a)
    x = Value(1.0)
    with pytest.raises(ValueError, match=r"square was declared by callables.*formulas as text"):
        compiling.compile(square(x), [x], target="python")


@each_target
def test_unusual_graphs(target):
    x, w, unused = Value(2.0, label="x"), Value(3.0, label="w"), Value(5.0)
    assert compiling.compile(w, [x], [w, unused], target)([[1.0]]) == (3.0, [1.0, 0.0])
    assert compiling.compile(x, [x, unused], [w], target)([[1.0, 7.0], [2.0, 7.0]]) == (1.5, [0.0])
    assert compiling.compile(Value(4.0) * 2, [x], [], target)([[1.0]]) == (8.0, [])
    assert compiling.compile(x**0 * w + w**1, [x], [w], target)([[-1.0], [1.0], [2.0]]) == (6.0, [2.0])
    assert compiling.compile(w * w, [x], [w], target)([[1.0]] * 9) == (9.0, [6.0])
    assert compiling.compile(w * w, [x], [w], target, [w * 2, x * w]).predict([[1.0], [2.0]]) == [
        [6.0, 3.0],
        [6.0, 6.0],
    ]
    many = sum((w * x for _ in range(30)), w * -1)
    loss, gradients = compiling.compile(many, [x], [w], target)([[1.0], [2.0]])
    assert (loss, gradients) == (132.0, [44.0])


@each_target
def test_labels_that_are_no_names(target):
    labels = ["for", "a b", "batch", "x1", "x1", "d_x", "乙", "*/ \n\\", "exp", "ﬁ", "t1", "", "sum_x", "'''"]
    inputs = [Value(float(i + 1), label=label) for i, label in enumerate(labels)]
    root = inputs[0]
    for node in inputs[1:]:
        root = root * 0.5 + node
        root.label = node.label
    w = Value(2.0, label="where")
    root = (root * w).relu()
    root.label = "step\nimport nothing"
    program = compiling.compile(root, inputs, [w], target)
    assert program([[node.data for node in inputs]])[0] == root.data


def test_wrong_arguments_are_refused():
    x, w = Value(1.0, label="x"), Value(2.0, label="w")
    for arguments, error, message in [
        ((x * w, [], [w]), ValueError, "at least one input"),
        ((x * w, [x], [x]), ValueError, r"parameters\[0\] stands in inputs\[0\] already"),
        ((x * w, [x * 2], [w]), ValueError, r"inputs\[0\] is no leaf"),
        ((x * w, [1.0], [w]), TypeError, r"inputs\[0\] is no Value"),
        ((x * w, [x], [w], "fortran"), ValueError, "needs a target"),
        ((3.0, [x], [w]), TypeError, "needs a Value"),
        ((x * w, x, [w]), TypeError, "inputs needs a list of Values"),
        ((x * w, [x], w), TypeError, "parameters needs a list of Values"),
        ((x * w, [x], [w], "python", x * w), TypeError, "outputs needs a list of Values"),
    ]:
        with pytest.raises(error, match=message):
            compiling.compile(*arguments)


@each_target
def test_a_graph_whose_leaves_have_changed_is_refused(target):
    x, w = Value(1.0, label="x"), Value(2.0, label="w")
    root = x * w + 1
    w.data = 5.0
    with pytest.raises(ValueError, match=r"w has changed since it was recorded \(mul gave 2\.0, and now 5\.0\)"):
        compiling.compile(root, [x], [w], target)


def test_compiling_leaves_the_gradients_alone():
    x, w = Value(1.0), Value(2.0)
    root = x * w
    root.backward()
    compiling.compile(root, [x], [w], "python")([[4.0]])
    assert (x.grad, w.grad, root.grad) == (2.0, 1.0, 1.0)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("target", "length"), [("python", 100_000), pytest.param("numpy", 5_000, marks=TARGETS[1].marks)]
)
def test_a_long_chain_of_operations(target, length):
    x, w = Value(0.5), Value(0.25)
    node = x
    for _ in range(length // 2):
        node = (node + w).sin()
    node.backward()
    loss, (gradient,) = compiling.compile(node, [x], [w], target)([[0.5]])
    assert loss == pytest.approx(node.data, rel=1e-12)
    assert gradient == pytest.approx(w.grad, rel=1e-12)


@each_target
def test_an_operand_that_only_the_derivative_mentions(target):
    odd = operation("odd", "2 * b", ("a * a", "2"))
    x, w = Value(3.0), Value(2.0)
    loss, (gradient,) = compiling.compile(odd(w * x, w).sin(), [x], [w], target)([[3.0], [3.0]])
    assert loss == pytest.approx(math.sin(4.0), rel=1e-14)
    assert gradient == pytest.approx(math.cos(4.0) * (36 * 3 + 2), rel=1e-13)


def test_auto_takes_the_fastest_there_is(monkeypatch):
    x, w = Value(2.0), Value(3.0)
    if has_compiler:
        assert compiling.compile(x * w, [x], [w]).target == "c"
    monkeypatch.setattr(native, "compilers", lambda: iter(()))
    assert compiling.compile(x * w, [x], [w]).target in ("numpy", "python")
    with pytest.raises(RuntimeError, match="found none of cc, gcc, clang, ziglang"):
        compiling.compile(x * w, [x], [w], target="c")


@pytest.mark.thorough
@pytest.mark.skipif(not has_compiler, reason="there is no C compiler")
def test_no_graph_is_too_large_for_c():
    x, w = Value(0.5), Value(0.25)
    node = x
    for _ in range(15_000):
        node = (node + w).sin()
    program = compiling.compile(node, [x], [w], target="c")
    assert program.target == "c"
    python = compiling.compile(node, [x], [w], target="python")
    assert program([[0.5]])[0] == pytest.approx(python([[0.5]])[0], rel=1e-12)


def test_only_jax_has_a_pure_function():
    with pytest.raises(AttributeError, match='only target "jax"'):
        _ = small_program("python").function


SHARDED = """
import jax, numpy
jax.config.update("jax_enable_x64", True)
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tests.test_compiling import batch_of, worked_example
from scalargrad.programs import compiling
loss, inputs, parameters, _ = worked_example()
rows, numbers = numpy.array(batch_of(1, 32, 4)), numpy.array([parameter.data for parameter in parameters])
program = compiling.compile(loss, inputs, parameters, "jax")
assert len(jax.devices()) == 4
mesh = Mesh(jax.devices(), ("rows",))
batch = jax.device_put(rows, NamedSharding(mesh, PartitionSpec("rows")))
assert len(batch.sharding.device_set) == 4
sharded = jax.jit(program.function)(batch, numbers)
one = jax.jit(program.function)(jax.device_put(rows, jax.devices()[0]), numbers)
numpy.testing.assert_allclose(sharded[0], one[0], rtol=1e-12)
numpy.testing.assert_allclose(sharded[1], one[1], rtol=1e-12)
by_jax = jax.jit(jax.grad(lambda p: program.function(rows, p)[0]))(numbers)
numpy.testing.assert_allclose(by_jax, one[1], rtol=1e-11)
each = jax.vmap(program.function, (0, None))(rows.reshape(8, 4, 4), numbers)
numpy.testing.assert_allclose(each[1].mean(axis=0), one[1], rtol=1e-11)
print("equal")
"""


@pytest.mark.skipif(not find_spec("jax"), reason="JAX is not installed")
def test_jax_on_four_devices_gives_what_one_gives():
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    root = os.path.dirname(os.path.dirname(__file__))
    run = subprocess.run(
        [sys.executable, "-c", SHARDED], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert run.stdout == "equal\n", run.stderr
