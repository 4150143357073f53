"""`cellstate predict`, `evaluate`, `backtest` and `inspect`."""

import csv

import polars as pl
import pytest

pytestmark = pytest.mark.usefixtures("_fake_jobs")


SCORES = {
    "systems": {"LSTM": {"accuracy": 0.5}},
    "winner": "LSTM",
    "by_class": {"pos": {"precision": 0.5, "rows": 4.0}, "neg": {"precision": 0.25, "rows": 8.0}},
}


@pytest.fixture
def classifier(cellstate, rows, tmp_path):
    folder = tmp_path / "classifier"
    assert cellstate("fit", "classify", rows, "--out", folder).code == 0
    return folder


def test_a_forecast_goes_on_from_the_training_data(cellstate, model, tmp_path):
    out = tmp_path / "forecast.csv"
    result = cellstate("predict", model, "--out", out)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"Written to {out}\n"
    assert out.read_text() == "ds,LSTM\n1,30.0\n2,30.0\n"


def test_a_forecast_goes_on_from_new_data(cellstate, model, tmp_path):
    (tmp_path / "new.csv").write_text("ds,y\n7,70\n")
    (tmp_path / "future.csv").write_text("ds,holiday\n8,0\n9,1\n")
    call = ("predict", model, tmp_path / "new.csv", "--future", tmp_path / "future.csv", "--json")
    assert cellstate(*call).json["rows"] == [{"ds": 1, "LSTM": 72.0}, {"ds": 2, "LSTM": 72.0}]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_a_forecast_is_written_in_any_format_and_replaces_the_old(
    cellstate, model, tmp_path, ending
):
    out = tmp_path / f"forecast.{ending}"
    out.write_text("old")
    assert cellstate("predict", model, "--out", out).code == 0
    read = pl.read_parquet if ending == "parquet" else pl.read_csv
    assert read(out)["LSTM"].to_list() == [30.0, 30.0]


def test_without_a_file_the_forecast_is_shown(cellstate, model):
    result = cellstate("predict", model)
    lines = [line.split() for line in result.out.splitlines()]
    assert ["ds", "LSTM"] in lines
    assert ["2", "30"] in lines


def test_a_long_forecast_is_shown_in_part(cellstate, prices, tmp_path):
    folder = tmp_path / "long"
    assert cellstate("fit", "forecast", prices, "--horizon", 100, "--out", folder).code == 0
    result = cellstate("predict", folder)
    assert len(result.out.splitlines()) < 40
    assert "30 of 100 rows; --out FILE writes them all." in result.out
    assert len(cellstate("predict", folder, "--json").json["rows"]) == 100


def test_json_and_a_file_go_together(cellstate, model, tmp_path):
    result = cellstate("predict", model, "--out", tmp_path / "f.csv", "--json")
    assert result.json["out"] == str(tmp_path / "f.csv")
    assert (tmp_path / "f.csv").exists()


def test_classes_are_predicted_with_their_shares(cellstate, classifier, rows, tmp_path):
    out = tmp_path / "classes.csv"
    assert cellstate("predict", classifier, rows, "--out", out).code == 0
    with out.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["prediction"] for row in table] == ["low", "low", "high"]
    assert all(abs(float(row["p_low"]) + float(row["p_high"]) - 1) < 1e-12 for row in table)


def test_rows_to_predict_need_no_answers(cellstate, classifier, tmp_path):
    (tmp_path / "new.csv").write_text("t0,t1\n9,9\n")
    result = cellstate("predict", classifier, tmp_path / "new.csv", "--json")
    assert result.json["rows"][0]["prediction"] == "high"
    out = tmp_path / "new.parquet"
    assert cellstate("predict", classifier, tmp_path / "new.csv", "--out", out).code == 0
    assert pl.read_parquet(out)["prediction"].to_list() == ["high"]


def test_a_model_is_scored_on_held_out_data(cellstate, model, prices):
    result = cellstate("evaluate", model, prices)
    assert (result.code, result.out) == (0, "rows: 3\nnone: nan\n")
    assert cellstate("evaluate", model, "--json").json == {
        "model": str(model),
        "job": "forecast",
        "report": None,
        "scores": {"rows": 0.0, "none": None},
    }


