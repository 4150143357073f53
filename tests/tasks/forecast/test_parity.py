"""What runs on NumPy and the compiled kernels gives the numbers of the trained torch modules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from cellstate.data import Panel
from cellstate.data.windows import split_windows
from cellstate.nn import heads
from cellstate.nn.heads import monotone_quantiles
from cellstate.tasks.forecast import direct, recursive
from cellstate.tasks.forecast.direct import Encoded
from cellstate.tasks.forecast.direct_task import DirectTask
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.tasks.forecast.intervals import rising
from cellstate.tasks.forecast.plan import Plan
from cellstate.tasks.forecast.recursive import RecursiveModel
from cellstate.tasks.forecast.recursive_task import read
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import RECURSIVE

Give = Callable[[str], Forecaster]
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def plan_of(model: Forecaster, **changes: object) -> Plan:
    return dataclasses.replace(model.fitted_.plan, **changes)


def scaled(model: Forecaster) -> Panel:
    return model.fitted_.covariates.apply(model.history_)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Encoded]:
    """Keep what every forecast of a direct network is computed from."""
    kept: list[Encoded] = []
    encode = direct.encode

    def keep(*arguments: Any) -> Encoded:
        kept.append(encode(*arguments))
        return kept[-1]

    monkeypatch.setattr(direct, "encode", keep)
    return kept


def run(module: torch.nn.Module, windows: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Give raw outputs and the linear part of a torch module."""
    inputs = (torch.from_numpy(windows[name]) for name in ("segments", "queries", "window"))
    with torch.no_grad():
        raw, line = module(*inputs)
    return raw.numpy(), line.numpy()


@pytest.mark.parametrize("changes", [{}, {"layers": 2}, {"log": True}, {"segment": 3}])
def test_direct_forecasts_are_those_of_the_torch_module(
    changes: dict[str, object], shopkeeper: Give, encoded: list[Encoded]
) -> None:
    keeper = shopkeeper("direct")
    plan = plan_of(keeper, **changes)
    torch.manual_seed(1)
    module = direct.build(plan).eval()
    with torch.no_grad():  # the linear part starts at zero
        for parameter in module.skip.parameters():
            parameter.normal_(std=0.1)
    fitted = dataclasses.replace(
        keeper.fitted_, plan=plan, networks=(module.tensors(),) * plan.members
    )
    series, ends = np.array([0, 1, 1, 2]), np.array([40, 3, 30, 9])
    said = fitted.forecast_at(keeper.history_, series, ends)
    [windows] = encoded
    raw, line = run(module, vars(windows))
    expected = windows.scale.restore(direct.decode(plan, raw, windows.base, line))
    np.testing.assert_allclose(said, expected, **CLOSE)


def task_of(keeper: Forecaster) -> DirectTask:
    plan, panel = keeper.fitted_.plan, scaled(keeper)
    learn, valid = split_windows(panel, plan.context, plan.horizon, plan.horizon)
    return DirectTask(plan, learn, valid, batch_size=8, steps_per_epoch=1)


def test_training_sees_a_window_as_forecasting_does(
    shopkeeper: Give, encoded: list[Encoded]
) -> None:
    keeper = shopkeeper("direct")
    task = task_of(keeper)
    [batch] = task.valid_batches()
    assert task.valid is not None
    every = np.arange(len(task.valid))
    keeper.fitted_.forecast_at(keeper.history_, task.valid.series(every), task.valid.cutoffs(every))
    [windows] = encoded
    for name in ("segments", "queries", "window"):
        assert np.array_equal(batch[name], getattr(windows, name)), name
    assert np.array_equal(batch["base"], windows.base[:, : samples.HORIZON])


def test_the_loss_reads_the_outputs_as_forecasting_does(shopkeeper: Give) -> None:
    """Where the truth is the median, what is left of the loss are the other quantiles' steps."""
    keeper = shopkeeper("direct")
    plan = keeper.fitted_.plan
    torch.manual_seed(3)
    module = direct.build(plan).eval()
    task = task_of(keeper)
    batch = next(task.train_batches(np.random.default_rng(0)))
    raw, line = run(module, batch)
    quantiles = direct.decode(plan, raw, batch["base"], line).astype(np.float64)
    middle, taus = plan.taus.index(0.5), np.array(plan.taus)
    batch["target"] = quantiles[..., middle].astype(np.float32)
    distance = quantiles[..., middle, None] - quantiles
    expected = np.maximum(taus * distance, (taus - 1) * distance).mean()
    tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
    with torch.no_grad():
        loss = task.loss(module, tensors, None).loss
    assert float(loss) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", RECURSIVE)
