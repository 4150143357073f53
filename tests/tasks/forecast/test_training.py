"""What the networks are trained and chosen on: no training window sees what judges it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate import train
from cellstate.data import Columns
from cellstate.data.windows import rows_to_learn
from cellstate.tasks.forecast import forecaster as module
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.tasks.forecast.recursive_task import read
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import HORIZON, KINDS, forecaster

VALIDATION = 9
SHORT = HORIZON + VALIDATION - 2  # too short for a validation split: learnt from whole
Give = Callable[[str], Forecaster]


class Caught(Exception):  # noqa: N818  no error
    """Holds the task that was about to be trained."""

    def __init__(self, task: Any) -> None:
        self.task = task


@pytest.fixture
def task_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Give a function that fits until training begins, and catches the task."""

    def catch(net: Any, task: Any, config: Any, *, seed: int) -> None:
        raise Caught(task)

    def give(model: Forecaster, frame: Any, **options: Any) -> Any:
        monkeypatch.setattr(train, "fit", catch)
        with pytest.raises(Caught) as caught:
            model.fit(frame, **options)
        return caught.value.task

    return give


def with_covariates(*lengths: int) -> pl.DataFrame:
    frame = samples.waves(*lengths).with_columns(pl.col("y").round())
    rng = np.random.default_rng(1)
    known, seen = rng.normal(size=(2, len(frame)))
    return frame.with_columns(known=pl.Series(known), seen=pl.Series(seen)).with_columns(
        y=pl.when(pl.col("ds") == 3).then(0).otherwise(pl.col("y"))  # no logarithm
    )


def changed_at_the_end(frame: pl.DataFrame, steps: int) -> pl.DataFrame:
    """Change everything in the last steps of each series that is long enough to be split."""
    length, place = pl.len().over("unique_id"), pl.int_range(pl.len()).over("unique_id")
    late = (place >= length - steps) & (length - steps > HORIZON)
    return frame.with_columns(
        pl.when(late).then(pl.col(name) * 50 + 1000).otherwise(pl.col(name)).alias(name)
        for name in ("y", "known", "seen")
    )


def assert_equal(one: list[dict[str, np.ndarray]], other: list[dict[str, np.ndarray]]) -> None:
    for left, right in zip(one, other, strict=True):
        for name in left:
            assert np.array_equal(left[name], right[name], equal_nan=True), name


