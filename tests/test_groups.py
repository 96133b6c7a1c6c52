"""Groups of alike scalars: found whoever wrote the graph, and in C the same numbers as the derivation, to the bit."""

import math
import os
import random
import shutil
import subprocess
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import chain

import graph_sorts
import pytest

from scalargrad import Value, nn
from scalargrad.formulas.source import Formulas
from scalargrad.graph.groups import Scalars, segments
from scalargrad.programs import compiling, loops, native, targets
from scalargrad.programs.vectors import CVectors
from scalargrad.train import losses

has_compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or find_spec("ziglang")
needs_compiler = pytest.mark.skipif(not has_compiler, reason="there is no C compiler")


@pytest.fixture(autouse=True, scope="module")
def _cache_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def leaves(count, rng, size=0.8):
    return [Value(rng.uniform(-size, size)) for _ in range(count)]


def network(sizes, loss, **options):
    rng = random.Random(1)
    model = nn.MLP(sizes[0], sizes[1:], seed=2, **options)
    xs, ys = leaves(sizes[0], rng), [Value(1.0) for _ in range(sizes[-1])]
    outputs = model(xs)
    root = loss([outputs] if isinstance(outputs, Value) else outputs, ys)
    return root, [*xs, *ys], model.parameters()


def moons():
    return network([2, 16, 16, 1], losses.hinge_loss)


def with_penalty():
    root, inputs, parameters = moons()
    return root + 1e-4 * sum(p * p for p in parameters), inputs, parameters


def digits():
    def squared(outputs, targets):
        total = 0
        for output, target in zip(outputs, targets):
            total = total + (output - target) * (output - target) * 0.5
        return total

    return network([64, 32, 10], squared)


def recurrent(steps=6, hidden=8):
    """A network whose weights are used in each step; its state begins with zeros."""
    rng = random.Random(3)
    xs, y = leaves(steps, rng), Value(0.5)
    wx, b, wo = leaves(hidden, rng), leaves(hidden, rng), leaves(hidden, rng)
    wh = [leaves(hidden, rng, 3 / hidden) for _ in range(hidden)]
    state = [Value(0.0)] * hidden
    for x in xs:
        state = [(sum((w * s for w, s in zip(wh[j], state)), x * wx[j]) + b[j]).relu() for j in range(hidden)]
    difference = sum((w * s for w, s in zip(wo, state)), -y)
    return difference * difference, [*xs, y], [*wx, *b, *wo, *chain.from_iterable(wh)]


def convolution():
    """Two filters of 3 x 3 over a picture of 6 x 6, written as a student would."""
    rng, size = random.Random(4), 6
    picture, y = [leaves(size, rng) for _ in range(size)], Value(1.0)
    filters = [[leaves(3, rng) for _ in range(3)] for _ in range(2)]
    biases = leaves(2, rng)
    outputs = []
    for weights, bias in zip(filters, biases):
        for row in range(size - 2):
            for column in range(size - 2):
                net = bias
                for i in range(3):
                    for j in range(3):
                        net = net + picture[row + i][column + j] * weights[i][j]
                outputs.append(net.relu())
    last = leaves(len(outputs), rng)
    difference = sum((o * w for o, w in zip(outputs, last)), y * -1)
    flat = [weight for weights in filters for row in weights for weight in row]
    return difference * difference, [*chain.from_iterable(picture), y], [*flat, *biases, *last]


def irregular(seed):
    """Operations on operands chosen at random, with kinks, fan-out, constants and parameters that meet each other."""
    rng = random.Random(seed)
    inputs, parameters = leaves(3, rng), leaves(4, rng)
    nodes = [*inputs, *parameters, parameters[0] * parameters[1], parameters[2].relu() - 0.5]
    for _ in range(60):
        a, b = rng.choice(nodes[-20:]), rng.choice(nodes)
        choices = (
            lambda a=a, b=b: a + b,
            lambda a=a, b=b: a - b,
            lambda a=a, b=b: a * b * 0.7,
            lambda a=a: 1.5 - a,
            lambda a=a: -a,
            lambda a=a: a / 3,
            a.relu,
            a.leaky_relu,
            a.abs,
            lambda a=a, b=b: a.maximum(b),
            lambda a=a, b=b: a.minimum(b),
        )
        nodes.append(rng.choice(choices)())
    return sum(nodes[-12:], nodes[0] * nodes[3]), inputs, parameters


