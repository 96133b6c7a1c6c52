"""The MathML of formulas, and what becomes of labels."""

import pytest

from scalargrad import Value
from scalargrad.engine import operation
from scalargrad.formulas.mathml import parts, tree
from scalargrad.formulas.tree import parse
from scalargrad.graph.views import local_derivative
from scalargrad.rules import RULES


def flat(written):
    """Write a tree as text, every element in its own parentheses."""
    tag, *inner = written
    return f"{tag}({' '.join(part if isinstance(part, str) else flat(part) for part in inner)})"


def test_a_quotient_is_a_fraction_and_a_power_is_raised():
    assert flat(tree(parse("n0 / (1 + n1)"))) == "mrow(mfrac(mrow(n(0)) mrow(mn(1) mo(+) n(1))))"
    assert flat(tree(parse("pow(n0 - 1, 2)"))) == ("mrow(msup(mrow(mrow(mo(() n(0) mo(−) mn(1) mo()))) mrow(mn(2))))")


def test_functions_have_their_mathematical_names():
    assert flat(tree(parse("sigmoid(n3)"))) == "mrow(mi(σ) mrow(mo(() n(3) mo())))"
    assert flat(tree(parse("sqrt(n3)"))) == "mrow(msqrt(n(3)))"
    assert flat(tree(parse("abs(n3)"))) == "mrow(mrow(mo(|) n(3) mo(|)))"
    assert flat(tree(parse("leaky_relu(n3)"))).startswith("mrow(mi(leaky relu)")


def test_small_numbers_have_a_power_of_ten():
    assert flat(tree(parse("1e-07 * n0"))) == "mrow(mn(1) mo(×) msup(mn(10) mn(−7)) times() n(0))"


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_every_local_derivative_can_be_written(rule):
    node = operation(rule)(*(Value(0.5 + i) for i in range(len(rule.operands))))
    for index in range(len(rule.operands)):
        assert tree(local_derivative(node, index, lambda _: parse("n0")))[0] == "mrow"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("out_h1", ["out", "h1", ""]),
        ("w12", ["w", "12", ""]),
        ("delta_o1", ["δ", "o1", ""]),
        ("z_1^2", ["z", "1", "(2)"]),
        ("E_total", ["E", "total", ""]),
        ("权重_1", ["权重", "1", ""]),
        ("a < b", ["a < b", "", ""]),
        ("\x00", ["\ufffd", "", ""]),
        ("\ud800", ["\ufffd", "", ""]),
    ],
)
def test_labels_fall_into_parts(label, expected):
    assert parts(label) == expected
