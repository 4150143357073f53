"""Forecasts event by event: the numbers of updating and predicting, whatever the company."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate.data.columns import Columns
from cellstate.errors import EventError
from cellstate.runtime import Session, read_moment
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.tasks.forecast.stream import MOST_SKIPPED, ForecastStream
from cellstate.train import TrainConfig

DECODERS: dict[str, dict[str, Any]] = {
    "direct": {"decoder": "direct"},
    "student_t": {"decoder": "recursive"},
    "negative_binomial": {"decoder": "recursive", "distribution": "negative_binomial"},
    "quantiles": {"decoder": "recursive", "distribution": "quantiles", "calibrate": True},
}
HOURS = 72
FIRST = np.datetime64("2024-03-30T00:00", "us")
RNG = np.random.default_rng(0)


def frame(name: str, count: int, first: int = 0) -> pl.DataFrame:
    steps = np.arange(first, first + count)
    rng = np.random.default_rng(len(name) + first)
    return pl.DataFrame(
        {
            "unique_id": [name] * count,
            "ds": FIRST + steps.astype("timedelta64[h]"),
            "y": np.round(20 + 8 * np.sin(steps * np.pi / 12) + rng.normal(0, 1, count)),
            "open": (steps % 24 > 6).astype(float),
            "wind": rng.normal(5, 2, count),
            "region": ["north" if name < "c" else "south"] * count,
            "height": [120.0 + len(name)] * count,
        }
    )


@cache
def fitted(decoder: str) -> bytes:
    columns = Columns(
        past=("wind",) if decoder == "direct" else (),
        future=("open",),
        static=("region", "height"),
        calendar="auto",  # pyright: ignore[reportArgumentType]
    )
    model = Forecaster(
        5,
        context=24,
        columns=columns,
        train=TrainConfig(epochs=1, sanity=False, progress=False),
        **DECODERS[decoder],
    )
    return pickle.dumps(model.fit(pl.concat([frame("a", HOURS), frame("bb", HOURS)])))


def model_of(decoder: str) -> Forecaster:
    return pickle.loads(fitted(decoder))


def event(row: dict[str, Any], decoder: str, *, begins: bool = False) -> dict[str, Any]:
    names = ["y", "open"] + (["wind"] if decoder == "direct" else [])
    data = {name: row[name] for name in names}
    return data | ({"region": row["region"], "height": row["height"]} if begins else {})


def moment(row: dict[str, Any]) -> int:
    return read_moment(np.datetime64(row["ds"], "us"))


def moment_of(row: dict[str, Any]) -> Any:
    return np.datetime64(row["ds"], "us")


def ahead(model: Forecaster, rows: pl.DataFrame) -> pl.DataFrame:
    """Give the frame of future covariates in which the next period alone is known."""
    horizon = model.fitted_.plan.horizon
    last = rows.group_by("unique_id", maintain_order=True).last()
    parts = []
    for row in last.to_dicts():
        stamps = np.datetime64(row["ds"], "us") + np.arange(1, horizon + 1) * np.timedelta64(1, "h")
        known = [0.0] + [None] * (horizon - 1)
        parts.append(
            pl.DataFrame(
                {"unique_id": [row["unique_id"]] * horizon, "ds": stamps, "open": known},
                schema_overrides={"open": pl.Float64},
            )
        )
    return pl.concat(parts)


@pytest.mark.parametrize("decoder", DECODERS)
def test_answers_are_those_of_updating_and_predicting(decoder: str) -> None:
    stream, model = ForecastStream.of(model_of(decoder)), model_of(decoder)
    new = {"a": frame("a", 6, HOURS), "bb": frame("bb", 6, HOURS + 3), "new": frame("new", 6)}
    states = stream.start(list(new))
    for step in range(6):
        rows = [part.row(step, named=True) for part in new.values()]
        data = [event(row, decoder, begins=not step and row["unique_id"] == "new") for row in rows]
        read = [stream.read(one | {"next_open": [0.0]}) for one in data]
        times = np.array([moment(row) for row in rows])
        states, answers = stream.step(states, read, times)
        model.update(pl.concat([part[step : step + 1] for part in new.values()]))
        future = ahead(model, pl.concat([part[: step + 1] for part in new.values()]))
        told = model.predict(future=future).group_by("unique_id", maintain_order=True).first()
        for row, answer in zip(told.to_dicts(), answers, strict=True):
            assert not isinstance(answer, EventError)
            assert answer["next"] == row["LSTM"]
            assert answer["next_lo_80"] == row["LSTM-lo-80"]
            assert answer["next_hi_95"] == row["LSTM-hi-95"]
            assert read_moment(answer["next_ds"]) == read_moment(np.datetime64(row["ds"], "us"))


@pytest.mark.parametrize("decoder", DECODERS)
def test_what_was_expected_is_what_had_been_foretold(decoder: str) -> None:
    session = model_of(decoder).session("a")
    rows = frame("a", 3, HOURS).to_dicts()
    first = session.push(event(rows[0], decoder) | {"next_open": rows[1]["open"]}, moment_of(rows[0]))
    second = session.push(event(rows[1], decoder), moment_of(rows[1]))
    for name in ("", "_lo_80", "_hi_95"):
        assert second[f"expected{name}"] == first[f"next{name}"]
    assert 0 <= second["surprise"] <= 1
    # Nobody has foretold the first one, or one behind a gap: both are told from the memory.
    alone = model_of(decoder)
    known = pl.DataFrame(
        {
            "unique_id": ["a", "bb"] * 5,
            "ds": np.repeat(FIRST + (HOURS + np.arange(5)).astype("timedelta64[h]"), 2),
            "open": [rows[0]["open"]] * 2 + [None] * 8,
        }
    )
    assert first["expected"] == alone.predict(future=known).row(0, named=True)["LSTM"]
