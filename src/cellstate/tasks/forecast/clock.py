"""Between the moments of events and a model's own time stamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.data.frequency import DAY_US, Frequency
from cellstate.data.stamps import StampKind
from cellstate.data.zones import to_local, to_utc

SECOND = 1_000_000  # microseconds
YEARS = (1600, 3000)
"""Between which dates must lie; calendars and zones end somewhere beyond."""
_FIRST, _LAST = (np.datetime64(str(year), "us").astype(np.int64) for year in YEARS)


@dataclass(frozen=True)
class Clock:
    """What a model's stamps are, and how far apart.

    Stamps that are plain integers are seconds of an event's time: an event at 17 seconds is the
    period 17. Dates without a zone are taken for UTC.

    Attributes
    ----------
    frequency : Frequency
    stamps : StampKind

    Examples
    --------
    >>> clock = Clock(Frequency.of("h"), StampKind("datetime", "us", "Europe/Berlin", "utc"))
    >>> stamps, _ = clock.read(np.array([1714557600_000000]))
    >>> clock.show(clock.frequency.shift(stamps, 1))
    ['2024-05-01T11:00:00Z']
    """

    frequency: Frequency
    stamps: StampKind

    def read(self, micros: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give stamps (B,) by the model's clock, and whether each time can be one."""
        if self.frequency.is_integer:
            return micros // SECOND, micros % SECOND == 0
        can_be = (micros >= _FIRST) & (micros < _LAST)
        times = np.where(can_be, micros, 0).astype("datetime64[us]")
        if self.stamps.kind == "date":
            can_be &= micros % DAY_US == 0
        if self.is_local:
            times = to_local(times, str(self.stamps.zone))
        return times, can_be

    def show(self, stamps: np.ndarray) -> list[str] | list[int]:
        """Write stamps as ISO 8601 in UTC; integers stay integers."""
        if self.frequency.is_integer:
            return stamps.tolist()
        times = to_utc(stamps, str(self.stamps.zone)) if self.is_local else stamps
        text = np.datetime_as_string(times.astype("datetime64[us]"))
        return [f"{moment.removesuffix('.000000')}Z" for moment in text.tolist()]

    def native(self, numbers: np.ndarray) -> np.ndarray:
        """Give stamps of the integers by which a state holds them."""
        return numbers if self.frequency.is_integer else numbers.astype("datetime64[us]")

    def moments(self, stamps: np.ndarray) -> np.ndarray:
        """Give the moments of stamps in microseconds; what `read` reads back."""
        if self.frequency.is_integer:
            return stamps * SECOND
        times = to_utc(stamps, str(self.stamps.zone)) if self.is_local else stamps
        return times.astype("datetime64[us]").astype(np.int64)

    @property
    def is_local(self) -> bool:
        """Whether stamps show the local clock of a zone."""
        return self.stamps.zone is not None and self.stamps.clock == "local"
