"""Worksheets: the key is right, the sheet gives nothing away, and each planted mistake is told."""

import html
import re
import shutil
import subprocess

import pytest

from scalargrad import Value, relu, topological_order, trace
from scalargrad.teach.examples import shared_bias, two_output
from scalargrad.teach.mistakes import MISTAKES, compare
from scalargrad.teach.worksheets import KINDS, worksheet, worksheets


def two_output_root():
    return two_output().root


def shared_bias_root():
    return shared_bias().root


def neuron():
    x, w, b = Value(2.0, "x"), Value(-0.5, "w"), Value(0.25, "b")
    y = relu((x * w + b).exp() - 3 * x**2) + abs(w) / x
    y.label = "y"
    return y


def tiny_numbers():
    y = (Value(3e-5, "w") * Value(1.7e-4, "x")).tanh() * 1e-3
    y.label = "y"
    return y


GRAPHS = [two_output_root, shared_bias_root, neuron, tiny_numbers]
each_graph = pytest.mark.parametrize("build", GRAPHS)


def verdicts(sheet, text):
    return {mark.blank: mark.verdict for mark in sheet.check(text).marks}


def verdict(sheet, blank, number):
    return verdicts(sheet, f"{blank}: {number}")[blank]


# --- the key ---------------------------------------------------------------------------------------------------------


@each_graph
@pytest.mark.parametrize("view", ["quantities", "operations"])
@pytest.mark.parametrize("digits", [3, 4, 6, 15])
def test_the_answers_are_marked_fully_right(build, view, digits):
    sheet = worksheet(build(), KINDS, view=view, decimals=digits, learning_rate=0.5)
    marking = sheet.check(sheet.answers)
    assert marking.right, str(marking)
    assert len(marking.marks) == len(sheet.blanks) > 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("friendly", [True, False])
@each_graph
def test_the_key_of_every_variant_is_marked_fully_right(build, friendly, kind):
    for sheet in worksheets(build(), 3, kind, friendly=friendly, learning_rate=0.5):
        assert sheet.check(printed_answers(sheet.markdown(key=True))).right


def printed_answers(markdown):
    """Read the numbers off the printed key."""
    rows = re.findall(r"^\| \((\d+)\) \| .* \| [$(](.*)[$)] \|$", markdown, re.MULTILINE)
    plain = ((blank, re.sub(r" \\cdot 10\^\{(.*)\}", r"e\1", number)) for blank, number in rows)
    return "\n".join(f"({blank}) {number}" for blank, number in plain)


@pytest.mark.parametrize(
    ("form", "cell"),
    [("markdown", r"^\| \((\d+)\) \|"), ("latex", r"^\((\d+)\) &"), ("html", r"<td>\((\d+)\)</td>")],
)
def test_sheet_and_key_have_the_same_blanks_and_only_the_key_the_answers(form, cell):
    sheet = worksheet(two_output_root(), KINDS)
    blanks = [line.blank for line in sheet.blanks]
    for key in (False, True):
        text = getattr(sheet, form)(key=key)
        assert [int(blank) for blank in re.findall(cell, text, re.MULTILINE)] == blanks
    with_answers, without = getattr(sheet, form)(key=True), getattr(sheet, form)()
    for answer in ("0.7006", "2.0052", "0.8813", "0.0838", "1.0124", "0.6413"):
        assert answer in with_answers
        assert answer not in without


def test_the_answers_are_the_published_ones():
    answers = worksheet(two_output_root(), KINDS, decimals=8).answers.splitlines()
    written = {line.split(") ", 1)[1] for line in answers}
    assert {
        "dE_total/dw3 = -0.00869356",
        "dE_total/dw4 = 0.05870176",
        "new w1 = 0.09462891",
        "new b4 = 0.91620823",
        "net_h1 = 0.85",
        "dE_total/dnet_h2 = 0.01287516",
    } <= written


# --- what stands on a sheet ------------------------------------------------------------------------------------------


def kinds(sheet):
    return {line.kind for line in sheet.lines}, {line.kind for line in sheet.blanks}


