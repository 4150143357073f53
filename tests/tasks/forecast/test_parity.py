"""What runs on NumPy and the compiled kernels gives the numbers of the trained torch modules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import torch

from cellstate.data import Panel
from cellstate.data.windows import gather_windows
from cellstate.nn import heads
from cellstate.nn.heads import monotone_quantiles
from cellstate.tasks.forecast import direct, recursive
from cellstate.tasks.forecast.direct import DirectModel
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


def random_direct(plan: Plan) -> tuple[torch.nn.Module, DirectModel]:
    torch.manual_seed(1)
    module = direct.build(plan).eval()
    return module, DirectModel(plan, module.tensors())


@pytest.mark.parametrize("changes", [{}, {"layers": 2}, {"log": True}, {"segment": 3}])
def test_direct_forecasts_are_those_of_the_torch_module(
    changes: dict[str, object], shopkeeper: Give
) -> None:
    keeper = shopkeeper("direct")
    panel, plan = scaled(keeper), plan_of(keeper, **changes)
    module, model = random_direct(plan)
    series, ends = np.array([0, 1, 1, 2]), np.array([40, 3, 30, 9])
    window = gather_windows(panel, series, ends, plan.context, plan.horizon)
    past, future = np.nan_to_num(window["past"]), np.nan_to_num(window["future"])
    static = np.nan_to_num(window["static"])
    encoded = direct.encode(plan, window["context"], past, future, static)
    with torch.no_grad():
        raw = module(torch.from_numpy(encoded.segments), torch.from_numpy(encoded.queries))
        raw = raw.reshape(len(series), -1, len(plan.taus) + 1)[:, : plan.horizon]
        start = raw[..., -1:].sigmoid() * torch.from_numpy(encoded.base)[:, : plan.horizon, None]
        z = monotone_quantiles(raw[..., :-1], median=plan.taus.index(0.5)) + start
    expected = encoded.scale.restore(z.double().numpy())
    state = model.state_at(panel, series, ends)
    known = window["future"][:, plan.context :]
    np.testing.assert_allclose(model.forecast(state, known, static), expected, **CLOSE)


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
    model = RecursiveModel(plan, module.tensors())
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
    module.load_tensors(keeper.fitted_.tensors)
    model = RecursiveModel(plan, module.tensors())
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
    for kind, module in (("direct", direct), ("quantiles", recursive)):
        keeper = shopkeeper(kind)
        at_once = samples.values_of(keeper.predict(future=future))
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
        assert np.array_equal(samples.values_of(keeper.predict(future=future)), at_once)
