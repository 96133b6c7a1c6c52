"""Random graphs through every reader, against PyTorch and mpmath, for as long as one likes.

Run: python tests/fuzz.py --seconds 60 --seed 1

Each round draws graphs over every row of the table and checks: the gradients of the engine; second and third
derivatives; both views; every printed stage of a derivation, read back from text and LaTeX; the programs of every
target that works here; and the page's own engine in Chromium. What the engine refuses has to have no finite answer in
PyTorch either. Ends with exit status 1 where something is wrong, with the graph and the seed that bring it back.
"""

import argparse
import importlib.util
import math
import random
import sys
import time
import warnings
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import mpmath
import torch

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_support.graphs import draw
from fuzz_support.reading import Reader, differs
from page_support.browser import chromium

from scalargrad import Value, compile, derive, gradients, topological_order, trace
from scalargrad.engine import operation
from scalargrad.formulas import javascript
from scalargrad.graph.replay import record_again
from scalargrad.messages import catalogue
from scalargrad.page import bundle
from scalargrad.rules import POWERS, RULES

GRAPHS_A_ROUND = 40
TOLERANCE = 1e-9
ROUNDING = 1e-15  # of an operation that rounds a little worse than it has to
NOISE = 1e-40  # of mpmath's differences around 0
KINKED = {"relu", "leaky_relu", "elu", "abs", "maximum", "minimum"}

mpmath.mp.dps = 50
torch.set_num_threads(1)  # its numbers are single ones

TORCH = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "softplus": lambda a: torch.logaddexp(a, torch.zeros_like(a)),  # its own softplus is linear from 20 on
}
EXACT = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": lambda a, b: a**b,
    "square": lambda a: a * a,
    "arctan": mpmath.atan,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "relu": lambda a: max(a, mpmath.mpf(0)),
    "leaky_relu": lambda a: a if a > 0 else a * mpmath.mpf(0.01),
    "elu": lambda a: a if a > 0 else mpmath.expm1(a),
    "softplus": lambda a: mpmath.log1p(mpmath.exp(a)),
    "abs": abs,
    "maximum": max,
    "minimum": min,
    "logaddexp": lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)),
}


def in_torch(row, *operands):
    """Do one operation in PyTorch; a plain number stays one for a power, as in x**2."""
    if row != "pow":
        operands = [torch.as_tensor(operand, dtype=torch.float64) for operand in operands]
    return TORCH.get(row, getattr(torch, row, None))(*operands)


def exactly(row, *operands):
    """Do one operation in fifty digits."""
    result = EXACT.get(row, getattr(mpmath, row, None))(*map(mpmath.mpf, operands))
    if isinstance(result, mpmath.mpc):
        raise ValueError(f"{row}: complex")
    return result


def paths_added(root):
    """Give for each node the sum over all paths of the sizes of their products: how large the rounding may be.

    And how far it may be off where a program works a local derivative as 1 - y*y out as it stands: a last digit of 1.
    """
    order = topological_order(root)
    sizes, lost = dict.fromkeys(order, 0.0), dict.fromkeys(order, 0.0)
    sizes[root] = 1.0
    for node in reversed(order):
        for parent, local in zip(node.parents, node.partials):
            sizes[parent] += sizes[node] * abs(local)
            lost[parent] += lost[node] * abs(local) + sizes[node] * ROUNDING
    return sizes, lost


def backward_again(order, root, moved):
    """Give each leaf its gradient for other numbers, and how far that may be off; None where the engine refuses."""
    try:
        again = record_again(order, moved)
        again[root].backward()
    except (ArithmeticError, ValueError):
        return None
    sizes, lost = paths_added(again[root])
    return {leaf: (again[leaf].grad, TOLERANCE * sizes[again[leaf]] + lost[again[leaf]]) for leaf in moved}


def lost_digits(root):
    """Tell how far a result may be off by rounding: how far it moves where every operation rounds a little worse.

    A local derivative as 1 - y*y loses digits where y is near 1, and a sum where its terms cancel.
    """
    order = topological_order(root)
    seen = [root.data]
    for seed in range(3):
        choose, numbers = random.Random(seed), {}
        for node in order:
            numbers[node] = node.data
            if node.op is not None and node.parents:
                try:
                    again = operation(node.op)(*(Value(numbers[parent]) for parent in node.parents))
                except (ArithmeticError, ValueError):
                    return math.inf
                numbers[node] = again.data * (1 + ROUNDING * choose.uniform(-1, 1))
        seen.append(numbers[root])
    return 10 * (max(seen) - min(seen))