def test_what_comes_before_the_blanks_is_given_and_what_comes_after_left_out():
    root = two_output_root()
    assert kinds(worksheet(root, "values")) == ({"values"}, {"values"})
    assert kinds(worksheet(root, "gradients")) == ({"values", "local derivatives", "gradients"}, {"gradients"})
    assert kinds(worksheet(root, ("values", "gradients"))) == ({"values", "gradients"}, {"values", "gradients"})
    assert kinds(worksheet(root, "updated parameters")) == (set(KINDS[:4]), {"updated parameters"})


def test_what_asks_nothing_is_no_blank():
    sheet = worksheet(two_output_root(), "local derivatives")
    assert "dnet_h1/db1" not in sheet.answers
    assert "dE_total/dx1" not in worksheet(two_output_root(), "gradients").answers


def test_given_values_stand_on_the_sheet():
    text = worksheet(two_output_root(), "gradients").markdown()
    assert re.search(r"^\|  \| .*out.*_\{o1\}.* \| \$0\.8813\$ \|$", text, re.MULTILINE)


def drawn(page):
    """List the texts of the picture."""
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", page)]


def test_the_picture_has_the_blanks_of_the_sheet():
    root = two_output_root()
    texts = drawn(worksheet(root, ("values", "gradients")).html())
    assert texts.count("grad ____") == 22
    assert sum(text.startswith("grad") for text in texts) == 23  # and that of the loss, which is 1
    assert texts.count("value ____") == 11
    assert "value 0.6" in texts
    texts = drawn(worksheet(root, "values").html())
    assert texts.count("value ____") == 11
    assert not any(text.startswith("grad") for text in texts)
    texts = drawn(worksheet(root, "gradients").html(key=True))
    assert {"value 0.7006", "grad -0.008694"} <= set(texts)


def test_the_page_is_one_file_and_escapes_labels():
    y = Value(0.5, "<w>&") * Value(2.0, "x_1")
    y.label = "y"
    text = worksheet(y, title="<script>").html()
    assert "<script" not in text
    assert "&lt;w&gt;&amp;" in text
    assert "http://" not in text.replace("http://www.w3.org/", "")


def test_bars_do_not_break_a_markdown_table():
    rows = [line for line in worksheet(neuron()).markdown(key=True).splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} == {4}


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs LaTeX")
def test_the_latex_compiles(tmp_path):
    sheet = worksheet(two_output_root(), KINDS, title="Sheet 1_2 & 50%")
    for name, text in (
        ("sheet", sheet.latex()),
        ("key", sheet.latex(key=True)),
        ("abs", worksheet(neuron()).latex(True)),
    ):
        (tmp_path / f"{name}.tex").write_text(text)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
        assert result.returncode == 0, result.stdout[-800:]
        assert "Overfull" not in result.stdout


def test_the_files_of_a_sheet(tmp_path):
    paths = worksheet(two_output_root()).write(tmp_path / "class", "sheet")
    assert sorted(path.name for path in paths) == [
        *("sheet-key.html", "sheet-key.md", "sheet-key.tex", "sheet.html", "sheet.md", "sheet.tex")
    ]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_a_parameter_in_many_places_is_no_trouble():
    w = Value(0.5, "w")
    total = sum((w * (k / 1000) for k in range(500)), Value(1.0, "x"))
    total.label = "total"
    sheet = worksheet(total, "gradients", view="quantities")
    assert sheet.answers == "(1) dtotal/dw = 124.75"
    assert "124.75" in sheet.markdown(key=True)
    sheet = worksheet(total, "gradients", view="operations")
    assert sheet.check(sheet.answers).right
    assert sheet.markdown(key=True)


# --- numbers and variants --------------------------------------------------------------------------------------------


def numbers(sheet):
    return {node.label: node.data for node in topological_order(sheet.root) if not node.parents and node.label}


def test_without_a_seed_the_numbers_are_those_of_the_graph():
    root = two_output_root()
    assert numbers(worksheet(root)) == {n.label: n.data for n in topological_order(root) if not n.parents and n.label}


