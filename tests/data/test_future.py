"""Covariates of the steps to forecast."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from cellstate.data.calendar import calendar_values
from cellstate.data.columns import Columns
from cellstate.data.frames import to_panel
from cellstate.data.future import future_values
from cellstate.errors import FrameError

HISTORY = pl.DataFrame(
    {"unique_id": ["b", "b", "a", "a"], "ds": [1, 2, 5, 6], "y": [1.0, 2, 3, 4], "f": [0, 0, 0, 0]}
)
FUTURE = pl.DataFrame(
    {"unique_id": ["a"] * 3 + ["b"] * 3, "ds": [7, 8, 9, 2, 3, 4], "f": [7, 8, 9, 2, 3, 4]}
)


def test_rows_are_found_by_series_and_stamp() -> None:
    panel = to_panel(HISTORY, Columns(future="f"))
    assert future_values(panel, FUTURE, 2)[:, :, 0].tolist() == [[3, 4], [7, 8]]


def test_calendar_needs_no_frame() -> None:
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 5), eager=True)
    panel = to_panel(pl.DataFrame({"ds": days, "y": range(5)}), Columns(calendar="auto"))
    values = future_values(panel, None, 3)
    assert np.array_equal(values, calendar_values(panel.next_times(3), panel.calendar))


def test_a_single_series_needs_no_id() -> None:
    panel = to_panel(HISTORY.drop("unique_id")[:2], Columns(future="f"))
    assert future_values(panel, pl.DataFrame({"ds": [3], "f": [9]}), 1).tolist() == [[[9]]]


@pytest.mark.parametrize(
    ("frame", "horizon", "message"),
    [
        (None, 1, r"'f' must be known for the steps to forecast; got no future frame\. Give"),
        (FUTURE[:3], 1, r"must hold the series 'b'; got ids such as 'a'"),
        (FUTURE, 4, r"must hold 5 of the series 'b'; got 2 to 4\. Add its rows"),
        (FUTURE.drop("f"), 1, "must have the future column 'f'"),
    ],
)
def test_incomplete_futures_are_refused(frame: object, horizon: int, message: str) -> None:
    panel = to_panel(HISTORY, Columns(future="f"))
    with pytest.raises(FrameError, match=message):
        future_values(panel, frame, horizon)
