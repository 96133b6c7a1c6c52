"""A real JupyterLab, driven by the browser: a notebook runs in it, and one that is not trusted shows what it holds.

Where JupyterLab is installed; `.ci/run` installs it for this file alone, as it is large and slow to start.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from scalargrad import derive
from scalargrad.page import page
from scalargrad.teach.examples import two_output

pytest.importorskip("jupyterlab")

NOTEBOOKS = Path(__file__).parent.parent / "demos" / "notebooks"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(NOTEBOOKS / "worked_example.ipynb", folder)
    _write_untrusted(folder / "untrusted.ipynb")
    with closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    options += ["--IdentityProvider.token=", "--LabApp.news_url="]
    places = {name: str(folder / "own" / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env={**os.environ, **places}, stdout=log, stderr=log)
    address = f"http://localhost:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"{address}/api"):
            assert server.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def _answers(address):
    try:
        with urlopen(address, timeout=2) as reply:
            return reply.status == 200
    except (URLError, OSError):
        return False


def _write_untrusted(path):
    """Write a notebook that somebody else has run, as students receive it."""
    nbformat = pytest.importorskip("nbformat")
    example = two_output()
    root = example.root
    root.backward()
    shown = [root._repr_mimebundle_(), derive(root, example.quantities["w1"])._repr_mimebundle_()]
    shown.append({"text/html": page(root)._repr_html_(), "text/plain": "page"})
    cells = [
        nbformat.v4.new_code_cell("…", outputs=[nbformat.v4.new_output("display_data", data=bundle)])
        for bundle in shown
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


@pytest.fixture
def opened(lab, browser):
    context = browser.new_context(viewport={"width": 1200, "height": 1000})

    def open_notebook(name):
        shown = context.new_page()
        shown.set_default_timeout(60_000)
        shown.goto(f"{lab}/lab/tree/{name}.ipynb?reset")
        shown.wait_for_selector(".jp-Notebook .jp-OutputArea, .jp-Notebook .jp-CodeCell")
        return shown

    yield open_notebook
    context.close()


def test_a_notebook_runs_and_every_result_shows_itself(opened):
    shown = opened("worked_example")
    shown.wait_for_selector("text=Python 3 (ipykernel) | Idle")
    shown.click("text=Run >> nth=0")
    shown.click("text=Run All Cells")
    scroll = "document.querySelector('.jp-WindowedPanel-outer').scrollBy(0, 500)"
    seen = set()
    wanted = {"img": "a picture", "math": "a formula", "iframe": "the page", "table": "a table"}
    deadline = time.monotonic() + 60
    while seen != set(wanted.values()) and time.monotonic() < deadline:
        for tag, what in wanted.items():
            if shown.locator(f".jp-OutputArea-output {tag}").count():
                seen.add(what)
        if "the page" in seen:
            frame = shown.locator("iframe").first.element_handle().content_frame()
            frame.wait_for_selector("#count:text-matches('^0 / ')")
            frame.click("#next")
            frame.wait_for_selector("#count:text-matches('^1 / ')")
        shown.evaluate(scroll)
        shown.wait_for_timeout(300)
    assert seen == set(wanted.values())
    assert shown.locator(".jp-RenderedText[data-mime-type*=error]").count() == 0


def test_a_notebook_that_is_not_trusted_shows_pictures_and_formulas_that_read_right(opened):
    shown = opened("untrusted")
    shown.wait_for_selector(".jp-OutputArea-output img")
    assert shown.locator("iframe").count() == 0
    pictures = shown.locator(".jp-OutputArea-output img").all()
    assert pictures
    for picture in pictures:
        assert 100 < picture.bounding_box()["width"] < 1200
    text = shown.locator(".jp-Notebook").inner_text()
    assert "∂E_total/∂E_o1·∂E_o1/∂out_o1" in text
    assert "Here the page of E_total shows itself" in text