KINDS = {
    "moons": moons,
    "penalty": with_penalty,
    "digits": digits,
    "recurrent": recurrent,
    "recurrent, wide": lambda: recurrent(3, 21),
    "convolution": convolution,
    **{f"irregular {seed}": lambda seed=seed: irregular(seed) for seed in range(3)},
}

QUICK = ("moons", "digits", "recurrent", "irregular 0")


def rows_like(inputs, count):
    rng = random.Random(5)
    return [[x.data + rng.uniform(-0.3, 0.3) for x in inputs[:-1]] + [inputs[-1].data] for _ in range(count)]


@needs_compiler
@pytest.mark.parametrize(
    "kind",
    [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.thorough) for kind in KINDS],
)
def test_c_from_groups_is_python_bit_for_bit(kind, monkeypatch):
    monkeypatch.setattr(loops, "_LARGEST_LINE", 0)  # loops for these graphs as well
    root, inputs, parameters = KINDS[kind]()
    c, python = (compiling.compile(root, inputs, parameters, target) for target in ("c", "python"))
    assert "struct plan" in c.source
    for count in (1, 37):
        rows = rows_like(inputs, count)
        assert c(rows) == python(rows)
        assert c.predict(rows) == python.predict(rows)
        assert c.with_outputs(rows) == python.with_outputs(rows) == (*c(rows), c.predict(rows))


RANGES = {"exp": (-700, 700), "expm1": (-30, 30), "log": (1e-300, 20), "log1p": (-0.99, 20), "tanh": (-25, 25)}


@needs_compiler
@pytest.mark.parametrize(
    "flag", ["", *(pytest.param(f"-mno-{kind}", marks=pytest.mark.thorough) for kind in ("avx512f", "avx2", "avx"))]
)
@pytest.mark.parametrize("word", RANGES)
def test_functions_of_whole_vectors_are_within_4_units_in_the_last_place(word, flag, monkeypatch):
    if flag and "avx" not in native._processor():
        pytest.skip("this processor has no such vectors")
    monkeypatch.setattr(native, "_compiler_flags", lambda: ["-march=native", *filter(None, [flag])])
    x, rng = Value(0.5), random.Random(word)
    numbers = [[number] for number in (0.0, 1.0, 0.5) if word != "log" or number] + [
        [rng.uniform(low, high)] for low, high in (RANGES[word], (0.4, 2)) for _ in range(1000)
    ]
    root = getattr(x, word)()
    fast, plain = (compiling.compile(root, [x], target="c", vector_math=flag) for flag in (True, False))
    for (number,), (got,), (exact,) in zip(numbers, fast.predict(numbers), plain.predict(numbers)):
        expected = getattr(math, word)(number)
        assert exact == expected
        assert abs(got - expected) <= 4 * math.ulp(expected), number
    if word != "expm1":  # what holds at 0 and 1 to the last bit: exp(0) = 1, ln 1 = 0, and tanh is never beyond 1
        assert fast.predict([[1.0 if word == "log" else 0.0]]) == [[1.0 if word == "exp" else 0.0]]
        assert word != "tanh" or max(map(abs, (got for (got,) in fast.predict([[n / 8] for n in range(400)])))) <= 1


@needs_compiler
@pytest.mark.parametrize(
    "word", ["tanh", *(pytest.param(word, marks=pytest.mark.thorough) for word in ("sigmoid", "softplus", "elu"))]
)
def test_a_network_gets_the_same_numbers_from_functions_of_whole_vectors(word):
    rng = random.Random(3)
    root, inputs, parameters = network([2, 16, 16, 1], losses.hinge_loss, activation=word)
    fast, plain, python = (
        compiling.compile(root, inputs, parameters, target, vector_math=on)
        for target, on in (("c", True), ("c", False), ("python", True))
    )
    rows = rows_like(inputs, 100)
    rows[1:3] = [[50.0, -70.0, 1.0], [rng.uniform(-300, 300), 0.0, -1.0]]  # far out, where one branch overflows
    expected = python(rows)
    assert plain(rows) == expected
    assert fast(rows)[0] == pytest.approx(expected[0], rel=1e-13)
    assert fast(rows)[1] == pytest.approx(expected[1], rel=1e-12, abs=1e-14 * max(map(abs, expected[1])))


