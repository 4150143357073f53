"""An axis: where a value falls between 0 and 1, and what is printed beside it.

Ticks stand at round numbers (1, 2, 2.5 and 5 times a power of ten) or round dates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellstate.inspector.plot import calendar, formats

ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LARGEST = 1e300  # beyond it, the differences between floats overflow
SMALLEST = 1e-290  # below it, they lose their digits


@dataclass(frozen=True)
class Tick:
    """A label at a place between 0 and 1; `context` is printed under it where it changes."""

    place: float
    label: str
    context: str = ""


@dataclass(frozen=True)
class Axis:
    """Maps values to [0, 1]; anything that cannot be drawn (missing, infinite) maps to NaN."""

    low: float
    high: float
    log: bool = False
    times: bool = False

    def place(self, values: np.ndarray) -> np.ndarray:
        """Fractions of the axis's length: values beyond its ends lie below 0 or above 1."""
        numbers = as_numbers(values) if self.times else np.asarray(values, np.float64)
        with np.errstate(all="ignore"):
            if self.log:
                numbers = np.log10(np.where(numbers > 0, numbers, np.nan))
            # halves first: the difference of two huge values may overflow
            places = (numbers / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return np.where(np.isfinite(places), places, np.nan)

    def ticks(self, count: int) -> list[Tick]:
        """About `count` ticks at round values, none outside the axis."""
        if self.times:
            rounds = calendar.round_times(self.low, self.high, count)
            return [
                Tick(self._fraction(moment), label, context) for moment, label, context in rounds
            ]
        if self.log:
            return self._log_ticks(count)
        values = round_values(self.low, self.high, count)
        return [
            Tick(self._fraction(value), label)
            for value, label in zip(values, tick_labels(values), strict=True)
        ]

    def _log_ticks(self, count: int) -> list[Tick]:
        first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
        if last - first >= 2:
            decades = range(first, last + 1, max(1, math.ceil((last - first) / count)))
            return [Tick(self._fraction(power), _power_label(power)) for power in decades]
        # hardly a decade: the values themselves are round, not their logarithms
        lowest, highest = 10.0**self.low, 10.0**self.high
        figures = (1, 2, 5) if count > 2 else (1,)
        values = [
            figure * 10.0**power
            for power in range(math.floor(self.low), math.ceil(self.high) + 1)
            for figure in figures
            if lowest <= figure * 10.0**power <= highest
        ]
        if len(values) < 3:
            values = [value for value in round_values(lowest, highest, count) if value > 0]
        return [
            Tick(self._fraction(math.log10(value)), tick_labels([value])[0]) for value in values
        ]

    def _fraction(self, value: float) -> float:
        return (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)


def number_axis(*arrays: np.ndarray, log: bool = False, margin: float = 0.04) -> Axis:
    """An axis that holds every finite value of the arrays, with a little room at both ends.

    Without any finite value it runs from 0 to 1; around a constant it opens a tenth of it.
    A logarithmic axis needs a positive value, and is a linear one without.
    """
    flat = np.concatenate([np.zeros(0), *(np.ravel(np.asarray(a, np.float64)) for a in arrays)])
    values = np.clip(flat[np.isfinite(flat)], -LARGEST, LARGEST)
    if log and (values > 0).any():
        low, high = _opened(np.log10(values[values > 0]), margin, around=0.5)
        return Axis(low, high, log=True)
    low, high = _opened(values, margin)
    return Axis(low, high)


def time_axis(*arrays: np.ndarray, margin: float = 0.0) -> Axis:
    """An axis over times, which are numbers or ``datetime64``."""
    dated = any(np.asarray(array).dtype.kind == "M" for array in arrays)
    numbers = [as_numbers(array) if dated else np.asarray(array, np.float64) for array in arrays]
    flat = np.concatenate([np.ravel(array) for array in numbers]) if numbers else np.zeros(0)
    low, high = _opened(flat[np.isfinite(flat)], margin)
    return Axis(low, high, times=dated)


def as_numbers(times: np.ndarray) -> np.ndarray:
    """Seconds since 1970 for dates (NaN for not-a-time), numbers as they are."""
    times = np.asarray(times)
    if times.dtype.kind != "M":
        return times.astype(np.float64)
    whole = times.astype("datetime64[s]")
    seconds = whole.astype(np.int64).astype(np.float64)
    part = (times - whole) / np.timedelta64(1, "s")
    return np.where(np.isnat(times), np.nan, seconds + part)


def round_values(low: float, high: float, count: int) -> list[float]:
    """Round numbers between two bounds, about `count` of them.

    Examples
    --------
    >>> round_values(0.3, 9.2, 4)
    [2.5, 5.0, 7.5]
    """
    step = round_step(low, high, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, min(last, first + 4 * count) + 1)]


def round_step(low: float, high: float, count: int) -> float:
    """The round step that divides a range into at most about `count` parts."""
    raw = max(high / count - low / count, 1e-300)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(figure * power for figure in ROUND_STEPS if figure * power >= raw * 0.999)


def tick_labels(values: Sequence[float]) -> list[str]:
    """Labels that share their decimals and say no more than the step needs.

    Examples
    --------
    >>> tick_labels([0.0, 0.25, 0.5]), tick_labels([0, 5e6])
    (['0', '0.25', '0.5'], ['0', '5M'])
    """
    finite = [abs(value) for value in values if value]
    if not finite:
        return ["0" for _ in values]
    if 1e6 <= max(finite) < 1e9:
        return [f"{_plain(value / 1e6)}M" if value else "0" for value in values]
    if max(finite) >= 1e9 or max(finite) < 1e-3:
        return [formats.number(value) if value else "0" for value in values]
    return [_plain(value) for value in values]


def _plain(value: float) -> str:
    text = formats.fixed(value, 6)
    return text.rstrip("0").rstrip(".")


def _power_label(power: int) -> str:
    return _plain(10.0**power) if -3 <= power <= 4 else f"1e{power}"


def _opened(values: np.ndarray, margin: float, around: float | None = None) -> tuple[float, float]:
    """The ends of an axis over these values, never the same and never beyond what floats hold."""
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    size = max(abs(low), abs(high))
    if high / 2 - low / 2 <= max(size * 1e-12, SMALLEST):  # constant, but for rounding
        room = around or (size * 0.1 if size > SMALLEST else 1.0)
        return low - room, high + room
    room = (high / 2 - low / 2) * 2 * margin
    return low - room, high + room
