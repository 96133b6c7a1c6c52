"""The page for everybody: the checks of axe-core in every state, large zoom, swipes, the keyboard, forced colours.

`npm install axe-core@4.14.1` puts the checks into `node_modules`; where that is not in this repository, AXE names it.
"""

import os
from pathlib import Path

import pytest

from scalargrad import write_page
from scalargrad.page import playground
from scalargrad.teach.examples import two_output

AXE = Path(os.environ.get("AXE") or Path(__file__).parent.parent / "node_modules" / "axe-core") / "axe.min.js"
PHONE = {"width": 390, "height": 844}
STEPS = {"start": "Home", "forward": 3, "sum": 40, "update": 43, "next": "End"}


@pytest.fixture(scope="module")
def axe():
    """Read the checks; without them skip, which in CI is a failure."""
    if not AXE.is_file():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no axe-core: npm install axe-core@4.14.1")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pages = {"graph": lambda lang: write_page(two_output().root, folder / f"graph-{lang}.html", lang=lang)}
    pages["typed"] = lambda lang: playground(lang=lang).write(folder / f"typed-{lang}.html")
    return {(kind, lang): write(lang) for kind, write in pages.items() for lang in ("en", "zh")}


def violations(reader, axe):
    """Run all of axe's rules on the page as it is; what is found comes back as text."""
    reader.page.evaluate("scrollTo(0, document.body.scrollHeight)")  # there the player covers nothing
    reader.page.wait_for_timeout(50)  # what the browser lays out next has been laid out
    reader.page.evaluate(axe)
    return reader.page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa',"
        " 'wcag22aa',"
        " 'best-practice']}).then(({violations}) => violations.map(({id, nodes}) =>"
        " `${id}: ${nodes.slice(0, 3).map(({html}) => html.slice(0, 120)).join(' | ')}`))"
    )


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("lang", "scheme", "size"), [("en", "light", {"width": 1366, "height": 768}), ("zh", "dark", PHONE)]
)
def test_axe_finds_nothing_in_any_state(read, files, axe, lang, scheme, size):
    context = {"color_scheme": scheme, "bypass_csp": True}
    reader = read(files["graph", lang], context=context, **size)
    found = {}
    for name, step in STEPS.items():
        if isinstance(step, int):
            reader.go(step)
        else:
            reader.press(step)
        found[name] = violations(reader, axe)
    reader.go(37)
    reader.click("#why summary")
    reader.click("#tab-wrong")
    found["why, mistakes"] = violations(reader, axe)
    reader.click("#why summary")
    reader.click("#tab-train")
    reader.click("#train-10")
    found["training"] = violations(reader, axe)
    reader.click("#tab-edit")
    found["numbers"] = violations(reader, axe)
    reader.click("#large")
    reader.click("#view-operations")
    reader.click("#locals")
    found["large"] = violations(reader, axe)
    reader.click("#quiz")
    reader.click("#phases [data-phase=forward]")
    found["quiz"] = violations(reader, axe)
    reader.page.fill("#answer", "12")
    reader.press("Enter")
    found["answered"] = violations(reader, axe)
    reader.page.select_option("#kind", "ideas")
    for name, step in {"what is next": 5, "the factor": 36, "the effect": 80}.items():
        reader.go(step)
        found[name] = violations(reader, axe)
        reader.page.locator("#options button").first.click()
        reader.page.evaluate("document.querySelector('#options button:last-child').click()")
        found[f"{name}, answered"] = violations(reader, axe)
    reader = read(files["typed", lang], context=context, **size)
    found["formula"] = violations(reader, axe)
    reader.page.fill("#formula", "y = sgmoid(w)")
    reader.click("#build")
    found["refused"] = violations(reader, axe)
    assert {state: told for state, told in found.items() if told} == {}


def test_a_finger_goes_through_the_steps(read, files):
    reader = read(files["graph", "en"], context={"has_touch": True}, **PHONE)
    swipe = """([from, to]) => {
      const card = document.querySelector(".card .heading");
      const touch = (x) => [new Touch({ identifier: 1, target: card, clientX: x, clientY: 300 })];
      card.dispatchEvent(new TouchEvent("touchstart", { touches: touch(from), bubbles: true }));
      card.dispatchEvent(new TouchEvent("touchend", { changedTouches: touch(to), bubbles: true }));
    }"""
    reader.page.evaluate(swipe, [300, 100])
    assert reader.steps()[0] == 1
    reader.page.evaluate(swipe, [100, 110])
    assert reader.steps()[0] == 1
    reader.page.evaluate(swipe, [100, 300])
    assert reader.steps()[0] == 0


def test_the_nodes_are_reached_and_chosen_by_keys(read, files):
    reader = read(files["graph", "en"])
    reader.page.focus("#picture-quantities .node[tabindex='0']")
    reader.press("ArrowRight", 5)
    reached = reader.page.evaluate("document.activeElement.id")
    assert reached.startswith("quantities_")
    while "neth1" not in reader.page.evaluate("document.activeElement.ariaLabel"):
        reader.press("ArrowRight")
    reader.press("Enter")
    assert "neth1" in reader.page.text_content(".heading")
    assert reader.page.evaluate("document.activeElement.ariaLabel") == "neth1 0.85"


@pytest.mark.parametrize(("width", "height"), [(640, 400), (320, 256)], ids=["200 %", "400 %"])
def test_enlarged_nothing_lies_behind_the_player(read, files, width, height):
    reader = read(files["graph", "en"], "#step=40", width=width, height=height)
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for part in (".heading", ".lines", ".note", "#next"):
        reader.page.locator(part).first.scroll_into_view_if_needed()
        covered = reader.page.evaluate(
            """(part) => {
              const element = document.querySelector(part);
              const box = element.getBoundingClientRect();
              const top = document.elementFromPoint(box.left + 5, Math.min(box.top + 5, innerHeight - 1));
              return !(element.contains(top) || top.contains(element));
            }""",
            part,
        )
        assert not covered, part


def test_forced_colours_keep_every_state_apart(read, files):
    reader = read(files["graph", "en"], "#step=40", context={"forced_colors": "active"})
    stroke = "getComputedStyle(document.querySelector('.node{} :is(polygon, rect, ellipse)')).{}"
    now, other = (reader.page.evaluate(stroke.format(kind, "strokeWidth")) for kind in (".now", ":not(.now, .from)"))
    assert now != other
    text = reader.page.evaluate("getComputedStyle(document.querySelector('.frame text')).fill")
    paper = reader.page.evaluate(stroke.format(".now", "fill"))
    assert text != paper
