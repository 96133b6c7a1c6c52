"""Pictures as a reader sees them: text inside its shape in every font, PNG and PDF without `dot`, words to hear."""

import re
import struct
import zlib
from xml.etree import ElementTree

import pytest
from figure_support import drawings

from scalargrad import Value, draw

SVG = "{http://www.w3.org/2000/svg}"
FONTS = ("DejaVu Sans", "Liberation Sans")

MEASURE = """
([svg, font]) => {
    document.body.innerHTML = svg + `<style>text { font-family: "${font}", "Noto Sans CJK SC" }</style>`;
    const outside = [];
    for (const node of document.querySelectorAll("g.node")) {
        const shapes = [...node.querySelectorAll("ellipse, polygon, path")];
        const shape = shapes.find((part) => part.getAttribute("fill") !== "none") ?? shapes[0];
        if (!shape || shape.getAttribute("stroke") === "none") continue;  // a plain number has no shape
        for (const text of node.querySelectorAll("text")) {
            const { x, y, width, height } = text.getBBox();  // of the font's whole height, accents included
            for (const [right, down] of [[0, 0.25], [1, 0.25], [0, 0.8], [1, 0.8]]) {
                const corner = new DOMPoint(x + right * width, y + down * height);
                if (!shape.isPointInFill(corner)) outside.push(text.textContent);
            }
        }
    }
    return outside;
}
"""


@pytest.fixture(scope="module")
def page(browser):
    opened = browser.new_page(offline=True)
    yield opened
    opened.close()


@pytest.fixture(params=["with what is here", "without dot"])
def renderer(request, monkeypatch):
    if request.param == "without dot":
        monkeypatch.setenv("PATH", "")
    return request.param


def test_there_are_twenty():
    assert len(drawings()) == 20


@pytest.mark.parametrize("font", FONTS)
def test_text_stays_inside_its_shape(page, font, renderer):
    """Before: "grad 0.003649" crossed its ellipse, and boxes were too narrow in DejaVu Sans."""
    widths = page.evaluate(
        "fonts => fonts.map((font) => { const pen = document.createElement('canvas').getContext('2d');"
        " pen.font = `20px '${font}', monospace`; return pen.measureText('Wil0').width })",
        [font, "no such font"],
    )
    if widths[0] == widths[1]:
        pytest.skip(f"{font} is not installed")
    outside = {name: page.evaluate(MEASURE, [shown.pipe(encoding="utf-8"), font]) for name, shown in drawings().items()}
    assert not any(outside.values()), outside


@pytest.mark.parametrize("name", ["two-output quantities", "Chinese labels", "a batch"])
def test_a_png_and_a_pdf_need_no_dot(name, monkeypatch, tmp_path):
    """Before: RuntimeError, png needs the program `dot`."""
    pytest.importorskip("resvg_py")
    pytest.importorskip("typst")
    monkeypatch.setenv("PATH", "")
    drawing = drawings()[name]
    view = re.search(r'viewBox="0.00 0.00 ([\d.]+) ([\d.]+)"', drawing.pipe(encoding="utf-8"))
    for scale in (None, 0.5):
        png = drawing.write(tmp_path / "graph.png", scale=scale).read_bytes()
        size, rows = pixels(png)
        assert size == pytest.approx([float(part) * (scale or 1.5) * 96 / 72 for part in view.groups()], abs=2)
        assert len(set(rows)) > 50  # there is something in it
    pdf = unpacked(drawing.write(tmp_path / "graph.pdf").read_bytes())
    assert pdf.startswith(b"%PDF-")
    box = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    ratio = float(view[1]) / float(view[2])
    assert float(box[1]) / float(box[2]) == pytest.approx(ratio, rel=0.01)
    assert b"/Font" in pdf  # letters, and no picture of them


def unpacked(pdf):
    """A PDF with all that it holds compressed set behind it."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return pdf + b"\n".join(zlib.decompressobj().decompress(part) for part in streams if part[:1] == b"x")


def pixels(png):
    """The size of a PNG and its rows, as they are stored."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    data, place = b"", 8
    while place < len(png):
        length = struct.unpack(">I", png[place : place + 4])[0]
        data += png[place + 8 : place + 8 + length] if png[place + 4 : place + 8] == b"IDAT" else b""
        place += 12 + length
    rows = zlib.decompress(data)
    step = len(rows) // height
    return [width, height], [rows[start : start + step] for start in range(0, len(rows), step)]


def test_without_the_packages_and_without_dot_the_way_out_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("scalargrad.explain.rendering.find_spec", lambda _: None)
    for kind, package in (("png", "resvg-py"), ("pdf", "typst")):
        with pytest.raises(
            RuntimeError, match=rf"{kind} needs {package} \(`pip install 'scalargrad-edu\[{kind}\]'`\) or"
        ):
            draw(Value(1.0) * 2).write(tmp_path / f"graph.{kind}")
    assert not list(tmp_path.iterdir())


def test_only_a_png_has_a_scale(tmp_path):
    with pytest.raises(ValueError, match="only a png has a scale, and this is svg"):
        draw(Value(1.0) * 2).write(tmp_path / "graph.svg", scale=2)
    with pytest.raises(ValueError, match=r"needs a scale from 0.1 to 20, got 0"):
        draw(Value(1.0) * 2).write(tmp_path / "graph.png", scale=0)


def test_names_have_their_indices_below_the_line():
    svg = ElementTree.fromstring(drawings()["layers"].pipe())
    texts = {"".join(text.itertext()): list(text) for text in svg.iter(f"{SVG}text")}
    below, above = texts["w11(2)"]
    assert (below.text, above.text) == ("11", "(2)")
    assert float(below.get("dy")) > 0 > float(above.get("dy"))


def test_an_svg_says_in_words_what_it_shows():
    """A screen reader says the title and the description; before there was neither."""
    w, x = Value(0.5, label="w"), Value(3.0, label="x")
    y = w * x
    y.label = "y"
    y.backward()
    svg = ElementTree.fromstring(draw(y).pipe())
    assert (svg.get("role"), svg[0].tag, svg[1].tag) == ("img", f"{SVG}title", f"{SVG}desc")
    assert svg[0].text == "The graph of y: 3 nodes"
    assert svg[1].text.splitlines() == [
        "w, parameter: value 0.5, gradient 3.",
        "x, input: value 3, gradient 0.5.",
        "y, loss: value 1.5, gradient 1. Derivative by w: 3. Derivative by x: 0.5.",
    ]
    assert "y 的计算图：3 个节点" in draw(y, lang="zh").pipe(encoding="utf-8")
