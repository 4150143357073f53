"""KServe's interface for time series: whole series in, their forecasts out, nothing remembered.

References
----------
`kserve.protocol.rest.timeseries.types` of kserve 0.21, whose names these are.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cellstate.data.frequency import Frequency
from cellstate.errors import EventError, explain
from cellstate.serve.http import schemas
from cellstate.serve.http.call import JSON, Call, Reply
from cellstate.serve.http.messages import microseconds
from cellstate.serve.http.problem import Problem, malformed
from cellstate.serve.http.reading import read
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service

if TYPE_CHECKING:
    from cellstate.tasks.forecast.stream import ForecastStream

_JSON = JSON.decode()
_WHERE = "forecast"
MOST_SERIES, MOST_STEPS = 1_000, 20_000
# Each in our words: the same length of a period, whatever it is anchored to.
FREQUENCIES = {
    **dict.fromkeys(("second", "S"), ("s",)),
    **dict.fromkeys(("minute", "T"), ("min",)),
    **dict.fromkeys(("hour", "H"), ("h",)),
    **dict.fromkeys(("day", "D"), ("D",)),
    **dict.fromkeys(("week", "W"), ("7D",)),
    **dict.fromkeys(("month", "M"), ("MS", "ME")),
    **dict.fromkeys(("quarter", "Q"), ("3MS", "3ME")),
    **dict.fromkeys(("year", "Y"), ("12MS", "12ME")),
}
# The state of a series that no training has seen, whatever it is called.
_UNKNOWN = "\0"


async def forecast(service: Service, call: Call) -> Reply:
    """Forecast series that come whole."""
    call.media_type(JSON)
    stream = cast("ForecastStream", service.stream)
    try:
        document = _checked(service, read(await call.body(service.settings.max_body)))
        series = [_Series(stream, one) for one in document["inputs"]]
        if sum(len(one.values) for one in series) > MOST_STEPS:
            must, do = f"series may have {MOST_STEPS} values in all", "Send them in parts"
            raise malformed(must, "more", do, _WHERE)
        service.count_events(call, sum(len(one.values) for one in series))
        asked = _Asked(document["options"])
        content = await service.read(_forecast, stream, series, asked)
    except EventError as problem:
        raise _typed(Problem(422, str(problem))) from None
    except Problem as problem:
        raise _typed(problem) from None
    id = secrets.token_hex(12)
    output = {
        "type": "time_series_forecast",
        "id": f"forecast-{id}",
        "status": "completed",
        "content": content,
    }
    answer = {
        "id": f"response-{id}",
        "created_at": int(time.time()),
        "status": "completed",
        "model": service.settings.model,
        "outputs": [output],
    }
    return Reply(json.dumps(answer, allow_nan=False).encode())


class _Series:
    """One series of a request: its values with their times."""

    def __init__(self, stream: ForecastStream, given: Any) -> None:
        if not isinstance(given, dict) or given.get("type") != "univariate_time_series":
            must, do = "inputs must be univariate_time_series", "Send each of them alone"
            raise malformed(must, "another", do, _WHERE)
        self.name: Any = given.get("name")
        self.values: Any = given.get("series")
        self.frequency: Any = given.get("frequency")
        start = given.get("start_timestamp")
        if not isinstance(self.name, str) or not isinstance(self.values, list) or not self.values:
            must, do = "each input must have a name and a series of values", "Add them"
            raise malformed(must, "another", do, _WHERE)
        _check_frequency(stream.frequency, self.frequency)
        if start is None:
            must, do = "start_timestamp must be given: the forecast depends on it", "Add it"
            raise malformed(must, "none", do, _WHERE)
        self.times = stream.moments(microseconds(start), len(self.values))
        target = stream.inputs[0].name
        self.rows = [stream.read({target: value}) for value in self.values]


class _Asked:
    """What a request wants to know."""

    def __init__(self, options: Any) -> None:
        horizon = options.get("horizon")
        if horizon.__class__ is not int or horizon < 1:
            raise malformed("horizon must be a count", "another value", "Send 1 or more", _WHERE)
        self.horizon: int = horizon
        self.quantiles: dict[str, float] = {}
        asked = options.get("quantiles") or []
        for quantile in asked if isinstance(asked, list) and len(asked) <= 100 else [None]:
            if not isinstance(quantile, float) or not 0 < quantile < 1:
                must, do = "quantiles must lie between 0 and 1", "Send [0.1, 0.9], say"
                raise malformed(must, "others", do, _WHERE)
            self.quantiles[repr(quantile)] = quantile


def _forecast(stream: ForecastStream, series: list[_Series], asked: _Asked) -> list[Any]:
    """Step all series side by side, value by value, and forecast from where they end.

    Raises
    ------
    EventError
        A value cannot be taken in.
    Problem
        The model does not forecast as far, or not these quantiles.
    """
    states = stream.start([_UNKNOWN] * len(series))
    for step in range(max(len(one.values) for one in series)):
        places = [at for at, one in enumerate(series) if step < len(one.values)]
        times = np.array([series[at].times[step] for at in places])
        rows = [series[at].rows[step] for at in places]
        states[places], answers = stream.step(states[places], rows, times)
        for answer in answers:
            if isinstance(answer, EventError):
                raise answer
    return [_told(stream.horizon(states[at : at + 1]), one, asked) for at, one in enumerate(series)]


def _told(columns: dict[str, Any], series: _Series, asked: _Asked) -> dict[str, Any]:
    horizon = len(columns["ds"])
    if asked.horizon > horizon:
        must, do = f"horizon may be {horizon}, as far as the model was trained", "Send less"
        raise malformed(must, f"{asked.horizon}", do, _WHERE)
    told = {
        "type": "univariate_time_series",
        "name": series.name,
        "mean_forecast": columns["forecast"][: asked.horizon],
        "frequency": series.frequency,
        "start_timestamp": str(columns["ds"][0]),
    }
    if asked.quantiles:
        told["quantiles"] = {
            text: _quantile(columns, quantile)[: asked.horizon]
            for text, quantile in asked.quantiles.items()
        }
    return told


def _quantile(columns: dict[str, Any], quantile: float) -> list[float | None]:
    """Find the end of an interval that a quantile is."""
    if quantile == 0.5:
        return columns["forecast"]
    level = round(100 * abs(1 - 2 * quantile), 6)
    name = f"forecast_{'lo' if quantile < 0.5 else 'hi'}_{level:g}"
    if name not in columns:
        levels = sorted(float(one.rpartition("_")[2]) for one in columns if "_lo_" in one)
        can_be = [f"{0.5 - one / 200:g} and {0.5 + one / 200:g}" for one in levels]
        must = f"quantiles must be of the model's: 0.5, {', '.join(can_be)}"
        raise malformed(must, "others", "Leave them out, or ask for those", _WHERE)
    return columns[name]


def _check_frequency(own: Frequency, given: Any) -> None:
    if own.is_integer and given in FREQUENCIES:
        return  # the model counts periods, whatever they are
    if isinstance(given, str) and given in FREQUENCIES:
        if own in [Frequency.of(alias) for alias in FREQUENCIES[given]]:
            return
        must, do = f"frequency must be the model's, {own.name}", "Send such a series"
        raise malformed(must, "another", do, _WHERE)
    must, do = "frequency must be known", f"Choose from {', '.join(FREQUENCIES)}"
    raise malformed(must, "another", do, _WHERE)


def _checked(service: Service, document: Any) -> Any:
    if not isinstance(document, dict) or not isinstance(document.get("options"), dict):
        must, do = "the body must have model, inputs and options", "See /openapi.json"
        raise malformed(must, "another", do, _WHERE)
    if document.get("model") != service.settings.model:
        must, given = "the model must be known", "another name"
        raise Problem(404, explain(_WHERE, must, given, "See /v1/model"))
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= MOST_SERIES:
        must, do = f"inputs must be 1 to {MOST_SERIES} series", "Send them in parts"
        raise malformed(must, "another number", do, _WHERE)
    return document


def _typed(problem: Problem) -> Problem:
    """Add what KServe's clients expect in an error."""
    problem.extra = {**(problem.extra or {}), "type": "BadRequestError"}
    return problem


