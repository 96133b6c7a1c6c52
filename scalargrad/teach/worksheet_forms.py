"""What stands on a worksheet, and how it is written: as Markdown, as LaTeX and as a page to print.

Reads the formulas, and for the page the drawing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..engine import Value, topological_order
from ..explain.reporting import WithDecimals, number_text
from ..formulas import latex
from ..formulas.labels import label_parts
from ..formulas.notation import Notation
from ..formulas.tree import Expression
from ..formulas.typesetting import Derivative
from ..graph.replay import record_again
from ..graph.roles import is_number
from ..graph.views import view_of
from ..messages import say
from .slips import Numbers, Working

KINDS = ("values", "local derivatives", "gradients", "updated parameters", "choices")  # in the order in which one works
LETTERS = "abcdefgh"

# A node of `draw`, its words in either language.
_DRAWN = re.compile(r'(?s)\A(\s*n(\d+) \[label=".*?(?:value|值)\\? )([^\\"]+)(\\n(?:grad|梯度)\\? )([^\\"]+)"')
_STYLE = """
@page { size: A4; margin: 13mm 15mm }
body { font: 10.5pt/1.35 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; max-width: 180mm; margin: 8mm auto }
h1 { font-size: 15pt; margin: 0 0 0.4em } h2 { font-size: 11.5pt; margin: 0.8em 0 0.2em; break-after: avoid }
table { border-collapse: collapse; width: 100% } tr { break-inside: avoid }
td { padding: 0.2em 0.4em; border-bottom: 1px solid #ddd; vertical-align: bottom }
td:first-child { width: 2.2em; color: #666 } td:last-child { width: 7.5em; white-space: nowrap }
.math { font-family: "STIX Two Text", Cambria, Georgia, "DejaVu Serif", serif }
.math sub, .math sup { line-height: 0 } .whole { white-space: nowrap }
.math span { display: inline-block }
p .math span, .ask .math span { display: inline; white-space: nowrap }
.rule { display: inline-block; width: 7em; height: 1.1em; border-bottom: 1px solid #111 }
svg { display: block; width: 100%; height: auto; max-height: 92mm; margin: 0 auto }
@media print { body { margin: 0 auto } }
"""


class Name(NamedTuple):
    """What a line asks for: a quantity, the derivative of one with respect to another, a parameter after the step."""

    of: str
    to: str = ""
    new: bool = False

    def __str__(self) -> str:
        return self.written("en")

    def written(self, lang: str) -> str:
        """Write the name as text; what comes after the step is called new in the language."""
        if self.to:
            return f"d{self.of}/d{self.to}"
        return f"{say('worksheets', 'new', lang)} {self.of}" if self.new else self.of


class Choice(NamedTuple):
    """A question with a few answers to choose from."""

    ask: str  # the key of its sentence in `messages/worksheets`
    about: Mapping[str, tuple[Expression, ...]]  # what stands in the places of that sentence
    options: tuple[Expression, ...]
    slips: tuple[str, ...]  # the slip that each option is, "" for the right one


class Line(NamedTuple):
    """One line of a sheet."""

    kind: str  # one of `KINDS`
    name: Name
    formula: Expression | None  # what the sheet gives
    working: Expression | None  # the formula with its numbers, for the key
    answer: float  # of a choice the place of the right option
    node: Value
    symbol: str = ""  # what the answer is called in the workings
    work: Working | None = None  # how the answer and the usual wrong ones come about
    symbols: Expression | None = None  # the working in names, for the key
    choice: Choice | None = None
    blank: int = 0  # the number of the blank, from 1; 0 where the sheet gives the answer

    def written(self, decimals: int) -> str:
        """Write the answer: a number, or the letter of a choice."""
        return LETTERS[int(self.answer)] if self.choice else number_text(self.answer, decimals)


@dataclass(frozen=True)
class Sheet:
    """The lines of a sheet, some of them blank, and the graph that they come from."""

    title: str
    root: Value  # of a graph of its own, with the numbers of this sheet
    view: str
    lines: tuple[Line, ...]
    parameters: tuple[Value, ...]
    learning_rate: float
    decimals: int
    lang: str
    is_worked: bool  # whether what is given stands there with its working
    numbers: Numbers  # every number of the graph, by its symbol

    @property
    def blanks(self) -> list[Line]:
        """The lines that are to be filled in, in the order of their numbers."""
        return [line for line in self.lines if line.blank]


class _LaTeXNotation(latex.LaTeX):
    """A formula in LaTeX, a dot between numbers and derivatives."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals

    def figures(self, value: float) -> str:
        return number_text(value, self.decimals)

    def name(self, label: str) -> str:
        if isinstance(label, Derivative):
            return rf"\frac{{\partial {super().name(label.of)}}}{{\partial {super().name(label.to)}}}"
        return super().name(label)

    def product(self, left: str, right: str) -> str:
        dotted = left[-1].isdigit() or right[0].isdigit() or left.startswith(r"\frac{\partial")
        return rf"{left} \cdot {right}" if dotted else super().product(left, right)


class _HTMLNotation(WithDecimals):
    """A formula in HTML: `out_o1` with an index, a power raised."""

    minus, negation, times = " &minus; ", "&minus;", "&thinsp;&middot;&thinsp;"
    raised = "{}<sup>{}</sup>"
    powers_of_ten = True

    def name(self, label: str) -> str:
        if isinstance(label, Derivative):
            return f"&part;{self.name(label.of)}/&part;{self.name(label.to)}"
        parts = label_parts(label)
        below = f"<sub>{html.escape(','.join(parts.indices))}</sub>" if parts.indices else ""
        above = f"<sup>{html.escape(parts.above())}</sup>" if parts.above() else ""
        return f"<i>{html.escape(parts.word)}</i>{below}{above}"

    def number(self, value: float) -> str:
        return super().number(value).replace("-", "&minus;")

    def power_of_ten(self, digits: str, exponent: int) -> str:
        return self.product(digits, self.power("10", f"{exponent}"))


class Markdown:
    """What stands on a sheet, written as Markdown; the other documents differ in how each part is written."""

    fraction, updated = r"\frac{{\partial {}}}{{\partial {}}}", r"\text{{{} }} {}"  # a derivative, and a new value
    rule = "\\_" * 8  # the blank to write on
    gap = " "  # between the options of a choice

    def __init__(self, sheet: Sheet, key: bool) -> None:
        self.sheet, self.key = sheet, key
        self.title = self.say("answers", title=sheet.title) if key else sheet.title
        self.notation = self.notation_with(sheet.decimals)

    def say(self, sentence: str, **values: object) -> str:
        """Write a sentence in the language of the sheet."""
        return say("worksheets", sentence, self.sheet.lang, **values)

    def document(self) -> str:
        """Write the whole document."""
        sections = []
        for kind in dict.fromkeys(line.kind for line in self.sheet.lines):
            title = self.say(kind, rate=f"{self.sheet.learning_rate:g}")
            rows = [self.row(line) for line in self.sheet.lines if line.kind == kind]
            sections.append(self.section(title, rows))
        return self.page(self.given(), "\n\n".join(sections))

    def given(self) -> str:
        """Write the numbers of the leaves."""
        view = view_of(self.sheet.root, self.sheet.view)
        leaves = [node for node in view.order if not node.parents and not is_number(node)]
        given = [self.math(self.notation.name(view.name(leaf)), self.notation.number(leaf.data)) for leaf in leaves]
        return self.say("given", numbers=self.say("comma").join(given))

    def name(self, line: Line) -> str:
        """Write what a line asks for."""
        of, to = self.notation.name(line.name.of), self.notation.name(line.name.to)
        return self.derivative(of, to) if line.name.to else self.new(of) if line.name.new else of

    def stages(self, line: Line, is_worked: bool = False) -> list[str]:
        """Write what a line asks for, its formula, and with `is_worked` its working, no stage twice."""
        stages = [line.formula, *([line.symbols, line.working] if is_worked else [])]
        return [self.name(line), *dict.fromkeys(self.notation.write(stage) for stage in stages if stage)]

    def row(self, line: Line) -> tuple[str, str, str]:
        """Write the number of a blank, what it asks for, and the answer or the place for it."""
        shown = self.key or not line.blank
        number = f"({line.blank})" if line.blank else ""
        if line.choice:
            return (
                number,
                f"{self.ask(line.choice)} {self.options(line.choice)}",
                f"({line.written(0)})" if shown else self.rule,
            )
        stages = self.stages(line, self.key or (shown and self.sheet.is_worked))
        answer = self.math(self.notation.number(line.answer)) if shown else self.rule
        return number, self.math(*stages), answer

    def ask(self, choice: Choice) -> str:
        """Write a question."""
        about = {
            name: self.say("comma").join(self.math(self.notation.write(part)) for part in parts)
            for name, parts in choice.about.items()
        }
        return self.say(choice.ask, **about)

    def options(self, choice: Choice) -> str:
        """Write the options of a choice, each with its letter."""
        written = (self.math(self.notation.write(option)) for option in choice.options)
        return self.gap.join(self.whole(f"({letter}) {option}") for letter, option in zip(LETTERS, written))

    def whole(self, words: str) -> str:
        """Keep words on one line, where the form can say so."""
        return words

    def notation_with(self, decimals: int) -> Notation:
        return _LaTeXNotation(decimals)

    def math(self, *stages: str) -> str:
        return f"${' = '.join(stages)}$"

    def derivative(self, of: str, to: str) -> str:
        return self.fraction.format(of, to)

    def new(self, of: str) -> str:
        return self.updated.format(self.say("new"), of)

    def section(self, title: str, rows: list[tuple[str, str, str]]) -> str:
        cells = (" | ".join(row).replace(r"\left|", r"\left\vert").replace(r"\right|", r"\right\vert") for row in rows)
        return "\n".join([f"## {title}", "", "| | | |", "|---|---|---|", *(f"| {row} |" for row in cells)])

    def page(self, given: str, sections: str) -> str:
        return f"# {self.title}\n\n{given}\n\n{sections}\n"


class LaTeX(Markdown):
    """A sheet as a LaTeX document."""

    rule = r"\rule{25mm}{0.4pt}"
    gap = r" \quad "

    def section(self, title: str, rows: list[tuple[str, str, str]]) -> str:
        lines = [rf"{number} & {asked} & {answer} \\" for number, asked, answer in rows]
        table = [r"\begin{longtable}[l]{@{}rp{115mm}l@{}}", *lines, r"\end{longtable}"]
        return "\n".join([rf"\subsection*{{{title}}}", *table])

    def page(self, given: str, sections: str) -> str:
        title = latex.escaped(self.title)
        chinese = "\n\\usepackage{ctex}  % for xelatex or lualatex" if self.sheet.lang == "zh" else ""
        return rf"""\documentclass[a4paper]{{article}}
\usepackage{{amsmath, longtable}}{chinese}
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

    fraction, updated = "&part;{}/&part;{}", "{} {}"
    rule = "<span class=rule></span>"
    gap = " &emsp;"

    def notation_with(self, decimals: int) -> Notation:
        return _HTMLNotation(decimals)

    def math(self, *stages: str) -> str:
        return f"<span class=math>{' '.join(self.pieces(stages))}</span>"

    def ask(self, choice: Choice) -> str:
        return f"<span class=ask>{super().ask(choice)}</span>"

    def whole(self, words: str) -> str:
        return f"<span class=whole>{words}</span>"

    def pieces(self, stages: tuple[str, ...]) -> Iterator[str]:
        """Cut an equation where a line of it may end: before a sign of equality."""
        yield f"<span>{' = '.join(stages[:2])}</span>"
        for stage in stages[2:]:
            yield f"<span>= {stage}</span>"

    def section(self, title: str, rows: list[tuple[str, str, str]]) -> str:
        lines = (f"<tr><td>{number}</td><td>{asked}</td><td>{answer}</td></tr>" for number, asked, answer in rows)
        return "\n".join([f"<h2>{title}</h2>", "<table>", *lines, "</table>"])

    def page(self, given: str, sections: str) -> str:
        title = html.escape(self.title)
        return f"""<!doctype html>
<html lang="{"zh-CN" if self.sheet.lang == "zh" else "en"}">
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

        asked = {(line.kind, line.node): bool(line.blank) and not self.key for line in self.sheet.lines}
        with_gradients = any(kind == "gradients" for kind, _ in asked)
        order = view_of(self.sheet.root, self.sheet.view).order
        again = record_again(topological_order(self.sheet.root), {})
        again[self.sheet.root].backward()

        def with_blanks(drawn: re.Match[str]) -> str:
            before, position, value, grad_is, grad = drawn.groups()
            node = order[int(position)]
            value = "____" if asked.get(("values", node)) else value
            grad = "____" if asked.get(("gradients", node)) else grad
            is_told = with_gradients and (("gradients", node) in asked or node is self.sheet.root)
            return f'{before}{value}{grad_is}{grad}"' if is_told else f'{before}{value}"'

        root = again[self.sheet.root]
        drawing = draw(root, self.sheet.view, digits=self.sheet.decimals, edges=False, lang=self.sheet.lang)
        drawing.body[:] = [_DRAWN.sub(with_blanks, statement) for statement in drawing.body]
        drawing.description = ""  # in words it would tell every number that is asked for
        svg = str(drawing.pipe("svg", encoding="utf-8"))
        svg = svg[svg.index("<svg") :]
        # What a picture says to those who do not see it holds every number, the blanks' too.
        return svg if self.key else re.sub("(?s)<desc>.*?</desc>", "", svg)
