"""What a store is to the server: entities, their states and their log, committed together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cellstate.runtime.phases import Phase


@dataclass(slots=True)
class Entity:
    """One thing with a memory: a patient, a sensor, a listener.

    Attributes
    ----------
    key : int
        Its number in the store, from `AbstractStore.new_keys`.
    tenant, name : str
        Together unique; those of a key never change.
    phase : {"live", "ended"}
        Of `runtime.phases`.
    version : int
        The model that gives its answers.
    seq : int
        Arrival number of its last event; the first is 1. Quarantined events count.
    time : int
        Microseconds of the latest event that was applied.
    touched : int
        Microseconds since 1970 of the last commit, by the server's clock.
    """

    key: int
    tenant: str
    name: str
    phase: Phase
    version: int
    seq: int
    time: int
    touched: int

    def copy(self) -> Entity:
        """Give another of the same; `dataclasses.replace` takes four times as long."""
        return Entity(
            self.key,
            self.tenant,
            self.name,
            self.phase,
            self.version,
            self.seq,
            self.time,
            self.touched,
        )


class StateRow(NamedTuple):
    """What a version of the model remembers of an entity after its event `seq`."""

    key: int
    version: int
    seq: int
    state: bytes


class Logged(NamedTuple):
    """One event of the log. `data` and the answers are JSON.

    Attributes
    ----------
    key : int
        Of the entity.
    seq : int
        Arrival number, unique within the entity.
    id : str or None
        Given by the sender, unique within the entity.
    time : int
        Microseconds. Applied events count in the order of (time, seq).
    status : {"applied", "quarantined"}
        A quarantined event never touched a state; its answer is the reason.
    begins : bool
        Whether the state was made anew before this event.
    data : bytes
    answer : bytes
        What was answered first, and is answered again to the same id.
    revised : bytes or None
        What would be answered since a late event came in between.
    """

    key: int
    seq: int
    id: str | None
    time: int
    status: str
    begins: bool
    data: bytes
    answer: bytes
    revised: bytes | None = None


class Position(NamedTuple):
    """A place in an entity's order of events: after the event (time, seq)."""

    time: int
    seq: int


class Snapshot(NamedTuple):
    """A state kept to go back to, of an entity right after the event at a position."""

    key: int
    version: int
    position: Position
    state: bytes


class Held(NamedTuple):
    """An entity with its newest state in each version that has one."""

    entity: Entity
    states: dict[int, StateRow]


class Version(NamedTuple):
    """A model that the store has states of.

    Attributes
    ----------
    number : int
        1 for the first.
    fingerprint : str
        `AbstractStream.fingerprint`.
    folder : str
        Where it was loaded from.
    role : {"current", "next", "retired"}
        Exactly one is current: new entities get its answers.
    """

    number: int
    fingerprint: str
    folder: str
    role: str


