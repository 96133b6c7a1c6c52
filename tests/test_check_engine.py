"""Checking a student's engine: every seeded bug is named with its place, and an engine without one is left in peace."""

import ast
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engines import seeded

import scalargrad
from scalargrad import teach
from scalargrad.cli import main
from scalargrad.messages import LANGUAGES, catalogue
from scalargrad.rules import RULES
from scalargrad.teach.engines import wrong_partials
from scalargrad.teach.engines.cases import STRUCTURES, TWICE, Form, agree, points, right
from scalargrad.teach.engines.findings import PARTS
from scalargrad.teach.engines.probe import Engine, Names
from scalargrad.teach.engines.process import Limits, check_file
from scalargrad.teach.engines.report import Report
from scalargrad.teach.engines.stages import STAGES, examine
from scalargrad.teach.passes import EVERY_ORDER, Habits, run

ROOT = Path(__file__).parent.parent
TUPLES = Names("value", "gradient", "run")
COUNT = itertools.count()
EDIT = {edit.name: edit for edit in seeded.EDITS}
# What is true of the tuples of microgpt without any edit, as of micrograd.
LIMITS = {"passes.kept", "depth.recursion"}


def load(text, folder):
    """Import the text of an engine as a module of its own."""
    name = f"student_{next(COUNT)}"
    path = folder / name / "student.py"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    specification = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def check(text, folder, lang="en"):
    module = load(text, folder)
    made, names = (module.Scalar, TUPLES) if hasattr(module, "Scalar") else (module.Value, Names())
    return Report("student.py", examine(Engine(made, vars(module), names)), lang)


# --- one bug ---------------------------------------------------------------------------------------------------------


def test_there_are_enough_bugs_and_each_is_one():
    assert len(seeded.EDITS) >= 40
    assert len(EDIT) == len(seeded.EDITS)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(edit, id=edit.name, marks=[pytest.mark.thorough] if number % 3 else [])
        for number, edit in enumerate(seeded.EDITS)
    ],
)
def test_a_seeded_bug_is_named_with_its_place(edit, tmp_path):
    report = check(seeded.source(edit), tmp_path)
    named = [finding for finding in report.findings.found if finding.key == edit.key]
    assert named, report
    assert {finding.key for finding in report.findings.found} <= {edit.key} | LIMITS
    if edit.key not in LIMITS:
        assert len(report.bugs) == 1
    place = named[0].place
    if edit.function:
        assert place.function == edit.function
    else:
        assert place.line == seeded.line(edit)
    for lang in LANGUAGES:
        assert place.source in report.text(lang)
    for shown in report.as_data()["findings"]:  # on the graph that is shown, it shows
        assert shown["first_wrong"] or not shown["numbers"]


# --- two bugs --------------------------------------------------------------------------------------------------------


def pairs():
    """Every pair of edits that can be made in one file."""
    for one, other in itertools.combinations(seeded.EDITS, 2):
        if one.base == other.base:
            try:
                text = seeded.source(one, other)
                ast.parse(text)
            except (SyntaxError, ValueError):
                continue
            yield one, other, text


@pytest.mark.thorough
def test_both_bugs_of_a_pair_are_named(tmp_path):
    tried = list(pairs())[::41]
    assert len(tried) > 50
    both = 0
    for one, other, text in tried:
        keys = [finding.key for finding in check(text, tmp_path).findings.found]
        both += one.key in keys and other.key in keys and (one.key != other.key or keys.count(one.key) > 1)
    assert both >= 0.9 * len(tried)


# --- no bug ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "limits", "missing"),
    [
        ("closures.py", set(), {"2**x"}),
        ("recursion.py", {"depth.recursion"}, {"x**y", "2**x", "log(x)", "relu(x)", "Neuron", "Layer", "MLP"}),
        ("tuples.py", LIMITS, {"x**y", "2**x", "sigmoid(x)", "Neuron", "Layer", "MLP"}),
    ],
)
def test_an_engine_without_a_bug_is_right(file, limits, missing, tmp_path):
    report = check((seeded.FOLDER / file).read_text("utf-8"), tmp_path)
    assert report.bugs == []
    assert {finding.key for finding in report.limits} == limits
    assert set(report.missing) == missing


def test_our_own_engine_is_right():
    report = teach.check_engine(scalargrad.Value, scalargrad.nn)
    assert (report.bugs, report.limits, report.missing) == ([], [], ())
    report.expect_right()


def test_our_own_engine_is_as_it_was():
    before = dict(vars(scalargrad.Value))
    teach.check_engine(scalargrad.Value)
    assert dict(vars(scalargrad.Value)) == before


