"""The command `scalargrad`: the worked example, the explanation, the page and the worksheets of any formula.

Reads everything below. A mistake of the user is one line on standard error and exit status 2.
"""

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .engine import Value
from .explain.typed import read_numbers, record_expression
from .files import write_whole
from .graph.views import LAYERS, VIEWS
from .messages import LANGUAGES, language_of_locale, say
from .teach.examples import EXAMPLES, step
from .teach.walkthrough import walkthrough

FAILURE = 2
ROLES = ("input", "parameter", "target")
INTERRUPTED = 130  # as a shell says it: 128 and the number of the signal


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        if re.search(r"unrecognized arguments: -[^-]|required: formula", message):
            message += "; a formula that begins with a minus needs a name, as in y = -x**2"
        self.exit(FAILURE, f"{self.prog}: {message}; try {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (by default those of the process) and give back the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a character still shows the rest
    status = 0
    try:
        options = _parser().parse_args(arguments)
        status = options.run(options) or 0
        if sys.stdout:  # None where it was closed before we came
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("scalargrad: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader, `head` say, has seen enough
    except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError) as error:
        print(f"scalargrad: {error}", file=sys.stderr)
        return FAILURE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="scalargrad", description="A scalar autograd engine for teaching the chain rule.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    example = _command(commands, "example", _example, "work the documents' two-output sigmoid example")
    example.add_argument("network", nargs="?", choices=EXAMPLES, default="two-output", help="default: two-output")
    _add_out(example, "worked-example", "DIR")
    _add_decimals(example, 8)
    example.add_argument("--json", action="store_true", help="print the numbers in full precision as JSON instead")

    explain = _command(commands, "explain", _explain, "explain any formula: forward, backward, derivation")
    _add_formula(explain)
    explain.add_argument("--wrt", action="append", metavar="NAME", help="derive the gradient of this name alone")
    _add_decimals(explain, 6)
    explain.add_argument("--out", type=Path, metavar="DIR", help="write both pictures and the text there as well")

    draw = _command(commands, "draw", _draw, "draw any formula: svg, png, pdf, tex")
    _add_formula(draw)
    _add_out(draw, "graph.svg")
    chosen = "default: quantities where a formula but the last has a name, else operations"
    draw.add_argument("--view", choices=(*VIEWS, LAYERS), help=chosen)
    draw.add_argument("--digits", type=int, default=4, metavar="N", help="significant digits (default: 4)")
    draw.add_argument("--scale", type=_number, metavar="N", help="of a png: 96 x N dots per inch (default: 1.5)")
    draw.add_argument("--steps", action="store_true", help="a picture (svg, png) or a Beamer slide (tex) for each step")
    _add_learning_rate(draw)
    draw.add_argument("--leaf-per-use", action="store_true", help="draw a leaf once for each use")

    page = _command(commands, "page", _page, "write the page that steps through any formula")
    _add_formula(page, nargs="?")
    _add_out(page, "steps.html")
    _add_learning_rate(page)

    sheet = _command(commands, "sheet", _sheet, "write a live spreadsheet of any formula")
    _add_formula(sheet)
    _add_out(sheet, "graph.xlsx")
    _add_learning_rate(sheet)

    worksheet = _command(commands, "worksheet", _worksheet, "make worksheets with answer keys for a class")
    worksheet.add_argument("formula", help="a formula, as for explain, or two-output, shared-bias, mlp:2-2-2")
    worksheet.add_argument("numbers", nargs="*", metavar="NAME=NUMBER", help="a number for each name of a formula")
    worksheet.add_argument("--variants", type=int, default=1, metavar="N", help="how many, each with other numbers")
    worksheet.add_argument("--fade", type=int, default=0, metavar="N", help="a set of N, from worked in full to blank")
    worksheet.add_argument("--seed", type=int, metavar="N", help="for other numbers; one seed, one sheet")
    worksheet.add_argument("--friendly", action="store_true", help="take short decimals for the numbers")
    worksheet.add_argument(
        "--blanks", default="values,gradients", metavar="KINDS", help="of values,local,gradients,updated,choices"
    )
    _add_decimals(worksheet, 4, least=3, most=15)
    _add_learning_rate(worksheet)
    worksheet.add_argument("--format", default="html", metavar="FORMATS", help="of html,md,tex,moodle (default: html)")
    _add_out(worksheet, "worksheets", "DIR")

    mark = _command(commands, "mark", _mark, "mark the answers of a class to worksheets", speaks=False)
    mark.add_argument("key", type=Path, help="the key.json that `scalargrad worksheet` wrote")
    mark.add_argument("answers", type=Path, help="the filled answers.csv")
    _add_out(mark, "marks", "DIR")

    check = _command(commands, "check-engine", _check_engine, "check a student's engine, and name its bugs")
    check.add_argument("file", metavar="FILE", help="student.py, or the name of a module")
    check.add_argument("--class", dest="class_name", metavar="NAME", help="default: the class that has a backward pass")
    for name, what in (("data", "number"), ("grad", "gradient"), ("backward", "backward pass")):
        check.add_argument(
            f"--{name}", default=name, metavar="NAME", help=f"what it calls its {what} (default: {name})"
        )
    check.add_argument("--json", action="store_true", help="print JSON instead of text")
    check.add_argument("--gradescope", type=Path, metavar="FILE", help="write a results.json for Gradescope as well")
    check.add_argument(
        "--points",
        action="append",
        default=[],
        metavar="PART=N",
        help="what a part is worth, as in order=20 (see --json)",
    )
    check.add_argument("--strict", action="store_true", help="let limits count for the exit status as bugs do")
    check.add_argument("--seconds", type=_number, default=10.0, metavar="S", help="limit of time (default: 10)")
    check.add_argument("--memory", type=int, default=1024, metavar="MB", help="limit of memory (default: 1024)")
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], what: str, speaks: bool = True
) -> argparse.ArgumentParser:
    """Add a command: `what` stands in the list of commands, and the docstring of `run` in its own help."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=what, description=run.__doc__)
    parser.set_defaults(run=run)
    if speaks:
        own = language_of_locale()
        told = f"language (default: the locale's, here {own})"
        parser.add_argument("--lang", choices=LANGUAGES, default=own, help=told)
    return parser


def _add_out(parser: argparse.ArgumentParser, default: str, metavar: str = "FILE") -> None:
    parser.add_argument("--out", type=Path, default=Path(default), metavar=metavar, help=f"default: {default}")


def _add_decimals(parser: argparse.ArgumentParser, default: int, least: int = 1, most: int = 17) -> None:
    told = f"{least} to {most} (default: {default})"
    parser.add_argument("--decimals", type=int, default=default, metavar="N", help=told)


def _add_learning_rate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--learning-rate", type=_number, default=1.0, metavar="RATE", help="default: 1")


def _add_formula(parser: argparse.ArgumentParser, **options: Any) -> None:
    formula = "one or more statements, parted by ;, such as y = -x**2; with a name first"
    parser.add_argument("formula", help=formula, **options)
    parser.add_argument("numbers", nargs="*", metavar="NAME=NUMBER", help="a number for each name")
    for role in ROLES:
        told = f"NAME is one of the {role}s"
        parser.add_argument(f"--{role}", action="append", default=[], metavar="NAME", help=told)


def _recorded(options: argparse.Namespace) -> tuple[Value, dict[str, list[Value]]]:
    """Record the formula that was typed, with the roles that were said."""
    from .explain.explaining import named

    root, names = record_expression(options.formula, read_numbers(options.numbers))
    return root, {f"{role}s": named(names, getattr(options, role)) for role in ROLES}


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise argparse.ArgumentTypeError(f"needs a finite number, got {text!r}")
    return number


def _example(options: argparse.Namespace) -> None:
    """Work the documents' example: forward, backward, update, forward; every number, the pictures, and the page."""

    done = step(EXAMPLES[options.network])
    if options.json:
        parts = ("first_forward", "gradients", "updated", "second_forward")
        print(json.dumps({part: getattr(done, part) for part in parts}, indent=2))
        return
    from .page import page  # it imports Graphviz, which takes longer than to print the numbers

    example = done.before
    roles: dict[str, Any] = {"inputs": example.inputs, "parameters": example.parameters, "targets": example.targets}
    text = walkthrough(done, options.decimals, options.lang)
    files = _pictures(example.root, lang=options.lang, **roles) | {
        "steps.html": page(example.root, learning_rate=example.learning_rate, lang=options.lang, **roles).html,
        "worked-example.txt": text,
    }
    written = _write(options.out, files, options.lang)
    print(text)
    print(written)
    print("\n" + say("command", "open example", options.lang))


