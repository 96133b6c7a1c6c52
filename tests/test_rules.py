"""Every row of the table, against central differences and against symbolic differentiation."""

import importlib
import math

import pytest
import sympy

from scalargrad import Value
from scalargrad.primitives import PRIMITIVES, read_table
from scalargrad.rule import add_words
from scalargrad.rules import FUNCTIONS, RULES, Rule, function_of, with_floats

POINTS = (-2.5, -1.0, -0.3, 0.4, 1.0, 2.5)


def value(rule: Rule, *operands: float) -> float:
    return function_of(rule, rule.formula, rule.operands)(*operands)


def partial(rule: Rule, index: int, *operands: float) -> float:
    function = function_of(rule, rule.partials[index], [*rule.operands, "y"])
    return function(*operands, value(rule, *operands))


def points_of(rule: Rule) -> list[tuple[float, ...]]:
    """List the points of the grid at which the rule is defined and has derivatives."""
    grid = [(a,) for a in POINTS] if len(rule.operands) == 1 else [(a, b + 0.05) for a in POINTS for b in POINTS]
    return [point for point in grid if point[0] > 0 or "a >" not in rule.domain]


def central_difference(rule: Rule, index: int, point: tuple[float, ...]) -> float:
    step = 1e-6
    above, below = list(point), list(point)
    above[index] += step
    below[index] -= step
    return (value(rule, *above) - value(rule, *below)) / (2 * step)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_partials_agree_with_central_differences(rule):
    for point in points_of(rule):
        for index in range(len(rule.operands)):
            expected = central_difference(rule, index, point)
            assert partial(rule, index, *point) == pytest.approx(expected, rel=1e-6, abs=1e-9), (point, index)


# The words of a formula, in SymPy's own terms.
SYMPY_WORDS = {
    **{word: getattr(sympy, said.python.removeprefix("math."), None) for word, said in PRIMITIVES.items()},
    "abs": sympy.Abs,
    "pow": sympy.Pow,
    "expm1": lambda a: sympy.exp(a) - 1,
    "log1p": lambda a: sympy.log(1 + a),
    "sigmoid": lambda a: 1 / (1 + sympy.exp(-a)),
}


def branches(formula: str) -> list[tuple[str, str]]:
    """Split a formula into its conditional branches: (condition, formula) pairs, for SymPy has no `if`."""
    if " if " not in formula:
        return [("True", formula)]
    inside_parentheses = formula.startswith("(") and ") + " in formula
    if inside_parentheses:
        conditional, rest = formula[1:].split(") + ", 1)
        return [(condition, f"{branch} + {rest}") for condition, branch in branches(conditional)]
    first, rest = formula.split(" if ", 1)
    condition, otherwise = rest.split(" else ", 1)
    return [(condition, first), *branches(otherwise)]


def symbolic(formula: str) -> sympy.Expr:
    symbols = {name: sympy.Symbol(name, real=True) for name in "aby"}
    words = {**SYMPY_WORDS, **symbols}
    return sympy.Piecewise(*((eval(branch, words), eval(condition, words)) for condition, branch in branches(formula)))


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_partials_are_the_symbolic_derivatives_of_the_formula(rule):
    formula = symbolic(rule.formula)
    for index, operand in enumerate(rule.operands):
        claimed = symbolic(rule.partials[index])
        derived = sympy.diff(formula, sympy.Symbol(operand, real=True))
        for point in points_of(rule):
            numbers = {sympy.Symbol(name, real=True): sympy.Rational(str(a)) for name, a in zip(rule.operands, point)}
            y = {sympy.Symbol("y", real=True): formula.subs(numbers)}
            assert sympy.N(claimed.subs(y).subs(numbers) - derived.subs(numbers), 30, chop=True) == pytest.approx(
                0, abs=1e-25
            ), (operand, point)


