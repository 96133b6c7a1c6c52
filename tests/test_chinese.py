"""Chinese in the terminal: not one English word but names and formulas, the same numbers, and lines that fit."""

import re

import pytest

from scalargrad import Value, derive, draw
from scalargrad.cli import main
from scalargrad.explain.explaining import explain
from scalargrad.formulas.terminal import columns, paragraph
from scalargrad.teach.examples import EXAMPLES, shared_bias, step
from scalargrad.teach.mistakes import MISTAKES, compare
from scalargrad.teach.walkthrough import walkthrough

FORMULA = "z = w*x + b; y = sigmoid(z); E = (y - t)**2 / 2 + z"
NUMBERS = {"w": 0.6, "x": 1.5, "b": 0.9, "t": 0}
NAME = r"(?:(?:net|out|E)_\w+|[wbxytzEvuho]\d*|sigmoid|sigma|delta|net|out|root|L|l|e|backward)"
MATHEMATICS = re.compile(rf"d|d?{NAME}")  # x is the sign of a product as well


def english_words(text):
    return [word for word in re.findall(r"[^\W\d]\w*", text, re.ASCII) if not MATHEMATICS.fullmatch(word)]


def numbers(text):
    return re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)


TEXTS = {
    **{name: lambda lang, build=build: walkthrough(step(build), lang=lang) for name, build in EXAMPLES.items()},
    "explain": lambda lang: explain(FORMULA, NUMBERS, lang=lang),
    **{key: lambda lang, key=key: compare(shared_bias().root, key).text(lang=lang) for key in MISTAKES},
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_has_no_english_word_and_the_same_numbers(text):
    chinese, english = text("zh"), text("en")
    assert english_words(chinese) == []
    assert len(english_words(english)) > 5
    assert sorted(set(numbers(chinese))) == sorted(set(numbers(english)))
    assert max(map(columns, chinese.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [["example"], ["explain", FORMULA, *(f"{k}={v}" for k, v in NUMBERS.items())]])
def test_the_command_takes_the_language_of_the_locale(arguments, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--out", "out"]) == 0
    printed = re.sub(r"\S+\.(?:svg|html|txt)", "", capsys.readouterr().out)
    assert english_words(printed) == []
    assert "已写入：" in printed
    assert main([*arguments, "--out", "out", "--lang", "en"]) == 0
    assert "Written:" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "name"), [("page", "steps.html"), ("sheet", "graph.xlsx")])
def test_no_space_stands_after_a_chinese_colon(command, name, tmp_path, capsys):
    path = tmp_path / name
    for lang, written in (("zh", f"已写入：{path}\n"), ("en", f"Written: {path}\n")):
        assert main([command, "y = w*x", "w=2", "x=3", "--out", str(path), "--lang", lang]) == 0
        assert capsys.readouterr().out.startswith(written)


def test_what_is_left_out_of_a_long_derivation_is_said_in_chinese():
    x = Value(1.1, "x")
    many = [x * w for w in range(1, 30)]
    root = many[0]
    for node in many[1:]:
        root = root + node * x
    y = x
    for number in range(60):
        y = y * x
        y.label = f"v{number}"
    for text in (derive(root, x, lang="zh", view="operations", limit=2).text, derive(y, x, lang="zh", limit=3).text):
        assert english_words(text) == []
        assert "另有" in text


def test_a_derivation_with_chinese_names_is_aligned():
    lines = derive(sum_of_chinese_names(), WEIGHT).text.splitlines()[2:]
    assert {columns(line[: line.index("=")]) for line in lines if "=" in line} == {columns("d误差/d权重 ")}


WEIGHT = Value(0.6, "权重")


def sum_of_chinese_names():
    net = WEIGHT * Value(1.5, "输入")
    net.label = "净输入"
    error = net.sigmoid() ** 2
    error.label = "误差"
    return error


def test_a_picture_speaks_chinese():
    source = draw(shared_bias().root, "quantities", legend=True, lang="zh").source
    for word in ("值 0.5", "梯度 0", "参数", "损失", "尚未调用 backward()"):
        assert word in source
    assert "value" not in source
    assert "grad " not in source


def test_a_paragraph_breaks_where_chinese_may_break():
    text = "误差还没有传回去（而 out_h1*w3 已经更新），输出层的权重就已经更新。" * 9
    for room in range(12):
        lines = paragraph(text, " " * room).splitlines()
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(60 < columns(line) <= 80 for line in lines[:-1])
        assert not any(line.lstrip()[0] in "，。）" or line[-1] == "（" for line in lines)
