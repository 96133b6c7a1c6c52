"""The layers of a graph: which boxes are found, and that the formulas of both passes give the numbers of the graph."""

import ast
import random

import pytest
from fuzz_support.graphs import draw
from layer_cases import CASES, batch, convolution, flat, irregular, named
from test_groups import KINDS

import scalargrad
from scalargrad import Value, nn, operation
from scalargrad.engine import topological_order
from scalargrad.graph.layers import ARRANGEMENT, Layers
from scalargrad.graph.roles import is_number
from scalargrad.page import page
from scalargrad.train.losses import binary_cross_entropy_with_logits


def seeds(quick):
    return [seed if seed < quick else pytest.param(seed, marks=pytest.mark.thorough) for seed in range(60)]


def forward(layers):
    """Write each box as its name and its formula, as Python has it."""
    return {box.name: ast.unparse(box.formula) for box in layers.boxes if box.formula is not None}


def backward(layers):
    """Write the gradient of each box as the sum of what its uses bring."""
    return {
        layers.gradient_name(box): " + ".join(map(ast.unparse, layers.gradient_terms[box.name]))
        for box in layers.boxes
        if box.role not in ("number", "input", "target")
    }


def shapes(layers):
    return {box.name: box.shape for box in layers.boxes}


def agrees(root):
    """Work out the formulas of both passes and compare them with the numbers of the graph."""
    layers = Layers(root)
    for box in layers.boxes:
        if box.formula is not None:
            assert flat(layers.worked_out([box.formula], box)) == pytest.approx(flat(box.values), rel=1e-12, abs=1e-12)
        if box.role != "number":
            found = flat(layers.worked_out(layers.gradient_terms[box.name], box))
            largest = max(map(abs, layers.gradients.values()))
            expected = flat(layers.tables[layers.gradient_name(box)])
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-12 * max(1.0, largest)), box.name
    return layers


@pytest.mark.parametrize("case", CASES)
def test_the_formulas_of_both_passes_give_the_numbers_of_the_graph(case):
    agrees(CASES[case]())


@pytest.mark.parametrize("kind", KINDS)
def test_and_of_the_graphs_that_programs_are_made_of(kind):
    agrees(KINDS[kind]()[0])


@pytest.mark.parametrize("seed", seeds(15))
def test_and_of_random_graphs(seed):
    root = draw(seed, size=12).record()[-1]
    try:
        root.backward()
    except OverflowError:
        pytest.skip("a gradient is too large for a float")
    agrees(root)


@pytest.mark.parametrize("seed", seeds(10))
def test_and_of_irregular_graphs(seed):
    agrees(irregular(seed))


@pytest.mark.parametrize("case", CASES)
def test_every_scalar_that_is_named_or_used_twice_stands_in_one_box(case):
    root = CASES[case]()
    shown = [node for box in Layers(root).boxes if box.role not in (ARRANGEMENT, "number") for node in flat(box.table)]
    assert len(shown) == len(set(shown))
    for node in topological_order(root):
        if not is_number(node) and (node.label or not node.parents):
            assert node in shown


def test_the_worked_example_reads_like_the_documents():
    layers = Layers(CASES["worked example"]())
    assert shapes(layers) == {
        **{"W_h": (2, 2), "x": (2, 1), "b_h": (2, 1), "net_h": (2, 1), "out_h": (2, 1)},
        **{"W_o": (2, 2), "b_o": (2, 1), "net_o": (2, 1), "out_o": (2, 1)},
        **{"y": (2, 1), "E_o": (2, 1), "E_total": (1, 1)},
    }
    assert forward(layers) == {
        "net_h": "W_h @ x + b_h",
        "out_h": "sigmoid(net_h)",
        "net_o": "W_o @ out_h + b_o",
        "out_o": "sigmoid(net_o)",
        "E_o": "0.5 * pow(y - out_o, 2.0)",
        "E_total": "sum(E_o)",
    }
    assert backward(layers) == {
        "dE_total/dE_total": "1.0",
        "dE_total/dE_o": "ones(2, 1)",
        "dE_total/dout_o": "-(dE_total/dE_o * (y - out_o))",
        "delta_o": "dE_total/dout_o * out_o * (1 - out_o)",
        "dE_total/dW_o": "delta_o @ out_h.T",
        "dE_total/db_o": "delta_o",
        "dE_total/dout_h": "W_o.T @ delta_o",
        "delta_h": "dE_total/dout_h * out_h * (1 - out_h)",
        "dE_total/dW_h": "delta_h @ x.T",
        "dE_total/db_h": "delta_h",
    }
    assert [[node.label for node in row] for row in layers.by_name["W_h"].table] == [["w1", "w2"], ["w5", "w6"]]
    assert layers.by_name["W_o"].values == [[0.6, 0.8], [0.7, 0.9]]


def test_a_network_for_moons_is_fourteen_boxes():
    layers = Layers(CASES["moons"]())
    assert shapes(layers)["W_h^3"] == (16, 16)
    assert list(forward(layers)) == ["net_h^2", "out_h^2", "net_h^3", "out_h^3", "out_o1", "root"]
    assert backward(layers)["delta_h^2"] == "droot/dout_h^2 * relu'(net_h^2)"
    assert len(layers.boxes) == 13


def test_the_samples_of_a_batch_are_rows():
    layers = Layers(batch())
    assert shapes(layers)["X"] == (3, 2)
    assert forward(layers)["net_h"] == "X @ W_h.T + ones(3, 1) @ b_h.T"
    assert backward(layers)["droot/dW_h"] == "delta_h.T @ X"
    assert backward(layers)["droot/db_h"] == "delta_h.T @ ones(3, 1)"


