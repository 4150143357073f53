"""Events as they are sent and results as they are answered."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.http.messages import (
    check_entity,
    microseconds,
    problem_of,
    read_lines,
    read_many,
    write_ref,
    write_result,
)
from cellstate.serve.http.problem import Problem

TIMES = {
    0: 0,
    17: 17_000_000,
    -1.5: -1_500_000,
    1714564800.123456: 1714564800_123456,
    "2024-05-01T12:00:00Z": 1714564800_000000,
    "2024-05-01T14:00:00+02:00": 1714564800_000000,
    "2024-05-01T12:00:00.123456Z": 1714564800_123456,
    "1969-12-31T23:59:59.5Z": -500_000,
}
BAD_TIMES: list[Any] = [
    "2024-05-01T12:00:00",  # no zone
    "2024-05-01",
    "yesterday",
    "",
    "2024-05-01T12:00:00Z" + " " * 40,
    True,
    [],
    {},
    1e13,
    -1e13,
    1 << 62,
]
BAD_ENTITIES: list[Any] = ["", "a b", "a/b", "ä", "a" * 201, "a\n", "a\0", 1, None, ["a"], "%2e"]
BAD_EVENTS: dict[str, Any] = {
    "no data": {},
    "data is a list": {"data": []},
    "data is null": {"data": None},
    "an unknown name": {"data": {}, "datum": 1},
    "an entity where the address has one": {"data": {}, "entity": "b"},
    "an empty id": {"data": {}, "id": ""},
    "a long id": {"data": {}, "id": "a" * 201},
    "an id with a line feed": {"data": {}, "id": "a\nb"},
    "an id that is a number": {"data": {}, "id": 1},
    "a time without a zone": {"data": {}, "time": "2024-05-01T12:00:00"},
    "begin as a number": {"data": {}, "begin": 1},
    "end as null": {"data": {}, "end": None},
    "an object as a value": {"data": {"x": {}}},
    "a list of lists": {"data": {"x": [[1]]}},
    "a list of objects": {"data": {"x": [{}]}},
    "a huge integer": {"data": {"x": (1 << 64) - 1}},
    "a huge integer in a list": {"data": {"x": [(1 << 64) - 1]}},
    "a list": [],
    "a number": 1,
    "events that are none": {"events": {}},
    "no events": {"events": []},
    "too many events": {"events": [{"data": {}}] * 11},
    "events and more": {"events": [{"data": {}}], "data": {}},
    "a bad event among others": {"events": [{"data": {}}, {"data": 1}]},
}


@pytest.mark.parametrize("time", TIMES, ids=str)
def test_times_are_read_to_the_microsecond(time: Any) -> None:
    assert microseconds(time) == TIMES[time]


@pytest.mark.parametrize("time", BAD_TIMES, ids=repr)
def test_other_times_are_refused(time: Any) -> None:
    with pytest.raises(Problem, match="ISO 8601 with a zone"):
        microseconds(time)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_a_moment_and_its_seconds_are_one_time(moment: datetime) -> None:
    micros = microseconds(f"{moment.isoformat()}Z")
    assert microseconds(micros / 1e6) == micros


@pytest.mark.parametrize("name", ["a", "Sensor-1", "a.b_c:d@e", "0", "a" * 200])
def test_names_of_entities_have_a_safe_alphabet(name: str) -> None:
    assert check_entity(name) == name


@pytest.mark.parametrize("name", BAD_ENTITIES, ids=repr)
def test_other_names_are_refused(name: Any) -> None:
    with pytest.raises(Problem, match="letters, digits"):
        check_entity(name)


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_events_of_another_form_are_refused(name: str) -> None:
    with pytest.raises(Problem) as problem:
        read_many(json.dumps(BAD_EVENTS[name]).encode(), 10, "a")
    assert problem.value.status == 400


def test_the_message_says_which_event_it_is() -> None:
    body = json.dumps({"events": [{"data": {}}, {"data": {"secret": {}}}]}).encode()
    with pytest.raises(Problem, match=r"It is event 2 of 2\.$") as problem:
        read_many(body, 10, "a")
    assert "secret" not in str(problem.value)


def test_an_event_is_read_whole() -> None:
    event = {"id": "i:1", "time": 1.5, "data": {"x": [1, None]}, "begin": True, "end": True}
    (read,), refs, is_list = read_many(json.dumps(event).encode(), 10, "a")
    assert read == Incoming("a", {"x": [1, None]}, "i:1", 1_500_000, begins=True, ends=True)
    assert (refs, is_list) == ([], False)


def test_null_stands_for_no_id_and_no_time() -> None:
    (read,), _, _ = read_many(b'{"id": null, "time": null, "data": {}}', 10, "a")
    assert (read.id, read.time) == (None, None)


def test_mixed_events_name_their_entities() -> None:
    body = b'{"events": [{"entity": "a:1", "data": {"t": "1:2"}, "ref": "r:1"}, '
    body += b'{"entity": "b", "time": "2024-05-01T12:00:00Z", "data": {}, "ref": 2}]}'
    events, refs, is_list = read_many(body, 10)
    assert [event.entity for event in events] == ["a:1", "b"]
    assert (refs, is_list) == (["r:1", 2], True)


@pytest.mark.parametrize("ref", [True, [], {}, "a" * 201, 1 << 63])
def test_other_refs_are_refused(ref: Any) -> None:
    with pytest.raises(Problem, match="ref must be"):
        read_many(json.dumps({"entity": "a", "data": {}, "ref": ref}).encode(), 10)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"x": 1, "x": 2}}',
        b'{"data": {}, "data": {"x": 2}}',
        b'{"events": [{"data": {"x": 1}, "id": "a", "id": "b"}]}',
        b'{"events": [{"data": {}}], "events": [{"data": {}}]}',
        rb'{"data": {"x": "\u003a", "y": 1, "y": 2}}',
    ],
)
def test_keys_that_occur_twice_are_found_in_events(body: bytes) -> None:
    with pytest.raises(Problem, match="each key once"):
        read_many(body, 10, "a")


def test_lines_are_read_as_events() -> None:
    events = read_lines(b'{"entity":"a","data":{}}\r\n\n{"entity":"b","data":{}}\n', 10)
    assert [event.entity for event in events] == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"entity":"a","data":{}}\n{"entity":', 2),
        (b'{"entity":"a","data":{}\n}', 1),
        (b"nothing", 1),
    ],
)
def test_the_message_says_which_line_cannot_be_read(body: bytes, line: int) -> None:
    with pytest.raises(Problem, match=rf"It is line {line}\.$"):
        read_lines(body, 10)


@pytest.mark.parametrize(
    "body",
    [
        b'{"entity":"a","data":{}},{"entity":"b","data":{}}',
        b"",
        b"\n\n",
        b"[]",
        b'{"entity":"a","data":{}}\n' * 11,
    ],
)
def test_lines_with_anything_else_are_refused(body: bytes) -> None:
    with pytest.raises(Problem):
        read_lines(body, 10)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text(min_size=1, max_size=10), st.integers(-(10**15), 10**15))
def test_a_result_is_json_whatever_its_id(id: str, time: int) -> None:
    outcome = Outcome("applied", 3, time, 1, late=True, answer=b'{"y":1.5}')
    result = json.loads(write_result(Incoming("a", {}, id), outcome, write_ref("r")))
    assert result["id"] == id
    assert microseconds(result["time"]) == time
    assert result["answer"] == {"y": 1.5}
    assert (result["ref"], result["late"], result["seq"]) == ("r", True, 3)


def test_a_result_without_an_answer_has_a_message() -> None:
    outcome = Outcome("quarantined", 3, 0, reason='it is "bad"', code=422)
    result = json.loads(write_result(Incoming("a", {}), outcome))
    assert result == {
        "entity": "a",
        "status": "quarantined",
        "code": 422,
        "id": None,
        "message": 'it is "bad"',
    }


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        ("quarantined", 422, "quarantined"),
        ("refused", 422, "refused"),
        ("refused", 409, "conflict"),
        ("refused", 403, "forbidden"),
        ("failed", 503, "outcome_unknown"),
    ],
)
def test_an_outcome_s_code_is_the_status(status: Any, code: int, name: str) -> None:
    problem = problem_of(Outcome(status, reason="why", code=code))
    assert (problem.status, problem.code, str(problem)) == (code, name, "why")
    assert bool(problem.headers) == (code == 503)