@dataclass(slots=True)
class Work:
    """All that one transaction writes, applied in the order of these fields.

    Attributes
    ----------
    forget : list of int
        Entities of which nothing may be left, in any table.
    entities : list of Entity
        Inserted, or replaced by key.
    events : list of Logged
        Appended.
    revised : list of (key, seq, answer)
        Later answers to events of the log.
    undone : list of (key, position)
        Snapshots of the entity, in every version, after this position are deleted.
    snapshots : list of Snapshot
        Inserted, or replaced by (key, version, position).
    states : list of StateRow
        Inserted, or replaced by (key, version).
    trimmed : list of (key, position)
        Events and snapshots of the entity up to and with this position are deleted.
    """

    forget: list[int] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    events: list[Logged] = field(default_factory=list)
    revised: list[tuple[int, int, bytes]] = field(default_factory=list)
    undone: list[tuple[int, Position]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    states: list[StateRow] = field(default_factory=list)
    trimmed: list[tuple[int, Position]] = field(default_factory=list)


class AbstractStore(ABC):
    """Where entities live. Used by one thread at a time, the writer's; `reader` gives others.

    Entities are spread over shards by `shard_of`. To write to a shard a process must own it: owning
    gives a fencing token, larger than all before, and every commit checks under the transaction's
    lock that the token is still the shard's. So of two processes that both believe to be the owner
    only the later one can write.

    Every method raises `StoreError` where the store cannot be read or written; `commit` then has
    written nothing, or everything if the failure hit only the reply: the caller must treat the
    outcome as unknown, drop what it holds in memory and read again.
    """

    shards: int

    @abstractmethod
    def own(self, shard: int, holder: str, *, lease_s: float, take_over: bool = False) -> int:
        """Become the owner of a shard and get its fencing token.

        Parameters
        ----------
        shard : int
            Below `shards`.
        holder : str
            Address at which the owner can be reached, shown to others.
        lease_s : float
            Seconds after which others may take the shard unless `renew` is called.
        take_over : bool
            Take it even if another holds it.

        Raises
        ------
        FencedError
            Another holder has it and its lease is not over; the message names the holder.
        """

    @abstractmethod
    def renew(self, lease_s: float) -> None:
        """Prolong all leases.

        Raises
        ------
        FencedError
            A shard was taken by another.
        """

    @abstractmethod
    def release(self) -> None:
        """Give up all shards that are still owned."""

    @abstractmethod
    def holder(self, shard: int) -> str | None:
        """Give the address of a shard's owner; None where there is none or its lease is over."""

    @abstractmethod
    def new_keys(self, count: int) -> range:
        """Hand out numbers for new entities, never given before."""

    @abstractmethod
    def load(self, names: Sequence[tuple[str, str]]) -> list[Held | None]:
        """Find entities by (tenant, name), in the order asked for."""

    @abstractmethod
    def answered(self, ids: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Logged]:
        """Find logged events by (entity's key, event's id)."""

    @abstractmethod
    def commit(self, work: Work) -> None:
        """Write everything in one transaction and flush it to disk before returning.

        Raises
        ------
        FencedError
            A shard of one of the entities is no longer owned; nothing was written.
        StoreError
            See the class.
        """

    @abstractmethod
    def log(
        self,
        key: int,
        *,
        after: Position | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        status: str | None = None,
    ) -> list[Logged]:
        """Read an entity's events in the order of (time, seq), or against it.

        Parameters
        ----------
        key : int
        after : Position, optional
            Begin behind this place, in the direction of reading.
        limit : int, optional
            Most events to give.
        newest_first : bool
        status : str, optional
            Only events of this status.
        """

    @abstractmethod
    def snapshot(self, key: int, version: int, before: Position) -> Snapshot | None:
        """Find the last snapshot whose position is before the given one."""

    @abstractmethod
    def entities(
        self, *, tenant: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Entity]:
        """List entities in the order of their keys, those with a key above `after`."""

    @abstractmethod
    def count(self, tenant: str | None = None) -> int:
        """Count entities."""

    @abstractmethod
    def idle(self, before: int, limit: int) -> list[Entity]:
        """List entities of owned shards that were last touched before a time, in microseconds.

        A call looks at a part of a large store, and the next one at the part after it: it takes a
        few milliseconds, and calls in a row come past all entities.
        """

    @abstractmethod
    def versions(self) -> list[Version]:
        """List the models that the store knows, by number."""

    @abstractmethod
    def set_versions(self, versions: Sequence[Version]) -> None:
        """Replace the list of models, in one transaction; states of those left out are deleted."""

    @abstractmethod
    def reader(self) -> AbstractStore:
        """Open a second, read-only door for another thread; closing it leaves this one open."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections; owned shards are released."""


def shard_of(tenant: str, name: str, shards: int) -> int:
    """Say to which shard an entity belongs; the same on every machine and in every release.

    Examples
    --------
    >>> shard_of("", "sensor-1", 1)
    0
    >>> shard_of("", "sensor-1", 64) == shard_of("", "sensor-1", 64)
    True
    """
    if shards == 1:
        return 0
    from hashlib import blake2b

    digest = blake2b(f"{tenant}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards
