"""One neuron with two inputs, its gradients, and its picture.

Run: python demos/neuron.py [FOLDER]
"""

import sys
from pathlib import Path

from scalargrad import Value, draw, nn

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

neuron = nn.Neuron(2, activation="tanh", seed=1)
x1, x2 = Value(1.0, label="x1"), Value(-2.0, label="x2")
out = neuron([x1, x2])
out.label = "out"
out.backward()

for parameter in neuron.parameters():
    print(f"{parameter.label}: value {parameter:.4f}, d out / d {parameter.label} = {parameter.grad:.4f}")
picture = draw(out, inputs=[x1, x2], parameters=neuron.parameters()).write(folder / "neuron.svg")
print(f"The picture: {picture}")
