"""Slips: each usual wrong working is named by the number it gives, and nothing is named for a right answer."""

import math
import random

import pytest

import scalargrad
from scalargrad import Value, messages, topological_order
from scalargrad.explain.reporting import number_text
from scalargrad.functions import of_rule
from scalargrad.graph.views import view_of
from scalargrad.rules import RULES
from scalargrad.teach import slips
from scalargrad.teach.examples import shared_bias, two_output
from scalargrad.teach.mistakes import MISTAKES
from scalargrad.teach.worksheets import KINDS, worksheet

NUMBERS = KINDS[:4]
DIGITS = 6


def inject(sheet):
    """Write every slip's number into its blank alone; count those that change it, and those that are named."""
    right = {line.blank: line.written(sheet.decimals) for line in sheet.blanks}
    assert all((mark.verdict, mark.slips) == ("right", ()) for mark in sheet.marker.mark(right))
    injected = named = 0
    for line in sheet.blanks:
        for key, number in sheet.marker.slips(line):
            written = number_text(number, sheet.decimals)
            if written != right[line.blank]:
                injected += 1
                named += key in sheet.marker.mark({line.blank: written})[line.blank - 1].slips
    return injected, named


def random_graph(generator):
    """Record eight operations of the table on labelled leaves; most of the results have labels too."""
    values = [Value(round(generator.uniform(0.3, 1.7), 2), label) for label in ("x1", "x2", "w1", "w2", "b1")]
    while len(values) < 13:
        rule = generator.choice(list(RULES.values()))
        operands = generator.choices(values, k=len(rule.operands))
        try:
            value = of_rule(rule)(*operands)
        except (ArithmeticError, ValueError):
            continue
        if 0.01 < abs(value.data) < 100:
            value.label = f"q{len(values)}" if generator.random() < 0.7 else ""
            values.append(value)
    root = values[-1]
    for value in values[5:-1]:
        if not value.parents or value in topological_order(root):
            continue
        root = root + value
    root.label = "y"
    return root


@pytest.mark.parametrize("build", [two_output, shared_bias])
def test_at_least_95_percent_of_the_slips_are_named_on_the_documents_networks(build):
    injected, named = inject(worksheet(build().root, NUMBERS, decimals=DIGITS, learning_rate=0.5))
    assert injected > 400
    assert named >= 0.95 * injected, (named, injected)


@pytest.mark.thorough
def test_at_least_95_percent_of_the_slips_are_named_on_random_graphs():
    injected = named = graphs = 0
    for seed in range(100):
        sheet = worksheet(random_graph(random.Random(seed)), ("values", "gradients"), decimals=DIGITS)
        graphs += bool(sheet.blanks)
        there, told = inject(sheet)
        injected, named = injected + there, named + told
    assert graphs == 100
    assert injected > 8_000
    assert named >= 0.95 * injected, (named, injected)


OWN = scalargrad.operation("own", "a*b + a**3", ["b + 3*a**2", "a"])
OWN_CALLABLE = scalargrad.operation("own_callable", lambda a: a**3, lambda a: 3 * a**2)
OPERATIONS = [*(of_rule(rule) for rule in RULES.values()), OWN, OWN_CALLABLE]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_the_slips_of_every_operation_are_named(operation):
    count = 2 if operation is OWN else 1 if operation is OWN_CALLABLE else len(RULES[operation.__name__].operands)
    operands = [Value(1.37, "x"), Value(0.62, "w")][:count]
    inner = operation(*operands)
    inner.label = "z"
    y = (inner * 1.3).sigmoid() * inner
    y.label = "y"
    for view in ("quantities", "operations"):
        injected, named = inject(worksheet(y, NUMBERS, view=view, decimals=DIGITS, learning_rate=0.5))
        assert injected > 30
        assert named >= 0.95 * injected, (view, named, injected)


# --- numbers worked out here, slip by slip ---------------------------------------------------------------------------


def sigma(z):
    return 1 / (1 + math.exp(-z))


x1, x2, y1 = 0.5, 1.0, 1.0
net_h1, out_h1 = 0.85, sigma(0.85)
out_h2 = sigma(1.0)
net_o1 = out_h1 * 0.6 + out_h2 * 0.8 + 1.0
net_o2 = out_h1 * 0.7 + out_h2 * 0.9 + 1.0
out_o1, out_o2 = sigma(net_o1), sigma(net_o2)
delta_o1 = (out_o1 - y1) * out_o1 * (1 - out_o1)
delta_o2 = out_o2 * out_o2 * (1 - out_o2)
up_h1 = 0.6 * delta_o1 + 0.7 * delta_o2
slope_h1 = out_h1 * (1 - out_h1)
delta_h1 = up_h1 * slope_h1
early_h1 = (0.6 - delta_o1 * out_h1) * delta_o1 + (0.7 - delta_o2 * out_h1) * delta_o2


