"""The four equations of backpropagation on the worked example: each side by itself, and the difference.

First neuron by neuron, then layer by layer with matrices, then in one sentence about every weight. One side comes
from the recorded values and the table of rules in plain lists, the other from `backward()`.

Run: python demos/four_equations.py
"""

from scalargrad import nn
from scalargrad.teach.equations import four_equations, matrix_equations, weights_as_products
from scalargrad.train.losses import half_squared_error

network = nn.MLP(2, [2, 2], activation="sigmoid", output="sigmoid")
network.set_weights(weights=[[[0.1, 0.3], [0.2, 0.4]], [[0.6, 0.8], [0.7, 0.9]]], biases=[[0.5, 0.5], [1, 1]])
loss = half_squared_error(network([0.5, 1.0]), [1, 0])

for equations in (four_equations, matrix_equations, weights_as_products):
    shown = equations(network, loss)
    print(shown)
    print(f"\nThe largest difference: {shown.difference:.1e}\n")

# They are no property of this network: five layers, another activation, another loss.
deep = nn.MLP(3, [5, 4, 4, 3, 2], activation="tanh", seed=1)
loss = half_squared_error(deep([1.0, -2.0, 0.5]), [1, 0])
print(f"Five layers of tanh: the largest difference is {matrix_equations(deep, loss).difference:.1e}")
