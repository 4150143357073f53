"""Which column of a long frame plays which part."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cellstate.errors import FrameError, InputError, did_you_mean, explain

DEFAULT_ID = "unique_id"
_NEAR = 0.8  # a name this similar to the default id column is taken for a slip


@dataclass(frozen=True)
class Columns:
    """The names of a long frame's columns.

    Parameters
    ----------
    id : str or None
        The series a row belongs to: text or integers. ``None``, or the default name in a frame
        that has no such column, means that the frame holds one single series.
    time : str
        Time stamps: integers, dates, date-times (also with a time zone) or ISO text.
    target : str or None
        The value to forecast. ``None`` for a frame of known-future covariates alone.
    past, future, static : tuple of str
        Covariates known up to the present, known for the future too, and constant per series. A
        single name may be given as plain text.
    calendar : tuple of str
        Features computed from the time stamps and known for the future, see
        `cellstate.data.calendar.FEATURES`; ``"auto"`` takes those that the frequency supports.

    Raises
    ------
    InputError
        A name is empty, no text, or plays two parts.

    Examples
    --------
    >>> Columns(target="price", future="holiday").future
    ('holiday',)
    """

    id: str | None = DEFAULT_ID
    time: str = "ds"
    target: str | None = "y"
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in ("past", "future", "static", "calendar"):
            object.__setattr__(self, part, _names(part, getattr(self, part)))
        parts: dict[str, str] = {}
        for part, names in self._by_part():
            for name in names:
                if not isinstance(name, str) or not name:
                    raise InputError(
                        explain(
                            "Columns",
                            f"{part} must name columns with non-empty text",
                            repr(name),
                            "Give the column's name",
                        )
                    )
                if name in parts:
                    raise InputError(
                        explain(
                            "Columns",
                            "a column plays one part",
                            f"{name!r} as {parts[name]} and as {part}",
                            "Name it once",
                        )
                    )
                parts[name] = part

    def _by_part(self) -> Iterable[tuple[str, Sequence[str]]]:
        yield "id", () if self.id is None else (self.id,)
        yield "time", (self.time,)
        yield "target", () if self.target is None else (self.target,)
        yield "past", self.past
        yield "future", self.future
        yield "static", self.static

    def resolve_id(self, present: Sequence[str]) -> str | None:
        """Name the id column among those present; None if the frame is one single series."""
        if self.id is None or self.id in present:
            return self.id
        if self.id == DEFAULT_ID and not _near_default(present):
            return None
        raise FrameError(_missing("id", self.id, present, ", or pass id=None for a single series"))

    def check(self, present: Sequence[str]) -> None:
        """Raise `FrameError` if a column other than the id is missing."""
        for part, names in self._by_part():
            for name in names:
                if part != "id" and name not in present:
                    raise FrameError(_missing(part, name, present, ""))


def _near_default(present: Sequence[str]) -> bool:
    return bool(difflib.get_close_matches(DEFAULT_ID, present, n=1, cutoff=_NEAR))


def _missing(part: str, name: str, present: Sequence[str], alternative: str) -> str:
    held = ", ".join(map(repr, present)) or "no column"
    near = did_you_mean(name, present) if present else "Check the file."
    return explain(
        "Columns",
        f"the frame must have the {part} column {name!r}",
        held,
        f"{near} Name it with Columns({part}=...){alternative}",
    )


def _names(part: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, Iterable):
        return tuple(given)
    raise InputError(
        explain("Columns", f"{part} must be column names", repr(given), "Give a tuple of text")
    )
