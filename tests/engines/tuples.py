"""An engine without a bug in the manner of microgpt: a node holds its parents and its local derivatives as tuples.

Its class, its number and its gradient have names of their own.
"""

import math


class Scalar:
    __slots__ = ("gradient", "locals", "parents", "value")

    def __init__(self, value, parents=(), local_gradients=()):
        self.value = value
        self.gradient = 0
        self.parents = parents
        self.locals = local_gradients

    def __add__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.value + other.value, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.value * other.value, (self, other), (other.value, self.value))

    def __pow__(self, n):
        return Scalar(self.value**n, (self,), (n * self.value ** (n - 1),))

    def log(self):
        return Scalar(math.log(self.value), (self,), (1 / self.value,))

    def exp(self):
        return Scalar(math.exp(self.value), (self,), (math.exp(self.value),))

    def relu(self):
        return Scalar(max(0, self.value), (self,), (float(self.value > 0),))

    def tanh(self):
        grown = (self * 2).exp()
        return (grown - 1) / (grown + 1)

    def __neg__(self):
        return self * -1

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return other + (-self)

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self * other**-1

    def __rtruediv__(self, other):
        return other * self**-1

    def run(self):
        order = []
        visited = set()

        def visit(node):
            if node not in visited:
                visited.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.gradient = 1
        for node in reversed(order):
            for parent, local in zip(node.parents, node.locals):
                parent.gradient += local * node.gradient
