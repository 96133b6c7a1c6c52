"""Matrices found in graphs that were written scalar by scalar, and the programs on arrays that they become."""

import pytest
from test_groups import convolution, digits, network, recurrent, scalars_of

from scalargrad.graph.groups import MINUS
from scalargrad.graph.matrices import Product, Terms, tables_of
from scalargrad.train import losses


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
