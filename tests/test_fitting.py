"""Training: the documents' numbers, every target alike, and a clean end whatever happens."""

import io
import math
import signal
import sys
from itertools import chain
from types import SimpleNamespace

import pytest

from scalargrad import Value, nn
from scalargrad.programs import compiling, native
from scalargrad.train import data, losses, optimizers
from scalargrad.train.fitting import accuracy, fit
from scalargrad.train.history import History


def numbers(model):
    return [parameter.data for parameter in model.parameters()]


class Line(nn.Module):
    """w * x, the smallest thing that can be trained."""

    def __init__(self, w):
        self.w = Value(w, label="w")

    def __call__(self, inputs):
        return self.w * inputs[0]

    def parameters(self):
        return [self.w]


# --- what is computed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [None, "python"])
def test_one_iteration_reproduces_the_published_update(target):
    """The documents' two-output network; the numbers after the update are published with 8 digits."""
    model = nn.MLP(2, [2, 2], activation="sigmoid", output="sigmoid")
    model.set_weights([[[0.1, 0.3], [0.2, 0.4]], [[0.6, 0.8], [0.7, 0.9]]], [[0.5, 0.5], [1, 1]])
    history = fit(model, [[0.5, 1.0]], [[1, 0]], learning_rate=1.0, iterations=2, batch_size=1, target=target)
    assert [f"{loss:.8f}" for loss in history.losses] == ["0.40801310", "0.39198208"]
    model.set_weights([[[0.1, 0.3], [0.2, 0.4]], [[0.6, 0.8], [0.7, 0.9]]], [[0.5, 0.5], [1, 1]])
    fit(model, [[0.5, 1.0]], [[1, 0]], learning_rate=1.0, iterations=1, target=target)
    written = [[[f"{w:.8f}" for w in row] for row in matrix] for matrix in model.weights]
    assert written == [
        [["0.09462891", "0.28925782"], ["0.19356242", "0.38712484"]],
        [["0.60869356", "0.80907194"], ["0.64129824", "0.83874330"]],
    ]
    assert model.biases == [[0.48925781687016445, 0.48712483967909465], [1.0124093185565075, 0.9162082259892468]]


def test_the_update_is_with_the_mean_over_the_batch():
    """By hand: d/dw 1/2 (wx - y)^2 = (wx - y) x, so 1*1 and (2 - 5)*2 at w = 1, the mean -2.5, and w = 1 + 0.1*2.5."""
    model = Line(1.0)
    assert fit(model, [[1], [2]], [0, 5], iterations=1, learning_rate=0.1).losses == [(0.5 + 4.5) / 2]
    assert model.w.data == 1.25


def test_with_batch_size_1_each_sample_has_its_update():
    """By hand: w = 1 - 0.1*1 = 0.9, then w = 0.9 - 0.1*(1.8 - 5)*2 = 1.54."""
    model = Line(1.0)
    fit(model, [[1], [2]], [0, 5], epochs=1, batch_size=1, seed=None)
    assert model.w.data == pytest.approx(1.54, abs=1e-15)


