"""Many series as one set of arrays on a regular grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cellstate.data.frequency import Frequency
from cellstate.data.origin import Origin
from cellstate.data.static import StaticEncoder


@dataclass(frozen=True)
class Panel:
    """Series laid end to end, each on a regular grid: a step is always one period.

    Attributes
    ----------
    ids : tuple of N text or integers
        In order of first appearance; a single series without ids bears its target's name.
    offsets : ndarray (N + 1,), int64
        Series `i` has the rows ``offsets[i]:offsets[i + 1]``.
    times : ndarray (rows,)
        int64 or datetime64[us].
    target : ndarray (rows,), float64
        NaN where missing, in gaps too.
    past : ndarray (rows, past covariates), float32
    future : ndarray (rows, future covariates), float32
        Calendar features come last.
    static : ndarray (N, static covariates), float32
        Numbers, and an indicator of each category of text, see `StaticEncoder`.
    frequency : Frequency
    target_name : str
    past_names, future_names, static_names : tuple of str
    calendar : tuple of str
        The calendar features behind the last columns of `future`.
    encoder : StaticEncoder
    origin : Origin
    """

    ids: tuple[Any, ...]
    offsets: np.ndarray
    times: np.ndarray
    target: np.ndarray
    past: np.ndarray
    future: np.ndarray
    static: np.ndarray
    frequency: Frequency
    target_name: str
    past_names: tuple[str, ...]
    future_names: tuple[str, ...]
    calendar: tuple[str, ...]
    encoder: StaticEncoder
    origin: Origin

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def static_names(self) -> tuple[str, ...]:
        """Names of the static covariates."""
        return tuple(self.encoder.categories)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series, shape (N,)."""
        return np.diff(self.offsets)

    def rows(self, series: int) -> slice:
        """Give the rows of one series."""
        return slice(int(self.offsets[series]), int(self.offsets[series + 1]))

    def next_times(self, horizon: int) -> np.ndarray:
        """Give the stamps that follow each series, shape (N, horizon)."""
        last = self.times[self.offsets[1:] - 1]
        return self.frequency.shift(last[:, None], np.arange(1, horizon + 1))

    def to_native(self, columns: Mapping[str, Any]) -> Any:
        """Build a frame of the user's kind, see `Origin.to_native`."""
        return self.origin.to_native(columns)

    def select(self, series: Sequence[int] | np.ndarray) -> Panel:
        """Keep some series, by number, in the order given."""
        numbers = np.asarray(series, dtype=np.int64)
        starts, lengths = self.offsets[numbers], self.lengths[numbers]
        return self._take(numbers, starts, lengths)

    def tail(self, rows: int | np.ndarray) -> Panel:
        """Keep the last rows of every series: one number, or one each (N,)."""
        lengths = np.minimum(self.lengths, rows)
        return self._take(np.arange(len(self)), self.offsets[1:] - lengths, lengths)

    def head(self, lengths: np.ndarray | int) -> Panel:
        """Keep the first rows of every series, leaving out series of which nothing stays.

        Parameters
        ----------
        lengths : int or ndarray (N,)
            Rows to keep; negative counts from the end, as in a slice.
        """
        wanted = np.broadcast_to(np.asarray(lengths), (len(self),))
        kept = np.clip(np.where(wanted < 0, self.lengths + wanted, wanted), 0, self.lengths)
        numbers = np.flatnonzero(kept > 0)
        return self._take(numbers, self.offsets[numbers], kept[numbers])

    def _take(self, numbers: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Panel:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        if len(numbers) == 1:  # a view: one series' tail is taken at each new observation
            rows: Any = slice(int(starts[0]), int(starts[0] + lengths[0]))
        else:
            rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return replace(
            self,
            ids=tuple(self.ids[number] for number in numbers),
            offsets=offsets,
            times=self.times[rows],
            target=self.target[rows],
            past=self.past[rows],
            future=self.future[rows],
            static=self.static[numbers],
        )
