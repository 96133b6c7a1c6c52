"""Write a formula as LaTeX, for math mode.

Reads the tree of a formula, the labels and the table of primitives.
"""

import re
import unicodedata

from .labels import label_parts
from .notation import Notation
from .tree import Expression

_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
)
_LATEX_FUNCTIONS: dict[str, str] = {
    "sigmoid": r"\sigma",
    "log": r"\ln",
    "maximum": r"\max",
    "minimum": r"\min",
    **{function: rf"\{function}" for function in ("exp", "sin", "cos", "tan", "tanh")},
}
_ESCAPES = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def _latex_word(word: str) -> str:
    """Set a run of characters: a letter or a number as it is, a Greek letter by its name, a word upright."""
    greek = unicodedata.name(word, "").removeprefix("GREEK SMALL LETTER ").lower() if len(word) == 1 else word
    if _GREEK.fullmatch(greek):
        return rf"\{greek}"
    if re.fullmatch(r"[A-Za-z]|[a-z]?[0-9]+", word):
        return word
    return rf"\mathrm{{{word}}}" if re.fullmatch(r"[A-Za-z0-9]+", word) else rf"\text{{{escaped(word)}}}"


def escaped(words: str) -> str:
    r"""Write any characters for LaTeX's text mode.

    >>> print(escaped("50% of {a}"))
    50\% of \{a\}
    """
    whole = words.encode(errors="replace").decode()  # half a character becomes a question mark
    return "".join(_ESCAPES.get(sign, sign if sign.isprintable() else " ") for sign in whole)


class LaTeX(Notation):
    """The LaTeX of a formula."""

    fraction_bar = True
    powers_of_ten = True

    def name(self, label: str) -> str:
        r"""Set a label: `out_o1` as \mathrm{out}_{o1}, `w3` as w_{3}, `z_1^2` as z_{1}^{(2)}."""
        word, indices, layer = label_parts(label)
        below = f"_{{{','.join(map(_latex_word, indices))}}}" if indices else ""
        return _latex_word(word) + below + (f"^{{({_latex_word(layer)})}}" if layer else "")

    def power_of_ten(self, digits: str, exponent: int) -> str:
        return rf"{digits} \cdot 10^{{{exponent}}}"

    def product(self, left: str, right: str) -> str:
        return rf"{left} \, {right}"

    def quotient(self, left: str, right: str) -> str:
        return rf"\frac{{{left}}}{{{right}}}"

    def power(self, base: str, exponent: str) -> str:
        if "^" in base and not base.startswith(r"\left("):
            base = self.group(base)  # there is room for one exponent only
        return f"{base}^{{{exponent}}}"

    def call(self, function: str, arguments: list[str]) -> str:
        inner = ", ".join(arguments)
        if function == "sqrt":
            return rf"\sqrt{{{inner}}}"
        if function == "abs":
            return rf"\left| {inner} \right|"
        written = _LATEX_FUNCTIONS.get(function) or rf"\operatorname{{{function.replace('_', ' ')}}}"
        return rf"{written}\left({inner}\right)"

    def group(self, inner: str) -> str:
        return rf"\left({inner}\right)"


_latex = LaTeX()


def latex(expression: Expression) -> str:
    r"""Write an expression as LaTeX, for math mode.

    >>> from scalargrad.formulas.tree import parse
    >>> print(latex(parse("out_o1 * (1 - out_o1)")))
    \mathrm{out}_{o1} \, \left(1 - \mathrm{out}_{o1}\right)
    """
    return _latex.write(expression)