def test_batches_follow_the_matrix_formulas_of_the_documents():
    np = pytest.importorskip("numpy")
    inputs, targets = data.circles(10)
    model = nn.MLP(2, [3, 1], activation="sigmoid", output="sigmoid", seed=1)
    weights, biases = [*map(np.array, model.weights)], [*map(np.array, model.biases)]
    fit(model, inputs, targets, epochs=3, batch_size=4, learning_rate=0.5, seed=None)
    for _ in range(3):
        for start in (0, 4, 8):
            x, y = np.array(inputs[start : start + 4]), np.array(targets[start : start + 4])[:, None]
            a1 = 1 / (1 + np.exp(-(x @ weights[0].T + biases[0])))
            a2 = 1 / (1 + np.exp(-(a1 @ weights[1].T + biases[1])))
            delta2 = (a2 - y) * a2 * (1 - a2)
            delta1 = delta2 @ weights[1] * a1 * (1 - a1)
            for layer, delta, a in ((0, delta1, x), (1, delta2, a1)):
                weights[layer] = weights[layer] - 0.5 * delta.T @ a / len(x)
                biases[layer] = biases[layer] - 0.5 * delta.mean(axis=0)
    for layer in (0, 1):
        assert np.allclose(model.weights[layer], weights[layer], rtol=1e-12, atol=1e-14)
        assert np.allclose(model.biases[layer], biases[layer], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("target", ["python", "numpy", "c", "jax", "auto"])
def test_a_program_gives_the_parameters_of_the_engine_after_100_steps(target):
    if target in ("numpy", "jax"):
        pytest.importorskip(target)
    if target == "c" and next(native.compilers(), None) is None:
        pytest.skip("there is no C compiler")
    inputs, targets = data.moons(40, labels=(-1, 1))

    def run(choice):
        def with_l2(outputs, y):
            return losses.hinge_loss(outputs, y) + losses.l2_penalty(model.parameters(), 1e-3)

        model = nn.MLP(2, [4, 1], activation="tanh", seed=3)
        optimizer = optimizers.Adam(model.parameters(), optimizers.cosine(0.2, 100))
        history = fit(
            model, inputs, targets, with_l2, iterations=100, batch_size=10, optimizer=optimizer, target=choice
        )
        return numbers(model), history

    (eager, history), (compiled, compiled_history) = run(None), run(target)
    exactly = target == "python"
    assert compiled == (eager if exactly else pytest.approx(eager, rel=1e-9, abs=1e-9))
    assert compiled_history.losses == (history.losses if exactly else pytest.approx(history.losses, rel=1e-9))
    assert compiled_history.accuracies == history.accuracies
    assert len(history.accuracies) == 25
    assert history.accuracies[-1] > history.accuracies[0]


@pytest.mark.parametrize("target", [None, "python"])
def test_only_the_parameters_of_the_optimiser_change(target):
    model = nn.MLP(2, [3, 1], seed=1)
    first, last = (layer.weights for layer in model.layers)
    optimizer = optimizers.SGD(model.layers[1].parameters(), 0.1)
    fit(model, *data.xor(), iterations=3, optimizer=optimizer, target=target)
    assert model.layers[0].weights == first
    assert model.layers[1].weights != last


def test_each_epoch_takes_each_sample_once_in_an_order_that_the_seed_decides():
    def orders(**options):
        steps = []
        fit(Line(0.0), [[1]] * 7, [0] * 7, epochs=2, batch_size=3, callback=steps.append, **options)
        batches = [step.samples for step in steps]
        assert [len(batch) for batch in batches] == [3, 3, 1, 3, 3, 1]
        return [*chain(*batches[:3])], [*chain(*batches[3:])]

    first, second = orders(seed=1)
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert orders(seed=1) == (first, second) != orders(seed=2)
    assert orders(seed=None) == (list(range(7)), list(range(7)))


def test_classes_become_rows():
    """-ln softmax of equal logits is ln 3, whatever the class."""
    model = nn.MLP(2, [3], seed=1)
    model.set_weights([[[0, 0]] * 3], [[0] * 3])
    steps = []
    fit(model, [[1, 2], [3, 4]], [2, 0], losses.softmax_cross_entropy, iterations=1, callback=steps.append)
    assert steps[0].loss == pytest.approx(math.log(3))
    assert [parameter.grad for parameter in model.layers[0].neurons[1].w] == pytest.approx([2 / 3, 1])
    assert model.layers[0].neurons[0].b.grad == pytest.approx((1 / 3 - 2 / 3) / 2)


# --- what a class can look into ------------------------------------------------------------------------------------


def test_the_callback_gets_the_graphs_before_the_update():
    model, steps = Line(1.0), []

    def look(step):
        steps.append((step, model.w.data, model.w.grad))

    fit(model, [[1], [2]], [0, 5], iterations=2, callback=look)
    step, w, gradient = steps[0]
    assert (step.iteration, step.samples, step.loss, w, gradient) == (1, [0, 1], 2.5, 1.0, -2.5)
    assert [root.data for root in step.roots] == [0.5, 4.5]
    assert [root.label for root in step.roots] == ["E_total", "E_total"]
    assert steps[1][1] == 1.25


def test_the_callback_can_end_the_run():
    history = fit(Line(1.0), [[1]], [0], iterations=100, callback=lambda step: step.loss < 0.4)
    assert len(history.losses) == 3  # 0.5 * 0.81 ** n
    assert not history.interrupted


def test_a_program_has_no_graphs_to_show_but_leaves_the_gradients():
    model, steps = Line(1.0), []
    fit(model, [[1], [2]], [0, 5], iterations=1, target="python", callback=steps.append)
    assert (steps[0].loss, steps[0].roots, model.w.grad) == (2.5, [], -2.5)


# --- accuracy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "targets", "share"),
    [
        (losses.hinge_loss, [-1, -1, 1, 1], 3 / 4),  # the outputs are -0.25, 0.25, 0.25, 0.75
        (losses.half_squared_error, [0, 0, 1, 1], 3 / 4),  # above 0.5
        (losses.half_squared_error, [-1, 1, 1, 1], 1),
        (losses.binary_cross_entropy_with_logits, [0, 1, 1, 1], 1),  # above 0, as these are logits
        (lambda outputs, y: losses.binary_cross_entropy_with_logits(outputs, y) + 1, [0, 1, 1, 1], 1),
    ],
)
def test_the_accuracy_of_one_output(loss, targets, share):
    inputs = [[-0.25], [0.25], [0.25], [0.75]]
    assert accuracy(Line(1.0), inputs, targets, loss) == share
    assert fit(Line(1.0), inputs, targets, loss, epochs=1).accuracies == [share]
    assert fit(Line(1.0), inputs, targets, loss, epochs=1, target="python").accuracies == [share]


