"""Fisher's irises by a 4-8-3 network: training, held-out accuracy, and the parameters saved and loaded.

Writes iris.json. Needs scikit-learn. Run: python demos/iris.py [FOLDER]
"""

import sys
from pathlib import Path

from scalargrad import nn
from scalargrad.train import data, losses
from scalargrad.train.fitting import accuracy, fit

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
try:
    irises = data.iris()
except ModuleNotFoundError as missing:
    print(missing, file=sys.stderr)
    sys.exit(2)

(train, train_classes), (test, test_classes) = data.split(*irises, held_out=0.3)
standardise = data.standardiser(train)
train, test = standardise(train), standardise(test)

model = nn.MLP(4, [8, 3], activation="tanh", seed=1)
loss = losses.softmax_cross_entropy
history = fit(model, train, train_classes, loss, epochs=60, batch_size=15, learning_rate=0.3, target="python")
print(history)
print(f"held-out accuracy: {100 * accuracy(model, test, test_classes, loss):.1f} % of {len(test)} irises")

model.save(folder / "iris.json")
again = nn.MLP(4, [8, 3], activation="tanh")
again.load(folder / "iris.json")
same = [out.data for out in again(test[0])] == [out.data for out in model(test[0])]
print(f"saved to {folder / 'iris.json'} and loaded again: {'the same' if same else 'other'} outputs")
