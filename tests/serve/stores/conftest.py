"""Both stores, each as a place that can be opened several times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from cellstate.serve.stores.store import AbstractStore
from tests.serve.stores.postgresql_cluster import Cluster, cluster, why_not

_numbers = itertools.count()


class Place(Protocol):
    """Where a store is."""

    kind: str

    def open(self) -> AbstractStore: ...


class SqlitePlace:
    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> AbstractStore:
        from cellstate.serve.stores.sqlite import SqliteStore

        return SqliteStore(self.path, exclusive=False)


class PostgresqlPlace:
    kind = "postgresql"

    def __init__(self, url: str) -> None:
        self.url, self.schema = url, f"store_{next(_numbers)}"

    def open(self) -> AbstractStore:
        from cellstate.serve.stores.postgresql import PostgresqlStore

        return PostgresqlStore(self.url, shards=4, schema=self.schema)


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    """Give a running PostgreSQL, or skip the test."""
    pytest.importorskip("psycopg")
    if reason := why_not():
        pytest.skip(reason)
    with cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        pytest.importorskip("apsw")
        return SqlitePlace(tmp_path / "store.db")
    return PostgresqlPlace(request.getfixturevalue("server").url)


@pytest.fixture
def store(place: Place) -> Iterator[AbstractStore]:
    """Give an open store that owns all of its shards."""
    opened = place.open()
    for shard in range(opened.shards):
        opened.own(shard, "first", lease_s=60)
    yield opened
    opened.close()
