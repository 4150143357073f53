"""Sessions: one entity's memory, what is legal when, and snapshots that belong to it alone."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate import network
from cellstate.errors import ArgumentTypeError, EventError, InputError
from cellstate.runtime import NetworkStream, Session, Snapshot, phases
from tests.runtime.networks import random_tensors

LAYERS = (network.LSTM("body", 2, 4), network.Linear("head", 4, 1))


def stream_of(seed: int = 0) -> NetworkStream:
    return NetworkStream(LAYERS, random_tensors(LAYERS, np.random.default_rng(seed)))


STREAM = stream_of()
RNG = np.random.default_rng(0)
EVENT = {"x": [0.5, -1.0]}


def live() -> Session:
    session = Session(STREAM, "pump 7")
    session.push(EVENT, 5)
    return session


def test_a_session_counts_events_and_keeps_the_last_time() -> None:
    session = Session(STREAM, "pump 7")
    assert session.peek() == {
        "entity": "pump 7",
        "phase": "new",
        "events": 0,
        "time": None,
        "state_bytes": 32,
        "answer": None,
    }
    session.push(EVENT)
    assert (session.phase, session.events, session.time) == ("live", 1, None)
    answer = session.push(EVENT, "2024-05-01T12:00:00Z")
    session.push(EVENT)
    assert session.time == 1_714_564_800_000_000
    told = session.peek()
    assert told["time"] == "2024-05-01T12:00:00.000000Z"
    assert told["events"] == 3
    assert told["answer"] != answer
    assert told == session.peek()


def test_sessions_of_one_stream_do_not_touch_one_another() -> None:
    first, second, alone = (Session(STREAM, name) for name in ("a", "b", "a"))
    for step in range(3):
        second.push({"x": [step, 1.0]})
        assert first.push(EVENT) == alone.push(EVENT)


@pytest.mark.parametrize(
    ("data", "time", "message"),
    [
        ({"x": [np.nan, 0.0]}, 9, "must be finite"),
        (EVENT, 4.999999, "must not come before the last one"),
        (EVENT, "2024-05-01T12:00:00", "must name its zone"),
        (EVENT, np.nan, "must be finite"),
    ],
)
def test_a_refused_event_leaves_a_session_as_it_was(data: Any, time: Any, message: str) -> None:
    session, other = live(), live()
    with pytest.raises(EventError, match=message):
        session.push(data, time)
    assert session.snapshot() == other.snapshot()
    assert session.push(EVENT, 5) == other.push(EVENT, 5)  # of the same time: in order of arrival


def test_numbers_that_run_away_leave_a_session_as_it_was() -> None:
    tensors = random_tensors(LAYERS, RNG)
    tensors["head.weight"][:] = 3e38
    tensors["body.bias_ih_l0"][:] = 9.0
    session = Session(NetworkStream(LAYERS, tensors), "a")
    with pytest.raises(EventError, match="must leave the network's numbers finite"):
        session.push({"x": [1.0, 1.0]})
    assert session.peek()["phase"] == "new"


def test_an_ended_entity_takes_no_event_until_it_begins_anew() -> None:
    session, first = live(), Session(STREAM, "pump 7")
    session.end()
    assert session.phase == "ended"
    for call in (lambda: session.push(EVENT), session.end):
        with pytest.raises(EventError, match=r"ended can begin, restore; got (push|end)\. Begin"):
            call()
    session.begin()
    assert session.snapshot() == first.snapshot()
    assert session.push(EVENT) == first.push(EVENT)


def test_a_new_entity_cannot_be_ended() -> None:
    with pytest.raises(EventError, match=r"new can push, begin, restore; got end. Push an event"):
        Session(STREAM, "a").end()


def test_a_snapshot_is_of_the_moment_it_was_taken() -> None:
    session = live()
    kept, answer = session.snapshot(), session.peek()["answer"]
    expected = session.push(EVENT)
    session.end()
    session.restore(kept)
    assert session.phase == "live"
    assert session.events == 1
    assert session.time == 5_000_000
    assert session.peek()["answer"] == answer
    assert session.push(EVENT) == expected


def test_a_snapshot_comes_back_from_its_bytes() -> None:
    ended = live()
    ended.end()
    for session in (Session(STREAM, "pump 7"), live(), ended):
        kept = session.snapshot()
        again = Snapshot.from_bytes(kept.to_bytes())
        assert again == kept
        assert again.checksum == kept.checksum
        assert len(kept.checksum) == 64
        assert Snapshot.from_bytes(memoryview(kept.to_bytes())) == kept


def test_a_snapshot_is_frozen_and_shows_neither_entity_nor_state() -> None:
    kept = live().snapshot()
    with pytest.raises(dataclasses.FrozenInstanceError):
        kept.entity = "other"  # pyright: ignore[reportAttributeAccessIssue]
    assert "pump" not in repr(kept)
    assert "pump" not in repr(live())
    assert kept.fingerprint in repr(kept)


@given(st.data())
def test_a_damaged_snapshot_is_refused(data: st.DataObject) -> None:
    written = bytearray(live().snapshot().to_bytes())
    match data.draw(st.sampled_from(["flip", "cut", "add"])):
        case "flip":
            place = data.draw(st.integers(0, len(written) - 1))
            written[place] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            written = written[: data.draw(st.integers(0, len(written) - 1))]
        case _:
            written += data.draw(st.binary(min_size=1, max_size=40))
    with pytest.raises(InputError, match=r"must (begin with the mark|match its checksum)"):
        Snapshot.from_bytes(bytes(written))


COMPLETE = json.dumps(
    {
        "entity": "a",
        "task": "",
        "fingerprint": "",
        "phase": "live",
        "events": 1,
        "time": None,
        "answer": None,
    }
).encode()


def resealed(content: bytes) -> bytes:
    from hashlib import sha256

    return content + sha256(content).digest()


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (b"{", "description in JSON"),
        (b"[]", "must be complete"),
        (b"{}", "must be complete"),
        (b'{"entity":"a","entity":"b"}', "description in JSON"),
        (COMPLETE.replace(b"1", b"-1"), "must be complete"),
        (COMPLETE.replace(b"live", b"dead"), "must be complete"),
        (COMPLETE.replace(b"null", b"true"), "must be complete"),
    ],
)
def test_a_snapshot_that_never_was_is_refused(described: bytes, message: str) -> None:
    from cellstate.runtime.snapshot import MARK

    content = MARK + len(described).to_bytes(8, "little") + described
    with pytest.raises(InputError, match=message):
        Snapshot.from_bytes(resealed(content))
    fine = MARK + len(COMPLETE).to_bytes(8, "little") + COMPLETE
    assert Snapshot.from_bytes(resealed(fine)).state == b""
    too_long = MARK + (2**60).to_bytes(8, "little") + described
    with pytest.raises(InputError, match=r"must hold a description|must be complete"):
        Snapshot.from_bytes(resealed(too_long))


def test_restoring_takes_no_state_of_another_entity_or_model() -> None:
    session, kept = live(), live().snapshot()
    other = Session(STREAM, "pump 8")
    with pytest.raises(InputError, match="of the same entity; got that of another one") as caught:
        other.restore(kept)
    assert "pump" not in str(caught.value)
    with pytest.raises(InputError, match="of the same model; got one of another"):
        Session(stream_of(1), "pump 7").restore(kept)
    with pytest.raises(InputError, match="must have 32 bytes; got 31"):
        session.restore(dataclasses.replace(kept, state=kept.state[1:]))
    for given_ in (kept.to_bytes(), None):
        with pytest.raises(ArgumentTypeError, match=r"restored from a Snapshot; got (bytes|None)"):
            session.restore(given_)  # pyright: ignore[reportArgumentType]
    assert session.snapshot() == kept


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Session(STREAM, ""), "entity must be a name; got an empty text"),
        (lambda: Session(STREAM, 7), "entity must be a name; got int"),  # pyright: ignore
        (lambda: Snapshot.from_bytes("text"), "must be bytes; got str"),  # pyright: ignore
    ],
)
def test_bad_calls_are_explained(call: Any, message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        call()


@pytest.mark.parametrize("phase", get_args(phases.Phase))
@pytest.mark.parametrize("transition", get_args(phases.Transition))
def test_the_table_says_what_is_legal(phase: phases.Phase, transition: phases.Transition) -> None:
    legal = phases.TABLE[phase]
    if transition in legal:
        assert phases.move(phase, transition) in get_args(phases.Phase)
        for to in get_args(phases.Phase):
            if to in legal[transition]:
                assert phases.move(phase, transition, to) == to
            else:
                with pytest.raises(EventError):
                    phases.move(phase, transition, to)
    else:
        with pytest.raises(EventError, match=f"{phase} can .*; got {transition}"):
            phases.move(phase, transition)
