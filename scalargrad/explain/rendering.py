"""Turn DOT source into a picture: by the `dot` on the PATH, and without one by the Graphviz shipped inside a wheel.

Source in, bytes or a file out. Both run in a process of their own that is ended where a layout takes too long.
"""

import math
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Timer
from time import monotonic
from typing import IO, Any

from ..messages import say
from . import browser, layout

SOURCE_FORMATS = ("gv", "dot")
FORMATS = ("svg", "png", "pdf", "tex", *SOURCE_FORMATS)
PATIENCE = 5.0  # seconds for Graphviz's own layout; what comes after it takes one or two, and on a busy machine more

_MOST_PIXELS = 2e7  # of a PNG: more take long and gigabytes, and few programs open it
SCALE = 1.5  # of a PNG: a projector shows the 96 dots per inch of Graphviz blurred

_SILENCE = 1.0  # seconds; after that a sentence says that something is going on


def check_format(picture_format: str) -> None:
    """Raise ValueError for a format that is not known, RuntimeError for one that nothing here can write."""
    if picture_format not in FORMATS:
        raise ValueError(f"draw: unknown picture format {picture_format!r}; known: {', '.join(FORMATS)}")
    if picture_format in _CONVERTERS and not _converter(picture_format) and not shutil.which("dot"):
        package, extra = _CONVERTERS[picture_format]
        raise RuntimeError(
            f"draw: {picture_format} needs {package} (`pip install 'scalargrad-edu[{extra}]'`) or the program `dot` "
            "(`apt install graphviz`, `brew install graphviz`, or https://graphviz.org/download); svg needs neither"
        )


def render(
    source: str,
    picture_format: str,
    unasked: bool = False,
    finish: Callable[[str], str] = str,
    scale: float = SCALE,
    lang: str = "en",
) -> bytes:
    """Render DOT source as svg, png, pdf, or give it back as it is (gv, dot).

    What `finish` makes of the SVG is what a reader gets, and what PNG and PDF are made of; only where the package for
    that is missing they come from `dot` as they are. A PNG has 96 x `scale` dots per inch.
    A layout that takes too long is given up, and a plain one takes its place; a sentence on standard error says so, in
    the language `lang`.
    A picture that is `unasked` for gives up after a second, with a TimeoutError. Raises ValueError and RuntimeError as
    `check_format`, and RuntimeError with Graphviz's own words where it cannot draw the source.
    """
    check_format(picture_format)
    if picture_format in SOURCE_FORMATS:
        return source.encode()
    if picture_format not in _CONVERTERS:
        return finish(_laid_out(source, unasked, lang).decode()).encode()
    if converter := _converter(picture_format):
        return converter(finish(_laid_out(source, unasked, lang).decode()), scale)
    dots = {"png": [f"-Gdpi={96 * scale:g}"]}
    return _by_program(source, ["dot", f"-T{picture_format}", *dots.get(picture_format, [])], PATIENCE)


def _laid_out(source: str, unasked: bool, lang: str) -> bytes:
    """Lay out a source as SVG: as tidily as there is time for."""
    edges = layout.edge_count(source)
    tidy = source if edges <= layout.QUICK_FROM else layout.quick(source)
    if sys.platform == "emscripten":  # no processes there, and no threads to watch the time
        return browser.render(tidy)
    if unasked:
        return _run(tidy, "dot", _SILENCE)
    sign_of_life = Timer(_SILENCE, _tell, ["busy", edges, lang])
    sign_of_life.start()
    try:
        return _run(tidy, "dot", PATIENCE)
    except TimeoutError:
        _tell("plain", edges, lang)
    finally:
        sign_of_life.cancel()
    try:
        return _run(layout.plain(source), "nop", PATIENCE)
    except TimeoutError as error:
        raise RuntimeError(f"draw: {edges} edges are too many for Graphviz ({error}); draw less") from None


def as_png(svg: str, scale: float) -> bytes:
    """Turn an SVG into a PNG; raise RuntimeError where the package for that is missing."""
    if not _converter("png"):
        raise RuntimeError("draw: steps as png need resvg-py (`pip install 'scalargrad-edu[png]'`); svg needs nothing")
    return to_png(svg, scale)


