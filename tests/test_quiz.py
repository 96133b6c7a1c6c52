"""The page's quiz and the worksheets name the same slips for the same wrong number, asked in Chromium."""

import pytest
from page_support.browser import Reader

from scalargrad import topological_order
from scalargrad.explain.reporting import number_text
from scalargrad.page import quiz, write_page
from scalargrad.teach.examples import EXAMPLES
from scalargrad.teach.worksheets import worksheet

DIGITS = 8
KIND = {"forward": "values", "backward": "gradients", "update": "updated parameters"}

# At each step that asks for a number: what it asks for, and what the page says of each of the answers.
ASK = """(answers) => {
  const said = {};
  const verdict = document.querySelector("#verdict");
  const form = document.querySelector("#question");
  document.querySelector("#first").click();
  while (!document.querySelector("#next").disabled) {
    document.querySelector("#next").click();
    if (form.hidden) continue;
    const phase = document.querySelector("#phases [aria-current]").dataset.phase;
    const label = document.querySelector("tr.now")?.dataset.quantity;
    const place = `${phase} ${label}`;
    said[place] = {};  // of a sum the last step counts, when all contributions are there
    for (const answer of answers[place] ?? []) {
      if (form.hidden) break;  // right as a part of the sum
      document.querySelector("#answer").value = answer;
      form.requestSubmit();
      said[place][answer] = verdict.textContent;
    }
  }
  return said;
}"""


@pytest.fixture
def reader(browser, tmp_path):
    context = browser.new_context(offline=True)

    def open_quiz(root, **options):
        opened = Reader(context, write_page(root, tmp_path / "page.html", **options))
        opened.click("#quiz")
        return opened

    yield open_quiz
    context.close()


@pytest.mark.thorough
@pytest.mark.parametrize("network", EXAMPLES)
@pytest.mark.parametrize(("lang", "view"), [("en", "quantities"), ("zh", "quantities"), ("en", "operations")])
def test_page_and_sheet_name_the_same_slips(reader, network, lang, view):
    root = EXAMPLES[network]().root
    sheet = worksheet(root, list(KIND.values()), view=view, decimals=DIGITS, learning_rate=0.5)
    right = {line.blank: line.written(DIGITS) for line in sheet.blanks}
    asked, expected = {}, {}
    for line in sheet.blanks:
        phase = next(phase for phase, kind in KIND.items() if kind == line.kind)
        place = f"{phase} {line.node.label}"
        for _, number in sheet.marker.slips(line) if line.node.label else ():  # by which the page's table is read
            written = number_text(number, DIGITS)
            mark = sheet.marker.mark(right | {line.blank: written})[line.blank - 1]
            if mark.verdict == "wrong" and mark.slips:
                asked.setdefault(place, {})[written] = None
                expected[place, written] = set(mark.slips)
    page = reader(root, learning_rate=0.5, lang=lang)
    page.click(f"#view-{view}")
    said = page.page.evaluate(ASK, {place: list(answers) for place, answers in asked.items()})
    assert not page.complaints
    sentences = quiz.sentences(lang)
    assert len(expected) > 200
    for (place, written), slips in expected.items():
        named = {
            key.removeprefix("slip.") for key, text in sentences.items() if text in said[place][written].split("\n")
        }
        assert named == slips, (place, written)


def test_with_other_numbers_the_slips_follow_them(reader):
    root = EXAMPLES["shared-bias"]().root
    page = reader(root)
    w1 = next(place for place, node in enumerate(topological_order(root)) if node.label == "w1")
    page.edit(w1, 0.7)
    page.go(1)
    assert page.ask("0.65").startswith("the bias forgotten: ")  # 0.5*0.7 + 1*0.3
    assert page.ask("0.35") == "Not yet. Try again, or take a hint."  # what the recorded numbers gave without it
    assert page.ask("1.15").startswith("Right")
