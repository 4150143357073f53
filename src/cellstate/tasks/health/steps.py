"""What a network sees of each step: what is known by then, how old it is, and where it has been.

All of it can be told from a memory of fixed size, so a stream gives what a whole stay gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.data.health.timelines import Timelines, room_for
from cellstate.tasks.health.scales import Scales

FRESH_H = 6.0
"""Hours after which a measurement's weight has fallen to 1/e."""
LOG_DAY = np.log1p(24.0)
PLAIN = ("last", "measured", "freshness", "change", "mean", "low", "high")
"""What can be told of a variable at a step: its last value, whether it was measured now, how fresh
the value is (1 now, falling to 0), what it has changed since the one before, and mean, least and
largest so far."""
IN_PIECES = ("last", "low", "high")
NEVER = "never"
"""1 until a variable is measured for the first time."""
KINDS = (*PLAIN, NEVER, *(f"{kind} in pieces" for kind in IN_PIECES))
CUTS = np.array([-2.0, -1.0, 0.0, 1.0])
"""Standard units at which pieces of a value begin; each is one unit wide and rises from 0 to 1, so
that too low and too high can both be bad."""
HOUR_CUTS = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5])
"""Logarithms of 1 + hours at which pieces of the time since the start begin, half a unit wide."""
STAYS_AT_ONCE = 128


@dataclass(frozen=True)
class Padded:
    """Steps of several stays side by side.

    Attributes
    ----------
    values : np.ndarray
        (B, T, V) float32 in standard units, NaN where not measured or beyond a stay's length.
    hours : np.ndarray
        (B, T) float64; a stay's last hour beyond its length.
    static : np.ndarray
        (B, S) float32 in standard units, NaN where not known.
    lengths : np.ndarray
        (B,) int64
    """

    values: np.ndarray
    hours: np.ndarray
    static: np.ndarray
    lengths: np.ndarray


@dataclass
class Memory:
    """What is known of some stays so far: each (B, V), and `hour` (B,), the time of the last step.

    What is known after each of several steps has an axis for these behind B.

    Attributes
    ----------
    last, before : np.ndarray
        The last measurement and the one before it; NaN where there is none.
    at : np.ndarray
        Its hour; -inf where there is none.
    low, high : np.ndarray
        The least and the largest so far; +inf and -inf where there is none.
    total, count : np.ndarray
        Sum and number of the measurements so far.
    """

    last: np.ndarray
    before: np.ndarray
    at: np.ndarray
    low: np.ndarray
    high: np.ndarray
    total: np.ndarray
    count: np.ndarray
    hour: np.ndarray

    @classmethod
    def empty(cls, rows: int, variables: int) -> Memory:
        """Make the memory before the first step."""
        shape = (rows, variables)
        none, zero = np.full(shape, np.nan), np.zeros(shape)
        far = np.full(shape, np.inf)
        return cls(none, none, -far, far, -far, zero, zero, np.zeros(rows))

    def after_steps(self, values: np.ndarray, measured: np.ndarray, hours: np.ndarray) -> Memory:
        """Tell what is known after each of T steps, in arrays with an axis for them.

        Parameters
        ----------
        values : np.ndarray
            (B, T, V) float64, NaN where not measured.
        measured : np.ndarray
            (B, T, V) bool
        hours : np.ndarray
            (B, T)
        """
        B, T, V = values.shape
        place = np.maximum.accumulate(np.where(measured, np.arange(T)[:, None], -1), axis=1)
        earlier = np.concatenate([np.full((B, 1, V), -1), place[:, :-1]], axis=1)
        # The measurement before the last one: what was known just before the last one was made.
        prior = np.take_along_axis(earlier, np.maximum(place, 0), axis=1)
        fresh = place >= 0
        every = np.broadcast_to(hours[..., None], values.shape)
        before = np.where(prior >= 0, _at(values, prior), self.last[:, None])
        low = np.minimum.accumulate(np.where(measured, values, np.inf), axis=1)
        high = np.maximum.accumulate(np.where(measured, values, -np.inf), axis=1)
        return Memory(
            last=np.where(fresh, _at(values, place), self.last[:, None]),
            before=np.where(fresh, before, self.before[:, None]),
            at=np.where(fresh, _at(every, place), self.at[:, None]),
            low=np.minimum(low, self.low[:, None]),
            high=np.maximum(high, self.high[:, None]),
            total=np.cumsum(np.where(measured, values, 0.0), axis=1) + self.total[:, None],
            count=np.cumsum(measured, axis=1) + self.count[:, None],
            hour=hours,
        )

    def after_step(self, values: np.ndarray, measured: np.ndarray, hours: np.ndarray) -> Memory:
        """Tell the same of one step, T = 1, without looking for what came between."""
        last = self.last[:, None]
        return Memory(
            last=np.where(measured, values, last),
            before=np.where(measured, last, self.before[:, None]),
            at=np.where(measured, hours[..., None], self.at[:, None]),
            low=np.fmin(values, self.low[:, None]),
            high=np.fmax(values, self.high[:, None]),
            total=np.where(measured, values, 0.0) + self.total[:, None],
            count=measured + self.count[:, None],
            hour=hours,
        )


