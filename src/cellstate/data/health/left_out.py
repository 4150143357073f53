"""What a reader left out of a table, counted and listed by row number, never by content."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import explain

_ROWS_NAMED = 5  # row numbers that a message spells out for each reason
_REASONS_NAMED = 8


class LeftOutWarning(UserWarning):
    """Rows of a table cannot be true, and were left out of what was read."""


@dataclass(frozen=True, eq=False, repr=False)
class LeftOut:
    """Rows left out, each with its number and the reason.

    Neither identifiers nor measured values are kept: a row is looked up in the user's own table.
    A row of a wide table holds several events, so it may be listed more than once.

    Attributes
    ----------
    rows : numpy.ndarray
        (n,) int64 row numbers, counted from 1, rising.
    reason : numpy.ndarray
        (n,) int32 places in `reasons`.
    reasons : tuple of str
        For example ``"Temp outside 12 to 46 °C"``.

    Examples
    --------
    >>> out = LeftOut.of("duplicate event", [3, 7]) + LeftOut.of("no code", [5])
    >>> len(out), out.counts
    (3, {'duplicate event': 2, 'no code': 1})
    >>> print(out)
    3 left out: 2 duplicate event (rows 3, 7); 1 no code (row 5)
    """

    rows: np.ndarray
    reason: np.ndarray
    reasons: tuple[str, ...]

    @classmethod
    def nothing(cls) -> LeftOut:
        """Leave out no row."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int32), ())

    @classmethod
    def of(cls, reason: str, rows: Any) -> LeftOut:
        """Leave out rows for one reason.

        Parameters
        ----------
        reason : str
            Names columns and codes, never identifiers or values of the data.
        rows : array of int
            Row numbers, counted from 1.
        """
        numbers = np.sort(np.asarray(rows, dtype=np.int64))
        if not len(numbers):
            return cls.nothing()
        return cls(numbers, np.zeros(len(numbers), np.int32), (reason,))

    @classmethod
    def by_reason(cls, rows: np.ndarray, reason: np.ndarray, reasons: tuple[str, ...]) -> LeftOut:
        """Leave out rows for several reasons, given as places in `reasons`; sorts and tidies."""
        used, place = np.unique(reason, return_inverse=True)
        order = np.lexsort((place, rows))
        return cls(
            np.asarray(rows, dtype=np.int64)[order],
            place.astype(np.int32)[order],
            tuple(reasons[k] for k in used),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: LeftOut) -> LeftOut:
        if not len(other):
            return self
        if not len(self):
            return other
        names = tuple(dict.fromkeys(self.reasons + other.reasons))
        moved = [names.index(name) for name in other.reasons]
        return LeftOut.by_reason(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.reason, np.array(moved, np.int32)[other.reason]]),
            names,
        )

    def within(self, table: str) -> LeftOut:
        """Put the name of the table before each reason, where rows of several are counted.

        Examples
        --------
        >>> LeftOut.of("no code", [5]).within("labevents").counts
        {'labevents: no code': 1}
        """
        return LeftOut(self.rows, self.reason, tuple(f"{table}: {name}" for name in self.reasons))

    @property
    def counts(self) -> dict[str, int]:
        """How many were left out for each reason, the most frequent first."""
        counted = np.bincount(self.reason, minlength=len(self.reasons))
        order = np.argsort(-counted, kind="stable")
        return {self.reasons[k]: int(counted[k]) for k in order}

    def listed(self) -> dict[str, np.ndarray]:
        """List each row and its reason, as columns that any data frame takes.

        Examples
        --------
        >>> listed = LeftOut.of("no code", [5, 9]).listed()
        >>> listed["row"].tolist(), listed["reason"].tolist()
        ([5, 9], ['no code', 'no code'])
        """
        names = np.array(self.reasons, dtype=object)
        return {"row": self.rows, "reason": names[self.reason] if len(self) else names}

    def __str__(self) -> str:
        if not len(self):
            return "none left out"
        parts = [self._shown(name, count) for name, count in self.counts.items()]
        if len(parts) > _REASONS_NAMED:
            more = len(parts) - _REASONS_NAMED
            parts = [*parts[:_REASONS_NAMED], f"{more} more reasons"]
        return f"{len(self):,} left out: {'; '.join(parts)}"

    def __repr__(self) -> str:
        return f"LeftOut({self})"

    def _shown(self, name: str, count: int) -> str:
        rows = self.rows[self.reason == self.reasons.index(name)][:_ROWS_NAMED]
        numbers = ", ".join(f"{row:,}" for row in rows) + ", …" * (count > _ROWS_NAMED)
        return f"{count:,} {name} ({'row' if count == 1 else 'rows'} {numbers})"

    def announce(self, where: str, *, stacklevel: int = 2) -> None:
        """Warn of what was left out, if anything was.

        Parameters
        ----------
        where : str
            Who read the table.
        stacklevel : int
            1 is the caller of this method, 2 its caller.

        Warns
        -----
        LeftOutWarning
            Once, with counts and the first row numbers.
        """
        if len(self):
            must, do = "each row should be possible", "List them with left_out.listed()"
            message = explain(where, must, str(self), do)
            warnings.warn(message, LeftOutWarning, stacklevel=stacklevel + 1)
