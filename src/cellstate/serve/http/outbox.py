"""Messages that wait for a slow connection, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque


class Outbox:
    """What is to be sent on one connection, in order. Used in the event loop alone.

    Parameters
    ----------
    most : int
        Messages that may wait; with one more the connection counts as too slow.

    Attributes
    ----------
    is_over : bool
        Whether it was too slow; nothing is kept any more.
    is_closed : bool
        Whether nothing more will come.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._change = asyncio.Event()
        self.is_over = False
        self.is_closed = False

    def put(self, message: bytes) -> None:
        """Add a message."""
        if self.is_closed or self.is_over:
            return
        if len(self._waiting) >= self._most:
            self.is_over = True
            self._waiting.clear()
        else:
            self._waiting.append(message)
        self._change.set()

    def close(self) -> None:
        """Say that no more will come; what waits is still sent."""
        self.is_closed = True
        self._change.set()

    async def take(self, patience_s: float | None = None) -> bytes | None:
        """Wait for the next message; None if none came in time, or none will come."""
        if not self._waiting and not self.is_closed and not self.is_over:
            self._change.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._change.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft() if self._waiting else None
