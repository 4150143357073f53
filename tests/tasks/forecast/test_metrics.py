"""Metrics against numbers computed by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate.data import to_panel
from cellstate.tasks.forecast import metrics

TRUTH = np.array([[1.0, 2.0, np.nan], [-4.0, 0.0, 10.0]])
FORECAST = np.array([[2.0, 0.0, 5.0], [-4.0, 0.0, 6.0]])
EMPTY = np.full((1, 2), np.nan)


@pytest.mark.parametrize(
    ("metric", "expected", "by_window"),
    [
        (metrics.mae, (1 + 2 + 0 + 0 + 4) / 5, [1.5, 4 / 3]),
        (metrics.mse, (1 + 4 + 0 + 0 + 16) / 5, [2.5, 16 / 3]),
        (metrics.rmse, np.sqrt(21 / 5), [np.sqrt(2.5), np.sqrt(16 / 3)]),
        (metrics.smape, (200 / 3 + 200 + 0 + 0 + 50) / 5, [400 / 3, 50 / 3]),
    ],
)
def test_point_metrics_average_over_what_is_observed(
    metric: object, expected: float, by_window: list[float]
) -> None:
    assert metric(TRUTH, FORECAST) == pytest.approx(expected)
    assert metric(TRUTH, FORECAST, axis=1) == pytest.approx(by_window)
    assert np.isnan(metric(EMPTY, np.zeros((1, 2))))


def test_missing_forecast_of_an_observed_value_shows() -> None:
    assert np.isnan(metrics.mae(np.ones((1, 2)), np.array([[1.0, np.nan]])))


def test_mase_divides_by_each_windows_scale_and_leaves_constant_series_out() -> None:
    scale = np.array([0.5, 2.0])
    assert metrics.mase(TRUTH, FORECAST, scale) == pytest.approx((2 + 4 + 0 + 0 + 2) / 5)
    assert metrics.mase(TRUTH, FORECAST, scale, axis=1) == pytest.approx([3, 2 / 3])
    with_constant = metrics.mase(TRUTH, FORECAST, np.array([0.5, 0.0]), axis=1)
    assert with_constant[0] == 3
    assert np.isnan(with_constant[1])
    assert metrics.mase(TRUTH, FORECAST, np.array([0.5, np.nan])) == 3
    assert np.isnan(metrics.mase(TRUTH, FORECAST, np.zeros(2)))


def test_scale_is_the_seasonal_naive_error_of_the_sample() -> None:
    target = [1.0, 5.0, 2.0, None, 6.0, 3.0, 7.0, 7.0]
    ids = ["a"] * 6 + ["b"] * 2
    steps = [0, 1, 2, 3, 4, 5, 0, 1]
    panel = to_panel(pl.DataFrame({"unique_id": ids, "ds": steps, "y": target}))
    assert metrics.naive_scale(panel, 1) == pytest.approx([(4 + 3 + 3) / 3, 0])
    assert metrics.naive_scale(panel, 2)[0] == pytest.approx((1 + 4) / 2)
    assert np.isnan(metrics.naive_scale(panel, 2)[1])
    assert metrics.naive_scale(panel, 1, np.array([2, 2])) == pytest.approx([4, 0])


def test_quantile_loss_weighs_both_sides() -> None:
    truth = np.array([[10.0, 10.0, np.nan]])
    quantiles = np.array([[[8.0, 9.0], [12.0, 13.0], [0.0, 0.0]]])
    # 2 q (y − ŷ) below, 2 (1 − q) (ŷ − y) above, for q of 0.1 and 0.9.
    expected = [(2 * 0.1 * 2 + 2 * 0.9 * 1) / 2, (2 * 0.9 * 2 + 2 * 0.1 * 3) / 2]
    assert metrics.quantile_loss(truth, quantiles, (0.1, 0.9)) == pytest.approx(np.mean(expected))
    weighted = metrics.weighted_quantile_loss(truth, quantiles, (0.1, 0.9))
    assert weighted == pytest.approx(np.mean(expected) / 10)
    assert np.isnan(metrics.weighted_quantile_loss(np.zeros((1, 1)), np.zeros((1, 1, 1)), (0.5,)))


def test_quantile_loss_of_the_median_is_the_mean_absolute_error() -> None:
    assert metrics.quantile_loss(TRUTH, FORECAST[..., None], (0.5,)) == metrics.mae(TRUTH, FORECAST)


def test_quantile_loss_of_many_quantiles_approximates_the_crps() -> None:
    probabilities = (np.arange(2000) + 0.5) / 2000
    uniform = np.broadcast_to(probabilities, (1, 1, 2000))
    # The CRPS of U(0, 1) at y is y² − y + 1/3.
    loss = metrics.quantile_loss(np.array([[0.3]]), uniform, probabilities)
    assert loss == pytest.approx(0.3**2 - 0.3 + 1 / 3, abs=1e-6)


def test_coverage_and_width_count_what_is_observed() -> None:
    lower, upper = FORECAST - 1, FORECAST + 1
    assert metrics.coverage(TRUTH, lower, upper) == pytest.approx(100 * 3 / 5)
    assert metrics.coverage(TRUTH, lower, upper, axis=1) == pytest.approx([50, 200 / 3])
    assert metrics.width(TRUTH, lower, upper) == 2
    assert np.isnan(metrics.coverage(TRUTH, np.full((2, 3), np.nan), upper))


def test_owa_of_naive2_is_one() -> None:
    assert metrics.owa(18.383, 2.395, 18.383, 2.395) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=8))
def test_smape_lies_between_its_bounds(pairs: list[tuple[float, float]]) -> None:
    truth, forecast = np.array(pairs).T[:, None]
    assert 0 <= metrics.smape(truth, forecast) <= 200 + 1e-9
    assert metrics.smape(truth, truth) == 0


def test_every_metric_says_what_it_is_and_whence() -> None:
    for name, metric in metrics.METRICS.items():
        assert metric.name == name
        assert metric.definition
        assert "doi:" in metric.source
        assert metric.best == "min" or isinstance(metric.best, float)
