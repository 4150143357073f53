"""Which shards this process writes to, and who has the others."""

from __future__ import annotations

import time
from collections.abc import Callable

from cellstate.errors import FencedError
from cellstate.serve.stores.store import AbstractStore, shard_of


class Ownership:
    """Shards held by this process, kept by renewing their leases.

    Parameters
    ----------
    store : AbstractStore
    address : str
        At which this process can be reached.
    share : (int, int)
        This process' place among how many: it prefers every n-th shard, which it takes even from
        another that stood in for it, and stands in itself where an owner is gone.
    lease_s : float
    """

    def __init__(
        self,
        store: AbstractStore,
        address: str,
        share: tuple[int, int] = (0, 1),
        lease_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self.address, self.lease_s = store, address, lease_s
        self._share, self._clock = share, clock
        self._owned: frozenset[int] = frozenset()
        self._due = 0.0
        self.changes = 0  # how often this process has gained or lost shards

    @property
    def owned(self) -> frozenset[int]:
        """The shards that this process writes to, as far as it knows."""
        return self._owned

    def begin(self) -> None:
        """Take the preferred shards.

        Raises
        ------
        FencedError
            This process should have all of them, and another has one.
        """
        place, count = self._share
        for shard in range(self._store.shards):
            if shard % count == place:
                self._store.own(shard, self.address, lease_s=self.lease_s, take_over=count > 1)
                self._owned |= {shard}
        self._due = self._clock() + self.lease_s / 3

    def tend(self) -> None:
        """Renew the leases when they are due, and stand in for owners that are gone."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + self.lease_s / 3
        try:
            self._store.renew(self.lease_s)
        except FencedError:
            self.check()
        for shard in set(range(self._store.shards)) - self._owned:
            if self._store.holder(shard) is None:
                self._stand_in(shard)

    def check(self) -> None:
        """Find out which shards others have taken."""
        self._owned = frozenset(
            shard for shard in self._owned if self._store.holder(shard) == self.address
        )
        self.changes += 1

    @property
    def is_partial(self) -> bool:
        """Whether there are shards of others."""
        return len(self._owned) < self._store.shards

    def shard(self, tenant: str, name: str) -> int:
        """Say where an entity belongs."""
        return shard_of(tenant, name, self._store.shards)

    def has(self, tenant: str, name: str) -> bool:
        """Whether this process writes to an entity's shard."""
        return self.shard(tenant, name) in self._owned

    def _stand_in(self, shard: int) -> None:
        try:
            self._store.own(shard, self.address, lease_s=self.lease_s)
        except FencedError:
            return  # another was quicker
        self._owned |= {shard}
        self.changes += 1
