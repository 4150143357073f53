"""A forecaster that reads events: what was expected, how it turned out, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cellstate.artifact import model_fingerprint
from cellstate.data.calendar import calendar_values
from cellstate.data.frequency import Frequency
from cellstate.errors import EventError, explain
from cellstate.runtime.stream import AbstractStream, Answer, States
from cellstate.tasks.forecast import saved
from cellstate.tasks.forecast.clock import YEARS, Clock
from cellstate.tasks.forecast.event_answers import Telling
from cellstate.tasks.forecast.events import NEXT, Reader, Row
from cellstate.tasks.forecast.fitted import Fitted
from cellstate.tasks.forecast.memory import Memory
from cellstate.tasks.forecast.model import State, take

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.forecast.forecaster import Forecaster

MOST_SKIPPED = 1_000
"""Periods without an event between two events; each is stepped as a missing value."""
_WHERE = "event"


class ForecastStream(AbstractStream):
    """A forecaster's networks, stepped event by event.

    An event brings the observation of one period, with its covariates; its time is that period's
    stamp. The answer says what was expected of the period, how surprising the observation is (see
    `cellstate.tasks.forecast.surprise`), and what is expected of the next one. These are the
    numbers of `Forecaster.update` and `predict`. An entity with the name of a series of the fit
    goes on from what the forecaster knows of it.

    Parameters
    ----------
    fitted : Fitted
    memory : Memory
        Of the series that are known.
    levels : tuple of float
        Prediction intervals to give, in per cent.
    seen : np.ndarray
        Observations of all series; an event's may not be a thousand times as large.
    """

    task: ClassVar[str] = "forecast"
    needs_time: ClassVar[bool] = True

    def __init__(
        self, fitted: Fitted, memory: Memory, levels: tuple[float, ...], seen: np.ndarray
    ) -> None:
        edge, plan = memory.edge, fitted.plan
        self._fitted, self._model, self._levels = fitted, fitted.model, levels
        self._edge, self._learnt = edge, memory.state
        self._places = {str(name): place for place, name in enumerate(edge.ids)}
        self._clock = Clock(edge.frequency, edge.origin.stamps)
        self._telling = Telling(plan.taus, levels, self._clock)
        counts = plan.distribution == "negative_binomial" and fitted.decoder == "recursive"
        self._reader = Reader.of(edge, plan.horizon, counts=counts, seen=seen)
        self._columns = [
            np.full(1 if kept is None else len(kept), place)
            for place, kept in enumerate(edge.encoder.categories.values())
        ]
        empty = self._model.start(1)
        self.state_dtype = np.dtype(
            [
                ("last", np.int64),
                ("expected", np.float64, (len(plan.taus),)),
                ("model", [(name, v.dtype, v.shape[1:]) for name, v in empty.items()]),
                ("property", np.float32, (edge.static.shape[1],)),
                ("static", np.float32, (plan.static,)),
                ("begun", np.bool_),
                ("foretold", np.bool_),
            ]
        )
        self.inputs = self._reader.fields
        self.outputs = self._telling.fields

    @classmethod
    def of(cls, model: Forecaster) -> Self:
        """Build it from a fitted estimator, with all that it has been told so far."""
        return cls(model.fitted_, model.memory_, tuple(model.levels), model.history_.target)

    @classmethod
    def from_artifact(
        cls, manifest: Manifest, tensors: dict[str, np.ndarray], *, weights: str = "float32"
    ) -> Self:
        """Build it from the parts of a model folder."""
        fitted, memory, history, _ = saved.from_parts(manifest, tensors)
        levels = tuple(manifest.arguments["levels"])
        return cls(replace(fitted, weights=weights), memory, levels, history.target)

    @cached_property
    def fingerprint(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of networks, scales, and what is known of each series."""
        edge, fitted = self._edge, self._fitted
        described = {
            "task": self.task,
            "decoder": fitted.decoder,
            "weights": fitted.weights,
            "plan": asdict(fitted.plan),
            "covariates": fitted.covariates.as_dict(),
            "series": [str(name) for name in edge.ids],
            "frequency": edge.frequency.name,
            "stamps": edge.origin.stamps.as_dict(),
            "names": [edge.target_name, edge.past_names, edge.future_names, edge.calendar],
            "static": edge.encoder.as_dict(),
            "levels": [float(level) for level in self._levels],
            "most": self._reader.most,
        }
        tensors = {
            f"network.{number}.{name}": values
            for number, weights in enumerate(fitted.networks)
            for name, values in weights.items()
        }
        tensors |= {f"state.{name}": values for name, values in self._learnt.items()}
        tensors |= {"factors": fitted.factors, "last": edge.times, "static": edge.static}
        return model_fingerprint(described, tensors)

    @property
    def frequency(self) -> Frequency:
        """How far apart two periods are."""
        return self._clock.frequency

    def moments(self, first: int, count: int) -> np.ndarray:
        """Give the times of some periods in a row.

        Parameters
        ----------
        first : int
            Microseconds of the first.
        count : int

        Returns
        -------
        numpy.ndarray
            (count,) int64 microseconds.

        Raises
        ------
        EventError
            No period can have the first time.
        """
        stamps, can_be = self._clock.read(np.array([first]))
        if not can_be[0]:
            must, do = "a time must be a stamp of the model's clock", "Round it"
            raise EventError(explain(_WHERE, must, "one in between", do))
        return self._clock.moments(self.frequency.shift(stamps, np.arange(count)))

    def start(self, entities: Sequence[str]) -> States:
        """Make states: of known series where the forecaster stands, of others empty ones."""
        states = np.zeros(len(entities), self.state_dtype)
        states["expected"], states["property"] = np.nan, np.nan
        for name, values in self._model.start(len(entities)).items():
            states["model"][name] = values
        known = [(at, self._places[e]) for at, e in enumerate(entities) if e in self._places]
        if known:
            at, place = np.array(known).T
            edge = self._edge.select(place)
            states["begun"][at] = True
            states["last"][at] = edge.times.astype(np.int64)
            states["property"][at] = edge.static
            states["static"][at] = self._fitted.covariates.static(edge)
            for name, values in self._learnt.items():
                states["model"][name][at] = values[place]
        return states

    def read(self, data: Mapping[str, Any]) -> Row:
        """Bring an event into arrays.

        Raises
        ------
        EventError
            A name is unknown, or a value of the wrong kind or out of range.
        """
        return self._reader.read(data)

    def step(
        self, states: States, rows: Sequence[Any], times: NDArray[np.int64]
    ) -> tuple[States, list[Answer | EventError]]:
        """Let each series take in one period, and those that were skipped before it."""
        after = states.copy()
        stamps, gaps, refused = self._place(states, times)
        self._check_static(states, rows, refused)
        answers: list[Answer | EventError] = [{}] * len(rows)
        good = np.array([at for at in range(len(rows)) if at not in refused], dtype=np.int64)
        if len(good):
            part = after[good]
            said = self._take_in(part, [rows[at] for at in good], stamps[good], gaps[good])
            after[good] = part
            for at, answer in zip(good.tolist(), said, strict=True):
                answers[at] = answer
        for at, problem in refused.items():
            answers[at] = problem
        return after, answers

    def horizon(self, states: States, known: Mapping[str, Any] | None = None) -> Answer:
        """Forecast all periods of the horizon of one entity.

        Parameters
        ----------
        states : numpy.ndarray
            (1,) records.
        known : mapping of str to sequence of float, optional
            Future covariates of the periods, by the names of their columns; missing ones count as
            their mean.

        Returns
        -------
        dict
            ``ds``, ``forecast`` (the median), ``forecast_lo_80``, ``forecast_hi_80`` … for each
            level, each a list of H.

        Raises
        ------
        EventError
            The entity has had no event and is no series of the fit, or a covariate cannot be used.
        """
        if not states["begun"][0]:
            must, do = "there must be something to forecast from", "Push an event first"
            raise EventError(explain(_WHERE, must, "an entity without events", do))
        ahead = self._reader.read_ahead({f"{NEXT}{k}": v for k, v in (known or {}).items()})
        horizon = self._fitted.plan.horizon
        stamps = self._clock.native(states["last"])
        given = self._ahead(stamps, [ahead], horizon)
        quantiles = self._fitted.forecast(_state(states), given, states["static"])[0]
        when = self._clock.frequency.shift(stamps[:, None], np.arange(1, horizon + 1))[0]
        return {"ds": self._clock.show(when), **self._telling.columns("forecast", quantiles)}

    def _place(
        self, states: States, times: NDArray[np.int64]
    ) -> tuple[np.ndarray, np.ndarray, dict[int, EventError]]:
        """Find each event's stamp, and the periods skipped before it."""
        frequency = self._clock.frequency
        stamps, can_be = self._clock.read(times)
        last, begun = self._clock.native(states["last"]), states["begun"]
        periods = frequency.periods(last, stamps)
        fits = can_be & (~begun | (frequency.shift(last, periods) == stamps))
        gaps = np.where(begun, periods - 1, 0)
        refused: dict[int, EventError] = {}
        for at in np.flatnonzero(~fits | (gaps < 0) | (gaps > MOST_SKIPPED)).tolist():
            if can_be[at] and begun[at] and stamps[at] <= last[at]:
                must, given = "a period must come after the last one", "one that was told before"
                do = "Send each period once, in order"
            elif not fits[at]:
                must = f"a time must be a whole number of periods ({frequency.name}) after the last"
                given, do = "another", "Round it to the stamps that the model was fitted on"
                if not frequency.is_integer:
                    must += f", from {YEARS[0]} to {YEARS[1] - 1}"
            else:
                must = f"at most {MOST_SKIPPED:,} periods may be skipped"
                given, do = f"{int(gaps[at]):,}", "Begin the entity anew, or send what is missing"
            refused[at] = EventError(explain(_WHERE, must, given, do))
        return stamps, gaps, refused

    def _check_static(
        self, states: States, rows: Sequence[Row], refused: dict[int, EventError]
    ) -> None:
        """Refuse other properties than those that a series began with."""
        if not self._columns:
            return
        told = np.stack([row.told for row in rows])
        given = self._edge.encoder.expand(np.stack([row.static for row in rows]))
        owner = np.concatenate(self._columns)
        is_other = told[:, owner] & (given != states["property"]) & states["begun"][:, None]
        for at in np.flatnonzero(is_other.any(1)).tolist():
            name = tuple(self._reader.static)[owner[int(np.argmax(is_other[at]))]]
            must, do = f"{name} belongs to the first event of a series", "Leave it out"
            refused[at] = EventError(explain(_WHERE, must, "another value later", do))

    def _take_in(
        self, part: States, rows: list[Row], stamps: np.ndarray, gaps: np.ndarray
    ) -> list[Answer]:
        """Move states in place by their skipped periods and one observation each."""
        begins = ~part["begun"]
        if begins.any():
            given = self._edge.encoder.expand(np.stack([row.static for row in rows]))
            part["property"][begins] = given[begins]
            scaled = self._fitted.covariates.scale(given, "static")
            part["static"][begins, : scaled.shape[1]] = scaled[begins]
        state = _state(part)
        self._skip(state, part, gaps)
        y = np.array([row.y for row in rows])
        now = np.stack([row.future for row in rows])
        known = self._known(stamps[:, None], now[:, None])[:, 0]
        expected = self._expected(state, part, begins, gaps, now)
        scale, static = self._fitted.covariates.scale, part["static"]
        past = scale(np.stack([row.past for row in rows]), "past")
        state = self._model.advance(state, y, past, scale(known, "future"), static)
        ahead = self._ahead(stamps, [row.ahead for row in rows], self._model.least_ahead)
        coming = self._fitted.forecast(state, ahead, static)[:, 0]
        for name, values in state.items():
            part["model"][name] = values
        part["begun"], part["foretold"], part["expected"] = True, True, coming
        part["last"] = stamps.astype(np.int64)
        return self._telling.answers(y, expected, coming, self._clock.frequency.shift(stamps, 1))

    def _skip(self, state: State, part: States, gaps: np.ndarray) -> None:
        """Step the periods between the last event and this one as missing."""
        last, scale = self._clock.native(part["last"]), self._fitted.covariates.scale
        for step in range(int(gaps.max(initial=0))):
            at = np.flatnonzero(gaps > step)
            stamps = self._clock.frequency.shift(last[at], step + 1)
            nothing = np.full((len(at), len(self._reader.future)), np.nan, np.float32)
            known = self._known(stamps[:, None], nothing[:, None])[:, 0]
            past = np.full((len(at), len(self._reader.past)), np.nan, np.float32)
            moved = self._model.advance(
                take(state, at),
                np.full(len(at), np.nan),
                scale(past, "past"),
                scale(known, "future"),
                part["static"][at],
            )
            for name, values in moved.items():
                state[name][at] = values

    def _expected(
        self,
        state: State,
        part: States,
        begins: np.ndarray,
        gaps: np.ndarray,
        now: np.ndarray,
    ) -> np.ndarray:
        """Give what was expected of this period, (B, Q); NaN where nothing was known."""
        expected = np.where(begins[:, None], np.nan, part["expected"])
        at = np.flatnonzero(~begins & ((gaps > 0) | ~part["foretold"]))
        if len(at):  # nobody has asked before
            last, least = self._clock.native(part["last"][at]), self._model.least_ahead
            ahead = self._ahead(last, list(now[at][:, None]), least, gaps[at])
            found = self._fitted.forecast(take(state, at), ahead, part["static"][at])
            expected[at] = found[:, 0]
        return expected

    def _ahead(
        self,
        stamps: np.ndarray,
        given: list[np.ndarray],
        count: int,
        skipped: np.ndarray | int = 0,
    ) -> np.ndarray:
        """Lay out future covariates of `count` periods after stamps: (B, count, Cf)."""
        values = np.full((len(stamps), count, len(self._reader.future)), np.nan, np.float32)
        for row, one in enumerate(given):
            values[row, : len(one)] = one[:count]
        periods = np.reshape(skipped, (-1, 1)) + np.arange(1, count + 1)
        return self._known(self._clock.frequency.shift(stamps[:, None], periods), values)

    def _known(self, stamps: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Add the calendar of stamps (B, n) to covariates (B, n, ·)."""
        if not self._edge.calendar:
            return values
        local = self._clock.stamps.to_local(stamps)
        return np.concatenate([values, calendar_values(local, self._edge.calendar)], axis=-1)


def _state(part: States) -> State:
    """Copy the networks' states out of records."""
    held = part["model"]
    return {name: np.ascontiguousarray(held[name]) for name in held.dtype.names or ()}
