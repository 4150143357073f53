"""Quantiles as the prediction frame that users of forecasting libraries know."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstate.data.panel import Panel
from cellstate.tasks.forecast.intervals import band
from cellstate.tasks.forecast.plan import Plan

NAME = "LSTM"


def answer_columns(
    plan: Plan, quantiles: np.ndarray, levels: tuple[float, ...]
) -> dict[str, np.ndarray]:
    """Name point forecast and intervals, flattened over windows and steps."""
    columns = {NAME: quantiles[..., plan.taus.index(0.5)].ravel()}
    for level in levels:
        low, high = band(quantiles, plan.taus, level)
        columns[f"{NAME}-lo-{level:g}"] = low.ravel()
        columns[f"{NAME}-hi-{level:g}"] = high.ravel()
    return columns


def answer_frame(
    panel: Panel,
    plan: Plan,
    series: np.ndarray,
    cutoff_times: np.ndarray,
    quantiles: np.ndarray,
    levels: tuple[float, ...],
    truth: np.ndarray | None = None,
) -> Any:
    """Build the prediction frame, of the kind of frame the panel came from.

    Parameters
    ----------
    panel : Panel
        Gives ids, frequency and the kind of frame.
    series : np.ndarray
        (R,) number of each window's series in the panel.
    cutoff_times : np.ndarray
        (R,) last stamp known to each window.
    quantiles : np.ndarray
        (R, H, Q)
    truth : np.ndarray, optional
        (R, H), given back in the target's column.
    """
    horizon = plan.horizon
    times = panel.frequency.shift(cutoff_times[:, None], np.arange(1, horizon + 1))
    columns: dict[Any, Any] = {
        panel.origin.id_column: [panel.ids[at] for at in np.repeat(series, horizon).tolist()],
        panel.origin.time_column: times.ravel(),
        "cutoff": np.repeat(cutoff_times, horizon),
    }
    if truth is not None:
        columns[panel.target_name] = truth.ravel()
    return panel.to_native({**columns, **answer_columns(plan, quantiles, levels)})
