"""Moodle XML read back as Moodle reads it: the key scores full marks, and each slip's number brings its advice."""

import base64
import html
import re
from xml.etree import ElementTree

import pytest

from scalargrad.explain.reporting import number_text
from scalargrad.teach import slips
from scalargrad.teach.examples import shared_bias, two_output
from scalargrad.teach.moodle import moodle_xml
from scalargrad.teach.worksheets import KINDS, worksheets

DIGITS = 6


def graded(question, number):
    """Grade as Moodle does: the first answer whose margin holds the number counts."""
    for answer in question.findall("answer"):
        if abs(number - float(answer.findtext("text"))) <= float(answer.findtext("tolerance")):
            return float(answer.get("fraction")), answer.findtext("feedback/text")
    return 0.0, ""


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("build", [two_output, shared_bias])
def test_the_key_scores_full_marks_and_each_slip_brings_its_advice(build, lang):
    sheets = worksheets(build().root, 3, KINDS, decimals=DIGITS, friendly=True, seed=2, learning_rate=0.5, lang=lang)
    quiz = ElementTree.fromstring(moodle_xml(sheets).encode())
    found = {}
    for question in quiz:
        if question.get("type") == "category":
            category = question.findtext("category/text")
            assert category.startswith("$course$/top/")
            found[category] = []
        else:
            found[category].append(question)
    assert len(found) == len(sheets[0].blanks)
    injected = told = 0
    for place, questions in enumerate(found.values()):
        assert len(questions) == len(sheets)  # every variant a question of one category
        for sheet, question in zip(sheets, questions, strict=True):
            line = sheet.blanks[place]
            assert sheet.title in question.findtext("name/text")
            if line.choice:
                assert question.get("type") == "multichoice"
                fractions = [answer.get("fraction") for answer in question.findall("answer")]
                assert [fraction == "100" for fraction in fractions] == [not slip for slip in line.choice.slips]
                continue
            assert question.get("type") == "numerical"
            assert graded(question, float(line.written(DIGITS)))[0] == 100
            assert graded(question, line.answer)[0] == 100
            for key, number in sheet.marker.slips(line):
                written = float(number_text(number, DIGITS))
                if abs(written - line.answer) > 3 * 10**-DIGITS:
                    injected += 1
                    fraction, feedback = graded(question, written)
                    assert fraction == 0
                    told += html.escape(slips.told(key, lang)[1]) in feedback
    assert injected > 500
    assert told == injected


def test_every_question_has_its_picture_and_what_it_takes():
    (sheet,) = worksheets(two_output().root, 1, ("gradients", "choices"), seed=1)
    quiz = ElementTree.fromstring(moodle_xml([sheet]).encode())
    for question in quiz.findall("question[@type]"):
        if question.get("type") == "category":
            continue
        text = question.find("questiontext")
        assert "@@PLUGINFILE@@/graph.svg" in text.findtext("text")
        picture = ElementTree.fromstring(base64.b64decode(text.findtext("file")))
        assert picture.tag.endswith("svg")
        assert "____" in "".join(picture.itertext())
        assert not re.search("grad(ient)? -?[0-9.]*[1-9]{2}", "".join(picture.itertext()))
    numerical = quiz.findall("question[@type='numerical']")[4].findtext("questiontext/text")
    assert re.search(r"= 0\.\d+", numerical)


def test_a_slash_in_a_name_is_no_folder_and_strange_labels_are_written():
    y = two_output().root
    y.label = "E</text>\x00\ud800"
    (sheet,) = worksheets(y, 1, "gradients", seed=1)
    text = moodle_xml([sheet])
    quiz = ElementTree.fromstring(text.encode(errors="replace"))
    categories = [question.findtext("category/text") for question in quiz.findall("question[@type='category']")]
    assert all(len(re.split("(?<!/)/(?!/)", category)) == 4 for category in categories)