def test_a_seed_gives_the_same_sheet_every_time_and_another_seed_another():
    root = two_output_root()
    first, again, other = (worksheet(root, seed=seed).markdown() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_variants_differ_in_their_numbers_and_keep_the_targets():
    sheets = worksheets(two_output_root(), 4, friendly=True, seed=5)
    assert len({sheet.answers for sheet in sheets}) == 4
    assert [sheet.title for sheet in sheets][::3] == ["Worksheet: E_total, variant 1", "Worksheet: E_total, variant 4"]
    assert all((numbers(sheet)["y1"], numbers(sheet)["y2"]) == (1, 0) for sheet in sheets)


def test_friendly_numbers_are_short_decimals():
    for sheet in worksheets(two_output_root(), 5, friendly=True):
        assert all(len(f"{number:g}") <= 3 for number in numbers(sheet).values())


def test_numbers_stay_in_the_domain_or_are_refused():
    w = Value(1.0, "w")
    sheets = worksheets((Value(1.05, "x") - w).log(), 5, friendly=True)
    assert all(numbers(sheet)["x"] > numbers(sheet)["w"] for sheet in sheets)
    with pytest.raises(ValueError, match="no numbers that the operations can take"):
        worksheet(impossible(), seed=0)


def impossible():
    """Build a graph that only its own numbers fit."""
    x = Value(100.0, "x")
    return (1e-9 - (x - 100.0) ** 2).log()


def test_the_graph_is_not_changed():
    root = two_output_root()
    before = [(node, node.data, node.grad) for node in topological_order(root)]
    worksheet(root, KINDS, seed=3).html(key=True)
    assert before == [(node, node.data, node.grad) for node in topological_order(root)]


@pytest.mark.parametrize("blanks", ["value", (), ("values", "answers")])
def test_unknown_blanks_are_refused(blanks):
    with pytest.raises(ValueError, match="needs blanks among 'values'"):
        worksheet(two_output_root(), blanks)


@pytest.mark.parametrize("decimals", [2, 16])
def test_decimals_out_of_range_are_refused(decimals):
    with pytest.raises(ValueError, match="from 3 to 15"):
        worksheet(two_output_root(), decimals=decimals)


# --- the checker -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", ["0.70", "0.7006", "0.7005", "0.70057", "0.7005671424739729", ".7006", "+0.70", "7.006e-1"]
)
def test_a_number_is_right_at_its_own_precision(number):  # out_h1 = 0.7005671424739729
    assert verdict(worksheet(two_output_root()), 2, number) == "right"


@pytest.mark.parametrize("number", ["0.71", "0.7007", "0.7004", "-0.7006", "0.70056714248", "7.006", "2", "0.5"])
def test_a_wrong_number_is_wrong(number):
    assert verdict(worksheet(two_output_root()), 2, number) == "wrong"


@pytest.mark.parametrize("number", ["0.7", "1", "0", "0.", "7e-1"])
def test_one_digit_tells_too_little(number):
    assert verdict(worksheet(two_output_root()), 2, number) == "too coarse"


def test_an_exact_number_may_be_as_short_as_it_is():
    sheet = worksheet(two_output_root())
    assert verdict(sheet, 3, "1") == "right"
    assert verdict(sheet, 1, "0.85") == "right"
    assert verdict(sheet, 1, "0.9") == "too coarse"


def test_a_negative_number_is_rounded_and_cut_off_towards_zero():
    sheet = worksheet(two_output_root(), "gradients")
    blank = next(line.blank for line in sheet.blanks if str(line.name) == "dE_total/dw3")  # -0.00869356
    for number, expected in (
        ("-0.00869", "right"),
        ("-0.0087", "right"),
        ("-0.0086", "right"),
        ("\u22120.0087", "right"),
    ):
        assert verdict(sheet, blank, number) == expected
    for number in ("0.0087", "-0.0088", "-0.00868"):
        assert verdict(sheet, blank, number) == "wrong"


@pytest.mark.parametrize(
    "line", ["2: 0.7006", "(2) 0.7006", "2. 0.7006", "2) 0.7006", "2 0.7006", "2 = 0.7006", "(2) out_h1 = 0.7006",
             "out_h1 = 0.7006", "out_h1: 0.7006", "out_h1 0.7006", "  2 :0.7006 ; ", "out_h1=0.7006"]
)  # fmt: skip
def test_an_answer_names_its_blank_by_number_or_name(line):
    assert verdicts(worksheet(two_output_root()), line)[2] == "right"