def test_of_micrograd_only_what_is_true_is_said():
    engine, nn = pytest.importorskip("micrograd.engine"), pytest.importorskip("micrograd.nn")
    report = teach.check_engine(engine.Value, nn)
    assert report.bugs == []
    assert {finding.key for finding in report.limits} == LIMITS
    assert set(report.missing) == {"x**y", "2**x", "tanh(x)", "exp(x)", "log(x)", "sigmoid(x)"}


def test_the_package_alone_leads_to_the_check():
    program = "import scalargrad; print(scalargrad.teach.check_engine(scalargrad.Value))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Value: no bug found")


def test_what_is_no_class_is_refused():
    with pytest.raises(TypeError, match="needs a class, got 3"):
        teach.check_engine(3)


# --- what the diagnosis rests on -------------------------------------------------------------------------------------


def test_the_graphs_tell_the_orders_apart():
    """No two orders give the same gradients on every graph, but for two that visit the same nodes as often."""
    engine = Engine(scalargrad.Value)
    with engine.watched():
        graphs = [engine.graph(engine.recorded(case), lambda form, at: partials(form, at)) for case in STRUCTURES]
    seen = {}
    for order in EVERY_ORDER:
        found = []
        for case, graph in zip(STRUCTURES, graphs):
            gradients = run([graph.nodes[case.roots[0]]], Habits(order=order), graph.forms)
            found += [round(gradients[graph.nodes[name]], 9) for name, _ in case.leaves]
        assert tuple(found) not in seen, (order, seen[tuple(found)])
        seen[tuple(found)] = order


def partials(form, at):
    return wrong_partials.rule_partials(form.rule, at)


def test_a_right_pass_is_the_engines():
    engine = Engine(scalargrad.Value)
    with engine.watched():
        for case in (*STRUCTURES, *TWICE):
            graph = engine.graph(engine.recorded(case), partials)
            gradients = run([graph.nodes[root] for root in case.roots], Habits(), graph.forms)
            for name, _ in case.leaves:
                assert gradients[graph.nodes[name]] == pytest.approx(right(case).gradients[name])


@pytest.mark.parametrize("op", RULES)
def test_every_slip_is_found_from_its_numbers(op):
    rule = RULES[op]
    form = Form(op, "v" if len(rule.partials) == 1 else "vv")
    for slot in range(len(rule.partials)):
        true = [partials(form, point)[slot] for point in points(form)]
        for slip in wrong_partials.slips(rule, slot):
            try:
                numbers = [wrong_partials.derivative(rule, slip.formula, point) for point in points(form)]
            except (ArithmeticError, TypeError, ValueError):
                continue
            if all(isinstance(number, float) for number in numbers) and not all(map(agree, numbers, true)):
                found = wrong_partials.find(op, slot, list(zip(points(form), numbers)))
                again = [wrong_partials.derivative(rule, found.formula, point) for point in points(form)]
                assert all(map(agree, again, numbers)), (slip, found)


def test_every_sentence_that_may_be_said_is_there():
    sentences = catalogue("diagnoses", "en")
    titles = {key.removesuffix(".title") for key in sentences if key.endswith(".title")}
    assert {f"order.{order}" for order in EVERY_ORDER[1:]} <= titles
    kinds = {
        slip.kind
        for rule in RULES.values()
        for slot in range(len(rule.partials))
        for slip in wrong_partials.slips(rule, slot)
    }
    assert {f"derivative.{kind}" for kind in kinds} <= titles
    assert {f"part.{part}" for part in PARTS} | {f"stage.{stage}" for stage in STAGES} <= sentences.keys()
    folder = Path(teach.__file__).parent / "engines"
    written = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    for title in titles:
        assert f'"{title}"' in written or title.split(".")[0] in ("order", "derivative", "passes"), title


# --- the report ------------------------------------------------------------------------------------------------------


def test_one_line_makes_a_test(tmp_path):
    module = load(seeded.source(EDIT["sub by the wrong sign"]), tmp_path)
    with pytest.raises(AssertionError, match=r"The local derivative of a - b by b has the wrong sign"):
        teach.check_engine(module.Value).expect_right()


def test_a_check_gives_the_same_report_each_time(tmp_path):
    text = seeded.source(EDIT["recursion"], EDIT["tanh from its input"])
    assert json.dumps(check(text, tmp_path).as_data()) == json.dumps(check(text, tmp_path).as_data())


def test_points_are_in_proportion_to_what_is_right(tmp_path):
    data = check(seeded.source(EDIT["tanh from its input"]), tmp_path).as_data()
    part = data["parts"]["derivatives"]
    assert part["tried"] - part["right"] == 1
    assert part["score"] == pytest.approx(part["of"] * part["right"] / part["tried"], abs=0.01)
    assert data["score"] == pytest.approx(data["of"] - part["of"] + part["score"])


