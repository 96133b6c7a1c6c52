"""A graph and a model are copied and pickled whole, at any depth, into another process; constants stay constants."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import weakref

import pytest

from scalargrad import Value, check_gradients, compile, draw, gradients, nn, operation, topological_order
from scalargrad.rules import RULES
from scalargrad.teach.examples import two_output

WAYS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda given: pickle.loads(pickle.dumps(given)),
    "pickle, oldest": lambda given: pickle.loads(pickle.dumps(given, protocol=0)),
    "pickle in Python": lambda given: pickle.loads(pickle._dumps(given)),
}
each_way = pytest.mark.parametrize("again", WAYS.values(), ids=WAYS)


def described(root):
    """Give everything that a graph holds, the nodes by their numbers."""
    order = topological_order(root)
    number = {node: position for position, node in enumerate(order)}
    return [
        (node.data, node.grad, node.label, node.op, node.partials, [number[parent] for parent in node.parents])
        for node in order
    ]


def every_row():
    x = Value(0.7, "x")
    terms = [getattr(x + 0.1, name)(*[2] * (len(rule.operands) - 1)) for name, rule in RULES.items()]
    root = sum(terms, 0) + 2**x
    root.backward()
    return root


def cubed(a):
    return a * a * a


def three_squares(a):
    return 3 * a * a


@each_way
@pytest.mark.parametrize("record", [every_row, lambda: two_output().root, lambda: Value(1.0, "alone")])
def test_a_graph_is_copied_whole(again, record):
    root = record()
    twin = again(root)
    assert described(twin) == described(root)
    assert not set(topological_order(twin)) & set(topological_order(root))
    assert draw(twin).source == draw(root).source  # where a constant is no input


@each_way
def test_what_two_values_share_they_share_in_the_copy(again):
    x = Value(2.0, "x")
    y, z = x * x, x.exp()
    x2, [y2, z2], total = again([x, [y, z], {"total": y + z}])
    assert y2.parents == (x2, x2)
    assert z2.parents == (x2,)
    assert total["total"].parents == (y2, z2)


@each_way
def test_a_copy_is_a_graph_like_any_other(again):
    x = Value(0.5, "x")
    x2, y2 = again([x, (x * 3).tanh() ** 2])
    y2.backward()
    [slope] = gradients(y2, [x2])
    assert slope.data == pytest.approx(x2.grad, rel=1e-15)
    assert x.grad == 0.0
    assert check_gradients(y2).ok
    assert compile(y2, [x2], target="python")([[0.5]])[0] == y2.data


@each_way
def test_a_chain_of_any_depth_is_copied_without_recursion(again):
    y = x = Value(1.0, "x")
    for _ in range(20_000):
        y = y * 1.0 + x
    assert again(y).data == 20_001.0


def test_a_shallow_copy_is_a_node_of_its_own_over_the_same_parents():
    x = Value(2.0, "x")
    y = x * 3
    y.label, y.grad = "y", 5.0
    twin = copy.copy(y)
    assert twin is not y
    assert (twin.data, twin.grad, twin.label, twin.op, twin.parents, twin.partials) == (
        *(y.data, y.grad, y.label, y.op, y.parents, y.partials),
    )


def test_copying_keeps_nothing_alive():
    x = Value(2.0)
    y = x * x
    gone = [weakref.ref(node) for node in (x, y, *copy.deepcopy([x, y]))]
    pickle.loads(pickle.dumps(y))
    gc.disable()
    try:
        del x, y
        assert [node() for node in gone] == [None] * 4
    finally:
        gc.enable()


@each_way
@pytest.mark.parametrize(("activation", "output"), [("relu", "linear"), ("sigmoid", "sigmoid"), ("tanh", cubed)])
def test_a_model_is_copied_whole(again, activation, output):
    model = nn.MLP(2, [3, 2], activation=activation, output=output, seed=1)
    twin = again(model)
    assert [parameter.data for parameter in twin.parameters()] == [p.data for p in model.parameters()]
    assert [parameter.label for parameter in twin.parameters()] == [p.label for p in model.parameters()]
    assert [out.data for out in twin([0.3, -0.4])] == [out.data for out in model([0.3, -0.4])]
    assert str(twin) == str(model)


def test_a_model_with_its_graph_keeps_the_parameters_in_the_graph():
    model = nn.MLP(2, [2, 1], seed=1)
    twin, loss = pickle.loads(pickle.dumps([model, model([1.0, 2.0]) ** 2]))
    assert set(twin.parameters()) < set(topological_order(loss))


def elsewhere(tmp_path, given, program):
    """Load what was pickled in another process, where `given` is its name."""
    path = tmp_path / "given.pickle"
    path.write_bytes(pickle.dumps(given))
    program = f"import pickle; given = pickle.load(open({str(path)!r}, 'rb'))\n{program}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    ).stdout


def test_a_graph_goes_into_another_process(tmp_path):
    cube = operation("cube", "a**3", "3 * a**2", domain="any number")
    x = Value(2.0, "x")
    y = cube(x * 1.5) + 1
    seen = elsewhere(
        tmp_path,
        [x, y],
        "from scalargrad import draw\n"
        "x, y = given; y.backward()\n"
        "print(y.data, x.grad, y.parents[0].op.domain)\n"
        "print(draw(y).source)",
    )
    y.backward()
    assert seen == f"{y.data} {x.grad} any number\n{draw(y).source}\n"


def test_a_deep_chain_and_a_model_go_into_another_process(tmp_path):
    y = x = Value(1.0)
    for _ in range(20_000):
        y = y + x
    model = nn.MLP(2, [4, 1], activation="tanh", seed=3)
    seen = elsewhere(tmp_path, [y, model], "y, model = given; print(y.data, model([0.5, -0.5]).data)")
    assert seen.split() == ["20001.0", str(model([0.5, -0.5]).data)]


@each_way
def test_an_operation_of_callables_goes_by_their_names(again):
    cube = operation("cube", cubed, three_squares)
    x2, y2 = again([x := Value(2.0), cube(x)])
    y2.backward()
    assert x2.grad == 12.0


def test_an_operation_of_a_callable_without_a_name_is_copied_and_not_pickled():
    cube = operation("cube", lambda a: a**3, lambda a: 3 * a**2)
    y = cube(Value(2.0))
    assert described(copy.deepcopy(y)) == described(y)
    with pytest.raises(TypeError, match="pickle: the operation cube was declared by a callable that has no name in a"):
        pickle.dumps(y)


def test_an_operation_that_comes_back_works_beside_the_one_that_went():
    cube = operation("cube", "a**3", "3 * a**2")
    x = Value(2.0, "x")
    x2, y2 = pickle.loads(pickle.dumps([x, cube(x)]))
    both = y2 + cube(x2)
    assert compile(both, [x2], target="python")([[3.0]])[0] == 54.0
