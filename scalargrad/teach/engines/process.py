"""The check of a file in a process of its own: with limits of time, memory and output, and without our environment.

Reads a file that may hang, print without end, exit or raise. This is no sandbox: who wants to do harm can do it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

from .examination import named
from .findings import Finding, Findings
from .places import Place
from .probe import Engine, Names
from .stages import examine

# What the system calls it when a program starts another one, or becomes another one.
_STARTS = (
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.exec",
    "os.system",
    "os.startfile",
    "subprocess.Popen",
)
_KEPT = ("SYSTEMROOT", "WINDIR", "COMSPEC")  # Windows starts no Python without them
_LARGEST_FILE = 16_000_000
_USUAL_NAMES = ("Value", "Tensor", "Scalar", "Node", "Var", "Variable")
_GRACE = 1.0  # seconds between the limit of the system's clock and ours


class Limits(NamedTuple):
    """What a file may use."""

    seconds: float = 10.0
    megabytes: int = 1024
    kilobytes_printed: int = 256


def check_file(
    path: str | os.PathLike[str],
    class_name: str | None = None,
    names: Names | None = None,
    limits: Limits | None = None,
) -> Findings:
    """Check the class of a file, or of a module by its name, in a process of its own.

    Raises FileNotFoundError where there is no such file, and ValueError where a limit is not above 0.
    """
    limits = limits or Limits()
    if min(limits) <= 0:
        raise ValueError(f"check-engine: needs limits above 0, got {limits.seconds:g} s and {limits.megabytes} MB")
    target = Path(path)
    is_module = target.suffix != ".py" and not target.exists()
    if not (all(part.isidentifier() for part in str(path).split(".")) if is_module else target.is_file()):
        raise FileNotFoundError(f"check-engine: there is no file {str(path)!r}")
    job = {
        "folder": os.getcwd() if is_module else str(_root(target.resolve())),
        "module": str(path) if is_module else _module_name(target.resolve()),
        "class": class_name,
        "names": list(names or Names()),
        "limits": list(limits),
    }
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as scratch:
        results = Path(scratch) / "results"
        results.touch()
        work = Path(scratch) / "work"
        work.mkdir()
        ended = _run({**job, "results": str(results)}, work, limits)
        return _outcome(results.read_text("utf-8", errors="replace"), ended, limits)


def _root(file: Path) -> Path:
    """Give the folder from which a file is imported: above its packages."""
    folder = file.parent
    while (folder / "__init__.py").exists() and folder.name.isidentifier():
        folder = folder.parent
    return folder


def _module_name(file: Path) -> str:
    return ".".join(file.relative_to(_root(file)).with_suffix("").parts)


# --- the parent ------------------------------------------------------------------------------------------------------


def _run(job: Mapping[str, Any], folder: Path, limits: Limits) -> str | int:
    """Run the child to its end or to its limit: "timeout", "output", or the exit status."""
    home = str(Path(__file__).resolve().parents[3])
    start = f"import sys; sys.path.insert(0, {home!r}); from scalargrad.teach.engines.process import child; child()"
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "HOME": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    alone: dict[str, Any] = (
        {"start_new_session": True}
        if os.name == "posix"
        else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    )
    process = subprocess.Popen(
        [sys.executable, "-s", "-P", "-c", start, json.dumps(job)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd=folder, env=environment, **alone,
    )  # fmt: skip
    too_much = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        left = limits.kilobytes_printed * 1000
        while left > 0:
            if not (printed := os.read(process.stdout.fileno(), 65536)):
                return
            left -= len(printed)
        too_much.set()
        _kill(process)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        process.wait(limits.seconds)
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        _kill(process)
        process.wait()
        reader.join(_GRACE)
    return "output" if too_much.is_set() else process.returncode


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started and that has stayed in its group."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _outcome(written: str, ended: str | int, limits: Limits) -> Findings:
    """Read what the child has written, and say what became of it where that is not a verdict."""
    records: list[dict[str, Any]] = []
    for line in written.splitlines():
        with suppress(ValueError):
            records.append(json.loads(line))
    last: dict[str, Any] = records[-1] if records else {}
    if "findings" in last and ended == 0:
        verdict = last["findings"]
        found = tuple(map(Finding.from_data, verdict["found"]))
        return Findings(found, tuple(verdict["missing"]), verdict["tried"], verdict["right"])
    stage = next((record["stage"] for record in reversed(records) if "stage" in record), "import")
    place = Place(**last["place"]) if last.get("place") else None
    if "key" in last:
        return _alone(last["key"], place, **last["values"])
    if ended == "output":
        return _alone("process.output", kilobytes=str(limits.kilobytes_printed))
    if ended == "timeout" or (os.name == "posix" and ended in (-signal.SIGXCPU, -signal.SIGKILL)):
        return _alone("process.timeout", seconds=f"{limits.seconds:g}", stage=stage)
    if isinstance(ended, int) and ended < 0:
        return _alone("process.crash", status=signal.Signals(-ended).name, stage=stage)
    return _alone("process.exits")


def _alone(key: str, place: Place | None = None, **values: str) -> Findings:
    return Findings((Finding(key, "values", values, place=place),), (), {}, {})


# --- the child -------------------------------------------------------------------------------------------------------


def child() -> NoReturn:
    """Check one file and write the verdict; what the file does besides ends this process, not the teacher's."""
    job = json.loads(sys.argv.pop())
    limits = Limits(*job["limits"])
    _limit(limits)
    results = open(job["results"], "a", encoding="utf-8")  # noqa: SIM115  # it stays open to the end

    def write(**record: Any) -> None:
        results.write(json.dumps(record) + "\n")
        results.flush()

    def report(key: str, place: Place | None = None, **values: str) -> NoReturn:
        write(key=key, place=place and place._asdict(), values=values)
        os._exit(0)

    started: list[str] = []

    def watch(event: str, arguments: Any) -> None:
        if event in _STARTS:
            started.append(event)
            raise PermissionError(f"check-engine: starts no other process, as {event} would")

    write(stage="import")
    sys.path.insert(0, job["folder"])
    sys.addaudithook(watch)
    stage = "import"

    def say(name: str) -> None:
        nonlocal stage
        stage = name
        write(stage=name)

    try:
        module = importlib.import_module(job["module"])
        started.clear()  # what a library tried and could do without, as when it looks for fonts
        names = Names(*job["names"])
        engine = Engine(_class_of(module, job["class"], names, report), vars(module), names)
        verdict = examine(engine, say)
    except MemoryError:
        report("process.memory", megabytes=str(limits.megabytes), stage=stage)
    except SystemExit:
        report("process.exits")
    except BaseException as error:  # a student's code may raise anything
        if started:
            report("process.starts", event=started[0])
        report("process.raises", _place(error, Path(job["folder"])), error=named(error))
    if started:
        report("process.starts", event=started[0])
    write(findings={**verdict._asdict(), "found": [finding.as_data() for finding in verdict.found]})
    os._exit(0)


