"""Darts: each channel a series of one global model, as its documentation does it."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import darts
import numpy as np
import pandas as pd
import torch
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from darts.models import BlockRNNModel, RNNModel

from benchmarks import protocols
from benchmarks.peers.budget import Budget, quiet
from benchmarks.peers.job import Answer, Job

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
VERSIONS = f"darts {darts.__version__}, torch {torch.__version__}"
FOREVER = 10**5  # epochs: the budget ends training, not a count
YEARS_BACK = 24  # months that the hello-world looks back, which must be said


class BlockRNN:
    """An LSTM of 128 units that answers the whole horizon at once, normalised per window."""

    @staticmethod
    def etth1(job: Job) -> Answer:
        """Train within the budget, then forecast every test window."""
        torch.set_num_threads(job.threads)
        data = protocols.etth1(Path(job.data))
        test = protocols.ETT_TRAIN + protocols.ETT_VALID
        series = [
            TimeSeries(pd.DatetimeIndex(data.times), channel[:, None].astype(np.float32))
            for channel in data.values.T
        ]
        budget = Budget(job.budget_seconds, "val_loss")
        model = BlockRNNModel(
            input_chunk_length=job.context,
            output_chunk_length=job.horizon,
            model="LSTM",
            hidden_dim=128,
            n_rnn_layers=1,
            use_reversible_instance_norm=True,
            batch_size=256,
            n_epochs=FOREVER,
            optimizer_kwargs={"lr": 1e-3},
            random_state=job.seed,
            pl_trainer_kwargs=quiet(budget),
        )
        start = time.perf_counter()
        model.fit(
            [one[: protocols.ETT_TRAIN] for one in series],
            val_series=[one[protocols.ETT_TRAIN - job.context : test] for one in series],
            verbose=False,
        )
        fitted = time.perf_counter()
        forecasts = model.historical_forecasts(
            [one[test - job.context :] for one in series],
            start=job.context,
            start_format="position",
            forecast_horizon=job.horizon,
            stride=1,
            retrain=False,
            last_points_only=False,
            verbose=False,
        )
        predicted = time.perf_counter()
        by_series = np.array([[w.values()[:, 0] for w in windows] for windows in forecasts])
        return Answer(
            by_series.transpose(1, 2, 0),
            fitted - start,
            predicted - fitted,
            steps=budget.steps,
            versions=VERSIONS,
        )

    @staticmethod
    def hello(job: Job) -> Answer:
        """Only say how far back and ahead, and that it is an LSTM."""
        model = BlockRNNModel(
            YEARS_BACK, protocols.AIR_HELD_OUT, model="LSTM", random_state=job.seed
        )
        return _hello(job, model)


class RNN:
    """The recursive model, for the hello-world alone."""

    @staticmethod
    def hello(job: Job) -> Answer:
        """Only say how far back and for how long it trains, and that it is an LSTM."""
        length = YEARS_BACK + protocols.AIR_HELD_OUT
        model = RNNModel(YEARS_BACK, model="LSTM", training_length=length, random_state=job.seed)
        return _hello(job, model)


def _hello(job: Job, model: Any) -> Answer:
    torch.set_num_threads(job.threads)
    months, values = protocols.air_passengers(Path(job.data))
    index = pd.DatetimeIndex(months.astype("datetime64[ns]"), freq="MS")
    series = TimeSeries(index, values[:, None].astype(np.float32))
    start = time.perf_counter()
    scaler = Scaler()
    model.fit(scaler.fit_transform(series[: -protocols.AIR_HELD_OUT]), verbose=False)
    fitted = time.perf_counter()
    forecast = scaler.inverse_transform(model.predict(protocols.AIR_HELD_OUT, verbose=False))
    return Answer(
        forecast.values()[:, 0].astype(np.float64),
        fitted - start,
        time.perf_counter() - fitted,
        versions=VERSIONS,
    )
