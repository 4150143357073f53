"""From a CSV file to a forecast, with the real forecaster: the main job, in small."""

import contextlib
import io
import json

import numpy as np
import polars as pl
import pytest

from cellstate.cli import main

HORIZON = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with ten years of months in `past.csv` and the next in `held.csv`."""
    folder = tmp_path_factory.mktemp("series")
    t = np.arange(120 + HORIZON)
    y = (100 + t) * (1 + 0.2 * np.sin(2 * np.pi * t / 12))
    noise = np.random.default_rng(0).normal(scale=2.0, size=len(t))
    lines = [
        f"{1990 + month // 12}-{month % 12 + 1:02d}-01,{value:.2f}"
        for month, value in zip(t, y + noise, strict=True)
    ]
    (folder / "past.csv").write_text("\n".join(["ds,y", *lines[:-HORIZON]]))
    (folder / "held.csv").write_text("\n".join(["ds,y", *lines[-HORIZON:]]))
    return folder


@pytest.fixture(scope="module")
def fitted(files):
    """What `cellstate fit` printed, on stdout and on stderr."""
    words = ["fit", "forecast", f"{files}/past.csv", "--horizon", f"{HORIZON}", "--epochs", "2"]
    outputs = ["--out", f"{files}/model", "--report", f"{files}/report.html", "--json"]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main([*words, "--no-sanity", *outputs])
    assert ended.value.code in (0, None)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def model(files, fitted):
    return files / "model"


def test_a_fit_tells_who_won_and_is_quiet_besides(fitted):
    out, err = fitted
    document = json.loads(out)
    assert err == ""
    assert len(document["record"]["history"]) == 2
    assert any(finding["title"] == "Verdict" for finding in document["findings"])


def test_a_fit_writes_its_report(files, fitted):
    assert (files / "report.html").read_text().startswith("<!doctype html>")


def test_a_forecast_follows_the_data(cellstate, files, model):
    out = files / "forecast.csv"
    assert cellstate("predict", model, "--out", out).code == 0
    table = pl.read_csv(out, try_parse_dates=True)
    assert [str(day) for day in table["ds"]] == [f"2000-{m:02d}-01" for m in range(1, 7)]
    assert {"cutoff", "LSTM", "LSTM-lo-80", "LSTM-hi-95"} <= set(table.columns)
    rows = cellstate("predict", model, "--json").json["rows"]
    np.testing.assert_allclose([row["LSTM"] for row in rows], table["LSTM"])


def test_a_forecast_is_scored_on_held_out_data(cellstate, files, model):
    document = cellstate("evaluate", model, files / "held.csv", "--json").json
    assert {"LSTM", "naive", "seasonal naive"} <= set(document["systems"])
    assert document["winner"] in document["systems"]


def test_scores_are_shown_in_80_columns(cellstate, files, model):
    result = cellstate("evaluate", model, files / "held.csv")
    assert (result.code, result.err) == (0, "")
    assert "seasonal" in result.out
    assert "MASE: " in result.out
    assert max(map(len, result.out.splitlines())) <= 80


def test_a_backtest_is_written(cellstate, files, model):
    out = files / "backtest.parquet"
    call = ("backtest", model, files / "past.csv", "--windows", 1, "--out", out)
    assert cellstate(*call).code == 0
    assert pl.read_parquet(out)["y"].null_count() == 0


def test_a_model_is_inspected_in_80_columns(cellstate, model):
    result = cellstate("inspect", model)
    assert (result.code, result.err) == (0, "")
    assert "Verdict" in result.out
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ds,price\n1,2\n", "'y'"),
        ("ds,y\n1,2\n2,many\n", "many"),
        ("ds,y\n2,2\n1,3\n", "sorted by time"),
        ("ds,y\n1,2\n1,3\n", "twice"),
        ("", "empty"),
    ],
)
def test_bad_data_ends_with_2_and_one_message(cellstate, tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    result = cellstate("fit", "forecast", path, "--horizon", 2, "--out", tmp_path / "model")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "model").exists()


def test_a_misspelt_choice_offers_the_nearest(cellstate, files):
    call = ("fit", "forecast", files / "past.csv", "--decoder", "recursiv", "--out", files / "m")
    result = cellstate(*call)
    assert result.code == 2
    assert "Did you mean 'recursive'?" in result.err
