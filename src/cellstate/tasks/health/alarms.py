"""Alarms on risks hour by hour: when they sound, how often, and how long before the event."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cellstate.errors import InputError, ShapeError, explain

DAY = 24.0  # hours


@dataclass
class Silencer:
    """Turns the risks of one stay, as they come, into alarms.

    An alarm sounds where the risk is at least the threshold and the last alarm is at least
    `silence` hours ago.

    Attributes
    ----------
    threshold : float
    silence : float
        Hours.
    until : float
        The hour from which on an alarm may sound again: all that has to be kept between steps.

    Examples
    --------
    >>> silencer = Silencer(threshold=0.5, silence=6.0)
    >>> [silencer.step(hour, risk) for hour, risk in ((0, 0.6), (1, 0.9), (6, 0.4), (7, 0.8))]
    [True, False, False, True]
    >>> silencer.hours_left(9.0)
    4.0
    """

    threshold: float
    silence: float
    until: float = -np.inf

    def step(self, hour: float, risk: float) -> bool:
        """Take the next risk, and say whether an alarm sounds; a missing risk sounds none."""
        now, said, until = (np.array([value]) for value in (hour, risk, self.until))
        sounds, until = silenced(now, said, until, threshold=self.threshold, silence=self.silence)
        self.until = float(until[0])
        return bool(sounds[0])

    def hours_left(self, hour: float) -> float:
        """Give the hours of silence that are left."""
        return max(0.0, self.until - hour)


def silenced(
    hours: np.ndarray, risks: np.ndarray, until: np.ndarray, *, threshold: float, silence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Take the next risk of each of some stays, as `Silencer.step` does of one.

    Parameters
    ----------
    hours, risks : np.ndarray
        (B,)
    until : np.ndarray
        (B,) the hour from which on an alarm of each may sound again.

    Returns
    -------
    sounds : np.ndarray
        (B,) bool
    until : np.ndarray
        (B,) after this step.
    """
    sounds = (risks >= threshold) & (hours >= until)
    return sounds, np.where(sounds, hours + silence, until)


@dataclass(frozen=True)
class Watch:
    """Steps at which patients are watched: those of each stay, up to its event.

    Attributes
    ----------
    offsets : np.ndarray
        (n + 1,) int64, where each stay's steps begin, and the end.
    hours : np.ndarray
        (N,) float64, rising within a stay.
    events : np.ndarray
        (n,) hour of the event, NaN where there is none.
    days : np.ndarray
        (n,) days watched: a step lasts until the next one, the last as long as the median step.
    """

    offsets: np.ndarray
    hours: np.ndarray
    events: np.ndarray
    days: np.ndarray

    @classmethod
    def of(cls, offsets: Any, hours: Any, events: Any = None) -> Watch:
        """Read stays; steps after the event alarm nobody and are not counted.

        Raises
        ------
        InputError
            Arrays do not fit together, or the hours of a stay fall.

        Examples
        --------
        >>> (Watch.of([0, 2, 4], [0, 1, 0, 1], [0, np.nan]).days * 24).tolist()
        [1.0, 2.0]
        """
        offset = np.asarray(offsets, dtype=np.int64)
        hour = np.asarray(hours, dtype=np.float64)
        count = len(offset) - 1
        event = np.full(count, np.nan) if events is None else np.asarray(events, np.float64)
        if hour.ndim != 1 or event.shape != (count,) or offset[-1] != len(hour):
            given = f"{count} stays, {len(hour)} hours, {len(event)} events, {offset[-1]} steps"
            must = "offsets, hours and events must be of the same stays and steps"
            do = "Give n + 1 offsets, the hour of each step, and n events, NaN where there is none"
            raise ShapeError(explain("Watch", must, given, do))
        owner = np.repeat(np.arange(count), np.diff(offset))
        falls = (np.diff(hour) < 0) & (owner[1:] == owner[:-1])
        if falls.any() or not np.isfinite(hour).all():
            is_bad = ~np.isfinite(hour)
            is_bad[1:] |= falls
            given = f"another in step {int(np.argmax(is_bad))}"
            must, do = "the hours of a stay must rise", "Sort the steps of each stay by time"
            raise InputError(explain("Watch", must, given, do))
        gaps = np.diff(hour)[owner[1:] == owner[:-1]]
        usual = float(np.median(gaps)) if len(gaps) else 1.0
        is_watched = ~(hour > event[owner])
        lasts = np.full(len(hour), usual)
        inside = np.flatnonzero(owner[1:] == owner[:-1])
        inside = inside[is_watched[inside + 1]]
        lasts[inside] = hour[inside + 1] - hour[inside]
        days = np.bincount(owner, lasts * is_watched, count) / DAY
        return cls(offset, hour, event, days)

    @cached_property
    def owner(self) -> np.ndarray:
        """The stay of each step: (N,)."""
        return np.repeat(np.arange(len(self.events)), np.diff(self.offsets))

    @cached_property
    def is_watched(self) -> np.ndarray:
        """Whether each step is not after the event of its stay: (N,) bool."""
        return ~(self.hours > self.events[self.owner])


