"""How the engine batches, remembers and refuses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Bounds of an engine; the defaults suit one process on two cores.

    Attributes
    ----------
    max_batch : int
        Events from which a batch waits for no more; a larger request goes alone.
    max_queue : int
        Events that may wait; more are refused as busy.
    cache : int
        Entities whose state is kept in memory besides the store, about 1.5 kB each.
    snapshot_every : int
        Events of an entity between two states that are kept to go back to.
    max_replay : int
        Most events that are gone through again for one late event; an event that is later than
        that is refused.
    keep_events : int or None
        Most recent events of an entity that its log keeps, at least; None keeps all. Ids older
        than that are no longer known.
    ttl_s : float or None
        Seconds without an event after which an entity is forgotten.
    entities_per_tenant : int or None
    max_ahead_s : float
        Seconds that an event may lie ahead of the server's clock: one far ahead would make all
        that follow it late.
    """

    max_batch: int = 2048
    max_queue: int = 20_000
    cache: int = 100_000
    snapshot_every: int = 100
    max_replay: int = 2_000
    keep_events: int | None = None
    ttl_s: float | None = None
    entities_per_tenant: int | None = None
    max_ahead_s: float = 86_400.0
