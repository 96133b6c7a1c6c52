"""The documents' two networks: every published figure, both ways of building, the closed forms and the slips."""

import pytest

from scalargrad import trace
from scalargrad.messages import LANGUAGES
from scalargrad.teach.examples import (
    DOCUMENT_FORMS,
    EXAMPLES,
    SHARED_BIAS_PATHS,
    SLIPS,
    evaluate,
    shared_bias,
    shared_bias_with_nn,
    step,
    two_output,
    two_output_with_nn,
)

# The published figures of network A (sevenold.github.io, 2018/08, DL-back-propagation and DL-back-propagation-python)
# as far as they go, the others recomputed in float64 with math.exp. A float is exact; text is rounded as it stands.
PARAMETERS_A = {  # before, gradient, after
    "w1": (0.1, "0.00537109", "0.09462891"),
    "w2": (0.3, "0.01074218", "0.28925782"),
    "b1": (0.5, 0.010742183129835565, 0.48925781687016445),
    "w3": (0.6, "-0.00869356", "0.60869356"),
    "w4": (0.7, "0.05870176", "0.64129824"),
    "b2": (1.0, -0.012409318556507402, 1.0124093185565075),
    "w5": (0.2, "0.00643758", "0.19356242"),
    "w6": (0.4, "0.01287516", "0.38712484"),
    "b3": (0.5, 0.01287516032090534, 0.48712483967909465),
    "w7": (0.8, "-0.00907194", "0.80907194"),
    "w8": (0.9, "0.0612567", "0.8387433"),
    "b4": (1.0, 0.08379177401075323, 0.9162082259892468),
}
FORWARD_A = {  # first, after the update
    "net_h1": (0.85, 0.8258300879578699),
    "out_h1": (0.7005671424739729, 0.6954725026123048),
    "net_h2": (1.0, 0.971030889277963),
    "out_h2": (0.7310585786300049, 0.7253249281967498),
    "net_o1": (2.0051871483883876, 2.022578998544453),
    "out_o1": (0.8813406204337122, 0.8831474198595102),
    "net_o2": (2.1483497204987856, 1.970574942645405),
    "out_o2": (0.8955144637754225, 0.8776728542726611),
    "E_o1": ("0.00704002", "0.00682726"),
    "E_o2": ("0.40097308", "0.38515482"),
    "E_total": ("0.40801310", "0.39198208"),
}
DELTAS_A = {"net_o1": "-0.01240932", "net_o2": "0.08379177", "net_h1": "0.01074218", "net_h2": "0.01287516"}

FORWARD_B = {
    "out_h1": 0.7005671424739729,
    "net_o1": 1.4203402854843836,
    "net_o2": 1.490396999731781,
    "out_o1": 0.8053917568941548,
    "out_o2": 0.8161378525898415,
    "E_o1": 0.01893618414237188,
    "E_o2": 0.3330404972149789,
    "E_total": 0.3519766813573508,
}
GRADIENTS_B = {
    "w1": 0.007072039812784893,
    "w2": 0.014144079625569786,
    "b1": 0.014144079625569786,
    "w3": -0.021368764294030722,
    "w4": 0.08579641367334731,
    "b2": 0.09196498875439361,
}

A = [two_output, two_output_with_nn]
B = [shared_bias, shared_bias_with_nn]


def agrees(number, published):
    if isinstance(published, float):
        return number == published
    return f"{number:.{len(published.partition('.')[2])}f}" == published


@pytest.mark.parametrize("build", A)
@pytest.mark.parametrize("label", PARAMETERS_A)
def test_network_a_gradients_and_updated_parameters(build, label):
    before, gradient, after = PARAMETERS_A[label]
    made = step(build)
    assert made.before.quantities[label].data == before
    assert agrees(made.gradients[label], gradient)
    assert agrees(made.updated[label], after)


@pytest.mark.parametrize("build", A)
@pytest.mark.parametrize("label", FORWARD_A)
def test_network_a_both_forward_passes(build, label):
    first, second = FORWARD_A[label]
    made = step(build)
    assert agrees(made.first_forward[label], first)
    assert agrees(made.second_forward[label], second)


@pytest.mark.parametrize("label", DELTAS_A)
def test_network_a_deltas(label):
    made = step(two_output)
    assert agrees(made.before.quantities[label].grad, DELTAS_A[label])


