"""C source to a loaded library: the compiler that is found, and a cache that outlives the process.

Reads how the source is cut into files. The cache is a directory of one's own; a file in it bears its checksum as name.
"""

import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from .vectors import UNIT

_FLAGS = ("-std=gnu11", "-fPIC", "-ffp-contract=off", "-w")  # no contraction: the engine's bits
LINE_FLAGS = ("-O2",)
# Of -O2 what makes loops over vectors quicker; with all of it the compiler takes half as long again.
LOOP_FLAGS = (
    "-O1", "-fstrict-aliasing", "-fexpensive-optimizations", "-fgcse", "-fcse-follow-jumps", "-fcaller-saves",
    "-fno-ivopts",
)  # fmt: skip
_PATIENCE = 300  # seconds for one compilation
_KEPT = 256  # files in the cache; beyond that the oldest go


class CompilerError(RuntimeError):
    """No C compiler is there, or none that can build the program."""


def compilers() -> Iterator[list[str]]:
    """Find the C compilers of this machine, the system's first, then the one in the `ziglang` wheel."""
    seen = set()
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path and os.path.realpath(path) not in seen:  # `cc` is one of the others, as a rule
            seen.add(os.path.realpath(path))
            yield [path]
    if importlib.util.find_spec("ziglang"):
        yield [sys.executable, "-m", "ziglang", "cc"]


def load(source: str, flags: Sequence[str] = LINE_FLAGS, vector_math: bool = True) -> ctypes.CDLL:
    """Compile C source with more flags and load it, or load what the cache has from an earlier time.

    With `vector_math` it may call the functions of whole vectors that the C library has.

    Raises CompilerError where there is no compiler, or where each one fails; TimeoutError where one takes too long.
    """
    failures = []
    for compiler in compilers():
        try:
            return _load(source, compiler, flags, vector_math)
        except subprocess.CalledProcessError as error:
            failures.append(f"{' '.join(compiler)}: {error.stderr.strip()[:400]}")
        except OSError as error:  # no directory at all that a library may be loaded from
            failures.append(f"{' '.join(compiler)}: {error}")
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"compile: {' '.join(compiler)} took more than {_PATIENCE} s") from None
    if failures:
        raise CompilerError("compile: no C compiler could build the program: " + "; ".join(failures))
    raise CompilerError(
        'compile: target "c" needs a C compiler, and found none of cc, gcc, clang, ziglang; '
        'install one (`pip install ziglang` is enough), or take target "numpy" or "python"'
    )


def cache_directory() -> Path:
    """Give the directory of the cache, by the custom of the platform."""
    custom = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(custom):
        return Path(custom, "scalargrad")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local", "scalargrad", "cache")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "scalargrad"
    return Path.home() / ".cache" / "scalargrad"


def _load(source: str, compiler: list[str], more: Sequence[str], vector_math: bool) -> ctypes.CDLL:
    processor = _processor()
    flags = [*_FLAGS, *more, *(_compiler_flags() if processor else [])]
    if vector_math and len(compiler) == 1 and _has_vector_math():  # ziglang brings a C library of its own
        flags.append("-DVECTOR_MATH")
    key = _digest("\0".join([source, *_identity(compiler), *flags, platform.platform(), processor]).encode())
    try:
        directory = cache_directory()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(directory):
            raise OSError(f"{directory} can be written by others")
        kept = _kept(directory, key)
        if kept is None:
            kept = _build(source, [*compiler, *flags], directory, key)
            _prune(directory)
        return ctypes.CDLL(str(kept))
    except (OSError, RuntimeError, subprocess.CalledProcessError):
        # No home, a read-only one, one that others can write, a full disk, or the file has gone in the meantime.
        with tempfile.TemporaryDirectory(prefix="scalargrad-", ignore_cleanup_errors=True) as place:
            return ctypes.CDLL(str(_build(source, [*compiler, *flags], Path(place), key)))


def _kept(directory: Path, key: str) -> Path | None:
    """Find a library in the cache that is ours and whose contents are what its name says; remove what is not."""
    for path in directory.glob(f"{key}-*.so"):
        if _is_ours(path) and path.stem == f"{key}-{_digest(path.read_bytes())}":
            return path
        path.unlink(missing_ok=True)
    return None


def _is_ours(path: Path) -> bool:
    """Tell whether nobody else can have written a file or a folder: a library runs with our rights.

    Where the system knows no owners, as on Windows, the folder stands in the user's own profile.
    """
    if not hasattr(os, "geteuid"):
        return True
    status = path.lstat()  # a link is not followed: where it leads is for others to say
    is_plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return is_plain and status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _build(source: str, command: list[str], directory: Path, key: str) -> Path:
    """Compile into a directory of its own, and move the result to its place in one step."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="build-", ignore_cleanup_errors=True) as place:
        built = Path(place, "program.so")
        head, *units = source.split(UNIT)
        units = units or [""]
        texts = [Path(place, f"unit{number}.c") for number in range(len(units))]
        for text, unit in zip(texts, units):
            text.write_text(head + unit, encoding="utf-8")
        if len(units) == 1:
            _run([*command, "-shared", "-o", str(built), str(texts[0]), "-lm"])
        else:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(lambda text: _run([*command, "-c", "-o", f"{text}.o", str(text)]), texts))
            _run([*command, "-shared", "-o", str(built), *(f"{text}.o" for text in texts), "-lm"])
        built.chmod(0o700)  # whatever the umask: what others can write is not loaded from the cache
        kept = directory / f"{key}-{_digest(built.read_bytes())}.so"
        os.replace(built, kept)
    return kept


def _run(command: list[str]) -> None:
    """Run the compiler; where it takes too long, end it together with the processes that it started."""
    with tempfile.TemporaryFile() as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            process.wait(_PATIENCE)
        except BaseException:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            raise
        if process.returncode:
            stream.seek(0)
            text = stream.read().decode(errors="replace")
            raise subprocess.CalledProcessError(process.returncode, command, stderr=text)


def _prune(directory: Path) -> None:
    oldest_last = sorted(directory.glob("*.so"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in oldest_last[_KEPT:]:
        path.unlink(missing_ok=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _identity(compiler: list[str]) -> list[str]:
    """Tell one version of a compiler from another, without the time it takes to ask it."""
    program = os.path.realpath(compiler[0])
    if len(compiler) > 1:
        spec = importlib.util.find_spec("ziglang")
        program = (spec and spec.origin) or program
    status = os.stat(program)
    return [*compiler, program, str(status.st_size), str(status.st_mtime_ns)]


def _compiler_flags() -> list[str]:
    """List the flags that let a compiler use all that this processor can do."""
    return ["-march=native"]


@cache
def _has_vector_math() -> bool:
    """Tell whether the C library has functions of whole vectors, tanh among them: the GNU C library from 2.35 on."""
    if platform.machine() != "x86_64":
        return False
    try:
        return hasattr(ctypes.CDLL("libmvec.so.1"), "_ZGVbN2v_tanh")
    except OSError:
        return False


def _processor() -> str:
    """Describe the processor, where the system does: a library made for it may not run on another."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return ""
    named = ("flags", "Features", "model name", "CPU part", "CPU implementer")
    return "\n".join(line for line in first.splitlines() if line.startswith(named))
