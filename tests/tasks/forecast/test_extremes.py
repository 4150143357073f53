"""Series at the edges: of any scale, constant, empty, very short, growing, or suddenly negative."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from cellstate.tasks.forecast.forecaster import Forecaster
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import HORIZON, KINDS, forecaster, values_of, wave, waves

Give = Callable[[str], Forecaster]
CENTRED = ["direct", "student_t", "quantiles"]  # counts are no quantities to shift or scale


def new_series() -> pl.DataFrame:
    return wave(40).with_columns(unique_id=pl.lit("new"))


@pytest.mark.parametrize("kind", CENTRED)
@pytest.mark.parametrize("factor", [1000.0, 1e-9, 1e15])
def test_forecasts_scale_with_their_series(kind: str, factor: float, surfer: Give) -> None:
    model = surfer(kind)
    plain = values_of(model.predict(new_series()))
    scaled = values_of(model.predict(new_series().with_columns(pl.col("y") * factor)))
    np.testing.assert_allclose(scaled, plain * factor, rtol=1e-4)


@pytest.mark.parametrize("kind", CENTRED)
def test_forecasts_scale_exactly_by_powers_of_two(kind: str, surfer: Give) -> None:
    model = surfer(kind)
    plain = values_of(model.predict(new_series()))
    doubled = values_of(model.predict(new_series().with_columns(pl.col("y") * 1024)))
    assert np.array_equal(doubled, plain * 1024)


@pytest.mark.parametrize("kind", CENTRED)
def test_forecasts_shift_with_their_series(kind: str, surfer: Give) -> None:
    model = surfer(kind)
    plain = values_of(model.predict(new_series()))
    moved = values_of(model.predict(new_series().with_columns(pl.col("y") - 500)))
    np.testing.assert_allclose(moved, plain - 500, atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, 3.0, 10_000.0])
def test_a_constant_series_is_forecast_near_its_value(kind: str, value: float) -> None:
    constant = wave(40).with_columns(y=pl.lit(value))
    model = forecaster(kind).fit(constant)
    median = model.predict()["LSTM"].to_numpy()
    assert np.isfinite(values_of(model.predict())).all()
    near = 0.5 * value + 1  # one epoch only; a division by zero would be nowhere near
    assert np.abs(median - value).max() <= near
    evaluation = model.evaluate()
    assert evaluation.decided_by == "MAE"
    assert np.isfinite(evaluation.metric("MAE"))
    assert "inf" not in evaluation.verdict


@pytest.mark.parametrize("kind", ["direct", "student_t", "quantiles"])
@pytest.mark.parametrize("value", [-5.0, 1e-20, 1e29])
def test_constants_of_any_size_are_forecast_in_their_own_unit(kind: str, value: float) -> None:
    model = forecaster(kind).fit(wave(40).with_columns(y=pl.lit(value)))
    said = values_of(model.predict())
    assert np.isfinite(said).all()
    assert np.abs(said / value - 1).max() < 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_forecaster_of_lively_series_takes_a_constant_one(kind: str, surfer: Give) -> None:
    flat = wave(40).with_columns(unique_id=pl.lit("flat"), y=pl.lit(0.0))
    assert np.isfinite(values_of(surfer(kind).predict(flat))).all()
    late_start = flat.with_columns(y=pl.when(pl.col("ds") == 39).then(8.0).otherwise(0.0))
    assert np.isfinite(values_of(surfer(kind).predict(late_start))).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [2, 3, 6])
def test_few_rows_suffice(kind: str, length: int) -> None:
    frame = wave(length).with_columns(pl.col("y").round())
    model = forecaster(kind, horizon=1, context=None).fit(frame)
    assert np.isfinite(values_of(model.predict())).all()
    model.update(wave(1, start=length).with_columns(pl.col("y").round()))
    assert np.isfinite(values_of(model.predict())).all()


@pytest.mark.parametrize("kind", KINDS)
def test_series_shorter_than_the_window_are_learnt_and_forecast(kind: str) -> None:
    frame = waves(50, 6, HORIZON + 1, 2, 1).with_columns(pl.col("y").round())
    model = forecaster(kind).fit(frame)
    answer = model.predict()
    assert len(answer) == 5 * HORIZON
    assert np.isfinite(values_of(answer)).all()
    single = pl.DataFrame({"unique_id": ["x"], "ds": [7], "y": [3.0]})
    assert np.isfinite(values_of(model.predict(single))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_series_of_which_nothing_is_known_do_no_harm(kind: str, surfer: Give) -> None:
    """Neither at fit, nor beside others, nor at the beginning of a stream."""
    frame = waves(40, 30).with_columns(pl.col("y").round())
    holed = frame.with_columns(
        y=pl.when(pl.col("unique_id") == "s1").then(None).otherwise(pl.col("y"))
    )
    model = forecaster(kind).fit(holed)
    assert np.isfinite(values_of(model.predict())).all()
    unknown = pl.DataFrame({"unique_id": ["x"], "ds": [0], "y": [None]}).cast({"y": pl.Float64})
    one, other = surfer(kind), surfer(kind)
    assert np.isfinite(values_of(one.update(unknown).predict())).all()
    known = pl.DataFrame({"unique_id": ["x"], "ds": [1], "y": [4.0]})
    assert one.update(known).predict().equals(other.update(pl.concat([unknown, known])).predict())


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_outage_leaves_a_finite_forecast(kind: str, surfer: Give) -> None:
    back = pl.DataFrame({"unique_id": ["s0"], "ds": [60 + 200], "y": [11.0]})
    model = surfer(kind).update(back)
    answer = model.predict().filter(pl.col("unique_id") == "s0")
    assert answer["cutoff"].to_list() == [260] * HORIZON
    assert np.isfinite(values_of(answer)).all()


def growing(length: int) -> pl.DataFrame:
    steps = np.arange(length)
    return pl.DataFrame(
        {"ds": steps, "y": 50 * 1.02**steps * (1 + 0.3 * np.sin(2 * np.pi * steps / 7))}
    )


@pytest.mark.parametrize("kind", CENTRED)
def test_a_growing_swing_is_learnt_in_logarithms_and_forecast_above_zero(kind: str) -> None:
    model = forecaster(kind).fit(growing(70))
    assert model.fitted_.plan.log
    assert (values_of(model.predict()) > 0).all()


@pytest.mark.parametrize("kind", CENTRED)
@pytest.mark.parametrize("later", [[0.0], [-5.0], [0.0] * 30, [-1.0, 200.0], [float("nan")] * 30])
def test_values_without_a_logarithm_that_come_later_leave_a_finite_forecast(
    kind: str, later: list[float]
) -> None:
    model = forecaster(kind).fit(growing(70))
    for place, value in enumerate(later):
        model.update(pl.DataFrame({"ds": [70 + place], "y": [value]}))
    assert np.isfinite(values_of(model.predict())).all()
    truth = pl.DataFrame({"ds": np.arange(8) + 70 + len(later), "y": np.arange(8.0) - 4})
    assert np.isfinite(model.evaluate(truth).metric("MAE"))


@pytest.mark.parametrize("kind", KINDS[1:])
def test_counts_and_paths_keep_to_their_kind(kind: str, surfer: Give) -> None:
    answer = values_of(surfer(kind).predict())
    if kind == "negative_binomial":
        assert (answer >= 0).all()
        assert np.array_equal(answer[:, 0] * 2, np.round(answer[:, 0] * 2))  # a median of counts


def test_rare_counts_are_forecast_as_counts() -> None:
    rng = np.random.default_rng(0)
    y = rng.poisson(0.2, size=120).astype(float)
    model = forecaster("negative_binomial").fit(pl.DataFrame({"ds": np.arange(120), "y": y}))
    answer = model.predict()
    assert np.isfinite(values_of(answer)).all()
    assert (answer["LSTM-lo-95"] == 0).all()
    nothing = forecaster("negative_binomial").fit(
        pl.DataFrame({"ds": np.arange(60), "y": np.zeros(60)})
    )
    assert (nothing.predict()["LSTM"] <= 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_spikes_leave_a_finite_forecast(kind: str, surfer: Give) -> None:
    spike = pl.DataFrame({"unique_id": ["s0", "s0"], "ds": [60, 61], "y": [1e12, 3.0]})
    assert np.isfinite(values_of(surfer(kind).update(spike).predict())).all()


def test_a_horizon_longer_than_the_window_is_forecast_whole() -> None:
    for kind in KINDS:
        frame = waves(90, 80).with_columns(pl.col("y").round())
        answer = forecaster(kind, horizon=23, context=5).fit(frame).predict()
        assert len(answer) == 2 * 23
        assert np.isfinite(values_of(answer)).all()


@pytest.mark.parametrize("kind", ["direct", "student_t"])
def test_training_lets_the_network_learn(kind: str) -> None:
    """A few epochs on a clean season beat the repetition of the last value by far."""
    frame = waves(120, 110, noise=0.1)
    model = forecaster(kind, train=samples.TrainConfig(epochs=6), horizon=7).fit(frame)
    evaluation = model.evaluate()
    assert evaluation.metric("MAE") < 0.6 * evaluation.metric("MAE", "naive")
