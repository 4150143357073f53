import csv

import pytest

from benchmarks.harness import surroundings
from benchmarks.harness.record import COLUMNS, Recorder, read, write
from cellstate.errors import InputError


@pytest.fixture
def recorder() -> Recorder:
    recorder = Recorder(threads=2)
    recorder.add("ETTh1, 96", "cellstate", "mse", 0.3712345678, seed=1, seconds=12.3456)
    recorder.add("ETTh1, 96", "darts", "mse", 1.24, threads=1, versions="darts 0.48")
    return recorder


def test_results_have_the_house_columns(recorder, tmp_path):
    path = tmp_path / "forecast.csv"
    write(path, recorder.rows)
    with path.open() as file:
        header, first, second = csv.reader(file)
    words = "case, system, metric, value, seed, seconds, threads, machine, versions, commit"
    assert ", ".join(header) == words
    assert first[:7] == ["ETTh1, 96", "cellstate", "mse", "0.371235", "1", "12.35", "2"]
    assert second[6] == "1"
    assert second[8] == "darts 0.48"
    assert "cellstate" in first[8]


def test_what_is_written_is_read(recorder, tmp_path):
    path = tmp_path / "forecast.csv"
    write(path, recorder.rows)
    rows = read(path)
    assert [row.case for row in rows] == ["ETTh1, 96"] * 2
    assert rows[0].value == pytest.approx(0.3712345678, rel=1e-5)


def test_writing_leaves_no_draft(recorder, tmp_path):
    write(tmp_path / "a.csv", recorder.rows)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "cellstate", "mse", 1.0), "case, system and metric must be named; got"),
        (
            ("c", "s", "mse", float("nan")),
            "value must be a finite number; got nan for 'mse' of 's'",
        ),
        (("c", "s", "mse", float("inf")), "value must be a finite number; got inf"),
    ],
)
def test_a_figure_that_is_none_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Recorder(threads=1).add(*arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must have the columns case, .*; got an empty file"),
        ("a,b\n1,2\n", "must have the columns case, .*; got a, b"),
        (",".join(COLUMNS) + "\na,b,c,much,,,,,,\n", "line 2 of bad.csv must hold a figure"),
        (",".join(COLUMNS) + "\na,b\n", "line 2 of bad.csv must hold a figure"),
        (",".join(COLUMNS) + "\na,b,c,1" + "," * 20 + "\n", "line 2 of bad.csv must hold"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_missing_results_are_named(tmp_path):
    with pytest.raises(InputError, match=r"results are CSV files; got .*none\.csv.*Run the bench"):
        read(tmp_path / "none.csv")


def test_the_machine_is_described_but_not_named():
    words = surroundings.machine()
    assert "core" in words
    assert "GiB" in words
    assert surroundings.platform.node() not in words


def test_versions_name_what_is_installed():
    words = surroundings.versions(["numpy", "no-such-package"])
    assert words.startswith("python 3.")
    assert "numpy " in words
    assert "no-such" not in words


def test_no_commit_outside_a_repository(tmp_path):
    assert surroundings.commit(tmp_path) == ""
