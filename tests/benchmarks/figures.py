"""A chain of steps that all read x and w, as a recurrent network does: the seconds that each format takes.

Run `python tests/benchmarks/figures.py` (`--quick`: the shortest chain only). With Graphviz's `dot` on the PATH each
is timed with it and without, and a table in Markdown is printed. A series is timed over its first pictures.
"""

import itertools
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import scalargrad
from scalargrad import Value, draw
from scalargrad.explain.series import frames

LENGTHS = (40, 160, 320)
FRAMES = 20


def chain(length):
    x, w = Value(0.9, label="x"), Value(0.8, label="w")
    y = x
    for _ in range(length):
        y = (y * w + x).tanh()
    y.backward()
    return y


def seconds(write, *arguments):
    start = time.perf_counter()
    result = write(*arguments)
    return time.perf_counter() - start, result


def formats(root, folder):
    """Write every format, and give the seconds of each."""
    length = sum(1 for node in scalargrad.topological_order(root) if node.parents) // 3
    drawing = draw(root, force=True)
    times = {}
    for kind in ("gv", "svg", "png", "pdf", "tex"):
        times[kind], path = seconds(drawing.write, folder / f"graph.{kind}")
        assert path.stat().st_size > 1000
    svg = (folder / "graph.svg").read_text("utf-8")
    assert svg.count('class="node"') == 3 * length + 2
    assert (folder / "graph.tex").read_text("utf-8").count(r"\node") == 3 * length + 2
    shared = draw(root, leaf_per_use=True, force=True)
    times["svg, a leaf per use"], path = seconds(shared.write, folder / "shared.svg")
    assert path.read_text("utf-8").count('class="node"') > 4 * length
    times["tex, slides"], [path] = seconds(drawing.write_steps, folder / "slides.tex")
    steps = drawing.shown.steps(1.0)
    assert path.read_text("utf-8").count(r"\only<") == len(steps)
    series = itertools.islice(frames(svg, steps, drawing.shown.edges(), {}), FRAMES)
    taken, pictures = seconds(list, series)
    assert len(pictures) == FRAMES
    times[f"series, a picture of {len(steps)}"] = taken / FRAMES
    times["html, the page"], path = seconds(scalargrad.write_page, root, folder / "steps.html")
    assert path.stat().st_size > 100_000
    times["xlsx"], book = seconds(scalargrad.spreadsheet, root)
    assert book.content.startswith(b"PK")
    return times


def main():
    lengths = LENGTHS[:1] if "--quick" in sys.argv else LENGTHS
    here, columns = os.environ["PATH"], {}
    for length in lengths:
        for how in ["with dot", "without"] if shutil.which("dot") else ["without"]:
            os.environ["PATH"] = here if how == "with dot" else ""
            draw(chain(2)).pipe("svg")  # starts what is started once
            with tempfile.TemporaryDirectory() as folder:
                columns[f"{length}, {how}"] = formats(chain(length), Path(folder))
            os.environ["PATH"] = here
    rows = list(dict.fromkeys(kind.partition(" of ")[0] for times in columns.values() for kind in times))
    print("| seconds |", " | ".join(columns), "|")
    print("|---|", "---|" * len(columns), sep="")
    for row in rows:
        found = [{kind.partition(" of ")[0]: taken for kind, taken in times.items()}[row] for times in columns.values()]
        print(f"| {row} |", " | ".join(f"{taken:.2f}" for taken in found), "|")


if __name__ == "__main__":
    main()
