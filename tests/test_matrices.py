"""Matrices found in graphs that were written scalar by scalar, and the programs on arrays that they become."""

import random
import re
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pytest
import test_compiling
from graph_support import random_graph, total
from test_groups import convolution, digits, leaves, network, recurrent, rows_like, scalars_of

from scalargrad import Value, nn
from scalargrad.graph.groups import MINUS
from scalargrad.graph.matrices import Product, Terms, tables_of
from scalargrad.programs import compiling, matrices
from scalargrad.train import losses

needs_numpy = pytest.mark.skipif(not find_spec("numpy"), reason="NumPy is not installed")
needs_jax = pytest.mark.skipif(not find_spec("jax"), reason="JAX is not installed")


def tables(scalars):
    """All tables with a matrix product in them, in the order of both passes."""
    sums = [group for group in scalars.groups(True) if group.template is None]
    found = [table for group in sums for table in tables_of(scalars, group.members)]
    return [table for table in found if any(isinstance(term, Product) for term in table.terms)]


def shapes(scalars):
    """Of each product: the shape of W, and how many vectors it is multiplied by."""
    return [
        (len(term.weights), len(term.weights[0]), len(term.vectors))
        for table in tables(scalars)
        for term in table.terms
        if isinstance(term, Product)
    ]


def test_the_layers_of_a_network_and_what_it_sends_back_are_products():
    scalars = scalars_of(*digits())
    assert shapes(scalars) == [(32, 64, 1), (10, 32, 1), (32, 10, 1)]
    first, second, back = tables(scalars)
    (product, bias) = first.terms
    assert product.sign == 0
    assert product.vectors == [tuple(scalars.inputs[:64])]
    parameters = scalars.parameters  # neuron by neuron: its weights, its bias
    assert product.weights == [tuple(parameters[65 * j : 65 * j + 64]) for j in range(32)]
    assert isinstance(bias, Terms)
    assert bias.left == [tuple(parameters[65 * j + 64] for j in range(32))]
    assert back.terms[0].weights == list(zip(*second.terms[0].weights))


def test_filters_are_one_matrix_by_a_vector_for_each_place():
    scalars = scalars_of(*convolution())
    assert shapes(scalars)[0] == (2, 9, 16)
    table = tables(scalars)[0]
    assert [len(row) for row in table.members] == [16, 16]
    product = next(term for term in table.terms if isinstance(term, Product))
    for j, row in enumerate(table.members):
        for c, member in enumerate(row):
            terms = [term[1:] for term in scalars.definitions[member]]
            assert all(pair in terms for pair in zip(product.vectors[c], product.weights[j]))


def test_two_layers_side_by_side_are_two_tables():
    def both(outputs, targets):
        return losses.mean_squared_error(outputs, targets)

    root, inputs, parameters = network([3, 4, 2], both)
    other, more, others = network([3, 4, 2], both)
    scalars = scalars_of(root + other, [*inputs, *more], [*parameters, *others])
    assert shapes(scalars)[:2] == [(4, 3, 1), (4, 3, 1)]


def test_a_product_that_is_taken_off_keeps_its_sign():
    _, inputs, parameters = network([3, 4, 1], lambda outputs, targets: (targets[0] - outputs[0]) ** 2)
    x, w = inputs[:3], parameters
    minus = [1 - x[0] * w[2 * j] - x[1] * w[2 * j + 1] for j in range(3)]
    scalars = scalars_of(sum(net.relu() for net in minus), inputs, parameters)
    (table,) = [table for table in tables(scalars) if len(table.members) == 3]
    assert [term.sign for term in table.terms if isinstance(term, Product)] == [MINUS]


@pytest.mark.parametrize("kind", [digits, convolution, recurrent])
def test_a_table_has_each_term_of_its_sums_once(kind):
    scalars = scalars_of(*kind())
    for group in scalars.groups(True):
        if group.template is not None:
            continue
        found = tables_of(scalars, group.members)
        assert sorted(m for table in found for row in table.members for m in row) == sorted(group.members)
        for table in found:
            flat = [member for row in table.members for member in row]
            for place, member in enumerate(flat):
                j, c = divmod(place, len(table.members[0]))
                terms = []
                for term in table.terms:
                    if isinstance(term, Product):
                        terms += zip(term.vectors[c], term.weights[j])
                    else:
                        rights = term.right or [(-1,) * len(flat)] * len(term.left)
                        terms += [(left[place], right[place]) for left, right in zip(term.left, rights)]
                assert sorted(terms) == sorted((a, b) for _, a, b in scalars.definitions[member])


def test_the_values_and_gradients_of_nodes_are_known():
    root, inputs, parameters = network([2, 3, 1], losses.hinge_loss)
    scalars = scalars_of(root, inputs, parameters)
    assert scalars.values[-1] == scalars.root
    assert scalars.numbers[scalars.gradients[len(scalars.gradients) - 1]] == 1.0


