"""Layouts end: a graph on which Graphviz works for minutes is drawn in plain columns, and says so."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from figure_support import chain

from scalargrad import Value, draw
from scalargrad.cli import main
from scalargrad.explain import layout, rendering
from scalargrad.messages import say

DOT = shutil.which("dot")


@pytest.fixture(params=[pytest.param("dot", marks=pytest.mark.skipif(not DOT, reason="needs `dot`")), "wheel"])
def renderer(request, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    if request.param == "wheel":
        monkeypatch.setenv("PATH", "")
    return request.param


def titles(svg):
    return {title.text for title in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")}


def test_a_layout_that_takes_too_long_is_replaced_by_a_plain_one_that_says_so(renderer, monkeypatch, capfd):
    """Before: a chain of 98 steps took 25 to 39 s, a fan of 200 did not end in 10 minutes."""
    drawing = draw(chain(60))
    monkeypatch.setattr(rendering, "PATIENCE", 0.5)
    monkeypatch.setattr(layout, "QUICK_FROM", 10_000)  # the best layout first, which takes a minute
    monkeypatch.setattr(rendering, "_run", patient_at_the_end(rendering._run))
    svg = drawing.pipe("svg", encoding="utf-8")
    assert {"n0", "n181", "n0->n2", "n180->n181"} <= titles(svg)
    assert "300 edges take Graphviz too long; drawn in plain columns instead" in capfd.readouterr().err
    assert draw(Value(1.0) * 2).pipe("svg")  # and the next picture is a usual one


def patient_at_the_end(run):
    """Leave the plain layout its time on a busy machine."""
    return lambda source, engine, seconds: run(source, engine, 60 if engine == "nop" else seconds)


def test_many_edges_are_laid_out_with_fewer_rounds():
    few, many = draw(chain(5)).source, draw(chain(30)).source
    assert (layout.edge_count(few), layout.edge_count(many)) == (25, 150)
    assert "nslimit" not in few
    assert layout.quick(many) == many[:-2] + '\tgraph [nslimit="2" nslimit1="2" mclimit="0.1" splines="line"]\n}\n'


def test_the_plain_layout_puts_every_node_into_a_column_after_its_parents():
    source = layout.plain(draw(chain(3), "operations").source)
    places = {name: (float(x), float(y)) for name, x, y in re.findall(r'(n\d+) \[pos="(\S+),(\S+)"', source)}
    edges = re.findall(r"(n\d+) -> (n\d+)", source)
    assert len(places) == 11
    assert len(set(places.values())) == 11
    assert all(places[start][0] < places[end][0] for start, end in edges)


def test_a_picture_that_nobody_asked_for_gives_up_after_a_second(renderer, monkeypatch):
    monkeypatch.setattr(rendering, "_SILENCE", 0.001)
    bundle = chain(24)._repr_mimebundle_()  # 98 nodes, just under the limit
    assert re.search(r"Graphviz|`dot`", bundle["text/html"])
    assert (
        "took longer than 0.001 s, and nobody asked for this picture; draw(...) takes its time" in bundle["text/html"]
    )


def test_a_sign_of_life_after_a_second(renderer, monkeypatch, capfd):
    """Before: 991 nodes took 79 s without a word."""
    drawing = draw(chain(5))
    monkeypatch.setattr(rendering, "_SILENCE", 600.0)
    drawing.pipe("svg")
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(rendering, "_SILENCE", 0.01)
    monkeypatch.setattr(rendering, "_run", slow_at_first(rendering._run))
    assert b"</svg>" in drawing.pipe("svg")
    assert capfd.readouterr().err == "draw: laying out 25 edges ...\n"


def test_the_sign_of_life_is_in_the_language_that_was_chosen(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setattr(rendering, "_SILENCE", 0.01)
    monkeypatch.setattr(rendering, "_run", slow_at_first(rendering._run))
    for command in (["draw"], ["draw", "--view", "layers"], ["page"]):
        path = str(tmp_path / "steps.html" if command == ["page"] else tmp_path / "graph.svg")
        assert main([*command, "y = w*x + b", "w=2", "x=3", "b=4", "--lang", "zh", "--out", path]) == 0
        told = capfd.readouterr().err.splitlines()
        assert told
        assert {re.sub(r"\d+", "N", line) for line in told} == {say("layout", "busy", "zh", edges="N")}


@pytest.mark.parametrize("command", ["draw", "draw --steps", "draw --view layers", "page"])
def test_a_folder_that_is_not_there_is_one_line_and_no_layout(command, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(rendering, "_SILENCE", 0.01)
    monkeypatch.setattr(rendering, "_run", slow_at_first(rendering._run))
    path = tmp_path / "no" / ("steps.html" if command == "page" else "graph.svg")
    assert main([*command.split(), "y = w*x + b", "w=2", "x=3", "b=4", "--out", str(path)]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"scalargrad: .*cannot write the file: .*{path.stem}.*\n", printed.err)


def slow_at_first(run):
    return lambda *arguments: time.sleep(0.5) or run(*arguments)


def test_a_crash_of_the_built_in_graphviz_is_no_traceback(monkeypatch):
    """Before: 490 operations that use one another ended in a traceback of wasmtime."""
    monkeypatch.setenv("PATH", "")
    source = draw(Value(1.0) * 2).source
    assert rendering.render(source, "svg")
    with monkeypatch.context() as crashing:
        crashing.setattr(rendering, "_ask", killed_before(rendering._ask))
        with pytest.raises(RuntimeError, match=r"2 edges are too many .*the built-in Graphviz has crashed.*draw less"):
            rendering.render(source, "svg")
    assert rendering.render(source, "svg")


def killed_before(ask):
    return lambda process, *question: process.kill() or ask(process, *question)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for `dot` is a shell script")
def test_a_dot_that_crashes_leaves_the_plain_layout(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\n[ "$2" = -Knop ] && echo "<svg/>" || kill -SEGV $$\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert draw(chain(1)).pipe("svg") == b"<svg/>\n"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_a_layout_in_the_wheel(tmp_path):
    """Before: it did nothing until the layout was done."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; sys.path.insert(0, sys.argv[1]); from test_layout import chain\n"
        "from scalargrad import draw; from scalargrad.explain import layout, rendering\n"
        "rendering.PATIENCE = 60; layout.QUICK_FROM = 10_000; d = draw(chain(90))\n"
        "rendering.render(draw(chain(1)).source, 'svg')\n"
        "print(rendering._wheel._process.pid, flush=True)\n"
        "try: d.pipe('svg')\n"
        "except KeyboardInterrupt: print('interrupted', rendering._wheel._process)\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True, env={"PATH": ""}
    )
    worker = int(running.stdout.readline())
    time.sleep(0.3)
    running.send_signal(2)
    assert running.communicate(timeout=20)[0] == "interrupted None\n"
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