@pytest.mark.parametrize("kind", KINDS)
def test_training_never_sees_a_validation_step(kind: str, task_of: Callable[..., Any]) -> None:
    columns = Columns(future="known", past="seen" if kind == "direct" else ())
    frame = with_covariates(60, 40, SHORT)
    tasks = [
        task_of(forecaster(kind, columns=columns), given, validation=VALIDATION)
        for given in (frame, changed_at_the_end(frame, VALIDATION))
    ]
    one, other = (list(task.train_batches(np.random.default_rng(0))) for task in tasks)
    assert_equal(one, other)
    valid = [list(task.valid_batches()) for task in tasks]
    assert not np.array_equal(valid[0][0]["target"], valid[1][0]["target"], equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("validation", [None, 1, VALIDATION])
def test_training_ends_where_validation_begins(
    kind: str, validation: int | None, task_of: Callable[..., Any]
) -> None:
    task = task_of(forecaster(kind), with_covariates(60, 40, SHORT), validation=validation)
    steps = max(HORIZON, validation or 0)
    border = rows_to_learn(np.array([60, 40, SHORT]), HORIZON, steps)
    windows = task.train
    every = np.arange(len(windows))
    assert (windows.cutoffs(every) + HORIZON <= border[windows.series(every)]).all()
    windows = task.valid
    every = np.arange(len(windows))
    assert (windows.cutoffs(every) >= border[windows.series(every)]).all()
    assert len(every) == np.maximum(np.array([60, 40, SHORT]) - border - HORIZON + 1, 0).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_a_validation_step_moves_no_weight(kind: str) -> None:
    frame = with_covariates(60, 40, SHORT)
    one, other = (
        forecaster(kind).fit(given, validation=VALIDATION).fitted_
        for given in (frame, changed_at_the_end(frame, VALIDATION))
    )
    for name in one.networks[0]:
        assert np.array_equal(one.networks[0][name], other.networks[0][name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_finite_where_the_data_has_gaps(
    kind: str, task_of: Callable[..., Any], shops: pl.DataFrame
) -> None:
    model = forecaster(kind, columns=samples.columns_of(kind))
    task = task_of(model, samples.learnt(shops))
    batches = [*task.train_batches(np.random.default_rng(0)), *task.valid_batches()]
    assert len(batches) > task.steps_per_epoch()
    for batch in batches:
        for name, values in batch.items():
            assert values.dtype == np.float32, name
            if name != "target":
                assert np.isfinite(values).all(), name
        assert np.isnan(batch["target"]).any()
        assert np.isfinite(batch["target"]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_ignores_missing_targets(
    kind: str, task_of: Callable[..., Any], shops: pl.DataFrame
) -> None:
    import torch

    model = forecaster(kind, columns=samples.columns_of(kind))
    task = task_of(model, samples.learnt(shops))
    batch = next(task.train_batches(np.random.default_rng(0)))
    network = {"direct": module_of_direct, "recursive": module_of_recursive}[model.decoder](task)
    tensors = {name: torch.from_numpy(np.array(values)) for name, values in batch.items()}
    whole = task.loss(network, tensors, None)
    rows = torch.isfinite(tensors["target"]).any(1)
    observed = {
        name: part[:, rows] if name == "segments" else part[rows] for name, part in tensors.items()
    }
    fewer = task.loss(network, observed, None)
    assert torch.isfinite(whole.loss)
    torch.testing.assert_close(whole.loss, fewer.loss)
    torch.testing.assert_close(torch.as_tensor(whole.weight), torch.as_tensor(fewer.weight))
    tensors["target"][:] = torch.nan
    nothing = task.loss(network, tensors, None)
    assert nothing.loss.item() == float(nothing.weight) == 0


def module_of_direct(task: Any) -> Any:
    from cellstate.tasks.forecast import direct

    return direct.build(task.plan).eval()


def module_of_recursive(task: Any) -> Any:
    from cellstate.tasks.forecast import recursive

    return recursive.build(task.plan).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_depends_on_nothing_after_its_cutoff(
    kind: str, shopkeeper: Give, shops: pl.DataFrame
) -> None:
    """But for the covariates that are known of the steps to forecast."""
    fitted = shopkeeper(kind).fitted_
    panel = samples.panel_of(shops, samples.columns_of(kind))
    series, cutoffs = np.array([0, 0, 1, 2, 3]), np.array([30, 60, 1, 12, 5])
    before = fitted.forecast_at(panel, series, cutoffs)
    for at in range(len(series)):
        first = panel.offsets[series[at]] + cutoffs[at]
        later = samples.panel_of(shops, samples.columns_of(kind))
        later.target[first:] = 1e6
        later.past[first:] = -1e3
        later.future[first + HORIZON :] = 77
        one = slice(at, at + 1)
        after = fitted.forecast_at(later, series[one], cutoffs[one])
        assert np.array_equal(after, before[one]), at


@pytest.mark.parametrize("kind", ["direct", "student_t"])
def test_a_forecast_heeds_the_covariates_of_the_steps_to_come(
    kind: str, shopkeeper: Give, future: pl.DataFrame
) -> None:
    model = shopkeeper(kind)
    other = model.predict(future=future.with_columns(promotion=3.0 - pl.col("promotion")))
    assert not np.array_equal(
        samples.values_of(other), samples.values_of(model.predict(future=future))
    )


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_recursive_network_reads_only_back(kind: str, surfer: Give) -> None:
    model = surfer(kind)
    plan, panel = model.fitted_.plan, model.history_
    inputs, target, unit = read(plan, panel)
    cut = 25
    panel.target[cut : panel.offsets[1]] = 1234.0
    late_inputs, late_target, late_unit = read(plan, panel)
    assert np.array_equal(late_inputs[: cut + 1], inputs[: cut + 1])
    assert np.array_equal(late_unit[: cut + 1], unit[: cut + 1])
    assert np.array_equal(late_target[:cut], target[:cut], equal_nan=True)
    assert not np.array_equal(late_inputs[cut + 1], inputs[cut + 1])


@pytest.mark.parametrize("kind", ["direct", "student_t"])
def test_equal_seeds_give_equal_models_and_others_do_not(kind: str) -> None:
    frame = with_covariates(50)
    model = forecaster(kind)
    one = model.fit(frame).fitted_.networks[0]
    again = model.fit(frame).fitted_.networks[0]
    twin = forecaster(kind).fit(frame).fitted_.networks[0]
    other = forecaster(kind, random_state=1).fit(frame).fitted_.networks[0]
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert all(np.array_equal(one[name], twin[name]) for name in one)
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_where_windows_are_few_the_forecast_is_the_mean_of_several_networks() -> None:
    model = forecaster("direct").fit(with_covariates(50))
    fitted, panel = model.fitted_, model.history_
    assert len(fitted.networks) == fitted.plan.members > 1
    assert fitted.record["networks"] == len(fitted.networks)
    single = dataclasses.replace(fitted.plan, members=1, log=False)
    ends = panel.lengths - 3
    each = [
        dataclasses.replace(fitted, plan=single, networks=(weights,)).forecast_at(
            panel, np.arange(len(panel)), ends
        )
        for weights in fitted.networks
    ]
    assert not np.allclose(each[0], each[1])
    whole = dataclasses.replace(fitted, plan=dataclasses.replace(fitted.plan, log=False))
    said = whole.forecast_at(panel, np.arange(len(panel)), ends)
    np.testing.assert_allclose(said, np.mean(each, axis=0), rtol=1e-6)


def test_series_that_are_long_and_few_are_known_by_name() -> None:
    frame = samples.waves(1_400, 1_400)
    model = forecaster("direct").fit(frame)
    fitted, panel = model.fitted_, model.history_
    assert fitted.plan.named
    assert fitted.covariates.series == ("s0", "s1")
    assert fitted.plan.static == 2
    swapped = dataclasses.replace(panel, ids=("s1", "s0"))
    stranger = dataclasses.replace(panel, ids=("s0", "another"))
    at = np.arange(2), panel.lengths
    said, other, strange = (fitted.forecast_at(p, *at) for p in (panel, swapped, stranger))
    assert not np.array_equal(said[0], other[0])
    assert np.array_equal(said[0], strange[0])
    assert np.isfinite(strange).all()


def test_a_failing_fit_leaves_the_earlier_one(
    surfer: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = surfer("direct")
    before = model.predict()

    def fail(*_: Any) -> None:
        raise ValueError("stopped")

    monkeypatch.setattr(module, "fit_panel", fail)
    with pytest.raises(ValueError, match="stopped"):
        model.fit(samples.waves(80))
    assert model.predict().equals(before)


def test_the_record_tells_of_the_data(surfer: Give) -> None:
    data = surfer("direct").fitted_.record["data"]
    assert (data["series"], data["rows"], data["missing"]) == (3, 155, 0)
    assert data["validation_steps"] == HORIZON
    assert data["windows"] > 0
    other = forecaster("direct").fit(samples.waves(60, 50, 45)).fitted_.record["data"]
    assert other["fingerprint"] != data["fingerprint"]
