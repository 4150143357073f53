"""New rows added to a panel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cellstate.data.calendar import calendar_values
from cellstate.data.panel import Panel
from cellstate.errors import FrameError, explain


def append(panel: Panel, new: Panel) -> Panel:
    """Add the rows of `new` after those of `panel`, series by series; unknown series come last.

    Periods between the last known stamp and the first new one become missing rows, of which only
    the calendar is known. Cost grows
    with the rows of both: give the part of the past that is needed, such as `Panel.tail`.

    Raises
    ------
    FrameError
        A new row is not after the last known one, or not a whole number of periods after it.
    """
    known = {name: number for number, name in enumerate(panel.ids)}
    numbers = [known.get(name, -1) for name in new.ids]
    gaps = {
        number: _gap(panel, number, new, at) for at, number in enumerate(numbers) if number >= 0
    }
    sources = {number: at for at, number in enumerate(numbers) if number >= 0}
    parts: list[tuple[Panel | None, slice, int]] = []  # the rows to copy, or None and their number
    lengths = []
    for number in range(len(panel)):
        rows = panel.rows(number)
        parts.append((panel, rows, 0))
        length = rows.stop - rows.start
        if number in sources:
            added = new.rows(sources[number])
            parts.extend([(None, rows, gaps[number]), (new, added, 0)])
            length += gaps[number] + added.stop - added.start
        lengths.append(length)
    fresh = [at for at, number in enumerate(numbers) if number < 0]
    for at in fresh:
        rows = new.rows(at)
        parts.append((new, rows, 0))
        lengths.append(rows.stop - rows.start)

    def collect(name: str) -> np.ndarray:
        columns = getattr(panel, name).shape[1:]
        return np.concatenate(
            [
                np.full((gap, *columns), np.nan) if source is None else getattr(source, name)[rows]
                for source, rows, gap in parts
                if source is not None or gap
            ],
            dtype=getattr(panel, name).dtype,
        )

    times, future = _times(panel, parts), collect("future")
    if panel.calendar and any(gaps.values()):
        sizes = [gap if source is None else rows.stop - rows.start for source, rows, gap in parts]
        between = np.repeat([source is None for source, _, _ in parts], sizes)
        local = panel.origin.stamps.to_local(times[between])
        future[between, -2 * len(panel.calendar) :] = calendar_values(local, panel.calendar)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = panel.ids + tuple(new.ids[at] for at in fresh)
    return replace(
        panel,
        ids=ids,
        offsets=offsets,
        times=times,
        target=collect("target"),
        past=collect("past"),
        future=future,
        static=np.concatenate([panel.static, new.static[fresh]]),
    )


def _gap(panel: Panel, number: int, new: Panel, at: int) -> int:
    """Count the missing periods between a series' last known and first new stamp."""
    last = panel.times[panel.offsets[number + 1] - 1]
    first = new.times[new.offsets[at]]
    periods = int(panel.frequency.periods(last, first))
    if periods >= 1 and panel.frequency.shift(last, periods) == first:
        return periods - 1
    late = first <= last
    raise FrameError(
        explain(
            "update",
            f"new rows of the series {panel.ids[number]!r} must come after {last}"
            + ("" if late else f" by whole periods of {panel.frequency.name!r}"),
            str(first),
            "Leave out rows that are known already" if late else "Correct the time stamp",
        )
    )


def _times(panel: Panel, parts: list[tuple[Panel | None, slice, int]]) -> np.ndarray:
    times: list[Any] = []
    for source, rows, gap in parts:
        if source is not None:
            times.append(source.times[rows])
        elif gap:
            times.append(panel.frequency.advance(times[-1][-1], gap))
    return np.concatenate(times)
