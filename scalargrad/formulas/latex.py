"""Write a formula as LaTeX, for math mode.

Reads the tree of a formula, the labels and the table of primitives.
"""

import re
import unicodedata

from ..primitives import PRIMITIVES
from .labels import label_parts
from .notation import Notation
from .tree import Expression

_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
)
_ROWS = {"sigmoid": r"\sigma", "maximum": r"\max", "minimum": r"\min"}  # those with a sign of their own
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


def command(function: str) -> str:
    r"""Give the command of a function of the formulas.

    >>> print(command("log"), command("sigmoid"), command("leaky_relu"))
    \ln \sigma \operatorname{leaky relu}
    """
    if function in PRIMITIVES:
        return PRIMITIVES[function].latex
    return _ROWS.get(function) or rf"\operatorname{{{function.replace('_', ' ')}}}"


class LaTeX(Notation):
    """The LaTeX of a formula."""

    times, fraction, parentheses = r" \, ", r"\frac{{{}}}{{{}}}", r"\left({}\right)"
    fraction_bar = True
    powers_of_ten = True

    def name(self, label: str) -> str:
        r"""Set a label: `out_o1` as \mathrm{out}_{o1}, `w3` as w_{3}, `z_1^2` as z_{1}^{(2)}."""
        parts = label_parts(label)
        below = f"_{{{','.join(map(_latex_word, parts.indices))}}}" if parts.indices else ""
        return _latex_word(parts.word) + below + (f"^{{{above}}}" if (above := parts.above(_latex_word)) else "")

    def power_of_ten(self, digits: str, exponent: int) -> str:
        return rf"{digits} \cdot 10^{{{exponent}}}"

    def power(self, base: str, exponent: str) -> str:
        if "^" in base and not base.startswith(r"\left("):
            base = self.group(base)  # there is room for one exponent only
        return self.call("pow", [base, exponent])

    def call(self, function: str, arguments: list[str]) -> str:
        written = command(function)
        if "#1" not in written:
            return written + self.group(", ".join(arguments))
        return re.sub(r"#(\d)", lambda place: arguments[int(place[1]) - 1], written)


_latex = LaTeX()


def latex(expression: Expression) -> str:
    r"""Write an expression as LaTeX, for math mode.

    >>> from scalargrad.formulas.tree import parse
    >>> print(latex(parse("out_o1 * (1 - out_o1)")))
    \mathrm{out}_{o1} \, \left(1 - \mathrm{out}_{o1}\right)
    """
    return _latex.write(expression)
