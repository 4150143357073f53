"""Draws from distributions: right in distribution, each row apart from those beside it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from cellstate.tasks.forecast.sampling import from_quantiles, negative_binomial, student_t

MANY = 100_000


@pytest.mark.parametrize("freedom", [2.1, 4.0, 50.0])
def test_student_t_has_its_quantiles(freedom: float) -> None:
    rng = np.random.default_rng(0)
    drawn = student_t(1 - rng.random(MANY), rng.random(MANY), np.array(freedom))
    levels = [0.025, 0.1, 0.5, 0.9, 0.975]
    expected = special.stdtrit(freedom, levels)
    np.testing.assert_allclose(np.quantile(drawn, levels), expected, rtol=0.03, atol=0.02)
    assert np.isfinite(student_t(np.array([1.0, 1e-16]), np.array([0.3, 0.0]), np.array(2.1))).all()


@pytest.mark.parametrize(("mean", "shape"), [(0.3, 0.5), (5.0, 2.0), (400.0, 30.0)])
def test_counts_have_their_mean_and_variance(mean: float, shape: float) -> None:
    rows = np.ones((1, MANY))
    drawn = negative_binomial(np.array([1]), 0, mean * rows, shape * rows, MANY)[0]
    assert drawn.mean() == pytest.approx(mean, rel=0.03)
    assert drawn.var() == pytest.approx(mean + mean**2 / shape, rel=0.06)
    assert (drawn == np.floor(drawn)).all()
    assert drawn.min() >= 0
    none = (drawn == 0).mean()
    assert none == pytest.approx(stats.nbinom.pmf(0, shape, shape / (shape + mean)), abs=0.01)


def test_a_row_of_counts_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    mean, shape = np.exp(rng.normal(size=(2, 5, 300)))
    together = negative_binomial(np.array([7]), 3, mean, shape, 300)
    for row in range(5):
        alone = negative_binomial(np.array([7]), 3, mean[row : row + 1], shape[row : row + 1], 300)
        assert np.array_equal(alone[0], together[row])
    other_step = negative_binomial(np.array([7]), 4, mean, shape, 300)
    assert not np.array_equal(other_step, together)


def test_extreme_counts_stay_finite() -> None:
    edge = np.array([[1e-6, 1e-6, 1e15, 1e18]])
    shape = np.array([[1e-6, 1e6, 1e-6, 50.0]])
    assert np.isfinite(negative_binomial(np.array([1]), 0, edge, shape, 4)).all()


def test_quantiles_are_inverted_exactly_at_and_between_their_levels() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    values = np.array([[[-2.0, 0.0, 4.0]]])
    u = [0.1, 0.3, 0.5, 0.7, 0.9]
    drawn = [from_quantiles(np.array([[one]]), values, levels)[0, 0] for one in u]
    assert drawn == pytest.approx([-2, -1, 0, 2, 4])


def test_draws_beyond_the_outermost_quantiles_continue_their_slope_and_end() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    values = np.broadcast_to([-2.0, 0.0, 4.0], (1, 2, 3))
    ends = from_quantiles(np.array([[1e-12, 1.0]]), values, levels)[0]
    assert ends.tolist() == pytest.approx([-2.25, 4.5])  # half a level beyond, 0.05 of 5 and of 10
