"""Loss and gradients of a network over a batch: the programs of this package against what else one could take.

Run `python tests/benchmarks/programs.py` (`--quick`: a part of it) with any of micrograd, xad, casadi, jax and torch
installed; NumPy, written by hand, is the reference. Each contender is a process of its own, the garbage collector on.
First all must give the reference's loss and gradients; then they take turns. Where one is too slow for all rows it
gets some of them, and its time is multiplied. "Set up" is what happens once: recording, compiling, or nothing.
After that: how set-up and step grow with the number of operations.

`--goals` compares target "c" and "numpy" with NumPy by hand alone, in processor time and by the quickest of many short
turns, so that it can be run beside other work; and prints what set-up takes. `against.py` compares two checkouts.
"""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import PackageNotFoundError, version

from contenders import Problem, by_hand, set_up

PATIENCE = 30  # seconds for one set-up, and for one turn, with JAX, which would take many minutes for large graphs
LONGER = 180  # with the others

# Who is slow gets so many operations times rows in one turn, and at least 8 rows.
MOST = {"micrograd": 7e4, "xad": 7e5, "torch scalar": 2e4, "scalargrad, eager": 2e5, "scalargrad python": 7e6}
CONTENDERS = (
    "by hand", "scalargrad c", "scalargrad numpy", "scalargrad python", "scalargrad jax", "scalargrad, eager",
    "micrograd", "xad", "casadi", "jax", "torch scalar", "torch matrix",
)  # fmt: skip


# --- one process ---------------------------------------------------------------------------------------------------


def work(name, problem_name, count):
    """Set up, tell the loss and the gradients, and then for each line that comes in the seconds for all rows.

    The line is the number of seconds that a turn takes; "processor" before it asks for processor time.
    """
    problem = Problem(problem_name)
    start, start_of_work = time.perf_counter(), used()
    try:
        prepare, step, flat = set_up(name, problem)
    except ImportError as error:
        print(json.dumps({"missing": f"{error.name} is not installed" if error.name else str(error)}), flush=True)
        return
    batches = [prepare(batch) for batch in problem.batches(problem.rows[:count])]
    result = step(batches[0])
    took, worked = time.perf_counter() - start, used() - start_of_work
    numbers = [float(result[0]), *map(float, flat(result) if flat else result[1])]
    print(json.dumps({"set up": took, "processor": worked, "numbers": numbers}), flush=True)
    repeat = 1
    for line in sys.stdin:
        clock = time.process_time if "processor" in line else time.perf_counter
        while True:
            start = clock()
            for _ in range(repeat):
                for batch in batches:
                    step(batch)
            seconds = clock() - start
            if seconds > float(line.split()[-1]):
                break
            repeat *= 2
        print(json.dumps({"seconds": seconds / repeat}), flush=True)


def used():
    """Give the seconds of processor time of this process and of those that it has started, such as a compiler."""
    own, theirs = os.times()[:2], os.times()[2:4]
    return sum(own) + sum(theirs)


class Worker:
    """A process that works for one contender, or the reason why there is none."""

    def __init__(self, name, problem_name):
        self.name, self.times, self.reason = name, [], ""
        problem = Problem(problem_name)
        self.count = min(len(problem.rows), max(8, round(MOST.get(name, 1e12) / problem.operations)))
        self.factor = len(problem.rows) / self.count
        self.cache = tempfile.TemporaryDirectory()  # an empty cache: what was compiled before does not count
        command = [sys.executable, __file__, "--work", name, problem_name, str(self.count)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # the matrices are so small that a second thread only makes NumPy and PyTorch slower
            env={**os.environ, "XDG_CACHE_HOME": self.cache.name, "OMP_NUM_THREADS": "1"},
        )
        self.answer = self._read()

    def _read(self):
        patience = PATIENCE if "jax" in self.name else LONGER
        timer = threading.Timer(patience, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        in_time = timer.is_alive()
        timer.cancel()
        if not line:
            last = self.process.stderr.read().strip().splitlines()[-1:] if in_time else []
            self.reason = last[0] if last else f"gave no answer in {patience} s"
            return {}
        answer = json.loads(line)
        self.reason = answer.get("missing", "")
        return answer

    def turn(self, how="0.1"):
        self.process.stdin.write(f"{how}\n")
        self.process.stdin.flush()
        if seconds := self._read().get("seconds"):
            self.times.append(seconds * self.factor)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.cache.cleanup()


# --- the tables ----------------------------------------------------------------------------------------------------


def check(worker, problem_name):
    """Compare a worker's loss and gradients with those of the reference for the same rows."""
    problem = Problem(problem_name)
    prepare, step, flat = by_hand(problem)
    result = step(prepare(problem.batches(problem.rows[: worker.count])[0]))
    for got, expected in zip(worker.answer["numbers"], [float(result[0]), *map(float, flat(result))], strict=True):
        if not math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-12):
            raise SystemExit(f"{worker.name} gives {got} for {problem_name}, the reference gives {expected}")


def started(problem_name):
    """Start a worker for each contender, one after the other; say which are left out; check the others."""
    workers = []
    for name in CONTENDERS:
        worker = Worker(name, problem_name)
        if worker.reason:
            worker.end()
            print(f"  left out: {name}: {worker.reason}")
            continue
        check(worker, problem_name)
        workers.append(worker)
    return workers


