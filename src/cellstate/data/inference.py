"""The frequency that a set of time stamps has."""

from __future__ import annotations

import numpy as np

from cellstate.data.frequency import DAY_US, Frequency
from cellstate.errors import FrameError, explain

_SHORTEST_MONTH = 28 * DAY_US


def infer_frequency(times: np.ndarray, offsets: np.ndarray) -> Frequency:
    """Infer the period that most neighbouring stamps have.

    Months are tried where no two stamps are closer than 28 days, business days where daily
    stamps never fall on a weekend that they span; otherwise the most common difference counts.
    Whether every stamp is on the grid is checked when the grid is laid.

    Parameters
    ----------
    times : ndarray (rows,)
        int64 or datetime64[us], increasing within each series.
    offsets : ndarray (N + 1,)
        Where each series begins.

    Raises
    ------
    FrameError
        No series has two stamps.

    Examples
    --------
    >>> days = np.array(["2024-01-31", "2024-02-29", "2024-03-31"], dtype="datetime64[us]")
    >>> infer_frequency(days, np.array([0, 3])).name
    'ME'
    """
    steps = np.diff(times).astype(np.int64)
    inner = np.ones(len(times), dtype=bool)
    inner[offsets[:-1]] = False  # the difference into a series' first stamp is of two series
    steps = steps[inner[1:]]
    if len(steps) == 0:
        raise FrameError(
            explain(
                "frequency",
                "inferring it takes a series with at least two time stamps",
                f"{len(offsets) - 1} series of one stamp",
                "Give it, such as frequency='D'",
            )
        )
    if times.dtype.kind != "M":
        return Frequency("integer", _most_common(steps))
    if steps.min() >= _SHORTEST_MONTH:
        months = _months(times, offsets, inner)
        if months is not None:
            return months
    common = _most_common(steps)
    if common == DAY_US and _skips_weekends(times, steps):
        return Frequency("business", 1)
    return Frequency("time", common)


def _most_common(steps: np.ndarray) -> int:
    if steps[0] == steps.min() == steps.max():
        return int(steps[0])
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])  # of equally common ones the smallest


def _months(times: np.ndarray, offsets: np.ndarray, inner: np.ndarray) -> Frequency | None:
    months = times.astype("datetime64[M]")
    count = _most_common(np.diff(months).astype(np.int64)[inner[1:]])
    if count == 0:
        return None
    last_days = (months + 1).astype("datetime64[D]") - 1
    at_end = bool(np.all(times.astype("datetime64[D]") == last_days))
    frequency = Frequency("month", count, at_end)
    first = np.repeat(times[offsets[:-1]], np.diff(offsets))
    on_grid = frequency.shift(first, frequency.periods(first, times)) == times
    return frequency if bool(np.all(on_grid)) else None


def _skips_weekends(times: np.ndarray, steps: np.ndarray) -> bool:
    # 1970-01-01 was a Thursday: Monday is 0 after adding 3.
    weekdays = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return bool(weekdays.max() < 5 and np.any(steps >= 3 * DAY_US))
