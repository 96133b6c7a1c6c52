"""Quantities of one label are told apart by layer, neuron and sample, as the graph shows; all others keep theirs."""

import io
import re
import zipfile
from functools import reduce

import pytest
from figure_support import drawings, network

import scalargrad
from scalargrad import Value, derive, draw, nn, topological_order, trace
from scalargrad.explain.tikz import numbers
from scalargrad.graph.naming import names_of
from scalargrad.graph.views import Operations, Quantities
from scalargrad.train.losses import half_squared_error


def named(root):
    """The names that are not the labels, each beside its node."""
    names = names_of(root)
    assert len(set(names.values())) == len(names)
    return {name: node for node, name in names.items() if name != node.label}


def recurrent(steps, samples):
    w, u, losses = Value(0.5, label="w"), Value(0.3, label="u"), []
    for sample in range(samples):
        h = Value(0.0, label="h")
        for step in range(steps):
            h = (w * h + u * Value(step + 10.0 * sample, label="x")).tanh()
            h.label = "h"
            loss = (h - Value(1.0, label="y")) ** 2
            loss.label = "E"
            losses.append(loss)
    return reduce(Value.__add__, losses)


def test_a_batch_of_the_documents_network():
    """Before: x1, net_h1 and so on three times each, with no way to tell whose they are."""
    root = network(2, 2, 2, samples=3, activation="sigmoid", output="sigmoid")
    found = named(root)
    assert {name.partition("^")[2] for name in found} == {"[1]", "[2]", "[3]"}
    assert [found[f"x1^[{sample}]"].data for sample in (1, 2, 3)] == [0.0, 1.0, 2.0]  # as `network` makes them
    for sample in (1, 2, 3):
        lead_to = {node.label for node in topological_order(found[f"net_h1^[{sample}]"]) if node.label}
        assert lead_to == {"x1", "x2", "w1", "w2", "b1", "net_h1"}
        for low, high in (("x1", "net_h2"), ("net_h1", "out_o2"), ("y1", "E_o1"), ("E_o2", "E_total")):
            assert found[f"{low}^[{sample}]"] in topological_order(found[f"{high}^[{sample}]"])
    names = names_of(root).values()
    assert {"w1", "w8", "b4"} <= set(names)  # the samples share them


def test_steps_of_time_and_samples_together():
    found = named(recurrent(3, 2))
    assert [found[f"x^({step})[{sample}]"].data for sample in (1, 2) for step in (1, 2, 3)] == [0, 1, 2, 10, 11, 12]
    for sample in (1, 2):
        assert not found[f"h^(0)[{sample}]"].parents  # the initial state
        for step in (1, 2, 3):
            under = topological_order(found[f"E^({step})[{sample}]"])
            expected = {f"h^({step})[{sample}]", f"h^({step - 1})[{sample}]", f"x^({step})[{sample}]"}
            assert {found[name] for name in expected} <= set(under)
            assert found[f"y^({step})[{sample}]"] in under
            assert found.get(f"x^({step + 1})[{sample}]") not in under


def test_neurons_and_layers_that_were_put_together_by_hand():
    """The weights of neuron 2 in the first layer, whichever sample: w_2_1^(1), w_2_2^(1)."""
    neurons, last = [nn.Neuron(2, seed=number) for number in range(3)], nn.Neuron(3, seed=9)

    def loss(x1, x2):
        inputs = [Value(x1, label="x1"), Value(x2, label="x2")]
        return half_squared_error(last([neuron(inputs) for neuron in neurons]), 1)

    found = named(loss(0.1, 0.2) + loss(0.3, 0.4))
    for number, neuron in enumerate(neurons, 1):
        assert found[f"w_{number}_1^(1)"] is neuron.w[0]
        assert found[f"w_{number}_2^(1)"] is neuron.w[1]
        assert found[f"b_{number}^(1)"] is neuron.b
        for sample in (1, 2):
            assert neuron.w[1] in topological_order(found[f"net_{number}^(1)[{sample}]"])
    assert found["b_1^(2)"] is last.b
    assert found["x2^[2]"].data == 0.4


