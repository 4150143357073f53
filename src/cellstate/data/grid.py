"""Rows laid on a regular grid, so that a step is always one period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.data.frequency import Frequency
from cellstate.data.inference import infer_frequency
from cellstate.errors import FrameError, explain

_MOST_ROWS_ADDED = 50  # per given row: beyond it, the frequency is surely wrong
_FREE_ROWS = 100_000
_FEWEST_STEPS = 3  # that make a series' own frequency a fact and not chance
_ROWS_PER_OWN_GAP = 10  # with more gaps than that a series is sparse, not of another frequency


@dataclass(frozen=True)
class Grid:
    """Where each given row lies among the rows of the regular grid.

    Attributes
    ----------
    offsets : ndarray (N + 1,)
        Where each series begins on the grid.
    places : ndarray (given rows,) or None
        The grid row of each given row; None if they are the grid.
    times : ndarray (grid rows,)
    """

    offsets: np.ndarray
    places: np.ndarray | None
    times: np.ndarray

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Put given rows on the grid, NaN between them."""
        if self.places is None:
            return values
        spread = np.full((len(self.times), *values.shape[1:]), np.nan, dtype=values.dtype)
        spread[self.places] = values
        return spread


def check_order(times: np.ndarray, offsets: np.ndarray, ids: Sequence[Any]) -> None:
    """Raise `FrameError` unless each series' stamps increase; the message names the first."""
    if len(times) == len(offsets) - 1:
        return
    steps = np.diff(times).astype(np.int64)
    steps[offsets[1:-1] - 1] = 1
    if steps.min() > 0:
        return
    row = int(np.argmax(steps <= 0)) + 1
    series = _series_of(row, offsets, ids)
    if steps[row - 1] == 0:
        raise FrameError(
            explain(
                "Columns",
                "a series has one row a time stamp",
                f"{_show(times[row])} twice in {series}",
                "Drop or aggregate the duplicates, or name the column that tells the series apart "
                "with Columns(id=...)",
            )
        )
    raise FrameError(
        explain(
            "Columns",
            "the rows of a series must be sorted by time",
            f"{_show(times[row])} after {_show(times[row - 1])} in {series}",
            "Sort the frame by the time column",
        )
    )


def lay_grid(
    times: np.ndarray, offsets: np.ndarray, ids: Sequence[Any], frequency: Frequency
) -> Grid:
    """Lay each series, from its own first stamp, on the grid of a frequency.

    Raises
    ------
    FrameError
        A stamp is off the grid, a series has another frequency, or the gaps are absurdly long.
    """
    if len(times) == len(offsets) - 1:
        return Grid(offsets, None, times)
    counts = np.diff(offsets)
    first = np.repeat(times[offsets[:-1]], counts)
    periods = frequency.periods(first, times)
    off_grid = frequency.shift(first, periods) != times
    if off_grid.any():
        row = int(np.argmax(off_grid))
        raise _off_grid(row, times, offsets, ids, frequency)
    _check_own_frequency(periods, times, offsets, ids, frequency)
    lengths = periods[offsets[1:] - 1] + 1
    if int(lengths.sum()) == len(times):
        return Grid(offsets, None, times)
    _check_size(lengths, counts, times, offsets, ids, frequency)
    grid_offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.repeat(grid_offsets[:-1], counts) + periods
    within = np.arange(grid_offsets[-1]) - np.repeat(grid_offsets[:-1], lengths)
    grid_times = frequency.shift(np.repeat(times[offsets[:-1]], lengths), within)
    return Grid(grid_offsets, places, grid_times)


def _off_grid(
    row: int, times: np.ndarray, offsets: np.ndarray, ids: Sequence[Any], frequency: Frequency
) -> FrameError:
    number = int(np.searchsorted(offsets, row, side="right")) - 1
    stamps = times[offsets[number] : offsets[number + 1]]
    own = infer_frequency(stamps, np.array([0, len(stamps)]))
    if len(offsets) > 2 and own != frequency and _is_regular(stamps, own):
        return _mixed(ids[number], own, frequency)
    return FrameError(
        explain(
            "Columns",
            f"time stamps must be a whole number of periods apart (frequency {frequency.name!r})",
            f"{_show(times[row])} after {_show(times[row - 1])} in {_series_of(row, offsets, ids)}",
            "Round or resample the stamps, or give the right frequency",
        )
    )


def _check_own_frequency(
    periods: np.ndarray,
    times: np.ndarray,
    offsets: np.ndarray,
    ids: Sequence[Any],
    frequency: Frequency,
) -> None:
    """Refuse a coarser series, such as a monthly one among daily ones, read as all gaps."""
    steps = np.diff(periods)
    steps[offsets[1:-1] - 1] = np.iinfo(np.int64).max
    if np.count_nonzero(steps > 1) > len(offsets) - 2:  # more than the series' borders
        shortest = np.minimum.reduceat(np.append(steps, np.iinfo(np.int64).max), offsets[:-1])
        for number in np.flatnonzero((shortest > 1) & (np.diff(offsets) > _FEWEST_STEPS)).tolist():
            stamps = times[offsets[number] : offsets[number + 1]]
            own = infer_frequency(stamps, np.array([0, len(stamps)]))
            if own != frequency and _is_regular(stamps, own):
                raise _mixed(ids[number], own, frequency)


def _is_regular(stamps: np.ndarray, frequency: Frequency) -> bool:
    periods = frequency.periods(stamps[0], stamps)
    gaps = int(periods[-1]) + 1 - len(stamps)
    on_grid = np.array_equal(frequency.shift(stamps[0], periods), stamps)
    return on_grid and gaps <= len(stamps) // _ROWS_PER_OWN_GAP


def _mixed(series: Any, own: Frequency, frequency: Frequency) -> FrameError:
    return FrameError(
        explain(
            "Columns",
            f"all series must have one frequency (here {frequency.name!r})",
            f"{own.name!r} in the series {series!r}",
            "Resample it or fit it by itself; if the stamps between are truly missing, add them "
            "as rows with an empty target",
        )
    )


def _check_size(
    lengths: np.ndarray,
    counts: np.ndarray,
    times: np.ndarray,
    offsets: np.ndarray,
    ids: Sequence[Any],
    frequency: Frequency,
) -> None:
    longest = int(np.argmax(lengths - counts))
    if frequency.is_integer and _look_like_dates(times):
        advice = "Integers that spell dates have no regular step: convert the column to dates"
    elif lengths.sum() > _FREE_ROWS + _MOST_ROWS_ADDED * counts.sum():
        advice = "Give the right frequency, or correct the stamps"
    else:
        return
    raise FrameError(
        explain(
            "Columns",
            f"the stamps must be close to a regular grid (frequency {frequency.name!r})",
            f"{counts[longest]} rows over {lengths[longest]} periods in the series "
            f"{ids[longest]!r}, from {_show(times[offsets[longest]])}",
            advice,
        )
    )


def _look_like_dates(times: np.ndarray) -> bool:
    """Whether integers read as YYYYMM or YYYYMMDD, which count 100 for 12 months."""
    day = times.min() > 19_000_000 and times.max() < 21_010_000
    months = times // 100 if day else times
    in_range = bool(np.all((months > 190_000) & (months < 210_013)))
    return in_range and bool(np.all((months % 100 >= 1) & (months % 100 <= 12)))


def _series_of(row: int, offsets: np.ndarray, ids: Sequence[Any]) -> str:
    return f"the series {ids[int(np.searchsorted(offsets, row, side='right')) - 1]!r}"


def _show(time: Any) -> str:
    return str(time).replace("T00:00:00.000000", "").removesuffix(".000000")
