"""Code written for micrograd 0.1.0 runs after changing the import: its tests, its README, its notebook."""

import random
import re
import runpy
from pathlib import Path

import pytest

from scalargrad import nn
from scalargrad.engine import Value
from scalargrad.nn import MLP

HERE = Path(__file__).parent / "micrograd"


@pytest.mark.parametrize("name", ["test_sanity_check", "test_more_ops"])
def test_its_own_tests_pass(name):
    pytest.importorskip("torch", reason="micrograd's tests compare with PyTorch, which is not installed")
    runpy.run_path(str(HERE / "test_engine.py"))[name]()


def test_its_sanity_check_without_pytorch():
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    # By hand: z = 3x + 2 = -10, relu(z) = 0, q = zx = 40, h = z^2 = 100, y = 100 + 40 - 160;
    # dz = 3, dq = 3x + z = -22, dh = 2z * 3 = -60, dy = dh + dq + q + x dq = -60 - 22 + 40 + 88.
    assert (y.data, x.grad) == (-20.0, 46.0)


def test_its_readme_example():
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def test_a_graph_is_walked_and_run_backward_by_hand_as_in_the_lecture():
    a, b, c, f = Value(2.0), Value(-3.0), Value(10.0), Value(-2.0)
    e = a * b
    d = e + c
    loss = d * f
    nodes, edges = set(), set()

    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)

    build(loss)
    assert nodes == {a, b, c, e, d, f, loss}
    assert edges == {(a, e), (b, e), (e, d), (c, d), (d, loss), (f, loss)}
    loss.grad = 1.0
    for node in (loss, d, e, a):
        node._backward()
    assert [node.grad for node in (f, d, c, e, b, a)] == [4.0, -2.0, -2.0, -2.0, -4.0, 6.0]


def test_one_node_adds_to_what_its_parents_have():
    x = Value(3.0)
    y = x * x
    y.grad = 2.0
    y._backward()
    y._backward()
    assert x.grad == 24.0


def test_the_operations_have_the_signs_that_micrograd_gives_them():
    def built(value):
        a, b = value(2.0), value(3.0)
        return [a, a + b, a * b, a + 1, 2 * a, a**2, a**-1, a**0.5, a.relu()]

    signs = [node._op for node in built(Value)]
    assert signs == ["", "+", "*", "+", "*", "**2", "**-1", "**0.5", "ReLU"]
    assert [node._op for node in (Value(2.0) - 1, Value(2.0) / 3, 2 ** Value(2.0), Value(2.0).tanh())] == [
        "-", "/", "**", "tanh",
    ]  # fmt: skip
    theirs = pytest.importorskip("micrograd.engine").Value
    assert signs == [node._op for node in built(theirs)]
    assert [len(node._prev) for node in built(Value)] == [0, 2, 2, 2, 2, 2, 2, 2, 1]