def _explain(options: argparse.Namespace) -> None:
    """Explain formulas, as in: scalargrad explain "z = w*x + b; y = sigmoid(z)" w=0.6 x=1.5 b=0.9."""

    from .explain.explaining import explain

    root, nodes = _recorded(options)
    names = {f"{role}s": getattr(options, role) for role in ROLES}
    numbers = read_numbers(options.numbers)
    text = explain(options.formula, numbers, options.wrt, options.decimals, lang=options.lang, **names)
    written = ""
    if options.out:
        root.backward()
        files = _pictures(root, lang=options.lang, **nodes) | {"explained.txt": text + "\n"}
        written = "\n\n" + _write(options.out, files, options.lang)
    print(text + written)


def _page(options: argparse.Namespace) -> None:
    """Write one HTML file, as in: scalargrad page "y = sigmoid(w*x)" w=0.6 x=1.5.

    Without a formula, the page in which formulas are typed.
    """

    from .page import playground, write_page

    chosen: dict[str, Any] = {"learning_rate": options.learning_rate, "lang": options.lang}
    if options.formula is None:
        path = playground(**chosen).write(options.out)
    else:
        root, nodes = _recorded(options)
        path = write_page(root, options.out, **chosen, **nodes)
    print(say("command", "written one", options.lang, path=path))
    print(say("command", "open page", options.lang))


