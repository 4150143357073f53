"""Stays as steps in time: what was measured in each hour of a window, and nothing after it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellstate.data.health.events import Events
from cellstate.data.health.left_out import LeftOut
from cellstate.data.health.windows import Windows, places_of

IN_MEMORY = 2**31
"""Bytes of values beyond which they are laid out in a file that the system reads as needed."""
CHUNK = 2048
"""Windows laid out at a time."""


@dataclass(frozen=True)
class Timelines:
    """Measurements of stays, one row a step; a step without any measurement has no row.

    Attributes
    ----------
    subjects : np.ndarray
        (n,) identifiers.
    offsets : np.ndarray
        (n + 1,) int64, where each stay's steps begin.
    hours : np.ndarray
        (N,) float64 since the window's start, when what the step holds was complete.
    values : np.ndarray
        (N, V) float32, NaN where not measured.
    variables : tuple of str
        (V,)
    static : np.ndarray
        (n, S) float32, NaN where not known.
    static_names : tuple of str
        (S,)
    lengths_h : np.ndarray
        (n,) float64, hours from the window's start to the prediction.
    left_out : LeftOut
    """

    subjects: np.ndarray
    offsets: np.ndarray
    hours: np.ndarray
    values: np.ndarray
    variables: tuple[str, ...]
    static: np.ndarray
    static_names: tuple[str, ...]
    lengths_h: np.ndarray
    left_out: LeftOut = field(default_factory=LeftOut.nothing)

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def steps(self) -> np.ndarray:
        """Steps of each stay: (n,) int64."""
        return np.diff(self.offsets)

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Give where in `hours` and `values` the steps of some stays lie, one after the other."""
        counts = self.steps[rows]
        begins = np.cumsum(counts) - counts
        return np.repeat(self.offsets[rows] - begins, counts) + np.arange(counts.sum())

    def take(self, rows: np.ndarray) -> Timelines:
        """Pick stays."""
        places = self.places(rows)
        return Timelines(
            self.subjects[rows],
            np.concatenate([[0], np.cumsum(self.steps[rows])]),
            self.hours[places],
            np.asarray(self.values[places]),
            self.variables,
            self.static[rows],
            self.static_names,
            self.lengths_h[rows],
        )


@dataclass(frozen=True)
class Layout:
    """Which codes become columns, and how long a step is.

    Attributes
    ----------
    variables, static : tuple of str
        Codes of events with a time, and without one.
    every_h : float or None
        Hours of a step; None makes a step of every time at which anything was measured.
    valued : frozenset of str
        Variables that have numbers; the others are 1 in a step that holds one.
    """

    variables: tuple[str, ...]
    static: tuple[str, ...]
    every_h: float | None
    valued: frozenset[str]

    @classmethod
    def of(
        cls, events: Events, every_h: float | None, *, most: int = 256, share: float = 0.01
    ) -> Layout:
        """Choose the codes that at least a share of the subjects have, the most common ones.

        Examples
        --------
        >>> events = Events.from_parts([0, 0], [0.0, -np.inf], [0, 1], [80.0, 50.0],
        ...                            subjects=["a"], codes=["HR", "Age"])
        >>> layout = Layout.of(events, 1.0)
        >>> layout.variables, layout.static
        (('HR',), ('Age',))
        """
        owner = np.repeat(np.arange(len(events.subjects)), np.diff(events.offsets))
        timed = np.isfinite(events.hours)
        fewest = max(1.0, share * len(events.subjects))
        chosen = []
        for mask in (timed, ~timed):
            pairs = np.unique(owner[mask].astype(np.int64) * len(events.codes) + events.code[mask])
            counts = np.bincount(pairs % max(1, len(events.codes)), minlength=len(events.codes))
            order = np.argsort(-counts, kind="stable")[:most]
            chosen.append(sorted(events.codes[k] for k in order if counts[k] >= fewest))
        has_value = np.zeros(len(events.codes), dtype=bool)
        has_value[events.code[~np.isnan(events.value)]] = True
        valued = frozenset(c for c, has in zip(events.codes, has_value, strict=True) if has)
        return cls(tuple(chosen[0]), tuple(chosen[1]), every_h, valued)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {
            "variables": list(self.variables),
            "static": list(self.static),
            "every_h": self.every_h,
            "valued": sorted(self.valued),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Layout:
        """Read it back."""
        every_h = None if data["every_h"] is None else float(data["every_h"])
        variables, static = tuple(data["variables"]), tuple(data["static"])
        return cls(variables, static, every_h, frozenset(data["valued"]))


def lay_out(
    events: Events,
    windows: Windows,
    layout: Layout,
    *,
    asked: tuple[np.ndarray, np.ndarray] | None = None,
) -> Timelines:
    """Lay events out in steps.

    Step k of a window that starts at s holds what was measured after s + (k - 1)·every_h and not
    after s + k·every_h; what was measured at s itself belongs to step 1. Several measurements of
    a step are averaged. Events after the window's end are not read, those of its last step
    neither.

    Parameters
    ----------
    events : Events
    windows : Windows
    layout : Layout
    asked : tuple of np.ndarray, optional
        Places of windows and hours, as in `windows`, that become steps even if nothing was
        measured there.

    Returns
    -------
    Timelines
        One row for each window, in their order; a window without events has no steps.

    Examples
    --------
    >>> from cellstate.data.health.windows import windows_of
    >>> events = Events.from_parts([0, 0, 0], [0.0, 0.5, 3.0], [0, 0, 0], [80.0, 90.0, 70.0],
    ...                            subjects=["a"], codes=["HR"])
    >>> windows = windows_of(events, ["a"], length_h=2.0)
    >>> laid = lay_out(events, windows, Layout.of(events, 1.0))
    >>> laid.hours.tolist(), laid.values.tolist()
    ([1.0], [[85.0]])
    """
    V = len(layout.variables)
    column = _columns(events.codes, layout.variables)
    static_column = _columns(events.codes, layout.static)
    valued = np.array([name in layout.valued for name in layout.variables], dtype=bool)
    places = places_of(events.subjects, windows.subjects)
    static = np.full((len(windows), len(layout.static)), np.nan, dtype=np.float32)
    counts, hours, parts = [], [], []
    for first in range(0, len(windows), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(windows)))
        row, at = _events_of(events, places[rows])
        row = row + first
        time, code, value = events.hours[at], events.code[at], events.value[at]
        fixed = np.isneginf(time)
        spot = static_column[code[fixed]]
        told = np.where(np.isnan(value[fixed]), 1.0, value[fixed])
        static[row[fixed][spot >= 0], spot[spot >= 0]] = told[spot >= 0]
        inside = (time >= windows.start[row]) & (time <= windows.end[row]) & (column[code] >= 0)
        row, time, code, value = row[inside], time[inside], column[code[inside]], value[inside]
        if asked is not None:
            here = (asked[0] >= rows[0]) & (asked[0] <= rows[-1])
            row = np.concatenate([row, asked[0][here]])
            time = np.concatenate([time, asked[1][here]])
            code = np.concatenate([code, np.full(here.sum(), -1)])
            value = np.concatenate([value, np.full(here.sum(), np.nan)])
        laid = _steps(
            row - first,
            time - windows.start[row],
            code,
            value,
            (windows.end - windows.start)[rows],
            layout.every_h,
            valued,
        )
        counts.append(laid[0])
        hours.append(laid[1])
        parts.append(laid[2])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *counts]))])
    return Timelines(
        windows.subjects,
        offsets.astype(np.int64),
        np.concatenate([np.zeros(0), *hours]),
        _joined(parts, V),
        layout.variables,
        static,
        layout.static,
        windows.end - windows.start,
        events.left_out,
    )


