"""Each mistake gives the numbers of the real mistaken code: small engines with the bug in them, written here."""

import math
import random
from itertools import chain, pairwise

import pytest

from scalargrad import Value, topological_order
from scalargrad.graph.roles import parameters_of
from scalargrad.teach.examples import shared_bias, two_output
from scalargrad.teach.mistakes import MISTAKES, compare


class Mini:
    """An engine as a student writes it: closures that look into `.data` and `.grad` when they run."""

    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents
        self.push = lambda: None

    def collect(self, amount):
        self.grad += amount

    def result(self, data, parents, push):
        out = type(self)(data, parents)
        out.push = lambda: push(out)
        return out

    def __add__(self, other):
        def push(out):
            self.collect(out.grad)
            other.collect(out.grad)

        return self.result(self.data + other.data, (self, other), push)

    def __sub__(self, other):
        def push(out):
            self.collect(out.grad)
            other.collect(-out.grad)

        return self.result(self.data - other.data, (self, other), push)

    def __mul__(self, other):
        def push(out):
            self.collect(out.grad * other.data)
            other.collect(out.grad * self.data)

        return self.result(self.data * other.data, (self, other), push)

    def tanh(self):
        return self.result(math.tanh(self.data), (self,), lambda out: self.collect(out.grad * (1 - out.data**2)))

    def sigmoid(self):
        y = 1 / (1 + math.exp(-self.data))
        return self.result(y, (self,), lambda out: self.collect(out.grad * out.data * (1 - out.data)))

    def topological(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        return order

    def backward(self):
        self.grad = 1.0
        for node in reversed(self.topological()):
            node.push()


class Assigning(Mini):
    def collect(self, amount):
        self.grad = amount


def recursive_backward(root):
    def back(node):
        node.push()
        for parent in node.parents:
            back(parent)

    root.grad = 1.0
    back(root)


NUMBERS = (0.7, -1.3, 0.4)


def doubled_twice(leaves):
    a = leaves[0]
    b = a + a
    return [a, b, b + b]


def diamond(leaves):
    x, w, b = leaves
    h = x * w
    return [*leaves, h, h.tanh(), h * b, h.tanh() + h * b]


def neuron(leaves):
    x, w, b = leaves
    return [*leaves, x * w, (x * w + b).sigmoid()]


def random_program(seed):
    def program(leaves):
        generator = random.Random(seed)
        nodes = list(leaves)
        for _ in range(12):
            a, b = generator.choice(nodes[-5:]), generator.choice(nodes)
            operation = generator.choice(("add", "sub", "mul", "mul", "tanh", "sigmoid"))
            nodes.append(
                {
                    "add": lambda a=a, b=b: a + b,
                    "sub": lambda a=a, b=b: a - b,
                    "mul": lambda a=a, b=b: a * b,
                    "tanh": lambda a=a: a.tanh(),
                    "sigmoid": lambda a=a: a.sigmoid(),
                }[operation]()
            )
        return nodes

    return program


PROGRAMS = [doubled_twice, diamond, neuron, *map(random_program, range(12))]
each_program = pytest.mark.parametrize("program", PROGRAMS)


def recorded(program):
    """Run a program on Values; the three leaves are the parameters."""
    leaves = [Value(number, label=f"w{i}") for i, number in enumerate(NUMBERS)]
    nodes = program(leaves)
    return nodes[-1], nodes, [leaf for leaf in leaves if leaf in set(topological_order(nodes[-1]))]


def assert_wrong_gradients(found, nodes, minis):
    assert len(nodes) == len(minis)
    for node, mini in zip(nodes, minis, strict=True):
        if node in found.wrong:
            assert found.wrong[node] == pytest.approx(mini.grad, rel=1e-12, abs=1e-15)


def run(program, kind=Mini, numbers=NUMBERS):
    return program([kind(number) for number in numbers])


@each_program
def test_recursion_without_topological_order(program):
    root, nodes, _ = recorded(program)
    minis = run(program)
    recursive_backward(minis[-1])
    assert_wrong_gradients(compare(root, "recursion"), nodes, minis)


@each_program
def test_assignment_instead_of_accumulation(program):
    root, nodes, _ = recorded(program)
    minis = run(program, Assigning)
    minis[-1].backward()
    assert_wrong_gradients(compare(root, "assignment"), nodes, minis)


@each_program
def test_gradients_not_zeroed_between_two_steps(program):
    root, nodes, parameters = recorded(program)
    leaves = [Mini(number) for number in NUMBERS]
    program(leaves)[-1].backward()
    for leaf in leaves:
        leaf.data -= 0.1 * leaf.grad
    minis = program(leaves)
    minis[-1].backward()
    found = compare(root, "not zeroed", parameters, learning_rate=0.1)
    assert_wrong_gradients(found, nodes, minis)
    fresh = run(program, numbers=[leaf.data for leaf in leaves])
    fresh[-1].backward()
    for node, mini in zip(nodes, fresh, strict=True):
        if node in found.right:
            assert found.right[node] == pytest.approx(mini.grad, rel=1e-12, abs=1e-15)


@each_program
def test_interior_gradients_not_reset_before_a_second_backward(program):
    root, nodes, _ = recorded(program)
    minis = run(program)
    minis[-1].backward()
    minis[-1].backward()
    found = compare(root, "not reset")
    assert_wrong_gradients(found, nodes, minis)
    root.backward()
    root.backward()
    assert {node: node.grad for node in found.right} == pytest.approx(found.right, rel=1e-12)


@each_program
def test_graph_drawn_before_backward(program):
    root, nodes, _ = recorded(program)
    found = compare(root, "before backward")
    assert_wrong_gradients(found, nodes, run(program))
    assert found.first is root


@each_program
def test_parameters_changed_between_forward_and_backward(program):
    root, nodes, parameters = recorded(program)
    minis = run(program)
    right = run(program)
    right[-1].backward()
    for mini, other in zip(minis, right, strict=True):
        if not mini.parents:
            mini.data -= 0.5 * other.grad
    minis[-1].backward()
    assert_wrong_gradients(compare(root, "changed between", parameters, learning_rate=0.5), nodes, minis)


def updated_too_early(weights, biases, inputs, targets, rate):
    """Backpropagation layer by layer, as it is written by hand, with the update in the wrong place."""
    outputs = [inputs]
    for matrix, bias in zip(weights, biases, strict=True):
        nets = [
            sum(x * w for x, w in zip(outputs[-1], row, strict=True)) + b for row, b in zip(matrix, bias, strict=True)
        ]
        outputs.append([1 / (1 + math.exp(-net)) for net in nets])
    back = [out - y for out, y in zip(outputs[-1], targets, strict=True)]
    gradients = []
    for number in reversed(range(len(weights))):
        delta = [grad * out * (1 - out) for grad, out in zip(back, outputs[number + 1], strict=True)]
        gradients.insert(0, [[d * x for x in outputs[number]] for d in delta])
        matrix = weights[number]
        for j, d in enumerate(delta):
            for i, x in enumerate(outputs[number]):
                matrix[j][i] -= rate * d * x
        back = [sum(d * row[i] for d, row in zip(delta, matrix, strict=True)) for i in range(len(outputs[number]))]
    return gradients


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 4, 2), (2, 3, 3, 1)])
def test_hidden_gradients_from_weights_already_updated(sizes):
    generator = random.Random(str(sizes))

    def draw(*shape):
        return [draw(*shape[1:]) for _ in range(shape[0])] if shape else generator.uniform(-1, 1)

    weights = [draw(after, before) for before, after in pairwise(sizes)]
    biases = [draw(after) for after in sizes[1:]]
    inputs, targets = draw(sizes[0]), draw(sizes[-1])
    leaves = [[[Value(w, "w") for w in row] for row in matrix] for matrix in weights]
    out = [Value(x, "x") for x in inputs]
    for matrix, bias in zip(leaves, biases, strict=True):
        out = [
            (sum((x * w for x, w in zip(out, row, strict=True)), 0) + Value(b, "b")).sigmoid()
            for row, b in zip(matrix, bias, strict=True)
        ]
    error = sum((0.5 * (o - Value(y, "y")) ** 2 for o, y in zip(out, targets, strict=True)), 0)
    found = compare(error, "updated too early", learning_rate=0.7)
    expected = updated_too_early(weights, biases, inputs, targets, 0.7)
    for matrix, real in zip(leaves, expected, strict=True):
        wrong = [[found.wrong[leaf] for leaf in row] for row in matrix]
        assert list(chain(*wrong)) == pytest.approx(list(chain(*real)), rel=1e-10)
    last, first = leaves[-1], leaves[0]
    assert all(found.wrong[leaf] == pytest.approx(found.right[leaf]) for row in last for leaf in row)
    assert any(found.wrong[leaf] != pytest.approx(found.right[leaf]) for row in first for leaf in row)