@pytest.mark.parametrize(
    ("name", "operands", "partials"),
    [
        ("relu", (0.0,), (0.0,)),
        ("leaky_relu", (0.0,), (0.01,)),
        ("elu", (0.0,), (1.0,)),
        ("abs", (0.0,), (0.0,)),
        ("maximum", (2.0, 2.0), (0.5, 0.5)),
        ("minimum", (2.0, 2.0), (0.5, 0.5)),
        ("pow", (0.0, 2.0), (0.0, 0.0)),
        ("pow", (-2.0, 3.0), (12.0, 0.0)),
        ("pow", (0.0, 0.0), (0.0, 0.0)),
    ],
)
def test_where_no_derivative_exists_the_documented_choice_holds(name, operands, partials):
    """The choices are PyTorch's, but for a power's exponent where the base is negative: there it has NaN."""
    rule = RULES[name]
    assert tuple(partial(rule, index, *operands) for index in range(len(operands))) == partials


@pytest.mark.parametrize("a", [-1e308, -745.2, -30.0, -1e-300, 0.0, 1e-300, 30.0, 745.2, 1e308])
def test_stable_for_any_finite_input(a):
    assert FUNCTIONS["sigmoid"](a) == pytest.approx(0.5 * (1 + math.tanh(a / 2)), rel=1e-12, abs=1e-15)
    assert FUNCTIONS["softplus"](a) == (
        a if a >= 745 else pytest.approx(math.log1p(math.exp(min(a, 500.0))), rel=1e-12)
    )
    assert FUNCTIONS["logaddexp"](a, a) == a + math.log(2)
    assert FUNCTIONS["logaddexp"](a, -a) == pytest.approx(abs(a) + math.log1p(math.exp(-abs(2 * a))), rel=1e-15)
    assert abs(partial(RULES["logaddexp"], 0, a, -a)) <= 1


def test_a_primitive_without_a_word_in_a_language_is_refused_with_its_name():
    with pytest.raises(ValueError, match="primitives: erf has no word in javascript, excel, latex"):
        read_table("erf  math.erf  scipy.special.erf  erf  jax.scipy.special.erf")


def test_a_primitive_without_a_row_and_a_row_with_an_unknown_word_are_refused_with_their_names():
    with pytest.raises(ValueError, match="rules: the primitive cosh has no row"):
        add_words({name: rule for name, rule in RULES.items() if name != "cosh"})
    for formula, word in (("zeta(a)", "zeta"), ("1 + zeta(beta(a))", "beta")):
        with pytest.raises(ValueError, match=f"rules: the row zeta calls {word}, which is no primitive and no other"):
            add_words({**RULES, "zeta": Rule("zeta", formula, ("1",))})


@pytest.mark.parametrize("language", ["numpy", "jax"])
def test_each_language_has_the_words_that_the_table_gives_it(language):
    pytest.importorskip(language)
    for said in PRIMITIVES.values():
        module, _, function = getattr(said, language).rpartition(".")
        assert callable(getattr(importlib.import_module(module or "builtins"), function))


@pytest.mark.parametrize("a", [-700.0, -37.0, -4.1, -2.1, -1.9, 0.3, 1.9, 2.1, 3.9, 4.1, 10.0, 37.0, 300.0, 700.0])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_local_derivatives_keep_their_digits_however_far_out(name, a):
    """Where 1 - y has none left: of sigmoid at 37, y is 1, and the derivative 8.5e-17."""
    (partial,) = getattr(Value(a), name)().partials
    derivative = sympy.diff(symbolic(RULES[name].formula), sympy.Symbol("a", real=True))
    expected = derivative.subs(sympy.Symbol("a", real=True), sympy.Rational(str(a))).evalf(30)
    assert partial == pytest.approx(float(expected), rel=1e-14)
    assert RULES[name].partials == {"sigmoid": ("y * (1 - y)",), "tanh": ("1 - y * y",)}[name]  # what a class reads


def test_sigmoid_keeps_its_small_values():
    """The textbook form 1 / (1 + exp(-a)) overflows here; exp(a) is the value to 300 digits."""
    assert FUNCTIONS["sigmoid"](-700.0) == pytest.approx(math.exp(-700.0), rel=1e-15)


def test_whole_numbers_of_a_formula_become_floats():
    assert with_floats("1 - y * log1p(2)") == "1.0 - y * log1p(2.0)"
    assert with_floats("0.01 * a1 + 1e5") == "0.01 * a1 + 1e5"