def exactly_or_none(row, *operands):
    """Do one operation in fifty digits, and give None where it has no real answer: it may not lead to the root."""
    try:
        return exactly(row, *operands)
    except (ArithmeticError, TypeError, ValueError):
        return None


class Case:
    """One graph, and what is known of it."""

    def __init__(self, seed, program):
        self.seed, self.program = seed, program
        self.choose = random.Random(seed)
        self.nodes = program.record()
        self.root, self.leaves = self.nodes[-1], self.nodes[: len(program.leaves)]
        self.order = topological_order(self.root)
        self.root.backward()
        self.sizes, self.lost = paths_added(self.root)
        self.used = [leaf for leaf in self.leaves if leaf in self.sizes]
        self.spread = max(map(lost_digits, gradients(self.root, self.used)))

    def exact(self, place, times):
        """Give the same from mpmath's differences in fifty digits; None where it has none."""
        numbers = [mpmath.mpf(number) for number in self.program.leaves]

        def root(x):
            return self.program.run([*numbers[:place], x, *numbers[place + 1 :]], exactly_or_none)[-1]

        try:
            return float(mpmath.diff(root, numbers[place], times))
        except (ArithmeticError, TypeError, ValueError):
            return None

    @property
    def is_smooth(self):
        """Tell whether no operation stands at a kink, where the derivative is a matter of choice."""
        for node in self.order:
            if node.op is not None and node.op.name in KINKED:
                a, *b = (parent.data for parent in node.parents)
                if len(set(node.parents)) == 1 + len(b) and abs(a - (b[0] if b else 0.0)) < 1e-6:
                    return False
        return True


