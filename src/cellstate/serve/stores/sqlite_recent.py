"""What was committed lately and has no place in the indexes yet: where it lies in the file.

An event of one of very many entities changes a page of every index, and writing pages is what a
commit costs. So commits only append: events to the table ``log``, states and entities to ``heads``.
Which rows are whose is kept here, in memory, for the last hundred thousand; then they are moved,
sorted, so that a page takes in all its news at once (`sqlite_settling`). After a crash all of this
is read from the file again.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from cellstate.serve.stores.store import Position

VERSION_BITS = 16
NO_ID = -1
_NONE, _GONE = -1, 0
_MASK = (1 << VERSION_BITS) - 1
_SHORT = 64  # events of an entity that are followed one by one

Index = tuple[int, int, int]
"""(time, seq, row) of an event in the table ``log``."""


class NewEvents(NamedTuple):
    """Columns of events that were appended."""

    rows: Sequence[int]
    keys: Sequence[int]
    times: Sequence[int]
    seqs: Sequence[int]
    hashes: Sequence[int]
    kinds: Sequence[int]


class NewHead(NamedTuple):
    """A row of ``heads``: an entity's values, its state in a version, or both."""

    row: int
    place: int
    has_entity: bool
    has_state: bool


class Asked(NamedTuple):
    """Which events of an entity are asked for, see `AbstractStore.log`."""

    after: Position | None = None
    limit: int | None = None
    newest_first: bool = False
    kind: int | None = None


def hash_of(id: str | None) -> int:
    """Shorten an id to 32 bits; ids of the same hash are told apart by their text.

    Examples
    --------
    >>> hash_of(None), hash_of("a") == hash_of("b")
    (-1, False)
    """
    return NO_ID if id is None else crc32(id.encode())


class Generation:
    """Events and heads that are moved together.

    Attributes
    ----------
    rows, keys, times, seqs, hashes, kinds : array
        Of its events, in the order of arrival; the row of one that was removed is 0, and the kind
        of one that was quarantined 1.
    entities : dict of int to int
        Row of an entity's newest values, by key.
    states : dict of int to int
        Row of a newest state, by place.
    heads : int
        How many rows of ``heads`` it has.

    Notes
    -----
    About 220 bytes for an event, and 300 for an entity.
    """

    def __init__(self) -> None:
        self.rows, self.keys, self.times = array("q"), array("q"), array("q")
        self.seqs, self.hashes, self.kinds = array("q"), array("q"), array("b")
        self.entities: dict[int, int] = {}
        self.states: dict[int, int] = {}
        self.heads = 0
        # Of each key the number of its last event here, and of each event the one before it
        self._last: dict[int, int] = {}
        self._before = array("q")
        self._by_hash: dict[int, int] = {}
        self._twins: dict[int, list[int]] = {}

    def add_events(self, new: NewEvents) -> None:
        """Append events."""
        first = len(self.rows)
        self.rows.extend(new.rows)
        self.keys.extend(new.keys)
        self.times.extend(new.times)
        self.seqs.extend(new.seqs)
        self.hashes.extend(new.hashes)
        self.kinds.extend(new.kinds)
        last, before, by_hash = self._last, self._before, self._by_hash
        for number, (key, hash) in enumerate(zip(new.keys, new.hashes, strict=True), first):
            before.append(last.get(key, _NONE))
            last[key] = number
            if hash != NO_ID:
                mark = key << 32 | hash
                if by_hash.setdefault(mark, number) != number:
                    self._twins.setdefault(mark, []).append(number)

    def add_heads(self, heads: Iterable[NewHead]) -> None:
        """Note newer values."""
        for row, place, has_entity, has_state in heads:
            self.heads += 1
            if has_entity:
                self.entities[place >> VERSION_BITS] = row
            if has_state:
                self.states[place] = row

    def events(self, key: int, asked: Asked) -> list[Index]:
        """Give where an entity's events lie."""
        numbers = np.array(self._numbers(key), np.intp)
        if not len(numbers):
            return []
        times, seqs, rows, kinds = (
            _taken(column, numbers) for column in (self.times, self.seqs, self.rows, self.kinds)
        )
        is_asked = rows != _GONE
        if asked.kind is not None:
            is_asked &= kinds == asked.kind
        if (after := asked.after) is not None:
            ahead = times < after.time if asked.newest_first else times > after.time
            later = seqs < after.seq if asked.newest_first else seqs > after.seq
            is_asked &= ahead | (times == after.time) & later
        times, seqs, rows = times[is_asked], seqs[is_asked], rows[is_asked]
        order = np.lexsort((seqs, times))
        chosen = (order[::-1] if asked.newest_first else order)[: asked.limit]
        return list(zip(*(c[chosen].tolist() for c in (times, seqs, rows)), strict=True))

    def rows_of(self, key: int, hash: int) -> list[int]:
        """Give the rows of an entity's events whose id has a hash."""
        mark = key << 32 | hash
        number = self._by_hash.get(mark)
        if number is None:
            return []
        numbers = [number, *self._twins.get(mark, ())]
        return [row for n in numbers if (row := self.rows[n]) != _GONE]

    def cut(self, key: int, upto: Position) -> None:
        """Remove an entity's events up to and with a position."""
        for number in self._numbers(key):
            if (self.times[number], self.seqs[number]) <= upto:
                self.rows[number] = _GONE

    def drop(self, keys: frozenset[int]) -> None:
        """Remove entities wholly."""
        for key in keys:
            for number in self._numbers(key):
                self.rows[number] = _GONE
            self._last.pop(key, None)
            self.entities.pop(key, None)
        for place in [place for place in self.states if place >> VERSION_BITS in keys]:
            del self.states[place]

    def in_order(self) -> NDArray[np.intp]:
        """Sort the events by key, time and arrival; gives their numbers."""
        return np.lexsort([_numpy(column) for column in (self.seqs, self.times, self.keys)])

    def _numbers(self, key: int) -> Sequence[int]:
        found: list[int] = []
        number = self._last.get(key, _NONE)
        while number != _NONE:
            found.append(number)
            if len(found) > _SHORT:  # one pass over all is quicker
                return np.flatnonzero(_numpy(self.keys) == key).tolist()
            number = self._before[number]
        return found


