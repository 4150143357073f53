"""What rounding the weights of a trained model costs: held-out error, deviation, bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks import protocols
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue, to_panel
from cellstate.data.panel import Panel
from cellstate.data.series import airline
from cellstate.runtime import Chain
from cellstate.tasks.forecast.fitted import Fitted
from cellstate.tasks.forecast.forecaster import Forecaster

LOOKBACK, HORIZON, MONTHS = 96, 96, 12
PARTS = 16  # of the windows of a channel, to bound memory
FORMS = {"cellstate": "float32", "cellstate bf16": "bf16", "cellstate int8": "int8"}
ROUNDED = re.compile(r"\.weight_(ih|hh)_l\d+$")  # the matrices of LSTM layers


def run(recorder: Recorder, options: Options) -> None:
    """Fit a direct and a recursive model, then forecast with weights of each form."""
    _etth1(recorder, options)
    _airline(recorder, options)


def _etth1(recorder: Recorder, options: Options) -> None:
    import polars as pl

    data = protocols.etth1(catalogue.path("etth1", options.data_dir))
    frame = pl.concat(
        pl.DataFrame({"unique_id": name, "ds": data.times, "y": data.values[:, channel]})
        for channel, name in enumerate(data.names)
    )
    known = protocols.ETT_TRAIN + protocols.ETT_VALID
    forecaster = Forecaster(HORIZON, context=LOOKBACK, random_state=0)
    forecaster.fit(frame.filter(pl.col("ds") < data.times[known]), validation=protocols.ETT_VALID)
    panel = to_panel(frame)
    cutoffs = np.arange(known, known + protocols.ETT_TEST - HORIZON + 1)
    truth = panel.target[_rows(panel, cutoffs, HORIZON)]

    def errors(said: np.ndarray) -> dict[str, float]:
        mse, mae = protocols.errors(said, truth)
        return {"mse": mse, "mae": mae}

    _measure(recorder, "ETTh1, horizon 96, direct", forecaster, panel, cutoffs, errors)


def _airline(recorder: Recorder, options: Options) -> None:
    frame = airline(options.data_dir)
    forecaster = Forecaster(MONTHS, decoder="recursive", random_state=0).fit(frame[:-MONTHS])
    panel = to_panel(frame)
    cutoffs = np.array([len(frame) - MONTHS])
    truth = panel.target[_rows(panel, cutoffs, MONTHS)]

    def errors(said: np.ndarray) -> dict[str, float]:
        return {"smape": protocols.smape(said, truth)}

    _measure(recorder, "airline, last 12, recursive", forecaster, panel, cutoffs, errors)


def _measure(
    recorder: Recorder,
    case: str,
    forecaster: Forecaster,
    panel: Panel,
    cutoffs: np.ndarray,
    errors: Callable[[np.ndarray], dict[str, float]],
) -> None:
    fitted = forecaster.fitted_
    median = fitted.plan.taus.index(0.5)
    full = np.empty(0)
    for system, form in FORMS.items():
        model = _stored(fitted, form)
        said = np.stack(
            [
                np.concatenate(
                    [
                        model.forecast_at(panel, np.full(len(part), series), part)[..., median]
                        for part in np.array_split(cutoffs, min(PARTS, len(cutoffs)))
                    ]
                )
                for series in range(len(panel))
            ]
        )
        full = full if full.size else said
        figures = errors(said) | {
            "largest_deviation": float(np.abs(said - full).max()),
            "deviation_percent_of_range": 100 * float(np.abs(said - full).max() / np.ptp(full)),
            "model_bytes": sum(
                _bytes(name, tensor, form)
                for tensors in fitted.networks
                for name, tensor in tensors.items()
            ),
        }
        for metric, value in figures.items():
            recorder.add(case, system, metric, value)


def _rows(panel: Panel, cutoffs: np.ndarray, horizon: int) -> np.ndarray:
    """Number the rows that follow each cutoff: (series, cutoffs, horizon)."""
    return panel.offsets[:-1, None, None] + cutoffs[:, None] + np.arange(horizon)


def _stored(fitted: Fitted, form: str) -> Fitted:
    """Give the same model with the weights of its LSTM layers in another form."""
    copy = replace(fitted)
    owners = getattr(copy.model, "_networks", [copy.model])
    for owner, tensors in zip(owners, copy.networks, strict=True):
        chains = {name: one for name, one in vars(owner).items() if isinstance(one, Chain)}
        assert chains
        for name, chain in chains.items():
            setattr(owner, name, Chain(chain.layers, tensors, weights=form))
    return copy


def _bytes(name: str, tensor: np.ndarray, form: str) -> int:
    if form == "float32" or not ROUNDED.search(name):
        return 4 * tensor.size
    return 2 * tensor.size if form == "bf16" else tensor.size + 4 * len(tensor)
