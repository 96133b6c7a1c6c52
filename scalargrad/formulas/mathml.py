"""Write a formula as MathML, in which every quantity can be shown by its name or by its number.

Reads the formulas. MathML is kept as a tree of lists, `["msup", base, exponent]`, which the page turns into elements:
text from a user is only ever the text of an element, never markup.
"""

import re
from html.entities import name2codepoint
from typing import TypeAlias
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .labels import label_parts
from .latex import command
from .notation import Notation
from .tree import Expression

Tree: TypeAlias = "str | list[Tree]"

GREEK = {name: chr(code) for name, code in name2codepoint.items() if ord("α") <= code <= ord("ω")}
_UNSEEN = re.compile(r"<mpadded .*?</mpadded>")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class MathML(Notation):
    """The MathML of a formula whose names are the numbers of nodes: `n12` becomes `<n>12</n>`, for the page to fill."""

    plus, minus, negation, times = "<mo>+</mo>", "<mo>−</mo>", "<mo>−</mo>", "<times/>"
    fraction = "<mfrac><mrow>{}</mrow><mrow>{}</mrow></mfrac>"
    raised = "<msup><mrow>{}</mrow><mrow>{}</mrow></msup>"
    parentheses = "<mrow><mo>(</mo>{}<mo>)</mo></mrow>"
    fraction_bar = True
    powers_of_ten = True

    def name(self, label: str) -> str:
        return f"<n>{label[1:]}</n>" if re.fullmatch(r"n\d+", label) else f"<mi>{escape(label)}</mi>"

    def number(self, value: float) -> str:
        written = super().number(value)
        return written if written.startswith("<") else f"<mn>{written}</mn>"

    def power_of_ten(self, digits: str, exponent: int) -> str:
        raised = f"{exponent}".replace("-", "−")
        return f"<mn>{digits}</mn><mo>×</mo><msup><mn>10</mn><mn>{raised}</mn></msup>"

    def call(self, function: str, arguments: list[str]) -> str:
        inner = "<mo>,</mo>".join(arguments)
        if function == "sqrt":
            return f"<msqrt>{inner}</msqrt>"
        if function == "abs":
            return f"<mrow><mo>|</mo>{inner}<mo>|</mo></mrow>"
        return f"<mi>{escape(word(function))}</mi>{self.group(inner)}"


def word(function: str) -> str:
    """Tell how a function is called in a formula: `ln` for log, `σ` for sigmoid."""
    word = re.sub(r"\\operatorname\{(.*)\}|\\(\w+)", r"\1\2", command(function))
    return GREEK.get(word, word)


_mathml = MathML()


def tree(expression: Expression) -> Tree:
    """Write an expression whose names are numbers of nodes as a tree of MathML.

    >>> from scalargrad.formulas.tree import parse
    >>> tree(parse("n0 * n1 + 2"))
    ['mrow', ['n', '0'], ['times'], ['n', '1'], ['mo', '+'], ['mn', '2']]
    """
    return tree_of(_mathml.write(expression))


def tree_of(written: str) -> Tree:
    """Read a formula of MathML as a tree, without the signs in it that are not seen."""
    return _tree(ElementTree.fromstring(f"<mrow>{_UNSEEN.sub('', written)}</mrow>"))


def _tree(element: ElementTree.Element) -> Tree:
    return [element.tag, *([element.text] if element.text else []), *map(_tree, element)]


