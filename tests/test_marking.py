"""Marking: one wrong number costs one mark, whatever follows from it; expressions, choices, fading, Chinese."""

import html
import math
import re

import pytest

from scalargrad import Value
from scalargrad.teach.examples import shared_bias, two_output
from scalargrad.teach.worksheet_forms import Markdown
from scalargrad.teach.worksheets import KINDS, faded, worksheet, worksheets

ORDER = KINDS[:4]


def sigma(z):
    return 1 / (1 + math.exp(-z))


def work(changed, decimals=4):
    """Work the shared-bias sheet as a student does, every number rounded; `changed` is what goes wrong on the way."""
    n = {"x1": 0.5, "x2": 1.0, "y1": 1.0, "y2": 0.0, "w1": 0.1, "w2": 0.3, "b1": 0.5, "w3": 0.6, "w4": 0.7, "b2": 1.0}

    def put(name, number):
        n[name] = round(number + changed.get(name, 0.0), decimals)

    put("net_h1", n["x1"] * n["w1"] + n["x2"] * n["w2"] + n["b1"])
    put("out_h1", sigma(n["net_h1"]))
    for o, w, y in (("1", "w3", "y1"), ("2", "w4", "y2")):
        put(f"net_o{o}", n["out_h1"] * n[w] + n["b2"])
        put(f"out_o{o}", sigma(n[f"net_o{o}"]))
        put(f"E_o{o}", (n[y] - n[f"out_o{o}"]) ** 2 / 2)
    put("E_total", n["E_o1"] + n["E_o2"])
    n["dE_total/dE_o1"] = n["dE_total/dE_o2"] = 1.0
    for o, y in (("1", "y1"), ("2", "y2")):
        put(f"dE_total/dout_o{o}", n[f"out_o{o}"] - n[y])
        slope = n[f"out_o{o}"] * (1 - n[f"out_o{o}"])
        put(f"dE_total/dnet_o{o}", n[f"dE_total/dout_o{o}"] * slope)
    o1, o2 = n["dE_total/dnet_o1"], n["dE_total/dnet_o2"]
    put("dE_total/dw3", o1 * n["out_h1"])
    put("dE_total/dw4", o2 * n["out_h1"])
    put("dE_total/db2", o1 + o2)
    put("dE_total/dout_h1", o1 * n["w3"] + o2 * n["w4"])
    put("dE_total/dnet_h1", n["dE_total/dout_h1"] * n["out_h1"] * (1 - n["out_h1"]))
    put("dE_total/dw1", n["dE_total/dnet_h1"] * n["x1"])
    put("dE_total/dw2", n["dE_total/dnet_h1"] * n["x2"])
    put("dE_total/db1", n["dE_total/dnet_h1"])
    for w in ("w1", "w2", "b1", "w3", "w4", "b2"):
        put(f"new {w}", n[w] - n[f"dE_total/d{w}"])
    return n


@pytest.fixture(scope="module")
def sheet():
    return worksheet(shared_bias().root, ("values", "gradients", "updated parameters"))


def marked(sheet, changed):
    numbers = work(changed)
    assert {str(line.name) for line in sheet.blanks} <= set(numbers)
    text = "\n".join(f"({line.blank}) {numbers[str(line.name)]:.4f}" for line in sheet.blanks)
    return sheet.check(text)


def test_what_is_rounded_at_every_step_is_right(sheet):
    marking = marked(sheet, {})
    assert marking.right, str(marking)


BLANKS = ["net_h1", "out_h1", "net_o1", "net_o2", "out_o2", "E_o1", "dE_total/dnet_o1", "dE_total/dnet_h1"]


@pytest.mark.parametrize("name", [*BLANKS, "dE_total/dw3", "new w3"])
@pytest.mark.parametrize("error", [0.1, -0.3])
def test_one_wrong_number_with_consistent_work_after_it_costs_one_mark(sheet, name, error):
    marking = marked(sheet, {name: error})
    assert marking.points == len(sheet.blanks) - 1, str(marking)
    assert [mark.name for mark in marking.marks if mark.verdict == "wrong"] == [name]
    followers = [mark for mark in marking.marks if mark.verdict == "follows"]
    assert bool(followers) == (name not in ("new w3"))
    assert all(mark.follows and not mark.slips for mark in followers)


