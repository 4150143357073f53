"""ETTh1 under the standard protocol: lookback 96, every test window, four horizons, three seeds."""

from __future__ import annotations

import time

import numpy as np

from benchmarks import protocols
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue, to_panel
from cellstate.tasks.forecast.forecaster import Forecaster

LOOKBACK = 96
HORIZONS = (96, 192, 336, 720)
SEEDS = (0, 1, 2)
PARTS = 16  # of the windows of a channel, to bound memory


def run(recorder: Recorder, options: Options) -> None:
    """Measure MSE and MAE of the median on the scale of the training rows."""
    import polars as pl

    data = protocols.etth1(catalogue.path("etth1", options.data_dir))
    frame = pl.concat(
        pl.DataFrame({"unique_id": name, "ds": data.times, "y": data.values[:, channel]})
        for channel, name in enumerate(data.names)
    )
    known = protocols.ETT_TRAIN + protocols.ETT_VALID
    training = frame.filter(pl.col("ds") < data.times[known])
    horizons, seeds = ((96,), (0,)) if options.quick else (HORIZONS, SEEDS)
    for seed in seeds:
        scores = [_measure(recorder, training, frame, horizon, seed) for horizon in horizons]
        if not options.quick:
            mse, mae = np.mean(scores, axis=0)
            recorder.add("ETTh1, mean of 96 to 720", "cellstate", "mse", float(mse), seed=seed)
            recorder.add("ETTh1, mean of 96 to 720", "cellstate", "mae", float(mae), seed=seed)
    if not options.quick:
        _summarise(recorder)


def _measure(
    recorder: Recorder, training: object, frame: object, horizon: int, seed: int
) -> tuple[float, float]:
    case = f"ETTh1, horizon {horizon}"
    forecaster = Forecaster(horizon, context=LOOKBACK, random_state=seed)
    start = time.perf_counter()
    forecaster.fit(training, validation=protocols.ETT_VALID)
    fitted = time.perf_counter()
    mse, mae = _score(forecaster, frame, horizon)
    predicted = time.perf_counter()
    recorder.add(case, "cellstate", "mse", mse, seed=seed)
    recorder.add(case, "cellstate", "mae", mae, seed=seed)
    recorder.add(case, "cellstate", "fit_seconds", fitted - start, seed=seed)
    recorder.add(case, "cellstate", "predict_seconds", predicted - fitted, seed=seed)
    return mse, mae


def _score(forecaster: Forecaster, frame: object, horizon: int) -> tuple[float, float]:
    panel = to_panel(frame)
    fitted = forecaster.fitted_
    median = fitted.plan.taus.index(0.5)
    first = protocols.ETT_TRAIN + protocols.ETT_VALID
    cutoffs = np.arange(first, first + protocols.ETT_TEST - horizon + 1)
    squared = absolute = count = 0.0
    for series in range(len(panel)):
        for part in np.array_split(cutoffs, PARTS):
            said = fitted.forecast_at(panel, np.full(len(part), series), part)[..., median]
            rows = panel.offsets[series] + part[:, None] + np.arange(horizon)
            error = panel.target[rows] - said
            squared += float((error**2).sum())
            absolute += float(np.abs(error).sum())
            count += error.size
    return squared / count, absolute / count


def _summarise(recorder: Recorder) -> None:
    """Add mean and deviation over the seeds, and what others published."""
    cases = dict.fromkeys(row.case for row in recorder.rows)
    for case in cases:
        for metric in ("mse", "mae"):
            values = [r.value for r in recorder.rows if (r.case, r.metric) == (case, metric)]
            recorder.add(case, "cellstate", f"{metric}_mean_over_seeds", float(np.mean(values)))
            recorder.add(case, "cellstate", f"{metric}_deviation", float(np.std(values, ddof=1)))
    published = {
        "SegRNN (published)": (0.368, 0.4165),
        "DLinear (published)": (0.386, 0.456),
        "PatchTST (published)": (0.414, 0.469),
    }
    for system, (near, mean) in published.items():
        recorder.add("ETTh1, horizon 96", system, "mse", near)
        recorder.add("ETTh1, mean of 96 to 720", system, "mse", mean)
