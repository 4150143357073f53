"""One turn of the writer: events of many entities in, one transaction and its outcomes out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cellstate.errors import EventError, explain
from cellstate.runtime.phases import Phase, move
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.events import Incoming, Job, Outcome
from cellstate.serve.late import Rewinding, late_ones
from cellstate.serve.memory import Memory, Name, Working
from cellstate.serve.replay import TooLateError
from cellstate.serve.settings import Settings
from cellstate.serve.shadow import Shadow
from cellstate.serve.stepping import starts, step
from cellstate.serve.stores.store import (
    AbstractStore,
    Entity,
    Logged,
    Position,
    Snapshot,
    StateRow,
    Work,
)
from cellstate.serve.wire import to_json


@dataclass(frozen=True)
class Models:
    """The versions in force.

    Attributes
    ----------
    streams : mapping of int to AbstractStream
        By version.
    newest : int
        The version whose answers new entities get.
    shadow : Shadow or None
        Where answers of two versions are compared.
    """

    streams: Mapping[int, AbstractStream]
    newest: int
    shadow: Shadow | None = None

    @property
    def stream(self) -> AbstractStream:
        """The model that gives them."""
        return self.streams[self.newest]


@dataclass(slots=True, eq=False)
class Due:
    """An event that can be stepped now.

    Attributes
    ----------
    row : object
        As the answering version read it.
    moved : dict of int to bytes
        States after it, by version: of all that are up to date.
    answers : dict of int to bytes
    refused : dict of int to EventError
    """

    one: Working
    job: Job
    time: int
    row: Any
    moved: dict[int, bytes]
    answers: dict[int, bytes]
    refused: dict[int, EventError]


@dataclass
class Turn:
    """What a batch does to its entities, before any of it is committed.

    Events of an entity are taken in the order of arrival: those that are not late in waves, one
    event of each entity at a time, all in one step of the model. A late event needs the log, so an
    entity that has uncommitted events waits for the next turn with it.

    Parameters
    ----------
    store, memory, models, settings
    room : mapping of str to int
        How many new entities each tenant may still have; a tenant that is absent has no limit.
    now : int
        Microseconds since 1970.
    """

    store: AbstractStore
    memory: Memory
    models: Models
    settings: Settings
    room: dict[str, int]
    now: int
    work: Work = field(default_factory=Work)
    working: dict[Name, Working] = field(default_factory=dict)
    rewound: set[int] = field(default_factory=set)  # keys of entities that a late event changed
    steps: int = 0

    def take(self, jobs: Iterable[Job]) -> list[Job]:
        """Bring events to their outcomes; returns those that must wait for the next turn."""
        waiting: dict[Name, deque[Job]] = {}
        for job in jobs:
            queue = waiting.get(job.name)
            if queue is None:
                waiting[job.name] = deque((job,))
            else:
                queue.append(job)
        self._begin(waiting)
        left: list[Job] = []
        while waiting:
            wave: list[Due] = []
            self._claimed: Counter[str] = Counter()  # room, until it is known who is taken in
            done: list[Name] = []
            for name, queue in waiting.items():
                prepared = self._prepare(self.working[name], queue)
                if prepared is not None:
                    wave.append(prepared)
                    if not prepared.one.exists:
                        self._claimed[name[0]] += 1
                elif queue:
                    left.extend(queue)
                    queue.clear()
                if not queue:
                    done.append(name)
            for name in done:
                del waiting[name]
            if wave:
                self._advance(wave)
        return left

    def finish(self) -> Work:
        """Give what is to be committed."""
        for one in self.working.values():
            if one.is_dirty:
                self.work.entities.append(one.entity)
                self.work.states.extend(one.states.values())
        return self.work

    def _begin(self, names: Iterable[Name]) -> None:
        """Copy the entities of the turn; make those that are new."""
        fresh: list[Name] = []
        for name, held in self.memory.fetch(names).items():
            if held is None:
                fresh.append(name)
            else:
                self.working[name] = Working.of(held)
        if not fresh:
            return
        only = [name for _, name in fresh]
        begun = {v: starts(stream, only) for v, stream in self.models.streams.items()}
        keys = self.store.new_keys(len(fresh))
        for place, ((tenant, name), key) in enumerate(zip(fresh, keys, strict=True)):
            entity = Entity(key, tenant, name, "live", self.models.newest, 0, 0, self.now)
            states = {v: StateRow(key, v, 0, made[place]) for v, made in begun.items()}
            self.working[tenant, name] = Working(entity, states, exists=False)

    def _prepare(self, one: Working, queue: deque[Job]) -> Due | None:
        """Settle an entity's events up to the next that can be stepped: it, its time, its row."""
        stream = self.models.streams[one.entity.version]
        while queue:
            job = queue[0]
            event = job.event
            if job.twin is not None and job.twin.is_kept:
                job.outcome = job.twin.again()
                queue.popleft()
                continue
            job.twin = None
            if refusal := self._refusal(one, event, stream):
                job.outcome = refusal
                queue.popleft()
                continue
            time = event.time
            if time is None:
                time = max(one.entity.time, self.now)
            elif one.exists and time < one.entity.time:
                if one.is_dirty:
                    return None
                for _ in range(self._rewind(one, late_ones(queue, one.entity.time))):
                    queue.popleft()
                continue
            queue.popleft()
            try:
                return Due(one, job, time, stream.read(event.data), {}, {}, {})
            except EventError as problem:
                self._quarantine(one, job, time, problem)
        return None

    def _refusal(self, one: Working, event: Incoming, stream: AbstractStream) -> Outcome | None:
        if event.begins or event.ends or one.entity.phase != "live":
            try:
                self._phase(one, event)
            except EventError as problem:
                return Outcome("refused", reason=str(problem), code=409)
        if event.time is None:
            if stream.needs_time:
                must, given = "each event must say when it happened", "no time"
                return _refused(422, must, given, "Add time: ISO 8601 with a zone, or seconds")
        elif event.time > self.now + self.settings.max_ahead_s * 1e6:
            must = f"time must be at most {self.settings.max_ahead_s:g} s ahead of the server's"
            return _refused(422, must, "one further ahead", "Check the sender's clock and unit")
        elif event.begins and one.exists and event.time < one.entity.time:
            must, given = "an entity must begin anew after all that it has seen", "an earlier time"
            return _refused(409, must, given, "Use another entity for another clock")
        if one.exists:
            return None
        tenant = one.entity.tenant
        if tenant in self.room and self.room[tenant] <= self._claimed[tenant]:
            must = f"a tenant may have {self.settings.entities_per_tenant} entities"
            return _refused(403, must, "one more", "Forget those that are not needed any more")
        return None

    @staticmethod
    def _phase(one: Working, event: Incoming) -> Phase:
        """Give the phase after an event; raises `EventError` where there may be none."""
        phase = one.entity.phase
        phase = move(phase, "begin") if event.begins else phase
        phase = move(phase, "push")
        return move(phase, "end") if event.ends else phase

    def _advance(self, wave: Sequence[Due]) -> None:
        """Step one event of each of some entities, in every version that is up to date."""
        for version, stream in self.models.streams.items():
            self._step(version, stream, wave)
        for due in wave:
            version = due.one.entity.version
            if due.refused and version in due.refused:
                self._quarantine(due.one, due.job, due.time, due.refused[version])
                continue
            self._apply(due)
            if self.models.shadow is not None:
                for other in due.moved.keys() - {version}:
                    self.models.shadow.compare(due.answers[version], due.answers.get(other))

    def _step(self, version: int, stream: AbstractStream, wave: Sequence[Due]) -> None:
        """Step those that are up to date in a version; where it refuses, the state stays."""
        ready: list[Due] = []
        states: list[bytes] = []
        rows: list[Any] = []
        for due in wave:
            one = due.one
            if not one.is_in(version):
                continue
            row = due.row
            due.moved[version] = state = self._before(version, stream, due)
            if version != one.entity.version:
                try:
                    row = stream.read(due.job.event.data)
                except EventError as problem:
                    due.refused[version] = problem
                    continue
            ready.append(due)
            states.append(state)
            rows.append(row)
        if not ready:
            return
        results = step(stream, states, rows, [due.time for due in ready])
        self.steps += len(ready)
        for due, result in zip(ready, results, strict=True):
            if isinstance(result, EventError):
                due.refused[version] = result
            else:
                due.moved[version], due.answers[version] = result

    def _before(self, version: int, stream: AbstractStream, due: Due) -> bytes:
        """Give an entity's state before an event, made anew where the event says so."""
        if due.job.event.begins:
            return starts(stream, [due.one.entity.name])[0]
        return due.one.states[version].state

    def _apply(self, due: Due) -> None:
        """Write an accepted event down."""
        one, event, time = due.one, due.job.event, due.time
        begins = event.begins and one.exists
        self._arrive(one, event, due.moved)
        entity = one.entity
        entity.time = time
        seq, key, answer = entity.seq, entity.key, due.answers[entity.version]
        if seq % self.settings.snapshot_every == 0:
            place = Position(time, seq)
            self.work.snapshots += [Snapshot(key, v, place, s) for v, s in due.moved.items()]
        data = to_json(event.data)
        self.work.events.append(Logged(key, seq, event.id, time, "applied", begins, data, answer))
        due.job.outcome = Outcome("applied", seq, time, entity.version, False, answer)

    def _arrive(self, one: Working, event: Incoming, moved: Mapping[int, bytes]) -> None:
        """Count an event, and take over the states after it; others are marked as behind."""
        entity = one.entity
        if not one.exists:
            one.exists = True
            if entity.tenant in self.room:
                self.room[entity.tenant] -= 1
        entity.seq += 1
        entity.touched = self.now
        if event.begins or event.ends:
            entity.phase = self._phase(one, event)
        one.is_dirty = True
        for version, state in moved.items():
            one.states[version] = StateRow(entity.key, version, entity.seq, state)

    def _rewind(self, one: Working, jobs: Sequence[Job]) -> int:
        """Take in late events of an entity; returns how many of them are settled."""
        entity = one.entity
        events = [job.event for job in jobs]
        rewinding = Rewinding(self.store, self.models.streams, self.settings, one, events)
        if rewinding.too_late:
            if len(jobs) > 1:  # the first alone may well be near enough
                return self._rewind(one, jobs[:1])
            jobs[0].outcome = Outcome("refused", reason=rewinding.too_late, code=409)
            return 1
        for job, event in zip(jobs, events, strict=True):
            time = event.time or 0
            answer = rewinding.insert(event, entity.seq + 1)
            if isinstance(answer, TooLateError):
                job.outcome = Outcome("refused", reason=str(answer), code=409)
            elif isinstance(answer, EventError):
                self._quarantine(one, job, time, answer, is_rewinding=True)
            else:
                self._arrive(one, event, {})
                job.outcome = Outcome(
                    "applied", entity.seq, time, entity.version, late=True, answer=answer
                )
        self.rewound |= rewinding.write(self.work)
        self.steps += rewinding.steps
        return len(jobs)

    def _quarantine(
        self,
        one: Working,
        job: Job,
        time: int,
        problem: EventError,
        *,
        is_rewinding: bool = False,
    ) -> None:
        """Keep an event apart; no state is touched. One for an unknown entity is not kept."""
        reason = str(problem)
        if not one.exists:
            job.outcome = Outcome("refused", reason=reason, code=422)
            return
        phase = one.entity.phase
        unmoved = {v: row.state for v, row in one.states.items() if row.seq == one.entity.seq}
        self._arrive(one, job.event, unmoved)
        one.entity.phase = phase
        seq, data = one.entity.seq, to_json(job.event.data)
        if seq % self.settings.snapshot_every == 0 and not is_rewinding:
            # The next one may be as far off again; states of a rewind are not settled yet.
            place = Position(one.entity.time, seq)
            self.work.snapshots += [
                Snapshot(one.entity.key, v, place, state) for v, state in unmoved.items()
            ]
        self.work.events.append(
            Logged(
                one.entity.key, seq, job.event.id, time, "quarantined", False, data,
                to_json({"reason": reason}),
            )
        )  # fmt: skip
        job.outcome = Outcome("quarantined", seq, time, reason=reason, code=422)


def _refused(code: int, must: str, given: str, do: str) -> Outcome:
    return Outcome("refused", reason=explain("serve", must, given, do), code=code)
