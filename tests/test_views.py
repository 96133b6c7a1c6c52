"""The two views of one graph: which nodes and edges they show, and their true derivatives."""

import random

import pytest

from scalargrad import Value, check_gradients, derive, draw, sigmoid, trace
from scalargrad.cli import main
from scalargrad.explain.explaining import explain, explain_graph
from scalargrad.formulas import notation
from scalargrad.graph.roles import roles
from scalargrad.graph.views import Operations, Quantities, default_view, view_of
from scalargrad.page import page
from scalargrad.teach.worksheets import worksheet, worksheets


def neuron():
    x, w, b, t = (Value(data, label=label) for data, label in ((1.5, "x"), (0.6, "w"), (0.9, "b"), (0.0, "t")))
    net = w * x + b
    net.label = "net"
    out = sigmoid(net)
    out.label = "out"
    error = (t - out) ** 2 / 2
    error.label = "E"
    return error


def described(view):
    """Write a view out: each node that is no leaf with its formula and its derivatives."""
    return {
        view.name(node): (
            notation.text(view.formula(node)),
            {
                view.name(edge.parent): notation.text(derivative)
                for edge, derivative in zip(view.edges(node), view.derivatives(node))
            },
        )
        for node in view.order
        if node.parents
    }


def test_labelled_quantities_carry_the_true_derivatives_between_them():
    assert described(Quantities(neuron())) == {
        "net": ("w*x + b", {"w": "x", "x": "w", "b": "1"}),
        "out": ("sigmoid(net)", {"net": "out*(1 - out)"}),
        "E": ("(t - out)**2/2", {"t": "t - out", "out": "-(t - out)"}),
    }


def test_every_operation_stands_with_its_local_derivatives():
    view = described(Operations(neuron()))
    assert view["v1"] == ("w*x", {"w": "x", "x": "w"})
    assert view["net"] == ("v1 + b", {"v1": "1", "b": "1"})
    assert view["v2"] == ("t - out", {"t": "1", "out": "-1"})
    assert view["v3"][0] == "v2**2"
    assert view["v3"][1]["v2"] == "2*v2"
    assert list(view) == ["v1", "net", "out", "v2", "v3", "E"]


def test_a_repeated_operand_is_two_edges_of_operations_and_one_of_quantities():
    x = Value(3.0, label="x")
    y = x * x
    assert [tuple(edge) for edge in Operations(y).edges(y)] == [(x, 3.0), (x, 3.0)]
    assert [tuple(edge) for edge in Quantities(y).edges(y)] == [(x, 6.0)]
    assert Quantities(y).name(y) == "root"


def test_an_automatic_name_keeps_clear_of_the_labels():
    x = Value(3.0, label="v1")
    assert [Operations(x * 2).name(node) for node in Operations((x * 2) + 1).order[:1]] == ["v1"]
    y = (x * 2) + 1
    assert [Operations(y).name(node) for node in Operations(y).order] == ["v1", "2", "v2", "1", "v3"]


def test_edge_derivatives_are_the_sums_over_the_hidden_paths():
    """On random graphs with random labels: the chain rule over the quantities gives the engine's gradients."""
    rng = random.Random(2)
    for _ in range(20):
        nodes = [Value(rng.uniform(0.5, 1.5), label=f"x{index}") for index in range(3)]
        for step in range(30):
            a, b = rng.choice(nodes), rng.choice(nodes[-6:])
            nodes.append(rng.choice([a + b, a * b, a.tanh(), a - b, sigmoid(b)]))
            nodes[-1].label = f"q{step}" if rng.random() < 0.4 else ""
        root = nodes[-1]
        root.backward()
        view = Quantities(root)
        gradients = dict.fromkeys(view.order, 0.0) | {root: 1.0}
        for node in reversed(view.order):
            for parent, derivative in view.edges(node):
                gradients[parent] += gradients[node] * derivative
        assert all(gradients[node] == pytest.approx(node.grad, rel=1e-12) for node in view.order)