@pytest.mark.parametrize("layers", [1, 2])
def test_recursive_memory_is_that_of_the_torch_module(
    kind: str, layers: int, shopkeeper: Give
) -> None:
    """Training reads rows through `read`, forecasting observes them one by one."""
    keeper = shopkeeper(kind)
    panel, plan = scaled(keeper), plan_of(keeper, layers=layers)
    torch.manual_seed(2)
    module = recursive.build(plan).eval()
    model = RecursiveModel(plan, (module.tensors(),))
    inputs, _, _ = read(plan, panel)
    state = model.state_at(panel, np.arange(len(panel)), panel.lengths)
    for number in range(len(panel)):
        own = torch.from_numpy(inputs[panel.rows(number)])[:, None]
        with torch.no_grad():
            _, after = module(own)
        for part in ("h", "c"):
            expected = getattr(after["memory"], part)[:, 0].numpy()
            np.testing.assert_allclose(state[part][number], expected, **CLOSE)


@pytest.mark.parametrize("kind", RECURSIVE)
def test_paths_are_drawn_from_the_distribution_that_is_trained(
    kind: str, surfer: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step ahead, many paths against the quantiles of the head in torch."""
    monkeypatch.setattr(recursive, "PATHS", 100_000)
    keeper = surfer(kind)
    plan = plan_of(keeper, horizon=1)
    module = recursive.build(plan).eval()
    module.load_tensors(keeper.fitted_.networks[0])
    model = RecursiveModel(plan, (module.tensors(),))
    one_more = keeper.history_.frequency.advance(keeper.history_.times[-1], 1)[0]
    last = pl.DataFrame({"unique_id": ["s2"], "ds": [int(one_more)], "y": [None]})
    state = {name: part[-1:].copy() for name, part in keeper.memory_.state.items()}
    panel = keeper.update(last.cast({"y": pl.Float64})).history_
    inputs, _, unit = read(plan, panel)
    with torch.no_grad():
        raw = module(torch.from_numpy(inputs[panel.rows(2)])[:, None])[0][-1:, 0]
    said = model.forecast(state, np.zeros((1, 1, 0)), np.zeros((1, 0)))[0, 0]
    if kind == "negative_binomial":
        counts = heads.NegativeBinomial.from_raw(raw, scale=torch.tensor(unit[-1:]))
        assert np.abs(said - counts.quantiles(plan.taus)[0].numpy()).max() <= 1
        return
    seasonal = torch.from_numpy(inputs[panel.rows(2)][-1:, recursive.Lags.SEASONAL])
    start = raw[:, -1].sigmoid() * seasonal
    if kind == "student_t":
        head = heads.StudentT.from_raw(raw[:, :-1], shift=start)
        expected = head.quantiles(plan.taus)[0].numpy()
    else:
        middle = plan.taus.index(0.5)
        expected = (monotone_quantiles(raw[:, :-1], median=middle) + start[:, None])[0].numpy()
    level, width = state["level"][0], max(state["spread"][0], 1e-6)
    z = (said - level) / width
    np.testing.assert_allclose(z, expected, rtol=0.05, atol=0.05)


def test_quantiles_rise_in_numpy_as_in_torch() -> None:
    raw = np.random.default_rng(0).normal(scale=20, size=(5, 3, 7)).astype(np.float32)
    taus = (0.01, 0.1, 0.3, 0.5, 0.6, 0.9, 0.99)
    expected = monotone_quantiles(torch.from_numpy(raw), median=3).numpy()
    np.testing.assert_allclose(rising(raw, taus), expected, rtol=1e-6, atol=1e-5)


def test_very_many_rows_are_forecast_in_bounded_parts(
    shopkeeper: Give, monkeypatch: pytest.MonkeyPatch, future: pl.DataFrame
) -> None:
    for kind in ("direct", "quantiles"):
        keeper = shopkeeper(kind)
        at_once = samples.values_of(keeper.predict(future=future))
        monkeypatch.setattr(type(keeper.fitted_.model), "rows_at_once", 2)
        assert np.array_equal(samples.values_of(keeper.predict(future=future)), at_once)