class Fuzz:
    """One run: what was compared, and what was wrong."""

    def __init__(self, page):
        self.page = page
        self.counts, self.faults = Counter(), []

    def fault(self, what, case, *told):
        seed, program = (case.seed, case.program) if isinstance(case, Case) else ("", case)
        self.faults.append(f"{what} (seed {seed}): {' '.join(map(str, told))}\n    {program}")
        print(self.faults[-1], flush=True)

    def refusal(self, row, operands, error):
        """Check that what the engine refuses has no finite value or no finite derivatives in PyTorch either."""
        self.counts["refusals"] += 1
        tensors = [
            torch.tensor(operand.data, dtype=torch.float64, requires_grad=True)
            if isinstance(operand, Value)
            else operand
            for operand in operands
        ]
        y = in_torch(row, *tensors)
        wanted = [tensor for tensor in tensors if isinstance(tensor, torch.Tensor)]
        found = [y, *torch.autograd.grad(y, wanted)]
        if all(torch.isfinite(number) for number in found):
            self.fault("a refusal where there is an answer", f"{row}{operands}", error, found)

    def judge(self, what, case, place, times, found, theirs):
        """Compare a derivative with PyTorch's, and with the exact one where they differ and now and then beside."""
        ours = found.data
        size = max(abs(ours), case.sizes[case.leaves[place]] if times == 1 else 0.0)

        def far(number):
            return not abs(ours - number) <= TOLERANCE * size + NOISE

        exact = None
        if far(theirs) or case.choose.random() < 0.25:
            exact = case.exact(place, times) if case.is_smooth else None
            self.counts[f"{what}, with mpmath"] += exact is not None
        if not math.isfinite(theirs if exact is None else exact):
            self.counts[f"{what}, with nothing to compare"] += 1
            return
        self.counts[what] += 1
        if not far(theirs if exact is None else exact):
            return
        if abs(ours - (theirs if exact is None else exact)) <= lost_digits(found):
            self.counts[f"{what}, digits lost"] += 1
        else:
            self.fault(what, case, f"by x{place}: ours {ours!r}, PyTorch {theirs!r}, exact {exact!r}")

    def derivatives(self, case):
        """Compare first, second and third derivatives."""
        tensors = [torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in case.program.leaves]
        root = case.program.run(tensors, in_torch)[-1]
        first = torch.autograd.grad(root, tensors, create_graph=True, allow_unused=True)
        for leaf, found in zip(case.used, gradients(case.root, case.used), strict=True):
            place = case.leaves.index(leaf)
            if not abs(found.data - leaf.grad) <= TOLERANCE * case.sizes[leaf]:
                self.fault("gradients as Values", case, leaf, found)
            self.judge("gradients", case, place, 1, found, _item(first[place]))
        place = case.leaves.index(case.choose.choice(case.used))
        theirs, ours = first[place], case.root
        [ours] = gradients(ours, [case.leaves[place]])
        for times, what in ((2, "second derivatives"), (3, "third derivatives")):
            theirs = (
                torch.autograd.grad(theirs, tensors, create_graph=True, allow_unused=True)[place]
                if (theirs is not None and theirs.requires_grad)
                else None
            )
            try:
                [ours] = gradients(ours, [case.leaves[place]])
            except (ArithmeticError, ValueError) as error:
                self.counts[f"{what} refused"] += 1
                if case.exact(place, times) is not None and math.isfinite(_item(theirs)) and case.is_smooth:
                    self.fault(f"{what} refused", case, f"by x{place}: {error}; PyTorch {_item(theirs)}")
                return
            self.judge(what, case, place, times, ours, _item(theirs))

    def views(self, case):
        """Compare the gradients of both views with those of backward."""
        for node, gradient in trace(case.root, "operations").gradients.items():
            self.counts["view of operations"] += 1
            if gradient != node.grad:
                self.fault("view of operations", case, node, gradient)
        for node, gradient in trace(case.root, "quantities").gradients.items():
            self.counts["view of quantities"] += 1
            if not abs(gradient - node.grad) <= TOLERANCE * case.sizes[node]:
                self.fault("view of quantities", case, node, gradient)

    def stages(self, case):
        """Read every printed stage of a derivation back and work it out."""
        view = case.choose.choice(("operations", "quantities"))
        shown = [node for node in trace(case.root, view).view.order if node.op is None or node.label]
        wrt = case.choose.choice(shown)
        reader, derivation = Reader(case.root, view), derive(case.root, wrt, view)
        for kind, stages in (("text", reader.text(derivation)), ("LaTeX", reader.latex(derivation))):
            for printed, left, expression in stages:
                if "…" in expression or r"\cdots" in expression:
                    continue
                try:
                    found = differs(reader, left, expression)
                except (ArithmeticError, ValueError):  # a rounded number has left a domain
                    self.counts[f"stages of {kind}, beyond reading"] += 1
                    continue
                self.counts[f"stages of {kind}"] += 1
                if found is not None:
                    self.fault(f"stages of {kind}", case, f"{view}: {printed} = {expression} is {found}, not", left)

    def programs(self, cases, target):
        """Compile many graphs as one, and compare it with the engine on the recorded numbers and on others."""
        steady = [case for case in cases if case.spread <= 1e-12 * max(1.0, *(abs(leaf.grad) for leaf in case.leaves))]
        if not steady:
            return
        scale = Value(1.0)  # a batch needs a column
        leaves = [(case, leaf) for case in steady for leaf in case.used]
        total = sum((case.root for case in steady[1:]), steady[0].root) * scale
        try:
            program = compile(total, [scale], [leaf for _, leaf in leaves], target)
            recorded = program([[1.0], [3.0]])[1]
            moved = {leaf: leaf.data * (1 + 0.01 * case.choose.random()) + 1e-3 for case, leaf in leaves}
            again = backward_again(topological_order(total), total, moved)
            elsewhere = program([[1.0]], moved.values())[1] if again else recorded
        except (ArithmeticError, ValueError) as error:
            self.fault(target, "; ".join(str(case.program) for case in steady), error)
            return
        for (case, leaf), gradient, other in zip(leaves, recorded, elsewhere, strict=True):
            self.counts[target] += 1 + bool(again)
            allowed = TOLERANCE * case.sizes[leaf] + case.spread + case.lost[leaf]
            if not abs(gradient - 2 * leaf.grad) <= 2 * allowed:
                self.fault(target, case, leaf, gradient)
            if again and not abs(other - again[leaf][0]) <= again[leaf][1] + 10 * case.spread:
                self.fault(f"{target}, other numbers", case, leaf, other, again[leaf])

    def in_the_page(self, cases):
        """Work every graph out by the page's own engine."""
        given = []
        for case in cases:
            number = {node: place for place, node in enumerate(case.order)}
            given.append(
                {
                    "nodes": [
                        {"rule": self.page.rows.get(node.op), "parents": [number[parent] for parent in node.parents]}
                        for node in case.order
                    ],
                    "leaves": [node.data for node in case.order],
                    "shown": [number[node] for node in case.order if node.label or node is case.root],
                }
            )
        for case, found in zip(cases, self.page.work_out(given), strict=True):
            if isinstance(found, str):
                self.fault("page", case, found)
                continue
            values, gradients_found, shown = found
            allowed = case.spread
            for node, value, gradient in zip(case.order, values, gradients_found, strict=True):
                self.counts["page"] += 1
                if not math.isclose(value, node.data, rel_tol=1e-9, abs_tol=1e-9):
                    self.fault("page, value", case, node, value)
                if not abs(gradient - node.grad) <= TOLERANCE * case.sizes[node] + allowed:
                    self.fault("page, gradient", case, node, gradient)
            for node, gradient in zip([n for n in case.order if n.label or n is case.root], shown, strict=True):
                if not abs(gradient - node.grad) <= TOLERANCE * case.sizes[node] + allowed:
                    self.fault("page, quantities", case, node, gradient)

    def round(self, number, seed):
        """Draw graphs and put them through everything; what takes long takes its turn."""
        cases = []
        for index in range(GRAPHS_A_ROUND):
            own = f"{seed}.{number}.{index}"
            program = draw(own, on_refusal=self.refusal)
            if not program.steps:
                continue
            try:
                case = Case(own, program)
            except (ArithmeticError, ValueError):
                self.counts["beyond floats"] += 1
                continue
            cases.append(case)
            self.counts["graphs"] += 1
            self.derivatives(case)
            self.views(case)
            self.stages(case)
        self.in_the_page(cases)
        self.programs(cases, "python")
        self.programs(cases, "numpy")
        if number % 6 == 0:
            self.programs(cases[:20], "c")
        if number % 60 == 1 and importlib.util.find_spec("jax"):
            self.programs(cases[:8], "jax")


