"""The command as a user meets it: what it prints and writes, and how it refuses."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import scalargrad
from scalargrad.cli import main

PUBLISHED = {  # WORKED_EXAMPLE's 16-digit figures of network A, as the document's author prints them
    "first_forward": {
        "out_h1": 0.7005671424739729,
        "out_h2": 0.7310585786300049,
        "net_o1": 2.0051871483883876,
        "out_o1": 0.8813406204337122,
        "net_o2": 2.1483497204987856,
        "out_o2": 0.8955144637754225,
    },
    "gradients": {
        "b1": 0.010742183129835565,
        "b2": -0.012409318556507402,
        "b3": 0.01287516032090534,
        "b4": 0.08379177401075323,
    },
    "updated": {
        "b1": 0.48925781687016445,
        "b2": 1.0124093185565075,
        "b3": 0.48712483967909465,
        "b4": 0.9162082259892468,
    },
    "second_forward": {
        "net_h1": 0.8258300879578699,
        "out_h1": 0.6954725026123048,
        "net_h2": 0.971030889277963,
        "out_h2": 0.7253249281967498,
        "net_o1": 2.022578998544453,
        "out_o1": 0.8831474198595102,
        "net_o2": 1.970574942645405,
        "out_o2": 0.8776728542726611,
    },
}


def test_example_prints_every_number_and_writes_pictures_and_a_copy(tmp_path, capsys):
    assert main(["example", "--out", str(tmp_path / "made" / "here")]) == 0
    printed = capsys.readouterr().out
    for shown in (
        "net_h1  = x1*w1 + x2*w2 + b1 = 0.5*0.1 + 1*0.3 + 0.5 = 0.85",
        "E_total = E_o1 + E_o2 = 0.00704002 + 0.40097308 = 0.40801310",
        "dE_total/dout_h1:  via net_o2    0.08379177 x  0.7        =  0.05865424",
        "sum  0.05120865",
        "w4   0.70000000   0.05870176   0.05870176  0.64129824",
        "E_total: 0.40801310 before, 0.39198208 after one step",
        "out_h2 is meant",
    ):
        assert shown in printed
    folder = tmp_path / "made" / "here"
    assert (folder / "worked-example.txt").read_text(encoding="utf-8") in printed
    for view in ("operations", "quantities"):
        assert ElementTree.parse(folder / f"{view}.svg").getroot().tag.endswith("svg")
        assert str(folder / f"{view}.svg") in printed


@pytest.mark.parametrize("network", ["two-output", "shared-bias"])
@pytest.mark.parametrize("digits", ["3", "8", "17"])
def test_example_fits_a_terminal_of_80_columns(network, digits, tmp_path, capsys):
    main(["example", network, "--decimals", digits, "--out", str(tmp_path)])
    text = capsys.readouterr().out.split("Written:")[0]
    assert digits == "17" or max(map(len, text.splitlines())) <= 80
    assert text.isascii()


def test_the_shared_bias_is_the_sum_of_both_paths(tmp_path, capsys):
    main(["example", "shared-bias", "--out", str(tmp_path)])
    printed = " ".join(capsys.readouterr().out.split())
    assert "dE_total/db2 = -0.03050209 (through o1) + 0.12246708 (through o2)" in printed
    assert "the path through o2 adds 0.12246708, and the gradient is 0.09196499" in printed


def test_json_gives_the_published_figures_as_floats(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["example", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    for part, figures in PUBLISHED.items():
        assert {label: numbers[part][label] for label in figures} == figures
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["example", "three-output"], "argument network: invalid choice: 'three-output'"),
        (["example", "--decimals", "many"], "argument --decimals: invalid int value: 'many'"),
        (["example", "--decimals", "99"], "decimals: needs a number from 1 to 17, got 99"),
        (["exmaple"], "invalid choice: 'exmaple'"),
        ([], "required: COMMAND"),
    ],
)
def test_a_mistake_is_one_line_on_standard_error_and_status_2(arguments, message, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "scalargrad", *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert main(["example", "--out", str(tmp_path / "taken" / "folder")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert str(tmp_path / "taken") in printed.err


def test_a_reader_that_stops_early_is_no_error():
    command = f'"{sys.executable}" -m scalargrad example --json | head -1'
    result = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("{\n", "")


def test_example_writes_the_page_as_well(tmp_path, capsys):
    main(["example", "shared-bias", "--lang", "zh", "--out", str(tmp_path)])
    page = (tmp_path / "steps.html").read_text(encoding="utf-8")
    assert '<html lang="zh' in page
    assert "双击 steps.html" in capsys.readouterr().out


FORMULA = "z = w*x + b; y = sigmoid(z); E = (y - t)**2 / 2"
NUMBERS = ["w=0.6", "x=1.5", "b=0.9", "t=0"]


def test_explain_prints_both_passes_and_the_derivation(capsys):
    assert main(["explain", FORMULA, *NUMBERS, "--wrt", "w"]) == 0
    printed = capsys.readouterr().out
    for shown in (
        "z = w*x + b = 0.6*1.5 + 0.9 = 1.8",
        "dE/dz:  via y  0.858149 x  0.121729 =  0.104462",
        "dE/dw = dE/dy * dy/dz * dz/dw",
        "= 0.15669286",
    ):
        assert shown in printed


def test_explain_writes_the_pictures_after_backward(tmp_path, capsys):
    assert main(["explain", FORMULA, *NUMBERS, "--out", str(tmp_path / "new")]) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"operations.svg", "quantities.svg", "explained.txt"}
    assert "grad 0.1567" in (tmp_path / "new" / "quantities.svg").read_text(encoding="utf-8")
    assert "backward() has not run" not in (tmp_path / "new" / "quantities.svg").read_text(encoding="utf-8")


def test_page_writes_one_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["page", FORMULA, *NUMBERS]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["steps.html"]
    assert "Written: steps.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("formula", "numbers", "message"),
    [
        ("__import__('os')", [], "cannot read ''' (column 12"),
        ("x.real", ["x=1"], "cannot read '.'"),
        ("(" * 10_000, [], "nested more than 100 deep"),
        ("x+" * 500_000 + "x", ["x=1"], "1000001 characters are too many"),
        ("9**9**9", [], "pow: the result or a local derivative is too large for a float"),
        ("sigmiod(x)", ["x=1"], "unknown function 'sigmiod'; the nearest is sigmoid"),
        ("w*x", ["x=1"], "w"),
        ("log(x)", ["x=-1"], "log: needs a > 0, got a = -1.0"),
        # Before: the advice for x² was "write x", the others spoke of the numbers and not of the mistake.
        ("y = x²", ["x=2"], "cannot read '²' (U+00B2); write x**2"),
        ("y = (x + 1)²³", ["x=2"], "cannot read '²³' (U+00B2 U+00B3); write **23"),
        ("y = ", ["x=2"], "a name or a number is missing before the end"),
        ("y = sin()", ["x=2"], "a name or a number is missing before ')'"),
        ("y = 2*x", ["x=1e999"], "expression: the number of x is too large for a float: '1e999'"),
        ("y = 2*x", ["x=2", "--target", "z"], "there is no 'z' in the formulas"),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("command", ["explain", "page"])
def test_hostile_and_mistaken_formulas_are_one_line_and_status_2(command, formula, numbers, message, capsys, tmp_path):
    out = tmp_path / "out"
    assert main([command, formula, *numbers, "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert message in printed.err
    assert not out.exists()


def test_a_name_that_is_only_another_name_is_mentioned(capsys):
    """Before: `y = x` never mentioned y."""
    assert main(["explain", "y = x", "x=3", "--lang", "en"]) == 0
    assert capsys.readouterr().out.startswith("y is x: another name for it, and no operation.\n\nForward pass\n")


@pytest.mark.parametrize("rate", ["nan", "inf", "-1e999"])
def test_a_learning_rate_that_is_no_number_is_named(rate, capsys, tmp_path):
    """Before: "value: needs a finite number, got nan", and which one?"""
    with pytest.raises(SystemExit, match="2"):
        main(["page", "y = 2*x", "x=1", "--learning-rate=" + rate, "--out", str(tmp_path / "out")])
    assert f"argument --learning-rate: needs a finite number, got '{rate}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "hint"), [(["--foo", "x=1"], False), (["-x**2", "x=1"], True), (["-x**2"], True), ([], True)]
)
def test_only_what_may_be_a_formula_with_a_minus_is_told_about_it(arguments, hint, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["explain", *arguments])
    assert ("begins with a minus" in capsys.readouterr().err) == hint


def test_what_is_what_can_be_said(tmp_path, capsys):
    """k is a parameter and time a target, though their names do not say so; w stays what it is."""
    says = ["--target", "time", "--parameter", "k", "--input", "b"]
    formula = ["E = (k*b - time)**2 + w", "k=2", "b=3", "time=1", "w=4"]
    assert main(["explain", *formula, *says, "--out", str(tmp_path), "--lang", "en"]) == 0
    derived = capsys.readouterr().out.split("Derivation")[1]
    assert [name for name in ("k", "w", "b", "time") if f"dE/d{name} = " in derived] == ["k", "w"]
    nodes = ElementTree.parse(tmp_path / "quantities.svg").getroot().iter("{http://www.w3.org/2000/svg}g")
    fills = {}
    for node in nodes:
        if node.get("class") == "node":
            words = [text.text for text in node.iter("{http://www.w3.org/2000/svg}text")]
            fills[words[0]] = next(part.get("fill") for part in node if part.get("fill"))
    assert fills["k"] == fills["w"] != fills["b"] != fills["time"] != fills["k"]
    assert main(["page", *formula, *says, "--out", str(tmp_path / "steps.html")]) == 0


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"scalargrad {scalargrad.__version__}\n"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_is_one_line_and_status_130():
    """Before: a traceback."""
    program = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from scalargrad import cli\n"
        "cli.record_expression = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(cli.main(['explain', 'y = x', 'x=1']))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "scalargrad: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="a shell that closes a descriptor")
def test_a_closed_standard_output_is_no_traceback():
    """Before: AttributeError: 'NoneType' object has no attribute 'flush'."""
    command = f'"{sys.executable}" -m scalargrad explain "y = 2*x" x=1 >&-'
    result = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
