"""Cellstate at the peers' jobs, with its default settings."""

from __future__ import annotations

import importlib.metadata
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch

import cellstate
from benchmarks import protocols
from benchmarks.peers.job import Answer, Job
from cellstate.data import to_panel
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.train import TrainConfig

VERSIONS = f"cellstate {cellstate.__version__}, torch {importlib.metadata.version('torch')}"
QUICK_SECONDS = 60  # in less, one epoch has to do
PARTS = 16  # of the windows of a channel, to bound memory


class Direct:
    """The default network."""

    @staticmethod
    def etth1(job: Job) -> Answer:
        """Train as long as early stopping lets it, then forecast every test window."""
        torch.set_num_threads(job.threads)
        data = protocols.etth1(Path(job.data))
        frame = pl.concat(
            pl.DataFrame({"unique_id": name, "ds": data.times, "y": channel})
            for name, channel in zip(data.names, data.values.T, strict=True)
        )
        first = protocols.ETT_TRAIN + protocols.ETT_VALID
        start = time.perf_counter()
        train = TrainConfig(epochs=1) if job.budget_seconds < QUICK_SECONDS else None
        forecaster = Forecaster(
            job.horizon, context=job.context, random_state=job.seed, train=train
        )
        training = frame.filter(pl.col("ds") < data.times[first])
        fitted = forecaster.fit(training, validation=protocols.ETT_VALID).fitted_
        trained = time.perf_counter()
        panel = to_panel(frame)
        median = fitted.plan.taus.index(0.5)
        cutoffs = np.arange(first, first + protocols.ETT_TEST - job.horizon + 1)
        channels = [
            np.concatenate(
                [
                    fitted.forecast_at(panel, np.full(len(part), series), part)[..., median]
                    for part in np.array_split(cutoffs, PARTS)
                ]
            )
            for series in range(len(panel))
        ]
        seconds = time.perf_counter() - trained
        return Answer(np.stack(channels, axis=-1), trained - start, seconds, versions=VERSIONS)

    @staticmethod
    def hello(job: Job) -> Answer:
        """Only say how far ahead."""
        torch.set_num_threads(job.threads)
        months, values = protocols.air_passengers(Path(job.data))
        frame = pl.DataFrame({"ds": months.astype("datetime64[ms]"), "y": values})
        start = time.perf_counter()
        forecaster = Forecaster(protocols.AIR_HELD_OUT, random_state=job.seed)
        forecaster.fit(frame[: -protocols.AIR_HELD_OUT])
        trained = time.perf_counter()
        forecast = forecaster.predict()["LSTM"].to_numpy().astype(np.float64)
        return Answer(forecast, trained - start, time.perf_counter() - trained, versions=VERSIONS)
