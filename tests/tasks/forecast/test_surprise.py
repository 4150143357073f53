"""How surprising observations are: from known distributions, jumps and bare tails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate.tasks.forecast.intervals import GRID
from cellstate.tasks.forecast.surprise import surprise

TAUS = np.array(GRID)


def one(y: float, quantiles: list[float] | np.ndarray, taus: tuple[float, ...] = GRID) -> float:
    return float(surprise(np.array([y]), np.array([quantiles]), taus)[0])


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_the_end_of_an_interval_is_as_surprising_as_its_level(level: float) -> None:
    quantiles = np.sort(np.random.default_rng(0).normal(size=9))
    for tau in (0.5 - level / 2, 0.5 + level / 2):
        at = int(np.argmin(np.abs(TAUS - tau)))
        assert one(quantiles[at], quantiles) == pytest.approx(level)
    assert one(quantiles[4], quantiles) == 0


def test_uniform_quantiles_give_uniform_surprise() -> None:
    y = np.linspace(0.025, 0.975, 501)
    found = surprise(y, np.tile(TAUS, (501, 1)), GRID)
    np.testing.assert_allclose(found, np.abs(2 * y - 1), atol=1e-12)


def test_tails_shrink_at_the_rate_of_the_last_two_quantiles() -> None:
    # 0.05 and 0.025 lie 1 apart: the tail halves with every 1.
    quantiles = [-5.0, -4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0, 5.0]
    for away in (0.0, 1.0, 2.5, 20.0):
        expected = 1 - 0.05 * 0.5**away
        assert one(5.0 + away, quantiles) == pytest.approx(expected)
        assert one(-5.0 - away, quantiles) == pytest.approx(expected)
    assert one(1e300, quantiles) == 1.0


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (0.0, 0.5),  # at the end of the interval that holds half
        (1.0, 0.0),
        (2.0, 0.8),
        (3.0, 0.95),
        (-1.0, 1.0),
        (9.0, 1 - 0.05 * 0.5**6),
    ],
)
def test_counts_whose_quantiles_are_equal_are_judged_by_both_sides(
    y: float, expected: float
) -> None:
    assert one(y, [0.0, 0, 0, 0, 1, 1, 2, 2, 3]) == pytest.approx(expected)


def test_a_certain_forecast_is_surprised_by_all_else() -> None:
    assert one(2.0, [2.0] * 9) == 0
    assert one(2.1, [2.0] * 9) == 1
    assert one(1.9, [2.0] * 9) == 1


def test_what_is_missing_surprises_nobody() -> None:
    assert np.isnan(one(np.nan, TAUS))
    assert np.isnan(one(0.0, [np.nan] * 9))


@given(
    st.lists(st.integers(-3, 3), min_size=9, max_size=9),
    st.floats(-1e12, 1e12),
    st.floats(1e-6, 1e6),
)
def test_surprise_is_a_share_and_turns_with_the_sign(
    steps: list[int], y: float, unit: float
) -> None:
    quantiles = np.sort(np.array(steps, float)) * unit
    found = one(y, quantiles)
    assert 0 <= found <= 1
    assert one(-y, -quantiles[::-1]) == pytest.approx(found, abs=1e-9)
