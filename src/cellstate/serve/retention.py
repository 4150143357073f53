"""What is kept no longer: events beyond the log's length, entities that fell silent."""

from __future__ import annotations

from collections.abc import Iterable

from cellstate.serve.settings import Settings
from cellstate.serve.stores.store import AbstractStore, Entity, Position, Work

SWEEP_US = 1_000_000  # between two looks for idle entities
AT_ONCE = 500


class Retention:
    """Finds what is due to go."""

    def __init__(self, store: AbstractStore, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._long: dict[int, int] = {}  # entities whose log may be too long: key to version
        self._looked: dict[int, int] = {}  # the event at which each was last looked at
        self._swept = 0
        keep = settings.keep_events
        self._every = 0 if keep is None else max(settings.snapshot_every, keep // 2)

    def note(self, entity: Entity) -> None:
        """Remember an entity whose log has grown enough to be cut."""
        keep = self._settings.keep_events
        if keep is None or entity.seq <= keep:
            return
        if entity.seq - self._looked.get(entity.key, 0) >= self._every:
            self._long[entity.key] = entity.version
            self._looked.pop(entity.key, None)
            self._looked[entity.key] = entity.seq  # the latest last
            if len(self._looked) > self._settings.cache:
                del self._looked[next(iter(self._looked))]

    def drop(self, keys: Iterable[int]) -> None:
        """Know no more of entities that are forgotten."""
        for key in keys:
            self._long.pop(key, None)
            self._looked.pop(key, None)

    def due(self, now: int) -> tuple[Work, list[Entity]]:
        """Give the work that is due at a time, and the entities that it forgets.

        A log is cut at a kept state, never between two: from there on late events can be taken in.
        """
        work = Work()
        keep = self._settings.keep_events
        if keep is not None:
            for key in list(self._long)[:AT_ONCE]:
                version = self._long.pop(key)
                newest = self._store.log(key, limit=keep + 1, newest_first=True)
                if len(newest) > keep:
                    last = newest[-1]
                    behind = Position(last.time, last.seq + 1)
                    kept = self._store.snapshot(key, version, behind)
                    if kept is not None:  # it stays, with its event; what is before it goes
                        time, seq = kept.position
                        work.trimmed.append((key, Position(time, seq - 1)))
        gone: list[Entity] = []
        if self._settings.ttl_s is not None and now - self._swept >= SWEEP_US:
            before = now - int(self._settings.ttl_s * 1e6)
            gone = self._store.idle(before, AT_ONCE)
            work.forget.extend(one.key for one in gone)
            if len(gone) < AT_ONCE:
                self._swept = now
        return work, gone
