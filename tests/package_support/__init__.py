"""Build the distributions of this checkout, as a release would."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def build(folder, *kinds):
    """Build a wheel, an sdist, or without kinds the sdist and from it the wheel; give back the paths."""
    command = [sys.executable, "-m", "build", "--outdir", str(folder), *kinds, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return sorted(folder.iterdir())
