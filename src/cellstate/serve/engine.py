"""The engine: one writer that steps all entities that wait, commits, and only then answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from cellstate.errors import CellstateError, FencedError, StoreError, explain
from cellstate.runtime.stream import AbstractStream, States
from cellstate.serve.accidents import report
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.inbox import Asked, Inbox, Pushed
from cellstate.serve.listeners import Listeners
from cellstate.serve.memory import Memory
from cellstate.serve.ownership import Ownership
from cellstate.serve.settings import Settings
from cellstate.serve.statistics import Statistics
from cellstate.serve.stores.store import AbstractStore, Entity, Logged, Position
from cellstate.serve.versions import Versions
from cellstate.serve.wire import from_json
from cellstate.serve.writer import Writer

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
        self._memory = memory = Memory(store, self.settings.cache)
        self.versions = Versions(
            store, memory, self.settings, self.ownership, stream, folder=folder, load=load
        )
        self.writer = Writer(store, memory, self.settings, self.ownership, self.versions, clock)
        self._reader = store.reader()
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="cellstate-writer", daemon=True)
        self._is_running = self._is_closed = False

    @property
    def stream(self) -> AbstractStream:
        """The model whose answers new entities get."""
        return self.versions.models.stream

    @property
    def statistics(self) -> Statistics:
        """Totals since the start."""
        return self.writer.statistics

    @property
    def depth(self) -> int:
        """Events that wait."""
        return self._inbox.depth

    @property
    def cached(self) -> int:
        """Entities whose state is in memory."""
        return len(self._memory)

    @property
    def is_ready(self) -> bool:
        """Whether events are being taken."""
        return not self.why_not_ready

    @property
    def why_not_ready(self) -> str:
        """Why no events are being taken; empty where they are."""
        if not self._is_running:
            return "the server is stopping" if self._inbox.is_closed else "it has not started yet"
        if not self.ownership.owned:
            return "another process has the entities"
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
            A second call changes nothing.
        """
        if self._is_closed:
            return True
        self._inbox.close()
        if self._is_running:
            self._thread.join(drain_s)
            if self._thread.is_alive():
                return False
        self._is_running = False
        with self._reading:
            self._reader.close()
        self.store.close()
        self._is_closed = True
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

    def offer(self, folder: str) -> dict[str, Any]:
        """Load the next version of the model, and begin to build every entity's state in it.

        Parameters
        ----------
        folder : str

        Returns
        -------
        dict
            As of `rollout`.

        Raises
        ------
        InputError
            Another one is under way, or the model is the present one.
        ArtifactError
            The folder cannot be loaded.
        """
        stream = self.versions.load(folder)
        return self._ask(lambda: self.versions.offer(stream, folder))

    def change(self, step: Literal["flip", "roll back", "finish", "cancel"]) -> dict[str, Any]:
        """Take a step of the change of model that is under way; gives what `rollout` gives.

        Raises
        ------
        InputError
            The step is not legal now; the message says when it is.
        """
        return self._ask(lambda: self.versions.change(step))

    def rollout(self) -> dict[str, Any]:
        """Tell of a change of model: its phase, "none" where there is none, and how far it is."""
        return self.versions.report()

    def _ask(self, run: Callable[[], dict[str, Any]], timeout_s: float = 600.0) -> dict[str, Any]:
        """Run something in the writer's thread and wait for it."""
        told: list[dict[str, Any] | CellstateError] = []
        ready = threading.Event()

        def answer() -> None:
            try:
                told.append(run())
            except CellstateError as problem:
                told.append(problem)
                if isinstance(problem, StoreError):
                    raise
            finally:
                ready.set()

        self._inbox.put(Asked(answer))
        if not ready.wait(timeout_s) or not told:
            must, given = f"it must be done within {timeout_s:g} s", "no answer"
            raise StoreError(explain("serve", must, given, "Look at the server's log"))
        if isinstance(told[0], CellstateError):
            raise told[0]
        return told[0]

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
        stream = self.versions.models.streams[entity.version]
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
            except Exception as problem:  # noqa: BLE001 - logged; the server goes on
                report("the writer met an error of its own", problem)

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
            except Exception as problem:  # noqa: BLE001 - logged; the server goes on
                report("an answer could not be handed over", problem)
