"""`cellstate fit`."""

import json
import sys

import pytest

from cellstate import artifact

pytestmark = pytest.mark.usefixtures("_fake_jobs")


def test_a_forecast_is_fitted_and_saved(cellstate, prices, tmp_path):
    folder = tmp_path / "model"
    result = cellstate("fit", "forecast", prices, "--horizon", 24, "--out", folder)
    assert result.code == 0
    assert result.err == ""
    assert "The LSTM won [of course]." in result.out
    assert f"Model: {folder}" in result.out
    manifest, _ = artifact.load(folder)
    assert manifest.arguments["horizon"] == 24
    assert manifest.arguments["train"] is None
    assert manifest.record["rows"] == 3


def test_options_reach_the_estimator_with_their_types(cellstate, prices, tmp_path):
    folder = tmp_path / "model"
    words = "--horizon 2 --levels 50,99 --calibrate --scale 1.5 --context none --decoder recursive"
    settings = "--target y --past price,holiday --max-epochs 3 --schedule cosine --no-progress"
    call = ("fit", "forecast", prices, "--out", folder, *words.split(), *settings.split())
    assert cellstate(*call).code == 0
    assert artifact.load(folder)[0].arguments == {
        "horizon": 2,
        "decoder": "recursive",
        "context": None,
        "levels": [50, 99],
        "calibrate": True,
        "scale": 1.5,
        "columns": {"time": "ds", "target": "y", "past": ["price", "holiday"], "static": []},
        "train": {"max_epochs": 3, "schedule": "cosine", "progress": False},
    }


def test_json_is_one_document(cellstate, prices, tmp_path):
    call = ("fit", "forecast", prices, "--horizon", 2, "--out", tmp_path / "model", "--json")
    result = cellstate(*call)
    document = result.json
    assert result.err == ""
    assert document["job"] == "forecast"
    assert document["model"] == str(tmp_path / "model")
    assert document["report"] is None
    assert document["seconds"] >= 0
    assert document["record"] == {"rows": 3, "train": {}}


def test_several_files_are_read_as_one(cellstate, prices, tmp_path):
    second = tmp_path / "later.csv"
    second.write_text("y,ds\n40.5,4\n")
    folder = tmp_path / "model"
    call = ("fit", "forecast", prices, second, "--horizon", 2, "--out", folder, "--json")
    assert cellstate(*call).json["record"]["rows"] == 4
    assert cellstate("predict", folder, "--json").json["rows"][0] == {"ds": 1, "LSTM": 40.5}


def test_what_fit_takes_besides_the_data_is_an_option_too(cellstate, prices, tmp_path):
    call = ("fit", "forecast", prices, "--horizon", 2, "--out", tmp_path / "model", "--json")
    assert cellstate(*call, "--validation", 1).json["record"]["rows"] == 2
    assert "Periods that are not trained on." in cellstate("fit", "forecast", "--help").out


def test_a_classifier_reads_a_table_of_rows(cellstate, rows, tmp_path):
    result = cellstate("fit", "classify", rows, "--out", tmp_path / "model")
    assert result.code == 0
    assert artifact.load(tmp_path / "model")[0].encoders == {"classes": ["high", "low"]}


def test_a_classifier_reads_arrays(cellstate, arrays, tmp_path):
    assert cellstate("fit", "classify", arrays, "--out", tmp_path / "model").code == 0
    assert artifact.load(tmp_path / "model")[0].encoders == {"classes": [0, 1]}


def test_the_column_of_answers_can_be_named(cellstate, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("kind,t0\n1.5,1\n2.5,2\n")
    call = ("fit", "classify", path, "--out", tmp_path / "model", "--target", "kind")
    assert cellstate(*call).code == 0
    assert artifact.load(tmp_path / "model")[0].encoders == {"classes": [1.5, 2.5]}


def test_an_older_model_is_replaced(cellstate, model, prices):
    assert cellstate("fit", "forecast", prices, "--horizon", 9, "--out", model).code == 0
    assert artifact.load(model)[0].arguments["horizon"] == 9


def test_a_report_can_be_written(cellstate, prices, tmp_path):
    report = tmp_path / "report.html"
    call = ("fit", "forecast", prices, "--horizon", 2, "--out", tmp_path / "m", "--report", report)
    result = cellstate(*call)
    assert result.code == 0
    assert f"Report: {report}" in result.out
    assert "A forecast" in report.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--horizon many", "cellstate: --horizon must be a whole number; got 'many'. Write for"),
        ("--horizon 2.5", "--horizon must be a whole number; got '2.5'"),
        (
            "--horizon 2 --levels 80,high",
            "--levels must be whole numbers with commas between; got '80,high'",
        ),
        ("--horizon 2 --scale big", "--scale must be 'auto' or a number; got 'big'"),
        ("--horizon 0", "Forecaster: horizon must be at least 1; got 0. Give 1 or more."),
        ("--horizon 2 --no-such", "No such option: --no-such"),
        ("", "Missing option '--horizon'"),
        ("--horizon 2 --report {tmp}/model/page.html", "the report must be outside the model's"),
        ("--horizon 2 --report {tmp}", "--report: the output must be a file; got the folder"),
        ("--horizon 2 --report {tmp}/page.txt", "--report: the page must end in .html; got"),
        ("--horizon 2 --report {tmp}/no/page.html", "the output's directory must exist; got no"),
    ],
)
def test_a_bad_call_ends_with_2_and_one_message(cellstate, prices, tmp_path, words, message):
    words = words.format(tmp=tmp_path).split()
    result = cellstate("fit", "forecast", prices, "--out", tmp_path / "model", *words)
    assert result.code == 2
    assert result.out == ""
    assert message in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "model").exists()