# --- the programs --------------------------------------------------------------------------------------------------


@pytest.fixture
def always_matrices(monkeypatch):
    """Matrices for every graph, also where a program line by line is faster."""
    monkeypatch.setattr(matrices._Step, "is_worth_it", lambda self, text: True)


def compared(target, seed):
    """How far a program is from the derivation in Python, relative to the largest number."""
    root, inputs, parameters, rows = random_graph(seed)
    program, python = (compiling.compile(root, inputs, parameters, choice) for choice in (target, "python"))
    furthest = 0.0
    for batch in (rows, rows[:1]):
        (loss, gradients), (expected_loss, expected) = program(batch), python(batch)
        scale = max(map(abs, [expected_loss, *expected, 1e-300]))
        differences = [abs(a - b) for a, b in zip([loss, *gradients], [expected_loss, *expected], strict=True)]
        (outputs, wanted) = (list(chain.from_iterable(run.predict(batch))) for run in (program, python))
        furthest = max(furthest, max(differences) / scale, max(map(_apart, outputs, wanted)))
    return furthest


def _apart(a, b):
    return abs(a - b) / max(1.0, abs(b))


@needs_numpy
@pytest.mark.parametrize("kind", [0, 1, *(pytest.param(kind, marks=pytest.mark.thorough) for kind in range(2, 6))])
def test_on_300_random_graphs_matrices_give_what_the_derivation_gives(kind, always_matrices):
    assert max(compared("numpy", seed) for seed in range(kind, 300, 6)) < 1e-12


@needs_numpy
@pytest.mark.parametrize("kind", range(6))
def test_so_do_the_programs_that_are_chosen(kind):
    assert max(compared("numpy", seed) for seed in range(kind, 60, 6)) < 1e-12


@pytest.mark.thorough
@pytest.mark.parametrize("target", ["c", pytest.param("jax", marks=needs_jax)])
@pytest.mark.parametrize("kind", range(6))
def test_so_do_c_and_jax(target, kind):
    assert max(compared(target, seed) for seed in range(kind, 18, 6)) < 1e-12


@needs_numpy
@pytest.mark.parametrize(
    "test",
    [
        test_compiling.test_the_worked_example_gives_the_published_gradients,
        test_compiling.test_parameters_are_read_at_each_call,
        test_compiling.test_batches_of_every_size_and_kind,
        test_compiling.test_leaving_the_domain_names_the_operation_and_the_row,
        test_compiling.test_an_infinity_that_tanh_would_hide_is_found,
        test_compiling.test_a_parameter_that_is_not_finite_is_refused,
        test_compiling.test_unusual_graphs,
        test_compiling.test_labels_that_are_no_names,
        test_compiling.test_the_functions_of_a_source_give_means_and_rows_of_outputs,
        test_compiling.test_an_operand_that_only_the_derivative_mentions,
        test_compiling.test_operations_declared_as_text,
    ],
    ids=lambda test: test.__name__,
)
def test_small_and_unusual_graphs_as_matrices(test, always_matrices, monkeypatch):
    monkeypatch.setattr(test_compiling, "_programs", {})
    test("numpy")


def worked_network():
    """The documents' network of two layers, as a library would number its parameters: neuron by neuron."""
    model = nn.MLP(2, [2, 2], activation="sigmoid", output="sigmoid", seed=1)
    xs, ys = (
        [Value(number, label=f"{name}{i}") for i, number in enumerate(numbers, 1)] for name, numbers in DATA.items()
    )
    outputs = model(xs)
    loss = total([0.5 * (y - out) ** 2 for y, out in zip(ys, outputs)])
    loss.label = "E"
    return loss, [*xs, *ys], model.parameters(), outputs


DATA = {"x": (0.5, 1.0), "y": (1.0, 0.0)}
STEPS = """
    # forward
    net1 = W1 @ x + b1
    out1 = sigmoid(net1)
    net2 = W2 @ out1 + b2
    out2 = sigmoid(net2)
    v1 = y - out2
    E = (v1*v1*0.5).sum(0, keepdims=True)
    # 0, or NaN where one of these is not finite
    check = (net1 - net1).sum() + (net2 - net2).sum()
    mean_loss = E.sum()/rows + check
    # backward
    delta2 = (-0.5*(2.0*v1))*(out2*(1.0 - out2))
    delta1 = (W2.T @ delta2)*(out1*(1.0 - out1))
    dW1 = delta1 @ x.T
    dW2 = delta2 @ out1.T
    db1 = delta1.sum(1)
    db2 = delta2.sum(1)
"""


@needs_numpy
@pytest.mark.parametrize("graph", [worked_network, test_compiling.worked_example], ids=["MLP", "worked example"])
def test_the_program_of_a_network_consists_of_the_documents_steps(graph):
    loss, inputs, parameters, outputs = graph()
    source = compiling.compile(loss, inputs, parameters, "numpy", outputs).source
    assert STEPS.strip("\n") in source
    assert "x = batch.T[:2]\n" in source
    assert "y = batch.T[2:]\n" in source


