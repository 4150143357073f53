"""Wide time tables become events."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cellstate.data.health.events import read_events
from cellstate.data.health.left_out import LeftOutWarning
from cellstate.data.health.wide import read_wide
from cellstate.errors import FrameError

WIDE = {
    "stay": ["b", "a", "a", "b"],
    "hour": [0.0, 1.0, 0.0, 0.0],
    "HR": [80.0, None, 70.0, 81.0],
    "Temp": [None, 37.0, 36.0, None],
    "Age": [50, 61, 61, 50],
}
OPTIONS = {"subject": "stay", "time": "hour", "static": ["Age"]}


def listed(events) -> list[tuple]:
    columns = events.left_out.listed()
    return list(zip(columns["row"].tolist(), columns["reason"].tolist(), strict=True))


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
def test_wide_table_gives_the_events_of_its_long_form(make) -> None:
    events = read_wide(make(WIDE), **OPTIONS)
    long = read_events(
        pl.DataFrame(
            [
                ("a", None, "Age", 61), ("b", None, "Age", 50), ("b", 0.0, "HR", 80),
                ("a", 0.0, "HR", 70), ("b", 0.0, "HR", 81), ("a", 1.0, "Temp", 37),
                ("a", 0.0, "Temp", 36),
            ],
            schema=["subject_id", "time", "code", "numeric_value"],
            orient="row",
        )
    )  # fmt: skip
    assert events.codes == long.codes
    assert events.subjects.tolist() == long.subjects.tolist()
    for name in ("offsets", "hours", "code", "value"):
        np.testing.assert_array_equal(getattr(events, name), getattr(long, name))


def test_rows_left_out_are_those_of_the_wide_table() -> None:
    table = {
        "stay": ["a", "a", "a", None, "c", "a"],
        "hour": [0.0, 1.0, None, 2.0, 3.0, 0.0],
        "HR": [70.0, 999.0, 60.0, 60.0, None, 70.0],
        "Temp": [370.0, 37.0, None, None, None, None],
        "Age": [61, 62, 61, None, 40, 61],
    }
    with pytest.warns(LeftOutWarning) as caught:
        events = read_wide(pl.DataFrame(table), **OPTIONS)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert sorted(listed(events)) == [
        (1, "Temp outside 12 to 46 °C"),
        (2, "Age that differs within a subject"),
        (2, "HR outside 0 to 350 per minute"),
        (3, "HR without a time"),
        (4, "no subject"),
        (6, "duplicate event"),
    ]
    assert events.subjects.tolist() == ["a", "c"]
    assert events.value.tolist() == [61.0, 70.0, 37.0, 40.0]


def test_timestamps_are_taken_and_a_single_static_name_may_be_text() -> None:
    frame = pl.DataFrame({"subject_id": [1], "time": [datetime(1970, 1, 2)], "x": [1], "Age": [3]})
    events = read_wide(frame, static="Age")
    assert events.is_absolute
    assert events.hours.tolist() == [-np.inf, 24.0]


def test_table_of_static_columns_alone_is_taken() -> None:
    frame = pl.DataFrame({"subject_id": [1, 2], "time": [None, None], "Age": [3, 4]})
    assert read_wide(frame, static=["Age"]).value.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (WIDE, {}, "must have a column 'subject_id'"),
        (WIDE, {"subject": "stay", "time": "hours"}, "Did you mean 'hour'"),
        (WIDE, {**OPTIONS, "static": ["age"]}, "must have a column 'age'"),
        ({**WIDE, "HR": list("abcd")}, OPTIONS, "the column 'HR' must hold numbers"),
        ({"stay": [1], "hour": [1]}, {"subject": "stay", "time": "hour"}, "must have variables"),
        (5, {}, "must be a data frame with rows; got int"),
    ],
)
def test_bad_calls_are_answered(frame, options, message) -> None:
    with pytest.raises(FrameError, match=message):
        read_wide(pl.DataFrame(frame) if isinstance(frame, dict) else frame, **options)
