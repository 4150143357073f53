import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import forecast_peers, protocols
from benchmarks.peers import job as peer_job


@pytest.fixture
def etth1_file(tmp_path) -> Path:
    """A file in the form of ETTh1: 17,420 hourly rows of two channels."""
    times = np.datetime64("2016-07-01T00:00:00") + np.arange(17_420).astype("timedelta64[h]")
    rng = np.random.default_rng(0)
    values = 5 + 3 * rng.standard_normal((17_420, 2))
    values[14_400:] = 1e9  # rows that the protocol does not use
    lines = ["date,HUFL,OT"]
    lines += [
        f"{str(t).replace('T', ' ')},{a},{b}" for t, (a, b) in zip(times, values, strict=True)
    ]
    path = tmp_path / "ETTh1.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines))
    return path


def test_etth1_is_standardised_by_its_training_rows(etth1_file):
    data = protocols.etth1(etth1_file)
    assert data.names == ("HUFL", "OT")
    assert data.values.shape == (14_400, 2)
    np.testing.assert_allclose(data.values[:8640].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(data.values[:8640].std(0), 1)
    assert data.times[8640] == np.datetime64("2017-06-26T00:00:00")
    assert np.abs(data.values).max() < 10


@pytest.mark.parametrize(("horizon", "count"), [(96, 2785), (192, 2689), (720, 2161)])
def test_windows_begin_at_every_test_row_that_leaves_room(horizon, count):
    values = np.arange(14_400.0)[:, None] + np.array([0, 0.5])
    windows = protocols.test_windows(values, horizon)
    assert windows.shape == (count, horizon, 2)
    assert windows[0, 0].tolist() == [11_520, 11_520.5]
    assert windows[-1, -1].tolist() == [14_399, 14_399.5]


def test_repeating_the_last_value_scores_as_published(data_file):
    """The naive forecast of ETTh1 at 96 is known: MSE 1.295, MAE 0.713 (Zeng et al., 2022)."""
    values = protocols.etth1(data_file("series/ETTh1.csv.gz")).values
    truth = protocols.test_windows(values, 96)
    last = values[11_520 - 1 : 11_520 - 1 + len(truth), None]
    mse, mae = protocols.errors(np.broadcast_to(last, truth.shape), truth)
    assert mse == pytest.approx(1.295, abs=0.006)
    assert mae == pytest.approx(0.713, abs=0.006)


def test_errors_are_means_over_everything():
    assert protocols.errors(np.full((2, 3, 1), 3.0), np.ones((2, 3, 1))) == (4.0, 2.0)
    with pytest.raises(ValueError, match=r"\(2, 1\) forecasts for \(2, 2\) values"):
        protocols.errors(np.ones((2, 1)), np.ones((2, 2)))


def test_air_passengers_are_read_by_month(data_file):
    months, values = protocols.air_passengers(data_file("series/airline-passengers.csv.gz"))
    assert months[0] == np.datetime64("1949-01")
    assert len(months) == len(values) == 144
    assert values[[0, -1]].tolist() == [112, 432]


def test_a_job_comes_back_as_it_went(tmp_path):
    answer = tmp_path / "answer.json"
    job = peer_job.Job("darts RNNModel", "hello", "air.csv", 1.5, 2, 3, str(answer))
    peer_job.write(job, tmp_path / "job.json")
    assert peer_job.Job(**json.loads((tmp_path / "job.json").read_text())) == job
    np.save(answer.with_suffix(".npy"), np.arange(12.0))
    answer.write_text(json.dumps({"fit_seconds": 1.0, "predict_seconds": 2.0}))
    read = peer_job.read_answer(job)
    assert read.predict_seconds == 2.0
    assert read.forecasts.shape == (12,)


def test_a_system_runs_in_a_process_of_its_own(tmp_path):
    """With a stand-in for the peers' Python, so that no library is needed."""
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        "import numpy as np\n"
        "job = json.load(open(sys.argv[3]))\n"
        "np.save(job['answer'].replace('.json', '.npy'), np.zeros(12))\n"
        "json.dump({'fit_seconds': 0.5, 'predict_seconds': 0.1}, open(job['answer'], 'w'))\n"
    )
    python.chmod(0o755)
    job = peer_job.Job("darts RNNModel", "hello", "air.csv", 0, 1, 1, "")
    done = forecast_peers.answered(job, python)
    assert done.answer.fit_seconds == 0.5
    assert done.wall_seconds > 0
    assert done.peak_bytes > 2**20


def test_a_system_that_fails_says_why(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such library >&2\nexit 3\n")
    python.chmod(0o755)
    job = peer_job.Job("darts RNNModel", "hello", "air.csv", 0, 1, 1, "")
    with pytest.raises(RuntimeError, match=r"darts RNNModel ended with 3:\nno such library"):
        forecast_peers.answered(job, python)