class Typeset(MathML):
    """The MathML of a formula to show as it is, also where a viewer strips the tags and leaves their text.

    The signs that tell a fraction, a power and a root in one line stand there too, unseen and without a width.
    """

    times = "<mo>·</mo>"

    def name(self, label: str) -> str:
        word, below, above = (escape(part) for part in parts(label))
        index, layer = f"<mrow>{_UNSEEN_INDEX}<mi>{below}</mi></mrow>", f"<mrow>{_UNSEEN_POWER}<mi>{above}</mi></mrow>"
        if below and above:
            return f"<msubsup><mi>{word}</mi>{index}{layer}</msubsup>"
        if below:
            return f"<msub><mi>{word}</mi>{index}</msub>"
        return f"<msup><mi>{word}</mi>{layer}</msup>" if above else f"<mi>{word}</mi>"

    def derivative(self, of: str, to: str) -> str:
        """Write the derivative of one quantity with respect to another, both as MathML."""
        return f"<mfrac><mrow><mi>∂</mi>{of}</mrow><mrow>{_UNSEEN_BAR}<mi>∂</mi>{to}</mrow></mfrac>"

    def power_of_ten(self, digits: str, exponent: int) -> str:
        raised = f"{exponent}".replace("-", "−")
        return f"<mn>{digits}</mn><mo>×</mo>{self.power('<mn>10</mn>', f'<mn>{raised}</mn>')}"

    def quotient(self, left: str, right: str) -> str:
        return f"<mfrac>{_in_line(left)}<mrow>{_UNSEEN_BAR}{_in_line(right)}</mrow></mfrac>"

    def power(self, base: str, exponent: str) -> str:
        return f"<msup><mrow>{base}</mrow><mrow>{_UNSEEN_POWER}{_in_line(exponent)}</mrow></msup>"

    def call(self, function: str, arguments: list[str]) -> str:
        if function == "sqrt":
            return f"<msqrt>{unseen('√(')}{''.join(arguments)}{unseen(')')}</msqrt>"
        return super().call(function, arguments)


def unseen(text: str) -> str:
    """Write text that takes no room and is not seen: it is read where a viewer strips the tags."""
    return f'<mpadded width="0" height="0" depth="0"><mphantom><mtext>{text}</mtext></mphantom></mpadded>'


_UNSEEN_BAR, _UNSEEN_POWER, _UNSEEN_INDEX = map(unseen, "/^_")
_typeset = Typeset()
_ON_A_LINE = 80  # characters; what fits a printed page beside the left side of an equation


def math(written: str) -> str:
    """Make a formula of MathML an element that a notebook shows."""
    return f'<math displaystyle="true"><mrow>{written}</mrow></math>'


def breakable(written: str) -> str:
    """Make a formula of MathML elements that a notebook shows: a long one may be broken between them, before a sign."""
    elements: list[str] = []
    row = ElementTree.fromstring(f"<mrow>{written}</mrow>")
    if len("".join(row.itertext())) <= _ON_A_LINE:
        return math(written)
    for part in row:
        if elements and part.tag == "mo" and part.text in ("·", "+", "−"):
            part.set("form", "infix")  # the first of an element would be spaced as a prefix
            elements.append("")
        elements[-1:] = ["".join([*elements[-1:], ElementTree.tostring(part, encoding="unicode")])]
    return "".join(map(math, elements))


def typeset(expression: Expression) -> str:
    """Write an expression as an element that a notebook shows.

    >>> from scalargrad.formulas.tree import parse
    >>> typeset(parse("x + 2"))
    '<math displaystyle="true"><mrow><mi>x</mi><mo>+</mo><mn>2</mn></mrow></math>'
    """
    return math(_typeset.write(expression))


def _in_line(written: str) -> str:
    """Write what stands on a fraction bar or in an exponent, in unseen parentheses where one line needs them."""
    return f"<mrow>{unseen('(')}{written}{unseen(')')}</mrow>" if "<mo>" in written else f"<mrow>{written}</mrow>"


def parts(label: str) -> list[str]:
    """Split a label into what stands on the line, below and above it, as students write it.

    >>> parts("out_o1"), parts("w3"), parts("z_1^2"), parts("two words")
    (['out', 'o1', ''], ['w', '3', ''], ['z', '1', '(2)'], ['two words', '', ''])
    """
    found = label_parts(_NOT_IN_XML.sub("\ufffd", label))
    below = ",".join(GREEK.get(index, index) for index in found.indices)
    return [GREEK.get(found.word, found.word), below, found.above()]