@pytest.mark.parametrize(
    ("name", "number", "key"),
    [
        ("net_h1", 0.35, "bias"),
        ("net_h1", 0.3 + 0.5, "term"),
        ("net_h1", 0.05 - 0.3 + 0.5, "sign"),
        ("out_h1", net_h1, "activation"),
        ("E_o1", (y1 - out_o1) ** 2, "half"),
        ("E_o1", 0.5 * (y1 - out_o1), "exponent"),
        ("dE_o1/dout_o1", 2 * (out_o1 - y1), "half"),
        ("dE_o1/dout_o1", y1 - out_o1, "inner"),
        ("dout_o1/dnet_o1", net_o1 * (1 - net_o1), "input"),
        ("dout_o1/dnet_o1", out_o2 * (1 - out_o2), "neighbour"),
        ("dout_o1/dnet_o1", out_o1, "value"),
        ("dnet_h1/dw1", 0.1, "operand"),
        ("dE_total/dnet_o1", out_o1 - y1, "local"),
        ("dE_total/dnet_o1", -delta_o1, "sign"),
        ("dE_total/dnet_o1", (out_o1 - y1) * net_o1 * (1 - net_o1), "input"),
        ("dE_total/dnet_o1", (out_o1 - y1) * out_o2 * (1 - out_o2), "neighbour"),
        ("dE_total/dnet_o1", out_o1 * (1 - out_o1), "upstream"),
        ("dE_total/dout_h1", 0.6 * delta_o1, "path"),
        ("dE_total/dout_h1", 0.7 * delta_o2, "path"),
        ("dE_total/dout_h1", 0.6 * delta_o1 - 0.7 * delta_o2, "sign"),
        ("dE_total/dout_h1", early_h1, "updated too early"),
        ("dE_total/dnet_h1", up_h1, "local"),
        ("dE_total/dw1", delta_h1 * 0.1, "operand"),
        ("dE_total/dw2", 0.0, "before backward"),
        ("new w1", 0.1 + delta_h1 * x1, "uphill"),
        ("new w1", delta_h1 * x1, "change"),
        ("new w1", 0.1 - delta_h1 * x2, "other gradient"),
    ],
)
def test_a_slip_worked_out_by_hand_is_named(name, number, key):
    sheet = worksheet(two_output().root, NUMBERS, decimals=8)
    line = next(line for line in sheet.blanks if str(line.name) == name)
    mark = sheet.check(f"({line.blank}) {number_text(number, 8)}").marks[line.blank - 1]
    assert mark.verdict in ("wrong", "too coarse")
    assert key in mark.slips


def test_the_power_rule_without_its_factor_or_exponent():
    x = Value(0.7, "x")
    y = x**3
    y.label = "y"
    sheet = worksheet(y, "gradients", decimals=8)
    for number, key in ((0.7**2, "power factor"), (3 * 0.7**3, "power exponent"), (3 * 0.7, "power exponent")):
        assert key in sheet.check(f"1: {number:.8f}").marks[0].slips, key
    assert sheet.check(f"1: {3 * 0.7**2:.8f}").right


def test_a_square_slips_like_a_power():
    x = Value(0.7, "x")
    y = x.square()
    y.label = "y"
    sheet = worksheet(y, ("values", "gradients"), decimals=8)
    for blank, number, key in ((1, 1.4, "times exponent"), (2, 0.7, "power factor"), (2, 0.98, "power exponent")):
        assert key in sheet.check(f"{blank}: {number}").marks[blank - 1].slips, key


def test_the_inner_derivative_of_a_composition():
    x, w = Value(0.7, "x"), Value(3.0, "w")
    y = (w * x).sin()
    y.label = "y"
    sheet = worksheet(y, "gradients", view="quantities", decimals=8)
    for number, key in ((math.cos(2.1), "inner"), (0.7 * math.cos(math.radians(2.1)), "degrees"), (0.7, "inner")):
        assert key in sheet.check(f"dy/dw = {number:.8f}").marks[0].slips, key


def test_several_slips_with_one_number_are_all_named():
    x = Value(2.0, "x")
    y = x**2
    y.label = "y"
    sheet = worksheet(y, "gradients", decimals=4)
    assert {"power factor", "value"} & set(sheet.check("1: 2").marks[0].slips)
    assert len(sheet.check("1: 2").marks[0].slips) > 1


# --- the list --------------------------------------------------------------------------------------------------------


def used_keys():
    tables = [
        *(key for rows in (*slips.REWRITES.values(), *slips.PARTIALS.values()) for key, _ in rows),
        *(
            key
            for rows in (slips.WHOLE, slips.WITH_A_TWO, slips.SEVERAL, slips.GRADIENT, slips.UPDATE)
            for key, _ in rows
        ),
        slips.OTHER_GRADIENT[0],
    ]
    by_structure = ["bias", "activation", "function", "one of two", "value", "input", "output", "neighbour", "inner"]
    return {*tables, *by_structure, "not ready", "done already", *MISTAKES}


@pytest.mark.parametrize("lang", messages.LANGUAGES)
def test_every_slip_has_a_name_and_a_sentence(lang):
    said = {key for key in messages.catalogue("slips", lang) if not key.endswith(".why")}
    assert said | set(MISTAKES) == used_keys()
    for key in used_keys():
        name, why = slips.told(key, lang)
        assert name != why
        assert why.endswith(("。", ".")), why


def test_every_working_comes_to_the_recorded_number():
    for build in (two_output, shared_bias):
        root = build().root
        for view in ("quantities", "operations"):
            shown = view_of(root, view)
            workings = slips.Workings(shown)
            numbers = {workings.symbol(node): node.data for node in shown.order}
            for node in shown.order:
                if node.parents:
                    assert workings.value(node).right(numbers) == pytest.approx(node.data, rel=1e-12)
                for edge, working in zip(shown.edges(node), workings.derivatives(node), strict=True):
                    assert working.right(numbers) == pytest.approx(edge.derivative, rel=1e-12)


def test_a_formula_too_long_for_the_hand_has_no_slips_and_stops_nothing():
    w = Value(0.5, "w")
    y = w
    for _ in range(200):
        y = (y + w).tanh()
    y.label = "y"
    sheet = worksheet(y, view="quantities")
    assert [line.work and line.kind for line in sheet.blanks] == [None, "gradients"]
    assert sheet.check(sheet.answers).right
    assert sheet.check("1: 0.1").marks[0].verdict == "wrong"
