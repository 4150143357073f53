"""What is in a store, held to what clients were told and to a replay of the log."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.serving.sender import Acknowledged
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.stores import AbstractStore
from cellstate.serve.stores.store import Held, Logged
from cellstate.tasks.streams import load_stream


def judge(known: Sequence[Acknowledged], store: AbstractStore, model: Path) -> Counter[str]:
    """Count what is wrong, by kind; zeros where nothing is.

    Parameters
    ----------
    known : sequence of Acknowledged
        All that clients were told.
    store : AbstractStore
        Open for reading, with no server on it.
    model : Path
        The model that was served.
    """
    stream = load_stream(model)
    found = Counter(acknowledged_missing=0, logged_twice=0, answers_changed=0)
    found.update(answers_unlike_replay=0, states_unlike_replay=0, events_logged=0)
    by_entity: defaultdict[str, list[Acknowledged]] = defaultdict(list)
    for one in known:
        by_entity[one.entity].append(one)
    for name, told in by_entity.items():
        (held,) = store.load([("", name)])
        if held is None:
            found["acknowledged_missing"] += len(told)
            continue
        log = store.log(held.entity.key)
        found["events_logged"] += len(log)
        found["logged_twice"] += len(log) - len({one.id for one in log})
        logged = {one.id: one for one in log}
        for one in told:
            if one.id not in logged:
                found["acknowledged_missing"] += 1
            elif _answer(logged[one.id]) != (one.seq, one.answer):
                found["answers_changed"] += 1
        _replay(stream, name, held, log, found)
    return found


def _answer(event: Logged) -> tuple[int, object]:
    return event.seq, json.loads(event.answer)


def _replay(
    stream: AbstractStream, name: str, held: Held, log: Sequence[Logged], found: Counter[str]
) -> None:
    """Step through the log alone, one entity in each call: the bits must be the same."""
    states = stream.start([name])
    for one in log:
        row, time = stream.read(json.loads(one.data)), np.array([one.time], np.int64)
        states, [answer] = stream.step(states, [row], time)
        found["answers_unlike_replay"] += answer != json.loads(one.answer)
    kept = held.states[held.entity.version].state
    found["states_unlike_replay"] += kept != states.tobytes()
