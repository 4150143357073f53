"""Lazy windows against windows cut by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate.data.columns import Columns
from cellstate.data.frames import to_panel
from cellstate.data.panel import Panel
from cellstate.data.windows import Windows, gather_windows, split_windows
from cellstate.errors import InputError

COLUMNS = Columns(past="p", future="f", static="s")


def panel_of(*targets: list[float]) -> Panel:
    """Build series 0, 1, … whose covariates say where they come from."""
    rows = [
        {"unique_id": series, "ds": step, "y": value, "p": step, "f": 100 + step, "s": series}
        for series, target in enumerate(targets)
        for step, value in enumerate(target)
    ]
    return to_panel(pl.DataFrame(rows, infer_schema_length=None), COLUMNS, 1)


def cut_by_hand(panel: Panel, context: int, horizon: int, **options: int) -> list[tuple[int, int]]:
    found = []
    stride, last = options.get("stride", 1), options.get("last", 10**9)
    for series in range(len(panel)):
        target = panel.target[panel.rows(series)]
        cutoffs = list(range(len(target) - horizon, 0, -stride))
        useful = [
            cutoff
            for cutoff in cutoffs
            if not np.isnan(target[max(0, cutoff - context) : cutoff]).all()
            and not np.isnan(target[cutoff : cutoff + horizon]).all()
        ]
        found.extend((series, cutoff) for cutoff in sorted(useful[:last]))
    return found


values = st.one_of(st.floats(-1e6, 1e6, allow_nan=False), st.just(float("nan")))


@settings(max_examples=80, deadline=None)
@given(
    targets=st.lists(st.lists(values, min_size=1, max_size=12), min_size=1, max_size=4),
    context=st.integers(1, 5),
    horizon=st.integers(1, 4),
    stride=st.integers(1, 3),
    last=st.integers(1, 5),
)
def test_windows_are_those_cut_by_hand(
    targets: list, context: int, horizon: int, stride: int, last: int
) -> None:
    panel = panel_of(*targets)
    expected = cut_by_hand(panel, context, horizon, stride=stride, last=last)
    if not expected:
        with pytest.raises(InputError, match="must leave a series at least one observed step"):
            Windows(panel, context, horizon, stride=stride, last=last)
        return
    windows = Windows(panel, context, horizon, stride=stride, last=last)
    everything = np.arange(len(windows))
    found = zip(windows.series(everything), windows.cutoffs(everything), strict=True)
    assert [(int(series), int(cutoff)) for series, cutoff in found] == expected
    batch = windows.gather(everything)
    for row, (series, cutoff) in enumerate(expected):
        target = np.asarray(targets[series], dtype=float)
        padding = np.full(max(0, context - cutoff), np.nan)
        before = np.concatenate([padding, target[max(0, cutoff - context) : cutoff]])
        after = target[cutoff : cutoff + horizon]
        assert np.array_equal(batch["context"][row], before, equal_nan=True)
        assert np.array_equal(batch["target"][row], after, equal_nan=True)
        steps = np.arange(cutoff - context, cutoff + horizon, dtype=float)
        steps[steps < 0] = np.nan
        assert np.array_equal(batch["past"][row, :, 0], steps[:context], equal_nan=True)
        assert np.array_equal(batch["future"][row, :, 0], 100 + steps, equal_nan=True)
        assert batch["static"][row, 0] == series
    assert np.array_equal(batch["context_mask"], ~np.isnan(batch["context"]))
    assert np.array_equal(batch["target_mask"], ~np.isnan(batch["target"]))


def test_targets_stay_between_their_bounds_and_contexts_reach_back() -> None:
    windows = Windows(panel_of(list(range(10))), 4, 2, target_from=5, target_until=8)
    batch = windows.gather(np.arange(len(windows)))
    assert batch["target"].tolist() == [[5, 6], [6, 7]]
    assert batch["context"].tolist() == [[1, 2, 3, 4], [2, 3, 4, 5]]


def test_bounds_may_differ_by_series() -> None:
    windows = Windows(panel_of([0] * 6, [0] * 6), 1, 1, target_from=np.array([5, 3]))
    assert windows.counts.tolist() == [1, 3]


def test_partial_windows_reach_past_the_end() -> None:
    windows = Windows(panel_of([1, 2, 3]), 2, 2, partial=True)
    batch = windows.gather(np.arange(len(windows)))
    assert np.array_equal(batch["target"], [[2, 3], [3, np.nan]], equal_nan=True)


def test_gather_windows_takes_the_very_end_of_a_series() -> None:
    batch = gather_windows(panel_of([1, 2, 3], [4]), np.array([0, 1]), np.array([3, 1]), 2, 1)
    assert np.array_equal(batch["context"], [[2, 3], [np.nan, 4]], equal_nan=True)
    assert np.isnan(batch["target"]).all()
    assert not batch["target_mask"].any()


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 14), min_size=1, max_size=4),
    horizon=st.integers(1, 3),
    validation=st.integers(1, 6),
)
def test_training_never_sees_a_validation_step(
    lengths: list[int], horizon: int, validation: int
) -> None:
    panel = panel_of(*([1.0] * length for length in lengths))
    if max(lengths) <= horizon:
        return
    train, valid = split_windows(panel, 3, horizon, validation)
    seen = train.gather(np.arange(len(train)))
    held = np.maximum(validation, horizon)
    long_enough = np.array(lengths) - held > horizon
    until = np.where(long_enough, np.array(lengths) - held, lengths)
    assert (seen["cutoff"] + horizon <= until[seen["series"]]).all()
    if valid is None:
        assert not long_enough.any()
        return
    held_out = valid.gather(np.arange(len(valid)))
    assert set(held_out["series"]) == set(np.flatnonzero(long_enough))
    assert (held_out["cutoff"] >= until[held_out["series"]]).all()
    assert (valid.counts[long_enough] == held - horizon + 1).all()


def test_sampling_is_even_over_windows_or_over_series() -> None:
    windows = Windows(panel_of([1.0] * 21, [1.0] * 6), 2, 1)
    assert windows.counts.tolist() == [20, 5]
    rng = np.random.default_rng(0)
    by_window = windows.series(windows.sample(rng, 4000))
    by_series = windows.series(windows.sample(rng, 4000, "series"))
    by_weight = windows.series(windows.sample(rng, 4000, np.array([3.0, 1.0])))
    assert by_window.mean() == pytest.approx(0.2, abs=0.03)
    assert by_series.mean() == pytest.approx(0.5, abs=0.03)
    assert by_weight.mean() == pytest.approx(0.25, abs=0.03)


def test_sampling_reaches_every_window() -> None:
    windows = Windows(panel_of([1.0] * 5, [1.0] * 3), 2, 1)
    drawn = windows.sample(np.random.default_rng(0), 500, "series")
    assert set(drawn.tolist()) == set(range(len(windows)))


def test_many_windows_take_little_memory() -> None:
    windows = Windows(panel_of([1.0] * 3000), 500, 100)
    assert windows.gather(windows.sample(np.random.default_rng(0), 8))["context"].shape == (8, 500)
    assert windows.cutoffs(np.arange(len(windows))).nbytes == 8 * 2900


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 0}, "Windows: context must be 1 or more; got 0. Give an integer."),
        ({"horizon": -2}, "horizon must be 1 or more; got -2"),
        ({"stride": 0}, "stride must be 1 or more; got 0"),
        ({"context": 2.5}, "context must be 1 or more; got 2.5"),
        ({"horizon": 9}, "horizon=9 must leave .* in it; got series of at most 9 steps"),
    ],
)
def test_bad_windows_are_refused(options: dict, message: str) -> None:
    arguments = {"context": 2, "horizon": 1} | options
    with pytest.raises(InputError, match=message):
        Windows(panel_of([1.0] * 9), **arguments)
