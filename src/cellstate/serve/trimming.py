"""Memory that was freed in pieces, given back to the system now and then."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

EVERY_S = 30.0


class Trimming:
    """Gives free memory back, where the C library knows how to (glibc does).

    Pages of the store come and go among smaller pieces that stay. What lies free between those is
    used again, but never all of it, so the process would hold more than it uses.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._clock = clock
        self._due = clock() + EVERY_S

    def tend(self) -> None:
        """Do it if it is due; it takes some milliseconds."""
        if self._trim is not None and self._clock() >= self._due:
            self._trim(0)
            self._due = self._clock() + EVERY_S