def raise_alarms(watch: Watch, risks: Any, threshold: float, silence: float = 0.0) -> np.ndarray:
    """Say at which steps an alarm sounds: (N,) bool; the same as `Silencer` step by step.

    Parameters
    ----------
    watch : Watch
    risks : array-like
        (N,), NaN where there is none.
    threshold : float
    silence : float, default 0
        Hours after an alarm in which none sounds.

    Examples
    --------
    >>> watch = Watch.of([0, 4, 6], [0, 1, 6, 7, 0, 1])
    >>> raise_alarms(watch, [0.6, 0.9, 0.4, 0.8, 0.1, 0.7], 0.5, 6).astype(int).tolist()
    [1, 0, 0, 1, 0, 1]
    """
    sounds = (read_steps(watch, risks) >= threshold) & watch.is_watched
    if silence <= 0 or not sounds.any():
        return sounds
    lengths = np.diff(watch.offsets)
    longest_first = np.argsort(-lengths, kind="stable")
    starts, lengths = watch.offsets[:-1][longest_first], lengths[longest_first]
    until = np.full(len(lengths), -np.inf)
    # All stays make one step at a time; those that have ended are at the end.
    for step in range(int(lengths[0])):
        still = int(np.searchsorted(-lengths, -step, side="left"))
        rows = starts[:still] + step
        now = watch.hours[rows]
        here = sounds[rows] & (now >= until[:still])
        sounds[rows] = here
        until[:still][here] = now[here] + silence
    return sounds


def choose_threshold(
    watch: Watch, risks: Any, *, alarms_per_day: float, silence: float = 0.0
) -> float:
    """Find the lowest threshold whose alarms are no more than so many per patient-day.

    Alarms grow no fewer as the threshold sinks, with silence after each alarm too: the earliest
    alarms that keep their distance are the most that there can be. So halving finds it exactly;
    it lies half-way to the next lower risk, where small differences change nothing.

    Parameters
    ----------
    watch : Watch
        Of patients that the risks were not learned from.
    risks : array-like
        (N,)
    alarms_per_day : float
        Alarms of one patient in a day, such as 0.5.
    silence : float, default 0

    Raises
    ------
    InputError
        The rate is below 0, or no patient is watched.

    Examples
    --------
    >>> watch = Watch.of([0, 24], np.arange(24.0))
    >>> round(choose_threshold(watch, np.arange(24) / 24, alarms_per_day=3.0), 3)
    0.854
    """
    if not alarms_per_day >= 0:
        must, do = "alarms_per_day must be 0 or more", "Give alarms_per_day=0.5, say"
        raise InputError(explain("choose_threshold", must, repr(alarms_per_day), do))
    given = read_steps(watch, risks)
    levels = np.unique(given[watch.is_watched & np.isfinite(given)])
    if not len(levels):
        must, do = "there must be risks to choose from", "Give at least one stay with steps"
        raise InputError(explain("choose_threshold", must, "none", do))
    most = alarms_per_day * float(watch.days.sum()) + 1e-9
    low, high = 0, len(levels)  # the level at `high` is quiet enough, if only for want of alarms
    while low < high:
        middle = (low + high) // 2
        if raise_alarms(watch, given, levels[middle], silence).sum() <= most:
            high = middle
        else:
            low = middle + 1
    if high == len(levels):
        return float(np.nextafter(levels[-1], np.inf))
    return float((levels[high - 1] + levels[high]) / 2) if high else float(levels[0])


def read_steps(watch: Watch, risks: Any) -> np.ndarray:
    """Read the risk of each step: (N,) float64.

    Raises
    ------
    ShapeError
        There are not as many as steps.
    """
    given = np.asarray(risks, dtype=np.float64)
    if given.shape != watch.hours.shape:
        must = "there must be one risk for each step"
        shapes = f"shape {given.shape} for {len(watch.hours)} steps"
        raise ShapeError(explain("alarms", must, shapes, "Give the risks of all stays, joined"))
    return given
