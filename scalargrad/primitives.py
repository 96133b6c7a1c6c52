"""The table of primitives: every function that a formula may call, and what each language calls it.

Reads nothing: text only. The rules are written in these words; the programs, the page and LaTeX look them up here.
"""

from typing import NamedTuple


class Primitive(NamedTuple):
    """How each language says one word of the formulas."""

    python: str
    numpy: str
    c: str
    jax: str
    javascript: str  # a function of `Math`, which python.js makes as strict as Python's, or one of python.js itself
    excel: str  # with #1 and #2 for the operands; log1p and expm1 keep their digits near 0
    latex: str  # a command, or a whole with #1 for the operand


# To add a primitive, add a line; its derivative is that of the row in `RULES` which bears its name.
_TABLE = r"""
exp     math.exp    numpy.exp     exp    jax.numpy.exp     Math.exp    EXP(#1)                                        \exp
expm1   math.expm1  numpy.expm1   expm1  jax.numpy.expm1   Math.expm1  (2*EXP((#1)/2)*SINH((#1)/2))                   \operatorname{expm1}
log     math.log    numpy.log     log    jax.numpy.log     Math.log    LN(#1)                                         \ln
log1p   math.log1p  numpy.log1p   log1p  jax.numpy.log1p   Math.log1p  IF(ABS(#1)<0.5,2*ATANH((#1)/(2+#1)),LN(1+#1))  \operatorname{log1p}
sqrt    math.sqrt   numpy.sqrt    sqrt   jax.numpy.sqrt    Math.sqrt   SQRT(#1)                                       \sqrt{#1}
sin     math.sin    numpy.sin     sin    jax.numpy.sin     Math.sin    SIN(#1)                                        \sin
cos     math.cos    numpy.cos     cos    jax.numpy.cos     Math.cos    COS(#1)                                        \cos
tan     math.tan    numpy.tan     tan    jax.numpy.tan     Math.tan    TAN(#1)                                        \tan
arctan  math.atan   numpy.arctan  atan   jax.numpy.arctan  Math.atan   ATAN(#1)                                       \arctan
sinh    math.sinh   numpy.sinh    sinh   jax.numpy.sinh    Math.sinh   SINH(#1)                                       \sinh
cosh    math.cosh   numpy.cosh    cosh   jax.numpy.cosh    Math.cosh   COSH(#1)                                       \cosh
tanh    math.tanh   numpy.tanh    tanh   jax.numpy.tanh    Math.tanh   TANH(#1)                                       \tanh
pow     math.pow    numpy.power   pow    jax.numpy.power   pow         IF(#2=0,1,POWER(#1,#2))                        #1^{#2}
abs     abs         abs           fabs   abs               Math.abs    ABS(#1)                                        \left| #1 \right|
"""  # noqa: E501


def read_table(table: str) -> dict[str, Primitive]:
    """Read a table of primitives; raise ValueError, with its name, for a word that a language has no word for.

    >>> read_table("cbrt  math.cbrt  numpy.cbrt  cbrt")
    Traceback (most recent call last):
    ValueError: primitives: cbrt has no word in jax, javascript, excel, latex
    """
    primitives = {}
    for line in table.strip().splitlines():
        word, *said = line.split(maxsplit=len(Primitive._fields))
        if missing := Primitive._fields[len(said) :]:
            raise ValueError(f"primitives: {word} has no word in {', '.join(missing)}")
        primitives[word] = Primitive(*said)
    return primitives


PRIMITIVES = read_table(_TABLE)