def _events_of(events: Events, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give for each event of some subjects the row that it belongs to, and its place."""
    known = places >= 0
    starts = np.where(known, events.offsets[places], 0)
    counts = np.where(known, events.offsets[places + 1] - events.offsets[places], 0)
    row = np.repeat(np.arange(len(places)), counts)
    return row, np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())


def _steps(
    row: np.ndarray,
    hour: np.ndarray,
    column: np.ndarray,
    value: np.ndarray,
    lengths_h: np.ndarray,
    every_h: float | None,
    valued: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average measurements over steps: steps of each row, their hours, their values.

    A column of -1 makes a step and measures nothing.
    """
    n, V = len(lengths_h), len(valued)
    end = hour
    if every_h is not None:
        # A rounding error must not put a measurement on the full hour into the next step.
        end = np.maximum(1.0, np.ceil(hour / every_h - 1e-9)) * every_h
    value = np.where(np.append(valued, True)[column], value, 1.0)
    told = ~np.isnan(value) | (column < 0)
    row, end, column, value = row[told], end[told], column[told], value[told]
    order = np.lexsort((end, row))
    row, end, column, value = row[order], end[order], column[order], value[order]
    new = np.ones(len(row), dtype=bool)
    new[1:] = (row[1:] != row[:-1]) | (end[1:] != end[:-1])
    step = np.cumsum(new) - 1
    total = int(new.sum())
    measured = column >= 0
    cell = (step * V + column)[measured]
    seen = np.bincount(cell, minlength=total * V)
    summed = np.bincount(cell, value[measured], minlength=total * V)
    with np.errstate(invalid="ignore"):
        values = (summed / np.where(seen, seen, np.nan)).astype(np.float32).reshape(total, V)
    hours = np.minimum(end[new], lengths_h[row[new]])
    return np.bincount(row[new], minlength=n), hours, values


def _columns(codes: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Find the column of each code: (len(codes),) int64, -1 where it has none."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([places.get(code, -1) for code in codes] or [-1], dtype=np.int64)


def _joined(parts: list[np.ndarray], V: int) -> np.ndarray:
    values = room_for(sum(map(len, parts)), V)
    at = 0
    for part in parts:
        values[at : at + len(part)] = part
        at += len(part)
    return values


def room_for(rows: int, columns: int) -> np.ndarray:
    """Make room for float32 numbers: in memory, or in a file that goes when the array does."""
    if rows * columns * 4 <= IN_MEMORY:
        return np.empty((rows, columns), np.float32)
    with tempfile.TemporaryFile() as file:  # the map keeps it alive, and then it is gone
        return np.memmap(file, np.float32, "w+", shape=(rows, columns))
