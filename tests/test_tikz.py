"""TikZ and series of steps: LaTeX takes every picture, every number reads back, and each step shows what is new."""

import os
import re
import shutil
import subprocess
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from figure_support import drawings, network

from scalargrad import Value, draw, trace
from scalargrad.cli import main
from scalargrad.explain.tikz import numbers
from scalargrad.graph.roles import is_number
from scalargrad.teach.examples import EXAMPLES, two_output
from scalargrad.teach.worksheets import worksheet

SVG = "{http://www.w3.org/2000/svg}"


def compiled(folder, name, document, program="pdflatex"):
    """Run LaTeX, and count the pages that it made."""
    needed = ["tikz.sty", "beamer.cls", *(["ctex.sty"] if program == "xelatex" else [])]
    there = shutil.which(program) and shutil.which("kpsewhich")
    if not there or subprocess.run(["kpsewhich", *needed], stdout=subprocess.DEVNULL).returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"there is no {program} with {', '.join(needed)}")
    (folder / f"{name}.tex").write_text(document, encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300)
    assert run.returncode == 0, run.stdout[-2000:]
    return int(re.search(r"Output written on \S+ \((\d+) pages?", run.stdout)[1])


def by_program():
    """The twenty pictures, under the first program that the head of each names."""
    found = {"pdflatex": [], "xelatex": []}
    for name, drawing in drawings().items():
        head = drawing.pipe("tex", encoding="utf-8").splitlines()[0]
        found[re.search(r"; for (\w+)", head)[1]].append((name, drawing))
    assert [name for name, _ in found["xelatex"]] == ["Chinese words", "Chinese labels"]
    return found.items()


def network_drawing(name="two-output", **options):
    root = EXAMPLES[name]().root
    root.backward()
    return draw(root, "quantities", **options)


@pytest.mark.thorough
def test_latex_sets_every_picture(tmp_path):
    """Each with the packages that its own first line names."""
    for program, pictures in by_program():
        for number, (_, drawing) in enumerate(pictures):
            drawing.write(tmp_path / f"picture{number}.tex")
        pages = "\n\\newpage\n".join(rf"\input{{picture{number}}}" for number in range(len(pictures)))
        size = r"\usepackage[paperwidth=550cm,paperheight=100cm,margin=1cm]{geometry}"
        packages = rf"{size}\usepackage{{{named_packages(tmp_path / 'picture0.tex')}}}"
        document = rf"\documentclass{{article}}{packages}\begin{{document}}{pages}\end{{document}}"
        assert compiled(tmp_path, program, document, program) == len(pictures)


def named_packages(path):
    return re.search(r"\\usepackage\{([^}]*)\}", path.read_text("utf-8").splitlines()[0])[1]


