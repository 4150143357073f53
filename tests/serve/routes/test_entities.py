"""What is remembered of entities, and how it is forgotten."""

from __future__ import annotations

import pytest

from tests.serve.live import Live, serving


def test_the_state_tells_what_is_known(live: Live) -> None:
    live.push("known", x=1, time=10)
    live.push("known", x=2, time=20, end=True)
    told = live.call("GET", "/v1/entities/known/state")
    assert told.status == 200
    assert told.json == {
        "entity": "known",
        "phase": "ended",
        "events": 2,
        "time": 20.0,
        "version": 1,
        "state_bytes": 16,
        "answer": {"sum": 3, "count": 2},
    }


def test_history_has_data_and_answers_first_and_revised(live: Live) -> None:
    live.push("past", x=1, time=10, id="a")
    live.push("past", x=2, time=5)
    live.push("past", x=1e9, time=30)
    events = live.call("GET", "/v1/entities/past/history").json["events"]
    assert [(one["time"], one["seq"], one["status"]) for one in events] == [
        (5.0, 2, "applied"),
        (10.0, 1, "applied"),
        (30.0, 3, "quarantined"),
    ]
    assert events[1]["answer"]["sum"] == 1
    assert events[1]["revised"]["sum"] == 3
    assert (events[1]["id"], events[1]["data"], events[1]["begin"]) == ("a", {"x": 1}, False)
    assert events[0]["revised"] is None
    assert "reason" in events[2]["answer"]


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_history_is_read_page_by_page(live: Live, order: str) -> None:
    name = f"pages-{order}"
    for time in range(7):
        live.push(name, x=1, time=-time)
    found: list[float] = []
    after = ""
    while after is not None:
        query = f"?limit=3&order={order}" + (f"&after={after}" if after else "")
        page = live.call("GET", f"/v1/entities/{name}/history{query}").json
        found += [one["time"] for one in page["events"]]
        after = page["next"]
    assert found == sorted(range(-6, 1), reverse=order == "newest")


def test_entities_are_listed_page_by_page() -> None:
    with serving() as live:
        for number in range(5):
            live.push(f"e-{number}", x=1)
        first = live.call("GET", "/v1/entities?limit=3").json
        rest = live.call("GET", f"/v1/entities?limit=3&after={first['next']}").json
        names = [one["entity"] for page in (first, rest) for one in page["entities"]]
        assert names == [f"e-{number}" for number in range(5)]
        assert rest["next"] is None
        assert first["entities"][0].keys() == {
            "entity",
            "phase",
            "events",
            "time",
            "version",
            "touched",
        }


def test_forgetting_leaves_nothing(live: Live) -> None:
    live.push("gone", x=1, id="a")
    told = live.call("DELETE", "/v1/entities/gone")
    assert (told.status, told.body) == (204, b"")
    for path in ("state", "history"):
        assert live.call("GET", f"/v1/entities/gone/{path}").status == 404
    assert live.call("DELETE", "/v1/entities/gone").status == 404
    again = live.push("gone", x=1, id="a").json
    assert (again["status"], again["seq"], again["answer"]["count"]) == ("applied", 1, 1)


BAD_QUERIES = [
    "/v1/entities?limit=0",
    "/v1/entities?limit=1001",
    "/v1/entities?limit=a",
    "/v1/entities?limit=",
    "/v1/entities?limit=+1",
    "/v1/entities?limit=%D9%A1",
    "/v1/entities?limit=99999999999999999999",
    "/v1/entities?limit=1&limit=2",
    "/v1/entities?after=-1",
    "/v1/entities?what=1",
    "/v1/entities?%FF=1",
    "/v1/entities/a/history?order=up",
    "/v1/entities/a/history?after=1",
    "/v1/entities/a/history?after=1.2.3",
    "/v1/entities/a/history?after=a.b",
    "/v1/entities/a/history?after=99999999999999999999.1",
    "/v1/entities/a/state?a=1",
    "/v1/model?a=1",
    "/livez?a=1",
]


@pytest.mark.parametrize("path", BAD_QUERIES)
def test_other_queries_are_refused(live: Live, path: str) -> None:
    told = live.call("GET", path)
    assert (told.status, told.code) == (400, "malformed")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/entities/nobody/state"),
        ("GET", "/v1/entities/nobody/history"),
        ("DELETE", "/v1/entities/nobody"),
    ],
)
def test_unknown_entities_are_not_found(live: Live, method: str, path: str) -> None:
    told = live.call(method, path)
    assert (told.status, told.code) == (404, "not_found")
    assert "nobody" not in told.body.decode()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/entities/a/events", "POST"),
        ("GET", "/v1/entities/a/events", "POST"),
        ("POST", "/v1/entities/a", "DELETE"),
        ("PATCH", "/v1/model/next", "DELETE, GET, POST"),
        ("HEAD", "/livez", "GET"),
        ("OPTIONS", "/v1/events", "POST"),
        ("TRACE", "/v1/events", "POST"),
    ],
)
def test_other_methods_are_told_which_are_allowed(
    live: Live, method: str, path: str, allowed: str
) -> None:
    told = live.call(method, path)
    assert (told.status, told.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/docs", "/v1/entities/", "/v1/entities/a/b/state"]
)
def test_other_addresses_are_not_found(live: Live, path: str) -> None:
    told = live.call("GET", path)
    assert (told.status, told.code) == (404, "not_found")
