"""An entity's answers as server-sent events, while they are made."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator

from cellstate.errors import explain
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.http import schemas
from cellstate.serve.http.call import JSON, Call, Reply, StreamReply
from cellstate.serve.http.messages import write_result
from cellstate.serve.http.outbox import Outbox
from cellstate.serve.http.problem import Problem, busy
from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service

EVENT_STREAM = b"text/event-stream"
MOST_WAITING = 20_000  # answers that may wait for a slow reader: more than one bulk brings
BEAT_S = 15.0  # a comment now and then shows both sides that the other is there


class Line:
    """One reader of server-sent events.

    Parameters
    ----------
    service : Service
    call : Call
    """

    takes_events = False

    def __init__(self, service: Service, call: Call) -> None:
        self.call = call
        self._service = service
        self._outbox = Outbox(MOST_WAITING)

    def close_if_idle(self, now: float) -> None:
        """Do nothing: it listens, and comments keep it alive."""

    def finish(self, code: int) -> None:
        """End it, after what waits."""
        self._outbox.close()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Give answers as they are committed."""
        service, caller = self._service, self.call.caller
        hear = functools.partial(self._hear, service)
        unsubscribe = service.engine.listen(caller.tenant, self.call.params["entity"], hear)
        leaving = asyncio.ensure_future(self._watch())
        service.sockets.add(self)
        try:
            yield b": listening\n\n"
            while True:
                piece = await self._outbox.take(BEAT_S)
                if piece is not None:
                    yield piece
                elif self._outbox.is_over:
                    yield b'event: lagging\ndata: "too slow, some answers were left out"\n\n'
                    return
                elif self._outbox.is_closed:
                    return
                else:
                    yield b":\n\n"
        finally:
            leaving.cancel()
            unsubscribe()
            service.sockets.discard(self)

    def _hear(self, service: Service, name: str, outcome: Outcome) -> None:
        """Take note of an answer, in the writer's thread."""
        data = write_result(Incoming(name, {}), outcome)
        service.mailbox.put(self._outbox.put, b"id: %d\ndata: %b\n\n" % (outcome.seq, data))

    async def _watch(self) -> None:
        """Notice that the reader has gone."""
        while (await self.call.receive())["type"] != "http.disconnect":
            pass
        self._outbox.close()


async def listen(service: Service, call: Call) -> StreamReply | Reply:
    """Send an entity's answers as they are made."""
    call.query()
    name = call.params["entity"]
    if not service.engine.ownership.has(call.caller.tenant, name):
        answer = await service.read(service.elsewhere, call, name)  # where its answers are made
        if isinstance(answer, Problem):
            raise answer
        return answer
    take_seat(service, call)
    leave = functools.partial(service.seats.leave, call.caller.tenant)
    return StreamReply(Line(service, call).pieces(), EVENT_STREAM, end=leave)


def take_seat(service: Service, call: Call) -> None:
    """Count a long-lived connection.

    Raises
    ------
    Problem
        Status 429: its tenant has too many; 503: the server is stopping.
    """
    if service.is_draining:
        must, given = "the server must be taking calls", "one that is about to stop"
        raise Problem(503, explain("serve", must, given, "Connect again in a moment"), "draining")
    if not service.seats.take(call.caller.tenant):
        most = service.settings.max_sockets
        must, given = f"a tenant may have {most} live connections", "one more"
        raise busy(explain("request", must, given, "Close some"), 10)


ROUTES = (
    Route(
        "GET",
        "/v1/entities/{entity}/live",
        listen,
        "read",
        "An entity's answers while they are made",
        about=(
            "Server-sent events: each has the arrival number as id and a Result as data. What came "
            "while nobody listened is in the history."
        ),
        answers={
            200: {EVENT_STREAM.decode(): {"type": "string"}},
            307: {JSON.decode(): schemas.ref("Error")},
        },
        problems=(421, 429, 503),
        action="listen",
    ),
)
