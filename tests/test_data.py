"""The data sets are what they say, the same in every run; a CSV file is read exactly or refused with its line."""

import math
import random
import sys

import pytest

from scalargrad.train import data


def test_xor_is_its_truth_table():
    inputs, targets = data.xor()
    assert targets == [int(a) ^ int(b) for a, b in inputs]
    assert data.xor(labels=(-1, 1))[1] == [-1, 1, 1, -1]


def test_moons_without_noise_lie_on_two_half_circles():
    inputs, targets = data.moons(20, noise=0)
    for (x, y), target in zip(inputs, targets, strict=True):
        centre, side = ((0, 0), 1) if target == 0 else ((1, 0.5), -1)
        assert math.hypot(x - centre[0], y - centre[1]) == pytest.approx(1)
        assert side * (y - centre[1]) >= -1e-12
    assert (inputs[0], inputs[18]) == ([1, 0], [-1, pytest.approx(0)])  # from end to end


def test_circles_without_noise_have_their_radii():
    inputs, targets = data.circles(21, noise=0, radius=0.25, labels=(-1, 1))
    for (x, y), target in zip(inputs, targets, strict=True):
        assert math.hypot(x, y) == pytest.approx(1 if target == -1 else 0.25)


def test_spirals_without_noise_are_one_spiral_turned():
    inputs, targets = data.spirals(30, classes=3, noise=0)
    assert targets[:4] == [0, 1, 2, 0]
    for first in range(0, 30, 3):
        angles = [math.atan2(y, x) for x, y in inputs[first : first + 3]]
        assert (angles[1] - angles[0]) % (2 * math.pi) == pytest.approx(2 * math.pi / 3)
        assert len({round(math.hypot(x, y), 12) for x, y in inputs[first : first + 3]}) == 1


@pytest.mark.parametrize("make", [data.moons, data.circles, data.spirals])
def test_a_seed_gives_the_same_points_whatever_else_is_drawn(make):
    random.seed(5)
    first = make(30, seed=3)
    random.seed(6)
    assert make(30, seed=3) == first
    assert make(30, seed=4) != first
    assert len(first[0]) == len(first[1]) == 30
    with pytest.raises(ValueError, match=r"needs at least \d points, got 1"):
        make(1)


def test_iris_and_digits_are_the_known_ones():
    pytest.importorskip("sklearn")
    inputs, targets = data.iris()
    assert (len(inputs), inputs[0], targets.count(2)) == (150, [5.1, 3.5, 1.4, 0.2], 50)
    inputs, targets = data.digits()
    assert (len(inputs), len(inputs[0]), max(map(max, inputs)), targets[:10]) == (1797, 64, 1.0, list(range(10)))


def test_a_missing_library_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ModuleNotFoundError, match=r"^scikit-learn is not installed; .*\.\[demos\]"):
        data.digits()


# --- CSV -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def read(tmp_path):
    def read(content, targets="y", **options):
        path = tmp_path / "data.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return data.read_csv(path, targets, **options)

    return read


def test_csv_with_numbers(read):
    assert read("x1,y,x2\n1,2,3\n\n-4.5,5e1,6\n") == ([[1, 3], [-4.5, 6]], [2, 50], ["x1", "x2"], [])


def test_csv_with_several_targets(read):
    assert read("a,b,c\n1,2,3\n", targets=["c", "a"]).targets == [[3, 1]]


def test_csv_with_classes_from_a_spreadsheet(read):
    """A byte order mark, Windows line ends, semicolons, quotes, and letters beyond ASCII."""
    table = read('\ufeff长;种类\r\n1;山鸢尾\r\n2;"变;色"\r\n3;山鸢尾\r\n'.encode(), targets="种类", delimiter=";")
    assert table == ([[1], [2], [3]], [1, 0, 1], ["长"], ["变;色", "山鸢尾"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,2\n3,four\n", r"line 3, column 'y': needs a number, got 'four'"),
        ("x,y\n1,2\n\n\n3.1.2,4\n", r"line 5, column 'x': needs a number, got '3.1.2'"),
        ("x,y\n1,2\nnan,4\n", r"line 3, column 'x': needs a finite number, got 'nan'"),
        ("x,y\n1,inf\n", r"line 2, column 'y': needs a finite number"),
        ("x,y\n1,\n", r"line 2, column 'y': is empty"),
        ("x,y\n1,2\n1,2,3\n", r"line 3: has 3 columns, needs 2: x, y"),
        ("x,y\n1\n", r"line 2: has 1 columns, needs 2"),
        ("x,z\n1,2\n", r"line 1: there is no column 'y'.* \['x', 'z'\]"),
        ("x;y\n1;2\n", r"there is no column 'y'; with the delimiter ',' the columns are \['x;y'\]"),
        ("x,x,y\n1,2,3\n", r"line 1: the column name 'x' stands there twice"),
        ("y\n1\n", r"needs at least one target and one input column"),
        ("x,y\n", r"needs a line of column names and at least one line of numbers, got 1"),
        ("", r"at least one line of numbers, got 0"),
        ('x,y\n1,"2\n', r"line 2: unexpected end of data"),
        (b"x,y\n1,\xff\n", r"is not UTF-8 text"),
    ],
)
def test_a_bad_csv_file_is_refused_with_the_place(read, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(content)
    assert "data.csv" in str(caught.value)


# --- before training -----------------------------------------------------------------------------------------------


def test_split_keeps_each_sample_once_with_its_target():
    inputs = [[float(number)] for number in range(50)]
    train, test = data.split(inputs, range(50), held_out=0.3, seed=1)
    assert (len(train[0]), len(test[0])) == (35, 15)
    assert sorted(train[1] + test[1]) == list(range(50))
    assert all(row == [target] for rows, targets in (train, test) for row, target in zip(rows, targets, strict=True))
    assert data.split(inputs, range(50), held_out=0.3, seed=1) == (train, test)
    assert data.split(inputs, range(50), held_out=0.3, seed=2) != (train, test)


@pytest.mark.parametrize("share", [0, 1, -0.5, 0.01, math.nan])
def test_split_refuses_a_share_that_leaves_nothing(share):
    with pytest.raises(ValueError, match="split: cannot hold out"):
        data.split([[1.0], [2.0]], [1, 2], held_out=share)


def test_split_refuses_lists_of_different_lengths():
    with pytest.raises(ValueError, match="got 2 rows and 1 targets"):
        data.split([[1.0], [2.0]], [1])


def test_standardised_columns_have_mean_0_and_deviation_1():
    rows = [[random.Random(seed).uniform(5, 9), 3.0] for seed in range(10)]
    first, constant = zip(*data.standardiser(rows)(rows))
    assert sum(first) == pytest.approx(0, abs=1e-12)
    assert sum(number**2 for number in first) / 10 == pytest.approx(1)
    assert set(constant) == {0}


def test_standardiser_refuses_rows_that_do_not_match():
    with pytest.raises(ValueError, match="equally long"):
        data.standardiser([[1.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match="equally long"):
        data.standardiser([])
