"""A graph whose numbers have changed since it was recorded: the change is named, and nobody mixes old with new."""

import pytest

import scalargrad
from scalargrad import Value, nn, topological_order, trace
from scalargrad.explain.reporting import backward_text, forward_text, local_text
from scalargrad.graph.changes import changed, check_unchanged
from scalargrad.page import page
from scalargrad.teach.examples import two_output
from scalargrad.teach.mistakes import compare
from scalargrad.teach.worksheets import worksheet
from scalargrad.train.losses import half_squared_error
from scalargrad.train.optimizers import gradient_descent_step


def names(root):
    return [" or ".join(node.label for node in either) for either in changed(topological_order(root))]


@pytest.mark.parametrize(
    ("record", "new", "told"),
    [
        (lambda u, v: (u * v).tanh(), {"v": 3.0}, ["v"]),
        (lambda u, v: (u * v).tanh(), {"u": 4.0, "v": 3.0}, ["v", "u"]),
        (lambda u, v: u / v, {"u": 7.0}, ["u"]),
        (lambda u, v: u / v, {"v": 7.0}, ["v"]),
        (lambda u, v: (u + v) * u.exp(), {"v": 7.0}, ["v"]),
        (lambda u, v: (u + v).tanh(), {"v": 7.0}, ["u or v"]),
        (lambda u, v: u.cos() + v, {"u": -0.5}, ["u"]),  # only the local derivative differs
        (lambda u, v: u.sigmoid() - v.abs() * u, {"u": -0.5}, ["u"]),  # the local derivative alone does not differ
        (lambda u, v: u**2 * v.log(), {"v": -1.0}, ["v"]),
        (lambda u, v: u.maximum(v) + u * 2, {"v": 9.0}, ["v"]),
        (lambda u, v: (u - v).relu(), {}, []),
    ],
)
def test_what_has_changed_is_named(record, new, told):
    u, v = Value(0.5, "u"), Value(2.0, "v")
    root = record(u, v)
    for leaf in (u, v):
        leaf.data = new.get(leaf.label, leaf.data)
    assert names(root) == told


def test_an_update_names_every_parameter_and_nothing_else():
    example = two_output()
    example.root.backward()
    gradient_descent_step(example.parameters, 1)
    assert sorted(names(example.root)) == sorted(leaf.label for leaf in example.parameters)


def test_an_interior_value_that_was_overwritten_is_named():
    example = two_output()
    example.quantities["net_h1"].data = 3.0
    assert names(example.root) == ["net_h1"]


def test_a_graph_from_a_machine_with_another_last_digit_is_the_same_graph():
    x = Value(0.3, "x")
    y = x.sin()
    y.data *= 1 + 2**-52
    check_unchanged([x, y])


def test_a_constant_is_never_taken_for_what_has_changed():
    x = Value(2.0)
    y = x * 3
    x.data = 5.0
    assert changed([*topological_order(y)]) == [[x]]


def curve():
    x = Value(2.0, "x")
    y = x**3 - 2 * x
    y.label = "y"
    return x, y


READERS = {
    "gradients": lambda x, y: scalargrad.gradients(y, [x]),
    "compile": lambda x, y: scalargrad.compile(y, [x]),
    "check_gradients": lambda x, y: scalargrad.check_gradients(y),
    "page": lambda x, y: page(y),
    "trace": lambda x, y: trace(y),
    "derive": lambda x, y: scalargrad.derive(y, x),
    "draw with formulas": lambda x, y: scalargrad.draw(y, formulas=True),
    "compare": lambda x, y: compare(y, "assignment"),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_reader_that_computes_or_prints_a_formula_with_its_numbers_refuses(read):
    x, y = curve()
    read(x, y)
    x.data = 7.0
    with pytest.raises(ValueError, match=r"graph: x has changed since it was recorded \(.*\); record it again"):
        read(x, y)


def test_text_that_is_written_after_the_change_is_refused_too():
    x, y = curve()
    asked, derivation = trace(y), scalargrad.derive(y, x)
    x.data = 7.0
    for write in (lambda: forward_text(asked), lambda: local_text(asked), lambda: derivation.text):
        with pytest.raises(ValueError, match="graph: x has changed"):
            write()


def test_a_picture_shows_what_is_stored_and_says_so():
    x, y = curve()
    assert "changed" not in scalargrad.draw(y).source
    x.data = 7.0
    for view in ("operations", "quantities"):
        assert "changed since: x; what was computed from them is shown as it was" in scalargrad.draw(y, view).source
    assert "此后改过：x；" in scalargrad.draw(y, lang="zh").source


def test_the_caption_names_three_at_the_most_and_escapes_them():
    leaves = [Value(1.0, f"w{i}\\n") for i in range(5)]
    root = sum((leaf * leaf for leaf in leaves), 0)
    for leaf in leaves:
        leaf.data = 2.0
    assert r"changed since: w0\\\\n, w1\\\\n, w2\\\\n, …;" in repr(scalargrad.draw(root).source)


def test_the_update_of_a_class_works_as_the_documents_do_it():
    """Forward, backward, update, the picture of what was, and forward again: nothing of it is refused."""
    network = nn.MLP(2, [2, 2], activation="sigmoid", output="sigmoid", seed=1)
    losses = []
    for _ in range(3):
        loss = half_squared_error(network([0.5, 1.0]), [1, 0])
        asked = trace(loss)
        network.zero_grad()
        loss.backward()
        gradient_descent_step(network.parameters(), learning_rate=1)
        assert network.layers[0].deltas
        assert "d" in backward_text(asked)
        assert "changed since" in scalargrad.draw(loss, view="quantities").source
        loss.backward()
        losses.append(loss.data)
    assert losses[0] > losses[1] > losses[2]
    worksheet(half_squared_error(network([0.5, 1.0]), [1, 0]))
