"""The view of layers on the page: a matrix a step, with the numbers of Python, in a real browser."""

import re
from itertools import pairwise

import pytest
from layer_cases import CASES

from scalargrad import Value, topological_order, trace, write_page
from scalargrad.graph.layers import ARRANGEMENT
from scalargrad.page import playground
from scalargrad.teach.examples import two_output


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    names = ("worked example", "batch", "convolution")
    return {name: write_page(CASES[name](), folder / f"{name}.html") for name in names}


def boxes(reader):
    """Give the lines of each box by its name."""
    return reader.page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("#picture-layers .node")].map((node) => {
          const [name, ...lines] = [...node.querySelectorAll("text")].map((text) => text.textContent);
          return [name, lines.filter(Boolean)];
        }))"""
    )


def written(number):
    return f"{number:.4g}".replace("-", "−")


@pytest.mark.parametrize("name", ["worked example", "batch", "convolution"])
def test_all_steps_go_forth_and_back(read, files, name):
    passes = trace(CASES[name](), "layers")
    reader = read(files[name], "#view=layers")
    updates = 2 if any(box.role == "parameter" for box in passes.layers.boxes) else 0
    shown = list(filter(passes.layers.is_asked_for, passes.layers.boxes))
    assert reader.steps() == (0, len(passes.forward) + len(shown) + updates)
    forth, back = reader.walk()
    assert all(before != after for before, after in pairwise(forth))
    assert back[::-1] == forth


def test_the_boxes_have_python_s_numbers(read, files):
    passes = trace(two_output().root, "layers")
    last = len(passes.forward) + sum(equation.box.role != "input" for equation in passes.backward) + 1
    reader = read(files["worked example"], f"#view=layers&step={last}")
    found = boxes(reader)
    for box in passes.layers.boxes:
        name = box.name.replace("_", "")
        lines = [] if box.shape == (1, 1) else ["{} × {}".format(*box.shape)]
        lines += [written(number) for row in box.values for number in row]
        if box.role not in ("input", "target"):
            gradients = passes.layers.tables[passes.layers.gradient_name(box)]
            lines += [f"∂ {written(number)}" for row in gradients for number in row]
        assert found[name] == lines


def test_a_step_says_its_equation(read, files):
    reader = read(files["worked example"], "#view=layers&step=1")
    assert reader.page.text_content(".heading") == "The value of neth"
    assert re.sub(r"\s", "", reader.page.text_content(".lines")) == "neth=Wh·x+bh=(0.851)"
    reader.page.press("body", "End")
    reader.page.press("body", "ArrowLeft")
    assert reader.page.text_content(".heading") == "Update"
    assert "0.0946289" not in str(boxes(reader))
    assert "0.09463" in boxes(reader)["Wh"]


def test_gradients_from_before_the_update_stand_in_parentheses(read, files):
    reader = read(files["worked example"], "#view=layers")
    reader.page.press("body", "End")
    gradients = [line for lines in boxes(reader).values() for line in lines if "∂" in line]
    assert len(gradients) == 23
    assert all(line.startswith("(∂ ") and line.endswith(")") for line in gradients)
    reader.page.press("body", "ArrowLeft")  # the update alone: only the parameters are new
    assert {name for name, lines in boxes(reader).items() if "(∂" in str(lines)} == {"Wh", "bh", "Wo", "bo"}


def test_large_matrices_show_the_range_of_their_numbers(read, files):
    passes = trace(CASES["convolution"](), "layers")
    numbers = [number for row in passes.layers.by_name["p"].values for number in row]
    reader = read(files["convolution"], "#view=layers&step=3")
    assert boxes(reader)["p"] == ["16 × 1", f"{written(min(numbers))} … {written(max(numbers))}"]


def test_other_numbers_go_through_the_matrices(read, files):
    example = two_output()
    place = topological_order(example.root).index(example.inputs[0])
    reader = read(files["worked example"], f"#view=layers&step=2&numbers={place}=1.5")
    assert boxes(reader)["x"] == ["2 × 1", "1.5", "1"]
    assert boxes(reader)["neth"][1:] == [written(0.1 * 1.5 + 0.3 * 1.0 + 0.5), written(0.2 * 1.5 + 0.4 * 1.0 + 0.5)]


def test_matrices_without_labels_bear_the_names_that_the_trace_gives_them(read, tmp_path):
    w, b, x = [[Value(0.1), Value(0.3)], [Value(0.2), Value(0.4)]], [Value(0.5), Value(0.6)], [Value(0.5), Value(1.0)]
    outs = [(sum(v * z for v, z in zip(row, x)) + bias).sigmoid() for row, bias in zip(w, b)]
    root = outs[0] + outs[1]
    passes = trace(root, "layers")
    reader = read(write_page(root, tmp_path / "page.html"), "#view=layers&step=1")
    assert list(boxes(reader)) == [box.name for box in passes.layers.boxes]
    assert list(boxes(reader))[:3] == ["W1", "x", "b1"]
    assert reader.steps()[1] == len(passes.forward) + len(passes.backward)
    assert re.sub(r"\s", "", reader.page.text_content(".lines")).startswith("net1=W1·x+b1=")


@pytest.mark.parametrize("name", ["convolution", pytest.param("softmax", marks=pytest.mark.thorough)])
def test_a_gradient_is_used_after_the_step_that_gives_it(read, files, tmp_path, name):
    passes = trace(CASES[name](), "layers")
    (arranged,) = (box for box in passes.layers.boxes if box.role == ARRANGEMENT)
    label = arranged.name.replace("_", "")
    path = files[name] if name in files else write_page(CASES[name](), tmp_path / "page.html")
    reader = read(path, f"#view=layers&step={len(passes.forward) + 1}")
    given, used = [], []
    while "The gradients of" in (heading := reader.page.text_content(".heading")):
        given.append(heading.removeprefix("The gradients of "))
        lines = re.sub(r"\s", "", reader.page.text_content(".lines"))
        used += [len(given)] * ("gathered(" in lines)
        note = reader.page.text_content(".note")
        assert ("gathered adds up" in note) == ("gathered(" in lines or given[-1] == label)
        assert not any("∂" in line for line in boxes(reader)[label])
        reader.page.press("body", "ArrowRight")
    assert min(used) > given.index(label) + 1


def test_changing_the_view_stays_at_the_quantity(read, files):
    reader = read(files["worked example"], "#view=layers&step=3")  # net_o
    reader.click("#view-quantities")
    assert reader.page.text_content(".heading") == "The value of neto2"
    reader.click("#view-layers")
    assert reader.steps()[0] == 3
    reader.click("#language")
    assert reader.page.inner_text("#view-layers") == "矩阵"


def test_no_view_of_layers_where_nothing_is_alike(read, tmp_path):
    x, w = Value(0.5, "x"), Value(0.2, "w")
    reader = read(write_page((w * x).sigmoid(), tmp_path / "page.html"), "#view=layers")
    assert not reader.page.is_visible("#view-layers")
    assert "layers" in reader.page.inner_text("#error")
    typed = tmp_path / "typed.html"
    typed.write_text(playground().html, encoding="utf-8")
    assert not read(typed).page.is_visible("#view-layers")


def test_boxes_are_reached_by_keys_and_say_their_numbers(read, files):
    reader = read(files["worked example"], "#view=layers&step=0")
    box = reader.page.locator("#picture-layers .node").first
    assert box.get_attribute("aria-label").startswith("Wh 2 × 2 0.1 0.3 0.2 0.4")
    assert box.get_attribute("role") == "button"