def make_moons(n_samples, noise):
    """Do what `sklearn.datasets.make_moons` does, from the same state of NumPy's generator to the same points."""
    import numpy as np

    angle = np.linspace(0, np.pi, n_samples // 2)
    outer, inner = (np.cos(angle), np.sin(angle)), (1 - np.cos(angle), 1 - np.sin(angle) - 0.5)
    points = np.hstack([outer, inner]).T
    labels = np.repeat([0, 1], n_samples // 2)
    order = np.arange(n_samples)
    np.random.shuffle(order)
    return points[order] + np.random.normal(scale=noise, size=points.shape), labels[order]


def test_the_moons_are_those_of_scikit_learn():
    np = pytest.importorskip("numpy")
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    np.random.seed(1337)
    expected_points, expected_labels = datasets.make_moons(n_samples=100, noise=0.1)
    np.random.seed(1337)
    points, labels = make_moons(n_samples=100, noise=0.1)
    assert (points == expected_points).all()
    assert (labels == expected_labels).all()


@pytest.mark.thorough
def test_its_notebook_trains_on_the_moons():
    """The lines from `np.random.seed` on are the notebook's; `moons.txt` is what it prints there.

    It adds the bias first and this package last, as the documents do: that is 1 unit in the 16th digit.
    """
    np = pytest.importorskip("numpy")
    printed = []

    np.random.seed(1337)
    random.seed(1337)

    X, y = make_moons(n_samples=100, noise=0.1)

    y = y * 2 - 1  # make y be -1 or 1

    # initialize a model
    model = MLP(2, [16, 16, 1])  # 2-layer neural network
    assert str(model) == f"MLP of [{layer_text('ReLU', 2)}, {layer_text('ReLU', 16)}, Layer of [LinearNeuron(16)]]"
    assert len(model.parameters()) == 337

    # loss function
    def loss(batch_size=None):
        # inline DataLoader :)
        if batch_size is None:
            Xb, yb = X, y
        else:
            ri = np.random.permutation(X.shape[0])[:batch_size]
            Xb, yb = X[ri], y[ri]
        inputs = [list(map(Value, xrow)) for xrow in Xb]

        # forward the model to get scores
        scores = list(map(model, inputs))

        # svm "max-margin" loss
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(yb, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        # L2 regularization
        alpha = 1e-4
        reg_loss = alpha * sum(p * p for p in model.parameters())
        total_loss = data_loss + reg_loss

        # also get accuracy
        accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(yb, scores)]
        return total_loss, sum(accuracy) / len(accuracy)

    # optimization
    for k in range(100):
        # forward
        total_loss, acc = loss()

        # backward
        model.zero_grad()
        total_loss.backward()

        # update (sgd)
        learning_rate = 1.0 - 0.9 * k / 100
        for p in model.parameters():
            p.data -= learning_rate * p.grad

        if k % 1 == 0:
            printed.append(f"step {k} loss {total_loss.data}, accuracy {acc * 100}%")

    expected = (HERE / "moons.txt").read_text(encoding="utf-8").splitlines()
    assert len(printed) == len(expected) == 100
    for line, expected_line in zip(printed, expected):
        (step, loss_, accuracy), (*rest,) = numbers(line), numbers(expected_line)
        assert (step, accuracy) == (rest[0], rest[2]), line
        assert loss_ == pytest.approx(rest[1], rel=1e-13, abs=0), line


def layer_text(kind, inputs):
    return f"Layer of [{', '.join([f'{kind}Neuron({inputs})'] * 16)}]"


def numbers(line):
    match = re.fullmatch(r"step (\d+) loss (\S+), accuracy (\S+)%", line)
    return [float(number) for number in match.groups()]


def test_its_keywords_and_attributes():
    neuron = nn.Neuron(3, nonlin=False)
    assert (len(neuron.w), neuron.b.data, neuron.nonlin) == (3, 0.0, False)
    assert repr(neuron) == "LinearNeuron(3)"
    layer = nn.Layer(3, 2, nonlin=True)
    assert repr(layer) == "Layer of [ReLUNeuron(3), ReLUNeuron(3)]"
    assert len(layer.neurons) == 2
    assert repr(nn.Neuron(3, False)) == "LinearNeuron(3)"
    assert nn.Module().parameters() == []


def test_its_parameters_come_in_its_order_from_pythons_generator():
    random.seed(7)
    model = MLP(2, [2, 1])
    random.seed(7)
    # micrograd draws the weights neuron by neuron; a bias is 0 and draws nothing.
    expected = []
    for inputs in (2, 2, 2):
        expected += [random.uniform(-1, 1) for _ in range(inputs)] + [0.0]
    assert [p.data for p in model.parameters()] == expected
    assert [p.data for layer in model.layers for n in layer.neurons for p in [*n.w, n.b]] == expected


def test_zero_grad():
    model = MLP(2, [2, 1], seed=1)
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert all(p.grad == 0 for p in model.parameters())
