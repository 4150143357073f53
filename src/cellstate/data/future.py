"""Covariates that are known for the steps to forecast."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstate.data.calendar import calendar_values
from cellstate.data.columns import Columns
from cellstate.data.frames import to_panel
from cellstate.data.panel import Panel
from cellstate.errors import FrameError, explain


def future_values(panel: Panel, frame: Any, horizon: int) -> np.ndarray:
    """Give the known-future covariates of the steps after each series' last.

    Parameters
    ----------
    panel : Panel
    frame : DataFrame or None
        Rows of id, time and the future covariates; further columns and rows are left aside. None
        where the panel has no future covariate other than the calendar's.
    horizon : int

    Returns
    -------
    ndarray (N, horizon, future covariates), float32

    Raises
    ------
    FrameError
        The frame is missing, or lacks a series or a time stamp that is to be forecast.
    """
    times = panel.next_times(horizon)
    known = len(panel.future_names) - 2 * len(panel.calendar)
    values = np.empty((len(panel), horizon, len(panel.future_names)), dtype=np.float32)
    if known:
        values[:, :, :known] = _look_up(panel, frame, times, panel.future_names[:known])
    if panel.calendar:
        local = panel.origin.stamps.to_local(times)
        values[:, :, known:] = calendar_values(local, panel.calendar)
    return values


def _look_up(panel: Panel, frame: Any, times: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    listed = ", ".join(map(repr, names))
    if frame is None:
        raise FrameError(
            explain(
                "predict",
                f"the columns {listed} must be known for the steps to forecast",
                "no future frame",
                "Give future=, a frame with the id and time columns and these",
            )
        )
    columns = Columns(
        id=panel.origin.id_column, time=panel.origin.time_column, target=None, future=names
    )
    given = to_panel(frame, columns, panel.frequency)
    numbers = {name: number for number, name in enumerate(given.ids)}
    if panel.origin.id_column is None:
        numbers = {panel.ids[0]: 0}
    values = np.empty((*times.shape, len(names)), dtype=np.float32)
    for row, name in enumerate(panel.ids):
        if name not in numbers:
            raise _lacks(f"the series {name!r}", f"ids such as {given.ids[0]!r}")
        rows = given.rows(numbers[name])
        have, wanted = given.times[rows], times[row]
        places = np.searchsorted(have, wanted)
        found = have[np.minimum(places, len(have) - 1)] == wanted
        if not found.all():
            missing = wanted[int(np.argmin(found))]
            raise _lacks(f"{missing} of the series {name!r}", f"{have[0]} to {have[-1]}")
        values[row] = given.future[rows][places]
    return values


def _lacks(what: str, given: str) -> FrameError:
    return FrameError(
        explain(
            "predict",
            f"the future frame must hold {what}",
            given,
            "Add its rows for every step to forecast",
        )
    )
