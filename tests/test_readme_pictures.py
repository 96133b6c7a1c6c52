"""Every picture in the READMEs, and the page that they link to, is what the present code makes."""

import io
from html import unescape

import pytest
from readme_pictures import PICTURE, SCREENSHOT, files, screenshot

REFRESH = "no longer what the code makes: run python tests/readme_pictures.py"


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_the_file_is_current(file):
    assert file.read_text(encoding="utf-8") == files()[file], f"{file.name} is {REFRESH}"


def test_the_screenshot_is_current(browser):
    """Fonts differ from machine to machine, so pixels may; what is where may not."""
    numpy = pytest.importorskip("numpy")
    image = pytest.importorskip("PIL.Image")

    def blurred(png):
        picture = image.open(png).convert("RGB").resize((160, 100), image.Resampling.BOX)
        return numpy.asarray(picture, dtype=float)

    kept, now = blurred(SCREENSHOT), blurred(io.BytesIO(screenshot(browser)))
    assert abs(kept - now).mean() < 1.5, f"{SCREENSHOT.name} is {REFRESH}"


def test_the_picture_has_the_published_numbers():
    text = unescape(PICTURE.read_text(encoding="utf-8"))
    for number in ("0.8813", "0.7006", "0.05121", "-0.008694"):
        assert number in text
