"""Two checkouts of this package against each other: calls of C programs for graphs of many kinds, and `fit`.

Run `python tests/benchmarks/against.py OTHER_CHECKOUT`; with `--flags=-mno-avx512f` both compile for a processor that
has no 64-byte vectors. Each checkout is a process; they take turns, and the quickest turn counts, in processor time.
First the results are compared.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
ROWS = (1, 8, 100, 1000)
FITS = ("moons", "moons, Adam", "digits")
ITERATIONS = 400


# --- the graphs: written with what both checkouts have, Value alone -------------------------------------------------


def leaves(value, count, rng, size=0.8):
    return [value(rng.uniform(-size, size)) for _ in range(count)]


def irregular(value, seed, count):
    rng = random.Random(seed)
    inputs, parameters = leaves(value, 3, rng), leaves(value, 4, rng)
    nodes = [*inputs, *parameters, parameters[0] * parameters[1], parameters[2].relu() - 0.5]
    for _ in range(count):
        a, b = rng.choice(nodes[-20:]), rng.choice(nodes)
        choices = (
            lambda a=a, b=b: a + b,
            lambda a=a, b=b: a - b,
            lambda a=a, b=b: a * b * 0.7,
            lambda a=a: 1.5 - a,
            lambda a=a: a / 3,
            a.relu,
            a.tanh,
            a.sigmoid,
        )
        nodes.append(rng.choice(choices)())
    return sum(nodes[-12:], nodes[0] * nodes[3]), inputs, parameters


def recurrent(value, steps, hidden):
    rng = random.Random(3)
    xs, target = leaves(value, steps, rng), value(0.5)
    into, biases, out = (leaves(value, hidden, rng) for _ in range(3))
    across = [leaves(value, hidden, rng, 3 / hidden) for _ in range(hidden)]
    state = [value(0.0)] * hidden
    for x in xs:
        state = [
            (sum((w * s for w, s in zip(across[j], state)), x * into[j]) + biases[j]).relu() for j in range(hidden)
        ]
    difference = sum((w * s for w, s in zip(out, state)), -target)
    return difference * difference, [*xs, target], [*into, *biases, *out, *itertools.chain(*across)]


def convolution(value, size):
    rng = random.Random(4)
    picture, target = [leaves(value, size, rng) for _ in range(size)], value(1.0)
    filters, biases = [leaves(value, 9, rng) for _ in range(2)], leaves(value, 2, rng)
    outputs = []
    for weights, bias in zip(filters, biases):
        for row, column in itertools.product(range(size - 2), repeat=2):
            net = bias
            for k, weight in enumerate(weights):
                net = net + picture[row + k // 3][column + k % 3] * weight
            outputs.append(net.relu())
    last = leaves(value, len(outputs), rng)
    difference = sum((o * w for o, w in zip(outputs, last)), target * -1)
    return difference * difference, [*itertools.chain(*picture), target], [*itertools.chain(*filters), *biases, *last]


def network(value, sizes, activation):
    rng = random.Random(9)
    inputs, target, parameters = leaves(value, sizes[0], rng), value(1.0), []
    numbers = inputs
    for depth, (nin, nout) in enumerate(itertools.pairwise(sizes), 2):
        layer = []
        for _ in range(nout):
            weights, bias = leaves(value, nin, rng, 1 / nin**0.5), value(0.0)
            parameters += [*weights, bias]
            net = sum((x * w for x, w in zip(numbers[1:], weights[1:])), numbers[0] * weights[0]) + bias
            layer.append(net if depth == len(sizes) else getattr(net, activation)())
        numbers = layer
    difference = numbers[0] - target
    return difference * difference, [*inputs, target], parameters


KINDS = {
    "one weight": lambda value: network(value, [1, 1], "relu"),
    "2-2-2-1, sigmoid": lambda value: network(value, [2, 2, 2, 1], "sigmoid"),
    "deep, 8 layers of 3": lambda value: network(value, [3] * 8 + [1], "relu"),
    "moons, relu": lambda value: network(value, [2, 16, 16, 1], "relu"),
    "moons, tanh": lambda value: network(value, [2, 16, 16, 1], "tanh"),
    "irregular, 60": lambda value: irregular(value, 1, 60),
    "irregular, 600": lambda value: irregular(value, 3, 600),
    "recurrent, 6 x 8": lambda value: recurrent(value, 6, 8),
    "recurrent, 16 x 16": lambda value: recurrent(value, 16, 16),
    "convolution, 6 x 6": lambda value: convolution(value, 6),
    "convolution, 12 x 12": lambda value: convolution(value, 12),
}


# --- one process -----------------------------------------------------------------------------------------------


def work(checkout, flags):
    """For each line, a kind and a number of rows or the name of a fit, print seconds and results."""
    sys.path.insert(0, checkout)
    from scalargrad.programs import native

    if hasattr(native, "_compiler_flags"):
        native._compiler_flags = lambda: ["-march=native", *flags]
    else:
        native._FLAGS = (*native._FLAGS, *flags)
    for line in sys.stdin:
        kind, rows = json.loads(line)
        print(json.dumps(fit(kind) if kind in FITS else call(kind, rows)), flush=True)


def call(kind, count, known={}):  # noqa: B006  # programs are kept from turn to turn
    import numpy

    import scalargrad
    from scalargrad import Value

    if kind not in known:
        root, inputs, parameters = KINDS[kind](Value)
        known[kind] = scalargrad.compile(root, inputs, parameters, target="c"), [x.data for x in inputs]
    program, numbers = known[kind]
    rng = random.Random(5)
    rows = numpy.array([[number + rng.uniform(-0.3, 0.3) for number in numbers] for _ in range(count)])
    loss, gradients = program(rows)
    times = []
    for _ in range(20):
        start = time.process_time()
        for _ in range(repeat := max(1, 2000 // count)):
            program(rows)
        times.append((time.process_time() - start) / repeat)
    return min(times), [loss, *gradients]


def fit(name):
    """Train for some iterations: the time of one, which the learning rate reads off, and what was learned."""
    from contenders import Problem, squared

    try:
        from scalargrad.train import fitting, losses, optimizers
    except ImportError:  # where these modules stood before
        from scalargrad import losses
        from scalargrad import optim as optimizers
        from scalargrad import training as fitting
    from scalargrad import nn

    problem = Problem("digits-32" if name == "digits" else "moons-100")
    width = problem.sizes[0]
    model = nn.MLP(width, problem.sizes[1:], seed=1)
    times = []

    def rate(step):
        times.append(time.process_time())
        return 0.01

    options = {"learning_rate": rate}
    if name == "moons, Adam":
        key = "optimizer" if "optimizer" in fitting.fit.__annotations__ else "optimiser"
        options = {key: optimizers.Adam(model.parameters(), rate)}
    if name == "digits":
        targets = [row[width:].index(1.0) for row in problem.rows]
        options |= {"loss": lambda outputs, wanted: squared(outputs, wanted, None), "batch_size": 32}
    else:
        targets = [int(row[width]) for row in problem.rows]
        options["loss"] = getattr(losses, "hinge_loss", None) or losses.hinge
    inputs = [row[:width] for row in problem.rows]
    history = fitting.fit(model, inputs, targets, iterations=ITERATIONS, target="c", progress=False, **options)
    steps = sorted(after - before for before, after in itertools.pairwise(times))
    return steps[len(steps) // 4], [*(p.data for p in model.parameters()), *history.losses, *history.accuracies]


# --- both -----------------------------------------------------------------------------------------------


def compare(processes, kind, rows, rounds):
    """Let both take turns; give the quickest time of each, and how far their results are apart."""
    best, results = {}, {}
    for _ in range(rounds):
        for name, process in processes.items():
            process.stdin.write(json.dumps([kind, rows]) + "\n")
            process.stdin.flush()
            seconds, results[name] = json.loads(process.stdout.readline())
            best[name] = min(seconds, best.get(name, seconds))
    apart = max(abs(a - b) / max(1.0, abs(a)) for a, b in zip(*results.values(), strict=True))
    if apart > 1e-12:
        raise SystemExit(f"{kind}: the results are {apart} apart")
    return best["other"], best["this"], apart


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", help="the other checkout")
    parser.add_argument("--flags", default="", help="further flags for the C compiler")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.other, arguments.flags.split())
        return
    processes = {
        name: subprocess.Popen(
            [sys.executable, __file__, str(Path(checkout).resolve()), f"--flags={arguments.flags}", "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        )
        for name, checkout in (("other", arguments.other), ("this", HERE))
    }
    print(
        f"An iteration of fit, us: the other, this one, how many times faster; {ITERATIONS} iterations, equal results"
    )
    for name in FITS:
        other, this, apart = compare(processes, name, 0, arguments.rounds)
        print(f"  {name:22} {1e6 * other:8.1f} {1e6 * this:8.1f} {other / this:6.2f} x, apart {apart:.0e}", flush=True)
    print(f"A call of a C program, us: the other, this one, ratio, for {', '.join(map(str, ROWS))} rows")
    for kind in KINDS:
        cells = [compare(processes, kind, rows, arguments.rounds)[:2] for rows in ROWS]
        text = "  ".join(f"{1e6 * other:7.1f} {1e6 * this:7.1f} ({this / other:.2f})" for other, this in cells)
        print(f"  {kind:22} {text}", flush=True)
    for process in processes.values():
        process.kill()


if __name__ == "__main__":
    main()
