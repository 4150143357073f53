"""What all addresses share: the engine, limits, counters, and the way back from its thread."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from cellstate.errors import BusyError, CellstateError, DrainingError, StoreError, explain
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.audit import AuditLog
from cellstate.serve.engine import Engine
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.http.call import Call, Reply
from cellstate.serve.http.gathering import Gathering
from cellstate.serve.http.mailbox import Mailbox
from cellstate.serve.http.meter import Meter
from cellstate.serve.http.problem import Problem, busy, unavailable
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.keys import NOBODY, KeyRing
from cellstate.serve.limits import Rate, Seats
from cellstate.serve.security import Doorkeeper

Value = TypeVar("Value")
_log = logging.getLogger("cellstate.serve")
TICK_S = 1.0
_RESTART, _POLICY = 1012, 1008
_FEW = 16  # events of a call that are handed to the engine together with those of others
_CALLS_AT_ONCE = 4  # models that run for calls of their own, and reads of the store


class Lasting(Protocol):
    """A connection that lasts: a WebSocket, or a reader of server-sent events."""

    call: Call
    takes_events: bool

    def close_if_idle(self, now: float) -> None:
        """End it if nothing has come for too long."""
        ...

    def finish(self, code: int) -> None:
        """End it for a reason of RFC 6455, after what is under way."""
        ...


class Service:
    """One server.

    Parameters
    ----------
    engine : Engine
    settings : HttpSettings
    """

    def __init__(self, engine: Engine, settings: HttpSettings) -> None:
        self.engine = engine
        self.settings = settings
        self.doorkeeper = Doorkeeper(settings, KeyRing(settings.keys) if settings.keys else None)
        self.rate = Rate(settings.rate)
        self.seats = Seats(settings.max_sockets)
        self.meter = Meter()
        self.audit = AuditLog(settings.audit_log) if settings.audit_log else None
        self.sockets: set[Lasting] = set()
        self.is_draining = False
        self.failure: CellstateError | None = None  # why the engine did not start
        self.mailbox: Mailbox
        self._gathering: Gathering
        self._loop: asyncio.AbstractEventLoop
        self._readers: ThreadPoolExecutor
        self._ticking: asyncio.Task[None]

    @property
    def stream(self) -> AbstractStream:
        """The model in force."""
        return self.engine.stream

    async def open(self) -> None:
        """Start the engine, in the event loop that will answer."""
        self._loop = asyncio.get_running_loop()
        self.mailbox = Mailbox(self._loop)
        self._gathering = Gathering(self.engine, self.mailbox, self._loop)
        self._readers = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="cellstate-reader")
        try:
            self.engine.start()
        except CellstateError as problem:
            self.failure = problem
            raise
        self._ticking = self._loop.create_task(self._tick())

    async def drain(self) -> None:
        """Say that the server is not ready, and end what would last, after what is under way."""
        self.is_draining = True
        patience = time.monotonic() + self.settings.drain_s
        # Those who only listen last: they hear of what the others still had under way.
        for takes_events in (True, False):
            while time.monotonic() < patience:
                left = [one for one in self.sockets if one.takes_events is takes_events]
                if not left:
                    break
                for socket in left:
                    socket.finish(_RESTART)
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Answer what waits, and close the store."""
        await self.drain()
        self._ticking.cancel()
        stop = functools.partial(self.engine.stop, self.settings.drain_s)
        is_done = await self._loop.run_in_executor(None, stop)
        if not is_done:
            _log.error("the engine could not answer everything in %g s", self.settings.drain_s)
        self._readers.shutdown(wait=is_done, cancel_futures=True)
        if self.audit is not None:
            self.audit.close()

    async def submit(self, tenant: str, events: Sequence[Incoming]) -> list[Outcome]:
        """Have the engine take in events, and wait until they are committed.

        Raises
        ------
        Problem
            Status 429 or 503: it takes none now.
        """
        if len(events) <= _FEW:
            try:
                return await self._gathering.add(tenant, events)
            except BusyError as problem:
                raise _busy(problem) from None
        told: asyncio.Future[list[Outcome]] = self._loop.create_future()
        # A caller who is gone has cancelled the future.
        self.queue(
            tenant, events, functools.partial(self.mailbox.put, functools.partial(_settle, told))
        )
        return await told

    def queue(
        self, tenant: str, events: Sequence[Incoming], done: Callable[[list[Outcome]], None]
    ) -> None:
        """Have the engine take in events; `done` is called in its thread.

        Raises
        ------
        Problem
            Status 429 or 503: it takes none now.
        """
        try:
            self.engine.submit(tenant, events, done)
        except BusyError as problem:
            raise _busy(problem) from None

    async def forget(self, tenant: str, name: str) -> bool | None:
        """Have the engine forget an entity; None where it is not known whether it did."""
        told: asyncio.Future[bool | None] = self._loop.create_future()
        tell = functools.partial(self.mailbox.put, functools.partial(_settle, told))
        try:
            self.engine.forget(tenant, name, tell)
        except BusyError as problem:
            raise _busy(problem) from None
        return await told

    async def read(self, function: Callable[..., Value], *args: Any, **more: Any) -> Value:
        """Call what waits for a disk or computes for long, in another thread.

        Raises
        ------
        Problem
            Status 503: the store cannot be read.
        """
        call = functools.partial(function, *args, **more)
        try:
            return await self._loop.run_in_executor(self._readers, call)
        except StoreError:
            must, given = "the store must be readable", "one that is not"
            message = explain("serve", must, given, "Try again in a moment")
            raise unavailable(message, "store") from None

    def admit(self, call: Call, role: int) -> None:
        """Find the caller, and see whether it may call now.

        Raises
        ------
        Problem
            Status 401, 403 or 429.
        """
        caller = call.caller = self.doorkeeper.find_caller(call, role)
        wait_s = self.rate.take(caller.tenant)
        if wait_s:
            must, given = "a tenant may only make so many calls a second", "more"
            raise busy(explain("request", must, given, "Wait as Retry-After says"), wait_s)

    def count_events(self, call: Call, count: int) -> None:
        """Note how many events a call brings."""
        call.events = count
        self.rate.owe(call.caller.tenant, count - 1)

    def note(self, call: Call, action: str, status: int) -> None:
        """Write a call into the audit log.

        Raises
        ------
        Problem
            Status 503: the log cannot be written, and what is not recorded is not confirmed.
        """
        if self.audit is None:
            return
        caller = getattr(call, "caller", NOBODY)
        entity = call.params.get("entity", "")
        try:
            self.audit.write(caller.key, caller.tenant, action, entity, call.events, status)
        except OSError as problem:
            _log.error("the audit log cannot be written: %s", problem.strerror)
            must, given = "each call must be recorded", "an audit log that cannot be written"
            message = explain("serve", must, given, "Free some space, and send it again")
            raise unavailable(message, "audit_log") from None

    def elsewhere(self, call: Call, name: str) -> Problem | Reply:
        """Say which process has an entity that is not this one's."""
        owner = self.engine.owner(call.caller.tenant, name)
        if not owner:
            must, given = "the entity's process must be known", "one that changes just now"
            message = explain("serve", must, given, "Try again in a moment")
            return unavailable(message, "moving")
        must, given = "the entity belongs to another process", "a call to this one"
        message = explain("serve", must, given, "Send it to the owner")
        problem = Problem(421, message, extra={"owner": owner})
        if not owner.startswith(("http://", "https://")):
            return problem
        place = f"{owner.rstrip('/')}{call.scope['path']}".encode()
        return Reply(problem.body(), 307, headers=[(b"location", place)])

    async def _tick(self) -> None:
        """Once a second: keys that changed, sockets that sleep."""
        while True:
            await asyncio.sleep(TICK_S)
            self._refresh_keys()
            now = time.monotonic()
            for socket in list(self.sockets):
                socket.close_if_idle(now)

    def _refresh_keys(self) -> None:
        keys = self.doorkeeper.keys
        if keys is None:
            return
        try:
            if not keys.refresh():
                return
        except CellstateError as problem:
            _log.error("the keys stay as they were: %s", problem)
            return
        for socket in list(self.sockets):
            if not keys.holds(socket.call.caller.key):
                socket.finish(_POLICY)


def _busy(problem: BusyError) -> Problem:
    if isinstance(problem, DrainingError):
        return unavailable(str(problem))
    return busy(str(problem), problem.retry_after_s)


def _settle(told: asyncio.Future[Value], value: Value) -> None:
    if not told.done():
        told.set_result(value)
