"""Events in and answers out over one WebSocket."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from cellstate.errors import explain
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.http.call import Call, Receive, Send
from cellstate.serve.http.gate import accident
from cellstate.serve.http.messages import (
    check_count,
    check_entity,
    take,
    write_ref,
    write_result,
)
from cellstate.serve.http.outbox import Outbox
from cellstate.serve.http.problem import Problem, busy, malformed
from cellstate.serve.http.reading import check_keys, read_quickly
from cellstate.serve.http.service import Service
from cellstate.serve.keys import ROLES
from cellstate.serve.routes.live import take_seat

PATH = "/v1/stream"
MOST_PENDING = 2_000  # events under way on one socket; then it is not read from
MOST_WAITING = 20_000  # messages that may wait for a slow reader: more than one bulk brings
MOST_SUBSCRIPTIONS = 1_000
IDLE, RESTART, POLICY = 1001, 1012, 1008  # RFC 6455, 7.4.1, and its registry
_WRITE = ROLES.index("write")
_log = logging.getLogger("cellstate.serve")


class Socket:
    """One WebSocket.

    Parameters
    ----------
    service : Service
    call : Call
        The request that it began with.
    send : callable
        ASGI's.
    """

    takes_events = True

    def __init__(self, service: Service, call: Call, send: Send) -> None:
        self.call = call
        self._service = service
        self._send = send
        self._outbox = Outbox(MOST_WAITING)
        self._pending = 0
        self._room = asyncio.Event()
        self._ends: dict[str, Callable[[], None]] = {}  # of subscriptions
        self._heard = time.monotonic()
        self._code = 1000

    def close_if_idle(self, now: float) -> None:
        """Close it if it neither sends nor listens."""
        is_idle = now - self._heard > self._service.settings.socket_idle_s
        if is_idle and not self._ends and not self._pending:
            self.finish(IDLE)

    def finish(self, code: int) -> None:
        """Read no more; close it once what is under way was answered."""
        self._code = code
        if not self._pending:
            self._outbox.close()

    async def run(self) -> None:
        """Serve it until one side ends it."""
        await self._send({"type": "websocket.accept"})
        tasks = {asyncio.ensure_future(self._read()), asyncio.ensure_future(self._write())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in self._ends.values():
                end()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and type(result).__name__ != "ClientDisconnected":
                accident(result, None)

    async def _read(self) -> None:
        while True:
            message = await self.call.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._heard = time.monotonic()
            text = message.get("text")
            body = message.get("bytes") if text is None else text.encode("utf-8", "surrogatepass")
            try:
                self._take(body or b"")
            except Problem as problem:
                self._outbox.put(problem.body())
            while self._pending > MOST_PENDING:
                self._room.clear()
                await self._room.wait()

    async def _write(self) -> None:
        while True:
            message = await self._outbox.take()
            if message is None:
                code = POLICY if self._outbox.is_over else self._code
                await self._send({"type": "websocket.close", "code": code})
                return
            await self._send({"type": "websocket.send", "text": message.decode()})

    def _take(self, body: bytes) -> None:
        """Do what a message asks for."""
        service, call = self._service, self.call
        if len(body) > service.settings.max_body:
            most = service.settings.max_body
            must, given = f"a message may have {most} bytes", "a longer one"
            raise Problem(413, explain("stream", must, given, "Send it in parts"))
        wait_s = service.rate.take(call.caller.tenant)
        if wait_s:
            must, given = "a tenant may only send so many messages a second", "more"
            message = explain("stream", must, given, "Wait, and send it again")
            raise Problem(429, message, extra={"retry_after": wait_s})
        document = read_quickly(body)
        if document.__class__ is not dict:
            raise malformed(
                "a message must be an object", "another value", "Send an event", "stream"
            )
        if "subscribe" in document or "unsubscribe" in document:
            self._subscribe(body, document)
            return
        if call.caller.rank < _WRITE:
            must, given = "the key's role must be write", ROLES[call.caller.rank]
            raise Problem(403, explain("stream", must, given, "Subscribe, or use another"), "role")
        is_list = "events" in document
        items: Any = document["events"] if is_list else [document]
        if items.__class__ is not list or (is_list and len(document) != 1):
            must = 'a list of events must be {"events": [...]} and nothing else'
            raise malformed(must, "more", "Remove it", "stream")
        check_count(len(items), service.settings.max_events)
        try:
            events, refs, colons = take(items, None)
            check_keys(body, colons + is_list)
            self._submit(events, refs, is_list)
        except Problem as problem:
            ref = document.get("ref")
            if ref.__class__ in (str, int):
                problem.extra = {**(problem.extra or {}), "ref": ref}
            raise

    def _submit(self, events: list[Incoming], refs: list[Any], is_list: bool) -> None:
        service, call = self._service, self.call
        service.count_events(call, len(events))
        call.params = {} if is_list else {"entity": events[0].entity}
        service.note(call, "push", 202)
        tell = functools.partial(self._answer, events, refs, is_list)
        self._pending += len(events)
        try:
            service.queue(call.caller.tenant, events, functools.partial(service.mailbox.put, tell))
        except Problem:
            self._pending -= len(events)
            raise

    def _answer(
        self, events: list[Incoming], refs: list[Any], is_list: bool, outcomes: list[Outcome]
    ) -> None:
        results = [
            write_result(event, outcome, write_ref(ref))
            for event, ref, outcome in zip(events, refs, outcomes, strict=True)
        ]
        self._outbox.put(b'{"results":[%b]}' % b",".join(results) if is_list else results[0])
        self._pending -= len(events)
        if self._pending <= MOST_PENDING:
            self._room.set()
        if not self._pending and self._code != 1000:
            self._outbox.close()

    def _subscribe(self, body: bytes, document: dict[str, Any]) -> None:
        if len(document) != 1:
            must = "subscribe must stand alone in its message"
            raise malformed(must, "more", "Remove the rest", "stream")
        (verb, name), *_ = document.items()
        if name != "*":  # all of the tenant's
            check_entity(name)
        check_keys(body, 1 + name.count(":"))
        if verb == "unsubscribe":
            end = self._ends.pop(name, None)
            if end is not None:
                end()
        elif name not in self._ends:
            if len(self._ends) >= MOST_SUBSCRIPTIONS:
                must = f"a stream may have {MOST_SUBSCRIPTIONS} subscriptions"
                raise busy(explain("stream", must, "one more", "Subscribe to * for all"), 10)
            entity = None if name == "*" else name
            tenant = self.call.caller.tenant
            if entity is not None:
                self._check_place(tenant, entity)
            self._ends[name] = self._service.engine.listen(tenant, entity, self._hear)
        self._outbox.put(b'{"%bd":"%b"}' % (verb.encode(), name.encode()))

    def _check_place(self, tenant: str, name: str) -> None:
        """Refuse what this process would never hear of."""
        owner = self._service.engine.owner(tenant, name)
        if owner is not None:
            must, given = "the entity belongs to another process", "a call to this one"
            message = explain("stream", must, given, "Subscribe there")
            raise Problem(421, message, extra={"owner": owner})

    def _hear(self, name: str, outcome: Outcome) -> None:
        """Take note of an answer, in the writer's thread."""
        data = write_result(Incoming(name, {}), outcome, '"live":true,')
        self._service.mailbox.put(self._outbox.put, data)


async def serve(service: Service, call: Call, receive: Receive, send: Send) -> None:
    """Serve a WebSocket, or refuse it.

    Raises
    ------
    Problem
        Before it was accepted: the key, the rate or the number of sockets.
    """
    if (await receive())["type"] != "websocket.connect":
        return
    service.admit(call, ROLES.index("read"))
    take_seat(service, call)
    socket = Socket(service, call, send)
    service.sockets.add(socket)
    try:
        service.note(call, "stream", 101)
        await socket.run()
    finally:
        service.sockets.discard(socket)
        service.seats.leave(call.caller.tenant)
