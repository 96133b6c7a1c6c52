"""The notebooks run from top to bottom, are kept without output, and an export needs no network and no script."""

import os
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat") if not os.environ.get("CI") else __import__("nbformat")
pytestmark = pytest.mark.thorough

NOTEBOOKS = sorted((Path(__file__).parent.parent / "demos" / "notebooks").glob("*.ipynb"))
READ = {path.stem: nbformat.read(path, 4) for path in NOTEBOOKS}


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.fixture(scope="module", params=READ)
def executed(request, tmp_path_factory):
    from nbclient import NotebookClient

    notebook = nbformat.from_dict(READ[request.param])
    folder = tmp_path_factory.mktemp("run")
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()


def test_there_are_four():
    assert list(READ) == ["chain_rule", "scalars_to_digits", "ten_confusions", "worked_example"]


@pytest.mark.parametrize("name", READ)
def test_it_is_kept_without_output(name):
    nbformat.validate(READ[name])
    assert outputs(READ[name]) == []
    assert {cell.get("execution_count") for cell in READ[name].cells} == {None}
    assert sum(cell.cell_type == "code" for cell in READ[name].cells) >= 7


def test_it_runs_and_every_result_shows_itself(executed):
    """A result is a picture, a table or mathematics, or one number; nothing complains."""
    for output in outputs(executed):
        assert output.output_type != "error"
        busy = output.get("text", "").startswith("draw: laying out")  # on a slow machine, after a second
        assert output.get("name") != "stderr" or busy, output.text
        text = output.get("data", {}).get("text/plain", "")
        assert len(output.get("data", {})) > 1 or len(text) < 40, text


def test_an_export_needs_no_network_and_no_script(executed, tmp_path, browser):
    """Each formula is MathML, each picture an image, and printed they are still there."""
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter().from_notebook_node(executed)
    (tmp_path / "export.html").write_text(html, encoding="utf-8")
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "export.html").as_uri(), wait_until="domcontentloaded")
    shown = page.inner_text("body")
    assert "\\frac" not in shown
    assert "$" not in shown
    drawn = sum("image/svg+xml" in output.get("data", {}) for output in outputs(executed))
    pages = html.count("data-page=")
    assert page.locator("img").count() == drawn + pages
    for image in page.locator("img").all():
        assert image.bounding_box()["width"] > 50
    derived = sum(output.get("data", {}).get("text/html", "").count("<math") for output in outputs(executed))
    assert page.locator("math").count() == derived
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 within margins of 1 cm
    right = "parts => parts.map(part => part.getBoundingClientRect().right)"
    assert max(page.locator("math, img, table").evaluate_all(right), default=0) <= 720
    printed = page.pdf()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
    context.close()