def to_png(svg: str, scale: float) -> bytes:
    """Turn an SVG into a PNG with a white ground, of 20 million pixels at most."""
    import resvg_py

    if size := re.search(r'<svg [^>]*width="([\d.]+)pt" height="([\d.]+)pt"', svg):
        points = float(size[1]) * float(size[2])
        scale = min(scale, math.sqrt(_MOST_PIXELS / points) * 72 / 96)
    picture: bytes = resvg_py.svg_to_bytes(svg_string=svg, zoom=scale, dpi=96, background="#ffffff")
    return picture


def to_pdf(svg: str, _: float) -> bytes:
    """Turn an SVG into a page of PDF of its own size, as lines and letters."""
    import typst

    page = b'#set page(width: auto, height: auto, margin: 0pt)\n#image("picture.svg")\n'
    compile_page: Any = typst.compile
    document: bytes = compile_page({"main": page, "picture.svg": svg.encode()})
    return document


_CONVERTERS = {"png": ("resvg-py", "png"), "pdf": ("typst", "pdf")}  # the package, and the extra that brings it


def _converter(picture_format: str) -> Callable[[str, float], bytes] | None:
    module, convert = {"png": ("resvg_py", to_png), "pdf": ("typst", to_pdf)}[picture_format]
    return convert if find_spec(module) else None


def _tell(key: str, edges: int, lang: str) -> None:
    print(say("layout", key, lang, edges=edges), file=sys.stderr)


def _run(source: str, engine: str, seconds: float) -> bytes:
    """Run one of the two Graphvizes; raise TimeoutError where it does not end, or ends without an answer."""
    if shutil.which("dot"):
        return _by_program(source, ["dot", "-Tsvg", f"-K{engine}"], seconds)
    return _wheel.render(source, engine, seconds)


def _by_program(source: str, command: list[str], seconds: float) -> bytes:
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"`dot` took longer than {seconds:g} s") from None
    if done.returncode < 0:
        raise TimeoutError(f"`dot` was ended by signal {-done.returncode}")
    if done.returncode:
        raise RuntimeError(f"draw: `dot` failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class _Wheel:
    """The Graphviz of the wheel in a process that is kept for the next picture, and ended where it takes too long."""

    def __init__(self) -> None:
        self._lock = Lock()  # one picture after the other
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # the id of our process: what a fork inherits belongs to its parent

    def render(self, source: str, engine: str, seconds: float) -> bytes:
        """Lay out a source as SVG."""
        with self._lock:
            process = self._started()
            late = Timer(seconds, process.kill)
            late.start()
            began = monotonic()
            try:
                return _ask(process, engine.encode(), source.encode())
            except (EOFError, OSError):
                self._end()
                how = f"took longer than {seconds:g} s" if monotonic() - began >= seconds else "has crashed"
                raise TimeoutError(f"the built-in Graphviz {how}") from None
            except BaseException as error:  # Ctrl-C: its answer would be taken for that to the next question
                if not isinstance(error, RuntimeError):
                    self._end()
                raise
            finally:
                late.cancel()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None or self._owner != os.getpid():
            program = Path(__file__).with_name("wheel.py")
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is for us, and we end it
            )
            self._owner = os.getpid()
            try:
                _answer(_pipe(self._process.stdout))
            except EOFError:
                raise RuntimeError("draw: the built-in Graphviz does not start; is wasmtime installed?") from None
        return self._process

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


_wheel = _Wheel()


def _ask(process: "subprocess.Popen[bytes]", engine: bytes, source: bytes) -> bytes:
    question = _pipe(process.stdin)
    question.write(struct.pack("!II", len(engine), len(source)) + engine + source)
    question.flush()
    return _answer(_pipe(process.stdout))


def _answer(pipe: IO[bytes]) -> bytes:
    """Read an answer; raise RuntimeError for a refusal, EOFError where the process has ended."""
    header = pipe.read(5)
    if len(header) < 5:
        raise EOFError
    length: int = struct.unpack("!I", header[1:])[0]
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError
    if header[:1] == b"-":
        raise RuntimeError(f"draw: the built-in Graphviz failed: {content.decode(errors='replace')}")
    return content


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise EOFError
    return pipe
