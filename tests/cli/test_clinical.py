"""Clinical files of a command line, through the real estimators, in small."""

import numpy as np
import pytest

HEADER = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"
DAYS = (-1, *range(3, 18))  # of the first nobody knows


@pytest.fixture
def records(tmp_path):
    """Sixteen records of PhysioNet 2012's form; who dies has a fast heart."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "set-a"
    folder.mkdir()
    for k in range(16):
        beats = 70 + 40 * (k % 2) + rng.normal(size=4)
        lines = [f"0{hour}:07,HR,{rate:.1f}" for hour, rate in enumerate(beats)]
        head = ("Time,Parameter,Value", f"00:00,RecordID,{132500 + k}")
        (folder / f"{132500 + k}.txt").write_text("\n".join((*head, *lines)) + "\n")
    return folder


def outcomes(folder, name):
    rows = [f"{132500 + k},6,1,{days},-1,{k % 2}" for k, days in enumerate(DAYS)]
    path = folder / name
    path.write_text("\n".join((HEADER, *rows)) + "\n")
    return path


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize("name", ["Outcomes-a.txt", "outcomes.csv"])
def test_outcomes_are_read_as_they_come(cellstate, records, tmp_path, name):
    told, model = outcomes(tmp_path, name), tmp_path / "model"
    given = ("--outcomes", told, "--target", "Length_of_stay", "--epochs", 1, "--out", model)
    fitted = cellstate("fit", "outcome", records, *given)
    assert fitted.code == 0
    assert "left out 1 row of outcomes without any outcome: 1." in fitted.err
    rows = cellstate("predict", model, records, "--json").json["rows"]
    assert [row["subject_id"] for row in rows] == list(range(132500, 132516))
    assert all(0 < row["Length_of_stay"] < 40 for row in rows)


def test_other_files_are_refused_by_what_a_job_reads(cellstate, records, tmp_path):
    model = tmp_path / "model"
    empty = tmp_path / "empty"
    empty.mkdir()
    told = ("--outcomes", outcomes(tmp_path, "Outcomes-a.txt"), "--target", "In-hospital_death")
    for given, message in (
        ((empty, *told), "a folder must hold PhysioNet 2012's records (.txt)"),
        ((tmp_path / "nowhere", *told), "must be a file; got no file there"),
        ((records,), "outcomes must be given"),
    ):
        result = cellstate("fit", "outcome", *given, "--out", model)
        assert result.code == 2
        assert message in result.err
    result = cellstate("fit", "vitals", records, "--target", "x", "--out", model)
    assert "a folder must hold PhysioNet 2019's patients (.psv)" in result.err
    (empty / "p1.psv").write_text("HR|SepsisLabel\n80|0\n")
    given = (empty, "--labels", tmp_path / "labels.csv", "--target", "SepsisLabel")
    result = cellstate("fit", "vitals", *given, "--out", model)
    assert "hold their labels; got --labels" in result.err


@pytest.mark.filterwarnings("default::UserWarning")
def test_new_data_must_be_named(cellstate, records, tmp_path):
    told, model = outcomes(tmp_path, "Outcomes-a.txt"), tmp_path / "model"
    given = ("--outcomes", told, "--target", "In-hospital_death", "--epochs", 1, "--out", model)
    assert cellstate("fit", "outcome", records, *given).code == 0
    result = cellstate("predict", model)
    assert (result.code, result.out) == (2, "")
    assert "data must be named; got none" in result.err