@needs_compiler
def test_networks_and_wide_recurrences_become_loops_by_themselves_and_irregular_graphs_a_line():
    expected = {"moons": True, "digits": True, "recurrent, wide": True, "recurrent": False, "irregular 0": False}
    for kind, is_loops in expected.items():
        assert ("struct plan" in compiling.compile(*KINDS[kind](), "c").source) == is_loops


def scalars_of(root, inputs, parameters):
    graph = targets.ProgramGraph(root, inputs, parameters, [root])
    return Scalars(graph.order, root, [root], inputs, parameters, Formulas(CVectors(), frozenset()))


def test_a_network_is_one_group_for_each_step_of_a_layer_and_one_block_for_each_matrix():
    scalars = scalars_of(*digits())
    shapes = [(len(group.members), len(group.pattern)) for group in scalars.groups(True)]
    assert (32, 65) in shapes  # 32 neurons of 64 products and a bias
    assert (10, 33) in shapes
    assert (32, 10) in shapes  # what the 10 outputs send back to each of 32 neurons
    assert sorted((len(b.left), len(b.right)) for b in scalars.blocks) == [(0, 42), (10, 32), (32, 64)]
    assert sum(len(block.parameters) * len(block.parameters[0]) for block in scalars.blocks) == 2410


def test_the_weights_of_a_recurrence_are_one_table_of_products_over_all_its_steps():
    blocks = scalars_of(*recurrent()).blocks
    assert (8, 6, 8) in [(len(block.left), len(block.left[0]), len(block.right)) for block in blocks if block.left]


def test_the_loops_do_not_grow_with_the_graph():
    sources = set()
    for width in (8, 24):
        root, inputs, parameters = network([4, width, width, 2], losses.mean_squared_error)
        program = loops.c_program(targets.ProgramGraph(root, inputs, parameters, [root]))
        sources.add(program.source)
    assert len(sources) == 1


def test_segments():
    assert segments(b"\x04\x04\x02") == [(4, 0, 2), (2, 2, 3)]


# --- arrays in, arrays out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["python", "numpy", pytest.param("c", marks=needs_compiler)])
def test_gradients_come_as_the_parameters_came(target):
    numpy = pytest.importorskip("numpy")
    root, inputs, parameters = irregular(0)
    program = compiling.compile(root, inputs, parameters, target)
    numbers, rows = [p.data for p in parameters], rows_like(inputs, 5)
    loss, gradients = program(rows)
    assert type(gradients) is list
    table = memoryview(array("d", chain.from_iterable(rows))).cast("B").cast("d", (5, 3))
    for batch in (rows, numpy.array(rows), table):
        assert program(batch, numbers) == (loss, gradients)
        as_array = program(batch, array("d", numbers))
        assert (type(as_array[1]), as_array) == (array, (loss, array("d", gradients)))
        mean, as_numpy = program(batch, numpy.array(numbers))
        assert isinstance(as_numpy, numpy.ndarray)
        assert (mean, as_numpy.tolist()) == (loss, gradients)


@pytest.mark.parametrize("target", ["python", "numpy", pytest.param("c", marks=needs_compiler)])
def test_rows_can_be_chosen_by_their_positions(target):
    numpy = pytest.importorskip("numpy")
    root, inputs, parameters = irregular(1)
    program = compiling.compile(root, inputs, parameters, target)
    rows = rows_like(inputs, 50)
    chosen = [7, 3, 3, 49, *range(20)]
    for batch in (rows, numpy.array(rows)):
        assert program(batch, rows=chosen) == program([rows[i] for i in chosen])
        assert program.predict(batch, rows=chosen) == program.predict([rows[i] for i in chosen])
        for wrong in ([50], [-1], []):
            with pytest.raises(IndexError, match="needs rows from 0 to 49"):
                program(batch, rows=wrong)