@pytest.mark.thorough
def test_beamer_sets_every_picture_in_steps(tmp_path):
    """Four slides of each: all 1150 were set once, which takes nine minutes."""
    for program, pictures in by_program():
        frames, expected = [], 0
        for number, (_, drawing) in enumerate(pictures):
            drawing.write_steps(tmp_path / f"steps{number}.tex")
            count = len(drawing.shown.steps(1.0))
            slides = sorted({1, count // 3, 2 * count // 3, count})
            expected += len(slides)
            chosen = ",".join(map(str, slides))
            frames.append(rf"\begin{{frame}}<{chosen}>\input{{steps{number}}}\end{{frame}}")
        packages = rf"\usepackage{{{named_packages(tmp_path / 'steps0.tex')}}}"
        document = [r"\documentclass{beamer}", packages, r"\begin{document}", *frames, r"\end{document}"]
        assert compiled(tmp_path, f"talk-{program}", "\n".join(document), program) == expected


@pytest.mark.thorough
def test_beamer_makes_a_slide_of_each_step_of_the_documents_network(tmp_path):
    drawing = network_drawing()
    drawing.write_steps(tmp_path / "steps.tex")
    document = r"""\documentclass{beamer}\usepackage{amsmath,tikz}\begin{document}
    \begin{frame}\input{steps}\end{frame}\end{document}"""
    passes = trace(drawing.shown.view.root, "quantities")
    computed = sum(1 for node in passes.view.order if node.parents)
    assert compiled(tmp_path, "talk", document) == 1 + computed + 1 + len(passes.backward) + 1 == 44


@pytest.mark.thorough
@pytest.mark.parametrize("key", [False, True])
def test_chinese_worksheets_are_set(tmp_path, key):
    """Before: never compiled."""
    sheet = worksheet(two_output().root, ("values", "gradients", "updated parameters"), lang="zh")
    assert compiled(tmp_path, "sheet", sheet.latex(key=key), "xelatex") >= 1


@pytest.mark.thorough
def test_beamer_makes_a_slide_of_each_step_and_knows_every_number(tmp_path):
    drawing = draw(network(1, 1, 1), "quantities")
    drawing.write_steps(tmp_path / "steps.tex", learning_rate=0.5)
    (tmp_path / "numbers.tex").write_text(numbers(drawing.shown))
    document = r"""\documentclass{beamer}\usepackage{tikz}\input{numbers}\begin{document}
    \begin{frame}\input{steps}\end{frame}\begin{frame}\valueEtotal, \gradwone, \valuenethone\end{frame}\end{document}"""
    contributions = len(trace(drawing.shown.view.root, "quantities").backward)
    computed = sum(1 for node in drawing.shown.view.order if node.parents)
    assert compiled(tmp_path, "talk", document) == 1 + computed + 1 + contributions + 1 + 1


@pytest.mark.parametrize("name", drawings())
def test_every_number_of_the_twenty_reads_back(name):
    drawing = drawings()[name]
    shown, source = drawing.shown, drawing.pipe("tex", encoding="utf-8")

    def as_shown(number):
        return float(f"{number:.{shown.digits}g}")

    for node, place in shown.names.items():
        content = re.search(rf"\({place}\) at \(\S+ \S+\) \{{(.*)\}};", source)[1]
        expected = [node.data] if is_number(node) else [node.data, node.grad]
        lines = content.split(r"\\")[-len(expected) :]
        assert [read(line.split("$")[-2]) for line in lines] == list(map(as_shown, expected))
    edges = re.findall(r"\\draw\[sg edge\] \((\w+)\).* \((\w+)\)(?: node\[.*\$(?:= )?([^$]*)\$\})?;", source)
    assert [(start, end, read(number) if number else None) for start, end, number in edges] == [
        (
            shown.names[edge.parent],
            shown.names[node],
            as_shown(edge.derivative) if shown.has_derivatives and not is_number(edge.parent) else None,
        )
        for node in shown.names
        for edge in shown.view.edges(node)
        if edge.parent in shown.names
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_number_reads_back(name):
    drawing = network_drawing(name, digits=17)
    source = drawing._tikz(drawing.pipe(encoding="utf-8"))
    view, names = drawing.shown.view, drawing.shown.names
    for node, place in names.items():
        content = re.search(rf"\({place}\) at \(\S+ \S+\) \{{(.*)\}};", source)[1]
        found = [read(number) for number in re.findall(r"(?:value|grad) \$([^$]*)\$", content)]
        assert found == [node.data, node.grad]
    edges = re.findall(r"\\draw\[sg edge\] \((\w+)\).* \((\w+)\) node\[[^]]*\] at [^{]*\{\$([^$]*)\$\};", source)
    expected = [(names[edge.parent], edge.derivative, names[node]) for node in names for edge in view.edges(node)]
    assert [(start, read(number), end) for start, end, number in edges] == expected
    macros = dict(re.findall(r"\\newcommand\*\{\\(\w+)\}\{(\S+)\}", numbers(drawing.shown)))
    assert len(macros) == 2 * len(names)
    assert float(macros["valueEtotal"]) == view.root.data


def read(number):
    mantissa, _, exponent = number.partition(r" \cdot 10^{")
    return float(f"{mantissa}e{exponent[:-1] or 0}")


def test_two_labels_of_one_spelling_have_macros_of_their_own():
    a, b = Value(1.0, label="a_1"), Value(2.0, label="a1")
    assert re.findall(r"\\(\w+)\}", numbers(draw(a * b, "quantities").shown))[:4] == [
        "valueaone",
        "gradaone",
        "valueaonex",
        "gradaonex",
    ]


def visible(frame):
    """The texts of a frame that are seen, and those that are new."""
    texts = [text for text in ElementTree.fromstring(frame).iter(f"{SVG}text") if text.get("visibility") != "hidden"]
    return ["".join(text.itertext()) for text in texts], [
        "".join(text.itertext()) for text in texts if text.get("font-weight") == "bold"
    ]


def test_a_series_shows_one_thing_more_each_step(tmp_path):
    x, w = Value(3.0, label="x"), Value(0.5, label="w")
    y = w * x
    y.label = "y"
    y.backward()
    paths = draw(y, "quantities").write_steps(tmp_path / "graph.svg", learning_rate=0.1)
    assert [path.name for path in paths] == [f"graph-{number:02}.svg" for number in range(1, 7)]
    frames = [path.read_text("utf-8") for path in paths]
    assert len({re.search(r"<svg [^>]*>", frame)[0] for frame in frames}) == 1  # all of the same size
    assert [visible(frame)[1] for frame in frames] == [
        ["value 0.5", "value 3"],
        ["value 1.5"],
        ["grad 1"],
        ["grad 3", "3"],
        ["grad 0.5", "0.5"],
        ["value 0.2"],  # 0.5 - 0.1 * 3
    ]
    words = [visible(frame)[0][-1] for frame in frames]
    assert words[1] == "2/6 y = w*x = 1.5"
    assert words[3] == "4/6 dy/dy * dy/dw = 1 * 3 = 3"
    assert words[5] == "6/6 The update: new = old - 0.1 * gradient"
    assert "value 0.5" not in visible(frames[-1])[0]


def test_the_last_step_but_one_shows_all_that_the_picture_shows(tmp_path):
    root = network(2, 2, 1)
    whole = visible(draw(root, "operations", all_names=True).pipe(encoding="utf-8"))[0]
    frames = draw(root, "operations").write_steps(tmp_path / "graph.svg")
    assert visible(frames[-2].read_text("utf-8"))[0][:-1] == whole


def test_what_the_words_of_a_step_name_stands_in_the_picture(tmp_path):
    """Before: "dnet_o1/dv9", and no v9 in the picture."""
    drawing = draw(network(2, 2, 1), "operations")
    for frame in drawing.write_steps(tmp_path / "graph.svg"):
        texts = {text.replace(" ", "") for text in visible(frame.read_text("utf-8"))[0]}
        assert set(re.findall(r"\bd?(v\d+)\b", max(texts, key=len))) <= texts
    drawing.write_steps(tmp_path / "slides.tex")
    picture, _, words = (tmp_path / "slides.tex").read_text().partition(r"\end{tikzpicture}")
    assert (said := set(re.findall(r"\\partial v_\{(\d+)\}", words)))
    assert said <= set(re.findall(r" \$v_\{(\d+)\}\$", picture))


def test_a_slide_shows_what_is_new_in_red_and_the_update_the_new_values(tmp_path):
    w, x = Value(0.5, label="w"), Value(3.0, label="x")
    y = w * x
    y.label = "y"
    y.backward()
    [path] = draw(y, "quantities").write_steps(tmp_path / "slides.tex", learning_rate=0.1)
    slides = path.read_text()
    before = r"\alt<1->{\alert<1>{value $0.5$}}{\phantom{value $0.5$}}"
    assert rf"\alt<6->{{\alert<6>{{value $0.2$}}}}{{{before}}}" in slides
    assert r"$\frac{\partial y}{\partial y} \cdot \frac{\partial y}{\partial w} = 1 \cdot 3 = 3$" in slides


def test_a_part_has_the_steps_that_show_something_in_it(tmp_path):
    root = network(2, 2, 1)
    part, whole = draw(root, "operations", depth=3), draw(root, "operations")
    assert 1 < len(part.shown.names) < len(whole.shown.names)
    frames = part.write_steps(tmp_path / "graph.svg")
    assert 1 < len(frames) < len(whole.shown.steps(1.0))
    seen = [visible(path.read_text("utf-8"))[0][:-1] for path in frames]
    assert all(len(before) < len(after) for before, after in pairwise(seen))  # each step shows something more
    named = draw(root, "operations", depth=3, all_names=True).pipe(encoding="utf-8")
    assert seen[-1] == visible(named)[0]  # no parameter is in it, and so no update


def test_steps_in_other_formats_are_refused(tmp_path):
    root = network(2, 2, 1)
    with pytest.raises(ValueError, match="written as svg, png or tex, not as 'pdf'"):
        draw(root).write_steps(tmp_path / "graph.pdf")
    assert not list(tmp_path.iterdir())


def test_the_command_draws_in_every_format(tmp_path, capsys):
    formula = ["z = w*x; y = sigmoid(z)", "w=0.6", "x=1.5", "--lang", "en"]
    for name in ("graph.svg", "graph.tex", "graph.gv"):
        assert main(["draw", *formula, "--out", str(tmp_path / name)]) == 0
    assert main(["draw", *formula, "--steps", "--out", str(tmp_path / "step.svg"), "--learning-rate", "0.5"]) == 0
    written = capsys.readouterr().out
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"graph.svg", "graph.tex", "graph.gv", "graph-numbers.tex", "step-01.svg", "step-07.svg"}
    assert all(name in written for name in names)
