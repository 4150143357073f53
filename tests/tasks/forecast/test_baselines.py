"""Baselines against forecasts made by hand, one cutoff at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate.data import Panel, Windows, to_panel
from cellstate.data.series import m4_hourly
from cellstate.tasks.forecast import metrics
from cellstate.tasks.forecast.baselines import AbstractBaseline
from cellstate.tasks.forecast.linear import Linear
from cellstate.tasks.forecast.naive import Drift, Naive, SeasonalNaive
from cellstate.tasks.forecast.naive2 import Naive2, seasonal_indices
from cellstate.tasks.forecast.rivals import rivals
from cellstate.tasks.forecast.statistical import Statistical

NAN = float("nan")
PROBABILITIES = (0.025, 0.1, 0.5, 0.9, 0.975)


def panel_of(*targets: list[float] | np.ndarray, start: int = 0) -> Panel:
    frame = pl.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(targets)), [len(target) for target in targets]),
            "ds": np.concatenate([np.arange(start, start + len(target)) for target in targets]),
            "y": np.concatenate([np.asarray(target, dtype=float) for target in targets]),
        }
    )
    return to_panel(frame, frequency=1)


def seasonal(length: int, season: int, rng: np.random.Generator, noise: float = 0.5) -> np.ndarray:
    steps = np.arange(length)
    return 20 + 5 * np.sin(2 * np.pi * steps / season) + noise * rng.normal(size=length)


def point(baseline: AbstractBaseline, target: list[float], cutoff: int, horizon: int) -> list:
    panel = panel_of(target)
    baseline.fit(panel, horizon)
    return baseline.predict(panel, np.array([0]), np.array([cutoff])).point[0].tolist()


def test_naive_repeats_the_last_observed_value() -> None:
    assert point(Naive(), [1, 5, NAN, 9, 9], 3, 2) == [5, 5]


def test_drift_prolongs_the_line_from_first_to_last() -> None:
    assert point(Drift(), [NAN, 1, 9, 5, NAN, 0], 5, 2) == [9, 11]
    assert point(Drift(), [3, NAN, 0], 2, 2) == [3, 3]


def test_seasonal_naive_repeats_the_last_season_and_looks_further_back_over_gaps() -> None:
    assert point(SeasonalNaive(3), [1, 2, 3, 4, NAN, 6, 0], 6, 5) == [4, 2, 6, 4, 2]
    assert point(SeasonalNaive(4), [1, 2], 2, 3) == [2, 2, 1]


@settings(max_examples=30, deadline=None)
@given(
    targets=st.lists(
        st.lists(st.one_of(st.floats(-100, 100), st.just(NAN)), min_size=3, max_size=15),
        min_size=1,
        max_size=3,
    ),
    season=st.integers(1, 4),
)
def test_many_cutoffs_at_once_equal_one_at_a_time(targets: list, season: int) -> None:
    panel = panel_of(*targets)
    pairs = [
        (number, cutoff)
        for number, target in enumerate(targets)
        for cutoff in range(1, len(target) + 1)
        if not np.isnan(target[:cutoff]).all()
    ]
    if not pairs:
        return
    series, cutoffs = np.array(pairs).T
    for baseline in (Naive(season), SeasonalNaive(season), Drift(season), Naive2(season)):
        baseline.fit(panel, 3)
        together = baseline.predict(panel, series, cutoffs).point
        assert np.isfinite(together).all()
        for row, (number, cutoff) in enumerate(pairs):
            alone = baseline.predict(panel, np.array([number]), np.array([cutoff])).point[0]
            assert np.array_equal(together[row], alone)


def test_forecasts_never_look_past_the_cutoff(rng_target: np.ndarray) -> None:
    panel = panel_of(rng_target)
    changed = panel_of(np.concatenate([rng_target[:150], np.full(50, 999.0)]))
    series, cutoffs = np.array([0]), np.array([150])
    for baseline in (Naive(7), SeasonalNaive(7), Drift(7), Naive2(7), Linear(7, context=14)):
        baseline.fit(panel.head(150), 10)
        before = baseline.predict(panel, series, cutoffs, PROBABILITIES)
        after = baseline.predict(changed, series, cutoffs, PROBABILITIES)
        assert np.array_equal(before.point, after.point)
        assert np.array_equal(before.quantiles, after.quantiles)


@pytest.fixture
def rng_target() -> np.ndarray:
    return seasonal(200, 7, np.random.default_rng(0))


@pytest.mark.parametrize("make", [Naive, SeasonalNaive, Drift, Naive2])
def test_intervals_hold_their_share_of_new_data(make: type[AbstractBaseline]) -> None:
    rng = np.random.default_rng(1)
    panel = panel_of(*(seasonal(300, 6, rng, noise=2.0) for _ in range(20)))
    baseline = make(6).fit(panel.head(200), 4)
    windows = Windows(panel, 1, 4, target_from=200)
    everything = np.arange(len(windows))
    series, cutoffs = windows.series(everything), windows.cutoffs(everything)
    found = baseline.predict(panel, series, cutoffs, PROBABILITIES).quantiles
    truth = windows.gather(everything)["target"]
    assert metrics.coverage(truth, found[..., 1], found[..., 3]) == pytest.approx(80, abs=4)
    assert metrics.coverage(truth, found[..., 0], found[..., 4]) == pytest.approx(95, abs=3)
    assert (np.diff(found, axis=-1) >= 0).all()


def test_intervals_scale_with_each_series() -> None:
    rng = np.random.default_rng(2)
    shape = seasonal(120, 6, rng)
    panel = panel_of(shape, 1000 * shape)
    found = SeasonalNaive(6).fit(panel, 3)
    quantiles = found.predict(panel, np.array([0, 1]), np.array([120, 120]), (0.1, 0.9)).quantiles
    width = np.diff(quantiles, axis=-1)[..., 0]
    assert width[1] == pytest.approx(1000 * width[0])


@pytest.mark.parametrize("make", [Naive, SeasonalNaive, Drift, Naive2, Linear])
def test_series_too_short_for_errors_have_a_forecast_but_no_interval(
    make: type[AbstractBaseline],
) -> None:
    found = make(12).fit(panel_of([2.0, 2.0]), 6)
    forecast = found.predict(panel_of([2.0, 2.0]), np.array([0]), np.array([2]), (0.1, 0.9))
    assert forecast.point.tolist() == [[2.0] * 6]
    assert np.isnan(forecast.quantiles).all()


@pytest.mark.parametrize("baseline", rivals(4, 8), ids=lambda baseline: baseline.name)
def test_constant_series_is_forecast_as_itself(baseline: AbstractBaseline) -> None:
    panel = panel_of([7.0] * 40, np.arange(40.0))
    forecast = baseline.fit(panel, 3).predict(panel, np.array([0]), np.array([40]), (0.1, 0.9))
    # The linear rule is shared with the series that grows.
    assert forecast.point[0] == pytest.approx([7.0] * 3, abs=0.05)
    assert forecast.quantiles[0] == pytest.approx(np.repeat(forecast.point[0][:, None], 2, axis=1))


@pytest.mark.parametrize("baseline", rivals(4, 8), ids=lambda baseline: baseline.name)
def test_series_unknown_at_fit_are_forecast(baseline: AbstractBaseline) -> None:
    rng = np.random.default_rng(3)
    known = panel_of(seasonal(60, 4, rng))
    both = panel_of(seasonal(60, 4, rng), seasonal(60, 4, rng))
    forecast = baseline.fit(known, 3).predict(both, np.array([1]), np.array([50]), (0.1, 0.9))
    assert np.isfinite(forecast.point).all()
    assert np.isfinite(forecast.quantiles).all()


def test_linear_recovers_a_linear_rule_and_bridges_gaps() -> None:
    rng = np.random.default_rng(4)
    target = [1.0, 0.5]
    for _ in range(600):
        target.append(1.2 * target[-1] - 0.8 * target[-2] + 1 + 0.01 * rng.normal())
    panel = panel_of(target)
    linear = Linear(1, context=4).fit(panel, 2)
    forecast = linear.predict(panel, np.array([0]), np.array([600])).point[0]
    one = 1.2 * target[599] - 0.8 * target[598] + 1
    assert forecast == pytest.approx([one, 1.2 * one - 0.8 * target[599] + 1], abs=0.02)
    target[300:310] = [NAN] * 10
    with_gap = panel_of(target)
    forecast = Linear(1, context=4).fit(with_gap, 2).predict(
        with_gap, np.array([0, 0]), np.array([305, 600])
    )  # fmt: skip
    assert np.isfinite(forecast.point).all()


def test_linear_learns_one_rule_for_series_of_any_size() -> None:
    rng = np.random.default_rng(5)
    shape = seasonal(200, 6, rng)
    small, large = panel_of(shape), panel_of(shape, 1e6 * shape)
    expected = Linear(6, context=12).fit(small, 3)
    found = Linear(6, context=12).fit(large, 3)
    cutoff = np.array([200])
    assert found.predict(large, np.array([1]), cutoff).point == pytest.approx(
        1e6 * expected.predict(small, np.array([0]), cutoff).point, rel=1e-6
    )


def test_seasonal_indices_are_those_of_the_classical_decomposition() -> None:
    rng = np.random.default_rng(6)
    values = seasonal(45, 4, rng) * np.linspace(1, 2, 45)
    seasonal_of = pytest.importorskip("statsmodels.tsa.seasonal")
    expected = seasonal_of.seasonal_decompose(values, model="multiplicative", period=4).seasonal
    assert seasonal_indices(values, 4) == pytest.approx(expected[:4])
    odd = seasonal(60, 7, rng)
    expected = seasonal_of.seasonal_decompose(odd, model="multiplicative", period=7).seasonal
    assert seasonal_indices(odd, 7) == pytest.approx(expected[:7])


@pytest.mark.parametrize(
    ("values", "season"),
    [
        (np.random.default_rng(0).normal(size=100) + 50, 12),  # no season
        (np.tile([1.0, 3.0], 8) - 2, 2),  # not positive
        (np.tile([1.0, 3.0], 8)[:5], 2),  # under three seasons
        (np.full(40, 3.0), 4),
        (np.full(40, NAN), 4),
    ],
)
def test_unseasonal_series_are_left_unadjusted(values: np.ndarray, season: int) -> None:
    assert seasonal_indices(values, season).tolist() == [1.0] * season


def test_naive2_keeps_the_season_in_phase_on_a_later_part_of_the_series() -> None:
    values = np.tile([1.0, 2.0, 4.0], 10)
    baseline = Naive2(3).fit(panel_of(values), 3)
    later = panel_of(values[22:], start=22)
    found = baseline.predict(later, np.array([0]), np.array([8])).point[0]
    assert found == pytest.approx([1, 2, 4])


def test_statistical_models_stop_at_their_budget_and_say_so() -> None:
    panel = panel_of(seasonal(60, 4, np.random.default_rng(7)))
    baseline = Statistical(4, model="AutoTheta", budget_s=0.0).fit(panel, 2)
    forecast = baseline.predict(panel, np.zeros(5, dtype=int), np.arange(40, 45), (0.5,))
    done = np.isfinite(forecast.point).all(axis=1).sum()
    assert done < 5
    assert baseline.note == f"{done} of 5 windows in 0 s"


def test_statistical_intervals_are_ordered_around_the_mean() -> None:
    panel = panel_of(seasonal(60, 4, np.random.default_rng(7)))
    for model in ("AutoETS", "AutoTheta"):
        baseline = Statistical(4, model=model).fit(panel, 3)
        found = baseline.predict(panel, np.array([0]), np.array([60]), PROBABILITIES)
        assert (np.diff(found.quantiles, axis=-1) > 0).all()
        assert np.array_equal(found.quantiles[..., 2], found.point)
        assert baseline.note == ""


def test_exponential_smoothing_says_that_it_leaves_a_long_season_out() -> None:
    panel = panel_of(seasonal(120, 30, np.random.default_rng(8)))
    baseline = Statistical(30, model="AutoETS").fit(panel, 3)
    baseline.predict(panel, np.array([0]), np.array([120]))
    assert baseline.note == "no season of 30"


def test_without_a_season_the_seasonal_naive_is_no_rival() -> None:
    assert "seasonal naive" not in [rival.name for rival in rivals(1, 8)]


def test_naive2_scores_on_m4_hourly_what_the_competition_published(data_dir: Path) -> None:
    train, test = m4_hourly(data_dir)
    known = to_panel(train)
    truth = to_panel(test).target.reshape(-1, 48)
    everything = np.arange(len(known))
    forecast = Naive2(24).fit(known, 48).predict(known, everything, known.lengths).point
    assert metrics.smape(truth, forecast) == pytest.approx(18.383, abs=0.001)
    scale = metrics.naive_scale(known, 24)
    assert metrics.mase(truth, forecast, scale) == pytest.approx(2.396, abs=0.0015)
    seasonal = SeasonalNaive(24).fit(known, 48).predict(known, everything, known.lengths).point
    assert metrics.smape(truth, seasonal) == pytest.approx(13.912, abs=0.001)
    assert metrics.mase(truth, seasonal, scale) == pytest.approx(1.193, abs=0.001)