def _limit(limits: Limits) -> None:
    """Set the limits of the system, where it has them."""
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        "RLIMIT_AS": limits.megabytes * 1_000_000,
        "RLIMIT_CPU": int(limits.seconds + _GRACE),
        "RLIMIT_FSIZE": _LARGEST_FILE,
        "RLIMIT_CORE": 0,
    }
    for name, limit in wanted.items():
        with suppress(AttributeError, OSError, ValueError):  # macOS lacks some, or does not keep them
            resource.setrlimit(getattr(resource, name), (limit, limit))


def _class_of(module: ModuleType, wanted: str | None, names: Names, report: Callable[..., NoReturn]) -> type:
    """Find the class to check: the one that is named, or the one that has a backward pass."""
    if wanted is not None:
        if isinstance(found := getattr(module, wanted, None), type):
            return found
        report("process.class", reason="no such class", name=wanted)
    able = {
        name: kind for name, kind in vars(module).items() if isinstance(kind, type) and hasattr(kind, names.backward)
    }
    own = {name: kind for name, kind in able.items() if kind.__module__ == module.__name__} or able
    usual = [own[name] for name in _USUAL_NAMES if name in own]
    if not own:
        report("process.class", reason="no class", backward=names.backward)
    if len(own) > 1 and not usual:
        report("process.class", reason="which class", backward=names.backward, names=", ".join(own))
    return (usual or list(own.values()))[0]


def _place(error: BaseException, folder: Path) -> Place | None:
    """Find the last line of the student's own files that an error came through."""
    if isinstance(error, SyntaxError) and error.lineno:
        return Place(Path(error.filename or "").name, error.lineno, "<module>", (error.text or "").strip())
    place = None
    traceback = error.__traceback__
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if file.is_relative_to(folder) and file.exists():
            line = traceback.tb_lineno
            with suppress(OSError, IndexError):
                source = file.read_text("utf-8", errors="replace").splitlines()[line - 1].strip()
                place = Place(file.name, line, traceback.tb_frame.f_code.co_name, source)
        traceback = traceback.tb_next
    return place
