"""Make what the READMEs show and link to: the graph and its layers drawn, the page, and a screenshot of that.

Run: python tests/readme_pictures.py, after a change to the drawings or to the page. A test holds the files current.
"""

import os
from pathlib import Path

from page_support.browser import chromium

from scalargrad import draw
from scalargrad.page import page
from scalargrad.teach.examples import step, two_output

DEMOS = Path(__file__).parent.parent / "demos"
PICTURE, PAGE, SCREENSHOT = DEMOS / "pictures" / "quantities.svg", DEMOS / "steps.html", DEMOS / "pictures" / "page.png"
LAYERS = DEMOS / "pictures" / "layers.svg"
_STEP = 28  # the second of two paths comes in: upstream, local derivative and sum


def files():
    """Give the picture and the page as text; with the Graphviz of the wheel, so that every machine gives the same."""
    example = step(two_output).before
    roles = {"inputs": example.inputs, "parameters": example.parameters, "targets": example.targets}
    path, os.environ["PATH"] = os.environ["PATH"], ""
    try:
        return {
            PICTURE: draw(example.root, "quantities", **roles).pipe("svg", encoding="utf-8"),
            LAYERS: draw(example.root, "layers", **roles).pipe("svg", encoding="utf-8"),
            PAGE: page(example.root, learning_rate=example.learning_rate, **roles).html,
        }
    finally:
        os.environ["PATH"] = path


def screenshot(browser):
    """Photograph the page in the middle of its backward pass."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    try:
        shown = context.new_page()
        shown.goto(f"{PAGE.as_uri()}#step={_STEP}")
        shown.wait_for_selector(f"#count:text-matches('^{_STEP} / ')")
        shown.wait_for_timeout(500)  # the highlighted path has faded in
        return shown.screenshot()
    finally:
        context.close()


if __name__ == "__main__":
    for file, text in files().items():
        file.write_text(text, encoding="utf-8")
    with chromium() as started:
        SCREENSHOT.write_bytes(screenshot(started))