class Recent:
    """The generation that is being moved, and the one that grows.

    Attributes
    ----------
    old : Generation or None
    new : Generation
    lock : threading.Lock
        Held while a commit ends and this follows, and by others while they read: then the file and
        this are of one moment.
    next_row, next_head : int
        Where the next event and the next head go.
    first_head : int
        The first row of ``heads`` that there may be.
    versions : set of int
        Of the states.
    """

    def __init__(self, next_row: int = 1, first_head: int = 1) -> None:
        self.lock = threading.Lock()
        self.old: Generation | None = None
        self.new = Generation()
        self.next_row, self.next_head, self.first_head = next_row, first_head, first_head
        self.versions: set[int] = set()
        self._places = array("q")  # of the rows of ``heads``

    @property
    def generations(self) -> list[Generation]:
        """The newer one first."""
        return [self.new] if self.old is None else [self.new, self.old]

    def entity_row(self, key: int) -> int | None:
        """Give the row of an entity's newest values."""
        row = self.new.entities.get(key)
        return self.old.entities.get(key) if row is None and self.old is not None else row

    def state_row(self, place: int) -> int | None:
        """Give the row of a newest state."""
        row = self.new.states.get(place)
        return self.old.states.get(place) if row is None and self.old is not None else row

    def events(self, key: int, asked: Asked) -> list[Index]:
        """Give where an entity's events lie."""
        found = self.new.events(key, asked)
        if self.old is None or not (older := self.old.events(key, asked)):
            return found
        return sorted([*older, *found], reverse=asked.newest_first)[: asked.limit]

    def rows_of(self, key: int, hash: int) -> list[int]:
        """Give the rows of an entity's events whose id has a hash."""
        found = self.new.rows_of(key, hash)
        return found if self.old is None else [*found, *self.old.rows_of(key, hash)]

    def add_heads(self, heads: Sequence[NewHead]) -> None:
        """Note newer values, and whose rows these are."""
        self.new.add_heads(heads)
        self.versions.update(head.place & _MASK for head in heads if head.has_state)
        for head in heads:
            missing = head.row - self.first_head - len(self._places)
            self._places.extend([_NONE] * missing)
            self._places.append(head.place)
            self.next_head = head.row + 1

    def head_rows(self, keys: frozenset[int]) -> list[int]:
        """Give all rows of ``heads`` that hold something of some entities, however old."""
        found = np.isin(_numpy(self._places) >> VERSION_BITS, list(keys))
        return (np.flatnonzero(found) + self.first_head).tolist()

    def sweep_heads(self, before: int) -> None:
        """Forget about rows of ``heads`` before one: they are gone."""
        del self._places[: before - self.first_head]
        self.first_head = before


def _numpy(column: array[int]) -> NDArray[np.int64]:
    """Copy: an array that something looks at cannot grow."""
    return np.array(column, np.int64)


def _taken(column: array[int], numbers: NDArray[np.intp]) -> NDArray[np.int64]:
    if len(numbers) > _SHORT:
        return _numpy(column)[numbers]
    return np.array([column[number] for number in numbers.tolist()], np.int64)
