"""What every stream promises, checked on all of `STREAMS`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstate import artifact, network
from cellstate.errors import ArtifactError, EventError, InputError, NotFittedError
from cellstate.runtime import Session, Snapshot
from cellstate.runtime.stream import AbstractStream, States
from cellstate.tasks import TASKS
from cellstate.tasks.streams import REASONS, STREAMS, load_stream, stream_class, stream_of
from tests.conformance.test_tasks import PROBLEMS, make

HOUR = 3_600_000_000  # microseconds
SECOND = 1_000_000
ENTITIES = ("a", "pump 7", "b", "läge", "x")
STEPS = 5


@dataclass(frozen=True)
class Events:
    """Events of a job, for the entity number `e` and the step `t`, and what it must refuse."""

    data: Callable[[int, int], dict[str, Any]]
    time: Callable[[int, int], int]
    bad: tuple[Any, ...]


RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(len(ENTITIES), STEPS, 3))
LAYERS = (network.LSTM("body", 3, 8, 2), network.Linear("head", 8, 2))
BEYOND = (float("inf"), -1e300, 10**400, True, "1234.5", [1234.5], {"1234.5": 1})
EVENTS = {
    "network": Events(
        lambda e, t: {"x": VALUES[e, t].tolist()},
        lambda e, t: 0,
        (
            {},
            {"x": None},
            {"x": [1234.5] * 2},
            {"x": [1234.5] * 3, "y": 1},
            *({"x": [0.0, value, 1.0]} for value in (*BEYOND, None, float("nan"))),
        ),
    ),
    "forecast": Events(
        lambda e, t: {"y": None if (e + t) % 4 == 3 else 9 + VALUES[e, t, 0]},
        lambda e, t: (60 + t + t * (e % 2)) * SECOND,
        ({"why": 1234.5}, {"ds": 1234.5}, *({"y": value} for value in BEYOND)),
    ),
    "language": Events(
        lambda e, t: {"text": "the cat sat on a mat"[e + t : 2 * (e + t) + 1]},
        lambda e, t: 0,
        (
            {},
            {"text": ""},
            {"text": None},
            {"text": "a", "token": 5},
            {"text": b"1234.5"},
            {"text": "a" * 100_000},
            {"txt": "1234.5"},
            *({"token": value} for value in (-1, 0, 2, 1234, 1234.5, True, "1234.5")),
        ),
    ),
    "vitals": Events(
        lambda e, t: {"HR": None} if (e + t) % 3 == 2 else {"HR": 80 + 9 * VALUES[e, t, 0]},
        lambda e, t: e * HOUR + t * (e + 1) * HOUR // 2,
        ({"HRR": 80.0}, {5: 80.0}, *({"HR": value} for value in BEYOND)),
    ),
}


@cache
def saved(task: str) -> tuple[artifact.Manifest, dict[str, np.ndarray]]:
    """Give what a small model's folder holds, fitted once."""
    if task == "network":
        from cellstate.nn import Chain

        tensors = Chain(LAYERS).tensors()
        described = {"layers": network.to_json(LAYERS)}
        return artifact.Manifest("network", network=described), tensors
    network_, encoders, decoding, record, tensors = (
        make(task).fit(*PROBLEMS[task].fit)._fitted_parts()
    )
    arguments = {"levels": [80, 95], "silence_h": 6.0}
    manifest = artifact.Manifest(task, arguments, network_, encoders, decoding, record)
    return manifest, tensors


@cache
def stream(task: str) -> AbstractStream:
    return stream_of(*saved(task))


def push_all(task: str, which: list[int], steps: range = range(STEPS)) -> tuple[States, list[Any]]:
    """Push the events of some entities side by side; give states and answers."""
    events, one = EVENTS[task], stream(task)
    states = one.start([ENTITIES[e] for e in which])
    told: list[Any] = []
    for t in steps:
        rows = [one.read(events.data(e, t)) for e in which]
        times = np.array([events.time(e, t) for e in which])
        states, answers = one.step(states, rows, times)
        assert not [a for a in answers if isinstance(a, EventError)]
        told.append(answers)
    return states, told


def push(task: str, states: States, e: int, t: int) -> tuple[States, Any]:
    one = stream(task)
    row = one.read(EVENTS[task].data(e, t))
    after, [answer] = one.step(states, [row], np.array([EVENTS[task].time(e, t)]))
    return after, answer


def test_every_stream_has_events_here_and_every_other_job_a_reason() -> None:
    assert set(EVENTS) == set(STREAMS)
    assert set(REASONS) == (set(TASKS) | {"network"}) - set(STREAMS)