def test_derivative_formulas_have_the_value_of_their_numbers():
    """The formula on each edge is Python: with the recorded numbers it gives the recorded derivative."""
    error = neuron()
    for view in (Operations(error), Quantities(error)):
        numbers = {view.name(node): node.data for node in view.order} | {"sigmoid": sigmoid}
        for node in view.order:
            for edge, derivative in zip(view.edges(node), view.derivatives(node)):
                if edge.parent.op is None or edge.parent.parents:
                    assert eval(notation.text(derivative), numbers) == pytest.approx(edge.derivative, rel=1e-14)


def test_a_formula_too_long_to_read_is_elided():
    total = Value(1.0, label="x")
    for _ in range(500):
        total = total * 2 + 1
    total.label = "total"
    view = Quantities(total)
    assert notation.text(view.formula(total)) == "…"
    assert view.edges(total)[0].derivative == 2.0**500


def test_a_long_chain_of_labelled_quantities_needs_no_recursion():
    x = Value(1.0, label="x")
    y = x
    for _ in range(50_000):
        y = y + x
        y.label = "s"
    assert len(Quantities(y).order) == 50_001


def test_roles_go_by_what_is_given_and_else_by_the_first_letter():
    error = neuron()
    by_label = {node.label: role for node, role in roles(error).items() if node.label}
    assert by_label == {"x": "input", "w": "parameter", "b": "parameter", "t": "target"} | {
        "net": "quantity", "out": "quantity", "E": "loss",
    }  # fmt: skip
    nodes = {node.label: node for node in roles(error)}
    assert roles(error, parameters=[nodes["x"]])[nodes["x"]] == "parameter"
    assert {role for node, role in roles(error).items() if not node.label} == {"operation", "number"}
    leaf = Value(2.0)
    assert roles(leaf) == {leaf: "input"}


def test_an_unknown_view_is_refused():
    with pytest.raises(ValueError, match='view: needs "operations", "quantities" or "layers", got \'all\''):
        view_of(Value(1.0), "all")


@pytest.mark.parametrize("labels", ["", "E", "2", "net", "net E"])
def test_without_a_name_it_is_the_quantities_where_an_operation_below_the_root_has_a_label(labels):
    x, w = Value(1.5, "x"), Value(0.6, "w")
    net = x * w
    two = Value(1.0) * 2
    error = net - two
    for node, label in ((net, "net"), (error, "E"), (two.parents[1], "2")):
        node.label = label if label in labels.split() else ""
    expected = "quantities" if "net" in labels else "operations"
    assert default_view([x, w, net, two, error]) == view_of(error).kind == expected
    assert trace(error).view.kind == expected
    assert draw(error).source == draw(error, expected).source
    assert derive(error, w).text == derive(error, w, expected).text
    assert explain_graph(error) == explain_graph(error, view=expected)
    assert str(check_gradients(error)) == str(check_gradients(error, view=expected))
    assert worksheet(error).view == worksheets(error, 1)[0].view == expected
    assert f'"view":"{expected}"' in page(error).html.replace('"view": ', '"view":')


@pytest.mark.parametrize(("formula", "view"), [("y = sigmoid(w*x)", "operations"), ("z = w*x; y = z+1", "quantities")])
def test_the_command_goes_by_the_same_rule(formula, view, tmp_path, capsys):
    numbers = {"w": 0.6, "x": 1.5}
    typed = [formula, *(f"{name}={number}" for name, number in numbers.items()), "--lang", "en"]
    assert main(["explain", *typed]) == 0
    assert capsys.readouterr().out.strip() == explain(formula, numbers, view=view)
    for name, chosen in (("own.gv", []), ("named.gv", ["--view", view])):
        assert main(["draw", *typed, *chosen, "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "own.gv").read_text("utf-8") == (tmp_path / "named.gv").read_text("utf-8")


def test_a_leaf_made_by_hand_has_a_name_and_a_plain_number_is_one():
    """micrograd's examples have no labels; their leaves still have gradients to be asked for."""
    a, b = Value(-4.0), Value(2.0)
    c = a * b + 3
    view = Operations(c)
    assert [view.name(node) for node in view.order] == ["v1", "v2", "v3", "3", "v4"]
    assert [notation.text(derivative) for derivative in view.derivatives(view.order[2])] == ["v2", "v1"]
    c.label = "c"
    assert notation.text(Quantities(c).formula(c)) == "(-4)*2 + 3"
