"""Backtests: models of the past, that know nothing of what they forecast."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cellstate.errors import FrameError, InputError, NotFittedError
from cellstate.tasks.forecast.forecaster import Forecaster
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import HORIZON, forecaster, waves

LENGTHS = (50, 42)
Give = Callable[[str], Forecaster]


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return waves(*LENGTHS).with_columns(pl.col("y") - waves(*LENGTHS)["y"].min())


def without_last(frame: pl.DataFrame, steps: int) -> pl.DataFrame:
    place, length = pl.int_range(pl.len()).over("unique_id"), pl.len().over("unique_id")
    return frame.filter(place < length - steps)


def forecasts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.exclude("y"))


@pytest.mark.parametrize("kind", ["direct", "student_t"])
def test_a_backtest_with_refits_is_a_fit_before_each_cutoff(kind: str, frame: pl.DataFrame) -> None:
    answer = forecaster(kind).backtest(frame, windows=2, stride=3, refit=True)
    by_hand = [
        forecaster(kind).fit(without_last(frame, HORIZON + behind)).predict() for behind in (3, 0)
    ]
    assert_frame_equal(forecasts(answer), pl.concat(by_hand), check_exact=True)


@pytest.mark.parametrize("kind", ["direct", "student_t"])
def test_a_backtest_without_refits_is_one_fit_and_updates(kind: str, frame: pl.DataFrame) -> None:
    answer = forecaster(kind).backtest(frame, windows=2, stride=3)
    model = forecaster(kind).fit(without_last(frame, HORIZON + 3))
    first = model.predict()
    known = without_last(frame, HORIZON + 3).select("unique_id", "ds", known=True)
    new = without_last(frame, HORIZON).join(known, on=["unique_id", "ds"], how="anti")
    second = model.update(new).predict()
    assert_frame_equal(forecasts(answer), pl.concat([first, second]), check_exact=True)


@pytest.mark.parametrize("refit", [False, True])
def test_no_future_value_reaches_a_backtest(refit: bool, frame: pl.DataFrame) -> None:
    place, length = pl.int_range(pl.len()).over("unique_id"), pl.len().over("unique_id")
    late = place >= length - HORIZON
    other = frame.with_columns(y=pl.when(late).then(pl.col("y") * 9 + 500).otherwise(pl.col("y")))
    one = forecaster("direct").backtest(frame, windows=2, refit=refit)
    two = forecaster("direct").backtest(other, windows=2, refit=refit)
    assert_frame_equal(forecasts(one), forecasts(two), check_exact=True)
    assert not one["y"].equals(two["y"])


@pytest.mark.usefixtures("untrained")
def test_the_truth_stands_beside_the_forecast(frame: pl.DataFrame) -> None:
    answer = forecaster("direct").backtest(frame, windows=3, stride=2)
    assert answer.columns[:5] == ["unique_id", "ds", "cutoff", "y", "LSTM"]
    assert len(answer) == 3 * 2 * HORIZON
    joined = answer.join(frame, on=["unique_id", "ds"], how="left", maintain_order="left")
    assert joined["y"].to_list() == joined["y_right"].to_list()
    assert (answer["ds"] > answer["cutoff"]).all()
    cutoffs = answer.group_by("unique_id", maintain_order=True).agg(pl.col("cutoff").unique())
    assert cutoffs["cutoff"].list.sort().to_list() == [
        [length - 1 - HORIZON - behind for behind in (4, 2, 0)] for length in LENGTHS
    ]


@pytest.mark.usefixtures("untrained")
def test_a_missing_truth_is_given_back_as_missing(frame: pl.DataFrame) -> None:
    holed = frame.with_columns(y=pl.when(pl.col("ds") == 48).then(None).otherwise(pl.col("y")))
    answer = forecaster("direct").backtest(holed, windows=1)
    missing = answer.filter(pl.col("ds") == 48)["y"]
    assert (missing.is_null() | missing.is_nan()).all()
    assert np.isfinite(samples.values_of(answer)).all()


@pytest.mark.usefixtures("untrained")
def test_the_estimator_is_left_as_it_was(frame: pl.DataFrame, surfer: Give) -> None:
    new = forecaster("direct")
    new.backtest(frame, windows=1)
    with pytest.raises(NotFittedError):
        new.predict()
    model = surfer("direct")
    before = model.predict()
    parts = dict(vars(model))
    model.backtest(frame, windows=2, refit=True)
    assert vars(model) == parts
    assert_frame_equal(model.predict(), before, check_exact=True)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("kind", ["direct", "student_t"])
def test_covariates_of_the_forecast_steps_are_used(kind: str, shops: pl.DataFrame) -> None:
    model = forecaster(kind, columns=samples.columns_of(kind))
    long = shops.filter(pl.col("unique_id") != "late")
    answer = model.backtest(long, windows=2)
    assert np.isfinite(samples.values_of(answer)).all()
    other = model.backtest(long.with_columns(promotion=1 - pl.col("promotion")), windows=2)
    assert not np.array_equal(samples.values_of(other), samples.values_of(answer))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"windows": 0}, "windows must be a whole number of at least 1; got 0"),
        ({"windows": 2.0}, "windows must be a whole number of at least 1; got 2.0"),
        ({"stride": 0}, "stride must be a whole number of at least 1; got 0"),
        ({"stride": "day"}, "stride must be a whole number of at least 1; got 'day'"),
        ({"windows": 20}, "every series must be longer than .* got one of 42"),
        ({"windows": 1, "stride": 90}, None),
    ],
)
@pytest.mark.usefixtures("untrained")
def test_options_out_of_range_are_refused(
    options: dict[str, int], error: str | None, frame: pl.DataFrame
) -> None:
    if error is None:
        assert len(forecaster("direct").backtest(frame, **options)) == 2 * HORIZON
        return
    with pytest.raises(InputError, match=error):
        forecaster("direct").backtest(frame, **options)


def test_what_fit_refuses_a_backtest_refuses_too(frame: pl.DataFrame) -> None:
    nothing = frame.with_columns(y=pl.lit(None, pl.Float64))
    with pytest.raises(FrameError, match="must have observed values"):
        forecaster("direct").backtest(nothing)
    with pytest.raises(InputError, match="needs counts"):
        forecaster("negative_binomial").backtest(frame)
    with pytest.raises(InputError, match="no longer than the longest series"):
        forecaster("direct", context=49).backtest(frame, windows=1)
    with pytest.raises(InputError, match="horizon must be a whole number"):
        forecaster("direct", horizon=0).backtest(frame)