@dataclass(frozen=True)
class StepEncoder:
    """Scales learned from training stays.

    Attributes
    ----------
    variables, static_names : tuple of str
    scales, static_scales : Scales
    kinds : tuple of str
        Which of `KINDS` are told of each variable.
    """

    variables: tuple[str, ...]
    static_names: tuple[str, ...]
    scales: Scales
    static_scales: Scales
    kinds: tuple[str, ...] = KINDS

    @classmethod
    def of(cls, timelines: Timelines, kinds: tuple[str, ...] = KINDS) -> StepEncoder:
        """Learn the scales."""
        return cls(
            timelines.variables,
            timelines.static_names,
            Scales.of(timelines.values),
            Scales.of(timelines.static),
            kinds,
        )

    @property
    def inputs(self) -> int:
        """Features of a step."""
        columns = sum(len(CUTS) if kind.endswith("in pieces") else 1 for kind in self.kinds)
        fixed = 2 * len(self.static_names) + 3 + len(HOUR_CUTS)
        return columns * len(self.variables) + fixed

    def padded(self, timelines: Timelines, rows: np.ndarray) -> Padded:
        """Bring some stays into standard units, side by side; every one has a step at least."""
        lengths = timelines.steps[rows]
        T = max(1, int(lengths.max(initial=1)))
        inside = np.arange(T) < lengths[:, None]
        places = timelines.places(rows)
        values = np.full((len(rows), T, len(self.variables)), np.nan, dtype=np.float32)
        values[inside] = self.scales(np.asarray(timelines.values[places]))
        hours = np.zeros((len(rows), T))
        hours[inside] = timelines.hours[places]
        hours = np.maximum.accumulate(hours, axis=1)
        static = self.static_scales(timelines.static[rows])
        return Padded(values, hours, static, np.maximum(1, lengths))

    def features(self, padded: Padded, memory: Memory | None = None) -> tuple[np.ndarray, Memory]:
        """Tell what is known at each step.

        Parameters
        ----------
        padded : Padded
        memory : Memory, optional
            What went before; nothing when not given.

        Returns
        -------
        features : np.ndarray
            (B, T, inputs) float32
        memory : Memory
            What is known after the last step.
        """
        values = padded.values.astype(np.float64)
        B, T, V = values.shape
        memory = Memory.empty(B, V) if memory is None else memory
        measured = ~np.isnan(values)
        known = memory.after_step if T == 1 else memory.after_steps
        after = known(values, measured, padded.hours)
        gap = np.diff(padded.hours, axis=1, prepend=memory.hour[:, None])
        features = self._told(after, measured, gap, padded.static)
        return features, Memory(*(part[:, -1] for part in vars(after).values()))

    def _told(
        self, known: Memory, measured: np.ndarray, gap: np.ndarray, static: np.ndarray
    ) -> np.ndarray:
        """Tell what is known at each of T steps: (B, T, inputs)."""
        T, V = measured.shape[1:]
        ever, hours = known.count > 0, known.hour[..., None]
        told = {
            "last": lambda: np.where(ever, known.last, 0.0),
            "measured": lambda: measured,
            "freshness": lambda: np.exp((known.at - hours) / FRESH_H),  # 0 where never measured
            "change": lambda: np.where(
                np.isnan(known.before) | ~ever, 0.0, known.last - known.before
            ),
            "mean": lambda: np.where(ever, known.total / np.maximum(1, known.count), 0.0),
            "low": lambda: np.where(ever, known.low, 0.0),
            "high": lambda: np.where(ever, known.high, 0.0),
            NEVER: lambda: ~ever,
        }
        for kind in IN_PIECES:
            told[f"{kind} in pieces"] = lambda of=told[kind]: _pieces(of(), CUTS, 1.0)
        since = np.log1p(np.maximum(0.0, hours))
        parts = [
            *(told[kind]() for kind in self.kinds),
            self._fixed(static, T),
            _pieces(since, HOUR_CUTS, 0.5),
            since / LOG_DAY,
            np.log1p(np.maximum(0.0, gap))[..., None] / LOG_DAY,
            measured.mean(2, keepdims=True) if V else np.zeros((*measured.shape[:2], 1)),
        ]
        return np.concatenate(parts, axis=2, dtype=np.float32, casting="unsafe")

    def rows(self, timelines: Timelines) -> np.ndarray:
        """Tell what is known at every step of whole stays: (N, inputs) float32."""
        rows = room_for(len(timelines.hours), self.inputs)
        order = np.argsort(timelines.steps, kind="stable")  # so that little is padded
        for first in range(0, len(order), STAYS_AT_ONCE):
            part = order[first : first + STAYS_AT_ONCE]
            x, _ = self.features(self.padded(timelines, part))
            inside = np.arange(x.shape[1]) < timelines.steps[part, None]
            rows[timelines.places(part)] = x[inside]
        return rows

    def _fixed(self, static: np.ndarray, T: int) -> np.ndarray:
        known = ~np.isnan(static)
        both = np.concatenate([np.where(known, static, 0.0), known], axis=1)
        return np.broadcast_to(both[:, None], (len(static), T, both.shape[1]))

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {
            "variables": list(self.variables),
            "static": list(self.static_names),
            "scales": self.scales.as_list(),
            "static_scales": self.static_scales.as_list(),
            "kinds": list(self.kinds),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> StepEncoder:
        """Read it back."""
        return cls(
            tuple(data["variables"]),
            tuple(data["static"]),
            Scales.from_list(data["scales"]),
            Scales.from_list(data["static_scales"]),
            tuple(data["kinds"]),
        )


def side_by_side(
    rows: np.ndarray, timelines: Timelines, stays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the rows of some stays' steps side by side.

    Returns
    -------
    laid : np.ndarray
        (B, T, …), zero beyond a stay's steps; a stay without steps has one of zeros.
    lengths : np.ndarray
        (B,) int64, at least 1.
    """
    lengths = timelines.steps[stays]
    T = max(1, int(lengths.max(initial=1)))
    laid = np.zeros((len(stays), T, *rows.shape[1:]), dtype=rows.dtype)
    laid[np.arange(T) < lengths[:, None]] = rows[timelines.places(stays)]
    return laid, np.maximum(1, lengths)


def _pieces(values: np.ndarray, cuts: np.ndarray, width: float) -> np.ndarray:
    """Give how far each value (…, V) has come in each piece: (…, V · cuts), from 0 to 1."""
    found = np.clip((values[..., None, :] - cuts[:, None]) / width, 0.0, 1.0)
    return found.reshape(*values.shape[:-1], -1)


def _at(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, np.maximum(place, 0), axis=1)