def routes_for(service: Service) -> list[Route]:
    """List its operations; none unless the model forecasts."""
    if service.stream.task != "forecast":
        return []
    return [
        Route(
            "POST",
            "/v1/timeseries/forecast",
            forecast,
            "read",
            "Forecast whole series, as KServe does",
            about=(
                "A series starts from nothing, and nothing is remembered. `mean_forecast` is the "
                "median. The target alone is told: covariates count as missing."
            ),
            body={_JSON: _request(service.settings.model)},
            answers={200: {_JSON: _answer()}},
            problems=(404, 422, 503),
        )
    ]


def _request(model: str) -> dict[str, Any]:
    text = {"type": "string"}
    series = schemas.record(
        {
            "type": {"type": "string", "enum": ["univariate_time_series"]},
            "name": text,
            "series": {"type": "array", "minItems": 1, "items": {"type": ["number", "null"]}},
            "frequency": {"type": "string", "enum": [*FREQUENCIES]},
            "start_timestamp": {"type": "string", "format": "date-time"},
        },
        is_open=True,
    )
    options = schemas.record(
        {"horizon": {"type": "integer", "minimum": 1}},
        {"quantiles": {"type": "array", "items": {"type": "number"}}},
        is_open=True,
    )
    return schemas.record(
        {
            "model": {"type": "string", "enum": [model]},
            "inputs": {"type": "array", "minItems": 1, "items": series},
            "options": options,
        },
        {"metadata": {"type": "object"}},
        is_open=True,
    )


def _answer() -> dict[str, Any]:
    text = {"type": "string"}
    numbers = {"type": "array", "items": {"type": ["number", "null"]}}
    told = schemas.record(
        {
            "type": text,
            "name": text,
            "mean_forecast": numbers,
            "frequency": text,
            "start_timestamp": text,
        },
        {"quantiles": {"type": "object", "additionalProperties": numbers}},
    )
    output = schemas.record(
        {"type": text, "id": text, "status": text, "content": {"type": "array", "items": told}}
    )
    return schemas.record(
        {
            "id": text,
            "created_at": {"type": "integer"},
            "status": text,
            "model": text,
            "outputs": {"type": "array", "items": output},
        }
    )