def test_an_accident_is_numbered_as_it_was_made():
    first, second, third = Value(1.0, label="x"), Value(2.0, label="x"), Value(3.0, label="x^[1]")
    assert named(first * first + second.exp()) == {"x^[1]": first, "x^[2]": second}
    assert named(first * second * third) == {"x^[1]'": first, "x^[2]": second}  # the name that a label has is taken
    spaced = Value(1.0, label="hidden net"), Value(2.0, label="hidden net")
    assert named(spaced[0] * spaced[1]) == {"hidden net^[1]": spaced[0], "hidden net^[2]": spaced[1]}
    layered = Value(1.0, label="z_1^2"), Value(2.0, label="z_1^2")
    assert named(layered[0] * layered[1]) == {"z_1^2[1]": layered[0], "z_1^2[2]": layered[1]}


def test_no_label_changes_and_unique_ones_are_the_names():
    root = network(2, 16, 16, 1)
    before = [node.label for node in topological_order(root)]
    assert named(root) == {}
    assert [node.label for node in topological_order(root)] == before


def test_no_recursion_and_no_quadratic_time():
    h = Value(0.5, label="h")
    for _ in range(20_000):
        h = h * 0.999
        h.label = "h"
    assert names_of(h)[h] == "h^(20000)"


@pytest.mark.parametrize("view", ["operations", "quantities"])
def test_every_reader_says_the_same_names(view, tmp_path):
    root = network(1, 1, 1, samples=2)
    names = [name for node, name in names_of(root).items() if name != node.label]
    assert "x1^[2]" in names
    drawing = draw(root, view)
    svg = re.sub(r"<tspan[^>]*>|</tspan>", "|", drawing.pipe(encoding="utf-8"))
    assert "x|1||[2]|" in svg
    assert "[2] above a name: the second of that name" in svg
    assert all(f"{name}, " in svg for name in names)  # the description
    tikz = drawing.write(tmp_path / "graph.tex").read_text()
    assert "$x_{1}^{[2]}$" in tikz
    assert len(set(re.findall(r"\\newcommand\*\{\\value(\w+)\}", numbers(drawing.shown)))) == len(drawing.shown.names)
    frames = drawing.write_steps(tmp_path / "steps.svg")
    assert "x1^[2]*w1" in "".join(frame.read_text("utf-8") for frame in frames)
    made = (Operations if view == "operations" else Quantities)(root)
    assert {made.name(node) for node in made.order} >= set(names)
    assert "out_h1^[2]" in trace(root, view)._repr_html_()


def test_a_derivation_names_the_sample():
    root = network(1, 1, 1, samples=2)
    w1 = next(node for node in topological_order(root) if node.label == "w1")
    assert "dnet_h1^[2]/dw1" in derive(root, w1).text
    assert r"\mathrm{net}_{h1}^{[2]}" in derive(root, w1).latex


def test_the_spreadsheet_and_the_page_name_the_sample(tmp_path):
    root = network(1, 1, 1, samples=2)
    page = scalargrad.write_page(root, tmp_path / "page.html").read_text("utf-8")
    assert '["x", "1", "[2]"]' in page or '["x","1","[2]"]' in page
    pytest.importorskip("xlsxwriter")
    with zipfile.ZipFile(io.BytesIO(scalargrad.spreadsheet(root).content)) as parts:
        assert b"<t>net_h1^[2]</t>" in parts.read("xl/sharedStrings.xml")


def test_the_twenty_pictures_have_no_two_nodes_of_one_name():
    for name, drawing in drawings().items():
        view = drawing.shown.view
        labelled = [view.name(node) for node in drawing.shown.names if node.label]
        assert len(set(labelled)) == len(labelled), name
