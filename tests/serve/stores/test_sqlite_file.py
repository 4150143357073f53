"""What a SQLite store does with its file: whose it is, what is in it, what a kill leaves."""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cellstate.errors import FencedError, StoreError
from cellstate.serve.stores import open_store, sqlite_file
from cellstate.serve.stores.sqlite import SqliteStore
from cellstate.serve.stores.store import Position, Snapshot, StateRow, Work
from tests.serve.stores.rows import entity, event, filled, seqs

pytest.importorskip("apsw")

HOLD = """
import sys
from pathlib import Path
from cellstate.serve.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
store.own(0, "child", lease_s=3600)
print("ready", flush=True)
sys.stdin.read()
"""

ROOT = Path(__file__).parents[3]
WRITE = """
import sys
from pathlib import Path
from cellstate.serve.stores.sqlite import SqliteStore
from cellstate.serve.stores.store import StateRow, Work
from tests.serve.stores.rows import entity, event
store = SqliteStore(Path(sys.argv[1]))
store.own(0, "child", lease_s=3600)
key, = store.new_keys(1)
for seq in range(1, 10**9):
    store.commit(
        Work(
            entities=[entity(key, seq=seq)],
            events=[event(key, seq, id=f"e{seq}")],
            states=[StateRow(key, 1, seq, b"%d" % seq)],
        )
    )
    print(seq, flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def opened(path):
    store = SqliteStore(path)
    store.own(0, "me", lease_s=60)
    return store


def test_a_missing_file_is_made_only_where_it_may_be(path, tmp_path):
    with pytest.raises(StoreError, match="must exist"):
        SqliteStore(path, create=False)
    assert list(tmp_path.iterdir()) == []
    SqliteStore(path).close()
    SqliteStore(path, create=False).close()
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "no folder" / "store.db")


def test_a_file_of_another_application_is_refused(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE birds(name)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another application"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path):
    path.write_bytes(b"a letter to a friend" * 300)
    with pytest.raises(StoreError, match="no database"):
        SqliteStore(path)


def test_a_newer_format_is_refused(path):
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="format 99"):
        SqliteStore(path)


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.51.2"])
def test_an_affected_library_is_refused(path, version, monkeypatch):
    import apsw

    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(StoreError, match=re.escape(version)):
        SqliteStore(path)
    assert not path.exists()


def test_the_file_says_what_it_is(path):
    SqliteStore(path).close()
    head = path.read_bytes()[:100]
    assert head[68:72] == b"cstt"
    assert int.from_bytes(head[60:64], "big") == sqlite_file.FORMAT


def test_every_commit_is_flushed_and_what_is_deleted_is_overwritten(path):
    with closing(opened(path)) as store:
        pragma = store._db.pragma
        assert (pragma("journal_mode"), pragma("synchronous"), pragma("secure_delete")) == (
            "wal",
            2,
            1,
        )


def test_one_process_at_a_time_may_write(path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        child.stdout.readline()
        with pytest.raises(FencedError, match=f"process {child.pid} "):
            SqliteStore(path)
        other = SqliteStore(path, read_only=True)
        assert other.holder(0) == "child"
        other.close()
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with closing(SqliteStore(path)) as store:  # the lease is not over, but its owner is dead
        assert store.holder(0) is None
        store.own(0, "me", lease_s=60)


@pytest.mark.parametrize("after", [1, 40, 200])
def test_what_was_committed_outlives_a_kill(path, after):
    child = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        for line in child.stdout:
            if int(line) >= after:
                break
    finally:
        child.send_signal(signal.SIGKILL)
        rest = child.communicate()[0].split("\n")
    told = max([after, *(int(line) for line in rest[:-1] if line)])
    with closing(opened(path)) as store:
        (held,) = store.load([("t", "pump")])
        seq = held.entity.seq
        assert told <= seq <= told + 1
        assert held.states[1] == StateRow(held.entity.key, 1, seq, b"%d" % seq)
        assert seqs(store.log(held.entity.key)) == list(range(1, seq + 1))
        ids = [(held.entity.key, f"e{number}") for number in range(1, seq + 2)]
        assert len(store.answered(ids)) == seq


def test_no_byte_of_a_forgotten_entity_is_left(path):
    """Marks in every field, through splits, trims, moves and late answers; then not one."""
    random_ = random.Random(5)
    marks = {b"NAME!", b"IDENT!", b"DATA!", b"ANSWER!", b"REVISED!", b"STATE!", b"SNAP!"}
    store = opened(path)
    keys = dict(zip("abcdef", store.new_keys(6), strict=True))

    def marked(mark, key, length):
        own = mark.encode() if key == keys["a"] else b"other"
        return (own + bytes(random_.randbytes(3))) * (length // 8 + 1)

    seq = 0
    for turn in range(60):
        work = Work()
        for name, key in keys.items():
            label = f"NAME! {name}" if name == "a" else name
            work.entities.append(entity(key, label, seq=seq + 9, time=turn))
            for _ in range(random_.randint(1, 9)):
                seq += 1
                id = f"{'IDENT!' if name == 'a' else 'id'} {seq}"
                data = marked("DATA!", key, random_.choice([20, 200, 5000]))
                row = event(key, seq, id=id, data=data, answer=marked("ANSWER!", key, 60))
                work.events.append(row)
            work.states.append(StateRow(key, 1, seq, marked("STATE!", key, 600 + 10 * turn)))
            work.states.append(StateRow(key, 2, seq, marked("STATE!", key, 600)))
            work.revised.append((key, seq, marked("REVISED!", key, 90)))
            place = Position(10 * seq, seq)
            work.snapshots.append(Snapshot(key, 1, place, marked("SNAP!", key, 700)))
            if turn % 7 == 6:
                work.trimmed.append((key, Position(10 * seq - 500, 0)))
            if turn % 5 == 4:
                work.undone.append((key, Position(10 * seq - 100, 0)))
        store.commit(work)
    reader = store.reader()
    assert reader.log(keys["a"], limit=1)
    everything = b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))
    assert all(mark in everything for mark in marks)
    store.commit(Work(forget=[keys["a"]]))
    left = b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))
    assert [mark for mark in marks if mark in left] == []
    assert len(reader.entities()) == 5
    reader.close()
    store.close()


def test_a_log_that_a_reader_held_is_emptied_later(path):
    """A reader in the midst of reading needs the old pages; the next commit tries again."""
    store = opened(path)
    key = filled(store, "FORGETME")
    reader = store.reader()
    reader._db.execute("BEGIN")
    reader._db.execute("SELECT count(*) FROM log").fetchall()
    store.commit(Work(forget=[key]))
    assert b"FORGETME" in path.with_name("store.db-wal").read_bytes()
    reader._db.execute("COMMIT")
    store.commit(Work())
    left = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"FORGETME" not in left
    reader.close()
    store.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE states SET state = CAST(x'00' || substr(state, 2) AS BLOB)",
        "UPDATE states SET seq = seq + 1",
        "UPDATE states SET place = place + 1",
        "UPDATE states SET place = place + 65536",
    ],
)
def test_a_damaged_state_is_noticed_and_named_by_its_key(path, change):
    with closing(opened(path)) as store:
        key, other = filled(store), filled(store, "other")
        store.commit(Work(forget=[other], entities=[entity(other, "other")]))
    with closing(sqlite3.connect(path)) as changing:
        changing.execute(change)
        changing.commit()
    with closing(opened(path)) as store:
        with pytest.raises(StoreError, match=r"state of entity \d+ ") as caught:
            store.load([("t", "pump"), ("t", "other")])
        assert "pump" not in str(caught.value)
        assert store.log(key)


def test_a_damaged_snapshot_is_noticed(path):
    with closing(opened(path)) as store:
        key = filled(store)
    with closing(sqlite3.connect(path)) as changing:
        changing.execute("UPDATE snapshots SET crc = crc + 1")
        changing.commit()
    with closing(opened(path)) as store, pytest.raises(StoreError, match=f"entity {key} "):
        store.snapshot(key, 1, Position(99, 0))


@pytest.mark.parametrize("form", ["{0}", "sqlite:///{0}"])
def test_a_store_is_opened_by_path_or_address(path, form):
    with closing(open_store(form.format(path))) as store:
        assert store.shards == 1
    assert path.exists()
    with closing(open_store(form.format(path), create=False)) as store:
        assert store.count() == 0


def test_a_store_for_tests_is_gone_when_it_is_closed():
    store = open_store("memory:")
    folder = store._path.parent
    store.own(0, "me", lease_s=1)
    filled(store)
    assert folder.exists()
    store.close()
    assert not folder.exists()


@pytest.mark.parametrize("url", ["mysql://user:secret@host/db", "http://secret"])
def test_other_addresses_are_refused_without_being_shown(url):
    with pytest.raises(StoreError, match="open_store") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
