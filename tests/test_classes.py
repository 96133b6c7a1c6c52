"""A class marked from one CSV: hostile, empty and doubled rows are refused with their line, and nothing is lost."""

import csv
import io
import json
import random
import re

import pytest

from scalargrad.cli import main
from scalargrad.teach import classes
from scalargrad.teach.examples import two_output
from scalargrad.teach.worksheets import worksheets


@pytest.fixture(scope="module")
def sheets():
    return worksheets(two_output().root, 3, ("values", "gradients"), friendly=True, seed=1)


def answers(sheet):
    return [line.written(sheet.decimals) for line in sheet.blanks]


def filled(sheets, rows):
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return (classes.answers_header(sheets) + written.getvalue()).encode()


def table(text):
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_a_class_of_300_by_30_blanks_with_known_slips(sheets):
    """Every student makes two known slips: they are found, counted and told, and cost what they should."""
    generator = random.Random(4)
    slips = [[(line, list(sheet.marker.slips(line))) for line in sheet.blanks] for sheet in sheets]
    rows, made = [], 0
    for number in range(300):
        variant = number % 3
        given = answers(sheets[variant])
        line, possible = generator.choice([pair for pair in slips[variant] if pair[1]][-8:])
        _, wrong = generator.choice(possible)
        given[line.blank - 1] = f"{wrong:.6f}"
        made += abs(wrong - line.answer) > 0.01
        rows.append([f"student {number}", variant + 1, *given])
    found = classes.mark_class(sheets, filled(sheets, rows))
    assert len(found.students) == 300
    assert not found.refused
    assert len(sheets[0].blanks) == 33
    lost = [33 - student.marking.points for student in found.students]
    assert max(lost) == 1
    assert made <= sum(lost) <= 300
    told = sum(bool(mark.slips) for student in found.students for mark in student.marking.marks)
    assert told >= 0.95 * sum(lost)
    assert sum(count for _, count, _, _ in found.slips()) >= told


HOSTILE = "=cmd|' /C calc'!A0"


def test_bad_rows_are_refused_with_their_line_and_the_others_marked(sheets, tmp_path):
    good = answers(sheets[0])
    header = classes.answers_header(sheets).encode()
    lines = [
        ["Anna", "1", *good],
        ["Anna", "2", *answers(sheets[1])],  # doubled
        [],
        [""] * 35,
        ["", "1", *good],
        ["Bo", "4", *good],
        ["Chen", "one", *good],
        ["Dan", "1", *good[:5]],
        ["Eve", "1", *good, "more"],
        [HOSTILE, "1", *good],
        ["<script>alert(1)</script>", "1", "<img src=x>", *good[1:]],
        ["Fay", "1", "9" * 1000, *good[1:]],
        ["../../etc/passwd", "1", "__import__('os')", *good[1:]],
        ["李雷", "1", *[""] * 33],
    ]
    written = io.StringIO()
    csv.writer(written).writerows(lines)
    content = header + written.getvalue().encode() + b'"Gil,1,0.5\r\nHan\x00,1,' + ",".join(good).encode() + b"\r\n"
    found = classes.mark_class(sheets, content)
    assert [student.name for student in found.students] == [
        *("Anna", HOSTILE, "<script>alert(1)</script>", "../../etc/passwd", "李雷", "Han\x00")
    ]
    assert [student.marking.points for student in found.students] == [33, 33, 32, 32, 0, 33]
    assert [(refused.line, refused.reason) for refused in found.refused] == [
        (3, "Anna stands in line 2 already, which is marked"),
        (6, "no name of a student"),
        (7, "no variant 4; there are 1 to 3"),
        (8, "no variant one; there are 1 to 3"),
        (9, "7 columns, needs 35"),
        (10, "36 columns, needs 35"),
        (13, "an answer of more than 200 characters"),
        (16, "a quotation mark is not closed"),
    ]
    paths = found.write(tmp_path / "marks")
    marks = table((tmp_path / "marks" / "marks.csv").read_text("utf-8"))
    assert len(marks) == 7
    assert marks[1][:4] == ["Anna", "1", "33", "33"]
    assert marks[2][0] == f"'{HOSTILE}"
    refused = table((tmp_path / "marks" / "refused.csv").read_text("utf-8"))
    assert refused[1][0] == "3"
    assert refused[1][2].startswith("Anna,2,")  # nothing is lost
    assert all(path.resolve().is_relative_to((tmp_path / "marks").resolve()) for path in paths)
    for path in paths:
        if path.suffix == ".html":
            assert not re.search("<script|<img", path.read_text("utf-8"))
    assert len({path.name for path in paths}) == len(paths) == 4 + 6