def _item(tensor):
    return 0.0 if tensor is None else tensor.item()


class Page:
    """The page's engine in a browser, with every row of the table."""

    def __init__(self, browser):
        source, self.rows = javascript.module([*RULES.values(), *POWERS.values()])
        self.blank = browser.new_context(offline=True).new_page()
        self.blank.evaluate(
            f"""(sentences) => {{ {bundle.script("engine", {"rules": source})}
            words_js.load(sentences);
            globalThis.workOut = ({{ nodes, leaves, shown }}) => {{
              try {{
                const all = nodes.map((node, i) => ({{ ...node, rule: node.parents.length ? node.rule : null }}));
                const numbers = engine_js.forward(all, leaves);
                const edges = engine_js.operandEdges(all, numbers);
                const order = all.map((_, i) => i);
                const gradients = engine_js.backward(order, (i) => edges[i]);
                const between = engine_js.shownEdges(engine_js.regionsOf(all, shown), edges);
                const quantities = engine_js.backward(shown, (i) => between.get(i));
                const list = (found, places) => places.map((i) => found.get(i) ?? 0);
                return [numbers.values, list(gradients, order), list(quantities, shown)];
              }} catch (error) {{ return String(error); }}
            }}; }}""",
            {"en": catalogue("page", "en")},
        )

    def work_out(self, graphs):
        return self.blank.evaluate("(graphs) => graphs.map(workOut)", graphs)


def main():
    """Run for as long as asked, say what was compared, and fail where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="default: 60")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of numbers that leave a domain
    start = time.monotonic()
    with ExitStack() as open_until_done:
        fuzz = Fuzz(Page(open_until_done.enter_context(chromium())))
        number = 0
        while time.monotonic() - start < options.seconds:
            fuzz.round(number, options.seed)
            number += 1
    for what, count in sorted(fuzz.counts.items()):
        print(f"{count:>12,}  {what}")
    print(f"{len(fuzz.faults):>12,}  wrong, in {time.monotonic() - start:.0f} s from seed {options.seed}")
    return bool(fuzz.faults)


if __name__ == "__main__":
    sys.exit(main())
