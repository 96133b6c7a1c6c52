"""The contenders of `programs.py`: one network for each library, and as a program of this package for each target.

A contender gives a function that prepares rows, the step (prepared rows -> mean loss and mean gradients), and a
function that lists the gradients neuron by neuron, or None where they are such a list already.
"""

import importlib
import math
import random
import sys

from engine import moons


class Problem:
    """A network with relu inside, its parameters, and rows of inputs with their targets."""

    def __init__(self, name):
        kind, number = name.split("-")
        rng = random.Random(1)
        if kind == "moons":
            self.sizes, self.loss, self.batch = [2, 16, 16, 1], hinge, int(number)
            points, labels = moons(max(100, int(number)))
            self.rows = [[*point, label] for point, label in zip(points, labels)][: int(number)]
        elif kind in ("digits", "wide"):  # made up: the time does not depend on what is on the pictures
            width = 64 if kind == "digits" else 784
            self.sizes, self.loss, self.batch = [width, 32, 10], squared, int(number)
            self.rows = [
                [*(rng.random() for _ in range(width)), *(float(index % 10 == k) for k in range(10))]
                for index in range(1440)
            ]
        else:  # "growth": a network with about so many operations
            width = round(math.sqrt(int(number) / 2))
            self.sizes, self.loss, self.batch = [2, width, width, 1], hinge, 64
            self.rows = [[*point, label] for point, label in zip(*moons(64))]
        self.parameters = [
            rng.uniform(-1, 1) / math.sqrt(nin) if weight < nin else 0.0
            for nin, nout in zip(self.sizes, self.sizes[1:])
            for _ in range(nout)
            for weight in range(nin + 1)
        ]
        self.operations = 2 * len(self.parameters)

    def batches(self, rows):
        return [rows[start : start + self.batch] for start in range(0, len(rows), self.batch)]

    def sample_loss(self, row, parameters, relu):
        """Compute the loss of one row by scalars of any kind."""
        numbers, values = iter(parameters), row[: self.sizes[0]]
        for depth, (nin, nout) in enumerate(zip(self.sizes, self.sizes[1:]), 1):
            layer = []
            for _ in range(nout):
                weights = [next(numbers) for _ in range(nin)]
                net = values[0] * weights[0]
                for value, weight in zip(values[1:], weights[1:]):
                    net = net + value * weight
                net = net + next(numbers)
                layer.append(net if depth == len(self.sizes) - 1 else relu(net))
            values = layer
        return self.loss(values, row[self.sizes[0] :], relu)


def hinge(outputs, targets, relu):
    return relu(1 - outputs[0] * targets[0])


def squared(outputs, targets, relu):
    total = 0
    for output, target in zip(outputs, targets):
        difference = output - target
        total = total + difference * difference * 0.5
    return total


# --- the contenders ------------------------------------------------------------------------------------------------


def by_hand(problem):
    import numpy as np

    layers, start = [], 0
    for nin, nout in zip(problem.sizes, problem.sizes[1:]):
        block = np.array(problem.parameters[start : start + (nin + 1) * nout]).reshape(nout, nin + 1)
        layers.append((np.ascontiguousarray(block[:, :-1].T), block[:, -1].copy()))
        start += block.size

    def step(rows):
        count = len(rows)
        values = [rows[:, : problem.sizes[0]]]
        targets = rows[:, problem.sizes[0] :]
        for weights, biases in layers[:-1]:
            values.append(np.maximum(values[-1] @ weights + biases, 0))
        out = values[-1] @ layers[-1][0] + layers[-1][1]
        if problem.loss is hinge:
            margin = 1 - targets * out
            loss, delta = np.maximum(margin, 0).sum() / count, -targets * (margin > 0) / count
        else:
            difference = out - targets
            loss, delta = 0.5 * (difference * difference).sum() / count, difference / count
        gradients = []
        for (weights, _), value in zip(layers[::-1], values[::-1]):
            gradients.append((value.T @ delta, delta.sum(axis=0)))
            delta = delta @ weights.T * (value > 0)
        return loss, gradients[::-1]

    def flat(result):
        return [number for dw, db in result[1] for column, bias in zip(dw.T, db) for number in [*column, bias]]

    return lambda rows: np.array(rows), step, flat


def program(problem, target):
    import scalargrad
    from scalargrad import Value

    inputs = [Value(number) for number in problem.rows[0]]
    parameters = [Value(number) for number in problem.parameters]
    root = problem.sample_loss(inputs, parameters, Value.relu)
    compiled = scalargrad.compile(root, inputs, parameters, target=target)
    if target == "python":
        return list, compiled, None
    array = importlib.import_module("numpy").array
    numbers = array(problem.parameters)  # arrays in, arrays out, as for the others
    return array, lambda rows: compiled(rows, numbers), None


