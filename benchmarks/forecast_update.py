"""One new observation: `update` then `predict` on one series, short or long."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.train import TrainConfig

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
ROUNDS = 200
HORIZON = 24


def run(recorder: Recorder, options: Options) -> None:
    """Measure pandas and polars frames of one row each, hourly with a daily season."""
    lengths = LENGTHS[:2] if options.quick else LENGTHS
    rounds = 20 if options.quick else ROUNDS
    for length in lengths:
        for kind in ("pandas", "polars"):
            times = _measure(kind, length, rounds)
            case = f"{length:,} rows, {kind}"
            for name, share in (("median", 0.5), ("p99", 0.99)):
                value = 1e3 * float(np.quantile(times, share))
                recorder.add(case, "cellstate", f"update_predict_ms_{name}", value)


def _measure(kind: str, length: int, rounds: int) -> list[float]:
    import pandas as pd
    import polars as pl

    stamps = np.datetime64("2020-01-01T00", "us") + np.arange(
        length + rounds + 10
    ) * np.timedelta64(1, "h")
    wave = 10 + np.sin(np.arange(len(stamps)) * 2 * np.pi / 24)
    noise = np.random.default_rng(0).normal(size=len(stamps))
    columns = {"unique_id": ["one"] * len(stamps), "ds": stamps, "y": wave + 0.1 * noise}
    frame = pd.DataFrame(columns) if kind == "pandas" else pl.DataFrame(columns)
    forecaster = Forecaster(HORIZON, train=TrainConfig(epochs=1, sanity=False))
    forecaster.fit(frame[:length])
    rows = [frame[at : at + 1] for at in range(length, length + rounds + 10)]
    times = []
    for row in rows:
        start = time.perf_counter()
        forecaster.update(row)
        forecaster.predict()
        times.append(time.perf_counter() - start)
    return times[10:]
