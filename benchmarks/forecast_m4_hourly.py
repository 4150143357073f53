"""M4 Hourly: one model for 414 series, the official test part, OWA and interval coverage."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import series, to_panel
from cellstate.tasks.forecast import metrics
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.tasks.forecast.intervals import band
from cellstate.train import TrainConfig

HORIZON, SEASON = 48, 24
NAIVE2 = (18.383, 2.396)  # sMAPE and MASE as the competition published them
SEEDS = (0, 1, 2)
LEVELS = (80, 95)


def run(recorder: Recorder, options: Options) -> None:
    """Measure sMAPE, MASE, OWA of the median, and the coverage of calibrated intervals."""
    train, test = (_dated(part) for part in series.m4_hourly(options.data_dir))
    seeds = (0,) if options.quick else SEEDS
    config = TrainConfig(epochs=3) if options.quick else None
    truth_panel, history = to_panel(test), to_panel(train)
    assert truth_panel.ids == history.ids
    truth = truth_panel.target.reshape(len(history), HORIZON)
    scale = metrics.naive_scale(history, SEASON)
    for seed in seeds:
        forecaster = Forecaster(
            HORIZON, levels=LEVELS, calibrate=True, random_state=seed, train=config
        )
        start = time.perf_counter()
        forecaster.fit(train)
        fit_seconds = time.perf_counter() - start
        start = time.perf_counter()
        forecaster.predict()
        predict_seconds = time.perf_counter() - start
        fitted = forecaster.fitted_
        said = fitted.forecast_at(history, np.arange(len(history)), history.lengths)
        point = said[..., fitted.plan.taus.index(0.5)]
        smape = float(np.mean(metrics.smape(truth, point, axis=1)))
        mase = float(np.mean(metrics.mase(truth, point, scale, axis=1)))
        figures = {
            "smape": smape,
            "mase": mase,
            "owa": metrics.owa(smape, mase, *NAIVE2),
            "fit_seconds": fit_seconds,
            "predict_seconds": predict_seconds,
        }
        for level in LEVELS:
            low, high = band(said, fitted.plan.taus, level)
            figures[f"coverage_{level}"] = float(metrics.coverage(truth, low, high))
        for metric, value in figures.items():
            recorder.add("M4 Hourly", "cellstate", metric, value, seed=seed)
    for metric in ("smape", "mase", "owa"):
        values = [row.value for row in recorder.rows if row.metric == metric]
        recorder.add("M4 Hourly", "cellstate", f"{metric}_mean_over_seeds", float(np.mean(values)))
    recorder.add("M4 Hourly", "ES-RNN, one model (published)", "owa", 0.615)


def _dated(frame: object) -> object:
    """Give the numbered hours dates, so that the frequency is known to be hourly."""
    import polars as pl

    start = pl.datetime(2015, 1, 1)
    return frame.with_columns((start + pl.duration(hours=pl.col("ds"))).alias("ds"))
