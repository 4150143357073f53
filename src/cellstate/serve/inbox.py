"""The bounded queue between those who ask and the one writer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cellstate.errors import BusyError, DrainingError, explain
from cellstate.serve.events import Incoming, Outcome


@dataclass(slots=True)
class Pushed:
    """Events of one request; `done` gets one outcome for each."""

    tenant: str
    events: Sequence[Incoming]
    done: Callable[[list[Outcome]], None]

    @property
    def weight(self) -> int:
        """How many events it is."""
        return len(self.events)


@dataclass(slots=True)
class Asked:
    """Something that the writer does between two batches.

    `run` may raise `StoreError`; either way it has answered whoever asked.
    """

    run: Callable[[], None]
    weight: int = 1


class Inbox:
    """What waits, in order of arrival; many put, one takes.

    Parameters
    ----------
    most : int
        Events that may wait.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Pushed | Asked] = deque()
        self._change = threading.Condition()
        self.is_closed = False
        self.depth = 0  # events that wait
        self.pace = 5_000.0  # events a second, as the writer last measured it

    def put(self, item: Pushed | Asked) -> None:
        """Queue something.

        Raises
        ------
        BusyError
            Too much waits already; an empty queue takes anything.
        DrainingError
            The queue is closed.
        """
        weight = item.weight
        with self._change:
            if self.is_closed:
                must, given = "the server must be taking events", "one that is about to stop"
                do = "Send them again in a moment, with the same ids"
                raise DrainingError(explain("serve", must, given, do), 1.0)
            if self.depth and self.depth + weight > self._most:
                must = f"at most {self._most} events may wait"
                given, do = f"{self.depth + weight}", "Send them again later, with the same ids"
                raise BusyError(explain("serve", must, given, do), self.depth / self.pace)
            self._waiting.append(item)
            self.depth += weight
            self._change.notify()

    def take(self, most: int, timeout_s: float) -> list[Pushed] | Asked | None:
        """Take requests of about `most` events together, or one thing asked; None if none came.

        Returns
        -------
        list of Pushed, Asked or None
            An empty list when the queue is closed and empty.
        """
        with self._change:
            if not self._waiting and not self.is_closed:
                self._change.wait(timeout_s)
            if not self._waiting:
                return [] if self.is_closed else None
            first = self._waiting[0]
            if isinstance(first, Asked):
                self._waiting.popleft()
                self.depth -= first.weight
                return first
            taken: list[Pushed] = []
            weight = 0
            while self._waiting:
                item = self._waiting[0]
                if isinstance(item, Asked) or (taken and weight + item.weight > most):
                    break
                self._waiting.popleft()
                taken.append(item)
                weight += item.weight
            self.depth -= weight
            return taken

    def close(self) -> None:
        """Take nothing new; what waits can still be taken."""
        with self._change:
            self.is_closed = True
            self._change.notify()
