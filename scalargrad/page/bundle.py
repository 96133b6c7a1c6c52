"""Put the parts of the page together into one file: template, style, modules, pictures and data.

Reads the files in `static`, of which vendored.md says what comes from elsewhere. Each script is an ordinary ES module;
joined into one, they need no server and no network.
"""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ..formulas.javascript import as_data

_IMPORT = re.compile(r'^import (?:\* as )?(\w+|\{[^}]*\}) from "\./(\w+)\.js";$', re.MULTILINE)
_COMMENT = re.compile(r"^\s*(?:/\*\*.*?\*/|//[^\n]*)\n| +// [^\n]*$", re.MULTILINE | re.DOTALL)  # of JavaScript
_SPACES = re.compile(r"^[^\"'`/\\\n]*$", re.MULTILINE)  # lines in which every space is one between signs
_AROUND = re.compile(r" *([=,;:?(){}[\]<>&|*]) *")
_INDENT = re.compile(r"^\s+", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|function|class) (\w+))", re.MULTILINE)


def part(name: str) -> str:
    """Read one of the text files in `static`."""
    return files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def _font() -> str:
    """Read the font of the formulas as an address that holds it."""
    content = files(__package__).joinpath("static", "math.woff2").read_bytes()
    return "data:font/woff2;base64," + base64.b64encode(content).decode()


def _style() -> str:
    """Read the style and put the font into it, without the comments and with each rule on a line."""
    rules = re.sub(r"/\*.*?\*/", "", part("style.css"), flags=re.DOTALL).replace("{{font}}", _font())
    return re.sub(r"}\s*", "}\n", re.sub(r"\s*([{};])\s+", r"\1", rules)).strip()


def script(main: str, generated: Mapping[str, str]) -> str:
    """Join a module and all that it imports into one script, each after those that it needs itself.

    A module becomes a function that is called at once and gives back what the module exports, so that each keeps its
    own names. Comments and the spaces around signs stay behind: a page is read by pupils' browsers, over slow lines.
    `generated` holds the modules that are no files.
    """
    written: dict[str, str] = {}

    def add(name: str) -> None:
        if name in written:
            return
        source = generated.get(name) or part(f"{name}.js")
        for _, needed in _IMPORT.findall(source):
            add(needed)
        exported = ", ".join(_EXPORT.findall(source))
        body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = \2_js;", source))
        body = _INDENT.sub("", _COMMENT.sub("", body)).strip()
        body = _SPACES.sub(lambda plain: _AROUND.sub(r"\1", plain[0]), body)
        written[name] = f"const {name}_js = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n"

    add(main)
    return "\n".join(written.values())


def layout_module() -> str:
    """Give the library that lays out a graph in the browser as a module of the page."""
    library = re.sub(r"^//# sourceMappingURL=.*$", "", part("dagre.min.js"), flags=re.MULTILINE)
    return f"{library}\nexport const layout = dagre.layout;\nexport const Graph = dagre.Graph;\n"


def page(program: str, data: Mapping[str, Any]) -> str:
    """Fill the template. Nothing but this very program may run in the page, and nothing is fetched."""
    digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
    fill = {
        "lang": {"en": "en", "zh": "zh-CN"}[data["lang"]],
        "title": html.escape(data["title"] or data["messages"][data["lang"]]["title"]),
        "policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        f"script-src 'sha256-{digest}'",
        "style": _style(),
        "data": as_data(data),
        "script": program,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: fill[match[1]], _INDENT.sub("", part("template.html")))
