"""The wheel and the sdist: they hold everything, and in an empty environment the wheel does the main job."""

import json
import os
import re
import subprocess
import tarfile
import venv
import zipfile

import pytest
from package_support import ROOT, build

import scalargrad
from scalargrad.teach.examples import step, two_output

pytestmark = pytest.mark.thorough

VERSION = scalargrad.__version__


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    sdist, wheel = sorted(build(tmp_path_factory.mktemp("dist")), key=lambda path: path.suffix)
    return sdist, wheel


def tracked():
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    return [name for name in listed.stdout.splitlines() if not name.startswith(".")]


def test_the_distributions_hold_every_file(built):
    sdist, wheel = built
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in tracked() if name.startswith("scalargrad/")} <= names
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert set(tracked()) <= packed


def test_the_wheel_does_the_main_job_in_an_empty_environment(built, tmp_path):
    wheel = built[1]
    place = tmp_path / "environment"
    venv.create(place, with_pip=True)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", wheel], check=True, capture_output=True)
    bare = {**os.environ, "PATH": str(programs), "PYTHONPATH": "", "LC_ALL": "C.UTF-8"}  # no `dot`, no compiler

    def run(*arguments):
        done = subprocess.run(
            [programs / "scalargrad", *arguments],
            cwd=tmp_path,
            env=bare,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(run("example", "--json"))["gradients"] == step(two_output).gradients
    assert "Written:" in run("example", "--out", "example")
    assert {path.name for path in (tmp_path / "example").iterdir()} == {
        "operations.svg",
        "quantities.svg",
        "steps.html",
        "worked-example.txt",
    }
    assert "反向传播" in run("explain", "--lang", "zh", "y = sigmoid(w*x)", "w=0.6", "x=1.5")
    packages = next(place.rglob("site-packages"))
    installed = sum(
        file.stat().st_size
        for package in packages.iterdir()
        if not package.name.startswith(("pip", "__pycache__"))
        for file in ([package] if package.is_file() else package.rglob("*"))
        if file.is_file()
    )
    print(f"wheel {wheel.stat().st_size / 1e6:.2f} MB, installed with all that it needs {installed / 1e6:.1f} MB")
    assert wheel.stat().st_size < 1_000_000


def test_the_version_is_the_one_of_the_changelog_and_of_the_tag():
    headings = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == VERSION
    tags = subprocess.run(["git", "-C", str(ROOT), "tag", "--points-at", "HEAD"], capture_output=True, text=True)
    assert all(tag == f"v{VERSION}" for tag in tags.stdout.split() if re.fullmatch(r"v\d.*", tag))
