"""An engine without a bug that knows no order: backward hands the product of each path down by itself."""

import math


class Value:
    def __init__(self, data, edges=()):
        self.data = data
        self.grad = 0.0
        self.edges = edges

    def backward(self, upstream=1.0):
        self.grad += upstream
        for parent, local in self.edges:
            parent.backward(upstream * local)

    def __add__(self, other):
        other = as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def __pow__(self, exponent):
        return Value(self.data**exponent, ((self, exponent * self.data ** (exponent - 1)),))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -as_value(other)

    def __rsub__(self, other):
        return as_value(other) - self

    def __truediv__(self, other):
        return self * as_value(other) ** -1

    def __rtruediv__(self, other):
        return as_value(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


def as_value(number):
    return number if isinstance(number, Value) else Value(number)


def tanh(x):
    y = math.tanh(x.data)
    return Value(y, ((x, 1 - y * y),))


def exp(x):
    y = math.exp(x.data)
    return Value(y, ((x, y),))


def sigmoid(x):
    return 1 / (1 + exp(-x))
