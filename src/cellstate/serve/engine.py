"""The engine: one writer that steps all entities that wait, commits, and only then answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cellstate.errors import CellstateError, FencedError, InputError, StoreError, explain
from cellstate.runtime.stream import AbstractStream, States
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.inbox import Asked, Inbox, Pushed
from cellstate.serve.listeners import Listeners
from cellstate.serve.ownership import Ownership
from cellstate.serve.settings import Settings
from cellstate.serve.stores.store import AbstractStore, Entity, Logged, Position, Version
from cellstate.serve.writer import Writer

_log = logging.getLogger("cellstate.serve")
TICK_S = 0.2


class Engine:
    """Entities and their memory behind one writer thread.

    An event's outcome is told when its state, its answer, its id and its log entry are committed
    in one transaction and flushed. Events of one entity are taken in the order of `submit`; events
    of different entities share steps of the model, which never changes their bits.

    Parameters
    ----------
    stream : AbstractStream
        The model.
    store : AbstractStore
        Closed by `stop`.
    settings : Settings
    folder : str
        Where the model was loaded from, for the store's record.
    load : callable, optional
        Loads a stream from a model folder: other versions that the store knows, and new ones.
    address : str
        At which this process can be reached, for other processes on the same store.
    share : (int, int)
        See `Ownership`.
    clock : callable
        Seconds since 1970.

    Raises
    ------
    InputError
        The store was made with another model.
    FencedError
        Another process has the store.
    """

    def __init__(
        self,
        stream: AbstractStream,
        store: AbstractStore,
        settings: Settings | None = None,
        *,
        folder: str = "",
        load: Callable[[str], AbstractStream] | None = None,
        address: str = "",
        share: tuple[int, int] = (0, 1),
        lease_s: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or Settings()
        self.store = store
        self.ownership = Ownership(store, address or f"process {id(self)}", share, lease_s)
        self.ownership.begin()
        self.listeners = Listeners()
        self._inbox = Inbox(self.settings.max_queue)
        versions, streams = _known(stream, store, folder, load)
        self.writer = Writer(store, self.settings, self.ownership, versions, streams, clock)
        self._reader = store.reader()
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="cellstate-writer", daemon=True)
        self._is_running = False

    @property
    def stream(self) -> AbstractStream:
        """The model whose answers new entities get."""
        return self.writer.models.streams[self.writer.models.newest]

    @property
    def statistics(self) -> Any:
        """Totals since the start: `Statistics`."""
        return self.writer.statistics

    @property
    def depth(self) -> int:
        """Events that wait."""
        return self._inbox.depth

    @property
    def cached(self) -> int:
        """Entities whose state is in memory."""
        return len(self.writer.memory)

    @property
    def is_ready(self) -> bool:
        """Whether events are being taken."""
        return not self.why_not_ready

    @property
    def why_not_ready(self) -> str:
        """Why no events are being taken; empty where they are."""
        if not self._is_running:
            return "the server is stopping" if self._inbox.is_closed else "it has not started yet"
        return self.writer.problem

    def start(self) -> None:
        """Start the writer."""
        self._is_running = True
        self._thread.start()

    def stop(self, drain_s: float = 10.0) -> bool:
        """Take nothing new, answer what waits, and close the store.

        Returns
        -------
        bool
            Whether everything that waited was answered in time. The store stays open if not.
        """
        self._inbox.close()
        if self._is_running:
            self._thread.join(drain_s)
            if self._thread.is_alive():
                return False
        self._is_running = False
        with self._reading:
            self._reader.close()
        self.store.close()
        return True

    def submit(
        self, tenant: str, events: Sequence[Incoming], done: Callable[[list[Outcome]], None]
    ) -> None:
        """Queue events.

        Parameters
        ----------
        tenant : str
        events : sequence of Incoming
        done : callable
            Called once, in the writer's thread, with an outcome for each event in their order.

        Raises
        ------
        BusyError
            Too much waits already, or (`DrainingError`) the engine is stopping.
        """
        self._inbox.put(Pushed(tenant, events, done))

    def push(self, tenant: str, events: Sequence[Incoming], timeout_s: float = 60) -> list[Outcome]:
        """Queue events and wait for their outcomes."""
        told: list[list[Outcome]] = []
        ready = threading.Event()

        def done(outcomes: list[Outcome]) -> None:
            told.append(outcomes)
            ready.set()

        self.submit(tenant, events, done)
        if not ready.wait(timeout_s):
            must, given = f"events must be answered within {timeout_s:g} s", "no answer"
            raise StoreError(explain("serve", must, given, "Send them again with the same ids"))
        return told[0]

    def forget(self, tenant: str, name: str, done: Callable[[bool | None], None]) -> None:
        """Forget an entity wholly, after all events that were queued before.

        Parameters
        ----------
        tenant, name : str
        done : callable
            Called once in the writer's thread: True when nothing is left, False when there was no
            such entity, None when it could not be done now.

        Raises
        ------
        BusyError
            As for `submit`.
        """

        def run() -> None:
            try:
                done(self.writer.forget(tenant, name))
            except CellstateError:
                done(None)
                raise

        self._inbox.put(Asked(run))

    def ask(self, run: Callable[[], None]) -> None:
        """Let the writer run something between two batches."""
        self._inbox.put(Asked(run))

    def listen(
        self, tenant: str, entity: str | None, hear: Callable[[str, Outcome], None]
    ) -> Callable[[], None]:
        """Hear of each event that was applied to an entity, or to all of a tenant's.

        Returns
        -------
        callable
            Ends it. `hear` is called in the writer's thread and must be quick.
        """
        return self.listeners.add(tenant, entity, hear)

    def describe(self, tenant: str, name: str) -> dict[str, Any] | None:
        """Tell what the store holds of an entity; None where there is none."""
        from cellstate.serve.wire import from_json

        with self._reading:
            (held,) = self._reader.load([(tenant, name)])
            if held is None:
                return None
            last = self._reader.log(held.entity.key, newest_first=True, limit=1, status="applied")
        entity = held.entity
        told = (last[0].answer if last[0].revised is None else last[0].revised) if last else None
        return {
            "entity": name,
            "phase": entity.phase,
            "events": entity.seq,
            "time": entity.time,
            "version": entity.version,
            "state_bytes": len(held.states[entity.version].state),
            "answer": None if told is None else from_json(told),
        }

    def history(
        self,
        tenant: str,
        name: str,
        *,
        after: Position | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Logged] | None:
        """Read an entity's log; None where there is no such entity."""
        with self._reading:
            (held,) = self._reader.load([(tenant, name)])
            if held is None:
                return None
            return self._reader.log(
                held.entity.key, after=after, limit=limit, newest_first=newest_first
            )

    def peek(self, tenant: str, name: str) -> tuple[Entity, States] | None:
        """Read an entity with its newest committed state, (1,) of the version that answers."""
        with self._reading:
            (held,) = self._reader.load([(tenant, name)])
        if held is None:
            return None
        entity = held.entity
        stream = self.writer.models.streams[entity.version]
        return entity, np.frombuffer(held.states[entity.version].state, stream.state_dtype)

    def names(self, tenant: str, after: int = 0, limit: int = 1000) -> list[Entity]:
        """List a tenant's entities in the order of their keys."""
        with self._reading:
            return self._reader.entities(tenant=tenant, after=after, limit=limit)

    def owner(self, tenant: str, name: str) -> str | None:
        """Give the address of the process that has an entity; None where it is this one."""
        if self.ownership.has(tenant, name):
            return None
        with self._reading:
            return self._reader.holder(self.ownership.shard(tenant, name)) or ""

    def _run(self) -> None:
        """Serve until the inbox is closed and empty."""
        while (taken := self._inbox.take(self.settings.max_batch, self.writer.patience_s)) != []:
            try:
                if isinstance(taken, Asked):
                    taken.run()
                elif taken is not None:
                    self._serve(taken)
                self.writer.tend()
            except FencedError as problem:
                self.writer.fail(problem)
                self.ownership.check()
            except StoreError as problem:
                self.writer.fail(problem)
            except Exception:  # noqa: BLE001 - logged; the server goes on
                _log.exception("the writer met an error of its own")

    def _serve(self, requests: Sequence[Pushed]) -> None:
        began = time.perf_counter()
        answered = self.writer.serve(requests)
        took = time.perf_counter() - began
        count = sum(map(len, answered))
        self._inbox.pace += 0.1 * (count / max(took, 1e-6) - self._inbox.pace)
        for request, outcomes in zip(requests, answered, strict=True):
            self.listeners.tell(request, outcomes)
            try:
                request.done(outcomes)
            except Exception:  # noqa: BLE001 - logged; the server goes on
                _log.exception("an answer could not be handed over")


def _known(
    stream: AbstractStream,
    store: AbstractStore,
    folder: str,
    load: Callable[[str], AbstractStream] | None,
) -> tuple[list[Version], dict[int, AbstractStream]]:
    """Find the versions that the store has states of, and load those that are missing."""
    versions = store.versions()
    if not versions:
        versions = [Version(1, stream.fingerprint, folder, "current")]
        store.set_versions(versions)
    current = next(one for one in versions if one.role == "current")
    if current.fingerprint != stream.fingerprint:
        must = "the store must have been made with the model that is served"
        given = f"one made with another, loaded from {current.folder!r}"
        do = "Serve that one, with --next and the new model to change over"
        raise InputError(explain("serve", must, given, do))
    streams = {current.number: stream}
    for version in versions:
        if version.number not in streams and load is not None:
            streams[version.number] = load(version.folder)
    for version in versions:
        found = streams.get(version.number)
        if found is None or found.fingerprint != version.fingerprint:
            must = f"version {version.number} of the model must be at hand: entities have its state"
            do = f"Put the folder back to {version.folder!r}"
            raise InputError(explain("serve", must, "another or none", do))
    return versions, streams
