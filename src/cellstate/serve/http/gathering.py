"""Single events that come together, handed to the engine together.

Each hand-over takes a lock and wakes the writer. In one turn of the event loop, requests of many
connections are read; what they bring costs one hand-over for each tenant.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence

from cellstate.errors import BusyError
from cellstate.serve.engine import Engine
from cellstate.serve.events import Incoming, Outcome
from cellstate.serve.http.mailbox import Mailbox

Waiting = tuple[Sequence[Incoming], "asyncio.Future[list[Outcome]]"]


class Gathering:
    """Events of one turn of the event loop.

    Parameters
    ----------
    engine : Engine
    mailbox : Mailbox
        By which outcomes come back.
    loop : asyncio.AbstractEventLoop
    """

    def __init__(self, engine: Engine, mailbox: Mailbox, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._mailbox, self._loop = engine, mailbox, loop
        self._waiting: dict[str, list[Waiting]] = {}

    def add(self, tenant: str, events: Sequence[Incoming]) -> asyncio.Future[list[Outcome]]:
        """Add the events of a call; gives their outcomes to come, or a `BusyError`."""
        told: asyncio.Future[list[Outcome]] = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._submit)
        self._waiting.setdefault(tenant, []).append((events, told))
        return told

    def _submit(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for tenant, calls in waiting.items():
            events = [event for part, _ in calls for event in part]
            share = functools.partial(_share, calls)
            try:
                self._engine.submit(tenant, events, functools.partial(self._mailbox.put, share))
            except BusyError as problem:
                for _, told in calls:
                    if not told.done():
                        told.set_exception(problem)


def _share(calls: Sequence[Waiting], outcomes: list[Outcome]) -> None:
    """Give each call the outcomes of its own events."""
    at = 0
    for events, told in calls:
        if not told.done():  # a caller who is gone has cancelled it
            told.set_result(outcomes[at : at + len(events)])
        at += len(events)
