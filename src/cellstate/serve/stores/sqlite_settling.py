"""Moving what was appended to where it is found by key: sorted, and a piece with each commit."""

from __future__ import annotations

from itertools import islice
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellstate.serve.stores.sqlite_recent import (
    NO_ID,
    Generation,
    NewEvents,
    NewHead,
    Recent,
    hash_of,
)

GENERATION = 100_000  # events or heads from which a generation is moved
PACE = 1.5  # moved for each that comes
AT_LEAST, AT_MOST = 256, 8192  # moved at a time: pages are shared, and commits stay short
_ROWS_AT_ONCE = 10_000

Numbers = NDArray[np.int64]


class Progress(NamedTuple):
    """How many events, entities and states of a generation were moved."""

    events: int = 0
    entities: int = 0
    states: int = 0


class Plan:
    """A generation in the order in which it is moved: of keys, so that pages are met once."""

    def __init__(self, old: Generation) -> None:
        self.old = old
        self.order = old.in_order()
        self.entities = sorted(old.entities.items())
        self.states = sorted(old.states.items())
        self.end = Progress(len(self.order), len(self.entities), len(self.states))
        self.done = Progress()

    def after(self, count: int) -> Progress:
        """Say how far things are when so many more were moved."""
        share = count / max(*self.end, 1)
        return Progress(
            *(
                min(end, done + ceil(share * end))
                for done, end in zip(self.done, self.end, strict=True)
            )
        )


class Settling:
    """Moves the old generation of `Recent`, a piece in each transaction.

    The table ``settling`` says up to which rows all was moved. How far the old generation is does
    not stand there: after a crash it is moved again from its beginning, which changes nothing.

    Parameters
    ----------
    db : apsw.Connection
    recent : Recent
        As `read_recent` gave it.
    """

    def __init__(self, db: Any, recent: Recent) -> None:
        self._db, self._recent = db, recent
        self._plan: Plan | None = None
        self._ends = (0, 0)  # of the old generation: its last event's row, and its last head's
        self._swept = db.execute("SELECT heads_upto FROM settling").get
        self._credit = 0.0
        self._moved: Progress | None = None
        self._sweeping: int | None = None

    def write(self, count: int) -> None:
        """Move a piece, inside a transaction that brings `count` events or heads."""
        self._moved = self._sweeping = None
        self._credit += PACE * count
        if self._credit < AT_LEAST:
            return
        amount = min(int(self._credit), AT_MOST)
        if self._plan is not None:
            self._moved = self._plan.after(amount)
            _move(self._db, self._plan, self._moved)
            if self._moved == self._plan.end:
                self._db.execute("UPDATE settling SET log_upto = ?, heads_upto = ?", self._ends)
        elif self._recent.first_head <= self._swept:
            self._sweeping = min(self._swept, self._recent.first_head + 2 * amount)
            self._db.execute("DELETE FROM heads WHERE row <= ?", (self._sweeping,))

    def write_all(self) -> None:
        """Move everything, inside a transaction."""
        self._moved = self._sweeping = None
        for one in reversed(self._recent.generations):
            plan = Plan(one)
            _move(self._db, plan, plan.end)
        recent = self._recent
        self._db.execute(
            "UPDATE settling SET log_upto = ?, heads_upto = ?",
            (recent.next_row - 1, recent.next_head - 1),
        )

    def wrote(self) -> None:
        """Take note that the transaction was committed."""
        recent = self._recent
        if self._moved is not None and self._plan is not None:
            self._credit = 0.0
            self._plan.done = self._moved
            if self._moved == self._plan.end:
                recent.old = self._plan = None
                self._swept = self._ends[1]
        elif self._sweeping is not None:
            self._credit = 0.0
            recent.sweep_heads(self._sweeping + 1)
        self._moved = self._sweeping = None
        is_idle = self._plan is None and recent.first_head > self._swept
        if is_idle and max(len(recent.new.rows), recent.new.heads) >= GENERATION:
            recent.old, recent.new = recent.new, Generation()
            self._ends = recent.next_row - 1, recent.next_head - 1
            self._plan = Plan(recent.old)

    def wrote_all(self) -> None:
        """Take note that a transaction that moved everything was committed."""
        recent = self._recent
        self._plan, recent.old, recent.new = None, None, Generation()
        self._swept = recent.next_head - 1


def read_recent(db: Any) -> Recent:
    """Find out what was not moved."""
    log_upto, heads_upto = db.execute("SELECT log_upto, heads_upto FROM settling").get
    last = db.execute("SELECT max(row) FROM log").get or 0
    first = db.execute("SELECT min(row) FROM heads").get or heads_upto + 1
    recent = Recent(max(last, log_upto) + 1, first)
    events = db.execute(
        "SELECT row, key, time, seq, id, quarantined FROM log WHERE row > ? ORDER BY row",
        (log_upto,),
    )
    while rows := list(islice(events, _ROWS_AT_ONCE)):
        row, key, time, seq, id, kind = zip(*rows, strict=True)
        recent.new.add_events(NewEvents(row, key, time, seq, list(map(hash_of, id)), kind))
    heads = db.execute(
        "SELECT row, place, row > ? AND ended IS NOT NULL, row > ? AND state IS NOT NULL"
        " FROM heads ORDER BY row",
        (heads_upto, heads_upto),
    )
    while rows := list(islice(heads, _ROWS_AT_ONCE)):
        recent.add_heads([NewHead(*row) for row in rows])
    recent.next_head = max(recent.next_head, heads_upto + 1)
    return recent


def _move(db: Any, plan: Plan, upto: Progress) -> None:
    old, done = plan.old, plan.done
    numbers = [n for n in plan.order[done.events : upto.events].tolist() if old.rows[n]]
    keys, times, seqs, rows, hashes = (
        [column[n] for n in numbers]
        for column in (old.keys, old.times, old.seqs, old.rows, old.hashes)
    )
    db.executemany(
        "INSERT OR IGNORE INTO log_order VALUES (?, ?, ?, ?)",
        zip(keys, times, seqs, rows, strict=True),
    )
    ids = zip(keys, hashes, rows, strict=True)
    db.executemany(
        "INSERT OR IGNORE INTO log_ids VALUES (?, ?, ?)",
        sorted(one for one in ids if one[1] != NO_ID),
    )
    db.executemany(
        "UPDATE entities SET (ended, version, seq, time, touched)"
        " = (SELECT ended, version, seq, time, touched FROM heads WHERE row = ?2) WHERE key = ?1",
        plan.entities[done.entities : upto.entities],
    )
    db.executemany(
        "INSERT OR REPLACE INTO states"
        " SELECT place, state_seq, crc, state FROM heads WHERE row = ?2 AND place = ?1",
        plan.states[done.states : upto.states],
    )
