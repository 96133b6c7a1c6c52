"""One eager training step of the two-moons network, this engine against micrograd 0.1.0, in time and in memory.

Run `python tests/benchmarks/engine.py`, with micrograd 0.1.0 installed. Each engine runs in a process of its own with
nothing else loaded, in the order A B A B, with the garbage collector on, or off with `--without-collector`; both must
reach the same loss first.
"""

import argparse
import gc
import importlib
import json
import math
import random
import subprocess
import sys
import time
import tracemalloc

ENGINES = ("scalargrad", "micrograd")
SAMPLES = 100
STEPS = 5


def moons(count):
    """Make two half circles that reach into each other, with some noise: (x1, x2) points and labels -1 or 1."""
    rng = random.Random(0)
    points, labels = [], []
    for index in range(count):
        angle = math.pi * (index // 2) / (count // 2 - 1)
        upper = index % 2 == 0
        x1, x2 = (math.cos(angle), math.sin(angle)) if upper else (1 - math.cos(angle), 0.5 - math.sin(angle))
        points.append((x1 + rng.gauss(0, 0.1), x2 + rng.gauss(0, 0.1)))
        labels.append(1 if upper else -1)
    return points, labels


class Training:
    """The training loop of micrograd's demonstration: 2-16-16-1, hinge loss, L2 regularisation, every sample."""

    def __init__(self, engine):
        self.value = importlib.import_module(f"{engine}.engine").Value
        random.seed(1337)
        self.model = importlib.import_module(f"{engine}.nn").MLP(2, [16, 16, 1])
        self.points, self.labels = moons(SAMPLES)

    def record_loss(self):
        inputs = [list(map(self.value, point)) for point in self.points]
        scores = list(map(self.model, inputs))
        losses = [(1 + -label * score).relu() for label, score in zip(self.labels, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        return data_loss + 1e-4 * sum(p * p for p in self.model.parameters())

    def step(self):
        loss = self.record_loss()
        self.model.zero_grad()
        loss.backward()
        for p in self.model.parameters():
            p.data -= 0.1 * p.grad
        return loss.data


def measure(engine):
    """Measure seconds a step and bytes of a recorded graph in this process, and print them as JSON."""
    training = Training(engine)
    losses = [training.step()]
    start = time.perf_counter()
    losses += [training.step() for _ in range(STEPS)]
    seconds = (time.perf_counter() - start) / STEPS
    tracemalloc.start()
    graph = training.record_loss()
    size = tracemalloc.get_traced_memory()[0]
    del graph
    print(json.dumps({"seconds": seconds, "bytes": size, "losses": losses}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each engine runs (default: 5)")
    parser.add_argument("--without-collector", action="store_true", help="switch Python's garbage collector off")
    parser.add_argument("--measure", choices=ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.without_collector:
        gc.disable()
    if arguments.measure:
        measure(arguments.measure)
        return
    results = {engine: [] for engine in ENGINES}
    for _ in range(arguments.rounds):
        for engine in ENGINES:
            command = [sys.executable, __file__, "--measure", engine]
            command += ["--without-collector"] * arguments.without_collector
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            results[engine].append(json.loads(output))
    for ours, theirs in zip(*results.values()):
        for loss, reference in zip(ours["losses"], theirs["losses"], strict=True):
            if not math.isclose(loss, reference, rel_tol=1e-9):
                raise SystemExit(f"the losses differ: {loss} and {reference}")
    print(f"{'':12}{'ms a step':>24}{'graph in MB':>14}")
    print(f"{'':12}{'median (min to max)':>24}")
    for engine, rows in results.items():
        times = sorted(1e3 * row["seconds"] for row in rows)
        median = times[len(times) // 2]
        print(f"{engine:12}{f'{median:.1f} ({times[0]:.1f} to {times[-1]:.1f})':>24}{rows[0]['bytes'] / 1e6:14.1f}")
    ratios = sorted(theirs["seconds"] / ours["seconds"] for ours, theirs in zip(*results.values()))
    memory = results["scalargrad"][0]["bytes"] / results["micrograd"][0]["bytes"]
    print(f"\nscalargrad is {ratios[len(ratios) // 2]:.1f} times faster ({ratios[0]:.1f} to {ratios[-1]:.1f})", end="")
    print(f" and takes {memory:.2f} of the memory; the losses of {STEPS + 1} steps agree.")


if __name__ == "__main__":
    main()