def compare(problem_name, what, rounds):
    """Let the contenders take turns at one problem, and print their times and ratios."""
    problem = Problem(problem_name)
    print(f"\n{what}, {problem.operations} operations x {len(problem.rows)} rows")
    workers = started(problem_name)
    for _ in range(rounds):
        for worker in workers:
            worker.turn()
    workers = [worker for worker in workers if worker.times]
    ours = next((median(worker.times) for worker in workers if worker.name == "scalargrad c"), None)
    print(f"  {'':18} {'set up, s':>9} {'ms':>10} {'(min to max)':>22} {'x the time of c':>18}")
    for worker in sorted(workers, key=lambda worker: median(worker.times)):
        middle, low, high = median(worker.times), 1e3 * min(worker.times), 1e3 * max(worker.times)
        ratio = f"{middle / ours:,.{0 if middle > 100 * ours else 1}f} x" if ours else ""
        part = f"  from {worker.count} rows" if worker.factor > 1 else ""
        print(f"  {worker.name:18} {worker.answer['set up']:9.2f} {1e3 * middle:10.4g} ", end="")
        print(f"{f'({low:.4g} to {high:.4g})':>22} {ratio:>18}{part}")
        worker.end()


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


def growth(sizes):
    """Print how set-up and step grow with the graph; who fails at one size is not tried at a larger one."""
    names = ["scalargrad c", "scalargrad numpy", "scalargrad python", "jax"]
    failed = set()
    print("\nGrowth: s to set up (record, write, compile, run once) / ms a step of 64 rows")
    print(f"  {'operations':>10} " + "".join(f"{name:>22}" for name in names))
    for size in sizes:
        cells = []
        for name in names:
            cell = "left out"
            if name not in failed:
                worker = Worker(name, f"growth-{size}")
                for _ in range(0 if worker.reason else 3):
                    worker.turn()
                worker.end()
                if worker.reason:
                    failed.add(name)
                    print(f"  left out: {name} from {size} operations: {worker.reason}")
                else:
                    check(worker, f"growth-{size}")
                    cell = f"{worker.answer['set up']:.2f} / {1e3 * median(worker.times):.3g}"
            cells.append(f"{cell:>22}")
        print(f"  {Problem(f'growth-{size}').operations:>10} " + "".join(cells), flush=True)


GOALS = {  # problem: what it is, and how much of the time of NumPy by hand each target may take
    "moons-1": ("Moons 2-16-16-1, 1 sample", {"c": 0.25}),
    "moons-100": ("Moons 2-16-16-1, 100 samples", {"c": 0.4}),
    "digits-32": ("Digits 64-32-10, an epoch in batches of 32", {"c": 1 / 2.5, "numpy": 2}),
    "wide-32": ("784-32-10, an epoch in batches of 32", {"c": 1 / 1.5}),
}
SET_UP = {1_200: 0.6, 100_000: 3, 1_000_000: 20}  # operations: seconds


def goals(rounds):
    """Print the time of each target against NumPy by hand, and what set-up takes, beside what is wanted."""
    print("Processor time of one call, arrays in and out: the quickest of many turns")
    for problem_name, (what, wanted) in GOALS.items():
        workers = {name: Worker(name, problem_name) for name in ("by hand", *(f"scalargrad {t}" for t in wanted))}
        for worker in workers.values():
            if worker.reason:
                raise SystemExit(f"{worker.name}: {worker.reason}")
            check(worker, problem_name)
        for _ in range(10 * rounds):
            for worker in workers.values():
                worker.turn("processor 0.02")
        problem = Problem(problem_name)
        calls = len(problem.batches(problem.rows))
        by_hand_took = min(workers["by hand"].times)
        print(f"  {what}: by hand {1e6 * by_hand_took / calls:.1f} us")
        for target, most in wanted.items():
            took = min(workers[f"scalargrad {target}"].times)
            ratio = took / by_hand_took
            print(f"    {target}: {1e6 * took / calls:.1f} us, {ratio:.3f} of by hand (wanted: {most:.3g} at most)")
        for worker in workers.values():
            worker.end()
    print("Set-up with target c, an empty cache: recorded, compiled, run once")
    for operations, most in SET_UP.items():
        worker = Worker("scalargrad c", f"growth-{operations}")
        count, answer = Problem(f"growth-{operations}").operations, worker.answer
        print(f"  {count} operations: {answer['set up']:.2f} s, {answer['processor']:.2f} s of processor time", end="")
        print(f" (wanted: {most} s at most)", flush=True)
        worker.end()


def versions():
    """Name the contenders that are installed, with their versions."""
    found = [f"Python {sys.version.split()[0]}", f"{os.cpu_count()} processors"]
    for package in ("scalargrad", "numpy", "micrograd", "xad", "casadi", "jax", "torch"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return ", ".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one problem, graphs of up to 10 000 operations")
    parser.add_argument("--large", action="store_true", help="graphs of up to a million operations: many minutes")
    parser.add_argument("--goals", action="store_true", help="target c and NumPy by hand alone, and set-up")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender has its turn (default: 5)")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        name, problem_name, count = arguments.work
        work(name, problem_name, int(count))
        return
    print(versions())
    if arguments.goals:
        goals(arguments.rounds)
        return
    problems = {"moons-100": "Moons, one step"}
    if not arguments.quick:
        problems = {f"moons-{rows}": "Moons, one step" for rows in (1, 100, 1000, 10000)}
        problems["digits-32"] = "Digits 64-32-10, one epoch in batches of 32"
        problems["wide-32"] = "784-32-10, one epoch in batches of 32"
    for problem_name, what in problems.items():
        compare(problem_name, what, arguments.rounds)
    growth([10**exponent for exponent in range(3, 5 if arguments.quick else 7 if arguments.large else 6)])


if __name__ == "__main__":
    main()
