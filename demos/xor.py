"""XOR by a network of two hidden neurons, every step of the first iterations written out, then trained to the end.

The numbers of the steps are those of https://zhuanlan.zhihu.com/p/61863634. Run: python demos/xor.py
"""

import scalargrad
from scalargrad import nn
from scalargrad.formulas import notation
from scalargrad.train import data
from scalargrad.train.fitting import fit

LEARNING_RATE = 4.0


def truth_table():
    for row in inputs:
        print(f"   {row[0]:.0f} xor {row[1]:.0f}: {model(row).data:.4f}")


def explain(step):
    """Write out the first epoch; afterwards only what becomes of the loss."""
    if step.iteration > len(inputs):
        if step.iteration % 600 == 0:
            print(f"   after {step.iteration} iterations the loss of sample {step.samples[0]} is {step.loss:.6f}")
        return
    print(f"\nIteration {step.iteration}")
    trace = scalargrad.trace(step.roots[0], view="quantities")
    given = [f"{node.label} = {value:g}" for node, value in trace.forward if node.label[0] in "xy"]
    print(f"2. 3. A batch of one sample: number {step.samples[0]}, {', '.join(sorted(given))}")
    print("4. 5. Forward, to the loss")
    for node, value in trace.forward:
        if node.parents:
            print(f"   {node.label:7} = {notation.text(trace.view.formula(node))} = {value:.6g}")
    print("6. 7. 8. Backward: the deltas, then the gradients")
    for node, gradient in reversed(trace.gradients.items()):
        paths = [edge for edge in trace.backward if edge.parent is node]
        written = " + ".join(f"({edge.upstream:.6g})*({edge.local:.6g})" for edge in paths)
        if node.label.startswith("net"):
            neuron = node.label.removeprefix("net_")
            print(f"   delta of {neuron}: d E_total / d {node.label} = {written} = {gradient:.6g}")
        elif node in parameters:
            print(f"   d E_total / d {node.label} = {written} = {gradient:.6g}")
    print("9. 10. The batch has no more samples; update with its mean")
    for p in parameters:
        print(f"   {p.label} = {p.data:.6g} - {LEARNING_RATE} * {p.grad:.6g} = {p.data - LEARNING_RATE * p.grad:.6g}")


print("1. The parameters, as they are set by hand")
model = nn.MLP(2, [2, 1], activation="sigmoid", output="sigmoid")
model.set_weights([[[1.0, 0.5], [-0.5, -1.0]], [[0.5, 0.5]]], [[0.0, 0.5], [-0.5]])
parameters = model.parameters()
for parameter in parameters:
    print(f"   {parameter.label} = {parameter.data}")
inputs, targets = data.xor()
truth_table()

history = fit(model, inputs, targets, epochs=900, batch_size=1, learning_rate=LEARNING_RATE, callback=explain)
print("11. The iterations are done")
print(history)
truth_table()
