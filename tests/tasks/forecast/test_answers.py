"""Prediction frames: the user's own kind of frame, stamps and ids, in a fixed form."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cellstate.data import Columns
from cellstate.tasks.forecast.forecaster import Forecaster
from tests.tasks.forecast.samples import waves

pytestmark = pytest.mark.usefixtures("untrained")

HORIZON = 3
LSTM = ["LSTM", "LSTM-lo-80", "LSTM-hi-80", "LSTM-lo-95", "LSTM-hi-95"]

STAMPS: dict[str, tuple[Any, str | int | None]] = {
    "integers": (range(5, 45), None),
    "every third integer": (range(0, 120, 3), None),
    "small integers": (np.arange(40, dtype=np.int32), None),
    "days": (pd.date_range("2024-02-01", periods=40, freq="D"), None),
    "hours": (pd.date_range("2024-02-28", periods=40, freq="h"), None),
    "business days": (pd.date_range("2024-02-01", periods=40, freq="B"), None),
    "weeks": (pd.date_range("2024-02-01", periods=40, freq="7D"), None),
    "month starts": (pd.date_range("2021-01-01", periods=40, freq="MS"), None),
    "month ends": (pd.date_range("2021-01-31", periods=40, freq="ME"), None),
    "quarters": (pd.date_range("2010-01-01", periods=40, freq="QS"), None),
    "days by the clock of a zone": (
        pd.date_range("2024-03-01", periods=40, freq="D", tz="Europe/Berlin"),
        None,
    ),
    "hours over a change of the clock": (
        pd.date_range("2024-03-30", periods=40, freq="h", tz="Europe/Berlin"),
        None,
    ),
    "text": ([str(day.date()) for day in pd.date_range("2024-02-01", periods=40, freq="D")], None),
    "named frequency": (pd.date_range("2024-02-01", periods=40, freq="D"), "D"),
}


def fit(frame: Any, **arguments: Any) -> Forecaster:
    return Forecaster(HORIZON, **arguments).fit(frame)


def two_series(stamps: Any, names: tuple[Any, Any] = ("b", "a")) -> pd.DataFrame:
    part = pd.DataFrame({"ds": stamps, "y": np.sin(np.arange(len(stamps))) + 3})
    parts = [part.assign(unique_id=name) for name in names]
    return pd.concat(parts, ignore_index=True)[["unique_id", "ds", "y"]]


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("stamps", STAMPS)
def test_forecasts_carry_the_stamps_that_follow_in_the_dtype_given(
    library: str, stamps: str
) -> None:
    values, frequency = STAMPS[stamps]
    every = two_series(values)
    given = every.groupby("unique_id", sort=False).head(40 - HORIZON).reset_index(drop=True)
    frame = given if library == "pandas" else pl.from_pandas(given)
    answer = fit(frame, frequency=frequency).predict()
    assert type(answer) is type(frame)
    assert answer["ds"].dtype == frame["ds"].dtype
    assert answer["unique_id"].dtype == frame["unique_id"].dtype
    coming = every.groupby("unique_id", sort=False).tail(HORIZON)
    assert list(answer["ds"]) == list(frame_of(library, coming)["ds"])
    last = given.groupby("unique_id", sort=False).tail(1).loc[lambda rows: rows.index.repeat(3)]
    assert list(answer["cutoff"]) == list(frame_of(library, last)["ds"])
    assert list(answer["unique_id"]) == ["b"] * HORIZON + ["a"] * HORIZON


def frame_of(library: str, frame: pd.DataFrame) -> Any:
    return frame if library == "pandas" else pl.from_pandas(frame)


def test_columns_come_in_a_fixed_order_with_the_levels_asked_for() -> None:
    frame = waves(40, 30)
    assert fit(frame).predict().columns == ["unique_id", "ds", "cutoff", *LSTM]
    answer = fit(frame, levels=(50, 99.5)).predict()
    assert answer.columns[4:] == ["LSTM-lo-50", "LSTM-hi-50", "LSTM-lo-99.5", "LSTM-hi-99.5"]
    assert fit(frame, levels=[]).predict().columns == ["unique_id", "ds", "cutoff", "LSTM"]
    assert answer.dtypes[3:] == [pl.Float64] * 5


def test_names_of_columns_are_the_users_own() -> None:
    columns = Columns(id="shop", time="when", target="sales")
    frame = waves(40, 30).rename({"unique_id": "shop", "ds": "when", "y": "sales"})
    assert fit(frame, columns=columns).predict().columns == ["shop", "when", "cutoff", *LSTM]
    back = Forecaster(HORIZON, columns=columns).backtest(frame, windows=2)
    assert back.columns == ["shop", "when", "cutoff", "sales", *LSTM]


def test_a_single_series_needs_no_id() -> None:
    frame = waves(40).drop("unique_id")
    model = fit(frame)
    assert model.predict().columns == ["ds", "cutoff", *LSTM]
    assert model.update(pl.DataFrame({"ds": [40], "y": [2.0]})).predict()["ds"].to_list() == [
        41,
        42,
        43,
    ]


def test_ids_may_be_integers() -> None:
    frame = two_series(range(40), (7, -3)).astype({"unique_id": np.int16})
    for given in (frame, pl.from_pandas(frame)):
        answer = fit(given).predict()
        assert list(answer["unique_id"]) == [7] * HORIZON + [-3] * HORIZON
        assert answer["unique_id"].dtype == given["unique_id"].dtype


def test_dates_of_the_standard_library_are_given_back() -> None:
    days = [dt.date(2024, 2, 1) + dt.timedelta(days=day) for day in range(30)]
    answer = fit(pl.DataFrame({"ds": days, "y": [float(day.day) for day in days]})).predict()
    assert answer["ds"].to_list() == [dt.date(2024, 3, 2 + day) for day in range(3)]
    assert answer["cutoff"].to_list() == [dt.date(2024, 3, 1)] * 3
    assert answer["ds"].dtype == answer["cutoff"].dtype == pl.Date


def test_a_day_of_23_hours_is_a_day() -> None:
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    days = [dt.datetime(2024, 3, 1 + day, tzinfo=zone) for day in range(29)]  # up to the 29th
    frame = pl.DataFrame({"ds": days, "y": np.arange(29.0)})
    expected = [dt.datetime(2024, 3, day, tzinfo=zone) for day in (30, 31)]
    expected.append(dt.datetime(2024, 4, 1, tzinfo=zone))
    assert fit(frame).predict()["ds"].to_list() == expected


def test_mixed_rows_of_several_series_are_sorted_out() -> None:
    frame = waves(40, 40)
    mixed = frame.sort("ds", maintain_order=True)
    assert fit(mixed).predict().equals(fit(frame).predict())


def test_another_library_may_bring_the_rows_to_forecast_from() -> None:
    frame = waves(40, 40)
    model = fit(frame)
    answer = model.predict(frame.to_pandas())
    assert isinstance(answer, pd.DataFrame)
    assert np.array_equal(answer["LSTM"], model.predict()["LSTM"].to_numpy())
    model.update(pd.DataFrame({"unique_id": ["s0"], "ds": [40], "y": [20.0]}))
    assert isinstance(model.predict(), pl.DataFrame)


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
def test_quantiles_rise_and_intervals_are_nested(decoder: str) -> None:
    levels = (10, 50, 80, 95, 99)
    model = Forecaster(HORIZON, decoder=decoder, levels=levels, calibrate=True)
    answer = model.fit(waves(60, 50)).predict()
    order = [f"LSTM-lo-{level}" for level in reversed(levels)] + ["LSTM"]
    order += [f"LSTM-hi-{level}" for level in levels]
    values = answer.select(order).to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()
    assert (values[:, 0] < values[:, -1]).all()
