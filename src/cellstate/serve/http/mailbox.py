"""From the writer's thread to the event loop, waking it once for all that came meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Mailbox:
    """Functions to be called in the event loop, in the order in which they were put in.

    Waking an event loop costs a system call. All that the writer hands over before the loop gets
    round to it shares one.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._is_called = False

    def put(self, take: Callable[[Any], None], value: Any) -> None:
        """Have `take(value)` called soon. From any thread; `take` must not raise."""
        self._waiting.append((take, value))
        if not self._is_called:
            self._is_called = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop is closed: there is nobody left to tell
                self._waiting.clear()

    def _deliver(self) -> None:
        # What is put in from here on either is taken below or calls again.
        self._is_called = False
        waiting = self._waiting
        while waiting:
            take, value = waiting.popleft()
            take(value)
