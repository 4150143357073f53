"""Quantiles and intervals: order, nesting, and coverage after conformal calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellstate.data.windows import gather_windows
from cellstate.errors import InputError
from cellstate.tasks.forecast.intervals import (
    GRID,
    apply_factors,
    band,
    conformal_factors,
    quantile_levels,
    rising,
)
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import forecaster

TAUS = quantile_levels((80, 95))
MIDDLE = TAUS.index(0.5)


@given(
    st.lists(st.floats(0.01, 99.99, allow_nan=False), max_size=4),
)
def test_every_level_has_its_two_quantiles(levels: list[float]) -> None:
    taus = quantile_levels(tuple(levels))
    assert list(taus) == sorted(set(taus))
    assert set(GRID) <= set(taus)
    assert np.allclose(np.array(taus) + np.array(taus)[::-1], 1)
    quantiles = np.array(taus)[None]
    for level in levels:
        low, high = band(quantiles, taus, level)
        assert high - low == pytest.approx(level / 100, abs=2e-6)


def test_a_band_that_was_not_learnt_is_refused() -> None:
    with pytest.raises(InputError, match="among those learnt by fit; got 70"):
        band(np.zeros((1, len(TAUS))), TAUS, 70)


raw_outputs = arrays(np.float32, (3, len(TAUS)), elements=st.floats(-80, 80, width=32))


@given(raw_outputs)
def test_raw_outputs_become_rising_quantiles_around_the_median(raw: np.ndarray) -> None:
    quantiles = rising(raw, TAUS)
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert np.array_equal(quantiles[:, MIDDLE], raw[:, MIDDLE])


@given(
    raw_outputs,
    arrays(np.float64, len(TAUS), elements=st.floats(1e-12, 10)),
)
def test_stretched_quantiles_keep_their_order_and_median(
    raw: np.ndarray, factors: np.ndarray
) -> None:
    quantiles = rising(raw, TAUS).astype(np.float64)
    factors[MIDDLE] = 1
    moved = apply_factors(quantiles, factors, TAUS)
    assert (np.diff(moved, axis=-1) >= 0).all()
    assert np.array_equal(moved[:, MIDDLE], quantiles[:, MIDDLE])


def test_factors_of_one_change_nothing() -> None:
    quantiles = np.sort(np.random.default_rng(0).normal(size=(4, 3, len(TAUS))))
    moved = apply_factors(quantiles, np.ones(len(TAUS)), TAUS)
    np.testing.assert_allclose(moved, quantiles, rtol=1e-12)


def test_a_factor_is_a_ratio_that_can_be_checked_by_hand() -> None:
    """Truths 1, 2, 3, 4 above a median of 0; the upper quartile was said to be 1."""
    taus = (0.25, 0.5, 0.75)
    quantiles = np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (1, 4, 3))
    factors = conformal_factors(np.array([[1.0, 2.0, 3.0, 4.0]]), quantiles, taus)
    assert factors.tolist()[1:] == [1, 4]  # the 4th of 4 values: ceil(5 · 0.75)
    assert factors[0] > 0
    with_gaps = conformal_factors(np.array([[1.0, np.nan, 3.0, np.nan]]), quantiles, taus)
    assert with_gaps[2] == 3


def test_nothing_to_calibrate_on_changes_nothing() -> None:
    quantiles = np.zeros((1, 2, 3))
    assert (conformal_factors(np.full((1, 2), np.nan), quantiles, (0.2, 0.5, 0.8)) == 1).all()
    assert (conformal_factors(np.ones((1, 2)), quantiles, (0.2, 0.5, 0.8)) == 1).all()


@pytest.mark.parametrize("spread", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_calibrated_intervals_hold_their_share_of_fresh_data(spread: float, shift: float) -> None:
    """Truths of scale 1, and quantiles that are too narrow, too wide or off."""
    rng = np.random.default_rng(0)
    from scipy.special import ndtri

    said = spread * ndtri(np.array(TAUS)) + shift
    unit = np.exp(rng.normal(size=(2, 1500, 1)))  # every series has a unit of its own
    quantiles = unit[..., None] * said
    truth = unit * rng.normal(size=(2, 1500, 2))
    quantiles = np.broadcast_to(quantiles, (*truth.shape, len(TAUS)))
    factors = conformal_factors(truth[0], quantiles[0], TAUS)
    moved = apply_factors(quantiles[1], factors, TAUS)
    for level in (80, 95):
        low, high = band(moved, TAUS, level)
        covered = 100 * ((truth[1] >= low) & (truth[1] <= high)).mean()
        assert covered == pytest.approx(level, abs=2.5)


def test_a_calibrated_forecaster_covers_its_validation_split() -> None:
    frame = samples.waves(200, 180, noise=2)
    plain = forecaster("direct").fit(frame, validation=40)
    model = forecaster("direct", calibrate=True).fit(frame, validation=40)
    assert (plain.fitted_.factors == 1).all()
    assert all(
        np.array_equal(model.fitted_.networks[0][name], plain.fitted_.networks[0][name])
        for name in plain.fitted_.networks[0]
    )
    fitted, panel = model.fitted_, model.history_
    ends = np.concatenate([np.arange(160, 197), np.arange(140, 177)])
    series = np.repeat([0, 1], 37)
    truth = gather_windows(panel, series, ends, 1, 4)["target"]
    low, high = band(fitted.forecast_at(panel, series, ends), fitted.plan.taus, 80)
    assert ((truth >= low) & (truth <= high)).mean() == pytest.approx(0.8, abs=0.04)


def test_intervals_stay_calibrated_after_updates_and_on_disk(tmp_path: Path) -> None:
    model = forecaster("student_t", calibrate=True).fit(samples.wave(80))
    assert (model.fitted_.factors != 1).any()
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    assert np.array_equal(loaded.fitted_.factors, model.fitted_.factors)
    new = samples.wave(3, start=80)
    assert loaded.update(new).predict().equals(model.update(new).predict())
