"""Handwritten digits, 8 x 8, by a 64-32-10 network of scalar `Value`s: recorded once, compiled, trained in seconds.

Writes digits.json, the parameters. Needs scikit-learn. Run: python demos/digits.py [FOLDER] [TARGET]
"""

import sys
import time
from math import sqrt
from pathlib import Path

from scalargrad import nn, topological_order
from scalargrad.train import data, losses, optimizers
from scalargrad.train.fitting import accuracy, fit

EPOCHS, BATCH = 10, 16

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
target = sys.argv[2] if len(sys.argv) > 2 else "auto"
try:
    digits = data.digits()
except ModuleNotFoundError as missing:
    print(missing, file=sys.stderr)
    sys.exit(2)

train, test = data.split(*digits)
model = nn.MLP(64, [32, 10], activation="tanh", seed=1)
for layer in model.layers:  # so that the sum of 64 inputs is not so large that tanh is flat
    scale = 1 / sqrt(len(layer.weights[0]))
    layer.set_weights([[scale * weight for weight in row] for row in layer.weights], layer.biases)
loss = losses.softmax_cross_entropy
nodes = len(topological_order(loss(model(train[0][0]), train[1][0])))
print(f"{len(train[0])} digits to train with, {len(test[0])} held out; the graph of one has {nodes} nodes")

start = time.perf_counter()
steps = EPOCHS * -(-len(train[0]) // BATCH)
optimizer = optimizers.SGD(model.parameters(), optimizers.cosine(0.1, steps), momentum=0.9)
history = fit(model, *train, loss, epochs=EPOCHS, batch_size=BATCH, optimizer=optimizer, target=target)
seconds = time.perf_counter() - start

print(history)
print(f"{seconds:.1f} s of training, compilation included (target {target})")
print(f"held-out accuracy: {100 * accuracy(model, *test, loss):.2f} %")
model.save(folder / "digits.json")
