"""What stands on a worksheet, and how it is written: as Markdown, as LaTeX and as a page to print.

Reads the formulas, and for the page the drawing.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import NamedTuple

from ..engine import Value, topological_order
from ..explain.reporting import WithDigits, number_text
from ..formulas import latex
from ..formulas.labels import label_parts
from ..formulas.notation import Notation
from ..formulas.tree import Expression
from ..graph.replay import record_again
from ..graph.roles import is_number
from ..graph.views import view_of

_DRAWN = re.compile(r'(?s)\A(\s*n(\d+) \[label=".*?value\\? )([^\\"]+)(\\ngrad\\? )([^\\"]+)"')  # a node of `draw`
_STYLE = """
@page { size: A4; margin: 15mm }
body { font: 11pt/1.5 system-ui, "Noto Sans", sans-serif; max-width: 180mm; margin: 8mm auto; color: #111 }
h1 { font-size: 16pt } h2 { font-size: 12pt; margin: 1.2em 0 0.3em; break-after: avoid }
table { border-collapse: collapse; width: 100% } tr { break-inside: avoid }
td { padding: 0.25em 0.5em; border-bottom: 1px solid #ddd; vertical-align: bottom }
td:first-child { width: 2.5em; color: #666 } td:last-child { width: 8em; white-space: nowrap }
p .math { white-space: nowrap }
.math { font-family: "STIX Two Text", Cambria, Georgia, serif } .math sub, .math sup { line-height: 0 }
.rule { display: inline-block; width: 7em; height: 1.1em; border-bottom: 1px solid #111 }
svg { width: 100%; height: auto; max-height: 200mm }
"""


class Name(NamedTuple):
    """What a line asks for: a quantity, the derivative of one with respect to another, a parameter after the step."""

    of: str
    to: str = ""
    new: bool = False

    def __str__(self) -> str:
        return f"d{self.of}/d{self.to}" if self.to else f"new {self.of}" if self.new else self.of


class Line(NamedTuple):
    """One line of a sheet."""

    kind: str  # one of `KINDS`
    name: Name
    formula: Expression | None  # what the sheet gives
    working: Expression | None  # the formula with its numbers, for the key
    answer: float
    node: Value
    blank: int = 0  # the number of the blank, from 1; 0 where the sheet gives the answer


@dataclass(frozen=True)
class Sheet:
    """The lines of a sheet, some of them blank, and the graph that they come from."""

    title: str
    root: Value  # of a graph of its own, with the numbers of this sheet
    view: str
    lines: tuple[Line, ...]
    parameters: tuple[Value, ...]
    learning_rate: float
    digits: int

    @property
    def blanks(self) -> list[Line]:
        """The lines that are to be filled in, in the order of their numbers."""
        return [line for line in self.lines if line.blank]


class _LaTeXNotation(latex.LaTeX):
    """A formula in LaTeX, a dot between numbers."""

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def figures(self, value: float) -> str:
        return number_text(value, self.digits)

    def product(self, left: str, right: str) -> str:
        return rf"{left} \cdot {right}" if left[-1].isdigit() or right[0].isdigit() else super().product(left, right)


class _HTMLNotation(WithDigits):
    """A formula in HTML: `out_o1` with an index, a power raised."""

    powers_of_ten = True

    def name(self, label: str) -> str:
        word, indices, layer = label_parts(label)
        below = f"<sub>{html.escape(','.join(indices))}</sub>" if indices else ""
        return f"<i>{html.escape(word)}</i>{below}" + (f"<sup>({html.escape(layer)})</sup>" if layer else "")

    def number(self, value: float) -> str:
        return super().number(value).replace("-", "&minus;")

    def power_of_ten(self, digits: str, exponent: int) -> str:
        return f"{self.product(digits, '10')}<sup>{exponent}</sup>"

    def sum(self, left: str, sign: str, right: str) -> str:
        return super().sum(left, sign.replace("-", "&minus;"), right)

    def negative(self, operand: str) -> str:
        return f"&minus;{operand}"

    def product(self, left: str, right: str) -> str:
        return f"{left}&thinsp;&middot;&thinsp;{right}"

    def power(self, base: str, exponent: str) -> str:
        return f"{base}<sup>{exponent}</sup>"


class Markdown:
    """What stands on a sheet, written as Markdown; the other documents differ in how each part is written."""

    rule = "\\_" * 8  # the blank to write on

    def __init__(self, sheet: Sheet, key: bool) -> None:
        self.sheet, self.key = sheet, key
        self.title = f"{sheet.title}, answers" if key else sheet.title
        self.notation = self.notation_with(sheet.digits)

    def document(self) -> str:
        """Write the whole document."""
        view = view_of(self.sheet.root, self.sheet.view)
        leaves = [node for node in view.order if not node.parents and not is_number(node)]
        given = [self.math(self.notation.name(view.name(leaf)), self.notation.number(leaf.data)) for leaf in leaves]
        titles = {
            "values": "Forward pass",
            "local derivatives": "Local derivatives",
            "gradients": "Gradients: upstream times local derivative, added up where paths meet",
            "updated parameters": f"Update: parameter minus {self.sheet.learning_rate:g} times its gradient",
        }
        sections = []
        for kind, title in titles.items():
            if rows := [self.row(line) for line in self.sheet.lines if line.kind == kind]:
                sections.append(self.section(title, rows))
        return self.page(f"Given: {', '.join(given)}.", "\n\n".join(sections))

    def row(self, line: Line) -> tuple[str, str, str]:
        """Write the number of a blank, what it asks for, and the answer or the place for it."""
        of, to = self.notation.name(line.name.of), self.notation.name(line.name.to)
        name = self.derivative(of, to) if line.name.to else self.new(of) if line.name.new else of
        stages = [line.formula, line.working if self.key else None]
        written = dict.fromkeys(self.notation.write(stage) for stage in stages if stage)
        shown = self.key or not line.blank
        answer = self.math(self.notation.number(line.answer)) if shown else self.rule
        return f"({line.blank})" if line.blank else "", self.math(name, *written), answer

    def notation_with(self, digits: int) -> Notation:
        return _LaTeXNotation(digits)

    def math(self, *stages: str) -> str:
        return f"${' = '.join(stages)}$"

    def derivative(self, of: str, to: str) -> str:
        return rf"\frac{{\partial {of}}}{{\partial {to}}}"

    def new(self, of: str) -> str:
        return rf"\text{{new }} {of}"

    def section(self, title: str, rows: list[tuple[str, str, str]]) -> str:
        cells = (" | ".join(row).replace(r"\left|", r"\left\vert").replace(r"\right|", r"\right\vert") for row in rows)
        return "\n".join([f"## {title}", "", "| | | |", "|---|---|---|", *(f"| {row} |" for row in cells)])

    def page(self, given: str, sections: str) -> str:
        return f"# {self.title}\n\n{given}\n\n{sections}\n"


class LaTeX(Markdown):
    """A sheet as a LaTeX document."""

    rule = r"\rule{25mm}{0.4pt}"

    def section(self, title: str, rows: list[tuple[str, str, str]]) -> str:
        lines = [rf"{number} & {asked} & {answer} \\" for number, asked, answer in rows]
        table = [r"\begin{longtable}[l]{@{}rp{115mm}l@{}}", *lines, r"\end{longtable}"]
        return "\n".join([rf"\subsection*{{{title}}}", *table])

    def page(self, given: str, sections: str) -> str:
        title = latex.escaped(self.title)
        return rf"""\documentclass[a4paper]{{article}}
\usepackage{{amsmath, longtable}}
\usepackage[margin=20mm]{{geometry}}
\renewcommand{{\arraystretch}}{{1.9}}
\pagestyle{{empty}}
\begin{{document}}
\section*{{{title}}}
\noindent {given}

{sections}
\end{{document}}
"""


class HTML(Markdown):
    """A sheet as one page to print, with the picture."""

    rule = "<span class=rule></span>"

    def notation_with(self, digits: int) -> Notation:
        return _HTMLNotation(digits)

    def math(self, *stages: str) -> str:
        return f"<span class=math>{' = '.join(stages)}</span>"

    def derivative(self, of: str, to: str) -> str:
        return f"&part;{of}/&part;{to}"

    def new(self, of: str) -> str:
        return f"new {of}"

    def section(self, title: str, rows: list[tuple[str, str, str]]) -> str:
        lines = (f"<tr><td>{number}</td><td>{asked}</td><td>{answer}</td></tr>" for number, asked, answer in rows)
        return "\n".join([f"<h2>{title}</h2>", "<table>", *lines, "</table>"])

    def page(self, given: str, sections: str) -> str:
        title = html.escape(self.title)
        return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>
<body>
<h1>{title}</h1>
<p>{given}</p>
{self.picture()}
{sections}
</body>
</html>
"""

    def picture(self) -> str:
        """Draw the graph; what is a blank on the sheet is one in the picture, and what comes later is left out."""
        from ..explain.drawing import draw

        kinds = {line.kind for line in self.sheet.lines}
        blank = set() if self.key else {line.kind for line in self.sheet.blanks}
        root = record_again(topological_order(self.sheet.root), {})[self.sheet.root]
        root.backward()
        order = view_of(root, self.sheet.view).order

        def with_blanks(node: re.Match[str]) -> str:
            before, position, value, grad_is, grad = node.groups()
            if "values" in blank and order[int(position)].parents:
                value = "____"
            if "gradients" in blank:
                grad = "____"
            return f'{before}{value}{grad_is}{grad}"' if "gradients" in kinds else f'{before}{value}"'

        drawing = draw(root, self.sheet.view, digits=self.sheet.digits, edges=False)
        drawing.body[:] = [_DRAWN.sub(with_blanks, statement) for statement in drawing.body]
        svg = str(drawing.pipe("svg", encoding="utf-8"))
        return svg[svg.index("<svg") :]
