"""Write a file whole or not at all: a crash never leaves half a file behind.

Reads nothing.
"""

import errno
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

_LEFT_OVER = 600.0  # seconds; nobody writes one file for so long, so its process was killed


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write text (as UTF-8) or bytes under another name first, give it its own name then, and return the path.

    A file that is there keeps its mode, and a symbolic link stays one: the file that it points to is written. Raises
    OSError with the path where it cannot be written, as for what is no regular file or is read-only; nothing is
    changed then.
    """
    target = Path(path)
    if not target.name:  # "." or "/"
        raise _refused(target, errno.EISDIR, "it is a directory")
    file = Path(os.path.realpath(target))
    unfinished = file.with_name(f"{_start(file)}{token_hex(8)}.part")  # no two threads share a name
    try:
        mode = _mode(file)
        _clear_left_over(file)
        with open(unfinished, "xb") as written:
            if mode is not None:
                os.chmod(unfinished, mode)
            written.write(content.encode() if isinstance(content, str) else content)
            written.flush()
            os.fsync(written.fileno())
        unfinished.replace(file)
    except OSError as error:
        raise _refused(target, error.errno, str(error.strerror)) from None
    finally:
        with suppress(OSError):  # where all went well it has the name of the target by now
            unfinished.unlink()
    return target


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise the OSError of `write_whole` before the work for the file is done, where folder and file show it."""
    target = Path(path)
    file = Path(os.path.realpath(target))
    try:
        os.stat(os.path.join(file.parent, "."))  # the dot: a file is refused as a folder
        if not os.access(file.parent, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        _mode(file)
    except OSError as error:
        raise _refused(target, error.errno, str(error.strerror)) from None


def _mode(file: Path) -> int | None:
    """Return the permissions of a file that may be replaced, None where there is none."""
    try:
        status = os.stat(file)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file, and what it is would be lost")
    if not (status.st_mode & 0o222 and os.access(file, os.W_OK)):
        raise OSError(errno.EACCES, "it is read-only")
    return stat.S_IMODE(status.st_mode)


def _start(file: Path) -> str:
    return f".{file.name[:100]}."


def _clear_left_over(file: Path) -> None:
    """Delete what killed processes have left behind while they wrote this file."""
    with suppress(OSError), os.scandir(file.parent) as entries:
        for entry in entries:
            if entry.name.startswith(_start(file)) and entry.name.endswith(".part"):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFT_OVER:
                        os.unlink(entry)


def _refused(target: Path, number: int | None, reason: str) -> OSError:
    return OSError(number or errno.EIO, f"cannot write the file: {reason}", str(target))