@pytest.mark.parametrize("pair", [("net_h1", "net_o2"), ("out_o1", "dE_total/dout_h1"), ("E_o2", "new b1")])
def test_two_independent_errors_cost_two_marks(sheet, pair):
    marking = marked(sheet, dict(zip(pair, (0.1, -0.2))))
    assert marking.points == len(sheet.blanks) - 2, str(marking)
    assert tuple(mark.name for mark in marking.marks if mark.verdict == "wrong") == pair


def test_the_blank_that_a_number_follows_from_is_named(sheet):
    marking = marked(sheet, {"net_h1": 0.1})
    assert "(2) out_h1 = 0.7211: follows from your (1)" in str(marking)
    assert marking.marks[1].follows == (1,)


def test_a_slip_with_the_students_own_numbers_is_named(sheet):
    numbers = work({"net_h1": 0.1})
    text = f"(1) {numbers['net_h1']}\n(2) {numbers['out_h1']}\n(3) {numbers['out_h1'] * 0.6:.4f}"
    mark = sheet.check(text).marks[2]
    assert (mark.verdict, "bias" in mark.slips) == ("wrong", True)


def test_what_is_left_out_is_passed_over(sheet):
    """The third number follows from the first, through the second that nobody wrote down."""
    numbers = work({"net_h1": 0.1})
    marks = sheet.check(f"(1) {numbers['net_h1']}\n(3) {numbers['net_o1']}").marks
    assert [mark.verdict for mark in marks[:3]] == ["wrong", "missing", "follows"]


@pytest.mark.parametrize("own", ["-1", "0", "1e300", "-1e300", "1e999", "1e-300", "1e308*1"])
def test_numbers_that_lead_out_of_a_domain_stop_nothing(own):
    """The logarithm of a student's own -1 is nothing that could follow from it."""
    x, w = Value(1.5, "x"), Value(0.5, "w")
    z = w * x
    u = z.log() * z.exp()
    y = 1 / u + u**2
    z.label, u.label, y.label = "z", "u", "y"
    sheet = worksheet(y, ORDER)
    for wrong in ("0.123", "7*7", "-0.5", "1e300"):
        marks = sheet.check("\n".join(f"{line.blank}: {own if line.blank == 1 else wrong}" for line in sheet.blanks))
        assert len(marks.marks) == len(sheet.blanks)
        assert marks.marks[0].verdict in ("wrong", "unreadable", "too coarse")


# --- expressions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", ["0.5*0.1 + 1*0.3 + 0.5", "0.05+0.8", "17/20", "sigmoid(0)*1.7", "(0.85)", "0.5×0.1+0.8".replace("×", "*")]
)
def test_a_blank_may_be_answered_with_an_expression(sheet, given):
    assert sheet.check(f"(1) net_h1 = {given}").marks[0].verdict == "right"
    assert sheet.check(f"1: {given}").marks[0].verdict == "right"


def test_an_expression_of_rounded_numbers_is_right(sheet):
    line = next(line for line in sheet.blanks if str(line.name) == "dE_total/dw4")
    assert sheet.check(f"{line.blank}: 0.1225*0.7006").marks[line.blank - 1].verdict == "right"
    assert "sign" in sheet.check(f"{line.blank}: -0.1225*0.7006").marks[line.blank - 1].slips


@pytest.mark.parametrize(
    "given", ["__import__('os').system('true')", "open('x')", "().__class__", "lambda x", "x1*w1", "1 if 1 else 0",
              "9**9**9**9", "1/0", "log(-1)", "exec", "((((", "1"*3000 + "+"]
)  # fmt: skip
def test_what_is_no_expression_of_numbers_is_unreadable_and_never_run(sheet, given):
    assert sheet.check(f"1: {given}").marks[0].verdict == "unreadable"


def test_digits_of_a_chinese_keyboard_are_read(sheet):
    assert sheet.check("1: ０．８５").marks[0].verdict == "right"


# --- choices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [two_output, shared_bias])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_choice_has_one_right_option_and_names_the_slip_of_each_other(build, lang):
    for sheet in worksheets(build().root, 4, ("gradients", "choices"), lang=lang):
        choices = [line for line in sheet.blanks if line.choice]
        assert {line.choice.ask for line in choices} == {"choices.next", "choices.factor"}
        assert sheet.check(sheet.answers).right
        for line in choices:
            letters = "abcd"[: len(line.choice.options)]
            marks = [sheet.check(f"({line.blank}) {letter}").marks[line.blank - 1] for letter in letters]
            assert sorted(mark.verdict for mark in marks) == ["right", *["wrong"] * (len(letters) - 1)]
            assert all(mark.slips for mark in marks if mark.verdict == "wrong")
            assert sheet.check(f"({line.blank}) z").marks[line.blank - 1].verdict == "unreadable"
            for form in ("markdown", "latex", "html"):
                assert f"({line.blank})" in getattr(sheet, form)()