def test_the_accuracy_of_several_outputs_is_by_the_largest():
    model = nn.MLP(1, [3])
    model.set_weights([[[1], [0], [-1]]], [[0, 0.5, 0]])
    assert accuracy(model, [[1], [0], [-1], [2]], [0, 1, 2, 2], losses.softmax_cross_entropy) == 3 / 4
    assert accuracy(model, [[1]], [[1, 0, 0]]) == 1


def test_regression_has_no_accuracy():
    assert fit(Line(1.0), [[1], [2]], [0.5, 5], iterations=3).accuracies == []
    with pytest.raises(ValueError, match="needs targets that are classes"):
        accuracy(Line(1.0), [[1], [2]], [0.5, 5])


# --- how a run ends ------------------------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c():
    """Let Ctrl-C interrupt, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("target", [None, "python"])
def test_ctrl_c_ends_with_what_was_learned(target, ctrl_c):
    def press(step):
        if step.iteration == 3:
            signal.raise_signal(signal.SIGINT)

    whole, stopped = Line(1.0), Line(1.0)
    fit(whole, [[1]], [0], iterations=2, target=target)
    history = fit(stopped, [[1]], [0], iterations=1000, target=target, callback=press)
    assert history.interrupted
    assert len(history.losses) == 3
    assert str(history).endswith("interrupted")
    assert numbers(stopped) == numbers(whole)


@pytest.mark.parametrize("place", [(compiling.Program, "predict"), (optimizers.SGD, "updated")])
def test_ctrl_c_in_the_middle_of_a_compiled_run_leaves_whole_parameters(monkeypatch, place):
    pytest.importorskip("numpy")
    inputs, targets = data.moons(20)
    whole, stopped = nn.MLP(2, [3, 1], seed=1), nn.MLP(2, [3, 1], seed=1)
    fit(whole, inputs, targets, iterations=4, target="numpy")
    function, calls = getattr(*place), []

    def press(*arguments):
        result = function(*arguments)  # the work is done, but nobody has its result yet
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(*place, press)
    history = fit(stopped, inputs, targets, iterations=50, target="numpy")
    assert history.interrupted
    assert numbers(stopped) == numbers(whole)


@pytest.mark.parametrize("target", [None, "python", "numpy"])
def test_what_a_callback_changes_counts_in_every_target(target):
    if target == "numpy":
        pytest.importorskip("numpy")
    model = Line(1.0)

    def clip(step):
        model.w.grad = max(-1.0, min(1.0, model.w.grad))
        if step.iteration == 2:
            model.w.data = 5.0

    fit(model, [[1], [2]], [0, 5], iterations=2, callback=clip, target=target)
    assert model.w.data == pytest.approx(5.1)  # 5 - 0.1 * -1: the gradient -2.25 is clipped


def test_ctrl_c_in_the_middle_of_an_update_leaves_no_half_of_it():
    class Interrupted(optimizers.SGD):
        def step(self):
            self.parameters[0].data = 99.0
            raise KeyboardInterrupt

    model = nn.MLP(2, [1], seed=1)
    before = numbers(model)
    history = fit(model, [[1, 2]], [0], iterations=5, optimizer=Interrupted(model.parameters(), 0.1))
    assert history.interrupted
    assert numbers(model) == before


@pytest.mark.parametrize("target", [None, "python", "numpy", "c"])
def test_a_run_that_diverges_names_the_sample_and_the_operation_and_keeps_good_parameters(target):
    """w doubles in size and changes sign with each step, until exp(w * x) is too large for x = 300."""
    if target == "numpy":
        pytest.importorskip("numpy")
    if target == "c" and next(native.compilers(), None) is None:
        pytest.skip("there is no C compiler")
    model, seen = Line(0.7), []

    def loss(outputs, y):
        return 0.5 * model.w * model.w + 0 * outputs.exp() * y

    def watch(step):
        seen.append(model.w.data)

    with pytest.raises(
        FloatingPointError, match=r"fit: iteration 3, sample 1: exp: .* too large for a float, got a = 840"
    ):
        fit(model, [[0], [300]], [1, 1], loss, iterations=9, learning_rate=3.0, target=target, callback=watch)
    assert seen == pytest.approx([0.7, -1.4])
    assert model.w.data == seen[-1]


def test_an_update_that_overflows_is_not_made():
    model = Line(1e150)
    with pytest.raises(FloatingPointError, match=r"iteration 1, the update: step: a number gets too large .*'w'"):
        fit(model, [[1.0]], [0], iterations=9, learning_rate=1e200)
    assert model.w.data == 1e150


def test_a_sum_over_the_batch_that_overflows_stops_the_run():
    model = Line(1e154)
    with pytest.raises(FloatingPointError, match="iteration 1, the sum over the batch"):
        fit(model, [[1.3]] * 3, [0] * 3, iterations=9)
    assert model.w.data == 1e154


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [None, "python"])
@pytest.mark.parametrize(
    ("inputs", "targets", "loss", "error", "message"),
    [
        ([], [], losses.hinge_loss, ValueError, "got 0 rows and 0 targets"),
        ([[1, 2]], [1, 1], losses.hinge_loss, ValueError, "got 1 rows and 2 targets"),
        ([[1, 2], [1]], [1, 1], losses.hinge_loss, ValueError, r"inputs\[1\] has 1 numbers, but inputs\[0\] has 2"),
        (
            [[1, 2], [1, "2"]],
            [1, 1],
            losses.hinge_loss,
            TypeError,
            r"inputs\[1\], column 1, .* needs a real number, got '2'",
        ),
        ([[1, 2], [1, math.nan]], [1, 1], losses.hinge_loss, ValueError, r"inputs\[1\], column 1, .* got nan"),
        ([[1, 2]], [math.inf], losses.hinge_loss, ValueError, r"targets\[0\], column 0, .* got inf"),
        ([[1, 2], [1, 10**400]], [1, 1], losses.hinge_loss, OverflowError, r"inputs\[1\], column 1, .* too large"),
        ([[1]], [1], losses.hinge_loss, ValueError, "mlp: needs 2 inputs, got 1"),
        (
            [[1, 2]] * 3,
            [1, -1, 0],
            losses.hinge_loss,
            ValueError,
            "sample 2 cannot be trained with: hinge_loss: needs",
        ),
        ([[1, 2]], [[1, 1]], losses.hinge_loss, ValueError, "sample 0 .* got 1 outputs and 2 targets"),
        ([[1, 2]], [1], lambda outputs, y: 3.0, TypeError, "the loss must be a Value, got 3.0"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_anything_is_changed(target, inputs, targets, loss, error, message):
    model = nn.MLP(2, [1], seed=1)
    before = numbers(model)
    with pytest.raises(error, match=message):
        fit(model, inputs, targets, loss, iterations=3, batch_size=1, target=target)
    assert numbers(model) == before


def by_branches(outputs, target):
    return -outputs.log() if target.data == 1 else -(1 - outputs).log()


@pytest.mark.parametrize("target", ["python", "c"])
@pytest.mark.parametrize("zero", [False, True])  # with zero weights the losses of all branches are ln 2
def test_a_loss_that_branches_on_a_target_has_no_program(target, zero):
    if target == "c" and next(native.compilers(), None) is None:
        pytest.skip("there is no C compiler")
    model = nn.MLP(2, [3, 1], activation="tanh", output="sigmoid", seed=1)
    if zero:
        model.set_weights([[[0, 0]] * 3, [[0] * 3]], [[0] * 3, [0]])
    before = numbers(model)
    model.parameters()[0].grad = 7.0
    inputs, targets = data.moons(20)
    other = next(sample for sample, wanted in enumerate(targets) if wanted != targets[0])
    message = (
        f"fit: the graph of sample {other} is another than that of sample 0 .a branch on a value.*"
        rf"{'gradient' if zero else 'loss'} .* against .*; train it without target"
    )
    with pytest.raises(ValueError, match=message):
        fit(model, inputs, targets, by_branches, iterations=5, target=target)
    assert numbers(model) == before
    assert [parameter.grad for parameter in model.parameters()] == [7.0] + [0.0] * (len(before) - 1)
    assert fit(model, inputs, targets, by_branches, iterations=5).losses[-1] < math.log(2) + 1


def test_a_model_that_branches_on_an_input_has_no_program():
    """The samples have one target, and no number differs in their targets."""

    class Bent(Line):
        def __call__(self, inputs):
            return self.w * inputs[0] if inputs[0] > 0 else self.w * 0.1

    inputs = [[1.0]] * 50 + [[-1.0]] * 50
    with pytest.raises(ValueError, match="graph of sample 50 is another than that of sample 0"):
        fit(Bent(1.0), inputs, [0.5] * 100, iterations=1, target="python")


def test_a_program_that_leaves_the_domain_of_the_branch_not_taken_is_refused():
    def loss(output, target):
        return output.log() if output > 0 else output * output

    with pytest.raises(
        ValueError, match=r"graph of sample 1 is another .*the program fails: log: needs a > 0, got a = -1.0"
    ):
        fit(Line(1.0), [[1.0], [-1.0]], [0, 1], loss, iterations=1, target="python")


@pytest.mark.parametrize("target", [None, "python"])
def test_advice_is_given_once(target):
    with pytest.raises(FloatingPointError, match="a smaller learning rate may help") as by_the_update:
        fit(Line(1e150), [[1.0]], [0], iterations=9, learning_rate=1e200, target=target)
    with pytest.raises(FloatingPointError, match="a smaller learning rate may help") as by_a_sample:
        fit(Line(1e150), [[1.0]], [0], iterations=999, learning_rate=3.0, target=target)
    for caught in (by_the_update, by_a_sample):
        assert str(caught.value).count("a smaller learning rate may help") == 1


def test_a_learning_rate_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"learning_rate needs a number of at least 0, got '0\.1'"):
        fit(Line(1.0), [[1]], [0], iterations=1, learning_rate="0.1")
    model = Line(1.0)
    with pytest.raises(FloatingPointError, match=r"iteration 2, the update: .*learning_rate after 1 steps .* got nan"):
        fit(model, [[1]], [0], iterations=5, learning_rate=lambda step: math.nan if step else 0.5)
    assert model.w.data == 0.5


def test_a_class_that_the_model_has_no_output_for_is_refused():
    with pytest.raises(ValueError, match=r"targets\[1\] is 3, but the model has 3 outputs: needs a class from 0 to 2"):
        fit(nn.MLP(1, [3]), [[1], [2]], [0, 3], losses.softmax_cross_entropy, iterations=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs either iterations or epochs, got None and None"),
        ({"iterations": 1, "epochs": 1}, "needs either iterations or epochs, got 1 and 1"),
        ({"iterations": 0}, "iterations needs a whole number of at least 1, got 0"),
        ({"epochs": 1.5}, "epochs needs a whole number of at least 1, got 1.5"),
        ({"epochs": 1, "batch_size": 0}, "batch_size needs a whole number of at least 1, got 0"),
        ({"epochs": 1, "optimizer": optimizers.SGD([Value(1.0)], 0.1)}, "parameters that are none of the model's"),
        ({"epochs": 1, "target": "fortran"}, "fortran"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(Line(1.0), [[1]], [0], **options)


def test_two_learning_rates_are_refused():
    model = Line(1.0)
    with pytest.raises(ValueError, match="the optimizer has a learning rate of its own"):
        fit(model, [[1]], [0], iterations=1, learning_rate=1, optimizer=optimizers.SGD(model.parameters(), 0.1))


# --- what is shown -------------------------------------------------------------------------------------------------


def test_the_history_as_text():
    assert str(History([4.0, 3.0, 1.0], [0.5, 0.75])) == (
        "loss     █▆▁ 4 to 1 in 3 iterations\naccuracy ▁█ 0.5 to 0.75 in 2 epochs"
    )
    assert str(History()) == ""
    assert str(History([1.0] * 1000)) == f"loss     {'▁' * 40} 1 to 1 in 1000 iterations"


def test_the_history_draws_itself(tmp_path):
    pytest.importorskip("matplotlib")
    history = History([4.0, 3.0, 1.0, 0.5], [0.5, 0.75])
    history.draw(tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    shown = history._repr_mimebundle_()
    assert "<svg" in shown["image/svg+xml"]
    assert shown == history._repr_mimebundle_()


def test_without_matplotlib_a_notebook_shows_text_and_a_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert History([1.0])._repr_mimebundle_() == {"text/plain": str(History([1.0]))}
    with pytest.raises(ModuleNotFoundError, match=r"^matplotlib is not installed"):
        History([1.0]).draw(tmp_path / "run.png")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_progress_bar_shows_on_a_terminal_alone(monkeypatch, capsys):
    fit(Line(1.0), [[1]], [0], iterations=50)
    assert capsys.readouterr() == ("", "")
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    fit(Line(1.0), [[1]], [0], iterations=50)
    assert "50/50" in terminal.getvalue()
    assert "loss 1.6" in terminal.getvalue()  # 0.5 * 0.81 ** 49 = 1.64e-05
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    fit(Line(1.0), [[1]], [0], iterations=50, progress=False)
    assert terminal.getvalue() == ""


def test_the_progress_bar_shows_in_a_notebook(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel="a kernel"))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    fit(Line(1.0), [[1]], [0], iterations=50)
    assert "50/50" in capsys.readouterr().err
    fit(Line(1.0), [[1]], [0], iterations=50, progress=False)
    assert capsys.readouterr().err == ""
