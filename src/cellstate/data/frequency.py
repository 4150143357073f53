"""How far apart two neighbouring time stamps of a series are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cellstate.data.aliases import name_of, parse

DAY_US = 86_400_000_000  # microseconds; every time stamp is datetime64[us]
_DAY = np.timedelta64(1, "D")
_LONGEST_DAY_SEASON = 1440  # one value a minute


@dataclass(frozen=True)
class Frequency:
    """A regular grid of time stamps, up to where it starts.

    Two stamps are on one grid if a whole number of periods lies between them. Where a grid
    starts is each series' own matter, so that anchors such as weekly "on Monday" need no name.

    Parameters
    ----------
    kind : {"integer", "time", "month", "business"}
        Plain integers, a fixed duration, calendar months, or Monday to Friday.
    count : int
        The period: integers, microseconds, months, or business days.
    end : bool
        For months: stamps are the last day of the month.

    Examples
    --------
    >>> hourly = Frequency.of("h")
    >>> hourly.name, hourly.season()
    ('h', 24)
    >>> Frequency.of("ME").advance(np.datetime64("2024-01-31"), 2).astype("datetime64[D]")
    array(['2024-02-29', '2024-03-31'], dtype='datetime64[D]')
    """

    kind: Literal["integer", "time", "month", "business"]
    count: int
    end: bool = False

    @classmethod
    def of(cls, given: Any) -> Frequency:
        """Read an alias (``"h"``, ``"15min"``, ``"MS"``, ``"B"``), an integer step or a timedelta.

        Raises
        ------
        InputError
            No such frequency.
        """
        return given if isinstance(given, Frequency) else cls(*parse(given))

    @property
    def name(self) -> str:
        """The alias as pandas writes it; `Frequency.of` reads it back."""
        return name_of(self.kind, self.count, self.end)

    @property
    def is_integer(self) -> bool:
        """Whether stamps are plain integers and not dates."""
        return self.kind == "integer"

    @property
    def is_within_day(self) -> bool:
        """Whether the period is no whole number of days."""
        return self.kind == "time" and self.count % DAY_US != 0

    def season(self) -> int:
        """Give the usual season, in periods: a day, a week (daily data) or a year.

        Hourly 24, daily 7, business days 5, weekly 52, monthly 12, quarterly 4; a period that
        divides the day gives the periods in a day (15 minutes: 96); otherwise 1.
        """
        if self.kind == "business":
            return 5 if self.count == 1 else 1
        if self.kind == "month":
            return 12 // self.count if 12 % self.count == 0 else 1
        if self.kind == "time":
            if self.count in (DAY_US, 7 * DAY_US):
                return 7 if self.count == DAY_US else 52
            if DAY_US % self.count == 0 and DAY_US // self.count <= _LONGEST_DAY_SEASON:
                return DAY_US // self.count
        return 1

    def advance(self, last: Any, n: int) -> np.ndarray:
        """Give the `n` stamps that follow `last`, shape (n,)."""
        return self.shift(np.asarray(last), np.arange(1, n + 1))

    def shift(self, stamps: np.ndarray, periods: np.ndarray | int) -> np.ndarray:
        """Move each stamp by a number of periods (broadcast; negative moves back)."""
        moves = np.asarray(periods, dtype=np.int64) * self.count
        if self.kind == "integer":
            return np.asarray(stamps, dtype=np.int64) + moves
        stamps = np.asarray(stamps, dtype="datetime64[us]")
        if self.kind == "time":
            return stamps + moves.astype("timedelta64[us]")
        days = stamps.astype("datetime64[D]")
        time_of_day = stamps - days
        if self.kind == "business":
            return np.busday_offset(days, moves, roll="forward") + time_of_day
        months = days.astype("datetime64[M]")
        moved = months + moves.astype("timedelta64[M]")
        last_day = (moved + 1).astype("datetime64[D]") - moved.astype("datetime64[D]") - _DAY
        # The 31st of a shorter month is its last day.
        day = last_day if self.end else np.minimum(days - months.astype("datetime64[D]"), last_day)
        return moved.astype("datetime64[D]") + day + time_of_day

    def periods(self, start: np.ndarray, stamps: np.ndarray) -> np.ndarray:
        """Count the whole periods from `start` to each stamp (broadcast), rounded down.

        A stamp is on the grid of `start` exactly if `shift` by this count gives it back.
        """
        if self.kind == "integer":
            return (stamps - start) // self.count
        if self.kind == "time":
            return (stamps - start).astype("timedelta64[us]").astype(np.int64) // self.count
        if self.kind == "business":
            return np.busday_count(start.astype("M8[D]"), stamps.astype("M8[D]")) // self.count
        months = stamps.astype("datetime64[M]") - start.astype("datetime64[M]")
        return months.astype(np.int64) // self.count
