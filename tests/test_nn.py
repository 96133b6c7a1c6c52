"""Neurons, layers and networks: numbers worked by hand, shapes, labels, deltas, copies and files."""

import copy
import errno
import gc
import json
import random
import weakref

import pytest

from scalargrad import Value, nn, sigmoid
from scalargrad.formulas.latex import latex
from scalargrad.formulas.tree import name
from scalargrad.functions import operation
from scalargrad.graph.views import Quantities
from scalargrad.rules import RULES

UNARY = [name for name, rule in RULES.items() if len(rule.partials) == 1]


def two_two_one(**options):
    network = nn.MLP(2, [2, 1], **options)
    network.set_weights([[[1, 2], [3, 4]], [[5, 6]]], [[7, 8], [9]])
    return network


# --- the numbers ---------------------------------------------------------------------------------------------------


def test_a_neuron_adds_the_products_from_the_left_and_the_bias_last():
    # Every other order of these floats gives another sum: 1e16 + 1.0 is 1e16, so the 1.0 is lost.
    neuron = nn.Neuron(3, activation="linear")
    for weight, number in zip(neuron.w, (1e16, 1.0, -1e16)):
        weight.data = number
    neuron.b.data = 0.1
    assert neuron([1.0, 1.0, 1.0]).data == 0.1


def test_a_network_by_hand():
    network = two_two_one()
    out = network([1.0, -1.0])  # net: 1 - 2 + 7 = 6 and 3 - 4 + 8 = 7; then 5*6 + 6*7 + 9 = 81
    out.backward()
    assert out.data == 81
    assert network.layers[0].deltas == [5.0, 6.0]
    assert [p.grad for p in network.parameters()] == [5, -5, 5, 6, -6, 6, 6, 7, 1]


def test_without_bias():
    network = nn.MLP(2, [2, 1], bias=False, seed=1)
    assert len(network.parameters()) == 6
    assert network.biases == [[], []]
    network.set_weights([[[1, 2], [3, 4]], [[5, 6]]])
    assert network([1.0, 1.0]).data == 5 * 3 + 6 * 7


@pytest.mark.parametrize("activation", UNARY)
def test_every_unary_row_is_an_activation(activation):
    neuron = nn.Neuron(1, activation=activation)
    neuron.w[0].data = 0.75
    assert neuron([1.0]).data == getattr(Value(0.75), activation)().data


def test_an_activation_can_be_a_function():
    def swish(net):
        return net * sigmoid(net)

    cube = operation("cube", "a**3", "3 * a**2")
    for activation, expected in ((swish, 2 * sigmoid(2.0)), (cube, 8.0)):
        neuron = nn.Neuron(1, activation=activation)
        neuron.w[0].data = 2.0
        assert neuron([1.0]).data == expected
        assert neuron.activation == activation.__name__


def test_an_activation_must_give_a_value():
    with pytest.raises(TypeError, match="activation <lambda>: must give back a Value, got 3"):
        nn.Neuron(1, activation=lambda net: 3)([1.0])


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Neuron(2, activation="swish"),
        lambda: nn.MLP(2, [1], activation="swish"),
        lambda: nn.MLP(2, [1, 1], output="swish"),
    ],
)
def test_an_unknown_activation_is_refused_with_the_known_ones(build):
    with pytest.raises(ValueError, match=r"one of linear, .*tanh, sigmoid, relu, leaky_relu.*; got 'swish'"):
        build()


def test_a_layer_gives_a_list_and_a_network_with_one_output_a_value():
    assert len(nn.Layer(2, 1)([1.0, 2.0])) == 1
    assert isinstance(nn.MLP(2, [1, 1])([1.0, 2.0]), Value)  # a hidden layer of one neuron does not break the next
    assert len(nn.MLP(2, [1, 2])([1.0, 2.0])) == 2


