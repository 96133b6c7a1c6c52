"""The cache of compiled programs: what is kept, what is rebuilt, and what happens where nothing can be kept."""

import math
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from scalargrad import Value
from scalargrad.programs import compiling, native

pytestmark = pytest.mark.skipif(
    not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or find_spec("ziglang")),
    reason="there is no C compiler",
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "scalargrad"


@pytest.fixture
def builds(monkeypatch):
    """The commands of the compilations that really happen."""
    commands = []
    run = native._run
    monkeypatch.setattr(native, "_run", lambda command, *more: (commands.append(command), run(command, *more)))
    return commands


def program():
    x, w = Value(2.0), Value(3.0)
    return compiling.compile((x * w).exp(), [x], [w], target="c")


def libraries(cache):
    return list(cache.glob("*.so"))


def test_a_program_is_compiled_once(cache, builds):
    first, second = program(), program()
    assert first([[0.0]]) == second([[0.0]]) == (1.0, [0.0])
    assert len(builds) == len(libraries(cache)) == 1
    assert os.listdir(cache) == [libraries(cache)[0].name]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data + b"x"])
def test_a_damaged_file_is_built_again(cache, builds, damage):
    program()
    (library,) = libraries(cache)
    whole = library.read_bytes()
    library.unlink()  # the process has it in memory: damage a copy
    library.write_bytes(damage(whole))
    assert program()([[0.0]]) == (1.0, [0.0])
    assert len(builds) == 2
    assert [native._digest(path.read_bytes()) for path in libraries(cache)] == [libraries(cache)[0].stem.split("-")[1]]


def test_without_a_place_to_write_the_program_still_runs(tmp_path, monkeypatch, builds):
    (tmp_path / "file").write_text("no directory")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert program()([[0.0]]) == (1.0, [0.0])
    assert len(builds) == 1
    assert os.listdir(tmp_path) == ["file"]


def test_a_directory_that_cannot_be_written(cache, monkeypatch):
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    try:
        assert program()([[0.0]]) == (1.0, [0.0])
    finally:
        cache.chmod(0o700)


def planted(cache, monkeypatch):
    """A library in the cache that is another program than its name says, as a stranger could put it there."""
    program()
    (library,) = libraries(cache)
    key = library.stem.split("-")[0]
    x, w = Value(2.0), Value(3.0)
    compiling.compile(x - w - w, [x], [w], target="c")
    (other,) = set(libraries(cache)) - {library}
    library.unlink()
    strange = cache / f"{key}-{native._digest(other.read_bytes())}.so"
    os.replace(other, strange)
    return strange


def test_a_library_that_is_planted_under_the_right_name_would_be_loaded(cache, monkeypatch):
    """So the tests below test something: the name alone is no protection."""
    planted(cache, monkeypatch)
    with pytest.raises(ValueError, match="the program gives"):
        program()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system knows no owners")
@pytest.mark.parametrize("mode", [0o720, 0o702])
@pytest.mark.parametrize("place", ["folder", "file"])
def test_a_library_that_others_could_have_written_is_not_loaded(cache, monkeypatch, builds, mode, place):
    strange = planted(cache, monkeypatch)
    (cache if place == "folder" else strange).chmod(mode)
    before = len(builds)
    assert program()([[0.0]]) == (1.0, [0.0])
    assert len(builds) == before + 1


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system knows no owners")
def test_a_library_of_another_user_is_not_loaded(cache, monkeypatch, builds):
    planted(cache, monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    before = len(builds)
    assert program()([[0.0]]) == (1.0, [0.0])
    assert len(builds) == before + 1
    assert len(libraries(cache)) == 1  # nothing of ours was put beside it


def test_a_link_in_the_cache_is_not_followed(cache, monkeypatch, tmp_path):
    strange = planted(cache, monkeypatch)
    os.replace(strange, tmp_path / "elsewhere.so")
    strange.symlink_to(tmp_path / "elsewhere.so")
    assert program()([[0.0]]) == (1.0, [0.0])


def test_what_is_built_is_loaded_again_whatever_the_umask(cache, builds):
    before = os.umask(0)
    try:
        program()
        program()
    finally:
        os.umask(before)
    assert len(builds) == 1


def test_a_full_disk_at_the_cache_leaves_the_temporary_folder(cache, monkeypatch, tmp_path):
    compiler = tmp_path / "compiler"
    real = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not real:
        pytest.skip("there is no compiler that a script can call")
    compiler.write_text(
        f'#!/bin/sh\ncase "$*" in *{cache}*) echo \'No space left on device\' >&2; exit 1;; esac\nexec {real} "$@"\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setattr(native, "compilers", lambda: iter([[str(compiler)]]))
    assert program()([[0.0]]) == (1.0, [0.0])
    assert libraries(cache) == []


TWO = """
from scalargrad import Value
from scalargrad.programs import compiling
x, w = Value(2.0), Value(3.0)
print(compiling.compile((x * w).tanh() * 0.125, [x], [w], target="c")([[0.0], [1.0]])[0])
"""


def test_two_processes_at_once_both_end_right(cache):
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache.parent)}
    processes = [
        subprocess.Popen([sys.executable, "-c", TWO], env=environment, stdout=subprocess.PIPE, text=True) for _ in "12"
    ]
    results = [process.communicate()[0] for process in processes]
    assert results[0] == results[1]
    assert float(results[0]) == pytest.approx(math.tanh(3) / 16, rel=1e-14)
    assert not [path for path in cache.iterdir() if path.suffix != ".so"]


def test_the_oldest_files_go(cache, monkeypatch):
    monkeypatch.setattr(native, "_KEPT", 1)
    cache.mkdir(parents=True)
    old = cache / "old.so"
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    program()
    assert len(libraries(cache)) == 1
    assert not old.exists()


def test_a_compiler_that_fails_says_why(cache, monkeypatch):
    first = next(native.compilers())
    monkeypatch.setattr(native, "compilers", lambda: iter([first]))
    with pytest.raises(RuntimeError, match=r"no C compiler could build.*error"):
        native.load("this is no C")


def test_a_compiler_that_takes_too_long_gives_way(cache, monkeypatch, tmp_path):
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(native, "compilers", lambda: iter([[str(slow)]]))
    monkeypatch.setattr(native, "_PATIENCE", 0.1)
    with pytest.warns(RuntimeWarning, match="took more than"):
        slower = program()
    assert slower.target in ("numpy", "python")


def test_auto_says_that_the_compiler_fails_and_hides_no_other_error(cache, monkeypatch):
    x, w = Value(2.0), Value(3.0)
    monkeypatch.setattr(native, "compilers", lambda: iter([[shutil.which("false")]]))
    with pytest.warns(RuntimeWarning, match="no C compiler could build the program"):
        slower = compiling.compile(x * w, [x], [w])
    assert slower.target in ("numpy", "python")

    def load(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(native, "load", load)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        compiling.compile(x * w, [x], [w])


@pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is not installed")
def test_the_compiler_of_the_ziglang_wheel(cache, monkeypatch):
    monkeypatch.setattr(native, "compilers", lambda: iter([[sys.executable, "-m", "ziglang", "cc"]]))
    x, w = Value(2.0), Value(3.0)
    root = (x * w).relu().maximum(w) + (w.sigmoid() ** x).abs()
    zig = compiling.compile(root, [x], [w], target="c")
    loss, gradients = compiling.compile(root, [x], [w], target="python")([[1.0], [-2.0]])
    assert [zig([[1.0], [-2.0]])[0], *zig([[1.0], [-2.0]])[1]] == pytest.approx([loss, *gradients], rel=1e-13)