def test_the_deltas_of_network_a_are_those_of_the_neurons():
    example = two_output_with_nn()
    example.root.backward()
    for layer, kind in zip(example.network.layers, "ho", strict=True):
        for number, delta in enumerate(layer.deltas, start=1):
            assert agrees(delta, DELTAS_A[f"net_{kind}{number}"])


@pytest.mark.parametrize("build", B)
@pytest.mark.parametrize("label", FORWARD_B)
def test_network_b_forward_pass(build, label):
    assert step(build).first_forward[label] == FORWARD_B[label]


@pytest.mark.parametrize("build", B)
@pytest.mark.parametrize("label", GRADIENTS_B)
def test_network_b_gradients(build, label):
    """The published figures come from the closed forms, bit for bit.

    The engine multiplies by y * (1 - y) as one local derivative: at most two units in the 16th digit away.
    """
    made = step(build)
    assert evaluate(made.before.closed_forms[label], made.before.numbers()) == GRADIENTS_B[label]
    assert made.gradients[label] == pytest.approx(GRADIENTS_B[label], rel=0, abs=2e-17)


def test_the_two_paths_to_the_shared_bias():
    example = shared_bias()
    through = {output: evaluate(form, example.numbers()) for output, form in SHARED_BIAS_PATHS.items()}
    assert through == {"o1": -0.030502093230592244, "o2": 0.12246708198498586}
    contributions = {
        recorded.node.label: recorded.contribution
        for recorded in trace(example.root, view="quantities").backward
        if recorded.parent.label == "b2"
    }
    assert contributions == pytest.approx({"net_o1": through["o1"], "net_o2": through["o2"]}, rel=1e-15)


@pytest.mark.parametrize("build", [*A, *B])
def test_closed_forms_agree_with_the_engine(build):
    made = step(build)
    numbers = made.before.numbers()
    assert list(made.before.closed_forms) == list(made.gradients) == [p.label for p in made.before.parameters]
    for label, form in made.before.closed_forms.items():
        assert evaluate(form, numbers) == pytest.approx(made.gradients[label], rel=0, abs=1e-15)


@pytest.mark.parametrize(("by_line", "with_nn"), [A, B])
def test_both_ways_of_building_give_the_same_bits(by_line, with_nn):
    first, second = step(by_line), step(with_nn)
    assert first.first_forward == second.first_forward
    assert first.gradients == second.gradients
    assert first.updated == second.updated
    assert first.second_forward == second.second_forward
    gradients = [{label: node.grad for label, node in made.before.quantities.items()} for made in (first, second)]
    assert gradients[0] == gradients[1]
    assert list(first.before.quantities) == list(second.before.quantities)


@pytest.mark.parametrize("build", [*A, *B])
def test_what_an_example_holds(build):
    example = build()
    assert [leaf.label for leaf in (*example.inputs, *example.targets)] == ["x1", "x2", "y1", "y2"]
    assert [leaf.data for leaf in (*example.inputs, *example.targets)] == [0.5, 1.0, 1.0, 0.0]
    assert example.quantities["E_total"] is example.root
    assert example.learning_rate == 1
    assert EXAMPLES[example.name].__name__ in build.__name__


def test_the_forms_that_the_document_gives():
    assert set(DOCUMENT_FORMS) == {"w1", "w2", "b1", "w3", "w4", "b2"}
    example = shared_bias()
    # Its formula for b2 is one of the two paths in network B, and the whole in network A.
    assert evaluate(DOCUMENT_FORMS["b2"], example.numbers()) == -0.030502093230592244
    assert evaluate(DOCUMENT_FORMS["b2"], two_output().numbers()) == -0.012409318556507402


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_slips_give_the_numbers_of_the_networks(lang):
    assert len(SLIPS) == 5
    assert {network for slip in SLIPS for network in slip.networks} == set(EXAMPLES)
    forward, shared, misprints, _, smallest = (slip.statement(lang) for slip in SLIPS)
    assert "out_o2*w4" in forward
    made = {name: step(build) for name, build in EXAMPLES.items()}
    b2 = {path: evaluate(form, made["shared-bias"].before.numbers()) for path, form in SHARED_BIAS_PATHS.items()}
    for number in (b2["o1"], b2["o2"], made["shared-bias"].gradients["b2"]):
        assert f"{number:.8f}" in shared
    for label, digits in (("w4", 8), ("w8", 7), ("w7", 8)):
        assert f"{made['two-output'].gradients[label]:.{digits}f}" in misprints
    for network in made.values():
        for forward_pass in (network.first_forward, network.second_forward):
            assert f"{forward_pass['E_total']:.8f}" in smallest
