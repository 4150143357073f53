"""Frequencies against pandas."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate.data.aliases import parse
from cellstate.data.frequency import Frequency
from cellstate.data.inference import infer_frequency
from cellstate.errors import FrameError, InputError

ALIASES = ["us", "15ms", "s", "min", "15min", "h", "6h", "D", "2D", "W", "B"]
MONTHLY = ["MS", "ME", "2MS", "QS", "QE", "YS", "YE", "2YE"]


def stamps(start: str, periods: int, alias: str) -> np.ndarray:
    return pd.date_range(start, periods=periods, freq=alias).to_numpy().astype("datetime64[us]")


@pytest.mark.parametrize("alias", [*ALIASES, *MONTHLY])
def test_advance_gives_the_stamps_that_pandas_gives(alias: str) -> None:
    expected = stamps("2019-11-30 06:00", 40, alias)
    frequency = Frequency.of(alias)
    assert np.array_equal(frequency.advance(expected[0], 39), expected[1:])


@pytest.mark.parametrize("alias", [*ALIASES, *MONTHLY])
def test_frequency_is_inferred_and_its_name_reads_back(alias: str) -> None:
    times = stamps("2019-11-30 06:00", 40, alias)
    frequency = infer_frequency(times, np.array([0, len(times)]))
    assert frequency == Frequency.of(alias)
    assert Frequency.of(frequency.name) == frequency
    assert frequency.name == alias


@settings(max_examples=150, deadline=None)
@given(
    alias=st.sampled_from([*ALIASES, *MONTHLY]),
    start=st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2080, 1, 1)),
    periods=st.integers(-60, 60),
)
def test_periods_undo_shift(alias: str, start: dt.datetime, periods: int) -> None:
    frequency = Frequency.of(alias)
    first = stamps(start.isoformat(), 1, alias)[0]
    moved = frequency.shift(first, periods)
    assert frequency.periods(first, moved) == periods
    assert moved.astype(object) == expected_shift(first, alias, periods)


def expected_shift(first: np.datetime64, alias: str, periods: int) -> dt.datetime:
    moved = pd.Timestamp(first) + periods * pd.tseries.frequencies.to_offset(alias)
    return moved.to_pydatetime()


@settings(max_examples=100, deadline=None)
@given(
    alias=st.sampled_from(["h", "D", "W", "MS", "ME", "QS", "YE"]),
    gaps=st.sets(st.integers(1, 38), max_size=6),
)
def test_gaps_do_not_change_the_inferred_frequency(alias: str, gaps: set[int]) -> None:
    times = np.delete(stamps("2018-03-31", 40, alias), sorted(gaps))
    assert infer_frequency(times, np.array([0, len(times)])) == Frequency.of(alias)


def test_series_of_different_start_share_one_frequency() -> None:
    times = np.concatenate([stamps("2020-01-06", 5, "7D"), stamps("2021-03-03", 4, "7D")])
    assert infer_frequency(times, np.array([0, 5, 9])).name == "W"


def test_last_day_of_a_month_moves_to_the_last_day_of_a_shorter_one() -> None:
    start = np.datetime64("2024-01-31", "us")
    moved = Frequency.of("MS").shift(start, np.array([1, 2]))
    assert moved.astype("datetime64[D]").astype(str).tolist() == ["2024-02-29", "2024-03-31"]


def test_daily_stamps_within_one_week_are_no_business_days() -> None:
    times = stamps("2024-05-06", 5, "D")  # Monday to Friday
    assert infer_frequency(times, np.array([0, 5])).name == "D"


def test_integers_keep_their_step() -> None:
    frequency = infer_frequency(np.array([0, 10, 20, 40]), np.array([0, 4]))
    assert frequency.name == "10"
    assert Frequency.of("10") == frequency == Frequency.of(10)
    assert frequency.advance(40, 2).tolist() == [50, 60]


@pytest.mark.parametrize(
    ("alias", "season"),
    [
        ("h", 24), ("2h", 12), ("15min", 96), ("min", 1440), ("s", 1), ("D", 7), ("2D", 1),
        ("W", 52), ("B", 5), ("MS", 12), ("ME", 12), ("QS", 4), ("YE", 1), ("5MS", 1), (1, 1),
    ],
)  # fmt: skip
def test_season_is_the_usual_one(alias: str | int, season: int) -> None:
    assert Frequency.of(alias).season() == season


@pytest.mark.parametrize(
    ("given_alias", "same_as"),
    [("H", "h"), ("T", "min"), ("M", "ME"), ("1mo", "MS"), ("1d", "D"), ("15m", "15min"),
     ("W-MON", "W"), ("QS-OCT", "QS"), ("14D", "2W"), ("60min", "h"),
     (dt.timedelta(hours=2), "2h"), (np.timedelta64(7, "D"), "W"), ("7", 7)],
)  # fmt: skip
def test_other_spellings_mean_the_same(given_alias: object, same_as: object) -> None:
    assert Frequency.of(given_alias) == Frequency.of(same_as)


@pytest.mark.parametrize("bad", ["", "hourly", "0D", "-1", 0, -3, True, 1.5, None, dt.timedelta(0)])
def test_bad_frequencies_are_refused_in_three_sentences(bad: object) -> None:
    with pytest.raises(
        InputError, match=r"frequency: must be an alias .*; got .*\. .*Leave it out"
    ):
        parse(bad)


def test_one_stamp_a_series_leaves_nothing_to_infer() -> None:
    with pytest.raises(FrameError, match="two time stamps; got 2 series of one stamp"):
        infer_frequency(np.array([1, 1]), np.array([0, 1, 2]))
