"""Small series with everything that can be awkward, and forecasters that learn in no time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from cellstate.data import Columns, Panel, to_panel
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.train import TrainConfig

KINDS = ("direct", "student_t", "negative_binomial", "quantiles")
RECURSIVE = KINDS[1:]
HORIZON = 4
CONTEXT = 14
ONE_EPOCH = TrainConfig(epochs=1)
FIRST_DAY = dt.date(2024, 1, 1)
LEARNT_DAYS = 70
DAYS = 95
BEGINS = {"a": 0, "b": 9, "c": 60, "late": 78}  # by day; "late" is not there at fit


def forecaster(kind: str, **arguments: Any) -> Forecaster:
    """Make a forecaster of one kind: the direct decoder, or a distribution of the recursive one."""
    decoder = {"decoder": "direct"} if kind == "direct" else {"decoder": "recursive"}
    distribution = {} if kind == "direct" else {"distribution": kind}
    given = {"horizon": HORIZON, "context": CONTEXT, "random_state": 0, "train": ONE_EPOCH}
    return Forecaster(**{**given, **decoder, **distribution, **arguments})


def columns_of(kind: str) -> Columns:
    """Give covariates of all sorts; the recursive decoder takes none of the past."""
    past = ("visits",) if kind == "direct" else ()
    return Columns(past=past, future="promotion", static=("city", "area"), calendar="auto")


def shops() -> pl.DataFrame:
    """Give daily counts of several shops with gaps, missing values and covariates.

    Rows are missing around the day that divides what is learnt from what comes later.
    """
    rng = np.random.default_rng(5)
    parts = []
    for number, (name, first) in enumerate(BEGINS.items()):
        days = np.arange(first, DAYS)
        level = 10.0 + 7 * number
        y = rng.poisson(level + 5 * np.sin(2 * np.pi * days / 7)).astype(float)
        y[rng.random(len(days)) < 0.08] = np.nan
        visits = y * 3 + rng.normal(size=len(days))
        promotion = (rng.random(len(days)) < 0.2).astype(float)
        promotion[rng.random(len(days)) < 0.05] = np.nan
        part = pl.DataFrame(
            {
                "unique_id": [name] * len(days),
                "ds": [FIRST_DAY + dt.timedelta(days=int(day)) for day in days],
                "y": y,
                "visits": visits,
                "promotion": promotion,
                "city": [("Oslo", "Rome")[number % 2]] * len(days),
                "area": [100.0 * number] * len(days),
            }
        )
        kept = rng.random(len(days)) > 0.08
        kept[[0, -1]] = True
        if name == "a":
            kept &= (days < LEARNT_DAYS - 2) | (days > LEARNT_DAYS + 2)
        parts.append(part.filter(pl.Series(kept)))
    return pl.concat(parts)


def learnt(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows to fit on."""
    return frame.filter(pl.col("ds") < FIRST_DAY + dt.timedelta(days=LEARNT_DAYS))


def later(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows that come after those to fit on."""
    return frame.filter(pl.col("ds") >= FIRST_DAY + dt.timedelta(days=LEARNT_DAYS))


def future() -> pl.DataFrame:
    """Give the promotions of every day, also of those to come."""
    days = [FIRST_DAY + dt.timedelta(days=day) for day in range(DAYS + 2 * HORIZON)]
    return pl.concat(
        pl.DataFrame(
            {
                "unique_id": [name] * len(days),
                "ds": days,
                "promotion": [float(day.day % 5 == 0) for day in days],
            }
        )
        for name in BEGINS
    )


def pieces(frame: pl.DataFrame, count: int, rng: np.random.Generator) -> Iterator[pl.DataFrame]:
    """Cut later rows into pieces in time, each series at other places than the others."""
    numbers = np.empty(len(frame), dtype=np.int64)
    ids = frame["unique_id"].to_numpy()
    for name in BEGINS:
        own = np.flatnonzero(ids == name)
        numbers[own] = np.sort(rng.integers(count, size=len(own)))
    for number in range(count):
        piece = frame.filter(pl.Series(numbers == number))
        if len(piece):
            yield piece


def waves(*lengths: int, noise: float = 1.0, start: int = 0) -> pl.DataFrame:
    """Give series with a season of 7 steps and integer time stamps, positive and of any lengths."""
    rng = np.random.default_rng(3)
    parts = []
    for number, length in enumerate(lengths):
        steps = np.arange(start, start + length)
        y = 20 + 5 * number + 4 * np.sin(2 * np.pi * steps / 7) + noise * rng.normal(size=length)
        parts.append(pl.DataFrame({"unique_id": [f"s{number}"] * length, "ds": steps, "y": y}))
    return pl.concat(parts)


def wave(length: int, **options: Any) -> pl.DataFrame:
    """Give one series without an id."""
    return waves(length, **options).drop("unique_id")


def panel_of(frame: pl.DataFrame, columns: Columns = Columns()) -> Panel:  # noqa: B008  frozen
    return to_panel(frame, columns)


def values_of(frame: Any) -> np.ndarray:
    """Give the forecasts of a prediction frame, (rows, columns of the LSTM)."""
    return np.stack([np.asarray(frame[c]) for c in frame.columns if c.startswith("LSTM")], axis=1)
