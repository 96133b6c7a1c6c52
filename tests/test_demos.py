"""Every demo runs, in a folder of its own, and what it claims to reproduce comes out."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMOS = sorted((Path(__file__).parent.parent / "demos").glob("*.py"))


def run(demo, folder):
    result = subprocess.run(
        [sys.executable, str(demo), str(folder)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


PUBLISHED = {
    "worked_example": ("E_total before: 0.40801310", "= 0.48925782", "= 1.01240932", "E_total after:  0.39198208")
}


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.stem)
def test_the_demo_runs(demo, tmp_path):
    output = run(demo, tmp_path)
    assert output
    for published in PUBLISHED.get(demo.stem, ()):
        assert published in output