def test_what_cannot_be_read_is_said_and_the_rest_still_marked():
    sheet = worksheet(two_output_root())
    marking = sheet.check(
        "1: 0.85\n2: zero\n3: 1e999999999\n4: 0,73\n5: " + "9" * 5000 + "\nhello\nfoo = 3\n99: 1\n\n6: nan"
    )
    found = {mark.blank: mark.verdict for mark in marking.marks}
    assert [found[blank] for blank in range(1, 8)] == [
        *("right", "unreadable", "unreadable", "unreadable", "unreadable", "unreadable", "missing")
    ]
    assert [mark.given for mark in marking.marks if not mark.blank] == ["hello", "foo = 3", "99: 1"]
    assert not marking.right
    assert "1 of" in str(marking).splitlines()[0]


@pytest.mark.parametrize("label", ["a;b", "a\nb", "a\r\nb", "a\u2028b", "a = b: c"])
def test_the_answers_can_be_read_whatever_stands_in_a_label(label):
    w, x = Value(0.6, label), Value(1.5, "x")
    y = (w * x).sigmoid()
    y.label = f"y {label}"
    sheet = worksheet(y, KINDS)
    assert len(sheet.answers.splitlines()) == len(sheet.blanks)
    assert sheet.check(sheet.answers).right
    assert verdicts(sheet, sheet.answers.splitlines()[0].removeprefix("(1) "))[1] == "right"  # by its name alone


def test_half_a_character_in_a_label_does_not_stop_the_writing(tmp_path):
    y = Value(0.6, "a\ud800b") * Value(1.5, "x")
    y.label = "y\udfff"
    for path in worksheet(y, title="sheet \ud800").write(tmp_path, "sheet"):
        assert "?" in path.read_text(encoding="utf-8")


def test_nothing_written_is_all_missing():
    sheet = worksheet(two_output_root())
    assert set(verdicts(sheet, "").values()) == {"missing"}


@pytest.mark.parametrize("key", MISTAKES)
@pytest.mark.parametrize("build", [two_output_root, shared_bias_root])
def test_each_planted_mistake_is_told(build, key):
    """Fill a sheet with the numbers of a mistake: where they are wrong, the checker says which mistake it is."""
    sheet = worksheet(build(), "gradients", decimals=8)
    wrong = compare(sheet.root, key).wrong
    right = trace(sheet.root).gradients
    text = "\n".join(f"{line.blank}: {wrong[line.node]:.8f}" for line in sheet.blanks)
    planted = told = 0
    for mark, line in zip(sheet.check(text).marks, sheet.blanks, strict=True):
        if abs(wrong[line.node] - right[line.node]) > 1e-7:
            planted += 1
            assert mark.verdict == "follows" or key in mark.slips
            told += key in mark.slips
        else:
            assert mark.verdict == "right"
    assert planted > 3
    assert told > 0


@pytest.mark.parametrize("key", ["recursion", "assignment", "updated too early", "before backward"])
def test_a_mistake_shows_in_the_updated_parameters_too(key):
    sheet = worksheet(two_output_root(), "updated parameters", decimals=8, learning_rate=0.5)
    wrong = compare(sheet.root, key, learning_rate=0.5).wrong
    line = next(line for line in sheet.blanks if line.name.of == "w1")
    mark = sheet.check(f"new w1 = {line.node.data - 0.5 * wrong[line.node]:.8f}").marks[line.blank - 1]
    assert mark.verdict == "wrong"
    assert key in mark.slips
    assert MISTAKES[key].name() in str(sheet.check(f"new w1 = {line.node.data - 0.5 * wrong[line.node]:.8f}"))


def test_the_slip_of_the_document_is_told():
    """The document has for the shared bias the path through o1 alone, which is what `=` for `+=` may leave."""
    sheet = worksheet(shared_bias_root(), "gradients")
    blank = next(line.blank for line in sheet.blanks if str(line.name) == "dE_total/db2")
    assert sheet.check(f"{blank}: -0.030502").marks[blank - 1].slips == ("assignment", "path")


def test_a_number_that_no_mistake_gives_has_none():
    sheet = worksheet(two_output_root(), "gradients")
    assert sheet.check("5: 0.12345").marks[4].slips == ()