def test_two_parameters_of_one_operation_move_together():
    u, v = Value(2.0, "u"), Value(3.0, "v")
    found = compare(u * v, "updated too early", [u, v])
    assert (found.wrong[u], found.wrong[v]) == (3.0, 2.0)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_first_wrong_node_is_the_first_that_backward_visits(mistake):
    root = two_output().root
    found = compare(root, mistake)
    wrong = [node for node in reversed(topological_order(root)) if abs(found.right[node] - found.wrong[node]) > 1e-9]
    labelled = [node for node in wrong if node.parents or node.label]
    assert found.first is labelled[0]


def test_recursion_on_doubling_twice_is_the_published_example():
    a = Value(1.0, "a")
    b = a + a
    c = b + b
    found = compare(c, "recursion")
    assert [found.right[node] for node in (c, b, a)] == [1, 2, 4]
    assert [found.wrong[node] for node in (c, b, a)] == [1, 2, 8]
    assert found.first is a


def test_assignment_on_the_worked_example_keeps_one_path():
    example = two_output()
    found = compare(example.root, "assignment")
    hidden = example.quantities["out_h2"]
    assert found.first is hidden
    assert found.wrong[hidden] == pytest.approx(-0.012409318556507402 * 0.8)  # through o1 alone


def test_a_shared_bias_without_accumulation_has_the_half_that_the_document_has():
    example = shared_bias()
    bias = example.quantities["b2"]
    found = compare(example.root, "assignment")
    assert found.wrong[bias] in (pytest.approx(-0.030502093230592244), pytest.approx(0.12246708198498586))