def eager(problem, value):
    parameters = [value(number) for number in problem.parameters]

    def step(rows):
        for parameter in parameters:
            parameter.grad = 0.0
        total = value(0.0)
        for row in rows:
            total = total + problem.sample_loss(list(map(value, row)), parameters, value.relu)
        total = total * (1 / len(rows))
        total.backward()
        return total.data, [parameter.grad for parameter in parameters]

    return list, step, None


def xad(problem):
    from xad.adj_1st import Real, Tape

    def step(rows):
        with Tape() as tape:
            parameters = [Real(number) for number in problem.parameters]
            tape.registerInputs(parameters)
            tape.newRecording()
            total = 0
            for row in rows:
                total = total + problem.sample_loss(row, parameters, lambda net: net if net > 0 else net * 0.0)
            total = total * (1 / len(rows))
            tape.registerOutput(total)
            total.derivative = 1.0
            tape.computeAdjoints()
            return total.value, [parameter.derivative for parameter in parameters]

    return list, step, None


def casadi(problem):
    import casadi as ca

    row, parameters = ca.SX.sym("row", len(problem.rows[0])), ca.SX.sym("p", len(problem.parameters))
    loss = problem.sample_loss(ca.vertsplit(row), ca.vertsplit(parameters), lambda net: ca.fmax(net, 0))
    one = ca.Function("step", [row, parameters], [loss, ca.gradient(loss, parameters)])
    numbers, mapped = ca.DM(problem.parameters), {}

    def step(rows):
        count = rows.shape[1]
        if count not in mapped:
            mapped[count] = one.map(count, [False, True], [True, True])
        loss, gradients = mapped[count](rows, numbers)
        return loss / count, gradients / count

    return lambda rows: ca.DM(rows).T, step, lambda result: result[1].full().ravel()


def jax(problem):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def mean_loss(parameters, rows):
        one = lambda row: problem.sample_loss(list(row), list(parameters), lambda net: jnp.maximum(net, 0.0))  # noqa: E731
        return jax.vmap(one)(rows).mean()

    compiled, parameters = jax.jit(jax.value_and_grad(mean_loss)), jnp.array(problem.parameters)
    return jnp.array, lambda rows: jax.block_until_ready(compiled(parameters, rows)), None


def torch_scalar(problem):
    import torch

    torch.set_default_dtype(torch.float64)
    parameters = [torch.tensor(number, requires_grad=True) for number in problem.parameters]

    def step(rows):
        losses = [problem.sample_loss(row, parameters, torch.relu) for row in rows]
        loss = sum(losses) / len(rows)
        return loss, torch.autograd.grad(loss, parameters)

    return list, step, None


def torch_matrix(problem):
    import torch

    torch.set_default_dtype(torch.float64)
    parameters, start = [], 0
    for nin, nout in zip(problem.sizes, problem.sizes[1:]):
        block = torch.tensor(problem.parameters[start : start + (nin + 1) * nout]).reshape(nout, nin + 1)
        parameters += [block[:, :-1].clone().requires_grad_(), block[:, -1].clone().requires_grad_()]
        start += block.numel()

    def step(rows):
        values, targets = rows[:, : problem.sizes[0]], rows[:, problem.sizes[0] :]
        for weights, biases in zip(parameters[:-2:2], parameters[1:-2:2]):
            values = torch.relu(torch.nn.functional.linear(values, weights, biases))
        out = torch.nn.functional.linear(values, *parameters[-2:])
        if problem.loss is hinge:
            loss = torch.relu(1 - targets * out).sum() / len(rows)
        else:
            loss = 0.5 * ((out - targets) ** 2).sum() / len(rows)
        return loss, torch.autograd.grad(loss, parameters)

    def flat(result):
        pairs = zip(result[1][::2], result[1][1::2])
        return [number for dw, db in pairs for row, bias in zip(dw, db) for number in [*row.tolist(), bias.item()]]

    return torch.tensor, step, flat


def set_up(name, problem):
    """Give the function that prepares rows, the step, and the function that lists its gradients."""
    if name.startswith("scalargrad "):
        return program(problem, name.removeprefix("scalargrad "))
    if name == "scalargrad, eager":
        from scalargrad import Value

        return eager(problem, Value)
    if name == "micrograd":
        from micrograd.engine import Value

        sys.setrecursionlimit(100_000)  # it goes down the graph by recursion

        return eager(problem, Value)
    return globals()[name.replace(" ", "_")](problem)
