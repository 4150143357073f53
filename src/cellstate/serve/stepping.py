"""Steps of a stream for rows of bytes, as the store holds states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellstate.errors import EventError, explain
from cellstate.runtime.stream import AbstractStream, Answer
from cellstate.serve.wire import is_finite, to_json

Step = tuple[bytes, bytes] | EventError
"""The state after an event and its answer as JSON; or why the event was refused."""


def starts(stream: AbstractStream, entities: Sequence[str]) -> list[bytes]:
    """Make the states before first events."""
    return _split(stream.start(entities))


def step(
    stream: AbstractStream, states: Sequence[bytes], rows: Sequence[Any], times: Sequence[int]
) -> list[Step]:
    """Let each of some entities take in one event; a row's bytes never depend on the others.

    An answer that is not finite is refused like an event that does not fit, and so is a row at
    which the stream fails: neither touches a state, nor the other rows.
    """
    try:
        return _step(stream, states, rows, times)
    except Exception:  # noqa: BLE001 - one row must not reach the others
        if len(states) == 1:
            return [_failure()]
    halves = (slice(None, len(states) // 2), slice(len(states) // 2, None))
    return [one for at in halves for one in step(stream, states[at], rows[at], times[at])]


def _step(
    stream: AbstractStream, states: Sequence[bytes], rows: Sequence[Any], times: Sequence[int]
) -> list[Step]:
    before = np.frombuffer(b"".join(states), stream.state_dtype)
    after, answers = stream.step(before, rows, np.asarray(times, np.int64))
    kept = _split(after)
    return [_settled(*pair) for pair in zip(kept, answers, strict=True)]


def _settled(state: bytes, answer: Answer | EventError) -> Step:
    if isinstance(answer, EventError):
        return answer
    written = to_json(answer)
    if b"null" in written and not is_finite(answer):
        must, do = "the answer must be finite", "Look at the event's values"
        return EventError(explain("serve", must, "one that is not", do))
    return state, written


def _failure() -> EventError:
    must, given = "the model must be able to take in the event", "an event at which it failed"
    return EventError(explain("serve", must, given, "Report it with the log of the server"))


def _split(states: np.ndarray) -> list[bytes]:
    size = states.dtype.itemsize
    data = np.ascontiguousarray(states).tobytes()
    return [data[at : at + size] for at in range(0, len(data), size)]
