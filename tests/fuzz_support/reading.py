"""Read a printed derivation back, text and LaTeX, as one reads it on paper, and work out every stage of it."""

import ast
import random
import re

from scalargrad import trace
from scalargrad.formulas.latex import LaTeX
from scalargrad.graph.roles import is_number
from scalargrad.rules import FUNCTIONS

_JITTER = 2e-8  # as far as a number of 8 digits may be off, and a little more


def numbers_of(root, view):
    """Give the number of every name that a derivation over a view may hold, as text and as LaTeX."""
    shown = trace(root, view).view
    names, write = {}, LaTeX().name
    for node in shown.order:
        if is_number(node):
            continue
        name = shown.name(node)
        names[name, write(name)] = node.data
        for below, gradient in trace(node, view).gradients.items():
            if below in shown.order:
                _name_derivative(names, name, shown.name(below), "", gradient, write)
        parents = [edge.parent for edge in shown.edges(node)]
        for index, edge in enumerate(shown.edges(node)):
            same = parents[:index].count(edge.parent) + 1
            mark = str(same) if parents.count(edge.parent) > 1 else "direct"
            _name_derivative(names, name, shown.name(edge.parent), mark, edge.derivative, write)
    return names


def _name_derivative(names, of, to, mark, number, write):
    text = f"d{of}/d{to}" + (f"|{mark}" if mark else "")
    latex = rf"\frac{{\partial {write(of)}}}{{\partial {write(to)}}}" + (rf"\Big|_{{\text{{{mark}}}}}" if mark else "")
    names[text, latex] = number


class Reader:
    """Reads the equations of one derivation."""

    def __init__(self, root, view):
        names = sorted(numbers_of(root, view).items(), key=lambda item: -len(item[0][0]))
        self.numbers = {f"N{index}_": number for index, (_, number) in enumerate(names)}
        self.texts = {text: f"N{index}_" for index, ((text, _), _) in enumerate(names)}
        self.latexes = {latex: f"N{index}_" for index, ((_, latex), _) in enumerate(names)}
        self._text = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, self.texts))})(?![\w|])")
        by_length = sorted(self.latexes, key=len, reverse=True)
        self._latex = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(map(re.escape, by_length))})(?![A-Za-z])")

    def text(self, derivation):
        """Give every stage of a derivation's text: the derivative that it starts with, and an expression in Python."""
        for block in derivation.text.split("\n\n"):
            joined = " ".join(line.strip() for line in block.splitlines())
            left, *stages = re.split(r"\s= ", joined)
            if left in self.texts:
                for stage in stages:
                    yield left, self.texts[left], self._text.sub(lambda found: self.texts[found[0]], stage)

    def latex(self, derivation):
        """Give every stage of a derivation's LaTeX, each as an expression in Python."""
        body = derivation.latex.removeprefix("\\begin{aligned}\n").removesuffix("\n\\end{aligned}")
        for block in body.split(" \\\\[2ex]\n"):
            joined = re.sub(r"&|\\q?quad|\\\\\n", " ", block).strip()
            written = self._latex.sub(lambda found: f" {self.latexes[found[0]]} ", joined)
            left, *stages = re.split(r"\s=\s", written)
            if left.strip() in self.numbers:
                for stage in stages:
                    yield stage, left.strip(), stage if r"\cdots" in stage or "…" in stage else _Parser(stage).read()


def differs(reader, left, expression, seed=0):
    """Work out one stage; give its number where it is not that of the derivative, else None.

    What rounding to eight digits may do to the number is found by moving every rounded number a little.
    """
    true = reader.numbers[left]
    choose = random.Random(seed)
    value, *moved = (_value(expression, reader.numbers, jitter, choose) for jitter in (0.0, *[_JITTER] * 4))
    allowed = 1e-9 * abs(true) + 20 * max(abs(each - value) for each in moved) + 1e-14
    return None if abs(value - true) <= allowed else value


def _value(expression, numbers, jitter, choose):
    def near(number):  # a whole number may be an exponent, and has to stay whole
        return (
            number * (1 + jitter * choose.uniform(-1, 1))
            if number != round(number) or "**" not in expression
            else number
        )

    class Put(ast.NodeTransformer):
        def visit_Name(self, node):
            return ast.Constant(near(numbers[node.id])) if node.id in numbers else node

        def visit_Constant(self, node):
            return ast.Constant(near(node.value))

    put = ast.fix_missing_locations(Put().visit(ast.parse(expression.strip(), mode="eval")))
    value = eval(compile(put, "stage", "eval"), dict(FUNCTIONS))
    if isinstance(value, complex):
        raise ValueError("a power of a negative number whose exponent is whole only before it is rounded")
    return float(value)


_TOKEN = re.compile(r"\s*(\\operatorname\{[^}]*\}|\\left|\\right|\\[a-zA-Z]+|\\,|N\d+_|\d+\.?\d*|\S)")
_FUNCTIONS = {r"\ln": "log", r"\sigma": "sigmoid", r"\max": "maximum", r"\min": "minimum"}


class _Parser:
    """Reads LaTeX as mathematics does: a minus reaches to the end of its term, a power takes what it touches."""

    def __init__(self, written):
        self.tokens = [*_TOKEN.findall(written), ""]
        self.place = 0

    def read(self):
        result = self.sum()
        if self.next:
            raise SyntaxError(f"cannot read the LaTeX {' '.join(self.tokens)!r} from {self.next!r}")
        return result

    @property
    def next(self):
        return self.tokens[self.place]

    def take(self, *wanted):
        token = self.next
        if wanted and token not in wanted:
            raise SyntaxError(f"needs {wanted} at token {self.place} of {' '.join(self.tokens)!r}, got {token!r}")
        self.place += 1
        return token

    def sum(self):
        parts = [self.term()]
        while self.next in ("+", "-"):
            parts += [self.take(), f"({self.term()})"]
        return " ".join(parts)

    def term(self):
        if self.next != "-":
            return self.product()
        self.take()
        return f"-({self.product()})"

    def product(self):
        parts = [self.power()]
        while self.next not in ("", "+", "-", ",", "}", r"\right"):
            if self.next in (r"\,", r"\cdot"):
                self.take()
            parts.append(self.power())
        return "*".join(parts)

    def power(self):
        base = self.atom()
        while self.next == "^":
            self.take()
            base = f"({base})**({self.braces()})"
        return base

    def braces(self):
        self.take("{")
        inner = self.sum()
        self.take("}")
        return inner

    def atom(self):
        token = self.take()
        if token == r"\frac":
            return f"(({self.braces()})/({self.braces()}))"
        if token == r"\sqrt":
            return f"sqrt({self.braces()})"
        if token == r"\left":
            sign = self.take("(", "|")
            inner = self.arguments()
            self.take(r"\right")
            self.take({"(": ")", "|": "|"}[sign])
            return f"({inner})" if sign == "(" else f"abs({inner})"
        if token[0] == "\\":
            name = _FUNCTIONS.get(token) or re.sub(r"\\operatorname\{(.*)\}", r"\1", token).replace(" ", "_")
            self.take(r"\left")
            self.take("(")
            inner = self.arguments()
            self.take(r"\right")
            self.take(")")
            return f"{name.removeprefix(chr(92))}({inner})"
        if token[0] == "N" or token[0].isdigit():
            return token
        raise SyntaxError(f"cannot read {token!r} in {' '.join(self.tokens)!r}")

    def arguments(self):
        inner = [self.sum()]
        while self.next == ",":
            self.take()
            inner.append(self.sum())
        return ", ".join(inner)
