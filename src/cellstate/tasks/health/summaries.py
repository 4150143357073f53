"""The usual summary of a stay for models that know no time: one row of numbers."""

from __future__ import annotations

import numpy as np

from cellstate.data.health.timelines import Timelines

PER_VARIABLE = (
    "last", "first", "mean", "min", "max", "std", "slope", "count", "hours since",
)  # fmt: skip
CHUNK = 512


def summarize(timelines: Timelines) -> np.ndarray:
    """Summarise each stay: (n, 9 V + S) float64, NaN where nothing was measured.

    For each variable: the last and the first measurement, mean, least, largest, standard
    deviation, least-squares slope per hour, how many steps hold one, and the hours from the last
    one to the prediction; then the static values.

    Examples
    --------
    >>> from cellstate.data.health.events import Events
    >>> from cellstate.data.health.timelines import Layout, lay_out
    >>> from cellstate.data.health.windows import windows_of
    >>> events = Events.from_parts([0, 0], [1.0, 3.0], [0, 0], [80.0, 90.0],
    ...                            subjects=["a"], codes=["HR"])
    >>> windows = windows_of(events, ["a"], start=[0.0], end=[4.0])
    >>> summarize(lay_out(events, windows, Layout.of(events, 1.0)))[0].tolist()
    [90.0, 80.0, 85.0, 80.0, 90.0, 5.0, 5.0, 2.0, 1.0]
    """
    n, V = len(timelines), len(timelines.variables)
    summary = np.full((n, len(PER_VARIABLE), V), np.nan)
    for first in range(0, n, CHUNK):
        rows = np.arange(first, min(first + CHUNK, n))
        summary[rows] = _chunk(timelines, rows)
    flat = summary.transpose(0, 2, 1).reshape(n, -1)
    return np.concatenate([flat, timelines.static.astype(np.float64)], axis=1)


def _chunk(timelines: Timelines, rows: np.ndarray) -> np.ndarray:
    counts = timelines.steps[rows]
    T = max(1, int(counts.max(initial=1)))
    inside = np.arange(T) < counts[:, None]
    places = timelines.places(rows)
    values = np.full((len(rows), T, len(timelines.variables)), np.nan)
    values[inside] = timelines.values[places]
    hours = np.zeros((len(rows), T, 1))
    hours[inside, 0] = timelines.hours[places]
    seen = ~np.isnan(values)
    filled, count = np.where(seen, values, 0.0), seen.sum(1)
    any_seen = count > 0
    step = np.arange(T)[None, :, None]
    last = np.where(seen, step, -1).max(1)
    first = np.where(seen, step, T).min(1)
    some = np.maximum(1, count)
    mean = filled.sum(1) / some
    centred = np.where(seen, values - mean[:, None], 0.0)
    middle = (np.where(seen, hours, 0.0).sum(1) / some)[:, None]
    since = np.where(seen, hours - middle, 0.0)
    square = (since**2).sum(1)
    slope = (since * centred).sum(1) / np.where(square > 0, square, np.inf)
    at = np.take_along_axis(np.broadcast_to(hours, values.shape), np.maximum(last, 0)[:, None], 1)
    parts = [
        np.take_along_axis(filled, np.maximum(last, 0)[:, None], 1)[:, 0],
        np.take_along_axis(filled, np.minimum(first, T - 1)[:, None], 1)[:, 0],
        mean,
        np.where(seen, values, np.inf).min(1),
        np.where(seen, values, -np.inf).max(1),
        np.sqrt((centred**2).sum(1) / some),
        slope,
        count,
        timelines.lengths_h[rows, None] - at[:, 0],
    ]
    told = [np.where(any_seen, part, np.nan) for part in parts]
    told[PER_VARIABLE.index("count")] = count.astype(np.float64)
    return np.stack(told, axis=1)
