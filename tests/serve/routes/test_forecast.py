"""KServe's interface for time series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate.serve.http.settings import HttpSettings
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.tasks.forecast.stream import ForecastStream
from cellstate.train import TrainConfig
from tests.serve.live import Live, serving

FIRST = np.datetime64("2024-03-30T00:00", "us")
PATH = "/v1/timeseries/forecast"
VALUES = [float(20 + 8 * np.sin(hour * np.pi / 12)) for hour in range(30)]


@pytest.fixture(scope="module")
def stream() -> ForecastStream:
    hours = np.arange(72)
    frame = pl.DataFrame(
        {
            "unique_id": ["known"] * 72,
            "ds": FIRST + hours.astype("timedelta64[h]"),
            "y": 20 + 8 * np.sin(hours * np.pi / 12),
        }
    )
    train = TrainConfig(epochs=1, sanity=False, progress=False)
    return ForecastStream.of(Forecaster(4, context=24, levels=(80,), train=train).fit(frame))


@pytest.fixture(scope="module")
def live(stream: ForecastStream) -> Iterator[Live]:
    with serving(stream, http=HttpSettings(model="hourly")) as server:
        yield server


def series(values: list[Any] = VALUES, **rest: Any) -> dict[str, Any]:
    return {
        "type": "univariate_time_series",
        "name": "new",
        "series": values,
        "frequency": "hour",
        "start_timestamp": "2024-03-30T00:00:00Z",
        **rest,
    }


def request(*inputs: Any, **options: Any) -> dict[str, Any]:
    return {"model": "hourly", "inputs": list(inputs), "options": {"horizon": 4, **options}}


def test_a_whole_series_is_forecast_as_event_by_event(live: Live, stream: ForecastStream) -> None:
    told = live.call("POST", PATH, request(series(), quantiles=[0.1, 0.5, 0.9]))
    assert told.status == 200
    (output,) = told.json["outputs"]
    (content,) = output["content"]
    assert (told.json["status"], output["status"], content["name"]) == ("completed",) * 2 + ("new",)
    assert (content["frequency"], content["start_timestamp"]) == ("hour", "2024-03-31T06:00:00Z")

    states = stream.start(["another"])
    for hour, value in enumerate(VALUES):
        time = (FIRST + np.timedelta64(hour, "h")).astype(np.int64)
        states, _ = stream.step(states, [stream.read({"y": value})], np.array([time]))
    ahead = stream.horizon(states)
    assert content["mean_forecast"] == ahead["forecast"]
    assert content["quantiles"] == {
        "0.1": ahead["forecast_lo_80"],
        "0.5": ahead["forecast"],
        "0.9": ahead["forecast_hi_80"],
    }


def test_series_of_several_lengths_are_forecast_side_by_side(live: Live) -> None:
    alone = [
        live.call("POST", PATH, request(one)).json["outputs"][0]["content"][0]
        for one in (series(), series(VALUES[:7], name="short"), series([1.0, None, 2.0]))
    ]
    inputs = (series(), series(VALUES[:7], name="short"), series([1.0, None, 2.0]))
    together = live.call("POST", PATH, request(*inputs, horizon=2)).json["outputs"][0]["content"]
    assert [one["mean_forecast"] for one in together] == [one["mean_forecast"][:2] for one in alone]


def test_nothing_is_remembered(live: Live) -> None:
    first, again = (live.call("POST", PATH, request(series())).json["outputs"] for _ in range(2))
    assert first[0]["content"] == again[0]["content"]
    assert live.call("GET", "/v1/entities").json["entities"] == []


def test_a_series_that_training_has_seen_begins_anew_all_the_same(live: Live) -> None:
    unknown, known = (
        live.call("POST", PATH, request(series(name=name))).json["outputs"][0]["content"][0]
        for name in ("new", "known")
    )
    assert unknown["mean_forecast"] == known["mean_forecast"]


BAD: dict[str, tuple[int, Any]] = {
    "a list": (400, []),
    "no options": (400, {"model": "hourly", "inputs": [series()]}),
    "another model": (404, {**request(series()), "model": "other"}),
    "no inputs": (400, request()),
    "an input that is none": (400, request(1)),
    "several variables": (400, request(series(type="multivariate_time_series"))),
    "no values": (400, request(series([]))),
    "values that are none": (400, request(series(1))),  # type: ignore[arg-type]
    "no name": (400, request(series(name=None))),
    "text as a value": (422, request(series(["1"]))),
    "a flag as a value": (422, request(series([True]))),
    "a list as a value": (422, request(series([[1.0]]))),
    "another frequency": (400, request(series(frequency="day"))),
    "an unknown frequency": (400, request(series(frequency="fortnight"))),
    "a frequency that is none": (400, request(series(frequency=[]))),
    "no start": (400, request(series(start_timestamp=None))),
    "a start without a zone": (400, request(series(start_timestamp="2024-03-30"))),
    "too far": (400, request(series(), horizon=5)),
    "no horizon": (400, request(series(), horizon=0)),
    "half a horizon": (400, request(series(), horizon=1.5)),
    "unknown quantiles": (400, request(series(), quantiles=[0.25])),
    "quantiles beyond": (400, request(series(), quantiles=[1.5])),
    "quantiles that are none": (400, request(series(), quantiles=0.5)),
    "too many values": (400, request(series([1.0] * 20_001))),
    "too many series": (400, request(*[series([1.0])] * 1001)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_refused_as_kserve_s_clients_expect(live: Live, name: str) -> None:
    status, document = BAD[name]
    told = live.call("POST", PATH, document)
    assert told.status == status
    assert told.json["error"].keys() == {"code", "message", "type"}


def test_the_message_names_the_quantiles_that_there_are(live: Live) -> None:
    told = live.call("POST", PATH, request(series(), quantiles=[0.25]))
    assert "0.5, 0.1 and 0.9" in told.json["error"]["message"]


def test_only_a_forecaster_has_it() -> None:
    with serving() as other:
        assert other.call("POST", PATH, request(series())).status == 404
        assert PATH not in other.call("GET", "/openapi.json").json["paths"]


def test_it_is_described(live: Live) -> None:
    operation = live.call("GET", "/openapi.json").json["paths"][PATH]["post"]
    assert {"200", "400", "404", "413", "415", "422", "429", "500", "503"} <= set(
        operation["responses"]
    )
