"""Two moons by a 2-16-16-1 network: the graph of one sample is recorded, compiled, and trained on all of them.

Writes moons.png, the decision boundary and the loss. Needs Matplotlib. Run: python demos/moons.py [FOLDER]
"""

import sys
from pathlib import Path

import scalargrad
from scalargrad import Value, nn
from scalargrad.train import data, losses, optimizers
from scalargrad.train.fitting import accuracy, fit

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
try:
    matplotlib = data.extra("matplotlib.figure")
except ModuleNotFoundError as missing:
    print(missing, file=sys.stderr)
    sys.exit(2)

train, test = data.split(*data.moons(400, noise=0.15, labels=(-1, 1)), held_out=0.25)
model = nn.MLP(2, [16, 16, 1], seed=1)
optimizer = optimizers.SGD(model.parameters(), optimizers.cosine(0.2, 300), momentum=0.9)
history = fit(model, *train, losses.hinge_loss, epochs=60, batch_size=60, optimizer=optimizer, target="auto")
print(history)
print(f"held-out accuracy: {100 * accuracy(model, *test, losses.hinge_loss):.1f} %")

# The forward pass as a program of its own, for the many points of the picture.
x1, x2 = Value(0.0, label="x1"), Value(0.0, label="x2")
score = scalargrad.compile(model([x1, x2]), inputs=[x1, x2])
across, up = ([low + step / 50 for step in range(count)] for low, count in ((-1.5, 201), (-1.2, 146)))
scores = [[out for (out,) in score.predict([[x, y] for x in across])] for y in up]

figure = matplotlib.Figure(figsize=(10, 4), layout="constrained")
plane, curve = figure.subplots(1, 2, width_ratios=[3, 2])
plane.contourf(across, up, scores, levels=[-1e9, -1, 0, 1, 1e9], colors=["#7fa8d6", "#d3e0f0", "#fbe0c8", "#f0a868"])
plane.contour(across, up, scores, levels=[0], colors="black")
for (inputs, targets), marker, what in ((train, "o", "trained with"), (test, "^", "held out")):
    colours = ["tab:orange" if target > 0 else "tab:blue" for target in targets]
    plane.scatter(*zip(*inputs), c=colours, marker=marker, s=18, edgecolors="black", linewidths=0.5, label=what)
plane.set(title="decision boundary, and the margins of the hinge loss", xlabel="x1", ylabel="x2", aspect="equal")
plane.legend(loc="lower left")
curve.plot(range(1, len(history.losses) + 1), history.losses)
curve.set(title="loss", xlabel="iteration")
figure.savefig(folder / "moons.png", dpi=120)
print(f"The picture: {folder / 'moons.png'}")