def test_an_unknown_part_has_no_points():
    with pytest.raises(ValueError, match=r"points: needs one of values, .*, got colour = 3"):
        teach.check_engine(scalargrad.Value, points={"colour": 3})


# --- a file in a process of its own ----------------------------------------------------------------------------------

ENGINE = (seeded.FOLDER / "closures.py").read_text("utf-8")


def keys_of(text, folder, **limits):
    path = folder / "student.py"
    path.write_text(text, encoding="utf-8")
    return [finding.key for finding in check_file(path, limits=Limits(**limits)).found]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("while True: pass", "process.timeout"),
        (ENGINE.replace("        for node in reversed(order):\n", "        while True:\n"), "process.timeout"),
        ("while True: print('x' * 1000)", "process.output"),
        ("raise SystemExit(0)", "process.exits"),
        ("import os; os._exit(0)", "process.exits"),
        ("1 / 0", "process.raises"),
        ("x = = 3", "process.raises"),
        ("x = 'no engine'", "process.class"),
        pytest.param(
            "import os\nwhile True: os.fork()",
            "process.starts",
            marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
        ),
        ("import subprocess, sys; subprocess.run([sys.executable, '-c', ''])", "process.starts"),
        pytest.param(
            "x = [0] * 10**9",
            "process.memory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="no such limit"),
        ),
    ],
    ids=lambda value: value if value.startswith("process") else "",
)
def test_what_a_file_does_instead_is_said(text, key, tmp_path):
    started = time.monotonic()
    limit = 2.0 if key == "process.timeout" else 20.0
    assert keys_of(text, tmp_path, seconds=limit) == [key]
    assert time.monotonic() - started < limit + 20


def test_a_file_does_not_see_the_teachers_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHERS_TOKEN", "secret")
    assert keys_of("import os\nassert 'TEACHERS_TOKEN' not in os.environ\n" + ENGINE, tmp_path, seconds=30.0) == []


def test_what_a_file_prints_does_not_spoil_the_report(tmp_path):
    text = (
        "print('{\"findings\": []}')\n" + ENGINE.replace("(1 - out.data**2)", "(1 - self.data**2)") + "\nprint('}')\n"
    )
    assert keys_of(text, tmp_path, seconds=30.0) == ["derivative.input for output"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say how much time a child took")
def test_a_verdict_on_a_right_engine_takes_less_than_two_seconds(tmp_path):
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert keys_of(ENGINE, tmp_path, seconds=60.0) == []
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0  # of the processor: others may run


def test_a_file_in_a_package_may_import_its_neighbours(tmp_path):
    package = tmp_path / "grad"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "engine.py").write_text(ENGINE, encoding="utf-8")
    (package / "nn.py").write_text("from .engine import Value\n")
    assert check_file(package / "nn.py", limits=Limits(60.0)).found == ()


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_gives_text_json_and_gradescope(tmp_path, capsys):
    file = str(ROOT / "demos" / "student_engine" / "engine.py")
    results = tmp_path / "results.json"
    assert main(["check-engine", file, "--json", "--gradescope", str(results), "--points", "order=30"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert [finding["bug"] for finding in data["findings"] if not finding["limit"]] == [
        "derivative.input for output",
        "order.recursion",
    ]
    assert data["parts"]["order"]["of"] == 30
    scored = json.loads(results.read_text("utf-8"))
    tests = {test["name"]: test for test in scored["tests"]}
    assert tests["order of the backward pass"]["max_score"] == 30
    assert tests["order of the backward pass"]["status"] == "failed"
    assert "No topological order" in tests["order of the backward pass"]["output"]
    assert sum(test["score"] for test in scored["tests"]) == pytest.approx(data["score"])


def test_the_command_says_what_is_right_and_what_is_not_there(tmp_path, capsys):
    options = ["--data", "value", "--grad", "gradient", "--backward", "run", "--class", "Scalar", "--lang", "zh"]
    file = str(seeded.FOLDER / "tuples.py")
    assert main(["check-engine", file, *options]) == 0
    assert capsys.readouterr().out.startswith("tuples.py：没有发现错误\n\n属实，但不算错误：")
    assert main(["check-engine", file, *options, "--strict"]) == 1
    assert main(["check-engine", "nowhere.py"]) == 2
    assert capsys.readouterr().err == "scalargrad: check-engine: there is no file 'nowhere.py'\n"


def test_the_demo_and_the_readme_show_what_the_command_says():
    folder = ROOT / "demos" / "student_engine"
    command = [sys.executable, "-m", "scalargrad", "check-engine", "engine.py", "--lang", "en"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    assert done.stdout == (folder / "report.txt").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    [shown] = [block for block in readme.split("```text\n")[1:] if block.startswith("engine.py: ")]
    assert done.stdout.startswith(shown.split("```")[0])