def test_inputs_can_be_values_numbers_or_numpy():
    np = pytest.importorskip("numpy")
    network = two_two_one()
    x = Value(1.0)
    for inputs in ([1, -1.0], (x, -1), np.array([1.0, -1.0]), map(Value, [1.0, -1.0])):
        assert network(inputs).data == 81
    network([x, -1]).backward()
    assert x.grad == 5 * 1 + 6 * 3


@pytest.mark.parametrize(
    ("module", "who"), [(nn.Neuron(2), "neuron"), (nn.Layer(2, 3), "layer"), (nn.MLP(2, [3, 1]), "mlp")]
)
def test_a_wrong_number_of_inputs_is_refused_with_both_numbers(module, who):
    with pytest.raises(ValueError, match=f"{who}: needs 2 inputs, got 3"):
        module([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=f"{who}: needs 2 inputs, got 1"):
        module([1.0])
    with pytest.raises(TypeError, match=f"{who}: needs a list of 2 inputs, got 1.0"):
        module(1.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Neuron(0), "neuron: needs a whole number of inputs, at least 1, got 0"),
        (lambda: nn.Layer(2, 0), "layer: needs a whole number of neurons, at least 1, got 0"),
        (lambda: nn.Layer(2, 1.5), "layer: needs a whole number of neurons, at least 1, got 1.5"),
        (lambda: nn.MLP(2, []), "mlp: needs a list with the number of neurons of each layer, got \\[\\]"),
        (lambda: nn.MLP(2, 3), "mlp: needs a list with the number of neurons of each layer, got 3"),
        (lambda: nn.MLP(2, [1], notation="x"), 'notation: needs "net/out" or "z/a", got \'x\''),
    ],
)
def test_sizes_and_notations_that_make_no_sense(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# --- seeds ---------------------------------------------------------------------------------------------------------


def test_a_seed_fixes_the_parameters_and_leaves_pythons_generator_alone():
    random.seed(3)
    before = random.getstate()
    first, second, other = (nn.MLP(2, [3, 1], seed=seed).weights for seed in (1, 1, 2))
    assert random.getstate() == before
    assert first == second != other
    rows = [row for matrix in first for row in matrix]
    assert len({tuple(row) for row in rows}) == 4  # each neuron draws its own
    generator = random.Random(1)
    assert rows == [[generator.uniform(-1, 1) for _ in row] for row in rows]


# --- matrices ------------------------------------------------------------------------------------------------------


def test_matrices_have_a_row_for_each_neuron():
    layer = nn.Layer(3, 2, activation="linear")
    layer.set_weights([[1, 2, 3], [4, 5, 6]], [7, 8])
    assert (layer.weights, layer.biases) == ([[1, 2, 3], [4, 5, 6]], [7, 8])
    assert [out.data for out in layer([1, 0, 0])] == [8, 12]
    network = two_two_one()
    assert (network.weights, network.biases) == ([[[1, 2], [3, 4]], [[5, 6]]], [[7, 8], [9]])


def test_setting_keeps_the_values_and_takes_numpy():
    np = pytest.importorskip("numpy")
    layer = nn.Layer(2, 2)
    parameters = layer.parameters()
    layer.set_weights(np.array([[1, 2], [3, 4]]), np.array([5.0, 6.0]))
    assert [p.data for p in parameters] == [1, 2, 5, 3, 4, 6]
    assert {type(p.data) for p in parameters} == {float}


@pytest.mark.parametrize(
    ("weights", "biases", "message"),
    [
        ([[1, 2, 3], [4, 5, 6]], [1, 2], "needs 2 x 2 weights with 2 biases, got 2 x 3 weights with 2 biases"),
        ([[1, 2]], [1, 2], "needs 2 x 2 weights with 2 biases, got 1 x 2 weights with 2 biases"),
        ([[1, 2], [3, 4]], [1], "needs 2 x 2 weights with 2 biases, got 2 x 2 weights with 1 biases"),
        ([[1, 2], [3, 4]], [], "got 2 x 2 weights with 0 biases"),
        ([[1, 2], [3]], [1, 2], "got 2 x 1 or 2 weights with 2 biases"),
        ([], [], "got 0 x 0 weights with 0 biases"),
        ([[1, 2], [3, float("nan")]], [1, 2], "needs a finite number"),
    ],
)
def test_a_wrong_matrix_is_refused_with_both_shapes_and_nothing_changes(weights, biases, message):
    layer = nn.Layer(2, 2, seed=1)
    before = [p.data for p in layer.parameters()]
    with pytest.raises(ValueError, match=message):
        layer.set_weights(weights, biases)
    assert [p.data for p in layer.parameters()] == before


@pytest.mark.parametrize(
    ("weights", "biases", "message"),
    [
        ([[[1, 2], [3, 4]], [[5]]], [[7, 8], [9]], "1 x 2 weights with 1 biases, got .*1 x 1 weights with 1 biases"),
        ([[[1, 2], [3, 4]]], [[7, 8]], "got 2 x 2 weights with 2 biases$"),
        ([[[1, 2], [3, 4]], [[5, 6]]], [[7, 8]], "2 matrices and 1 biases"),
        ([[[1, 2], [3, 4]], [[5, 6]]], None, "with 0 biases"),
    ],
)
def test_a_network_changes_in_all_layers_or_in_none(weights, biases, message):
    network = nn.MLP(2, [2, 1], seed=1)
    before = network.weights
    with pytest.raises(ValueError, match=message):
        network.set_weights(weights, biases)
    assert network.weights == before


@pytest.mark.parametrize(("weights", "biases"), [(3, [1]), ([[1, 2]], 1), ([["a", 2]], [1])])
def test_what_is_no_matrix_is_refused(weights, biases):
    with pytest.raises(TypeError, match="needs a"):
        nn.Layer(2, 1).set_weights(weights, biases)


# --- labels --------------------------------------------------------------------------------------------------------


def labels(nodes):
    return " ".join(node.label for node in nodes)


def computed(out):
    return labels(node for node in Quantities(out).order if node.parents)


def test_labels_as_in_net_out():
    network = nn.MLP(2, [2, 1], activation="sigmoid", output="sigmoid", seed=1)
    assert labels(network.parameters()) == "w1 w2 b1 w3 w4 b2 w5 w6 b3"
    out = network([0.5, 1.0])
    assert computed(out) == "net_h1 out_h1 net_h2 out_h2 net_o1 out_o1"
    assert labels(Quantities(out).order).startswith("x1 w1 x2 w2 b1 net_h1")


def test_several_hidden_layers_show_the_layer():
    network = nn.MLP(1, [1, 1, 1], activation="tanh", output="tanh")
    assert computed(network([0.5])) == "net_h1^2 out_h1^2 net_h1^3 out_h1^3 net_o1 out_o1"
    assert latex(name("net_h1^2")) == r"\mathrm{net}_{h1}^{(2)}"


def test_labels_as_in_z_a():
    network = nn.MLP(2, [2, 1], activation="sigmoid", output="sigmoid", notation="z/a")
    # w_jk leads to neuron j of the layer from neuron k of the one before.
    assert labels(network.parameters()) == "w_11^2 w_12^2 b_1^2 w_21^2 w_22^2 b_2^2 w_11^3 w_12^3 b_1^3"
    assert computed(network([0.5, 1.0])) == "z_1^2 a_1^2 z_2^2 a_2^2 z_1^3 a_1^3"
    assert latex(name("w_12^2")) == "w_{12}^{(2)}"


def test_indices_of_two_digits_are_kept_apart():
    last = nn.Layer(12, 1, notation="z/a").neurons[0].w[-1]
    assert last.label == "w_1_12^2"
    assert latex(name(last.label)) == "w_{1,12}^{(2)}"


def test_a_linear_neuron_has_one_node_and_it_is_the_output():
    network = nn.MLP(1, [1])
    out = network([0.5])
    assert out.label == "out_o1"
    assert network.layers[0].neurons[0].net is out


def test_values_keep_the_labels_they_came_with():
    x = Value(1.0, label="height")
    network = nn.MLP(2, [1])
    assert labels(Quantities(network([x, 2.0])).order) == "height w1 x2 w2 b1 out_o1"
    assert labels(Quantities(network([x, Value(2.0)])).order) == "height w1 w2 b1 out_o1"


def test_a_neuron_and_a_layer_of_their_own():
    neuron = nn.Neuron(2, activation="tanh")
    assert labels(neuron.parameters()) == "w1 w2 b"
    assert computed(neuron([1.0, 2.0])) == "net out"
    layer = nn.Layer(2, 2, notation="z/a")
    assert labels(layer.parameters()) == "w_11^2 w_12^2 b_1^2 w_21^2 w_22^2 b_2^2"


# --- deltas, and what keeps what alive -------------------------------------------------------------------------------


def test_the_delta_is_gone_with_the_graph():
    network = two_two_one()
    neuron = network.layers[0].neurons[0]
    with pytest.raises(RuntimeError, match="has no weighted input now"):
        neuron.delta  # noqa: B018
    out = network([1.0, -1.0])
    out.backward()
    assert (neuron.net.data, neuron.delta) == (6.0, 5.0)
    del out
    with pytest.raises(RuntimeError, match="has no weighted input now"):
        neuron.delta  # noqa: B018


def test_a_network_does_not_keep_its_graph_alive():
    network = two_two_one()
    gc.disable()
    try:
        x = Value(1.0)
        hidden = x * 1
        gone = weakref.ref(hidden)
        out = network([hidden, 2.0])
        out.backward()
        del hidden, out
        assert gone() is None
    finally:
        gc.enable()


def test_a_copy_is_independent():
    network = two_two_one()
    out = network([1.0, -1.0])
    twin = copy.deepcopy(network)
    twin.layers[0].neurons[0].w[0].data = 100.0
    assert network.weights[0][0][0] == 1
    assert (twin([1.0, -1.0]).data, out.data) == (576, 81)  # 5 * (100 - 2 + 7) + 6 * 7 + 9
    assert repr(twin) == repr(network)
    assert labels(twin.parameters()) == labels(network.parameters())


def test_a_shared_parameter_is_listed_once():
    network = nn.MLP(2, [1, 2])
    first, second = network.layers[1].neurons
    second.b = first.b
    assert len(network.parameters()) == 6
    assert len(network.layers[1].parameters()) == 3


# --- files ---------------------------------------------------------------------------------------------------------


def test_what_is_saved_comes_back_exactly(tmp_path):
    network = nn.MLP(3, [4, 2], activation="tanh", output="sigmoid", seed=5)
    network.layers[0].neurons[0].w[0].data = 0.1 + 0.2
    network.layers[0].neurons[0].w[1].data = 5e-324
    network.save(tmp_path / "network.json")
    other = nn.MLP(3, [4, 2], activation="tanh", output="sigmoid", seed=6)
    other.load(tmp_path / "network.json")
    assert (other.weights, other.biases) == (network.weights, network.biases)
    assert [path.name for path in tmp_path.iterdir()] == ["network.json"]


def test_a_network_without_bias_is_saved_too(tmp_path):
    network = nn.MLP(2, [1], bias=False, seed=1)
    network.save(tmp_path / "network.json")
    other = nn.MLP(2, [1], bias=False, seed=2)
    other.load(tmp_path / "network.json")
    assert other.weights == network.weights


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.MLP(2, [4, 1], seed=1), "needs 4 x 2 weights with 4 biases, .*got 3 x 2 weights with 3 biases, "),
        (nn.MLP(2, [3], seed=1), "needs 3 x 2 weights with 3 biases, got 3 x 2 weights with 3 biases, 1 x 3 weights"),
        (nn.MLP(2, [3, 1], bias=False, seed=1), "needs 3 x 2 weights with 0 biases"),
        (nn.MLP(2, [3, 1], activation="tanh", seed=1), "needs the activations tanh, linear, got relu, linear"),
    ],
)
def test_a_file_of_another_network_is_refused(tmp_path, other, message):
    path = tmp_path / "network.json"
    nn.MLP(2, [3, 1], seed=2).save(path)
    before = [p.data for p in other.parameters()]
    with pytest.raises(ValueError, match=message) as refusal:
        other.load(path)
    assert str(path) in str(refusal.value)
    assert [p.data for p in other.parameters()] == before


