"""What is PostgreSQL's own: connections that are lost, races at the start, what errors show."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

import pytest

pytest.importorskip("psycopg")

import psycopg

from cellstate.errors import FencedError, StoreError
from cellstate.serve.stores import open_store, postgresql_schema
from cellstate.serve.stores.postgresql import PostgresqlStore
from cellstate.serve.stores.store import Work, shard_of
from tests.serve.stores.postgresql_cluster import cluster, why_not
from tests.serve.stores.rows import entity, event, filled, seqs


@pytest.fixture
def schema(server, request):
    return f"own_{abs(hash(request.node.name))}"


@pytest.fixture
def store(server, schema):
    opened = PostgresqlStore(server.url, schema=schema, shards=4)
    for shard in range(4):
        opened.own(shard, "first", lease_s=60)
    yield opened
    opened.close()


def end_sessions(server, but=0):
    """End all sessions of stores from the outside, as a restart or a firewall does."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'cellstate' AND pid <> %s",
            [but],
        )


def test_a_lost_connection_is_an_unknown_outcome_and_is_made_anew(server, store):
    key = filled(store)
    reader = store.reader()
    assert reader.count() == 1
    end_sessions(server)
    with pytest.raises(StoreError, match="lost"):
        store.commit(Work(entities=[entity(key, seq=4)], events=[event(key, 4)]))
    with pytest.raises(StoreError):
        reader.count()
    assert seqs(reader.log(key)) == [1, 2, 3]
    store.commit(Work(entities=[entity(key, seq=4)], events=[event(key, 4)]))
    assert seqs(reader.log(key)) == [1, 2, 3, 4]
    reader.close()


def test_the_tokens_outlive_a_lost_connection_unless_another_took_the_shard(server, store, schema):
    key = filled(store)
    other = PostgresqlStore(server.url, schema=schema)
    other.own(shard_of("t", "pump", 4), "second", lease_s=60, take_over=True)
    end_sessions(server)
    with pytest.raises(StoreError):
        store.count()
    with pytest.raises(FencedError):
        store.commit(Work(entities=[entity(key, seq=4)]))
    with pytest.raises(StoreError):
        other.count()
    other.commit(Work(entities=[entity(key, seq=5)]))
    other.close()


def test_commits_outlive_a_killed_server():
    if reason := why_not():
        pytest.skip(reason)
    with cluster(flushes=True) as own:
        store = PostgresqlStore(own.url, shards=1)
        store.own(0, "me", lease_s=60)
        key = filled(store, events=1)
        for seq in range(2, 30):
            store.commit(Work(entities=[entity(key, seq=seq)], events=[event(key, seq)]))
        own.stop("immediate")  # as after a power cut: nothing is written down any more
        with pytest.raises(StoreError):
            store.count()
        with pytest.raises(StoreError, match="refused or lost"):
            store.count()
        own.start()
        assert seqs(store.log(key)) == list(range(1, 30))
        store.commit(Work(entities=[entity(key, seq=30)], events=[event(key, 30)]))
        store.close()


def test_commits_are_flushed_even_where_the_server_does_not_by_default(server, store):
    name = psycopg.conninfo.conninfo_to_dict(server.url)["dbname"]
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        try:
            with closing(store.reader()) as fresh, fresh._link.use("look") as db:
                assert db.execute("SHOW synchronous_commit").fetchone() == ("on",)
        finally:
            admin.execute(f"ALTER DATABASE {name} RESET synchronous_commit")


def test_many_may_make_the_tables_at_once(server, schema):
    made, problems = [], []

    def make():
        try:
            made.append(PostgresqlStore(server.url, schema=schema, shards=5))
        except StoreError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in made:
        store.close()
    assert not problems
    assert len(made) == 6


def test_the_number_of_shards_is_fixed_when_the_tables_are_made(server, store, schema):
    with closing(PostgresqlStore(server.url, schema=schema, shards=99)) as again:
        assert again.shards == 4
        again_and_again = again.reader()
        assert again_and_again.shards == 4
        again_and_again.close()


def test_a_database_without_tables_is_refused_where_none_may_be_made(server):
    with pytest.raises(StoreError, match="nowhere"):
        PostgresqlStore(server.url, schema="nowhere", create=False)


def test_a_newer_format_is_refused(server, store, schema):
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"UPDATE {schema}.store SET format = 99")
    with pytest.raises(StoreError, match="format 99"):
        PostgresqlStore(server.url, schema=schema)


def test_an_old_server_is_refused(server, monkeypatch):
    monkeypatch.setattr(postgresql_schema, "OLDEST_SERVER", 99)
    with pytest.raises(StoreError, match="99 or newer"):
        PostgresqlStore(server.url, schema="old")


def test_a_commit_waits_for_nobody_and_a_new_owner_waits_for_it(server, store, schema):
    """Between the check of its token and its end, a transaction keeps the shard."""
    shard = shard_of("t", "pump", 4)
    other = PostgresqlStore(server.url, schema=schema)
    taken = threading.Event()

    def take():
        other.own(shard, "second", lease_s=60, take_over=True)
        taken.set()

    with store._link.use("commit") as db:
        db.execute("BEGIN")
        db.execute(
            "SELECT check_tokens(%b::integer[], %b::bigint[])", ([shard], [store._tokens[shard]])
        )
        thread = threading.Thread(target=take)
        thread.start()
        assert not taken.wait(0.2)
        db.execute("COMMIT")
    thread.join()
    assert taken.is_set()
    with pytest.raises(FencedError):
        store.commit(Work(entities=[entity(1)]))
    other.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:se/cret@host:port/db",
        "postgresql://user:secret@[::1/db",
        "postgresql://user:secret@127.0.0.1:1/db",
        "postgresql://user:secret@127.0.0.1:1/db?connect_timeout=1&sslmode=secret",
    ],
)
def test_errors_never_show_a_password(url):
    with pytest.raises(StoreError) as caught:
        open_store(url)
    problem = caught.value
    shown = "".join(map(repr, (problem, problem.__cause__, problem.__context__ is None)))
    assert "cret" not in shown
    assert problem.__suppress_context__


def test_an_entity_in_a_shard_that_nobody_owns_is_fenced(server, schema):
    with closing(PostgresqlStore(server.url, schema=schema, shards=4)) as store:
        mine = shard_of("t", "pump", 4)
        other = next(name for name in map(str, range(99)) if shard_of("t", name, 4) != mine)
        store.own(mine, "me", lease_s=60)
        key = filled(store)
        with pytest.raises(FencedError):
            store.commit(Work(entities=[entity(key), replace(entity(77), name=other)]))
        assert store.load([("t", other)]) == [None]
        assert store.idle(10**9, 10) == [store.load([("t", "pump")])[0].entity]
