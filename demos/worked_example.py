"""The documents' two-output sigmoid network, step by step, in plain `Value` lines.

Run: python demos/worked_example.py
"""

from scalargrad import Value, sigmoid

# The data: two inputs and the two outputs that are wanted.
x1, x2 = Value(0.5, label="x1"), Value(1.0, label="x2")
y1, y2 = Value(1.0, label="y1"), Value(0.0, label="y2")

# The parameters before training.
w1, w2, b1 = Value(0.1, label="w1"), Value(0.3, label="w2"), Value(0.5, label="b1")
w3, w4, b2 = Value(0.6, label="w3"), Value(0.7, label="w4"), Value(1.0, label="b2")
w5, w6, b3 = Value(0.2, label="w5"), Value(0.4, label="w6"), Value(0.5, label="b3")
w7, w8, b4 = Value(0.8, label="w7"), Value(0.9, label="w8"), Value(1.0, label="b4")
parameters = [w1, w2, b1, w3, w4, b2, w5, w6, b3, w7, w8, b4]


def forward():
    """Go from the inputs to the loss."""
    # hidden layer: weighted input, then output
    net_h1 = x1 * w1 + x2 * w2 + b1
    out_h1 = sigmoid(net_h1)
    net_h2 = x1 * w5 + x2 * w6 + b3
    out_h2 = sigmoid(net_h2)

    # output layer
    net_o1 = out_h1 * w3 + out_h2 * w7 + b2
    out_o1 = sigmoid(net_o1)
    net_o2 = out_h1 * w4 + out_h2 * w8 + b4
    out_o2 = sigmoid(net_o2)

    # loss
    return (y1 - out_o1) ** 2 / 2 + (y2 - out_o2) ** 2 / 2


E_total = forward()
print(f"E_total before: {E_total:.8f}")

E_total.backward()
learning_rate = 1.0
for parameter in parameters:
    before = parameter.data
    parameter.data -= learning_rate * parameter.grad
    print(f"{parameter.label}: {before:.8f} - {learning_rate} * {parameter.grad:11.8f} = {parameter.data:.8f}")

print(f"E_total after:  {forward():.8f}")
