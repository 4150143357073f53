"""What a supervisor asks."""

from __future__ import annotations

import pytest

from cellstate.serve.http.meter import BOUNDS_S, Meter
from tests.serve.live import Live, serving


def values(live: Live) -> dict[str, float]:
    told = live.call("GET", "/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=")
    lines = [line for line in told.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_count_calls_and_events() -> None:
    with serving() as live:
        for x in (1, 2, 1e9):
            live.push("Smith", x=x)
        live.push("Smith", x=1, time=1)
        live.call("GET", "/nothing")
        found = values(live)
        address = 'address="/v1/entities/{entity}/events"'
        assert found[f'cellstate_http_requests_total{{{address},status="200"}}'] == 3
        assert found[f'cellstate_http_requests_total{{{address},status="422"}}'] == 1
        assert found['cellstate_events_total{status="applied"}'] == 3
        assert found['cellstate_events_total{status="quarantined"}'] == 1
        assert found["cellstate_late_events_total"] == 1
        assert found["cellstate_ready"] == 1
        assert found["cellstate_cached_entities"] == 1
        assert found[f'cellstate_http_request_seconds_bucket{{{address},le="+Inf"}}'] == 4
        assert not [name for name in found if "Smith" in name]


def test_a_server_that_stops_is_alive_and_not_ready() -> None:
    with serving() as live:
        assert live.call("GET", "/readyz").json == {"ready": True}
        live.service.is_draining = True
        told = live.call("GET", "/readyz")
        assert (told.status, told.json["ready"]) == (503, False)
        assert told.json["reason"] == "the server is stopping"
        for path in ("/v2/health/ready", "/v2/models/model/ready"):
            assert live.call("GET", path).status == 503
        for path in ("/livez", "/v2/health/live"):
            assert live.call("GET", path).status == 200
        assert live.call("GET", "/v1/entities/a/live").status == 503


def test_a_store_that_fails_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as live:
        live.service.engine.writer.problem = "the store cannot be written"
        assert live.call("GET", "/readyz").json["reason"] == "the store cannot be written"


def test_times_are_counted_in_buckets() -> None:
    meter = Meter()
    for seconds in (0.0, BOUNDS_S[0], 0.02, 100.0):
        meter.count("/a", 200, seconds)
    _, seconds = meter.families()
    counted = {one.labels.get("le"): one.value for one in seconds.samples}
    assert counted["0.001"] == 2
    assert counted["0.025"] == 3
    assert counted["10.0"] == 3
    assert counted["+Inf"] == 4


def test_the_model_describes_itself(live: Live) -> None:
    told = live.call("GET", "/v1/model").json
    assert (told["model"], told["task"], told["state_bytes"]) == ("model", "network", 16)
    assert told["inputs"][0] == {
        "name": "x",
        "kind": "number",
        "about": "What is summed up.",
        "unit": "m",
        "size": None,
        "required": True,
        "static": False,
    }
