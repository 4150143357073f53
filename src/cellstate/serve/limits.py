"""How much each tenant may ask for."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable

_MOST_TENANTS = 100_000  # buckets in memory; a full one is as good as none


class Rate:
    """A bucket of tokens for each tenant, filled at an even rate.

    A call is let in while its tenant's bucket is not empty, and then takes as many tokens as it
    brings events, if need be on credit: so a bulk is as good as many single calls, and never too
    large to get in at all.

    Parameters
    ----------
    per_second : float or None
        None: no limit.
    burst_s : float
        Seconds of tokens that a bucket holds.
    clock : callable
        Seconds.

    Examples
    --------
    >>> now = [0.0]
    >>> rate = Rate(10, burst_s=1, clock=lambda: now[0])
    >>> rate.take("a", 12), rate.take("a")
    (0.0, 0.2)
    >>> now[0] = 0.3
    >>> rate.take("a"), rate.take("b")
    (0.0, 0.0)
    """

    def __init__(
        self,
        per_second: float | None,
        burst_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = per_second
        self._most = max(1.0, (per_second or 0.0) * burst_s)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, tenant: str, count: int = 1) -> float:
        """Take tokens; returns 0, or the seconds to wait if there was none and none was taken."""
        if self._rate is None:
            return 0.0
        now = self._clock()
        left, at = self._left.get(tenant, (self._most, now))
        left = min(self._most, left + (now - at) * self._rate)
        if left <= 0.0:
            self._left[tenant] = left, now
            return round(max(-left / self._rate, 1e-3), 3)
        self._left[tenant] = left - count, now
        self._left.move_to_end(tenant)
        if len(self._left) > _MOST_TENANTS:
            self._left.popitem(last=False)
        return 0.0

    def owe(self, tenant: str, count: int) -> None:
        """Take tokens for what turned out to be more than one event, on credit."""
        if self._rate is not None and count > 0:
            left, at = self._left.get(tenant, (self._most, self._clock()))
            self._left[tenant] = left - count, at


class Seats:
    """How many long-lived connections each tenant has open.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """All that are open."""
        return self._taken.total()

    def take(self, tenant: str) -> bool:
        """Take a seat, if there is one left."""
        if self._taken[tenant] >= self._most:
            return False
        self._taken[tenant] += 1
        return True

    def leave(self, tenant: str) -> None:
        """Give a seat back."""
        self._taken[tenant] -= 1
        if not self._taken[tenant]:
            del self._taken[tenant]
