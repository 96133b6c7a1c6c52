"""One Newton step: the second derivatives come from differentiating the gradients once more.

A line y = w*x + b through three points. The error is a parabola in w and b, so that one step, w and b minus the
inverse of the matrix of second derivatives times the gradient, lands in the minimum. Gradient descent only nears it.

Run: python demos/newton_step.py
"""

from scalargrad import Value, gradients

POINTS = [(1.0, 1.0), (2.0, 3.0), (4.0, 4.0)]
LEARNING_RATE = 0.05


def error(w, b):
    return sum((y - (w * x + b)) ** 2 / 2 for x, y in POINTS)


w, b = Value(0.0, label="w"), Value(0.0, label="b")
E = error(w, b)

slopes = gradients(E, [w, b])
(ww, wb), (bw, bb) = [gradients(slope, [w, b]) for slope in slopes]
print(f"at w = {w:g}, b = {b:g}: E = {E:g}")
print(f"gradient            dE/dw   = {slopes[0]:g}, dE/db = {slopes[1]:g}")
print(f"second derivatives  d2E/dw2 = {ww:g}, d2E/dwdb = {wb:g}, d2E/dbdw = {bw:g}, d2E/db2 = {bb:g}")

# The sums that a hand calculation gives: of x*x, of x, and the number of points.
assert [ww.data, wb.data, bw.data, bb.data] == [21, 7, 7, 3]

# Solve the two equations H * step = gradient by Cramer's rule.
determinant = ww.data * bb.data - wb.data * bw.data
step_w = (slopes[0].data * bb.data - wb.data * slopes[1].data) / determinant
step_b = (ww.data * slopes[1].data - bw.data * slopes[0].data) / determinant

newton_w, newton_b = Value(w.data - step_w, label="w"), Value(b.data - step_b, label="b")
E = error(newton_w, newton_b)
E.backward()
print(f"after one Newton step: w = {newton_w:.6f}, b = {newton_b:.6f}, E = {E:.6f}")
print(f"the gradient there:    dE/dw = {newton_w.grad:.1e}, dE/db = {newton_b.grad:.1e}")

for number in range(1, 101):
    w.grad = b.grad = 0.0
    E = error(w, b)
    E.backward()
    w.data -= LEARNING_RATE * w.grad
    b.data -= LEARNING_RATE * b.grad
    if number in (1, 10, 100):
        print(f"after {number:3d} gradient steps: w = {w:.6f}, b = {b:.6f}, E = {error(w, b):.6f}")