@needs_compiler
def test_arrays_that_are_not_finite_are_named_by_row_and_column():
    numpy = pytest.importorskip("numpy")
    for kind in ("moons", "irregular 0"):
        root, inputs, parameters = KINDS[kind]()
        program = compiling.compile(root, inputs, parameters, "c")
        rows = numpy.array(rows_like(inputs, 40))
        rows[33, 1] = numpy.inf
        for run in (program, program.predict):
            with pytest.raises(ValueError, match=r"row 33, column 1 \(.*\), counted from 0: needs a finite number"):
                run(rows)
            run(rows, rows=range(33))
            with pytest.raises(ValueError, match="finite"):
                run(rows[:5], numpy.full(len(parameters), numpy.nan))


@needs_compiler
def test_two_threads_at_once_do_not_meet_in_one_buffer():
    numpy = pytest.importorskip("numpy")
    root, inputs, parameters = moons()
    program = compiling.compile(root, inputs, parameters, "c")
    batches = [numpy.array(rows_like(inputs, count)) for count in (33, 64, 5, 100)] * 20
    expected = [program(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(program, batches)) == expected


@needs_compiler
@pytest.mark.skipif(not os.path.exists("/proc/cpuinfo"), reason="only known to be an x86 on Linux")
@pytest.mark.parametrize("flag", ["-mno-avx512f", "-mno-avx"])
def test_processors_with_shorter_vectors_give_the_same_bits(flag, monkeypatch):
    if "avx" not in native._processor():
        pytest.skip("this processor has no such vectors")
    monkeypatch.setattr(native, "_compiler_flags", lambda: ["-march=native", flag], raising=True)
    root, inputs, parameters = moons()
    c, python = (compiling.compile(root, inputs, parameters, target) for target in ("c", "python"))
    rows = rows_like(inputs, 37)
    assert c(rows) == python(rows)


LINES = """
import sys
sys.path.insert(0, "tests")
from scalargrad.programs import compiling, native
from test_groups import irregular, rows_like
native._compiler_flags = lambda: ["-march=native", "-mno-avx512f"]
for seed in range(4):
    root, inputs, parameters = irregular(seed)
    c = compiling.compile(root, inputs, parameters, "c")
    assert "struct plan" not in c.source
    for _ in range(50):
        c(rows_like(inputs, 9))
        c.predict(rows_like(inputs, 9))
print("alive")
"""


@pytest.mark.thorough
@needs_compiler
@pytest.mark.skipif("avx2" not in native._processor(), reason="this processor has no shorter vectors")
def test_a_straight_line_with_shorter_vectors_stays_within_its_memory():
    """In a process of its own: the C library ends one whose memory was overwritten when it is given back."""
    root = os.path.dirname(os.path.dirname(__file__))
    run = subprocess.run([sys.executable, "-c", LINES], cwd=root, capture_output=True, text=True, check=False)
    assert run.stdout == "alive\n", run.stderr


# --- random graphs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["numpy", pytest.param("c", marks=needs_compiler)])
@pytest.mark.parametrize("sort", graph_sorts.SORTS)
@pytest.mark.parametrize(
    "seeds", [range(1), pytest.param(range(1, 12), marks=pytest.mark.thorough)], ids=["one", "more"]
)
def test_targets_agree_on_random_graphs_of_five_sorts(sort, target, seeds):
    """All 300 are drawn by `graph_sorts.py`."""
    if target == "numpy":
        pytest.importorskip("numpy")
    assert max(graph_sorts.difference(sort, seed, target) for seed in seeds) < 1e-12


@needs_compiler
@pytest.mark.thorough
@pytest.mark.parametrize("sort", graph_sorts.SORTS)
def test_groups_in_c_agree_on_random_graphs_as_well_where_a_straight_line_would_be_faster(sort, monkeypatch):
    monkeypatch.setattr(loops, "_LARGEST_LINE", 0)
    assert max(graph_sorts.difference(sort, seed, "c") for seed in range(12)) < 1e-12
