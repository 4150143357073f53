"""Entities in memory: a bounded cache in front of the store, and working copies of a turn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from cellstate.serve.stores.store import AbstractStore, Entity, Held, StateRow

Name = tuple[str, str]
"""Tenant and entity."""


class Memory:
    """The most recently used entities, as the store holds them.

    Parameters
    ----------
    store : AbstractStore
    most : int
        Entities to keep.
    """

    def __init__(self, store: AbstractStore, most: int) -> None:
        self._store = store
        self._most = most
        self._held: OrderedDict[Name, Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def fetch(self, names: Iterable[Name]) -> dict[Name, Held | None]:
        """Find entities, in memory or else in the store, in order; None for those that are new."""
        held = self._held
        found: dict[Name, Held | None] = {}
        missing: list[Name] = []
        for name in names:
            if name in held:
                held.move_to_end(name)
                found[name] = held[name]
            else:
                found[name] = None
                missing.append(name)
        if missing:
            for name, loaded in zip(missing, self._store.load(missing), strict=True):
                found[name] = loaded
                if loaded is not None:
                    self.keep(name, loaded)
        return found

    def keep(self, name: Name, held: Held) -> None:
        """Remember what was committed."""
        self._held[name] = held
        self._held.move_to_end(name)
        while len(self._held) > self._most:
            self._held.popitem(last=False)

    def refresh(self, name: Name, held: Held) -> None:
        """Replace what is remembered of an entity, if anything is."""
        if name in self._held:
            self._held[name] = held

    def drop(self, names: Iterable[Name]) -> None:
        """Forget what the store may hold otherwise by now."""
        for name in names:
            self._held.pop(name, None)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()


class Working:
    """An entity during a turn: what the store will hold once the turn is committed.

    Attributes
    ----------
    entity : Entity
        A copy that may be changed.
    states : dict of int to StateRow
        By version.
    exists : bool
        Whether the store knows the entity already, or will after this turn.
    is_new : bool
        Whether this turn makes it.
    is_dirty : bool
        Whether this turn changed it.
    """

    __slots__ = ("entity", "exists", "is_dirty", "is_new", "states")

    def __init__(self, entity: Entity, states: dict[int, StateRow], exists: bool) -> None:
        self.entity = entity
        self.states = states
        self.exists = exists
        self.is_new = not exists
        self.is_dirty = False

    @classmethod
    def of(cls, held: Held) -> Working:
        """Copy what the cache holds."""
        return cls(held.entity.copy(), dict(held.states), exists=True)

    def is_in(self, version: int) -> bool:
        """Whether a version has seen all of the entity's events."""
        state = self.states.get(version)
        return state is not None and state.seq == self.entity.seq

    def held(self) -> Held:
        """Give what the cache shall hold after the commit."""
        return Held(self.entity, self.states)
