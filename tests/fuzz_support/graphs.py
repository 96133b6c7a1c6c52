"""Random graphs over every row of the table, as programs that run on Values, or on any other kind of number."""

import random
from dataclasses import dataclass, field

from scalargrad import Value, functions
from scalargrad.rules import RULES

_LARGEST = 1e6  # of a value: what is larger says more about floats than about derivatives
_NUMBERS = (-1.0, 0.5, 2.0, 3.0, 0.1, -0.7, 1.5, 10.0)


@dataclass
class Program:
    """The leaves, and one line an operation: the name of its row and its operands, nodes by number or plain floats."""

    leaves: list[float]
    steps: list[tuple[str, tuple[int | float, ...]]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)  # of every node, "" for none

    def run(self, numbers, apply):
        """Compute every node from numbers for the leaves; `apply(row, *operands)` does one operation."""
        nodes = list(numbers)
        for row, operands in self.steps:
            nodes.append(apply(row, *(nodes[place] if isinstance(place, int) else place for place in operands)))
        return nodes

    def record(self):
        """Record the program: every node as a Value, the root last."""
        nodes = self.run(map(Value, self.leaves), on_values)
        for node, label in zip(nodes, self.labels, strict=True):
            node.label = label
        return nodes

    def __str__(self):
        lines = [f"n{place} = Value({number!r})" for place, number in enumerate(self.leaves)]
        for place, (row, operands) in enumerate(self.steps, len(self.leaves)):
            written = ", ".join(f"n{each}" if isinstance(each, int) else repr(each) for each in operands)
            lines.append(f"n{place} = functions.{row}({written})")
        return "; ".join(line + f"  # {label}" * bool(label) for line, label in zip(lines, self.labels))


def on_values(row, *operands):
    """Do one operation with the engine."""
    return functions.of_rule(RULES[row])(*operands)


def _leaf(choose):
    if choose.random() < 0.1:
        return float(choose.choice((-2, -1, 0, 1, 2, 30, -40)))
    return choose.uniform(-2, 2)


def draw(seed, size=12, on_refusal=lambda row, operands, error: None):
    """Draw a program of at most `size` operations; the engine does each, and what it refuses is told and left out.

    Operands are drawn from the last nodes more often, so that the graph is deep, and one node has several uses.
    """
    choose = random.Random(seed)
    program = Program([_leaf(choose) for _ in range(choose.randint(1, 4))])
    nodes = [Value(number) for number in program.leaves]
    rows = sorted(RULES)
    for _ in range(choose.randint(1, size)):
        row = choose.choice(("add", "sub", "mul", "div", "pow")) if choose.random() < 0.4 else choose.choice(rows)
        places = [choose.randrange(max(0, len(nodes) - 5), len(nodes)) for _ in RULES[row].operands]
        if choose.random() < 0.3:
            places[0] = choose.randrange(len(nodes))
        if len(places) == 2 and choose.random() < 0.35:
            number = float(choose.choice((-2, -1, 0, 1, 2, 3))) if row == "pow" else choose.choice(_NUMBERS)
            places[choose.randrange(2) if row != "pow" or choose.random() < 0.2 else 1] = number
        operands = [nodes[place] if isinstance(place, int) else place for place in places]
        try:
            node = on_values(row, *operands)
        except (ArithmeticError, ValueError) as error:
            on_refusal(row, operands, error)
            continue
        if isinstance(node, Value) and abs(node.data) <= _LARGEST:
            nodes.append(node)
            program.steps.append((row, tuple(places)))
    share = choose.choice((0.0, 0.3, 0.6, 1.0))
    program.labels = [f"x{place}" for place in range(len(program.leaves))]
    program.labels += [f"q{place}" if choose.random() < share else "" for place in range(len(program.steps))]
    program.labels[-1] = program.labels[-1] or "y"
    return program
