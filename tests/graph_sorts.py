"""Random graphs of five sorts: irregular, with shared values, recurrent, convolutional, with kinks.

Each is made from a seed: the root, the inputs of a sample, the parameters. `python tests/graph_sorts.py TARGET [COUNT]`
compares the programs of a target with those of target "python", and prints how far they differ.
"""

import random
import sys
import time
from itertools import chain, pairwise

from scalargrad import Value
from scalargrad.programs import compiling

ROWS = 9


def _leaves(count, rng, size=0.8):
    return [Value(rng.uniform(-size, size)) for _ in range(count)]


def _mean_square(values):
    return sum((value * value for value in values[1:]), values[0] * values[0]) * (1 / len(values))


def irregular(seed):
    """Operations on operands drawn from all that is there."""
    rng = random.Random(seed)
    inputs, parameters = _leaves(3, rng), _leaves(5, rng)
    nodes = [*inputs, *parameters]
    for _ in range(rng.randrange(20, 70)):
        a, b = rng.choice(nodes[-15:]), rng.choice(nodes)
        new = rng.choice(
            (
                lambda a=a, b=b: (a + b) * 0.5,
                lambda a=a, b=b: a - b * 0.3,
                lambda a=a, b=b: a * b,
                lambda a=a, b=b: a / (b * b + 1),
                lambda a=a: (a * a + 0.5) ** 0.5,
                lambda a=a: 1 - a,
                lambda a=a: -a,
                lambda a=a: (a * 0.5).exp(),
                lambda a=a: (a * a + 1).log(),
                a.sin,
                a.tanh,
                a.sigmoid,
                a.softplus,
            )
        )()
        nodes.append(new.tanh() if abs(new.data) > 3 else new)
    return _mean_square(nodes[-8:]), inputs, parameters


def shared(seed):
    """Few values, each used again and again, in sums and products with themselves as well; the parameters' norm."""
    rng = random.Random(seed)
    inputs, parameters = _leaves(2, rng), _leaves(4, rng)
    nodes = [p * x for p in parameters for x in inputs]
    for _ in range(rng.randrange(4, 12)):
        a, b = rng.choice(nodes), rng.choice(nodes)
        hub = (a + b + a * b - b * b).tanh()
        nodes += [hub, hub * a + hub * hub, hub - a]
    root = _mean_square(nodes)
    return root + sum((p * p for p in parameters[1:]), parameters[0] * parameters[0]) * 0.01, inputs, parameters


def recurrent(seed):
    """A network whose weights are used once in each step."""
    rng = random.Random(seed)
    steps, hidden = rng.randrange(2, 6), rng.randrange(2, 10)
    activation = rng.choice((Value.tanh, Value.sigmoid, Value.relu))
    xs, target = _leaves(steps, rng), Value(0.5)
    into, biases, out = (_leaves(hidden, rng) for _ in range(3))
    across = [_leaves(hidden, rng, 1 / hidden) for _ in range(hidden)]
    state = [Value(0.0)] * hidden
    for x in xs:
        state = [
            activation(sum((w * s for w, s in zip(across[j], state)), x * into[j]) + biases[j]) for j in range(hidden)
        ]
    root = _mean_square([sum((w * s for w, s in zip(out, state)), -target)])
    return root, [*xs, target], [*into, *biases, *out, *chain.from_iterable(across)]


def convolutional(seed):
    """Filters over a picture, the largest of two neighbours, and a neuron that reads them all."""
    rng = random.Random(seed)
    size, width, count = rng.randrange(4, 6), rng.randrange(2, 4), rng.randrange(1, 4)
    picture = [_leaves(size, rng) for _ in range(size)]
    filters = [[_leaves(width, rng) for _ in range(width)] for _ in range(count)]
    biases, outputs = _leaves(count, rng), []
    for weights, bias in zip(filters, biases):
        for row in range(size - width + 1):
            line = []
            for column in range(size - width + 1):
                net = bias
                for i in range(width):
                    for j in range(width):
                        net = net + picture[row + i][column + j] * weights[i][j]
                line.append(net.relu() if seed % 2 else net.tanh())
            outputs += [a.maximum(b) for a, b in pairwise(line)]
    last = _leaves(len(outputs), rng)
    root = _mean_square([sum((o * w for o, w in zip(outputs[1:], last[1:])), outputs[0] * last[0])])
    return root, list(chain.from_iterable(picture)), [*chain.from_iterable(chain(*filters)), *biases, *last]


def kinks(seed):
    """Pieces of straight lines, whose ends meet: ties occur."""
    rng = random.Random(seed)
    inputs, parameters = _leaves(3, rng), _leaves(4, rng)
    nodes = [*inputs, *parameters, *(p * x for p, x in zip(parameters, inputs))]
    for _ in range(rng.randrange(15, 50)):
        a, b = rng.choice(nodes[-12:]), rng.choice(nodes)
        new = rng.choice(
            (
                a.relu,
                a.leaky_relu,
                a.abs,
                a.elu,
                lambda a=a, b=b: a.maximum(b),
                lambda a=a, b=b: a.minimum(b),
                lambda a=a, b=b: a.relu() - b.relu(),
                lambda a=a, b=b: (a - b) * 0.7,
                lambda a=a, b=b: a * b,
            )
        )()
        nodes.append(new)
    return _mean_square(nodes[-8:]), inputs, parameters


SORTS = {sort.__name__: sort for sort in (irregular, shared, recurrent, convolutional, kinks)}


def difference(sort, seed, target):
    """Give how far loss and gradients of a target are from those of target "python", relative to the largest or 1."""
    root, inputs, parameters = SORTS[sort](seed)
    rng = random.Random(seed)
    rows = [[x.data + rng.uniform(-0.2, 0.2) for x in inputs] for _ in range(ROWS)]
    numbers = []
    for each in ("python", target):
        loss, gradients = compiling.compile(root, inputs, parameters, each)(rows)
        numbers.append([loss, *gradients])
    return max(abs(a - b) for a, b in zip(*numbers)) / max(1.0, *map(abs, numbers[0]))


def main():
    target, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60
    for sort in SORTS:
        start = time.perf_counter()
        found = [difference(sort, seed, target) for seed in range(count)]
        seconds = time.perf_counter() - start
        print(f"{sort:14} {count} graphs, largest difference {max(found):.1e}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
