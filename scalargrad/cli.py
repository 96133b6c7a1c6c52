"""The command `scalargrad`: the worked example.

Reads everything below. A mistake of the user is one line on standard error and exit status 2.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .examples import EXAMPLES, step
from .walkthrough import walkthrough

FAILURE = 2


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILURE, f"{self.prog}: {message}; try {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (by default those of the process) and give back the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a character still shows the rest
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader, `head` say, has seen enough
    except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError) as error:
        print(f"scalargrad: {error}", file=sys.stderr)
        return FAILURE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="scalargrad", description="A scalar autograd engine for teaching the chain rule.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    example = commands.add_parser(
        "example",
        help="work the documents' two-output sigmoid example",
        description="Work the documents' example: forward, backward, update, forward; every number, and the pictures.",
    )
    example.add_argument("network", nargs="?", choices=EXAMPLES, default="two-output", help="default: two-output")
    example.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: worked-example)")
    example.add_argument("--digits", type=int, default=8, metavar="N", help="decimals, 1 to 17 (default: 8)")
    example.add_argument("--json", action="store_true", help="print the numbers in full precision as JSON instead")
    example.set_defaults(run=_example)
    return parser


def _example(options: argparse.Namespace) -> None:
    from .drawing import draw  # Graphviz is imported when something is drawn

    done = step(EXAMPLES[options.network])
    if options.json:
        parts = ("first_forward", "gradients", "updated", "second_forward")
        print(json.dumps({part: getattr(done, part) for part in parts}, indent=2))
        return
    text = walkthrough(done, options.digits)
    example = done.before
    roles = {"inputs": example.inputs, "parameters": example.parameters, "targets": example.targets}
    folder = options.out or Path("worked-example")
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        draw(example.root, view, **roles).write(folder / f"{view}.svg")  # type: ignore[arg-type]
        for view in ("operations", "quantities")
    ]
    copy = folder / "worked-example.txt"
    copy.write_text(text, encoding="utf-8")
    print(text)
    print("\n".join(["Written:", *(f"  {path}" for path in [*written, copy])]))