@pytest.mark.parametrize("task", STREAMS)
def test_fields_describe_events_and_answers(task: str) -> None:
    one = stream(task)
    _, told = push_all(task, [0])
    names = [field.name for field in one.inputs]
    assert len(set(names)) == len(names)
    assert set(EVENTS[task].data(0, 0)) <= set(names)
    assert [field.name for field in one.outputs] == list(told[0][0])
    assert all(field.about.endswith(".") for field in (*one.inputs, *one.outputs))
    assert one.task == task
    for field in one.outputs:
        value = told[-1][0][field.name]
        many = value if isinstance(value, list) else [value]
        assert isinstance(value, list) == (field.size is not None)
        kinds = {"number": float, "integer": int, "text": str, "flag": bool}
        assert {type(v) for v in many} <= {kinds[field.kind], type(None)}
        if field.size not in (None, -1):
            assert len(many) == field.size


@pytest.mark.parametrize("task", STREAMS)
def test_company_and_order_change_no_bit(task: str) -> None:
    every = list(range(len(ENTITIES)))
    states, told = push_all(task, every)
    for order in (every[::-1], [3, 1], *([e] for e in every)):
        other, answers = push_all(task, order)
        for place, e in enumerate(order):
            assert other[place].tobytes() == states[e].tobytes()
            assert [step[place] for step in answers] == [step[e] for step in told]


@pytest.mark.parametrize("task", STREAMS)
def test_many_rows_give_the_bits_of_one(task: str) -> None:
    one, events = stream(task), EVENTS[task]
    rows = [one.read(events.data(e, 0)) for e in range(len(ENTITIES))] * 60
    times = np.array([events.time(e, 0) for e in range(len(ENTITIES))] * 60)
    states, answers = one.step(one.start(ENTITIES * 60), rows, times)
    for e, name in enumerate(ENTITIES):
        alone, [answer] = one.step(one.start([name]), rows[e : e + 1], times[e : e + 1])
        for at in range(e, len(rows), len(ENTITIES)):
            assert states[at].tobytes() == alone[0].tobytes()
            assert answers[at] == answer


@pytest.mark.parametrize("task", STREAMS)
def test_a_state_that_was_written_down_goes_on_with_the_same_bits(task: str) -> None:
    states, told = push_all(task, [1])
    held = stream(task).start([ENTITIES[1]])
    for t in range(STEPS):
        held = np.frombuffer(held.tobytes(), stream(task).state_dtype)
        held, answer = push(task, held, 1, t)
        assert answer == told[t][0]
    assert held.tobytes() == states.tobytes()


@pytest.mark.parametrize("task", STREAMS)
def test_given_states_are_left_as_they_are(task: str) -> None:
    before, _ = push_all(task, [0, 1], range(2))
    kept = before.tobytes()
    before.flags.writeable = False
    one, events = stream(task), EVENTS[task]
    rows = [one.read(events.data(e, 2)) for e in (0, 1)]
    after, _ = one.step(before, rows, np.array([events.time(e, 2) for e in (0, 1)]))
    assert before.tobytes() == kept
    assert after.tobytes() != kept
    assert after.dtype == one.state_dtype


@pytest.mark.parametrize("task", STREAMS)
def test_answers_are_plain_json(task: str) -> None:
    _, told = push_all(task, [0, 2, 4])
    for answer in (answer for answers in told for answer in answers):
        assert json.loads(json.dumps(answer, allow_nan=False)) == answer


@pytest.mark.parametrize("task", STREAMS)
def test_what_cannot_be_is_refused_without_telling_it(task: str) -> None:
    for data in (*EVENTS[task].bad, None, [1234.5], "1234.5"):
        with pytest.raises(EventError) as caught:
            stream(task).read(data)
        assert "1234" not in str(caught.value)
        assert "; got " in str(caught.value)


@pytest.mark.parametrize("task", [task for task in STREAMS if stream_class(task).needs_time])
def test_an_event_at_a_time_that_was_told_is_refused_beside_others(task: str) -> None:
    before, _ = push_all(task, [0, 1], range(3))
    one, events = stream(task), EVENTS[task]
    rows = [one.read(events.data(e, 3)) for e in (0, 1)]
    times = np.array([events.time(0, 2), events.time(1, 3)])
    after, [refused, answer] = one.step(before, rows, times)
    assert isinstance(refused, EventError)
    assert after[0].tobytes() == before[0].tobytes()
    alone, expected = push(task, before[1:], 1, 3)
    assert answer == expected
    assert after[1].tobytes() == alone[0].tobytes()