def test_a_folder_that_is_no_model_is_refused_before_the_data_is_read(cellstate, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    call = ("fit", "forecast", tmp_path / "no.csv", "--horizon", 2, "--out", tmp_path / "mine")
    result = cellstate(*call)
    assert result.code == 2
    assert "got a folder that holds 'thesis.tex'. Choose another name" in result.err
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_missing_file_is_explained(cellstate, tmp_path):
    path = tmp_path / "no.csv"
    result = cellstate("fit", "forecast", path, "--horizon", 2, "--out", tmp_path / "model")
    assert (result.code, result.out) == (2, "")
    assert str(path) in result.err


def test_files_of_different_columns_are_refused(cellstate, prices, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("ds,price\n4,40\n")
    call = ("fit", "forecast", prices, other, "--horizon", 2, "--out", tmp_path / "model")
    result = cellstate(*call)
    assert result.code == 2
    assert "a difference in 'price', 'y'. Rename them" in result.err


def test_an_unknown_job_offers_the_nearest(cellstate, prices):
    result = cellstate("fit", "forcast", prices)
    assert result.code == 2
    assert "cellstate fit: the job must be known; got 'forcast'. Did you mean 'forecast'?" in (
        result.err
    )


def test_a_bug_of_ours_is_not_hidden(prices, tmp_path, capfd):
    from cellstate.cli import main

    words = ["fit", "forecast", str(prices), "--horizon", "2", "--decoder", "bug", "--out"]
    with pytest.raises(ZeroDivisionError, match="a bug of ours"):
        main([*words, str(tmp_path / "model")])


def test_an_interrupt_ends_with_130_and_silence(cellstate, prices, tmp_path):
    words = ["--horizon", 2, "--decoder", "interrupt", "--out", tmp_path / "model"]
    result = cellstate("fit", "forecast", prices, *words)
    assert (result.code, result.out, result.err) == (130, "", "")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "must hold rows below its header; got none"),
        ("a.csv", "t0,label\n", "must hold rows below its header; got none"),
        ("a.csv", "t0,t1\n1,2\n", "must hold the answers; got no column named label, target, y"),
        ("a.csv", "t0,label\n1,a\n1\n", "the 2 cells of the header; got 1 in row 3"),
        ("a.csv", "t0,label\n1,a\nx,b\n", "time steps must be numbers; got 'x' in column 't0', r"),
        ("a.csv", b"\xff\xfe\x00", "must be a readable CSV file"),
        ("a.txt", "t0", "must end in .npz or .csv; got '.txt'"),
        ("a.npz", "no zip", "must be an .npz file of plain arrays"),
        ("missing.csv", None, "must be a file; got no file there"),
    ],
)
def test_bad_rows_are_explained(cellstate, tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = cellstate("fit", "classify", path, "--out", tmp_path / "model")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"{path}: ")
    assert message in result.err


def test_an_archive_without_its_arrays_is_explained(cellstate, tmp_path):
    import numpy as np

    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    np.savez(tmp_path / "b.npz", X=np.zeros((3, 2)))
    np.savez(tmp_path / "c.npz", X=np.array([None]))
    for name, message in {
        "a": "must hold an array 'X'; got 'x'",
        "b": "must hold the answers; got no array 'y'",
        "c": "must be an .npz file of plain arrays; got Object arrays cannot be loaded",
    }.items():
        result = cellstate("fit", "classify", tmp_path / f"{name}.npz", "--out", tmp_path / "m")
        assert result.code == 2
        assert message in result.err


def test_nothing_but_json_is_printed_where_json_is_asked_for(cellstate, rows, tmp_path):
    result = cellstate("fit", "classify", rows, "--out", tmp_path / "model", "--json")
    assert json.loads(result.out)["summary"] == "2 classes, 0 rows scored."
    assert result.err == ""


@pytest.mark.parametrize("place", ["cellstate.cli.app", "tests.cli.fakes"])
def test_an_interrupt_while_packages_load_is_quiet_too(cellstate, monkeypatch, place):
    class Interrupts:
        def find_spec(self, name, path=None, target=None):
            if name == place:
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, place, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupts(), *sys.meta_path])
    result = cellstate("fit", "forecast", "--help")
    assert (result.code, result.out, result.err) == (130, "", "")