@needs_numpy
def test_the_source_of_a_network_does_not_grow_with_its_width():
    lengths = []
    for width in (8, 40):
        root, inputs, parameters = network([5, width, 3], losses.mean_squared_error)
        lengths.append(compiling.compile(root, inputs, parameters, "numpy").source.count("\n"))
    assert lengths[0] == lengths[1] < 60


@needs_numpy
def test_a_network_of_many_rows_names_the_row_that_fails():
    numpy = pytest.importorskip("numpy")
    root, inputs, parameters = network([3, 8, 2], losses.mean_squared_error, activation="tanh")
    program = compiling.compile(root, inputs, parameters, "numpy")
    assert "as matrices" in program.source
    rows = numpy.array(rows_like(inputs, 40))
    rows[33, 1] = 1.7e308
    numbers = numpy.full(len(parameters), 5.0)
    for run in (program, program.predict):
        with pytest.raises(OverflowError, match=r"row 33, counted from 0: mul"):
            run(rows, numbers)
    rows[33, 1] = numpy.nan
    with pytest.raises(ValueError, match=r"row 33, column 1 \(.*\), counted from 0: needs a finite number"):
        program(rows)
    program(rows, rows=range(33))


@needs_numpy
def test_gradients_are_an_array_of_their_own(always_matrices):
    numpy = pytest.importorskip("numpy")
    x, w = Value(2.0), Value(3.0)
    for root in (w * w * 0.5 + x, w + x):
        program = compiling.compile(root, [x], [w], "numpy")
        numbers, batch = numpy.array([3.0]), numpy.array([[2.0]])
        _, gradients = program(batch, numbers)
        before = gradients.copy()
        gradients += 1
        assert numbers == [3.0]
        assert program(batch, numbers)[1] == before


@needs_jax
def test_jax_has_a_pure_function_of_matrices():
    import jax

    root, inputs, parameters = network([3, 8, 2], losses.mean_squared_error, activation="tanh")
    program, numpy_one = (compiling.compile(root, inputs, parameters, target) for target in ("jax", "numpy"))
    assert "W1 @ x" in program.source
    rows, numbers = rows_like(inputs, 9), [p.data for p in parameters]
    with jax.enable_x64(True):
        given = jax.numpy.array(rows), jax.numpy.array(numbers)
        by_jax = jax.grad(lambda numbers: program.function(given[0], numbers)[0])(given[1]).tolist()
    _, gradients = numpy_one(rows)
    assert program(rows)[1] == pytest.approx(gradients, rel=1e-12, abs=1e-12)
    assert by_jax == pytest.approx(gradients, rel=1e-9, abs=1e-12)


@needs_numpy
@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_lines_beside_the_documents_steps_stand_in_the_program(name):
    loss, inputs, parameters, outputs = worked_network()
    source = compiling.compile(loss, inputs, parameters, "numpy", outputs).source
    text = (Path(__file__).parent.parent / name).read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| 4.*?(?=\n\n)", text, re.DOTALL | re.MULTILINE)
    lines = re.findall(r"`([^`]+)`", table)
    assert len(lines) == 9
    assert [line for line in lines if line not in source] == []


@needs_numpy
def test_labels_that_are_words_of_the_program_do_no_harm(always_matrices):
    for word in ("sigmoid", "at", "numbers", "v", "W", "net", "delta", "dW", "rows", "x²", "parameters", "p"):
        rng = random.Random(1)
        xs, ys, weights = leaves(3, rng), leaves(4, rng), [leaves(3, rng) for _ in range(4)]
        nets = [total(w * x for w, x in zip(row, xs)) for row in weights]
        outs = [net.sigmoid() for net in nets]
        errors = [(y - out) ** 2 for y, out in zip(ys, outs)]
        for nodes in (xs, nets, outs, errors):
            for place, node in enumerate(nodes, 1):
                node.label = f"{word}{place}"
        given = total(errors), [*xs, *ys], list(chain.from_iterable(weights))
        numpy_one, python = (compiling.compile(*given, target) for target in ("numpy", "python"))
        rows = rows_like(given[1], 5)
        assert numpy_one(rows)[1] == pytest.approx(python(rows)[1], rel=1e-12, abs=1e-14)


@needs_numpy
def test_formulas_of_different_numbers_stay_different(always_matrices):
    w = [Value(0.3), Value(0.4)]
    x = Value(2.0)
    root = total((p * c).exp() * x for p, c in zip(w, (2.0, 3.0))) + total((p**c for p, c in zip(w, (2.5, 3.5))))
    numpy_one, python = (compiling.compile(root, [x], w, target) for target in ("numpy", "python"))
    assert numpy_one([[2.0]])[1] == pytest.approx(python([[2.0]])[1], rel=1e-13)
