"""Twenty graphs to draw: both networks, every operation, long and Chinese labels, batches."""

from functools import cache, reduce

from scalargrad import Value, draw, functions, nn
from scalargrad.rules import RULES
from scalargrad.teach.examples import EXAMPLES
from scalargrad.train.losses import half_squared_error


def done(root):
    root.backward()
    return root


def operations():
    """Every operation of the table, added up."""
    x, w = Value(0.75, label="x"), Value(1.25, label="w")
    results = [functions.of_rule(rule)(*(x, w)[: len(rule.operands)]) for rule in RULES.values()]
    return done(reduce(Value.__add__, results))


def labelled(*labels):
    leaves = [Value(0.1 * number - 12345.678, label=label) for number, label in enumerate(labels, 1)]
    total = reduce(Value.__mul__, leaves)
    total.label = labels[0] + "_total"
    return done(total)


def network(*sizes, samples=1, **options):
    model = nn.MLP(sizes[0], list(sizes[1:]), seed=1, **options)
    errors = [
        half_squared_error(model([0.3 * number + sample for number in range(sizes[0])]), [1] * sizes[-1])
        if sizes[-1] > 1
        else half_squared_error(model([0.3 * number + sample for number in range(sizes[0])]), 1)
        for sample in range(samples)
    ]
    return done(reduce(Value.__add__, errors))


def chain(length):
    x, w = Value(0.9, label="x"), Value(0.8, label="w")
    y = x
    for _ in range(length):
        y = (y * w + x).tanh()
    return done(y)


@cache
def drawings():
    """Draw them, by a name for each."""
    both = {name: done(build().root) for name, build in EXAMPLES.items()}
    pictures = {
        f"{name} {view}": draw(root, view) for name, root in both.items() for view in ("operations", "quantities")
    }
    two = both["two-output"]
    return pictures | {
        "formulas": draw(two, "quantities", formulas=True),
        "operations with formulas": draw(two, "operations", formulas=True),
        "legend": draw(two, "operations", legend=True),
        "Chinese words": draw(two, "quantities", legend=True, lang="zh"),
        "all digits": draw(two, "quantities", digits=17),
        "without edges": draw(two, "operations", edges=False),
        "a part": draw(two, "operations", depth=3),
        "every operation": draw(operations()),
        "long labels": draw(labelled("the weighted input of the first hidden neuron", "WWWWWWWWWWWWWWWW", "iiiiiiiii")),
        "Chinese labels": draw(labelled("隐藏神经元的加权输入", "权重", "偏置_h1")),
        "layers": draw(network(2, 2, 2, 1, notation="z/a"), "quantities"),
        "a batch": draw(network(2, 2, 1, samples=2), "quantities"),
        "a batch in operations": draw(network(1, 2, 1, samples=2), "operations"),
        "a chain": draw(chain(8)),
        "a long chain": draw(chain(20)),
        "one leaf": draw(done(Value(-1e-300, label="w_1_12^2"))),
    }
