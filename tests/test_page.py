"""The step-through page, in a real browser that has no network: what it shows, against Python's own numbers."""

import json
import re
import statistics
from itertools import pairwise

import pytest

from scalargrad import Value, nn, page, sigmoid, topological_order, trace, write_page
from scalargrad.engine import operation as recorder
from scalargrad.formulas import javascript
from scalargrad.functions import operation
from scalargrad.graph.roles import is_number, parameters_of
from scalargrad.graph.views import view_of
from scalargrad.messages import catalogue
from scalargrad.page import bundle, data, picture, playground
from scalargrad.rules import POWERS, RULES
from scalargrad.teach.examples import EXAMPLES, step, two_output
from scalargrad.teach.mistakes import MISTAKES, compare

NASTY = ("<script>alert(1)</script>", "]]>", "\"'`&amp;", "权重", "🙂", "</script><b>", "a\\nb{c|d}", "\x07bell")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The pages of both networks, written once."""
    folder = tmp_path_factory.mktemp("pages")
    return {name: write_page(build().root, folder / f"{name}.html") for name, build in EXAMPLES.items()}


def number_of(node, root):
    return topological_order(root).index(node)


# --- the steps and their numbers


@pytest.mark.parametrize("view", ["quantities", pytest.param("operations", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("name", EXAMPLES)
def test_all_steps_go_forth_and_back(read, files, name, view):
    example = EXAMPLES[name]()
    recorded = trace(example.root, view)
    computed = sum(bool(entry.node.parents) for entry in recorded.forward)
    passed = sum(not is_number(entry.parent) for entry in recorded.backward)
    last = 1 + computed + 1 + passed + len(example.parameters)

    reader = read(files[name], f"#view={view}")
    assert reader.steps() == (0, last)
    forth, back = reader.walk()
    assert len(forth) == last + 1
    assert all(before != after for before, after in pairwise(forth))
    assert back[::-1] == forth


@pytest.mark.parametrize("view", ["quantities", "operations"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_last_step_shows_python_s_numbers_in_all_digits(read, files, name, view):
    python = step(EXAMPLES[name])
    reader = read(files[name], f"#view={view}")
    reader.all_digits()
    reader.press("End")
    assert reader.column(0) == python.after.numbers()
    assert reader.column(1) == {label: node.grad for label, node in python.before.quantities.items()}


def test_the_parameters_are_those_of_the_published_example(read, files):
    reader = read(files["two-output"])
    reader.all_digits()
    reader.press("End")
    shown = reader.column(0)
    rounded = {label: f"{shown[label]:.8f}" for label in ("w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8")}
    assert rounded == {
        "w1": "0.09462891",
        "w2": "0.28925782",
        "w3": "0.60869356",
        "w4": "0.64129824",
        "w5": "0.19356242",
        "w6": "0.38712484",
        "w7": "0.80907194",
        "w8": "0.83874330",
    }
    assert [shown[label] for label in ("b1", "b2", "b3", "b4")] == [
        0.48925781687016445,
        1.0124093185565075,
        0.48712483967909465,
        0.9162082259892468,
    ]
    assert (shown["out_o1"], shown["out_o2"]) == (0.8831474198595102, 0.8776728542726611)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_backward_step_shows_the_sum_so_far(read, files, name):
    example = EXAMPLES[name]()
    reader = read(files[name])
    reader.all_digits()
    reader.click("#phases [data-phase=backward]")
    for entry in trace(example.root, "quantities").backward:
        if is_number(entry.parent):
            continue
        reader.press("ArrowRight")
        _, gradient, _ = reader.table()[entry.parent.label]
        assert float(gradient.replace("−", "-").removesuffix(" …")) == entry.total
        assert gradient.endswith(" …") is not entry.complete
        state = reader.page.get_attribute(f"#quantities_{number_of(entry.parent, example.root)}", "data-state")
        assert state == ("complete" if entry.complete else "waiting")


def test_a_step_says_its_formula_and_lights_its_edge(read, files):
    example = two_output()
    reader = read(files["two-output"])
    node = example.quantities["net_h1"]
    reader.press("ArrowRight")
    assert [part.replace(" ", "") for part in reader.page.locator(".lines mtr").all_text_contents()] == [
        "neth1=x1⋅w1+x2⋅w2+b1",
        "=0.5×0.1+1×0.3+0.5",
        "=0.85",
    ]
    lit = reader.page.locator(".edge.lit")
    assert lit.count() == 5
    reader.click("#phases [data-phase=backward]")
    reader.page.locator("tr[data-quantity=w1] button").click()
    assert lit.get_attribute("id").startswith(f"quantities_{number_of(node, example.root)}_")
    assert "complete" in reader.card()


@pytest.mark.parametrize(
    ("lang", "note"),
    [
        ("en", "how fast Etotal changes when the quantity changes. The gradient of Etotal itself is 1."),
        ("zh", "这里的“梯度”就是 Etotal 对该量的偏导数；Etotal 对自身的梯度是 1。"),
    ],
)
def test_a_name_stands_in_every_place_of_a_sentence(read, tmp_path, lang, note):
    reader = read(write_page(two_output().root, tmp_path / "page.html", lang=lang))
    reader.click("#phases [data-phase=backward]")
    assert reader.page.text_content(".note").endswith(note)


# --- live


def test_after_an_edit_everything_equals_a_fresh_run(read, files):
    example = two_output()
    reader = read(files["two-output"])
    reader.all_digits()
    reader.click("#phases [data-phase=update]")
    reader.press("ArrowLeft")
    reader.edit(number_of(example.quantities["w3"], example.root), -0.25)

    numbers = {parameter.label: parameter.data for parameter in example.parameters} | {"w3": -0.25}
    fresh = two_output(numbers)
    fresh.root.backward()
    assert reader.column(0) == pytest.approx(fresh.numbers(), rel=1e-12)
    gradients = {label: node.grad for label, node in fresh.quantities.items()}
    assert reader.column(1) == pytest.approx(gradients, rel=1e-12)
    drawn = reader.page.text_content(f"#quantities_{number_of(example.root, example.root)} .value")
    assert drawn == f"{fresh.root.data:.4g}"

    reader.click("#panel-edit .reset")
    assert reader.column(0) == example.numbers()


def test_a_slider_changes_its_leaf(read, files):
    example = two_output()
    reader = read(files["two-output"])
    reader.click("#tab-edit")
    field = f"#leaf-{number_of(example.quantities['x1'], example.root)}"
    reader.page.locator(f"{field} ~ input").press("ArrowRight")
    assert reader.page.input_value(field) == "0.55"


def test_100_training_steps_equal_python_s(read, files):
    parameters = {parameter.label: parameter.data for parameter in two_output().parameters}
    losses = []
    for _ in range(101):
        example = two_output(parameters)
        example.root.backward()
        losses.append(example.root.data)
        parameters = {leaf.label: leaf.data - leaf.grad for leaf in example.parameters}

    reader = read(files["two-output"])
    reader.all_digits()
    reader.click("#tab-train")
    reader.click("#train-100")
    reader.press("End")
    reader.press("ArrowLeft")
    shown = reader.column(0)
    assert {label: shown[label] for label in parameters} == pytest.approx(parameters, rel=1e-12)
    assert shown["E_total"] == pytest.approx(losses[-1], rel=1e-12)
    assert "100" in reader.page.inner_text("#loss")
    points = re.findall(r"[ML]", reader.page.get_attribute("#curve .curve", "d"))
    assert len(points) == 101


def test_the_learning_rate_sets_the_step(read, files):
    reader = read(files["two-output"])
    reader.all_digits()
    reader.click("#tab-train")
    reader.page.fill("#rate", "0.5")
    reader.press("Enter")
    reader.press("Tab")
    reader.click("#phases [data-phase=next]")
    assert reader.column(0)["b1"] == 0.5 - 0.5 * 0.010742183129835565


@pytest.mark.parametrize(
    ("typed", "message"), [("-1", "The learning rate must be 0 or more."), ("", "Please type a number.")]
)
def test_a_wrong_learning_rate_is_said_and_changes_nothing(read, files, typed, message):
    reader = read(files["two-output"])
    reader.click("#tab-train")
    reader.page.fill("#rate", typed)
    reader.press("Tab")
    assert reader.page.inner_text("#error") == message
    assert reader.page.input_value("#rate") == "1"


@pytest.mark.parametrize("typed", ["", "1e400"])
def test_a_field_without_a_number_says_so_and_changes_nothing(read, tmp_path, typed):
    reader = read(write_page(Value(2.0, label="x") * 3, tmp_path / "page.html"))
    reader.click("#tab-edit")
    reader.page.click("#leaf-0", click_count=3)
    reader.press("Backspace")
    reader.page.keyboard.insert_text(typed)
    reader.press("Tab")
    assert reader.page.inner_text("#error") == "Please type a number."
    assert reader.page.input_value("#leaf-0") == "2"
    reader.edit(0, 4)
    assert not reader.page.is_visible("#error")


def test_the_curve_of_the_largest_losses_is_drawn(read, tmp_path):
    w = Value(1.0, label="w")
    reader = read(write_page(w * 1.5e308, tmp_path / "page.html", learning_rate=1.2e-308))
    reader.click("#tab-train")
    reader.click("#train-1")  # from w = 1 to w = -0.8: the two losses are further apart than the largest float
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", reader.page.get_attribute("#curve .curve", "d"))
    assert points == [("62.0", "10.0"), ("348.0", "128.0")]


def test_leaving_the_domain_says_what_python_says_and_changes_nothing(read, tmp_path):
    x = Value(2.0, label="x")
    with pytest.raises(ValueError, match="log: needs a > 0") as refused:
        Value(-1.0).log()
    reader = read(write_page(x.log() * 3, tmp_path / "log.html"), "#step=2")
    before = reader.table()
    reader.edit(0, -1)
    assert reader.page.inner_text("#error") == str(refused.value) == "log: needs a > 0, got a = -1.0"
    assert reader.table() == before
    assert reader.page.input_value("#leaf-0") == "2"
    reader.edit(0, 4)
    assert not reader.page.is_visible("#error")


def test_a_gradient_that_grows_too_large_changes_nothing(read, tmp_path):
    x, a = Value(1e-300, label="x"), Value(1e-200, label="a")
    with pytest.raises(OverflowError, match="the gradient of x is too large for a float: inf"):
        write_page(x * 1e200 * 1e200, tmp_path / "page.html")
    root = x * 1e200 * 1e200 * a
    reader = read(write_page(root, tmp_path / "page.html"))
    reader.press("End")
    before = reader.table()
    reader.edit(number_of(a, root), 1)
    assert reader.page.inner_text("#error") == "backward: a gradient is too large for a float: it is inf"
    assert reader.table() == before


def test_an_update_that_leaves_the_domain_is_said_in_the_last_step(read, tmp_path):
    w = Value(1.0, label="w")
    reader = read(write_page(w.log() * 3, tmp_path / "page.html"))
    reader.press("End")
    assert "log: needs a > 0, got a = -2.0" in reader.card()
    reader.click("#tab-train")
    reader.click("#train-1")
    assert reader.page.inner_text("#error") == "log: needs a > 0, got a = -2.0"


def test_the_formula_gives_way_where_an_edit_changes_its_branch(read, tmp_path):
    x = Value(2.0, label="x")
    reader = read(write_page(x.elu() * 3, tmp_path / "elu.html"))
    reader.press("End")
    assert "=3×1=3" in re.sub(r"\s", "", reader.card())
    reader.edit(0, -1)
    assert "=3×0.367879=1.10364" in re.sub(r"\s", "", reader.card())


def test_an_operation_that_only_python_can_compute_is_shown_but_not_edited(read, tmp_path):
    cube = operation("cube", lambda a: a**3, lambda a: 3 * a**2)
    w = Value(2.0, label="w")
    reader = read(write_page(cube(w), tmp_path / "cube.html", learning_rate=0.1))
    reader.all_digits()
    reader.press("End")
    assert reader.column(0)["w"] == 2.0 - 0.1 * 12.0
    reader.click("#tab-edit")
    assert reader.page.is_disabled("#leaf-0")


def test_central_differences_agree_with_the_gradients(read, files):
    reader = read(files["two-output"])
    reader.all_digits()
    reader.page.check("#differences")
    reader.click("#phases [data-phase=update]")
    reader.press("ArrowLeft")
    assert reader.column(2) == pytest.approx(reader.column(1), rel=1e-6, abs=1e-10)


# --- the rows of the table in JavaScript

POINTS = [
    s * p for p in (0.0, 1e-300, 1e-9, 0.3, 0.5, 1.0, 2.0, 2.5, 7.0, 40.0, 709.5, 710.0, 1e155, 1e300) for s in (1, -1)
]


ROWS = [*RULES.values(), *POWERS.values()]


@pytest.fixture(scope="module")
def rows_in_javascript(browser):
    """Give a function that computes a row at many points in the browser: [y, partials] or the message."""
    source, rows = javascript.module(ROWS)
    context = browser.new_context(offline=True)
    blank = context.new_page()
    sentences = json.dumps({"en": catalogue("page", "en")})
    blank.evaluate(
        f"() => {{ {bundle.script('engine', {'rules': source})}\n words_js.load({sentences});"
        " globalThis.computed = (row, points) => points.map("
        "(point) => { try { const { y, partials } = engine_js.compute(rules_js.RULES[row], point);"
        " return [y, partials]; } catch (error) { return error.message; } }); }"
    )
    yield lambda rule, points: blank.evaluate("([row, points]) => computed(row, points)", [rows[rule], points])
    context.close()


@pytest.mark.parametrize("rule", ROWS, ids=lambda rule: rule.name + rule.number)
def test_a_row_gives_the_same_in_javascript(rows_in_javascript, rule):
    points = [[a] for a in POINTS] if len(rule.operands) == 1 else [[a, b] for a in POINTS for b in POINTS]
    compute = recorder(rule)
    exact = rule.name in ("add", "sub", "mul", "div", "neg", "relu", "abs", "maximum", "minimum")
    for point, computed in zip(points, rows_in_javascript(rule, points), strict=True):
        try:
            node = compute(*map(Value, point))
        except (ArithmeticError, ValueError) as error:
            refused = str(error)
        else:
            refused = ""
        if refused:
            assert computed == refused, point
            continue
        assert not isinstance(computed, str), (point, computed)
        expected = [node.data, *node.partials]
        got = [float(number) for number in (computed[0], *computed[1])]  # a whole number comes back as an int
        assert got == (expected if exact else pytest.approx(expected, rel=1e-14, abs=1e-307)), point


# --- the quiz


@pytest.fixture
def quiz(read, files):
    reader = read(files["shared-bias"])
    reader.click("#quiz")
    return reader


def test_the_quiz_hides_the_number_and_takes_three_digits(quiz):
    quiz.press("ArrowRight")
    assert "0.85" not in quiz.card()
    assert quiz.table()["net_h1"][0] == "?"
    assert quiz.ask("0.85") == "Right: 0.85"
    quiz.press("ArrowRight")
    assert quiz.page.locator(".node.now .value").text_content() == "?"
    assert quiz.ask("0.701") == "Right: 0.700567"
    assert quiz.table()["out_h1"][0] == "0.700567"
    assert quiz.page.inner_text("#score") == "2 right at the first try, of 2"


@pytest.mark.parametrize(
    ("label", "typed", "named"),
    [
        ("w3", "-0.0305", "the local derivative left out: "),  # the upstream gradient alone
        ("w3", "0.0214", "a sign turned: "),
        ("b2", "-0.0305", "= instead of +=: "),  # what comes through o1, without what came through o2
    ],
)
def test_the_quiz_names_known_slips(quiz, label, typed, named):
    quiz.click("#phases [data-phase=backward]")
    quiz.page.locator(f"tr[data-quantity={label}] button").click()
    assert quiz.ask(typed).startswith(named)
    quiz.click("#hint")
    assert quiz.page.locator(".lines math").count() > 0
    right = {"w3": "-0.0214", "b2": "0,0920"}[label]
    assert quiz.ask(right).startswith("Right")
    assert quiz.page.inner_text("#score") == "0 right at the first try, of 1"


def test_the_quiz_wants_two_digits_and_shows_what_is_given_up(quiz):
    quiz.press("ArrowRight", 2)
    assert quiz.ask("0.7") == "That may be it, but give at least two significant digits."
    assert quiz.ask("seven") == "Please type a number."
    quiz.click("#give-up")
    assert quiz.page.inner_text("#verdict") == "The number is 0.700567."
    quiz.click("#quiz")
    assert "0.700567" in quiz.card()


def test_the_quiz_keeps_the_loss_to_itself_while_it_asks_for_it(quiz):
    quiz.click("#tab-train")
    assert quiz.page.is_visible("#curve")
    shown = quiz.page.inner_text("#loss")
    quiz.click("#phases [data-phase=backward]")
    quiz.press("ArrowLeft")
    assert quiz.page.inner_text("#loss") == "After 0 steps the loss is ?."
    assert not quiz.page.is_visible("#curve")
    quiz.click("#give-up")
    assert quiz.page.inner_text("#loss") == shown
    assert quiz.page.is_visible("#curve")


# --- leaves without a name


def test_parameters_without_a_label_get_a_name_and_can_be_trained(read, tmp_path):
    weight, bias = Value(0.5), Value(-0.25)
    loss = (weight * 3 + bias) ** 2
    path = write_page(loss, tmp_path / "page.html", parameters=[weight, bias], learning_rate=0.01)
    loss.backward()
    reader = read(path)
    reader.all_digits()
    reader.press("End")
    shown = reader.column(0)
    assert (shown["p1"], shown["p2"]) == (0.5 - 0.01 * weight.grad, -0.25 - 0.01 * bias.grad)
    assert (weight.label, bias.label) == ("", "")


# --- the address, the keyboard, the paper


def test_the_step_is_in_the_address_both_ways(read, files):
    reader = read(files["two-output"], "#step=12")
    assert reader.steps()[0] == 12
    reader.press("ArrowRight")
    reader.page.wait_for_url("**#step=13")
    reader.go(5)
    assert reader.steps()[0] == 5
    reader.page.evaluate("location.hash = 'step=99999'")
    reader.page.wait_for_selector("#next:disabled")


def test_a_view_in_the_address_that_is_none_is_passed_over(read, files):
    reader = read(files["two-output"], "#step=3&view=toString")
    assert reader.steps()[0] == 3
    assert reader.page.get_attribute("#view-quantities", "aria-pressed") == "true"


def test_the_keyboard_alone_reaches_everything(read, files):
    reader = read(files["two-output"])
    reader.press("End")
    assert reader.steps()[0] == reader.steps()[1]
    reader.press("Home")
    assert reader.steps()[0] == 0
    reader.press(" ")
    assert reader.page.get_attribute("#play", "aria-pressed") == "true"
    reader.press(" ")
    assert reader.page.get_attribute("#play", "aria-pressed") == "false"

    reached = set()
    for tab in ("table", "edit", "train"):
        reader.page.focus("#tab-table")
        reader.press("ArrowRight", ["table", "edit", "train"].index(tab))
        reader.page.evaluate("document.body.tabIndex = -1; document.body.focus()")
        for _ in range(120):
            reader.press("Tab")
            reached.add(
                reader.page.evaluate(
                    "(document.activeElement.dataset.reached = '1', document.activeElement.id || 'a thing')"
                )
            )
            if reader.page.evaluate("document.activeElement === document.body"):
                break
        missed = reader.page.evaluate(
            "[...document.querySelectorAll('button, input, select')].filter((element) => element.offsetParent"
            " && !element.disabled && element.tabIndex >= 0 && !element.dataset.reached).map((e) => e.outerHTML)"
        )
        assert missed == []
    assert {"slider", "next", "speed", "quiz", "language", "differences", "rate", "train-1"} <= reached


@pytest.mark.thorough
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("view", "at"), [("quantities", 24), ("operations", 60)])
def test_the_current_step_prints_on_one_page(read, files, view, at, large):
    reader = read(files["two-output"], f"#step={at}&view={view}", context={"color_scheme": "dark"})
    if large:
        reader.click("#large")
    for paper, landscape in (("A4", True), ("Letter", large)):  # the lowest of all papers, and the narrowest or widest
        printed = reader.page.pdf(format=paper, landscape=landscape)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, (paper, landscape)


SCROLLED = """() => {
  const panel = document.querySelector("#panel-table");
  const fits = panel.scrollWidth <= panel.clientWidth;
  panel.scrollLeft = panel.scrollWidth;
  const end = panel.getBoundingClientRect().right;
  const last = Math.max(...[...panel.querySelectorAll("td.difference")].map((c) => c.getBoundingClientRect().right));
  return [fits, last <= end];
}"""


@pytest.mark.thorough
@pytest.mark.parametrize("width", [390, 900, 1280, 1920])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_is_cut_at_any_width(read, tmp_path, width, lang):
    path = write_page(two_output().root, tmp_path / "page.html", lang=lang)
    reader = read(path, width=width, height=800)
    for phase in ("start", "forward", "backward", "update", "next"):
        reader.click(f"#phases [data-phase={phase}]")
        assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        cut = reader.page.evaluate(
            "[...document.querySelectorAll('button, .what, .legend li, h2')].filter((element) => element.offsetParent"
            " && element.scrollWidth > element.clientWidth + 1).map((element) => element.textContent)"
        )
        assert cut == []
    reader.page.check("#differences")
    reader.click("#phases [data-phase=update]")
    for digits in ("6", "all"):
        reader.page.select_option("#digits", digits)
        for large in (False, True):
            assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            fits, reached = reader.page.evaluate(SCROLLED)
            assert reached, (digits, large)
            assert fits or digits == "all", large
            reader.click("#large")
    too_wide = reader.page.evaluate(
        "[...document.querySelectorAll('.frame:not([hidden]) .node')].filter((node) => { const shape ="
        " node.querySelector('polygon, rect, ellipse').getBBox(); return [...node.querySelectorAll('text')].some("
        "(text) => text.getBBox().width > shape.width); }).map((node) => node.textContent)"
    )
    assert too_wide == []


def test_a_very_long_label_does_not_make_a_phone_scroll_sideways(read, tmp_path):
    root = Value(2.0, label="w" + "long" * 60) * Value(3.0, label="x")
    root.label = "loss" * 60
    reader = read(write_page(root, tmp_path / "page.html"), width=390)
    for tab in ("table", "edit", "train"):
        reader.click(f"#tab-{tab}")
        reader.press("Home")
        for _ in range(reader.steps()[1] + 1):
            assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            reader.press("ArrowRight")
    reader.click("#quiz")
    reader.press("Home")
    reader.press("ArrowRight")
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- languages


FOREIGN = r"""() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (parent.closest('math, code, svg, script, style, noscript, [lang=en], [hidden]')) continue;
    const text = walker.currentNode.data.replace(/∂\w+/g, ''); // a label in a derivative is in no language
    if (/[A-Za-z]{2,}/.test(text)) found.push(walker.currentNode.data);
  }
  for (const element of document.querySelectorAll('[aria-label], [title]')) {
    if (element.closest('svg, #editor, #table, [lang=en]')) continue;
    for (const name of ['aria-label', 'title']) {
      const text = (element.getAttribute(name) ?? '').replace(/Home|End|Ctrl.Enter/, '');
      if (/[A-Za-z]{2,}/.test(text)) found.push(text);
    }
  }
  return found;
}"""


def test_a_chinese_page_has_no_english_left(read, tmp_path):
    reader = read(write_page(two_output().root, tmp_path / "page.html", lang="zh"))
    assert reader.page.get_attribute("html", "lang") == "zh-CN"
    for tab in ("table", "edit", "train", "wrong"):
        reader.click(f"#tab-{tab}")
        assert reader.page.evaluate(FOREIGN) == []
    reader.click("#tab-train")
    reader.click("#train-1")
    reader.press("Home")
    for _ in range(reader.steps()[1]):
        reader.press("ArrowRight")
        assert reader.page.evaluate(FOREIGN) == []
    reader.click("#quiz")
    reader.press("Home")
    reader.press("ArrowRight")
    reader.ask("12")
    assert reader.page.evaluate(FOREIGN) == []
    for term in ("前向传播", "反向传播", "学习率", "梯度", "损失"):
        assert term in reader.page.evaluate("document.body.textContent")


def test_the_language_switches_in_the_page(read, files):
    reader = read(files["two-output"], "#step=30")
    reader.click("#language")
    assert "局部导数" in reader.card()
    assert reader.page.title() == "反向传播：一步一步"
    reader.click("#language")
    assert "local derivative" in reader.card()


# --- text from the user


def nasty_graph():
    leaves = [Value(0.1 * (i + 1), label=label) for i, label in enumerate(NASTY)]
    total = leaves[0]
    for i, leaf in enumerate(leaves[1:]):
        total = total + leaf
        total.label = f"<i>sum {i}</i>"
    return total


def shown_names(frame):
    return frame.evaluate("[...document.querySelectorAll('#table th button')].map((name) => name.textContent)")


def test_labels_cannot_become_markup(read, tmp_path):
    root = nasty_graph()
    reader = read(write_page(root, tmp_path / "page.html", title="</title><script>alert(2)</script> & 题目"))
    names = shown_names(reader.page)
    expected = [label.replace("\x07", "\ufffd") for label in NASTY]
    assert set(expected) <= set(names)
    drawn = reader.page.evaluate(
        "[...document.querySelectorAll('#picture-quantities .name')].map((n) => n.textContent)"
    )
    assert {label for label in expected if len(label) < 28} <= set(drawn)
    assert reader.page.inner_text("h1") == reader.page.title() == "</title><script>alert(2)</script> & 题目"
    assert reader.page.locator("script").count() == 2
    assert reader.page.locator("main b, main i").count() == 1  # the η of the learning rate
    reader.press("ArrowRight", reader.steps()[1])


def test_the_domain_of_an_operation_cannot_become_markup(read, tmp_path):
    half = operation("half", "1 / (2 * a)", "-2 * y * y", domain="a != 0 </script><script>alert(3)</script>")
    reader = read(write_page(half(Value(2.0, label="x")), tmp_path / "page.html", title="\ud800"))
    reader.edit(0, 0)
    assert reader.page.inner_text("#error").startswith("half: needs a != 0 </script><script>")
    assert reader.page.locator("script").count() == 2


def test_a_notebook_shows_the_page_in_a_frame(read, files, browser):
    shown = page.page(nasty_graph(), height=500)._repr_html_()
    context = browser.new_context(offline=True)
    outside = context.new_page()
    complaints = []
    outside.on("pageerror", lambda error: complaints.append(str(error)))
    outside.set_content(f"<!DOCTYPE html><p>cell</p>{shown}")
    frame = outside.locator("iframe").element_handle().content_frame()
    frame.wait_for_selector("#count:text-matches('^0 / [1-9]')")
    assert NASTY[0] in shown_names(frame)
    frame.click("#next")
    frame.wait_for_selector("#count:text-matches('^1 / ')")
    assert outside.locator("script").count() == 0
    assert "Here the page of" in outside.inner_text("body")
    assert complaints == []
    context.close()


def test_where_scripts_are_off_a_notebook_shows_the_picture_and_says_what_belongs_there(browser):
    x = Value(2.0, label="x")
    context = browser.new_context(offline=True, java_script_enabled=False)
    outside = context.new_page()
    outside.set_content(page.page(x * x, lang="zh")._repr_html_())
    assert outside.locator("iframe").count() == 0
    assert outside.locator("img").bounding_box()["width"] > 100
    assert outside.inner_text("body").startswith("这里应显示 root 的分步页面")
    context.close()


# --- size and speed


def many_operations(count):
    values = [Value(0.1 * i - 0.5, label=f"w{i}") for i in range(12)]
    while count > 0:
        values = [(a * b).tanh() for a, b in zip(values, values[1:] + values[:1], strict=True)]
        count -= 2 * len(values)
    root = values[0]
    for value in values[1:]:
        root = root + value
    return root


def test_the_page_of_the_main_example_is_small(files):
    assert files["two-output"].stat().st_size < 300_000


def test_300_operations_step_within_a_frame(read, tmp_path):
    root = many_operations(288)
    assert sum(bool(node.parents) for node in topological_order(root)) >= 299
    reader = read(write_page(root, tmp_path / "page.html"))
    times, touched = reader.page.evaluate(
        """() => {
          const next = document.querySelector("#next");
          const seen = [];
          const observer = new MutationObserver((changes) => seen.push(...changes));
          observer.observe(document.querySelector("svg"), { subtree: true, childList: true, attributes: true });
          const times = [];
          const touched = [];
          while (times.length < 300) {
            const start = performance.now();
            next.click();
            document.body.getBoundingClientRect();
            times.push(performance.now() - start);
            observer.takeRecords().forEach((change) => seen.push(change));
            touched.push(new Set(seen.splice(0).map((change) => change.target)).size);
          }
          return [times, touched];
        }"""
    )
    assert len(times) == 300
    assert statistics.quantiles(times, n=4)[0] < 16  # the slower ones may have waited for other work on this machine
    assert statistics.median(touched) < 20


def test_a_graph_too_large_is_refused_with_the_count(tmp_path):
    x = Value(1.0, label="x")
    for _ in range(1000):
        x = -x
    with pytest.raises(ValueError, match=r"1001 nodes are too many for a page \(the limit is 1000\)"):
        write_page(x, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


# --- the file


def test_writing_is_deterministic_and_leaves_the_graph_alone(tmp_path):
    example = two_output()
    assert page.page(example.root).html == page.page(two_output().root).html
    assert {node.grad for node in example.quantities.values()} == {0.0}


@pytest.mark.parametrize(
    "record",
    [
        lambda w: w * w,
        lambda w: w * Value(0.0, label="z"),
        lambda w: 1 / w,
        operation("cube", lambda a: a**3, lambda a: 3 * a**2),
    ],
)
def test_a_leaf_that_has_changed_since_is_refused(tmp_path, record):
    w = Value(2.0)
    root = record(w)
    write_page(root, tmp_path / "page.html")
    w.data = 0.0
    with pytest.raises(ValueError, match=r"x1 has changed since it was recorded \(.*\); record it again"):
        write_page(root, tmp_path / "other.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot write the file"):
        write_page(Value(1.0) * 2, tmp_path / "missing" / "page.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="cannot write the file"):
        write_page(Value(1.0) * 2, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lang": "de"}, "needs lang 'en' or 'zh', got 'de'"),
        ({"digits": 5}, "needs digits 3, 4, 6, 8, 17, got 5"),
        ({"learning_rate": -1}, "needs a learning rate of 0 or more, got -1"),
        ({"parameters": [Value(3.0)]}, "parameters needs leaves of the graph"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        page.page(sigmoid(Value(1.0, label="x")), **options)


def test_a_page_is_written_where_there_is_no_dot(read, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = write_page(two_output().root, tmp_path / "page.html")
    monkeypatch.undo()
    reader = read(path)
    reader.press("End")
    assert reader.page.locator("#picture-quantities .node[data-state=stale]").count() == 27


# --- what each step says


def sum_of_squares():
    x = Value(2.0, label="x")
    y = x * x + x
    y.label = "y"
    return y


def test_the_contributions_are_counted_by_the_nodes_they_came_through(read, files):
    reader = read(files["two-output"])
    reader.click("#phases [data-phase=backward]")
    reader.page.locator("tr[data-quantity=x2] button").click()
    listed = [text.replace("\xa0", " ") for text in reader.page.locator(".contributions li").all_text_contents()]
    assert listed == ["via neth2 0.00515006", "via neth1 0.00322265"]
    assert reader.page.text_content(".note") == "All 2 contributions have arrived: the gradient of x2 is complete."
    assert reader.page.locator(".edge.came").count() == reader.page.locator(".edge.lit").count() == 1
    reader.page.locator("tr[data-quantity=net_h1] button").click()
    assert reader.page.text_content(".note").endswith("the gradient of neth1 is complete and may be passed on.")


def test_three_values_of_a_derivative_have_three_signs(read, tmp_path):
    """dy/dx in y = x*x + x is 1 along the edge, 3 after two contributions, and 5."""
    reader = read(write_page(sum_of_squares(), tmp_path / "page.html"), "#view=operations")
    equations = {}
    while reader.page.is_enabled("#next"):
        reader.press("ArrowRight")
        for row in reader.page.locator(".line mtr").all_text_contents():
            sign, _, value = row.replace("\xa0", " ").rpartition("=")
            equations.setdefault(sign, set()).add(value)
        if reader.page.locator(".line mtr").count():
            rows = [row.replace("\xa0", " ") for row in reader.page.locator(".line mtr").all_text_contents()]
    assert "∂y∂x|direct" in equations["∂y∂x|via y"].pop()
    assert rows[-2:] == ["∂y∂x=1+2+2", "=5"]
    assert "∂y∂x|so far" in equations


def test_after_the_update_the_gradients_are_shown_as_old_ones(read, files):
    reader = read(files["two-output"])
    reader.page.check("#differences")
    reader.click("#last")
    table = reader.table()
    assert table["out_o2"] == ["0.877673", "(0.895514)", ""]
    assert set(
        reader.page.eval_on_selector_all("#picture-quantities .node", "all => all.map((n) => n.dataset.state)")
    ) == {"stale"}
    assert "set them to zero first (zero_grad())" in reader.page.text_content(".note")


@pytest.mark.thorough
def test_changing_the_view_and_back_keeps_the_place(read, files):
    reader = read(files["two-output"])
    for at in range(0, reader.steps()[1] + 1, 3):
        reader.go(at)
        said = reader.page.text_content(".heading")
        reader.click("#view-operations")
        phase = reader.page.get_attribute("#phases [aria-current]", "data-phase")
        there = reader.page.text_content(".heading")
        assert there.split("back to")[-1] == said.split("back to")[-1]
        reader.click("#view-quantities")
        assert reader.steps()[0] == at
        assert reader.page.get_attribute("#phases [aria-current]", "data-phase") == phase


def test_the_quiz_asks_in_a_row_by_the_keyboard_alone(quiz):
    quiz.press("ArrowRight")
    assert quiz.page.evaluate("document.activeElement.id") == "answer"
    quiz.page.keyboard.type("0.85")
    quiz.press("Enter", 2)  # once to answer, once for the next question
    assert quiz.page.evaluate("[document.activeElement.id, document.activeElement.value]") == ["answer", ""]
    assert quiz.steps()[0] == 2


def test_the_quiz_asks_nothing_that_nobody_wants_to_know(quiz):
    quiz.click("#phases [data-phase=backward]")
    for label in ("x1", "x2", "y1", "y2"):
        quiz.page.locator(f"tr[data-quantity={label}] button").click()
        assert not quiz.page.is_visible("#question")


def test_what_the_hint_shows_is_no_mistake(quiz):
    quiz.click("#phases [data-phase=backward]")
    quiz.page.locator("tr[data-quantity=b2] button").click()
    quiz.click("#hint")
    rows = quiz.page.locator(".line mtr").all_text_contents()
    assert "∂Etotal∂b2=−0.0305021+" in rows[-1] or "∂Etotal∂b2=0.122467+" in rows[-1]


@pytest.mark.thorough
@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1920, 1080)])
@pytest.mark.parametrize("name", EXAMPLES)
def test_large_type_shows_picture_equation_and_buttons_whole(read, files, name, width, height):
    reader = read(files[name], width=width, height=height)
    size = "document.querySelector('#picture-quantities .name').getBoundingClientRect().height"
    small = reader.page.evaluate(size)
    reader.click("#large")
    assert reader.page.evaluate(size) > 1.1 * small
    for at in range(reader.steps()[1] + 1):
        reader.go(at)
        hidden = reader.page.evaluate(
            """() => ["#picture-quantities svg", ".lines", ".card", "#next", "#last"].filter((selector) => {
              const part = document.querySelector(selector);
              const {left, right, top, bottom} = part.getBoundingClientRect();
              const outside = left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1;
              return outside || document.querySelector(".side").getBoundingClientRect().bottom + 1
                < document.querySelector(".card").getBoundingClientRect().bottom;
            })"""
        )
        assert hidden == [], at


BOTH_ARE_READ = """() => {
  const within = (box, outer) => box.left > outer.left - 1 && box.right < outer.right + 1
    && box.top > outer.top - 1 && box.bottom < outer.bottom + 1;
  const frame = document.querySelector(".picture").getBoundingClientRect();
  const seen = (node) => {
    const name = node.querySelector(".base").getBoundingClientRect();
    return within(node.getBoundingClientRect(), frame) && name.height >= 9;
  };
  const nameOf = (node) => node.querySelector(".name").textContent;
  const labels = (nodes) => [...new Set([...nodes].filter(seen).map(nameOf))];
  return ["now", "from"].every((which) => labels(document.querySelectorAll(`.node.${which}`)).length === 1);
}"""


@pytest.mark.parametrize(
    ("width", "height"),
    [pytest.param(1366, 768, id="laptop"), pytest.param(390, 844, id="phone", marks=pytest.mark.thorough)],
)
def test_both_ends_of_an_edge_are_read_in_a_wide_network(read, tmp_path, width, height):
    """Both names are written at least 9 pixels high, in the picture or beside one another above it."""
    loss = (nn.MLP(2, [16, 16, 1], seed=1)([0.5, -0.3]) - 1.0) ** 2
    reader = read(write_page(loss, tmp_path / "wide.html"), width=width, height=height)
    reader.click("#phases [data-phase=backward]")
    first, last = reader.steps()
    for at in range(first + 1, last - 600, 37):
        reader.go(at)
        reader.page.wait_for_function(BOTH_ARE_READ)


def test_long_chinese_names_are_whole_in_fractions_and_in_the_table(read, tmp_path):
    x, w = Value(1.5, label="隐藏层第一个神经元的输出"), Value(0.6, label="输出层第一个神经元的权重")
    net = x * w
    net.label = "输出层第一个神经元的加权输入"
    out = sigmoid(net)
    out.label = "输出层第一个神经元的输出"
    loss = (out - 0.25) ** 2 + 0.1 * w * w
    loss.label = "带正则项的总损失"
    path = write_page(loss, tmp_path / "long.html", lang="zh", parameters=[w], inputs=[x])
    none_cut = """() => ![...document.querySelectorAll(".lines mfrac mtext, #table th button")].filter((name) => {
      const text = document.createRange();
      text.selectNodeContents(name);
      const own = text.getBoundingClientRect();
      const box = name.closest(".line, th").getBoundingClientRect();
      const cell = name.closest("mtd, th").getBoundingClientRect();
      return own.right > Math.min(box.right, cell.right) + 1 || own.left < cell.left - 1;
    }).length"""
    for width, height in ((1366, 768), (390, 844)):
        reader = read(path, width=width, height=height)
        reader.click("#phases [data-phase=backward]")
        for _ in range(5):
            reader.press("ArrowRight")
            reader.page.wait_for_function(none_cut)


def test_the_training_curve_is_seen_without_scrolling(read, files):
    reader = read(files["two-output"], width=1366, height=768)
    reader.click("#tab-train")
    reader.click("#train-10")
    for phase in ("start", "forward", "backward", "update", "next"):
        reader.click(f"#phases [data-phase={phase}]")
        curve = reader.page.locator("#curve").bounding_box()
        panel = reader.page.locator("#panel-train").bounding_box()
        assert curve["height"] >= 80
        assert curve["y"] + curve["height"] <= panel["y"] + panel["height"] + 1, phase


def test_errors_on_the_chinese_page_are_in_chinese(read, tmp_path):
    x = Value(2.0, label="x")
    reader = read(write_page(x.log() ** 0.5, tmp_path / "log.html", lang="zh"))
    reader.edit(0, -1)
    assert reader.page.inner_text("#error") == "log：要求 a > 0，现在 a = -1.0"
    reader.edit(0, 0.5)
    assert reader.page.inner_text("#error").startswith("pow：要求 a > 0，或者 b 为整数")
    reader.click("#language")
    assert reader.page.inner_text("#error").startswith("pow: needs a > 0, or a whole number b")


def test_the_condition_of_a_power_is_said_as_the_rule_says_it():
    assert catalogue("page", "en")["domain.pow"] == RULES["pow"].domain
    in_words = {rule.name for rule in RULES.values() if re.search(r"[a-z]{2}", rule.domain.replace("or", ""))}
    assert in_words == {key.removeprefix("domain.") for key in catalogue("page", "zh") if key.startswith("domain.")}


def test_formulas_stand_right_without_a_font_for_mathematics(read, files):
    """The font in the page is used, and holds every sign of every step."""
    reader = read(files["two-output"])
    assert reader.page.evaluate("document.fonts.ready.then(() => [...document.fonts].map((font) => font.status))") == [
        "loaded"
    ]


def test_the_page_is_small(files):
    """What the page of the worked example may be: the 176 kB that it once was, and a font of 24 kB for its formulas."""
    assert files["two-output"].stat().st_size <= 200_000
    assert len(playground().html.encode()) <= 2_000_000


@pytest.mark.thorough
def test_every_sign_of_the_formulas_is_in_the_font(read, files):
    """A sign that the font lacks is as wide with another fallback behind it as without: the fallback draws it."""
    reader = read(files["two-output"])
    signs = set()
    for view in ("quantities", "operations"):
        reader.click(f"#view-{view}")
        reader.press("Home")
        for _ in range(reader.steps()[1] + 1):
            signs.update(*reader.page.locator("math").all_text_contents())
            reader.press("ArrowRight")
    drawn = """async (signs) => {
      await document.fonts.load("40px 'Page Math'");
      const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const pixels = (fonts, sign) => {
        pen.font = `40px ${fonts}`;
        pen.clearRect(0, 0, 90, 90);
        pen.fillText(sign, 10, 60);
        return pen.getImageData(0, 0, 90, 90).data.join();
      };
      return signs.filter((sign) => pixels("'Page Math', monospace", sign) !== pixels("'Page Math', serif", sign));
    }"""
    assert reader.page.evaluate(drawn, sorted(signs - set(" \u00a0"))) == []
    assert reader.page.evaluate(drawn, ["[", "Ω"]) == ["[", "Ω"]


# --- mistakes on purpose


@pytest.mark.thorough
@pytest.mark.parametrize("key", MISTAKES)
@pytest.mark.parametrize("record", [lambda: two_output().root, sum_of_squares], ids=["network", "x*x + x"])
def test_a_mistake_gives_the_numbers_that_python_s_list_gives(read, tmp_path, record, key):
    root = record()
    expected = compare(root, key, learning_rate=1.0)
    path = write_page(root, tmp_path / "page.html", parameters=parameters_of(root))
    reader = read(path)
    reader.all_digits()
    reader.click("#tab-wrong")
    reader.page.select_option("#mistake", key)
    rows = reader.page.evaluate(
        "[...document.querySelectorAll('#mistaken tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    numbers = [tuple(float(text.replace("−", "-")) for text in row[1:3]) for row in rows]
    shown = [node for node in reversed(topological_order(root)) if node.label or node in (root, expected.first)]
    assert numbers == [pytest.approx((expected.right[node], expected.wrong[node]), rel=1e-12) for node in shown]
    parting = [row for row, node in zip(rows, shown, strict=True) if node is expected.first]
    assert [row for row in rows if len(row) == 4] == parting


# --- why a local derivative is what it is


def test_the_tangent_has_the_slope_of_the_local_derivative(read, files):
    reader = read(files["two-output"])
    reader.click("#phases [data-phase=backward]")
    reader.page.locator("tr[data-quantity=net_h1] button").click()
    reader.page.click("#why summary")
    reader.page.wait_for_selector("#why .tangent")
    path = [
        [float(x) for x in re.findall(r"-?[\d.]+", reader.page.get_attribute(f"#why .{kind}", "d"))]
        for kind in ("tangent", "curve")
    ]
    (x1, y1, x2, y2), curve = path
    near = min(range(0, len(curve) - 2, 2), key=lambda i: abs(curve[i] - (x1 + x2) / 2))
    secant = (curve[near + 3] - curve[near - 1]) / (curve[near + 2] - curve[near - 2])
    assert (y2 - y1) / (x2 - x1) == pytest.approx(secant, rel=0.05)
    local = 0.7005671424739729 * (1 - 0.7005671424739729)
    assert reader.page.inner_text("#why").count(f"{local:.4g}") == 1
    assert "torch.autograd.grad(out_h1, net_h1)[0] → 0.209773" in reader.page.inner_text("#why")
    reader.click("#quiz")
    assert not reader.page.is_visible("#why")


def test_no_line_of_pytorch_is_given_for_one_of_several_ways(read, tmp_path):
    """In y = x*x + x the edge from x to y has the slope 1, but PyTorch's gradient is 5."""
    reader = read(write_page(sum_of_squares(), tmp_path / "page.html"), "#view=operations&step=5")
    assert "direct" in reader.card()
    reader.page.click("#why summary")
    reader.page.wait_for_selector("#why .tangent")
    assert "torch" not in reader.page.inner_text("#why")


@pytest.mark.parametrize("view", ["quantities", "operations"])
def test_in_the_layout_each_edge_leads_from_its_operand_to_its_node(view):
    graph = data.graph_of(two_output().root, (), (), ())
    drawn = picture.layout(graph, view, "en")
    shown = view_of(graph.root, view)
    boxes = dict(zip(shown.order, drawn["boxes"], strict=True))

    def distance(node, x, y):
        middle_x, middle_y, width, height = boxes[node]
        return max(abs(x - middle_x) - width / 2, abs(y - middle_y) - height / 2)

    for node, curves in zip(shown.order, drawn["curves"], strict=True):
        for edge, curve in zip(shown.edges(node), curves, strict=True):
            assert len(curve) % 6 == 2
            assert len(curve) >= 8  # a start, and three points a piece
            assert distance(edge.parent, *curve[:2]) < 5  # boxes are whole numbers, and not those that Graphviz drew to
            assert distance(node, *curve[-2:]) < 5
    assert all(0 < x < drawn["size"][0] and 0 < y < drawn["size"][1] for x, y, _, _ in boxes.values())
