"""Axes, dates, numbers and thinning: what the pictures stand on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cellstate.inspector.plot import formats, thin
from cellstate.inspector.plot.axis import number_axis, time_axis
from cellstate.inspector.plot.calendar import round_times

ANY_FLOATS = hnp.arrays(np.float64, st.integers(0, 12), elements=st.floats(width=64))


@given(values=ANY_FLOATS, log=st.booleans(), count=st.integers(1, 12))
def test_an_axis_holds_every_finite_value_and_its_ticks(values, log, count):
    axis = number_axis(values, log=log)
    places = axis.place(values)
    drawn = np.isfinite(values) & (np.abs(values) < 1e300)
    if axis.log:
        drawn &= values > 0
    assert (places[drawn] >= -1e-6).all()
    assert (places[drawn] <= 1 + 1e-6).all()
    ticks = axis.ticks(count)
    assert len(ticks) <= 4 * count + 4
    assert all(-1e-6 <= tick.place <= 1 + 1e-6 for tick in ticks)
    assert [tick.place for tick in ticks] == sorted(tick.place for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 10, ["0", "2.5", "5", "7.5", "10"]),
        (-1, 1, ["−1", "−0.5", "0", "0.5", "1"]),
        (0, 4e6, ["0", "1M", "2M", "3M", "4M"]),
        (0, 4e12, ["0", "1e12", "2e12", "3e12", "4e12"]),
    ],
)
def test_ticks_stand_at_round_numbers(low, high, labels):
    axis = number_axis(np.array([low, high]), margin=0)
    assert [tick.label for tick in axis.ticks(4)] == labels


def test_a_logarithmic_axis_has_its_ticks_at_powers_of_ten():
    axis = number_axis(np.array([1e-4, 1.0, 50.0]), log=True)
    assert [tick.label for tick in axis.ticks(6)] == ["1e-4", "0.001", "0.01", "0.1", "1", "10"]


def test_a_logarithmic_axis_without_a_positive_value_is_linear():
    assert not number_axis(np.array([-1.0, 0.0]), log=True).log


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("1958-03-29", "2001-12-29", ["1960", "1970", "1980", "1990", "2000"]),
        ("2003-11-01", "2004-04-01", ["Nov 2003", "Dec", "Jan 2004", "Feb", "Mar", "Apr"]),
        ("2024-03-01", "2024-03-05", ["1 Mar 2024", "2 Mar", "3 Mar", "4 Mar", "5 Mar"]),
        ("2024-02-26", "2024-03-25", ["26 Feb 2024", "4 Mar", "11 Mar", "18 Mar", "25 Mar"]),
        (
            "2024-03-01T00",
            "2024-03-01T12",
            ["00:00 1 Mar 2024", "03:00", "06:00", "09:00", "12:00"],
        ),
        (
            "2024-03-01T23:59:58",
            "2024-03-02T00:00:01",
            ["23:59:58 1 Mar 2024", "23:59:59", "00:00:00 2 Mar 2024", "00:00:01"],
        ),
    ],
)
def test_ticks_stand_at_round_dates(first, last, expected):
    axis = time_axis(np.array([first, last], "datetime64[s]"))
    ticks = axis.ticks(6 if "2003" in first else 5)
    assert [f"{tick.label} {tick.context}".strip() for tick in ticks] == expected


@given(low=st.floats(-1e13, 1e13), span=st.floats(1e-3, 1e13), count=st.integers(2, 12))
def test_any_stretch_of_time_has_few_ticks_in_order(low, span, count):
    ticks = round_times(low, low + span, count)
    assert len(ticks) <= 2 * count + 2
    moments = [moment for moment, _, _ in ticks]
    assert moments == sorted(set(moments))


def test_not_a_time_is_missing():
    axis = time_axis(np.array(["2024-01-01", "NaT", "2024-01-03"], "datetime64[D]"))
    places = axis.place(np.array(["2024-01-02", "NaT"], "datetime64[D]"))
    assert places[0] == pytest.approx(0.5)
    assert np.isnan(places[1])


@given(value=st.floats())
def test_every_number_has_a_short_text(value):
    assert 0 < len(formats.number(value)) <= 13
    assert formats.number(value, 3).isprintable()


@given(values=st.lists(st.floats(width=32) | st.none() | st.booleans() | st.text(max_size=3)))
def test_a_column_has_a_text_for_every_cell(values):
    assert len(formats.column(values)) == len(values)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (["2004", "2005"], ["2004", "2005"]),
        (["2004-01-01", "2004-02-01"], ["Jan 2004", "Feb 2004"]),
        (["2004-02-29", "2004-03-01"], ["Sun 29 Feb 2004", "Mon 1 Mar 2004"]),
        (
            ["2004-03-01T00:00", "NaT", "2004-03-01T00:30"],
            ["Mon 1 Mar 2004, 00:00", "–", "Mon 1 Mar 2004, 00:30"],
        ),
        (["0001-01-01T00:00:01"], ["Mon 1 Jan 1, 00:00:01"]),
    ],
)
def test_times_are_told_as_coarsely_as_they_can_be(times, words):
    assert formats.stamps(np.array(times, "datetime64[s]")) == words


@given(
    values=hnp.arrays(np.float64, st.integers(0, 300), elements=st.floats(-9, 9) | st.just(np.nan)),
    limit=st.integers(2, 50),
)
def test_thinning_keeps_ends_and_extremes(values, limit):
    kept = thin.keep_extremes([values], limit)
    assert len(kept) <= limit + 2
    assert (np.diff(kept) > 0).all()
    if len(values):
        assert kept[0] == 0
        assert kept[-1] == len(values) - 1
    if np.isfinite(values).any():
        assert np.nanmax(values[kept]) == np.nanmax(values)
        assert np.nanmin(values[kept]) == np.nanmin(values)


def test_pooling_ignores_what_is_missing():
    cells = np.array([[1.0, np.nan, np.nan, np.nan]])
    pooled = thin.pool(cells, 1, 2)
    assert pooled[0, 0] == 1.0
    assert np.isnan(pooled[0, 1])