@pytest.mark.parametrize("task", STREAMS)
def test_fingerprints_tell_models_and_weights_apart(task: str) -> None:
    manifest, tensors = saved(task)
    assert stream_of(manifest, tensors).fingerprint == stream(task).fingerprint
    changed = dict(tensors)
    name = next(n for n in tensors if n.endswith("weight_hh_l0"))
    changed[name] = tensors[name] * np.float32(1.01)
    narrow = stream_of(manifest, tensors, weights="bf16")
    prints = {stream(task).fingerprint, stream_of(manifest, changed).fingerprint}
    assert len({*prints, narrow.fingerprint}) == 3
    _, [answer] = narrow.step(
        narrow.start(["x"]),
        [narrow.read(EVENTS[task].data(4, 0))],
        np.array([EVENTS[task].time(4, 0)]),
    )
    assert set(answer) == {field.name for field in narrow.outputs}
    with pytest.raises(InputError, match="weights must be"):
        stream_of(manifest, tensors, weights="int9")


@pytest.mark.parametrize("task", STREAMS)
def test_a_model_with_a_missing_part_is_refused(task: str) -> None:
    manifest, tensors = saved(task)
    name = next(n for n in tensors if n.endswith("weight_hh_l0"))
    with pytest.raises(InputError, match="must hold"):
        stream_of(manifest, {n: v for n, v in tensors.items() if n != name})
    with pytest.raises(ArtifactError, match="must be complete"):
        stream_of(artifact.Manifest(task), tensors)


@pytest.mark.parametrize("task", STREAMS)
def test_a_session_goes_back_to_a_snapshot(task: str) -> None:
    session, events = Session(stream(task), ENTITIES[0]), EVENTS[task]
    _, told = push_all(task, [0])
    seconds = [events.time(0, t) / SECOND for t in range(STEPS)]
    for t in range(2):
        assert session.push(events.data(0, t), seconds[t]) == told[t][0]
    kept = session.snapshot().to_bytes()
    session.push(events.data(0, 2), seconds[2])
    other = Session(stream(task), ENTITIES[0])
    for one in (session, other):
        one.restore(Snapshot.from_bytes(kept))
        assert one.peek()["answer"] == told[1][0]
        for t in range(2, STEPS):
            assert one.push(events.data(0, t), seconds[t]) == told[t][0]
    assert session.snapshot() == other.snapshot()


STEP_IN_A_NEW_PROCESS = """
import json, resource, sys
import numpy as np
from cellstate.tasks.streams import load_stream
answers = {}
for task, folder, data, times in json.load(sys.stdin):
    stream = load_stream(folder)
    states, answers[task] = stream.start(["x"]), []
    for event, time in zip(data, times, strict=True):
        states, [answer] = stream.step(states, [stream.read(event)], np.array([time]))
        answers[task].append(answer)
print(json.dumps([answers, sorted(sys.modules)]))
"""


def test_a_new_process_steps_every_stream_without_torch(tmp_path: Path) -> None:
    e, given = 4, []
    for task in STREAMS:
        artifact.save(tmp_path / task, *saved(task))
        data = [EVENTS[task].data(e, t) for t in range(STEPS)]
        times = [EVENTS[task].time(e, t) for t in range(STEPS)]
        given.append((task, str(tmp_path / task), data, times))
    run = subprocess.run(
        [sys.executable, "-c", STEP_IN_A_NEW_PROCESS],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    answers, modules = json.loads(run.stdout)
    for task in STREAMS:
        assert answers[task] == [step[0] for step in push_all(task, [e])[1]]
    assert not {"torch", "polars", "pandas", "sklearn", "scipy"} & set(modules)


@pytest.mark.parametrize("task", sorted(set(STREAMS) & set(TASKS)))
def test_an_estimator_gives_the_session_of_its_folder(task: str, tmp_path: Path) -> None:
    model = make(task).fit(*PROBLEMS[task].fit)
    model.save(tmp_path / "model")
    loaded = load_stream(tmp_path / "model")
    session = model.session("x")
    assert session.stream.fingerprint == loaded.fingerprint
    assert session.stream.inputs == loaded.inputs
    given = EVENTS[task].data(4, 0), EVENTS[task].time(4, 0) / SECOND
    assert session.push(*given) == Session(loaded, "x").push(*given)
    with pytest.raises(NotFittedError, match=r"session: .* must be fitted"):
        make(task).session("x")


@pytest.mark.parametrize("task", REASONS)
def test_other_jobs_say_why_they_read_no_events(task: str) -> None:
    with pytest.raises(InputError, match=f"got '{task}': it .*Use the model through predict"):
        make(task).session("x")
