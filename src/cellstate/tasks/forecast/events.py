"""What an event brings to a forecaster: the fields, and a reader for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from cellstate.data.panel import Panel
from cellstate.errors import EventError, InputError, did_you_mean, explain
from cellstate.runtime.stream import Field
from cellstate.runtime.values import read_number
from cellstate.tasks.forecast.checks import LARGEST

FAR = 1_000.0
"""How many times the largest observation of the fit an event's may be."""
NEXT = "next_"
"""Begins the names of future covariates of the periods to come."""
_WHERE = "event"


class Row(NamedTuple):
    """One event as arrays.

    Attributes
    ----------
    y : float
    past, future : np.ndarray
        (Cp,) and (Cf without the calendar's,) float32, NaN where missing.
    static : np.ndarray
        (columns,) float64 codes of `StaticEncoder`.
    told : np.ndarray
        (columns,) bool, whether the event brings each static column.
    ahead : np.ndarray
        (n, Cf without the calendar's) float32, of the periods to come.
    """

    y: float
    past: np.ndarray
    future: np.ndarray
    static: np.ndarray
    told: np.ndarray
    ahead: np.ndarray


@dataclass(frozen=True)
class Reader:
    """Which names an event may hold.

    Attributes
    ----------
    target : str
    past, future : tuple of str
        Covariates; those of the calendar are computed.
    static : dict of str to tuple of str, or None
        Categories of each static column, None for numbers.
    horizon : int
        Most periods to come of which covariates may be told.
    counts : bool
        Whether the target counts: 0, 1, 2 …
    most : float
        Largest observation, in size, that can be true.
    """

    target: str
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: dict[str, tuple[str, ...] | None]
    horizon: int
    counts: bool
    most: float

    @classmethod
    def of(cls, panel: Panel, horizon: int, *, counts: bool, seen: np.ndarray) -> Reader:
        """Take the names from a panel.

        Parameters
        ----------
        panel : Panel
        horizon : int
        counts : bool
        seen : np.ndarray
            The observations of the fit: an event's may be `FAR` times the largest of them.

        Raises
        ------
        InputError
            Two fields would have one name.
        """
        own = panel.future_names[: len(panel.future_names) - 2 * len(panel.calendar)]
        names = [panel.target_name, *panel.past_names, *own, *panel.static_names]
        names += [f"{NEXT}{name}" for name in own]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            must = "the fields of an event must have different names"
            raise InputError(explain("stream", must, f"{twice!r} twice", "Rename the column"))
        static = dict(panel.encoder.categories)
        largest = float(np.nanmax(np.abs(seen), initial=0.0))
        most = min(LARGEST, FAR * largest) if largest > 0 else LARGEST
        return cls(panel.target_name, panel.past_names, own, static, horizon, counts, most)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All of them, described."""
        about = "Observation of the period" + (", a count" if self.counts else "")
        fields = [Field(self.target, "number", f"{about}; null where it is missing.")]
        fields += [Field(name, "number", "Covariate of the period.") for name in self.past]
        fields += [
            Field(name, "number", "Covariate of the period, known before.") for name in self.future
        ]
        fields += [
            Field(
                name,
                "number" if kept is None else "text",
                "Property of the series; its first event alone may bring it.",
                static=True,
            )
            for name, kept in self.static.items()
        ]
        fields += [
            Field(
                f"{NEXT}{name}",
                "number",
                f"{name} of the periods to come, in order, {self.horizon} at most.",
                size=-1,
            )
            for name in self.future
        ]
        return tuple(fields)

    def read(self, data: Mapping[str, Any]) -> Row:
        """Bring an event into arrays.

        Raises
        ------
        EventError
            A name is unknown, or a value of the wrong kind or out of range.
        """
        if not isinstance(data, Mapping):
            must, do = "values must come by name, in a mapping", f"For example {self.target}=1"
            raise EventError(explain(_WHERE, must, type(data).__name__, do))
        ahead = self.read_ahead({k: v for k, v in data.items() if k in self._ahead})
        _check_names(data, self._known)
        y = read_number(self.target, data.get(self.target), -self.most, self.most)
        if self.counts and not (np.isnan(y) or (y >= 0 and y == np.floor(y))):
            must = f"{self.target} must be a count: 0, 1, 2 …"
            raise EventError(explain(_WHERE, must, "another number", "Check what is counted"))
        past, future = (
            np.array(
                [read_number(name, data.get(name), -LARGEST, LARGEST) for name in names],
                np.float32,
            )
            for names in (self.past, self.future)
        )
        told = np.array([data.get(name) is not None for name in self.static], dtype=bool)
        codes = [self._code(name, kept, data.get(name)) for name, kept in self.static.items()]
        return Row(y, past, future, np.array(codes), told, ahead)

    def read_ahead(self, data: Mapping[str, Any]) -> np.ndarray:
        """Read the covariates of the periods to come, (n, Cf without the calendar's) float32.

        Raises
        ------
        EventError
            A name is unknown, a value no number, or there are more than the horizon has periods.
        """
        _check_names(data, self._ahead)
        lists = [data.get(f"{NEXT}{name}") for name in self.future]
        lists = [
            given if isinstance(given, list | tuple | np.ndarray) else [given] for given in lists
        ]
        count = max(map(len, lists), default=0)
        if count > self.horizon:
            must = f"there must be at most {self.horizon} periods to come"
            raise EventError(explain(_WHERE, must, str(count), "Leave out those beyond"))
        values = np.full((count, len(self.future)), np.nan, np.float32)
        for column, (name, given) in enumerate(zip(self.future, lists, strict=True)):
            for place, value in enumerate(given):
                values[place, column] = read_number(f"{NEXT}{name}", value, -LARGEST, LARGEST)
        return values

    @cached_property
    def _ahead(self) -> set[str]:
        return {f"{NEXT}{name}" for name in self.future}

    @cached_property
    def _known(self) -> set[str]:
        return {self.target, *self.past, *self.future, *self.static} | self._ahead

    def _code(self, name: str, kept: tuple[str, ...] | None, given: Any) -> float:
        if kept is None:
            return read_number(name, given, -LARGEST, LARGEST)
        if given is None:
            return 0.0
        if not isinstance(given, str):
            must, do = f"{name} must be text, as it was at fit", "Convert it"
            raise EventError(explain(_WHERE, must, type(given).__name__, do))
        return float(kept.index(given) + 1 if given in kept else 0)


def _check_names(data: Mapping[str, Any], known: set[str]) -> None:
    for name in data.keys() - known:
        must, do = "each value must belong to a column of the fit", "See the model's fields"
        do = did_you_mean(name, sorted(known)) if isinstance(name, str) and known else do
        raise EventError(explain(_WHERE, must, "another name", do))
