"""Time to an event in intervals: hazards, survival, and patients who left before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import InputError, ShapeError, explain
from cellstate.tasks.arguments import check_whole

INTERVALS = 20
LARGEST_HAZARD = 1.0 - 1e-7


@dataclass(frozen=True)
class Intervals:
    """Times cut into intervals; the hazard of one is the chance of the event in it, if reached.

    Attributes
    ----------
    edges : np.ndarray
        (K + 1,) float64, from 0 up; interval k lasts from above `edges[k]` to `edges[k + 1]`.
    """

    edges: np.ndarray

    @classmethod
    def of(cls, times: Any, events: Any, count: int = INTERVALS) -> Intervals:
        """Cut so that about as many events are in each interval; fewer where times are equal.

        Parameters
        ----------
        times : array-like
            (n,) hours, say, to the event or to the last moment without it.
        events : array-like
            (n,) whether the event happened.
        count : int, default 20

        Raises
        ------
        InputError
            A time is no number above 0, or nothing is there.

        Examples
        --------
        >>> Intervals.of([1, 2, 3, 4, 9], [1, 1, 1, 1, 0], 2).edges.tolist()
        [0.0, 2.5, 9.0]
        """
        time, event = read_times("Intervals", times, events)
        check_whole("Intervals", "count", count)
        if not len(time):
            must, do = "there must be times to cut", "Give the time of at least one patient"
            raise InputError(explain("Intervals", must, "none", do))
        of_events = time[event] if event.any() else time
        inner = np.quantile(of_events, np.arange(1, count) / count)
        edges = np.unique(np.concatenate([[0.0], inner, [time.max()]]))
        return cls(edges)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def terms(self, times: Any, events: Any) -> tuple[np.ndarray, np.ndarray]:
        """Say which intervals each patient was at risk in, and in which one the event happened.

        Who left without the event was at risk in each interval that was at least half lived
        through.

        Returns
        -------
        at_risk, happened : np.ndarray
            (n, K) float64, 1 or 0.

        References
        ----------
        M. F. Gensheimer and B. Narasimhan, "A scalable discrete-time survival model for neural
        networks", PeerJ 2019.

        Examples
        --------
        >>> cut = Intervals(np.array([0.0, 2.0, 4.0, 6.0]))
        >>> at_risk, happened = cut.terms([3, 3, 2.5], [1, 0, 0])
        >>> at_risk.astype(int).tolist(), happened.astype(int).tolist()
        ([[1, 1, 0], [1, 1, 0], [1, 0, 0]], [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
        """
        time, event = read_times("Intervals", times, events)
        starts, ends = self.edges[:-1], self.edges[1:]
        place = np.clip(np.searchsorted(ends, time, side="left"), 0, len(self) - 1)
        beyond = event & (time > self.edges[-1])  # the event comes after all intervals
        happened = np.zeros((len(time), len(self)))
        counted = np.flatnonzero(event & ~beyond)
        happened[counted, place[counted]] = 1.0
        lived = time[:, None] >= (starts + ends) / 2.0
        reached = np.arange(len(self)) <= place[:, None]
        at_risk = np.where((event & ~beyond)[:, None], reached, lived)
        return at_risk.astype(np.float64), happened

    def loss(self, hazards: Any, times: Any, events: Any) -> np.ndarray:
        """Give −log likelihood of each patient: (n,).

        Parameters
        ----------
        hazards : array-like
            (n, K)
        times, events : array-like
            (n,)

        Examples
        --------
        >>> Intervals(np.array([0.0, 1.0])).loss([[0.5]], [1.0], [1]).round(4).tolist()
        [0.6931]
        """
        at_risk, happened = self.terms(times, events)
        hazard = self._read(hazards)
        hazard = np.clip(hazard, 1.0 - LARGEST_HAZARD, LARGEST_HAZARD)
        told = happened * np.log(hazard) + (at_risk - happened) * np.log1p(-hazard)
        return -told.sum(1)

    def survival(self, hazards: Any, at: Any) -> np.ndarray:
        """Give the chance of no event until each of some times: (n, M).

        Within an interval the hazard is the same at all times; beyond the last one, nothing is
        known and survival stays as it is.

        Examples
        --------
        >>> cut = Intervals(np.array([0.0, 2.0, 4.0]))
        >>> cut.survival([[0.5, 0.2]], [0.0, 2.0, 4.0, 9.0]).round(3).tolist()
        [[1.0, 0.5, 0.4, 0.4]]
        >>> cut.survival([[0.75, 0.0]], [1.0]).round(3).tolist()
        [[0.5]]
        """
        hazard = np.minimum(self._read(hazards), LARGEST_HAZARD)
        log = np.cumsum(np.log1p(-hazard), axis=1)
        log = np.concatenate([np.zeros((len(log), 1)), log], axis=1)
        time = np.clip(np.asarray(at, dtype=np.float64), self.edges[0], self.edges[-1])
        place = np.clip(np.searchsorted(self.edges, time, side="right") - 1, 0, len(self) - 1)
        part = (time - self.edges[place]) / (self.edges[place + 1] - self.edges[place])
        return np.exp(log[:, place] + part * (log[:, place + 1] - log[:, place]))

    def mean_time(self, hazards: Any) -> np.ndarray:
        """Give the mean time without the event, no later than the last edge: (n,).

        Examples
        --------
        >>> Intervals(np.array([0.0, 2.0, 4.0])).mean_time([[0.0, 0.0]]).tolist()
        [4.0]
        """
        curve = self.survival(hazards, self.edges)
        return ((curve[:, 1:] + curve[:, :-1]) / 2.0) @ np.diff(self.edges)

    def _read(self, hazards: Any) -> np.ndarray:
        hazard = np.asarray(hazards, dtype=np.float64)
        if hazard.ndim != 2 or hazard.shape[1] != len(self):
            must, do = f"hazards must have shape (n, {len(self)})", "Give one for each interval"
            raise ShapeError(explain("Intervals", must, f"{hazard.shape}", do))
        return hazard


@dataclass(frozen=True)
class KaplanMeier:
    """Share of patients without the event over time, with those who left before it.

    Attributes
    ----------
    times, shares : np.ndarray
        (M,) times at which the share steps down, and the share from then on.
    """

    times: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, times: Any, events: Any) -> KaplanMeier:
        """Estimate it from patients.

        References
        ----------
        E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", JASA
        1958.

        Examples
        --------
        >>> KaplanMeier.of([1, 2, 3, 3, 4], [1, 0, 1, 0, 1]).shares.round(3).tolist()
        [0.8, 0.533, 0.0]
        """
        time, event = read_times("KaplanMeier", times, events)
        moments, place = np.unique(time[event], return_inverse=True)
        happened = np.bincount(place, minlength=len(moments))
        there = len(time) - np.searchsorted(np.sort(time), moments, side="left")
        return cls(moments, np.cumprod(1.0 - happened / np.maximum(there, 1)))

    def at(self, times: Any, *, before: bool = False) -> np.ndarray:
        """Give the share at some times, or just before them.

        Examples
        --------
        >>> curve = KaplanMeier.of([1, 2], [1, 0])
        >>> curve.at([0.5, 1, 9]).tolist(), curve.at([1], before=True).tolist()
        ([1.0, 0.5, 0.5], [1.0])
        """
        side = "left" if before else "right"
        place = np.searchsorted(self.times, np.asarray(times, dtype=np.float64), side=side)
        return np.concatenate([[1.0], self.shares])[place]


def read_times(where: str, times: Any, events: Any) -> tuple[np.ndarray, np.ndarray]:
    """Read times as (n,) float64 and events as (n,) bool.

    Raises
    ------
    ShapeError
        They are not two arrays of one axis and one length.
    InputError
        A time is no number above 0, or an event neither 0 nor 1; the first such row is named.
    """
    time, given = np.asarray(times, dtype=np.float64), np.asarray(events, dtype=np.float64)
    if time.ndim != 1 or time.shape != given.shape:
        must = "times and events must be two arrays of one axis and one length"
        do = "Give one of each for every patient"
        raise ShapeError(explain(where, must, f"{time.shape} and {given.shape}", do))
    checks = (
        ("every time must be a number above 0", ~(np.isfinite(time) & (time > 0))),
        ("every event must be 0 or 1", (given != 0) & (given != 1)),
    )
    for must, is_bad in checks:
        if is_bad.any():
            given_words = f"something else in row {int(np.argmax(is_bad))}"
            do = "Count times from the start of the window; 1 is an event, 0 is none"
            raise InputError(explain(where, must, given_words, do))
    return time, given == 1
