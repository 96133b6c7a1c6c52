"""Engines with a bug: each an edit of an engine without one, with the name that a check must give it.

The line on which the edit begins is where the check must point, or a line of the function that is named instead.
"""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent


class Edit(NamedTuple):
    """One bug: what is replaced by what, and what a check must call it."""

    name: str
    key: str
    old: str
    new: str
    function: str = ""  # where a check points to a function: its name
    base: str = "closures.py"


ADD = "            other.grad += out.grad  # add: other"
MUL_SELF = "self.grad += other.data * out.grad"
MUL_OTHER = "other.grad += self.data * out.grad"
CLOSURES = (FOLDER / "closures.py").read_text("utf-8")
BACKWARD = CLOSURES[CLOSURES.index("        order = []\n") : CLOSURES.index("        for node in order:\n")]
REVERSED = CLOSURES[CLOSURES.index("        for node in order:\n") : CLOSURES.index("\n\nclass Module:")]
INIT = """        self._backward = lambda: None
"""

EDITS = [
    # contributions that do not add up
    Edit("assignment in add", "accumulation.one", ADD, ADD.replace("+=", "=")),
    Edit("assignment in mul, self", "accumulation.one", MUL_SELF, MUL_SELF.replace("+=", "=")),
    Edit("assignment in mul, other", "accumulation.one", MUL_OTHER, MUL_OTHER.replace("+=", "=")),
    Edit("assignment in tanh", "accumulation.one", "self.grad += (1 - out.data**2)", "self.grad = (1 - out.data**2)"),
    Edit(
        "assignment in exp",
        "accumulation.one",
        "self.grad += out.data * out.grad  #",
        "self.grad = out.data * out.grad  #",
    ),
    Edit(
        "assignment everywhere",
        "accumulation.everywhere",
        "parent.gradient += local",
        "parent.gradient = local",
        base="tuples.py",
    ),
    # the order
    Edit(
        "recursion",
        "order.recursion",
        BACKWARD + REVERSED,
        "        self.grad = 1.0\n\n        def visit(node):\n            node._backward()\n"
        "            for parent in node._parents:\n                visit(parent)\n\n        visit(self)\n",
        "backward",
    ),
    Edit(
        "visited forgotten",
        "order.visited forgotten",
        "            elif node not in visited:\n",
        "            else:\n",
        "backward",
    ),
    Edit("not reversed", "order.not reversed", "for node in reversed(order):", "for node in order:", "backward"),
    Edit(
        "breadth first",
        "order.breadth first",
        BACKWARD,
        "        order = [self]\n        seen = {self}\n        for node in order:\n"
        "            order.extend(parent for parent in dict.fromkeys(node._parents) if parent not in seen)\n"
        "            seen.update(node._parents)\n"
        "        order.reverse()\n",
        "backward",
    ),
    Edit(
        "depth first",
        "order.depth first",
        BACKWARD,
        "        order = []\n        seen = set()\n\n        def visit(node):\n            if node not in seen:\n"
        "                seen.add(node)\n                order.append(node)\n"
        "                for parent in node._parents:\n                    visit(parent)\n\n"
        "        visit(self)\n        order.reverse()\n",
        "backward",
    ),
    Edit(
        "queue",
        "order.queue",
        BACKWARD + REVERSED,
        "        self.grad = 1.0\n        waiting = [self]\n        while waiting:\n            node = waiting.pop(0)\n"
        "            node._backward()\n            waiting.extend(node._parents)\n",
        "backward",
    ),
    Edit(
        "visited forgotten, tuples",
        "order.visited forgotten",
        "                visited.add(node)\n",
        "",
        "run",
        "tuples.py",
    ),
    # the start
    Edit(
        "no seed",
        "seed.missing",
        "        self.grad = 1.0\n        for node in reversed",
        "        for node in reversed",
        "backward",
    ),
    Edit(
        "the seed is the number",
        "seed.data",
        "        self.grad = 1.0\n        for",
        "        self.grad = self.data\n        for",
        "backward",
    ),
    # from pass to pass
    Edit(
        "interior gradients kept",
        "passes.kept",
        "        for node in order:\n            if node._parents:\n                node.grad = 0.0\n",
        "",
        "backward",
    ),
    Edit(
        "leaves reset",
        "passes.reset",
        "            if node._parents:\n                node.grad = 0.0\n",
        "            node.grad = 0.0\n",
        "backward",
    ),
    Edit(
        "graph used up",
        "passes.used up",
        "            node._backward()\n",
        "            node._backward()\n            node._backward = lambda: None\n",
        "backward",
    ),
    Edit(
        "numbers changed",
        "graph.data",
        "            node._backward()\n",
        "            node._backward()\n        self.data = 0.0\n",
        "backward",
    ),
    # local derivatives
    Edit("sub by the wrong sign", "derivative.sign", "other.grad -= out.grad", "other.grad += out.grad"),
    Edit("neg by the wrong sign", "derivative.sign", "self.grad += -out.grad", "self.grad += out.grad"),
    Edit("mul takes its own number", "derivative.other operand", MUL_SELF, MUL_SELF.replace("other.data", "self.data")),
    Edit(
        "mul takes the other's number",
        "derivative.other operand",
        MUL_OTHER,
        MUL_OTHER.replace("self.data", "other.data"),
    ),
    Edit("mul leaves its factor out", "derivative.factor missing", MUL_SELF, "self.grad += out.grad"),
    Edit("mul gives self both", "derivative.receiver", MUL_OTHER, MUL_OTHER.replace("other.grad", "self.grad")),
    Edit("add forgets other", "derivative.forgotten", ADD, "            pass", "__add__"),
    Edit(
        "div forgets to divide",
        "derivative.factor missing",
        "self.grad += 1 / other.data * out.grad",
        "self.grad += out.grad",
    ),
    Edit("div without the minus", "derivative.sign", "other.grad += -self.data /", "other.grad += self.data /"),
    Edit("div without the square", "derivative.factor missing", "other.data**2 * out.grad", "other.data * out.grad"),
    Edit("div without its numerator", "derivative.factor missing", "-self.data / other.data**2", "-1 / other.data**2"),
    Edit(
        "pow without its factor",
        "derivative.power rule",
        "self.grad += other * self.data ** (",
        "self.grad += self.data ** (",
    ),
    Edit(
        "pow keeps its exponent",
        "derivative.power rule",
        "self.grad += other * self.data ** (other - 1)",
        "self.grad += other * self.data**other",
    ),
    Edit(
        "exponent without log",
        "derivative.factor missing",
        "out.data * math.log(self.data) * out.grad",
        "out.data * out.grad",
    ),
    Edit(
        "exponent forgotten",
        "derivative.forgotten",
        "                other.grad += out.data * math.log(self.data) * out.grad",
        "                pass",
        "__pow__",
    ),
    Edit(
        "exp from its input",
        "derivative.input for output",
        "self.grad += out.data * out.grad  # exp",
        "self.grad += self.data * out.grad  # exp",
    ),
    Edit(
        "exp by the power rule",
        "derivative.power rule",
        "self.grad += out.data * out.grad  # exp",
        "self.grad += self.data * math.exp(self.data - 1) * out.grad",
    ),
    Edit(
        "log upside down",
        "derivative.multiplied instead of divided",
        "self.grad += 1 / self.data * out.grad",
        "self.grad += self.data * out.grad  # log",
    ),
    Edit(
        "log from its output",
        "derivative.output for input",
        "self.grad += 1 / self.data * out.grad",
        "self.grad += 1 / out.data * out.grad",
    ),
    Edit("tanh from its input", "derivative.input for output", "(1 - out.data**2)", "(1 - self.data**2)"),
    Edit("tanh without the square", "derivative.square missing", "(1 - out.data**2)", "(1 - out.data)"),
    Edit("tanh by the wrong sign inside", "derivative.sign inside", "(1 - out.data**2)", "(1 + out.data**2)"),
    Edit(
        "sigmoid without a factor",
        "derivative.factor missing",
        "out.data * (1 - out.data) * out.grad",
        "(1 - out.data) * out.grad",
    ),
    Edit(
        "sigmoid from its input",
        "derivative.input for output",
        "out.data * (1 - out.data) * out.grad",
        "self.data * (1 - self.data) * out.grad",
    ),
    Edit("relu always open", "derivative.condition missing", "(self.data > 0) * out.grad", "out.grad  # relu"),
    Edit(
        "relu turned round",
        "derivative.condition turned round",
        "(self.data > 0) * out.grad",
        "(self.data < 0) * out.grad",
    ),
    Edit(
        "tanh without upstream",
        "upstream.missing",
        "self.grad += (1 - out.data**2) * out.grad",
        "self.grad += 1 - out.data**2",
    ),
    Edit(
        "mul adds upstream",
        "upstream.added",
        MUL_SELF + "\n            " + MUL_OTHER,
        (MUL_SELF + "\n            " + MUL_OTHER).replace(".data *", ".data +"),
    ),
    Edit(
        "whole gradients",
        "derivative.whole",
        "parent.gradient += local * node.gradient",
        "parent.gradient += int(local * node.gradient)",
        "run",
        "tuples.py",
    ),
    # values, and plain numbers
    Edit(
        "x - y as y - x", "value.swapped", "Value(self.data - other.data,", "Value(other.data - self.data,", "__sub__"
    ),
    Edit("2 - x as x - 2", "value.reflected", "return Value(other) - self", "return self - other", "__rsub__"),
    Edit("2 / x as x / 2", "value.reflected", "return Value(other) / self", "return self / other", "__rtruediv__"),
    Edit(
        "no 2 - x",
        "numbers.reflected",
        "    def __rsub__(self, other):\n        return Value(other) - self\n\n",
        "",
        "__sub__",
    ),
    Edit(
        "no 2 * x",
        "numbers.reflected",
        "    def __rmul__(self, other):\n        return self * other\n\n",
        "",
        "__mul__",
    ),
    Edit(
        "no plain number in mul",
        "numbers.refused",
        "    def __mul__(self, other):\n        other = other if isinstance(other, Value) else Value(other)\n",
        "    def __mul__(self, other):\n",
        "__mul__",
    ),
    Edit(
        "whole division",
        "value.wrong",
        "Value(self.data / other.data,",
        "Value(self.data // other.data,",
        "__truediv__",
    ),
    Edit("the number is rounded", "class.rounds", "self.data = data", "self.data = int(data)", "__init__"),
    # the graph
    Edit(
        "equal numbers are one node",
        "graph.equality",
        INIT,
        INIT + "\n    def __eq__(self, other):\n        return self.data == other.data\n\n"
        "    def __hash__(self):\n        return hash(self.data)\n",
        "__eq__",
    ),
    Edit(
        "equality without a hash",
        "graph.unhashable",
        INIT,
        INIT + "\n    def __eq__(self, other):\n        return self.data == other.data\n",
        "__eq__",
    ),
    Edit(
        "a parent once",
        "graph.repeats",
        "            for parent, local in zip(node.parents, node.locals):\n",
        "            for parent, local in dict(zip(node.parents, node.locals)).items():\n",
        "run",
        "tuples.py",
    ),
    Edit(
        "gradients start at 1",
        "class.start",
        "        self.grad = 0.0\n        self._parents",
        "        self.grad = 1.0\n        self._parents",
        "__init__",
    ),
    Edit(
        "equal leaves are one object",
        "class.shared",
        "class Value:\n",
        "class Value:\n    made = {}\n\n    def __new__(cls, data, parents=()):\n"
        "        return cls.made.setdefault(data, object.__new__(cls)) if not parents else object.__new__(cls)\n\n",
        "__new__",
    ),
    Edit(
        "deep chains",
        "depth.recursion",
        BACKWARD,
        "        order = []\n        visited = set()\n\n        def visit(node):\n            if node not in visited:\n"
        "                visited.add(node)\n                for parent in node._parents:\n"
        "                    visit(parent)\n"
        "                order.append(node)\n\n        visit(self)\n",
        "visit",
    ),
    Edit(
        "one gradient for all",
        "graph.shared gradient",
        "class Value:\n",
        "class Value:\n    kept = [0.0]\n\n    @property\n    def grad(self):\n        return self.kept[0]\n\n"
        "    @grad.setter\n    def grad(self, number):\n        self.kept[0] = number\n\n",
        "grad",
    ),
    Edit(
        "gradients kept by number",
        "graph.shared by number",
        "class Value:\n",
        "class Value:\n    kept = {}\n\n    @property\n    def grad(self):\n"
        "        return self.kept.get(self.data, 0.0)\n\n"
        "    @grad.setter\n    def grad(self, number):\n        self.kept[self.data] = number\n\n",
        "grad",
    ),
    Edit(
        "no plain number in add",
        "numbers.refused",
        "    def __add__(self, other):\n        other = other if isinstance(other, Value) else Value(other)\n",
        "    def __add__(self, other):\n",
        "__add__",
    ),
    # networks
    Edit(
        "one weight for all",
        "network.shared",
        "[Value(random.uniform(-1, 1)) for _ in range(inputs)]",
        "[Value(random.uniform(-1, 1))] * inputs",
        "__init__",
    ),
    Edit(
        "bias not among the parameters", "network.parameters", "return [*self.w, self.b]", "return self.w", "parameters"
    ),
    Edit(
        "only the last layer's parameters",
        "network.parameters",
        "return [p for layer in self.layers for p in layer.parameters()]",
        "return self.layers[-1].parameters()",
        "parameters",
    ),
    Edit("bias not added", "network.bias", "zip(self.w, x)), self.b)", "zip(self.w, x)), Value(0.0))", "__call__"),
    Edit(
        "zero_grad sets another name",
        "training.zero_grad",
        "            p.grad = 0.0\n",
        "            p.gradient = 0.0\n",
        "zero_grad",
    ),
    Edit(
        "a layer works on copied numbers",
        "network.gradient",
        "            x = layer(x)\n",
        "            x = layer([Value(one.data) for one in x])\n",
        "__call__",
    ),
]


def source(*edits: Edit) -> str:
    """Write the engine with these bugs; raise ValueError where two edits are in each other's way."""
    [base] = {edit.base for edit in edits}
    text = (FOLDER / base).read_text("utf-8")
    for edit in edits:
        if text.count(edit.old) != 1:
            raise ValueError(f"{edit.name}: what it replaces stands {text.count(edit.old)} times in {base}")
        text = text.replace(edit.old, edit.new)
    return text


def line(edit: Edit) -> int:
    """Tell on which line the text of an edit differs from its base first."""
    before, after = (FOLDER / edit.base).read_text("utf-8").splitlines(), source(edit).splitlines()
    return next(number for number, (old, new) in enumerate(zip(before, after), 1) if old != new)