def test_a_classifier_is_scored(cellstate, classifier, rows):
    assert cellstate("evaluate", classifier, rows).out == "accuracy: 1\n"


def test_a_page_tells_of_the_rows_that_were_scored(cellstate, classifier, rows, tmp_path):
    page = tmp_path / "scores.html"
    lines = cellstate("evaluate", classifier, rows, "--report", page).out.splitlines()
    assert lines[-1] == f"Report: {page}"
    scored = len(pl.read_csv(rows))
    assert f"classes, {scored} rows scored." in page.read_text(encoding="utf-8")


def test_scores_of_each_class_are_shown(cellstate, classifier, rows, monkeypatch):
    monkeypatch.setattr("tests.cli.fakes.Evaluation.as_dict", lambda _: SCORES)
    lines = cellstate("evaluate", classifier, rows).out.splitlines()
    assert [line.split() for line in lines if line.startswith((" class", " pos", " neg"))] == [
        ["class", "precision", "rows"],
        ["pos", "0.5", "4"],
        ["neg", "0.25", "8"],
    ]


def test_a_backtest_takes_the_method_s_options(cellstate, model, prices):
    result = cellstate("backtest", model, prices, "--windows", 5, "--refit", "--json")
    assert result.json["rows"] == [{"windows": 5, "refit": True}]
    assert "How many points in the past." in cellstate("backtest", "--help").out


def test_a_model_is_shown(cellstate, model):
    result = cellstate("inspect", model)
    assert (result.code, result.err) == (0, "")
    for text in ("The LSTM won [of course].", "naive [last]", "0.7", "Baselines"):
        assert text in result.out
    assert max(map(len, result.out.splitlines())) <= 80


def test_a_model_s_manifest_is_given_as_json(cellstate, model):
    document = cellstate("inspect", model, "--json").json
    assert document["task"] == "forecast"
    assert document["arguments"]["horizon"] == 2
    assert document["tensors"] == {"last": {"dtype": "float64", "shape": []}}


def test_a_model_s_page_is_written(cellstate, model, tmp_path):
    report = tmp_path / "page.html"
    assert cellstate("inspect", model, "--report", report).out == f"Report: {report}\n"
    assert report.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predict {tmp}/none", "load {tmp}/none: a model must be a folder with model.json"),
        ("evaluate {tmp}", "load {tmp}: a model must be a folder with model.json"),
        ("inspect {tmp}/none --json", "got No such file or directory"),
        ("predict {model} --out {tmp}/f.xlsx", "--out: the file must end in .csv, .csv.gz, .p"),
        ("predict {model} --out {tmp}/no/f.csv", "the output's directory must exist"),
        ("predict {model} --target a", "a model of the job 'forecast' takes no --target; got"),
        ("predict {classifier} --future a.csv", "'classify' takes no --future; got --future a"),
        ("predict {classifier}", "one file must be named; got none. Name one"),
        ("evaluate {classifier}", "there must be rows to score; got none. Give X and y."),
        ("evaluate {classifier} a.csv b.csv", "one file must be named; got 2 files"),
        ("inspect {model} --report {model}/r.html", "must be outside the model's folder, which"),
        ("evaluate {classifier} --report {tmp}/r.pdf", "--report: the page must end in .html"),
        ("backtest {classifier} a.csv", "the model must be one that forecasts; got the job 'cl"),
        ("inspect {model} --report {tmp}", "--report: the output must be a file; got the folder"),
        ("inspect {model} --report {tmp}/page.txt", "--report: the page must end in .html; got"),
        ("predict", "Missing argument 'MODEL'"),
    ],
)
def test_a_bad_call_ends_with_2_and_one_message(
    cellstate, model, classifier, tmp_path, words, message
):
    places = {"tmp": tmp_path, "model": model, "classifier": classifier}
    result = cellstate(*words.format(**places).split())
    assert (result.code, result.out) == (2, "")
    assert message.format(**places) in result.err
    assert "Traceback" not in result.err


def test_a_damaged_model_is_refused_with_the_reason(cellstate, model):
    (model / "model.safetensors").write_bytes(b"")
    result = cellstate("predict", model)
    assert result.code == 2
    assert "model.safetensors must be the file that model.json describes" in result.err
