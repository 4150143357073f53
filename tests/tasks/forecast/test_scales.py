"""What brings series to a common scale, and looks only back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellstate.tasks.forecast.lags import CLIP, Lags
from cellstate.tasks.forecast.running_scale import RunningScale
from cellstate.tasks.forecast.scaling import from_log, prefers_log, to_log

NAN = float("nan")
observed = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.just(2)),
    elements=st.one_of(st.floats(-1e6, 1e6), st.just(NAN)),
)


def run(values: np.ndarray, memory: int) -> RunningScale:
    scale = RunningScale.start(values.shape[1])
    for y in values:
        scale = scale.observe(y, memory)
    return scale


def test_the_first_observations_weigh_the_same_and_later_ones_fade() -> None:
    """Levels 2, 3, 4 are means; then each observation moves a third of the way."""
    scale = RunningScale.start(1)
    levels, spreads = [], []
    for y in (2.0, 4.0, 6.0, 7.0):
        scale = scale.observe(np.array([y]), 3)
        levels.append(scale.level[0])
        spreads.append(scale.spread[0])
    assert levels == pytest.approx([2, 3, 4, 5])
    assert spreads == pytest.approx([0, 1 / 2, 1, 4 / 3])
    assert scale.count[0] == 4


@given(values=observed, memory=st.integers(1, 20))
def test_missing_values_move_nothing_and_rows_stay_apart(values: np.ndarray, memory: int) -> None:
    whole = run(values, memory)
    for row in range(2):
        own = values[:, row : row + 1]
        seen = own[np.isfinite(own).ravel()]
        alone = run(seen, memory)
        for part in ("level", "spread", "count"):
            assert getattr(whole, part)[row] == getattr(alone, part)[0]
        if len(seen):
            size = np.abs(seen).max()
            assert abs(whole.level[row]) <= size * (1 + 1e-9)
            assert 0 <= whole.spread[row] <= 2 * size * (1 + 1e-9)
    assert (whole.unit() > 0).all()


def test_a_unit_is_never_zero() -> None:
    constant = run(np.full((5, 1), 7.0), 3)
    assert constant.spread[0] == 0
    assert 0 < constant.unit()[0] < 0.01
    assert run(np.zeros((5, 1)), 3).unit()[0] == 1
    assert RunningScale.start(1).unit()[0] == 1


def lags(values: list[float], season: int) -> Lags:
    state = Lags.start(1, season)
    for y in values:
        state = state.observe(np.array([y]), 100)
    return state


def test_lags_are_the_last_and_the_seasonal_value_in_units_from_the_level() -> None:
    state = lags([1.0, 2.0, 6.0], 2)
    level, unit = state.anchor(True)
    assert level[0] == pytest.approx(3)
    last, has_last, seasonal, has_seasonal = state.features(True)[0]
    assert last == pytest.approx((6 - level[0]) / unit[0])
    assert seasonal == pytest.approx((2 - level[0]) / unit[0])
    assert has_last == has_seasonal == 1


def test_missing_lags_read_zero_and_say_so() -> None:
    assert lags([5.0, NAN], 3).features(True).tolist() == [[0, 0, 0, 0]]
    assert lags([], 3).features(True).tolist() == [[0, 0, 0, 0]]
    assert lags([5.0, 1.0, NAN], 3).features(True)[0, 1::2].tolist() == [0, 1]


def test_counts_are_divided_by_their_level_and_not_centred() -> None:
    state = lags([2.0, 4.0], 1)
    assert state.anchor(False) == (0, pytest.approx(3))
    assert state.features(False)[0, 0] == pytest.approx(4 / 3)
    assert lags([0.0, 0.0], 1).features(False).tolist() == [[0, 1, 0, 1]]


def test_spikes_are_clipped() -> None:
    state = lags([1.0] * 5 + [1e12], 1)
    constant = lags([1.0] * 200, 1).observe(np.array([1e12]), 100)
    assert np.abs(constant.features(True)).max() <= CLIP
    assert np.abs(state.features(True)).max() <= CLIP


def test_what_has_no_logarithm_is_missing() -> None:
    logs = to_log(np.array([np.e, 1.0, 0.0, -1.0, NAN]))
    assert logs[:2].tolist() == [1, 0]
    assert np.isnan(logs[2:]).all()
    assert from_log(logs[:2]) == pytest.approx([np.e, 1])


def test_a_forecast_beyond_float64_stays_finite() -> None:
    assert np.isfinite(from_log(np.array([800.0, -1e9]))).all()


@given(
    values=arrays(
        np.float64, st.integers(0, 60), elements=st.one_of(st.floats(-10, 1e9), st.just(NAN))
    ),
    season=st.integers(1, 12),
)
def test_whether_to_take_logarithms_can_be_asked_of_any_series(
    values: np.ndarray, season: int
) -> None:
    wanted = prefers_log(values, season)
    if wanted:
        assert np.nanmin(values) > 0
    assert prefers_log(values * 4, season) == wanted
