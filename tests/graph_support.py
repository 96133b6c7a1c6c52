"""Random graphs of many kinds, for programs: irregular, shared, recurrent, convolutional, with kinks."""

import random
from itertools import chain

from test_groups import irregular, leaves

from scalargrad import Value, nn
from scalargrad.rules import RULES

_KINKS = ("relu", "leaky_relu", "abs", "tanh", "sigmoid", "elu", "softplus")


def total(numbers):
    """Add up, in one of the two orders that people write."""
    first, *others = numbers
    for number in others:
        first = first + number
    return first


def error_of(outputs, targets, rng):
    squared = rng.random() < 0.5
    errors = [(y - out) ** 2 * 0.5 if squared else (1 - out * y).relu() for out, y in zip(outputs, targets)]
    return total(errors) * rng.choice((1, 1 / len(errors)))


def network(rng):
    """Layers of random width, with kinks, now and then with a penalty on the parameters."""
    sizes = [rng.randint(1, 6) for _ in range(rng.randint(2, 4))]
    model = nn.MLP(sizes[0], sizes[1:], rng.choice(_KINKS), rng.choice(_KINKS), bias=rng.random() < 0.8, seed=1)
    xs, ys = leaves(sizes[0], rng), leaves(sizes[-1], rng)
    outputs = model(xs)
    root = error_of([outputs] if isinstance(outputs, Value) else outputs, ys, rng)
    if rng.random() < 0.3:
        root = root + 0.01 * sum(p * p for p in model.parameters())
    return root, [*xs, *ys], model.parameters()


def shared(rng):
    """An autoencoder whose second matrix is the first one turned, on several samples in one graph."""
    width, hidden, samples = rng.randint(2, 5), rng.randint(2, 4), rng.randint(1, 3)
    weights, biases = [leaves(width, rng) for _ in range(hidden)], leaves(hidden, rng)
    kink, inputs, losses = rng.choice(_KINKS), [], []
    for _ in range(samples):
        xs = leaves(width, rng)
        out = [getattr(total(w * x for w, x in zip(row, xs)) + b, kink)() for row, b in zip(weights, biases)]
        back = [total(weights[j][i] * out[j] for j in range(hidden)) for i in range(width)]
        losses.append(error_of(back, xs, rng))
        inputs += xs
    return total(losses) / samples, inputs, [*chain.from_iterable(weights), *biases]


def recurrent(rng):
    """Weights that are used in each step; the state begins with zeros."""
    hidden, steps = rng.randint(2, 5), rng.randint(2, 9)
    xs, (y,) = leaves(steps, rng), leaves(1, rng)
    wx, b, wo = leaves(hidden, rng), leaves(hidden, rng), leaves(hidden, rng)
    wh = [leaves(hidden, rng, 0.4) for _ in range(hidden)]
    state, kink = [Value(0.0)] * hidden, rng.choice(_KINKS)
    for x in xs:
        nets = [total(w * s for w, s in zip(wh[j], state)) + x * wx[j] + b[j] for j in range(hidden)]
        state = [getattr(net, kink)() for net in nets]
    root = error_of([total(w * s for w, s in zip(wo, state))], [y], rng)
    return root, [*xs, y], [*wx, *b, *wo, *chain.from_iterable(wh)]


def convolutional(rng):
    """Filters over a picture, two layers of them now and then, and a sum or the largest at the end."""
    size, side, filters = rng.randint(3, 5), rng.randint(2, 3), rng.randint(1, 3)
    picture, (y,) = [leaves(size, rng) for _ in range(size)], leaves(1, rng)
    parameters, images = [], [picture]
    for _ in range(rng.choice((1, 2)) if size > 4 else 1):
        made = []
        for _ in range(filters):
            kernels, (bias,) = [leaves(side * side, rng) for _ in images], leaves(1, rng)
            parameters += [*chain.from_iterable(kernels), bias]
            places = range(len(images[0]) - side + 1)
            made.append([[_at(images, kernels, bias, r, c, side).relu() for c in places] for r in places])
        images = made
    outputs = [out for image in images for row in image for out in row]
    if rng.random() < 0.5:
        last = leaves(len(outputs), rng)
        return (
            error_of([total(o * w for o, w in zip(outputs, last))], [y], rng),
            [*chain(*picture), y],
            parameters + last,
        )
    largest = outputs[0]
    for out in outputs[1:]:
        largest = largest.maximum(out)
    return error_of([largest], [y], rng), [*chain(*picture), y], parameters


def _at(images, kernels, bias, row, column, side):
    net = bias
    for image, kernel in zip(images, kernels):
        for i in range(side):
            for j in range(side):
                net = net + image[row + i][column + j] * kernel[side * i + j]
    return net


def every_row(rng):
    """A graph in which each row of the table occurs, each with operands in its domain."""
    inputs, parameters = leaves(3, rng), leaves(3, rng)
    names = list(RULES)
    rng.shuffle(names)
    nodes = [*inputs, *parameters, Value(1.0), Value(0.75)]
    for name in names:
        a, b = rng.choice(nodes).tanh(), rng.choice(nodes).sin()
        if name in ("log", "sqrt", "pow", "log1p"):
            a = a.abs() + 0.25
        if name == "div":
            b = b * b + 1
        nodes.append(getattr(a, name)(*[b][: len(RULES[name].partials) - 1]).tanh() * rng.uniform(0.5, 2))
    return sum(nodes[1:], nodes[0]), inputs, parameters


KINDS = (network, shared, recurrent, convolutional, lambda rng: irregular(rng.randrange(10**6)), every_row)


def random_graph(seed):
    """A graph of one of six kinds, and eleven rows for it."""
    rng = random.Random(seed)
    root, inputs, parameters = KINDS[seed % len(KINDS)](rng)
    rows = [[x.data * rng.uniform(0.5, 1) for x in inputs] for _ in range(11)]
    return root, inputs, parameters, rows
