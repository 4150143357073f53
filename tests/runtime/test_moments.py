"""Times of events: every way to say one gives the same microsecond, or is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate.errors import EventError
from cellstate.runtime.moments import LEAST, MOST, read_moment, show_moment

NOON = 1_714_564_800_000_000  # 2024-05-01T12:00:00Z
BERLIN = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    ("said", "micros"),
    [
        ("2024-05-01T12:00:00Z", NOON),
        ("2024-05-01 12:00z", NOON),
        ("2024-05-01t12:00:00.000001Z", NOON + 1),
        ("2024-05-01T12:00:00,5+00:00", NOON + 500_000),
        ("2024-05-01T14:00:00.250000000+02:00", NOON + 250_000),
        ("2024-05-01T14:00:00+0200", NOON),
        ("2024-05-01T14:00:00+02", NOON),
        ("2024-04-30T23:30:00-12:30", NOON),
        ("0001-01-01T00:00:00Z", LEAST),
        ("9999-12-31T23:59:59.999999Z", MOST),
        (dt.datetime(2024, 5, 1, 14, tzinfo=BERLIN), NOON),
        (dt.datetime(1, 1, 1, tzinfo=dt.UTC), LEAST),
        (dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, dt.UTC), MOST),
        (pd.Timestamp("2024-05-01T12:00:00.000001Z"), NOON + 1),
        (np.datetime64("2024-05-01T12"), NOON),
        (np.datetime64("2024-05-01T12:00:00.000001"), NOON + 1),
        (np.datetime64("2024-05-01T12:00:00.000001000"), NOON + 1),
        (np.datetime64("2024", "Y"), 1_704_067_200_000_000),
        (np.datetime64("0001", "Y"), LEAST),
        (1_714_564_800, NOON),
        (np.int32(17), 17_000_000),
        (1_714_564_800.000001, NOON + 1),
        (np.float32(0.5), 500_000),
        (-0.25, -250_000),
        (0.1 + 0.2, 300_000),
        (LEAST // 1_000_000, LEAST),
        (MOST // 1_000_000, MOST - 999_999),
    ],
)
def test_a_moment_is_read_exactly(said: Any, micros: int) -> None:
    assert read_moment(said) == micros


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("2024-05-01T12:00:00", "must name its zone; got one without"),
        ("2024-05-01", "must be ISO 8601; got another text"),
        ("1714564800", "must be ISO 8601"),
        ("2024-W18-3T12:00:00Z", "must be ISO 8601"),
        ("20240501T120000Z", "must be ISO 8601"),
        ("٢٠٢٤-05-01T12:00:00Z", "must be ISO 8601"),
        ("2024-05-01T12:00:00Z ", "must be ISO 8601"),
        ("2024-05-01T12:00:00Z\n", "must be ISO 8601"),
        ("2024-05-01T12:00:00.0000001Z", "whole number of microseconds; got a finer one"),
        ("2023-02-29T12:00:00Z", "one that the calendar has"),
        ("2024-05-01T12:00:60Z", "one that the calendar has"),
        ("2024-05-01T12:00:00+99:00", "one that the calendar has"),
        ("0000-05-01T12:00:00Z", "one that the calendar has"),
        ("0001-01-01T00:00:00+01:00", "in the years 1 to 9999"),
        ("9999-12-31T23:59:59-01:00", "in the years 1 to 9999"),
        (dt.datetime(2024, 5, 1), "must name its zone"),
        (dt.date(2024, 5, 1), "got date"),
        (pd.Timestamp("2024-05-01T12:00:00.000000001Z"), "got a finer one"),
        (np.datetime64("NaT"), "must be known; got NaT"),
        (np.datetime64("2024-05-01T12:00:00.000000001"), "whole number of microseconds"),
        (np.datetime64(10**15, "Y"), "in the years 1 to 9999"),
        (np.datetime64(-(10**14), "D"), "in the years 1 to 9999"),
        (np.datetime64("10000", "Y"), "in the years 1 to 9999"),
        (float("nan"), "must be finite"),
        (float("inf"), "must be finite"),
        (-np.inf, "must be finite"),
        (1e300, "in the years 1 to 9999"),
        (10**400, "in the years 1 to 9999"),
        (True, "got bool"),
        (np.True_, "got bool"),
        (None, "got NoneType"),
        ([1], "got list"),
        (1 + 0j, "got complex"),
        (b"2024-05-01T12:00:00Z", "got bytes"),
    ],
)
def test_what_is_no_moment_is_refused(said: Any, message: str) -> None:
    with pytest.raises(EventError, match=message) as caught:
        read_moment(said)
    assert "12:00" not in str(caught.value).replace("2024-05-01T12:00:00Z, or", "")


@given(st.integers(LEAST, MOST))
def test_what_is_shown_is_read_back(micros: int) -> None:
    assert read_moment(show_moment(micros)) == micros
    assert read_moment(np.datetime64(micros, "us")) == micros
    shifted = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)
    assert read_moment(shifted) == micros


@given(st.integers(-(2**32) * 10**6, 2**32 * 10**6))
def test_seconds_as_a_float_are_taken_to_the_nearest_microsecond(micros: int) -> None:
    assert read_moment(micros / 10**6) == micros
