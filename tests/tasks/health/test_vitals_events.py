"""Monitors as streams of events: many stays in one step, each as if it were alone."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate import TrainConfig, VitalsMonitor
from cellstate.errors import EventError
from cellstate.tasks.health.vitals.events import HOUR, MonitorStream

RNG = np.random.default_rng(2)
N, T = 36, 12
IDS, TIMES = np.repeat(np.arange(N), T), np.cumsum(RNG.uniform(0.1, 3.0, (N, T)), axis=1)
TIMES = np.round(TIMES - TIMES[:, :1], 3)
TABLE = pl.DataFrame(
    {
        "subject_id": IDS,
        "time": TIMES.ravel(),
        "HR": np.where(RNG.random(N * T) < 0.8, RNG.normal(85, 12, N * T), np.nan),
        "Lactate": np.where(RNG.random(N * T) < 0.2, RNG.lognormal(0.4, 0.2, N * T), np.nan),
        "pH": np.where(RNG.random(N * T) < 0.1, RNG.normal(7.4, 0.05, N * T), np.nan),
        "Age": np.where(np.arange(N) % 5 > 0, RNG.normal(60, 9, N), np.nan)[IDS],
        "sepsis": ((TIMES.ravel() > 6) & (IDS % 3 == 0)).astype(int),
    }
)
VARIABLES = ("HR", "Lactate", "pH")


@cache
def fitted(target: str | None) -> bytes:
    model = VitalsMonitor(
        target,
        static=("Age",),
        alarms_per_day=2.0,
        random_state=0,
        train=TrainConfig(epochs=2, progress=False),
    )
    return pickle.dumps(model.fit(TABLE if target else TABLE.drop("sepsis")))


def model_of(target: str | None = "sepsis") -> VitalsMonitor:
    return pickle.loads(fitted(target))


def events(stay: int) -> list[dict[str, Any]]:
    rows = TABLE.filter(pl.col("subject_id") == stay).to_dicts()
    data = [{name: row[name] for name in VARIABLES} for row in rows]
    data[0]["Age"] = rows[0]["Age"]
    return data


@pytest.mark.parametrize("target", ["sepsis", None])
def test_all_stays_side_by_side_give_what_whole_stays_give(target: str | None) -> None:
    model = model_of(target)
    stream = MonitorStream.of(model)
    states = stream.start([str(stay) for stay in range(N)])
    data = [events(stay) for stay in range(N)]
    offset = RNG.integers(0, 10**15, N)
    told: list[Any] = []
    for t in range(T):
        rows = [stream.read(data[stay][t]) for stay in range(N)]
        times = offset + np.round(TIMES[:, t] * HOUR).astype(np.int64)
        states, answers = stream.step(states, rows, times)
        told.append(answers)
    expected = model.predict(TABLE if target else TABLE.drop("sepsis"))
    for name in ("hour", "risk", "alarm"):
        found = np.array([[answer[name] for answer in answers] for answers in told]).T
        np.testing.assert_allclose(found.ravel(), expected[name], rtol=0, atol=1e-9)
    assert expected["alarm"].any()


def test_a_stay_has_the_same_bits_alone_and_among_many() -> None:
    stream = MonitorStream.of(model_of(None))
    data, alone = [events(stay) for stay in range(N)], stream.start(["7"])
    states = stream.start([str(stay) for stay in range(N)] * 8)
    for t in range(T):
        rows = [stream.read(data[stay][t]) for stay in range(N)] * 8
        times = np.tile(np.round(TIMES[:, t] * HOUR).astype(np.int64), 8)
        states, answers = stream.step(states, rows, times)
        alone, [answer] = stream.step(alone, rows[7:8], times[7:8])
        assert answer == answers[7]
        assert {states[at].tobytes() for at in range(7, 8 * N, N)} == {alone[0].tobytes()}


def test_an_event_without_measurements_is_a_look_at_the_risk() -> None:
    session = model_of().session("bed 3")
    session.push({"HR": 90.0, "Age": 60}, "2024-05-01T12:00:00Z")
    answer = session.push({}, "2024-05-01T13:30:00Z")
    assert answer["hour"] == 1.5
    assert 0 < answer["risk"] < 1
    same = model_of().session("bed 4")
    same.push({"HR": 90, "Age": 60.0, "pH": None, "Lactate": np.nan}, 7200)
    assert same.push({"HR": None}, 7200 + 5400) == answer


@pytest.mark.parametrize(
    ("data", "seconds", "message"),
    [
        ({"HR": 90.0}, 3600, "its time must be later than the one before; got another. Join"),
        ({"HR": 90.0, "Age": 61.0}, 7200, "Age belongs to the first event of a stay"),
        ({"HR": 90.0, "Height": 61.0}, 7200, "each variable must be known"),
        ({"HRR": 90.0}, 7200, "Did you mean 'HR'"),
        ({"HR": "90"}, 7200, "HR must be a number; got str"),
        ({"HR": True}, 7200, "HR must be a number; got bool"),
        ({"HR": [90.0]}, 7200, "HR must be a number; got list"),
        ({"HR": 1e9}, 7200, "HR must lie between 0 and 350 per minute; got a value outside"),
        ({"pH": 735}, 7200, "pH must lie between 6.3 and 8.3; got a value outside"),
        ({"Age": 200}, 7200, "Age must lie between 0 and 125 years"),
        ([90.0], 7200, "values must come by name"),
        ({"HR": 90.0}, None, "must say when it happened"),
    ],
)
def test_a_refused_event_leaves_the_stay_as_it_was(data: Any, seconds: Any, message: str) -> None:
    session = model_of().session("bed 3")
    session.push({"HR": 80.0, "Age": 60.0}, 3600)
    before = session.snapshot()
    with pytest.raises(EventError, match=message) as caught:
        session.push(data, seconds)
    assert session.snapshot() == before
    assert "735" not in str(caught.value)
    session.push({"HR": 90.0, "Age": 60.0}, 7200)  # what does not change may be repeated


def test_what_was_not_told_at_first_cannot_be_told_later() -> None:
    session = model_of().session("bed 3")
    session.push({"HR": 80.0}, 0)
    with pytest.raises(EventError, match="Age belongs to the first event"):
        session.push({"HR": 80.0, "Age": 60.0}, 60)


def test_ages_of_years_between_events_make_no_numbers_that_cannot_be_written() -> None:
    session = model_of(None).session("bed 3")
    for seconds in (-62_135_596_800, 0, 253_402_300_799):
        answer = session.push({"HR": 80.0}, seconds)
        assert np.isfinite(answer["risk"])


def test_fields_tell_units_and_limits() -> None:
    stream = MonitorStream.of(model_of())
    fields = {field.name: field for field in stream.inputs}
    assert list(fields) == [*VARIABLES, "Age"]
    assert fields["HR"].unit == "per minute"
    assert "from 0 to 350" in fields["HR"].about
    assert fields["Age"].static
    assert not fields["HR"].static