def change(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff\xfe\x00nonsense"),
        lambda path: path.write_text("[1, 2]"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_text(path.read_text().replace("[", "[NaN, ", 2)),
        lambda path: path.write_text(path.read_text().replace("[", "[1" + "0" * 400 + ", ", 3)),
        lambda path: change(path, format="something else"),
        lambda path: change(path, layers=3),
        lambda path: change(path, layers=[{"activation": "relu", "weights": [["1", 2]], "biases": [0]}]),
        lambda path: change(path, layers=[{"activation": "relu", "weights": [[1, 2]]}]),
        lambda path: change(path, checksum=None),
        lambda path: path.write_text(path.read_text().replace("checksum", "checksun")),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "network.json"
    network = nn.MLP(2, [3, 1], seed=2)
    network.save(path)
    damage(path)
    before = network.weights
    with pytest.raises(ValueError, match=r"load: cannot read parameters from .*network\.json"):
        network.load(path)
    assert network.weights == before


def test_no_flipped_bit_loads_other_numbers(tmp_path):
    """Before there was a checksum 365 of 3 000 flipped bits loaded other numbers in silence."""
    path = tmp_path / "network.json"
    network = nn.MLP(2, [2, 1], seed=2)
    network.save(path)
    whole, refused = path.read_bytes(), 0
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        other = nn.MLP(2, [2, 1], seed=3)
        try:
            other.load(path)
        except ValueError:
            refused += 1
        else:  # a space that became another one changes nothing
            assert (other.weights, other.biases) == (network.weights, network.biases)
    assert refused > 7.5 * len(whole.replace(b" ", b"").replace(b"\n", b""))


def test_a_file_of_before_there_were_checksums_still_loads(tmp_path):
    path = tmp_path / "network.json"
    layers = [{"activation": "linear", "weights": [[0.1, -2]], "biases": [3.5]}]
    path.write_text(json.dumps({"format": "scalargrad parameters 1", "layers": layers}))
    network = nn.MLP(2, [1])
    network.load(path)
    assert (network.weights, network.biases) == ([[[0.1, -2.0]]], [[3.5]])


def test_true_is_no_weight(tmp_path):
    """JSON's true was taken for 1."""
    path = tmp_path / "network.json"
    layers = [{"activation": "linear", "weights": [[True, 2]], "biases": [3.5]}]
    path.write_text(json.dumps({"format": "scalargrad parameters 1", "layers": layers}))
    network = nn.MLP(2, [1])
    with pytest.raises(ValueError, match="needs numbers, got True; write 1 or 0"):
        network.load(path)
    with pytest.raises(TypeError, match="needs numbers, got False"):
        network.layers[0].set_weights([[1, 2]], [False])


def test_a_crash_while_saving_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "network.json"
    network = nn.MLP(2, [3, 1], seed=2)
    network.save(path)
    before = path.read_bytes()
    network.layers[0].neurons[0].b.data = 3.0

    def crash(*arguments):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr("scalargrad.files.os.fsync", crash)
    with pytest.raises(OSError, match="no space"):
        network.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["network.json"]


def test_a_folder_that_is_not_there(tmp_path):
    network = nn.MLP(2, [1])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        network.save(tmp_path / "nowhere" / "network.json")
    with pytest.raises(FileNotFoundError, match="nothing"):
        network.load(tmp_path / "nothing.json")
