"""Panels grow by new rows as if they had been read at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate.data.columns import Columns
from cellstate.data.frames import to_panel
from cellstate.data.growth import append
from cellstate.data.panel import Panel
from cellstate.errors import FrameError

COLUMNS = Columns(past="p", static="s", calendar="dayofweek")


def frame(ids: list[str], steps: list[int]) -> pd.DataFrame:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(steps, unit="D")
    return pd.DataFrame(
        {"unique_id": ids, "ds": days, "y": np.arange(len(ids), dtype=float), "p": steps, "s": 1}
    )


def assert_same(one: Panel, other: Panel) -> None:
    for field in dataclasses.fields(Panel):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            assert np.array_equal(left, right, equal_nan=left.dtype.kind == "f"), field.name
        else:
            assert left == right, field.name


@settings(max_examples=40, deadline=None)
@given(
    series=st.lists(
        st.tuples(st.sampled_from([(), (0, 1)]), st.sets(st.integers(2, 11), max_size=3)),
        min_size=1,
        max_size=3,
    ),
    split=st.integers(2, 12),
)
def test_appending_equals_reading_at_once(
    series: list[tuple[tuple[int, ...], set[int]]], split: int
) -> None:
    # Two neighbours at each end: a series that is regular but coarser would be refused.
    steps = [sorted({*begin, *between, 12, 13}) for begin, between in series]
    rows = [(f"s{name}", step) for name, own in enumerate(steps) for step in own]
    whole = frame([name for name, _ in rows], [step for _, step in rows])
    # Rows of the first part come first, so that series appear in the same order.
    early = np.array([step < split for _, step in rows])
    if early.all() or not early.any():
        return
    whole = pd.concat([whole[early], whole[~early]])
    first = to_panel(whole[: early.sum()], COLUMNS, "D")
    second = to_panel(whole[early.sum() :], COLUMNS, "D")
    expected = to_panel(whole, COLUMNS, "D")
    assert_same(append(first, second), expected)


def test_tail_keeps_the_last_rows_and_head_the_first() -> None:
    panel = to_panel(frame(["a"] * 4 + ["b"] * 2, [0, 1, 2, 3, 0, 1]), COLUMNS)
    assert panel.tail(3).target.tolist() == [1, 2, 3, 4, 5]
    assert panel.head(-1).target.tolist() == [0, 1, 2, 4]
    assert panel.head(np.array([0, 2])).ids == ("b",)
    assert panel.select([1, 0]).target.tolist() == [4, 5, 0, 1, 2, 3]
    assert append(panel.head(-1), panel.tail(1)).target.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([1], r"'a' must come after 2024-01-03.*; got 2024-01-02.* Leave out rows"),
        ([2], "Leave out rows that are known already"),
        ([2.5], "by whole periods of 'D'; got 2024-01-03T12.* Correct the time stamp"),
    ],
)
def test_rows_that_do_not_follow_are_refused(steps: list[float], message: str) -> None:
    panel = to_panel(frame(["a"] * 3, [0, 1, 2]), COLUMNS)
    with pytest.raises(FrameError, match=message):
        append(panel, to_panel(frame(["a"], steps), COLUMNS, "D"))
