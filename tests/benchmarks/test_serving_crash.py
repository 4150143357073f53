"""Nothing is lost by kills and faults, and the judge would notice if it were."""

import pytest

pytest.importorskip("apsw")

from benchmarks.serving import crash_kills
from benchmarks.serving.crash_events import event_of, make_stream
from benchmarks.serving.crash_faults import fail_everywhere
from benchmarks.serving.crash_ledger import Ledger, Told, told_of
from cellstate.serve.engine import Engine
from cellstate.serve.stores import sqlite
from cellstate.serve.stores.sqlite import SqliteStore


def test_kills_under_load_lose_nothing(tmp_path):
    counts, wrong = crash_kills.kill_often(tmp_path, kills=3, seed=7)
    assert counts["kills"] == 3
    assert min(counts["acknowledged"], counts["asked_again"], counts["replayed"]) > 20
    assert wrong.total() == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["EIO", "power cut"])
def test_faults_lose_nothing(tmp_path, fault):
    counts, wrong = fail_everywhere(tmp_path, fault, seed=2, step=35)
    assert counts["faults"] >= 2
    assert counts["acknowledged"] > 20
    assert wrong.total() == 0


def test_a_store_that_does_not_flush_is_caught_by_power_cuts(tmp_path, monkeypatch):
    def connect(*arguments, **rest):
        connection = opened(*arguments, **rest)
        connection.pragma("synchronous", "OFF")
        return connection

    opened = sqlite.connect
    monkeypatch.setattr(sqlite, "connect", connect)
    _, wrong = fail_everywhere(tmp_path, "power cut", seed=2, step=35)
    assert wrong["lost"] > 0


@pytest.fixture
def told(tmp_path):
    """Serve some events; give the store's path and a ledger that was told of them."""
    ledger = Ledger(make_stream())
    engine = Engine(make_stream(), SqliteStore(tmp_path / "a.db"), crash_kills.SETTINGS)
    engine.start()
    ledger.ask_again(engine, [f"a-{number}" for number in range(300)])
    engine.stop()
    assert ledger.wrong.total() == 0
    return tmp_path / "a.db", ledger


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ("DELETE FROM log WHERE row = 5", {"lost", "gaps"}),
        ("UPDATE log SET answer = x'7b7d' WHERE row = 5", {"changed"}),
        ("UPDATE log SET data = x'7b2278223a5b312c312c315d7d' WHERE row = 5", {"states_unlike"}),
        ("UPDATE log SET key = key + 1 WHERE row = 5", {"gaps", "logged_unlike_sent"}),
        ("UPDATE entities SET seq = seq + 1 WHERE key = 3", {"gaps"}),
    ],
)
def test_the_judge_notices(told, change, kinds):
    path, ledger = told
    store = SqliteStore(path)
    store._db.execute("DROP INDEX log_in_order")
    store._db.execute(change)
    ledger.judge(store)
    store.close()
    found = {kind for kind, count in ledger.wrong.items() if count}
    assert all(any(kind in one for one in found) for kind in kinds)


def test_the_judge_notices_what_clients_see():
    ledger = Ledger(make_stream())
    first = Told("a-1", "applied", 1, b"{}")
    ledger.note([first, first._replace(status="duplicate")])
    assert ledger.wrong.total() == 0
    ledger.note([first])
    assert ledger.wrong["doubled"] == 1
    ledger.note([Told("a-1", "duplicate", 2, b"{}"), Told("a-1", "duplicate", 1, b"[]")])
    assert ledger.wrong["changed"] == 2
    ledger.note([Told("a-2", "failed", 0, b"")])
    assert "a-2" not in ledger


def test_a_line_survives_the_pipe():
    engine_like = told_of("run-1", type("O", (), {"status": "applied", "seq": 4, "answer": b"{}"}))
    assert crash_kills.parsed(crash_kills.line(engine_like).rstrip(b"\n")) == engine_like
    assert event_of("run-1").id == "run-1"