def test_the_feedback_of_a_student_says_what_happened(sheets, tmp_path):
    given = answers(sheets[0])
    line = sheets[0].blanks[0]
    wrong = next(number for key, number in sheets[0].marker.slips(line) if key == "bias")
    given[0] = f"{wrong:.4f}"
    found = classes.mark_class(sheets, filled(sheets, [["Anna", "1", *given]]))
    found.write(tmp_path)
    page = (tmp_path / "feedback" / "0002-Anna.html").read_text("utf-8")
    assert "32 of 33 right" in page
    assert "perhaps the bias forgotten" in page
    assert f"right answer: {line.written(4)}" in page
    overview = (tmp_path / "index.html").read_text("utf-8")
    assert "the bias forgotten" in overview
    assert "Mean: 32.0 of 33." in overview


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_csv_of_any_spreadsheet_is_read(sheets, encoding, delimiter):
    rows = [*table(classes.answers_header(sheets)), ["李雷", "2", *answers(sheets[1])]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    (student,) = classes.mark_class(sheets, text.encode(encoding)).students
    assert (student.name, student.variant, student.marking.points) == ("李雷", 2, 33)


@pytest.mark.parametrize("content", [b"", b"name\n", b"name,variant,1\nAnna,1,2\n", b"\xff\xfe\x00"])
def test_a_header_that_does_not_fit_is_refused(sheets, content):
    with pytest.raises(ValueError, match="needs 35 columns"):
        classes.mark_class(sheets, content)


# --- the command -----------------------------------------------------------------------------------------------------


def run(capsys, *arguments):
    status = main(list(map(str, arguments)))
    return status, *capsys.readouterr()


def test_a_class_from_sheet_to_marks(tmp_path, capsys):
    made = [
        "worksheet",
        "two-output",
        "--variants",
        3,
        "--seed",
        7,
        "--friendly",
        "--blanks",
        "values,gradients,choices",
    ]
    status, said, error = run(capsys, *made, "--lang", "en", "--format", "html,md,tex,moodle", "--out", tmp_path / "s")
    assert (status, error) == (0, "")
    assert "21 files written" in said
    sheets = classes.read_key(tmp_path / "s" / "key.json")
    assert len(sheets) == 3
    given = [[f"student {number}", number, *answers(sheet)] for number, sheet in enumerate(sheets, start=1)]
    header = table((tmp_path / "s" / "answers.csv").read_text("utf-8"))[0]
    assert header[:3] == ["student", "variant", "(1) net_h1"]
    with open(tmp_path / "a.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *given, ["Bo", 9, *given[0][2:]]])
    command = ["mark", tmp_path / "s" / "key.json", tmp_path / "a.csv", "--out", tmp_path / "m"]
    status, said, error = run(capsys, *command)
    assert (status, error) == (0, "")
    assert "3 marked" in said
    assert "line 5: no variant 9" in said
    marks = table((tmp_path / "m" / "marks.csv").read_text("utf-8"))
    assert [row[2] == row[3] for row in marks[1:]] == [True] * 3


@pytest.mark.parametrize(
    "arguments",
    [["z = w*x + b; y = sigmoid(z)", "w=0.6", "x=1.5", "b=0.9"], ["shared-bias", "--fade", "3"], ["mlp:3-2-1"],
     ["mlp:2-2-2", "--variants", "2", "--blanks", "values,local,gradients,updated,choices"]],
)  # fmt: skip
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_kind_of_graph_becomes_a_sheet_whose_key_is_right(tmp_path, capsys, arguments, lang):
    status, said, error = run(capsys, "worksheet", *arguments, "--lang", lang, "--format", "md", "--out", tmp_path)
    assert (status, error) == (0, "")
    assert ("files written" in said) == (lang == "en")
    for sheet in classes.read_key(tmp_path / "key.json"):
        assert sheet.lang == lang
        assert sheet.check(sheet.answers).right


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["two-output", "w1=0.5"], "two-output has its own numbers, leave out w1"),
        (["mlp:2"], "needs the neurons of each layer, as in mlp:2-2-2"),
        (["mlp:99-99-9"], "are too many for paper"),
        (["two-output", "--blanks", "values,answers"], "needs blanks among values, .*got 'answers'"),
        (["two-output", "--format", "pdf"], "needs formats among html, md, tex, moodle, got 'pdf'"),
        (["two-output", "--fade", "3", "--variants", "2"], "leave out either --fade or --variants"),
        (["two-output", "--variants", "0"], "needs one variant or more"),
        (["two-output", "--fade", "1"], "two sheets or more"),
        (["two-output", "--decimals", "2"], "from 3 to 15"),
        (["y = w*x"], "no number for"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_nothing_is_written(tmp_path, capsys, arguments, message):
    status, said, error = run(capsys, "worksheet", *arguments, "--out", tmp_path / "s")
    assert (status, said) == (2, "")
    assert re.fullmatch(f"scalargrad: .*{message}.*\n", error)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda key: [],
        lambda key: key | {"format": 1},
        lambda key: key | {"answers": [[1.0]]},
        lambda key: key | {"graph": "open('x')"},
        lambda key: key | {"options": {"x": 1}},
    ],
)
def test_a_key_that_is_none_is_refused(tmp_path, capsys, change):
    run(capsys, "worksheet", "shared-bias", "--format", "md", "--out", tmp_path)
    key = json.loads((tmp_path / "key.json").read_text("utf-8"))
    (tmp_path / "key.json").write_text(json.dumps(change(key)))
    (tmp_path / "a.csv").write_text("")
    status, _, error = run(capsys, "mark", tmp_path / "key.json", tmp_path / "a.csv", "--out", tmp_path / "m")
    assert status == 2
    assert re.fullmatch("scalargrad: mark: .*\n", error)


def test_the_language_of_the_locale_is_the_default(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    _, said, _ = run(capsys, "worksheet", "shared-bias", "--format", "md", "--out", tmp_path)
    assert "已在" in said
    assert "前向传播" in (tmp_path / "sheet-1.md").read_text("utf-8")