def test_a_kernel_is_shared_by_all_windows():
    layers = Layers(convolution())
    assert shapes(layers)["p_parts"] == (9, 4)
    assert forward(layers)["net1"] == "p_parts @ k + b"
    windows = [[node.label for node in row] for row in layers.by_name["p_parts"].table]
    assert windows[0] == ["p_11", "p_12", "p_21", "p_22"]
    assert windows[-1] == ["p_33", "p_34", "p_43", "p_44"]


def test_the_weights_of_a_recurrence_are_one_box_that_every_step_uses():
    layers = Layers(CASES["recurrence"]())
    used = [name for name, formula in forward(layers).items() if "W" in formula]
    assert used == ["net1", "net2", "net3"]
    assert backward(layers)["droot/dW1"] == "delta3 @ out2.T + delta2 @ out1.T + delta1 @ h.T"


def test_an_attention_head_is_products_of_matrices():
    written = forward(Layers(CASES["attention"]()))
    assert {"X @ Wq.T", "X @ Wk.T", "Wv @ X.T"} <= set(written.values())
    assert sum("@" in formula and ".T" in formula for formula in written.values()) == 5


def test_two_heads_are_blocks_of_their_own():
    rng = random.Random(1)
    size, rows = 2, 3
    keys = [[[Value(rng.random()).sin() for _ in range(size)] for _ in range(rows)] for _ in range(2)]
    scores = [sum(a * b for a, b in zip(one, other)).exp() for head in keys for one in head for other in keys[1]]
    layers = agrees(sum(scores))
    assert [box.shape for box in layers.boxes if box.name.startswith("net")]


def test_a_layer_behind_a_softmax_stays_whole():
    layers = Layers(CASES["softmax"]())
    assert shapes(layers)["W1"] == (3, 4)


def test_labels_of_the_z_a_notation_keep_their_layer():
    model = nn.MLP(2, [3, 2], activation="tanh", output="tanh", seed=1, notation="z/a")
    root = sum((out - 1) ** 2 for out in model([0.1, 0.2]))
    root.label = "C"
    layers = Layers(root)
    assert forward(layers)["z^2"] == "W^2 @ x + b^2"
    assert backward(layers)["delta^2"] == "dC/da^2 * (1 - a^2 * a^2)"


def test_a_deep_graph_is_no_deeper_for_the_formulas():
    x = Value(0.5, "x")
    node = x
    for _ in range(1200):
        node = node * 0.999 + 0.001
    agrees(node)


def test_a_wide_sum_of_many_kinds():
    x = Value(0.5, "x")
    powers = [x]
    for _ in range(400):
        powers.append(powers[-1] * x)
    agrees(sum(powers))


def test_a_quantity_that_is_called_delta_keeps_its_name():
    layers = agrees(CASES["worked example"]())
    named = CASES["worked example"]()
    for node in topological_order(named):
        node.label = node.label.replace("E_o", "delta_h") if node.label.startswith("E_o") else node.label
    found = agrees(named)
    assert found.gradient_name(found.by_name["net_h"]) == "delta_net_h"
    assert layers.gradient_name(layers.by_name["net_h"]) == "delta_h"


def test_operations_of_a_student_s_own():
    cube = operation("cube", "a**3", "3 * a**2")
    w, x = [[Value(0.1), Value(0.3)], [Value(0.2), Value(0.4)]], [Value(0.5), Value(1.0)]
    layers = agrees(sum(cube(sum(a * b for a, b in zip(row, x))) for row in w))
    assert forward(layers) == {"net1": "W1 @ x", "v1": "cube(net1)", "root": "sum(v1)"}


@pytest.mark.parametrize(
    "word", ["权重", "two words", "a|b{c}", "\\alpha", "x^T", "<b>", "ones", "sum", "#1", "1_2", "dE/dx"]
)
def test_any_label_will_do(word):
    root = named(word)
    agrees(root)
    root.backward()
    assert scalargrad.draw(root, "layers", lang="zh", formulas=True).pipe("svg")
    passes = scalargrad.trace(root, "layers")
    assert passes.text
    assert passes.html
    assert passes.latex.startswith(r"\begin{align*}")
    assert page(root).html


def test_a_target_of_zero_is_like_one_of_one():
    model = nn.MLP(2, [4, 1], activation="tanh", seed=2)
    scores = [model([0.1, 0.2]), model([0.3, -0.2]), model([0.5, 0.7])]
    layers = agrees(binary_cross_entropy_with_logits(scores, [1, 0, 1]))
    assert forward(layers)["v1"] == "c * softplus(-out_o)"
    assert forward(layers)["v2"] == "(1.0 - c) * softplus(out_o)"


@pytest.mark.parametrize("name", ["relu", "sum", "gathered", "arranged", "ones", "times"])
def test_an_operation_of_one_s_own_keeps_its_rule_whatever_it_is_called(name):
    """Before: the equations took it for a row or a sign of that name, and its derivatives for those of its formula."""
    own = operation(name, "a*a", "3 * a")
    weights = [Value(0.5, "w1"), Value(-0.8, "w2"), Value(1.1, "w3")]
    layers = Layers(own(sum(own(w) for w in weights)))
    for box in layers.boxes:
        worked_out = layers.worked_out(layers.gradient_terms[box.name], box)
        assert flat(worked_out) == pytest.approx(flat(layers.tables[layers.gradient_name(box)]))
        if box.formula is not None:
            assert flat(layers.worked_out([box.formula], box)) == pytest.approx(flat(box.values))
