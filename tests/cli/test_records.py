"""From a table of visits to codes, risks and intervals, with the real estimator, in small."""

import pytest


@pytest.fixture
def visits(tmp_path):
    """Twelve patients whose second visit has the codes of the first and one more."""
    lines = ["subject_id,start,end,code"]
    for patient in range(12):
        for month, codes in ((1, ["DX10:I10"]), (3, ["DX10:I10", f"DX10:I5{patient % 2}"])):
            times = f"2150-0{month}-01 00:00:00,2150-0{month}-04 00:00:00"
            lines += [f"{700 + patient},{times},{code}" for code in codes]
    path = tmp_path / "visits.csv"
    path.write_text("\n".join(lines))
    return path


def test_codes_are_foretold_told_and_scored(cellstate, visits, tmp_path):
    model = tmp_path / "model"
    given = ("--networks", 1, "--epochs", 2, "--out", model)
    result = cellstate("fit", "records", visits, *given)
    assert (result.code, result.err) == (0, "")
    assert "Verdict" in result.out
    rows = cellstate("predict", model, visits, "--json").json["rows"]
    assert {row["code"] for row in rows} == {"DX10:I10", "DX10:I50", "DX10:I51"}
    assert {row["subject_id"] for row in rows} == set(range(700, 712))
    assert all(0 < row["probability"] < 1 for row in rows)
    scores = cellstate("evaluate", model, visits)
    assert "recall@10: share of a next visit" in scores.out
    assert cellstate("evaluate", model).code == 0  # patients that fit left out


def test_risks_come_by_patient(cellstate, visits, tmp_path):
    model = tmp_path / "model"
    given = ("--target", "DX10:I51", "--networks", 1, "--epochs", 2, "--out", model)
    assert cellstate("fit", "records", visits, *given).code == 0
    rows = cellstate("predict", model, visits, "--json").json["rows"]
    assert [row["subject_id"] for row in rows] == list(range(700, 712))
    assert all(0 < row["risk"] < 1 for row in rows)


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_folder_of_tables_is_read_and_labs_have_intervals(cellstate, data_file, tmp_path):
    folder = data_file("health/mimic4_demo/hosp/admissions.csv.gz").parents[1]
    model = tmp_path / "model"
    given = ("--target", "labs", "--networks", 1, "--epochs", 1, "--out", model)
    fitted = cellstate("fit", "records", folder, *given)
    assert fitted.code == 0
    assert "left out" in fitted.err
    rows = cellstate("predict", model, folder, "--json").json["rows"]
    assert len(rows) == 100 * 10
    assert all(row["low"] <= row["median"] <= row["high"] for row in rows)
