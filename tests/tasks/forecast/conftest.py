"""Forecasters fitted once for all tests of this folder; each test takes a copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
import torch

from cellstate import train
from cellstate.tasks.forecast import rivals
from cellstate.tasks.forecast.forecaster import Forecaster
from tests.tasks.forecast import samples


@pytest.fixture(autouse=True)
def _only_fast_baselines(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Leave AutoETS and AutoTheta to the baselines' own tests: they take seconds to start."""
    if "test_baselines" not in request.module.__name__:
        monkeypatch.setattr(rivals, "is_installed", lambda: False)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `fit` keep the first weights, where a test asks nothing of what was learnt."""

    def keep(model: torch.nn.Module, task: Any, config: Any, *, seed: int) -> train.TrainRecord:
        model.eval()
        row = train.Row(1, 1, 1.0, 1.0, 1e-3, 0.1)
        return train.TrainRecord(seed, "cpu", "float32", 1, [row], best_step=1)

    monkeypatch.setattr(train, "fit", keep)


@pytest.fixture(scope="session")
def shops() -> pl.DataFrame:
    return samples.shops()


@pytest.fixture(scope="session")
def future() -> pl.DataFrame:
    return samples.future()


@pytest.fixture(scope="session")
def _fitted_on_shops() -> dict[str, Forecaster]:
    return {}


@pytest.fixture
def shopkeeper(
    shops: pl.DataFrame, _fitted_on_shops: dict[str, Forecaster]
) -> Callable[[str], Forecaster]:
    """Give a function that copies the forecaster of a kind, fitted on the first days of `shops`."""

    def give(kind: str) -> Forecaster:
        if kind not in _fitted_on_shops:
            new = samples.forecaster(kind, columns=samples.columns_of(kind))
            _fitted_on_shops[kind] = new.fit(samples.learnt(shops))
        return copy.deepcopy(_fitted_on_shops[kind])

    return give


@pytest.fixture(scope="session")
def _fitted_on_waves() -> dict[str, Forecaster]:
    return {}


@pytest.fixture
def surfer(_fitted_on_waves: dict[str, Forecaster]) -> Callable[[str], Forecaster]:
    """Give a function that copies the forecaster of a kind, fitted on `waves` without covariates.

    They hold zeros too, which rules the logarithm out.
    """

    def give(kind: str) -> Forecaster:
        if kind not in _fitted_on_waves:
            frame = samples.waves(60, 50, 45).with_columns(pl.col("y") - pl.col("y").min())
            if kind == "negative_binomial":
                frame = frame.with_columns(pl.col("y").round())
            _fitted_on_waves[kind] = samples.forecaster(kind).fit(frame)
        return copy.deepcopy(_fitted_on_waves[kind])

    return give
