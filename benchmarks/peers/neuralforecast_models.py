"""neuralforecast: each channel a series of one global model, as its documentation does it."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import neuralforecast
import numpy as np
import pandas as pd
import torch
from neuralforecast import NeuralForecast, models
from neuralforecast.losses.pytorch import MSE

from benchmarks import protocols
from benchmarks.peers.budget import Budget, quiet
from benchmarks.peers.job import Answer, Job

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
VERSIONS = f"neuralforecast {neuralforecast.__version__}, torch {torch.__version__}"
FOREVER = 10**7  # steps: the budget ends training, not a count


class LSTM:
    """Two layers of 128 units, direct decoder, scaled per window, trained on squared error."""

    @staticmethod
    def etth1(job: Job) -> Answer:
        """Train within the budget, then forecast every test window."""
        settings = {
            "scaler_type": "standard",
            "encoder_hidden_size": 128,
            "decoder_hidden_size": 128,
            "windows_batch_size": 256,
            "learning_rate": 1e-3,
            "val_check_steps": 100,
        }
        return _etth1(job, models.LSTM, settings)

    @staticmethod
    def hello(job: Job) -> Answer:
        """Only say how far ahead: everything else is the library's choice."""
        return _hello(job, models.LSTM(h=protocols.AIR_HELD_OUT, random_seed=job.seed))


class DLinear:
    """Trend and season by one linear map each."""

    @staticmethod
    def etth1(job: Job) -> Answer:
        """Train within the budget, then forecast every test window."""
        settings = {"windows_batch_size": 256, "learning_rate": 1e-3, "val_check_steps": 200}
        return _etth1(job, models.DLinear, settings)

    @staticmethod
    def hello(job: Job) -> Answer:
        """Say how far ahead and, because it must be said, how far back: two years."""
        horizon = protocols.AIR_HELD_OUT
        return _hello(job, models.DLinear(h=horizon, input_size=2 * horizon, random_seed=job.seed))


def _etth1(job: Job, model_class: Any, settings: dict[str, Any]) -> Answer:
    torch.set_num_threads(job.threads)
    data = protocols.etth1(Path(job.data))
    rows = len(data.times)
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(data.names, rows),
            "ds": np.tile(data.times, len(data.names)),
            "y": data.values.T.ravel().astype(np.float32),
        }
    )
    budget = Budget(job.budget_seconds, "ptl/val_loss")
    model = model_class(
        h=job.horizon,
        input_size=job.context,
        loss=MSE(),
        max_steps=FOREVER,
        random_seed=job.seed,
        **settings,
        **quiet(budget),
    )
    start = time.perf_counter()
    answers = NeuralForecast([model], freq="h").cross_validation(
        frame,
        val_size=protocols.ETT_VALID,
        test_size=protocols.ETT_TEST,
        n_windows=None,
        step_size=1,
    )
    whole = time.perf_counter() - start
    # the frame comes sorted by series, origin and time; channels go last, in the data's order
    count = protocols.ETT_TEST - job.horizon + 1
    answers = answers.sort_values(["unique_id", "cutoff", "ds"])
    values = answers[model_class.__name__].to_numpy(np.float64)
    by_series = values.reshape(len(data.names), count, job.horizon)
    order = np.argsort(np.argsort(data.names))
    forecasts = by_series[order].transpose(1, 2, 0)
    return Answer(
        forecasts,
        budget.fit_seconds,
        whole - budget.fit_seconds,
        steps=budget.steps,
        versions=VERSIONS,
    )


def _hello(job: Job, model: Any) -> Answer:
    torch.set_num_threads(job.threads)
    months, values = protocols.air_passengers(Path(job.data))
    frame = pd.DataFrame(
        {"unique_id": "passengers", "ds": months.astype("datetime64[ns]"), "y": values}
    )
    start = time.perf_counter()
    library = NeuralForecast([model], freq="MS")
    library.fit(frame.iloc[: -protocols.AIR_HELD_OUT])
    fitted = time.perf_counter()
    forecast = library.predict()[type(model).__name__].to_numpy(np.float64)
    return Answer(forecast, fitted - start, time.perf_counter() - fitted, versions=VERSIONS)