@pytest.mark.parametrize("mistake", ["recursion", "assignment", "updated too early"])
def test_a_graph_without_what_the_mistake_needs_comes_out_right(mistake):
    x = Value(0.5, "x")
    found = compare(x.sin().exp(), mistake)
    assert found.first is None
    assert "changes nothing" in found.text()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_graph_is_not_changed(mistake):
    example = two_output()
    before = [(node, node.data, node.grad, node.label, node.partials) for node in topological_order(example.root)]
    compare(example.root, mistake)
    assert before == [
        (node, node.data, node.grad, node.label, node.partials) for node in topological_order(example.root)
    ]


def test_the_text_marks_where_they_part():
    a = Value(1.0, "a")
    b = a + a
    b.label = "b"
    lines = compare(b + b, "assignment").text().splitlines()
    assert "= instead of +=" in lines[0]
    assert [line.split() for line in lines[-3:]] == [
        ["dv1/dv1", "1", "1"],
        ["dv1/db", "2", "1", "<-", "here", "they", "part"],
        ["dv1/da", "4", "1"],
    ]


def test_a_chain_of_any_length_is_walked_and_an_explosion_of_paths_refused():
    x = Value(1.0, "x")
    y = x
    for _ in range(20_000):
        y = y + 0.0
    assert compare(y, "recursion").wrong[x] == 1.0
    for _ in range(40):
        y = y + y
    with pytest.raises(ValueError, match=r"more than 1000000 times.*fewer paths"):
        compare(y, "recursion")


def test_bad_requests_are_refused():
    x = Value(1.0, "x")
    y = x * 2
    with pytest.raises(ValueError, match=r"needs one of 'recursion', .* got 'typo'"):
        compare(y, "typo")
    with pytest.raises(ValueError, match="labelled leaves"):
        compare(y, "not zeroed", parameters=[y])


def test_parameters_are_found_by_their_labels_or_else_are_all_leaves():
    example = two_output()
    assert set(parameters_of(example.root)) == set(example.parameters)
    x = Value(1.0, "x")
    assert parameters_of(x * 2) == [x]