def _worksheet(options: argparse.Namespace) -> None:
    """Make worksheets of a formula, or of two-output, shared-bias or a network such as mlp:2-2-2."""

    from .teach import classes
    from .teach.moodle import moodle_xml

    formats = classes.formats_of(options.format)
    numbers = read_numbers(options.numbers)
    names = ("variants", "fade", "seed", "friendly", "decimals", "learning_rate", "lang")
    chosen = {name: getattr(options, name) for name in names} | {"blanks": classes.kinds_of(options.blanks)}
    sheets = classes.make(options.formula, numbers, chosen)
    moodle = {"moodle.xml": moodle_xml(sheets)} if "moodle" in formats else {}
    written = [
        path
        for number, sheet in enumerate(sheets, start=1)
        for path in sheet.write(options.out, f"sheet-{number}", [name for name in formats if name != "moodle"])
    ]
    key = classes.key_text(options.formula, numbers, chosen, sheets)
    files = moodle | {"key.json": key, "answers.csv": classes.answers_header(sheets)}
    written += [write_whole(options.out / name, text) for name, text in files.items()]
    print(say("worksheets", "sheet.written", options.lang, count=len(written), folder=options.out))
    print(say("worksheets", "sheet.mark", options.lang, file=options.out / "key.json"))


def _mark(options: argparse.Namespace) -> None:
    """Mark a CSV with a row for each student: the student, the variant, and a column for each blank."""

    from .teach import classes

    marked = classes.mark_class(classes.read_key(options.key), options.answers.read_bytes())
    marked.write(options.out)
    counts = {"students": len(marked.students), "refused": len(marked.refused), "folder": options.out}
    print(say("worksheets", "mark.written", marked.lang, **counts))
    for line, reason, _ in marked.refused:
        print(say("worksheets", "mark.refused", marked.lang, line=line, reason=reason))


def _check_engine(options: argparse.Namespace) -> int:
    """Check a class of scalars with gradients: which bug it has, on which small graph, and on which line.

    The exit status is 0 without a bug and 1 with one. The file is run in a process of its own, with limits of time and
    memory; that is no sandbox.
    """

    from .teach.engines.probe import Names
    from .teach.engines.process import Limits, check_file
    from .teach.engines.report import Report

    names = Names(options.data, options.grad, options.backward)
    findings = check_file(options.file, options.class_name, names, Limits(options.seconds, options.memory))
    report = Report(Path(options.file).name, findings, options.lang, read_numbers(options.points))
    if options.gradescope:
        write_whole(options.gradescope, json.dumps(report.gradescope(), ensure_ascii=False, indent=2) + "\n")
    print(json.dumps(report.as_data(), ensure_ascii=False, indent=2) if options.json else report.text())
    return int(bool(report.bugs or (options.strict and report.limits)))


def _draw(options: argparse.Namespace) -> None:
    """Draw a formula after backward, as in: scalargrad draw "y = sigmoid(w*x)" w=0.6 x=1.5 --out y.png."""

    from .explain.drawing import draw

    root, nodes = _recorded(options)
    root.backward()
    roles: dict[str, Any] = nodes
    roles["leaf_per_use"] = options.leaf_per_use
    drawing = draw(root, options.view, digits=options.digits, lang=options.lang, **roles)
    if options.steps:
        written = drawing.write_steps(options.out, options.learning_rate, options.scale)
    else:
        written = [drawing.write(options.out, options.scale)]
    if options.out.suffix == ".tex" and options.view != LAYERS:
        from .explain.tikz import numbers

        written.append(write_whole(options.out.with_name(f"{options.out.stem}-numbers.tex"), numbers(drawing.shown)))
    print("\n".join([say("command", "written", options.lang), *(f"  {path}" for path in written)]))


def _sheet(options: argparse.Namespace) -> None:
    """Write a spreadsheet to work with, as in: scalargrad sheet "y = sigmoid(w*x)" w=0.6 x=1.5."""

    from .explain.workbook import spreadsheet

    root, nodes = _recorded(options)
    made = spreadsheet(root, learning_rate=options.learning_rate, lang=options.lang, **nodes)
    print(say("command", "written one", options.lang, path=made.write(options.out)))


def _pictures(root: Value, **options: Any) -> dict[str, bytes | str]:
    from .explain.drawing import draw

    return {f"{view}.svg": draw(root, view, **options).pipe("svg") for view in ("operations", "quantities")}


def _write(folder: Path, files: dict[str, bytes | str], lang: str) -> str:
    """Write files, all of them made before, into a folder, and give back the text that says where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [f"  {write_whole(folder / name, content)}" for name, content in files.items()]
    return "\n".join([say("command", "written", lang), *paths])