def test_the_gradient_that_may_be_next_has_all_its_contributions():
    for seed in range(10):
        sheet = worksheet(two_output().root, "choices", seed=seed)
        for line in sheet.blanks:
            if line.choice.ask == "choices.next":
                known = {part.id.to for part in line.choice.about["known"]}
                for option, slip in zip(line.choice.options, line.choice.slips):
                    users = {name for name, needed in USED_BY.items() if option.id.to in needed}
                    assert (users <= known) == (slip != "not ready")
                    assert (option.id.to in known) == (slip == "done already")


USED_BY = {
    "E_total": ["E_o1", "E_o2"],
    **{f"E_o{o}": [f"out_o{o}"] for o in "12"},
    **{f"out_{n}": [f"net_{n}"] for n in ("o1", "o2", "h1", "h2")},
    "net_o1": ["out_h1", "out_h2", "w3", "w7", "b2"],
    "net_o2": ["out_h1", "out_h2", "w4", "w8", "b4"],
    "net_h1": ["w1", "w2", "b1"],
    "net_h2": ["w5", "w6", "b3"],
}


# --- fading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_faded_set_goes_from_worked_in_full_to_all_blank_from_the_end(count):
    sheets = faded(two_output().root, count, ("values", "gradients"), seed=3, friendly=True)
    blanks = [len(sheet.blanks) for sheet in sheets]
    total = len([line for line in sheets[-1].lines if line.blank])
    assert blanks[0] == 0
    assert blanks[-1] == total == 33
    assert blanks == sorted(blanks)
    assert len(set(blanks)) == count
    for sheet in sheets:
        asked = [bool(line.blank) for line in sheet.lines]
        assert asked == sorted(asked)  # what is given first, what is asked after it
        assert [line.blank for line in sheet.blanks] == list(range(1, len(sheet.blanks) + 1))
        assert sheet.check(sheet.answers).right
    assert len({tuple(sheet.numbers.values()) for sheet in sheets}) == count


def test_the_worked_steps_show_their_working_and_the_blank_ones_do_not():
    first, second, *_ = faded(two_output().root, 4, ("values", "gradients"), seed=3)
    shown = {line.name for line in first.lines if line.working}
    assert len(shown) == 33
    for sheet in (first, second):
        page = sheet.markdown()
        for line in sheet.lines:
            if line.symbols and "+" not in (written := sheet_notation(sheet, line.symbols)):
                assert (written in page) == (not line.blank)


def sheet_notation(sheet, expression):
    return Markdown(sheet, False).notation.write(expression)


def test_one_sheet_is_no_set():
    with pytest.raises(ValueError, match="two sheets or more"):
        faded(two_output().root, 1)


# --- Chinese ---------------------------------------------------------------------------------------------------------


def test_marking_speaks_chinese():
    sheet = worksheet(two_output().root, ("values", "gradients", "updated parameters"), lang="zh")
    assert "更新后的 w1" in sheet.answers
    assert sheet.check(sheet.answers).right
    text = str(sheet.check("1: 0.35\n2: zero\nnonsense\n4: 0.7\n5: 1.0"))
    assert "33" in text.splitlines()[0] or "45" in text.splitlines()[0]
    for words in ("漏了偏置", "无法识别", "没有填写"):
        assert words in text
    page = sheet.html()
    assert '<html lang="zh-CN">' in page
    for words in ("前向传播", "梯度：上游梯度乘以局部导数", "参数更新", "已知"):
        assert words in page


def test_no_word_of_the_other_language_is_on_a_chinese_sheet():
    sheet = worksheet(two_output().root, KINDS, lang="zh", seed=1)
    text = html.unescape(re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]*>", " ", sheet.html(), flags=re.DOTALL))
    words = set(re.findall(r"[A-Za-z]{2,}", text))
    assert words <= {"net", "out", "total", "sigmoid", "E", "h1", "h2", "o1", "o2"}, words


def test_a_leaf_without_a_label_is_no_line():
    y = Value(0.6) * Value(1.5, "x")
    y.label = "y"
    assert "new " in worksheet(y, "updated parameters").answers
