"""The one that writes: requests into turns, turns into commits, and what is due in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from cellstate.errors import FencedError, StoreError
from cellstate.serve.accidents import report
from cellstate.serve.events import Job, Outcome
from cellstate.serve.inbox import Pushed
from cellstate.serve.memory import Memory, Name
from cellstate.serve.ownership import Ownership
from cellstate.serve.retention import Retention
from cellstate.serve.settings import Settings
from cellstate.serve.statistics import Statistics
from cellstate.serve.stores.store import AbstractStore, Logged, Work
from cellstate.serve.trimming import Trimming
from cellstate.serve.turn import Turn
from cellstate.serve.versions import Versions
from cellstate.serve.wire import from_json

_log = logging.getLogger("cellstate.serve")
IDLE_S = 0.2


class Writer:
    """What happens in the writer's thread.

    Parameters
    ----------
    store, memory, settings, ownership
    versions : Versions
    clock : callable
        Seconds since 1970.

    Attributes
    ----------
    statistics : Statistics
    problem : str
        Why the store cannot be written at present; empty where it can.
    """

    def __init__(
        self,
        store: AbstractStore,
        memory: Memory,
        settings: Settings,
        ownership: Ownership,
        versions: Versions,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._memory, self._settings = store, memory, settings
        self._ownership, self._versions, self._clock = ownership, versions, clock
        self.statistics = Statistics()
        self.problem = ""
        self._room: dict[str, int] = {}
        self._changes = ownership.changes
        self._retention = Retention(store, settings)
        self._trimming = Trimming()

    @property
    def now(self) -> int:
        """Microseconds since 1970."""
        return int(self._clock() * 1e6)

    @property
    def patience_s(self) -> float:
        """How long there is nothing to do but to wait for events."""
        return 0.0 if self._versions.is_busy else IDLE_S

    def serve(self, requests: Sequence[Pushed]) -> list[list[Outcome]]:
        """Bring the events of some requests to their outcomes; commits once or several times."""
        jobs = [
            [Job((request.tenant, event.entity), event) for event in request.events]
            for request in requests
        ]
        every = [job for part in jobs for job in part]
        left: list[Job] = []
        try:
            left = self._unanswered(every)
            while left:
                left = self._turn(left)
        except StoreError as problem:
            self._give_up(every, problem)
        except Exception as problem:  # noqa: BLE001 - logged; the server goes on
            report("a batch failed", problem)
            self._give_up(every, None)
        answered = [[_outcome(job) for job in part] for part in jobs]
        events = self.statistics.events
        for part in answered:
            for outcome in part:
                events[outcome.status] += 1
                self.statistics.late += outcome.late
        return answered

    def forget(self, tenant: str, name: str) -> bool:
        """Leave nothing of an entity; says whether there was one."""
        (held,) = self._memory.fetch([(tenant, name)]).values()
        if held is None:
            return False
        self._memory.drop([(tenant, name)])
        self._retention.drop([held.entity.key])
        self._commit(Work(forget=[held.entity.key]))
        self._room.pop(tenant, None)
        self.statistics.forgotten += 1
        return True

    def tend(self) -> None:
        """Do what is due: leases, old events, idle entities, free memory, a store that failed."""
        self._ownership.tend()
        if self._ownership.changes != self._changes:  # others may have written meanwhile
            self._changes = self._ownership.changes
            self._memory.clear()
            self._room.clear()
        if self.problem:
            self._commit(Work())
        self._versions.tend()
        self._trimming.tend()
        work, gone = self._retention.due(self.now)
        if gone or work.trimmed:
            self._memory.drop((one.tenant, one.name) for one in gone)
            self._retention.drop(one.key for one in gone)
            self._commit(work)
            for one in gone:
                self._room.pop(one.tenant, None)
            self.statistics.forgotten += len(gone)
            self.statistics.expired += len(gone)

    def fail(self, problem: StoreError) -> None:
        """Take note that the store could not be written: nothing in memory can be trusted."""
        if not self.problem:
            _log.error("the store failed: %s", problem)
        self.problem = "the store cannot be written"
        self.statistics.failures += 1
        self._memory.clear()
        self._room.clear()
        self._versions.restart()

    def _unanswered(self, jobs: Sequence[Job]) -> list[Job]:
        """Settle what belongs to other processes, and what was answered before; gives the rest."""
        if self._ownership.is_partial:
            for job in jobs:
                if not self._ownership.has(*job.name):
                    reason = "the entity belongs to another process"
                    job.outcome = Outcome("failed", reason=reason, code=421)
                    job.is_settled = True
            jobs = [job for job in jobs if job.outcome is None]
        named = [job for job in jobs if job.event.id is not None]
        if not named:
            return list(jobs)
        held = self._memory.fetch({job.name: None for job in named})
        keys = {name: found.entity.key for name, found in held.items() if found is not None}
        wanted = [(keys[job.name], job.event.id or "") for job in named if job.name in keys]
        known = self._store.answered(wanted) if wanted else {}
        last: dict[tuple[Name, str], Job] = {}
        for job in named:
            id = job.event.id or ""
            if logged := known.get((keys.get(job.name, 0), id)):
                job.outcome, job.is_settled = _again(logged), True
            else:
                job.twin = last.get((job.name, id))
                last[job.name, id] = job
        return [job for job in jobs if job.outcome is None]

    def _turn(self, jobs: list[Job]) -> list[Job]:
        """Take one turn and commit it; gives what waits for the next."""
        began = time.perf_counter()
        turn = Turn(
            self._store,
            self._memory,
            self._versions.models,
            self._settings,
            self._rooms(jobs),
            self.now,
        )
        left = turn.take(jobs)
        work = turn.finish()
        committing = time.perf_counter()
        if work.entities:
            self._commit(work)
        counts = self.statistics
        counts.work_s += committing - began
        counts.commit_s += time.perf_counter() - committing
        counts.batches += 1
        counts.steps += turn.steps
        self._versions.note(turn.rewound)
        waits = {id(job) for job in left}
        for job in jobs:
            if id(job) not in waits:
                job.is_settled = True
        for name, one in turn.working.items():
            if one.is_dirty:
                counts.created += one.is_new
                self._memory.keep(name, one.held())
                self._retention.note(one.entity)
        return left

    def _commit(self, work: Work) -> None:
        self._store.commit(work)
        self.problem = ""

    def _rooms(self, jobs: Sequence[Job]) -> dict[str, int]:
        """Give the room for new entities of each tenant, where there is a limit."""
        most = self._settings.entities_per_tenant
        if most is None:
            return self._room
        for tenant in {job.name[0] for job in jobs}:
            if tenant not in self._room:
                self._room[tenant] = most - self._store.count(tenant)
        return self._room

    def _give_up(self, jobs: Sequence[Job], problem: StoreError | None) -> None:
        """Answer what may or may not have been written; what is in memory may be wrong."""
        self.fail(problem or StoreError("a batch failed"))
        if isinstance(problem, FencedError):
            self._ownership.check()
        for job in jobs:
            if not job.is_settled:
                reason = "it is not known whether the event was kept; send it again with its id"
                job.outcome = Outcome("failed", reason=reason, code=503)


def _outcome(job: Job) -> Outcome:
    assert job.outcome is not None, "a job without an outcome"
    return job.outcome


def _again(logged: Logged) -> Outcome:
    """Give the first outcome of an event again."""
    if logged.status == "quarantined":
        reason = from_json(logged.answer)["reason"]
        return Outcome("quarantined", logged.seq, logged.time, reason=reason, code=422)
    return Outcome("duplicate", logged.seq, logged.time, answer=logged.answer)
