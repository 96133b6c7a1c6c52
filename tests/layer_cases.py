"""Graphs with layers in them, written as students write them: for the tests of the view that finds these."""

import random
from itertools import chain

from scalargrad import Value, nn
from scalargrad.teach.examples import shared_bias, two_output
from scalargrad.train import losses

XS, YS = ([0.5, 1.0], [0.2, -0.9], [-1.0, 0.4]), ([1, 0], [0, 1], [1, 1])


def vector(word, size, rng):
    return [Value(rng.uniform(-1, 1), f"{word}{number}") for number in range(1, size + 1)]


def matrix(word, rows, columns, rng):
    return [[Value(rng.uniform(-1, 1), f"{word}_{i}{j}") for j in range(1, columns + 1)] for i in range(1, rows + 1)]


def moons():
    model = nn.MLP(2, [16, 16, 1], seed=1)
    return losses.hinge_loss(model(XS[0]), -1)


def moons_with_penalty():
    model = nn.MLP(2, [16, 16, 1], seed=1)
    scores = [model(x) for x in XS]
    return losses.hinge_loss(scores, [1, -1, 1]) + losses.l2_penalty(model.parameters(), 1e-4)


def batch():
    model = nn.MLP(2, [2, 2], activation="sigmoid", output="sigmoid", seed=3)
    return sum(losses.half_squared_error(model(x), y) for x, y in zip(XS, YS)) / 3


def convolution():
    """One filter of 2 x 2 with a bias over a picture of 4 x 4."""
    rng = random.Random(4)
    picture, kernel, bias = matrix("p", 4, 4, rng), matrix("k", 2, 2, rng), Value(0.1, "b")
    outs = []
    for row in range(3):
        for column in range(3):
            net = sum(picture[row + i][column + j] * kernel[i][j] for i in range(2) for j in range(2)) + bias
            outs.append(net.relu())
    return sum(outs)


def recurrence():
    """Three steps of two units that share their weights."""
    rng = random.Random(5)
    u, w, b, v = matrix("u", 2, 1, rng), matrix("w", 2, 2, rng), vector("b", 2, rng), vector("v", 2, rng)
    state = [Value(0.0, "h1"), Value(0.0, "h2")]
    for x in vector("x", 3, rng):
        nets = [u[j][0] * x + sum(w[j][i] * state[i] for i in range(2)) + b[j] for j in range(2)]
        state = [net.tanh() for net in nets]
    return (sum(v[j] * state[j] for j in range(2)) - 1) ** 2


def attention():
    """One head over three letters of two numbers: scores, softmax, and the weighted means of the values."""
    rng = random.Random(6)
    letters = [[Value(rng.uniform(-1, 1), f"x_{t}{i}") for i in (1, 2)] for t in (1, 2, 3)]
    weights = {word: matrix(word, 2, 2, rng) for word in ("wq", "wk", "wv")}

    def mapped(word):
        return [[sum(w * x for w, x in zip(row, letter)) for row in weights[word]] for letter in letters]

    queries, keys, values = map(mapped, weights)
    total = Value(0.0)
    for query in queries:
        raised = [(sum(a * b for a, b in zip(query, key)) / 2**0.5).exp() for key in keys]
        below = sum(raised)
        shares = [one / below for one in raised]
        for i in range(2):
            total = total + sum(share * value[i] for share, value in zip(shares, values)) ** 2
    return total


def softmax():
    rng = random.Random(7)
    w, x, b = matrix("w", 3, 4, rng), vector("x", 4, rng), vector("b", 3, rng)
    raised = [(sum(a * c for a, c in zip(row, x)) + bias).exp() for row, bias in zip(w, b)]
    return -(raised[1] / sum(raised)).log()


def irregular(seed=0):
    rng = random.Random(seed)
    nodes = vector("x", 4, rng)
    for _ in range(40):
        a, b = rng.choice(nodes[-12:]), rng.choice(nodes)
        nodes.append(
            rng.choice([a.add, a.mul, a.sub, a.maximum])(b) if rng.random() < 0.6 else rng.choice([a.sin, a.relu])()
        )
    return sum(nodes[-10:]) * nodes[0]


def one_operation():
    return Value(3.0, "x").square()


def leaf():
    return Value(3.0, "x")


NASTY = (
    "two words",
    "a|b{c}",
    "\\alpha",
    "x^T",
    "<b>",
    "#1",
    "1_2",
    "dE/dx",
)  # labels that a notation could stumble over


def named(word):
    """A layer of two neurons whose labels begin with a word."""
    w = [[Value(0.1 * i + j, f"{word}{i}{j}") for j in (1, 2)] for i in (1, 2)]
    x = [Value(0.5, word), Value(1.0, f"{word}'")]
    outs = [sum(a * b for a, b in zip(row, x)).tanh() for row in w]
    outs[0].label = f"{word}o"
    return outs[0] + outs[1]


CASES = {
    "worked example": lambda: two_output().root,
    "shared bias": lambda: shared_bias().root,
    **{
        case.__name__: case
        for case in (
            *(moons, moons_with_penalty, batch, convolution, recurrence, attention, softmax),
            *(irregular, one_operation, leaf),
        )
    },
}


def flat(table):
    return list(chain(*table))
