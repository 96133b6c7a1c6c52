"""Write a file whole or not at all: a crash never leaves half a file behind.

Reads nothing.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write text (as UTF-8) or bytes under another name first, give it its own name then, and return the path.

    Raises OSError with the path where it cannot be written; nothing is changed then.
    """
    target = Path(path)
    if not target.name:  # "." or "/"
        raise IsADirectoryError(errno.EISDIR, "cannot write the file: it is a directory", str(target))
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(unfinished, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise OSError(error.errno, f"cannot write the file: {error.strerror}", str(target)) from None
    finally:
        with suppress(OSError):  # where all went well it has the name of the target by now
            unfinished.unlink()
    return target
