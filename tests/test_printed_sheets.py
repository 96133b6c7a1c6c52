"""A sheet on paper, printed by Chromium: one network on two pages, and no line broken inside a formula."""

import re

import pytest

from scalargrad.teach.examples import two_output
from scalargrad.teach.worksheets import faded

# A formula is cut nowhere but before a sign of equality: each piece stands on one line, inside the page.
pytestmark = pytest.mark.thorough

BROKEN = """() => {
  const page = document.body.getBoundingClientRect();
  return [...document.querySelectorAll(".math > span")].filter((piece) => {
    const box = piece.getBoundingClientRect();
    const line = parseFloat(getComputedStyle(piece).lineHeight);
    return box.height > 1.6 * line || box.right > page.right + 1;
  }).map((piece) => piece.textContent);
}"""


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_faded_set_prints_each_network_on_two_pages_with_every_formula_whole(browser, tmp_path, lang):
    options = {"friendly": True, "seed": 1, "lang": lang}
    sheets = faded(two_output().root, 4, ("values", "gradients", "updated parameters"), **options)
    context = browser.new_context(offline=True)
    try:
        for number, sheet in enumerate([*sheets, sheets[-1]]):
            path = tmp_path / f"{number}.html"
            path.write_text(sheet.html(key=number == len(sheets)), encoding="utf-8")
            page = context.new_page()
            page.emulate_media(media="print")
            page.goto(path.as_uri())
            assert page.evaluate(BROKEN) == []
            printed = page.pdf(prefer_css_page_size=True)
            assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2
            page.close()
    finally:
        context.close()
