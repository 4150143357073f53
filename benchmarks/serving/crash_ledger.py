"""What clients were told, and the store held to it after a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.serving.crash_events import ENTITIES, event_of
from cellstate.runtime.network_stream import NetworkStream
from cellstate.serve.engine import Engine
from cellstate.serve.events import Outcome
from cellstate.serve.stores.store import AbstractStore, Held, Logged
from cellstate.serve.wire import from_json, to_json

KEPT = ("applied", "duplicate", "quarantined")


class Told(NamedTuple):
    """An outcome that a client was told."""

    id: str
    status: str
    seq: int
    answer: bytes


def told_of(id: str, outcome: Outcome) -> Told:
    """Shorten an outcome to what must never change."""
    return Told(id, outcome.status, outcome.seq, outcome.answer)


class Ledger:
    """All that was acknowledged, over any number of crashes of the process that uses a store.

    Attributes
    ----------
    counts : Counter
        Of what was seen: "acknowledged", "asked_again" …
    wrong : Counter
        Of what must never be: "lost", "doubled", "changed", "states_unlike_replay" …
    """

    def __init__(self, stream: NetworkStream) -> None:
        self._stream = stream
        self._known: dict[str, Told] = {}
        self.counts: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()

    def __contains__(self, id: str) -> bool:
        return id in self._known

    @property
    def ids(self) -> list[str]:
        """Of all events that were acknowledged."""
        return list(self._known)

    def note(self, told: Iterable[Told]) -> None:
        """Take in what clients were told, in its order."""
        for one in told:
            if one.status not in KEPT:
                self.counts[one.status] += 1
                continue
            first = self._known.get(one.id)
            if first is None:
                self._known[one.id] = one
                self.counts["acknowledged"] += 1
                continue
            self.counts["asked_again"] += 1
            self.wrong["doubled"] += one.status == "applied"
            self.wrong["changed"] += one[2:] != first[2:]

    def judge(self, store: AbstractStore) -> None:
        """Compare a store that nobody writes to with all that was told and with a replay."""
        names = [f"pump-{number}" for number in range(ENTITIES)]
        held = store.load([("", name) for name in names])
        logs = {one.entity.name: store.log(one.entity.key) for one in held if one is not None}
        self._check_told(logs)
        self._check_order(logs, held)
        self._replay([one for one in held if one is not None], logs)

    def ask_again(self, engine: Engine, ids: Sequence[str]) -> None:
        """Send events once more; what was acknowledged gets its answer again."""
        for first in range(0, len(ids), 200):
            some = ids[first : first + 200]
            outcomes = engine.push("", [event_of(id) for id in some])
            self.note(map(told_of, some, outcomes))

    def _check_told(self, logs: dict[str, list[Logged]]) -> None:
        logged: Counter[str] = Counter()
        answers: dict[str, tuple[int, bytes]] = {}
        for name, log in logs.items():
            for one in log:
                assert one.id is not None, "every event was sent with an id"
                logged[one.id] += 1
                answers[one.id] = one.seq, one.answer if one.status == "applied" else b""
                sent = event_of(one.id)
                alike = (name, one.data, one.time) == (sent.entity, to_json(sent.data), sent.time)
                self.wrong["logged_unlike_sent"] += not alike
        self.wrong["doubled"] += sum(count - 1 for count in logged.values())
        for id, one in self._known.items():
            if id not in answers:
                self.wrong["lost"] += 1
            else:
                self.wrong["changed"] += answers[id] != (one.seq, one.answer)
        self.counts["kept_unacknowledged"] += len(answers.keys() - self._known.keys())

    def _check_order(self, logs: dict[str, list[Logged]], held: Sequence[Held | None]) -> None:
        """Arrival numbers have no gap, and the entity stands at its last event."""
        for one in held:
            if one is None:
                continue
            log = logs[one.entity.name]
            applied = [event.time for event in log if event.status == "applied"]
            whole = sorted(event.seq for event in log) == list(range(1, one.entity.seq + 1))
            self.wrong["gaps"] += not whole or one.entity.time != max(applied, default=0)

    def _replay(self, held: list[Held], logs: dict[str, list[Logged]]) -> None:
        """Go through every log alone, all entities beside each other: the bits must be the same."""
        stream = self._stream
        paths = [[e for e in logs[one.entity.name] if e.status == "applied"] for one in held]
        fresh = stream.start([one.entity.name for one in held])
        states = fresh.copy()
        for place in range(max(map(len, paths), default=0)):
            rows = [k for k, path in enumerate(paths) if place < len(path)]
            events = [paths[k][place] for k in rows]
            for k, event in zip(rows, events, strict=True):
                if event.begins:
                    states[k] = fresh[k]
            given = [stream.read(from_json(event.data)) for event in events]
            times = np.array([event.time for event in events], np.int64)
            states[rows], answers = stream.step(states[rows], given, times)
            for event, answer in zip(events, answers, strict=True):
                kept = event.answer if event.revised is None else event.revised
                self.wrong["answers_unlike_replay"] += kept != to_json(answer)
            self.counts["replayed"] += len(rows)
        for one, state in zip(held, states, strict=True):
            kept = one.states[one.entity.version].state
            self.wrong["states_unlike_replay"] += kept != state.tobytes()
        self.counts["states"] += len(held)
