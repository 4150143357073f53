"""The tables of a PostgreSQL store, made once whoever comes first."""

from __future__ import annotations

from typing import Any

from cellstate.errors import StoreError, explain

FORMAT = 1
OLDEST_SERVER = 14

# Held while a schema is made: of two that begin at once, the second finds it ready.
_LOCK = int.from_bytes(b"cellstat", "big", signed=True)

# A state changes at every event: pages keep room for its next form, and no index names what
# changes, so that the new form goes beside the old one and nothing else is written.
_TABLES = """
CREATE TABLE store(format integer NOT NULL, shards integer NOT NULL, next_key bigint NOT NULL);

CREATE TABLE shards(
    shard integer PRIMARY KEY, token bigint NOT NULL, holder text NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE entities(
    key bigint PRIMARY KEY, tenant text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
    shard integer NOT NULL, ended boolean NOT NULL, version integer NOT NULL, seq bigint NOT NULL,
    time bigint NOT NULL, touched bigint NOT NULL, UNIQUE (tenant, name)
) WITH (fillfactor = 60);

CREATE TABLE states(
    key bigint, version integer, seq bigint NOT NULL, crc bigint NOT NULL, state bytea NOT NULL,
    PRIMARY KEY (key, version)
) WITH (fillfactor = 60);
ALTER TABLE states ALTER state SET STORAGE EXTERNAL;

CREATE TABLE log(
    key bigint, seq bigint, id text COLLATE "C", time bigint, quarantined boolean NOT NULL,
    begins boolean NOT NULL, data bytea NOT NULL, answer bytea NOT NULL, revised bytea,
    PRIMARY KEY (key, time, seq)
);
CREATE UNIQUE INDEX log_by_id ON log(key, id) WHERE id IS NOT NULL;

CREATE TABLE snapshots(
    key bigint, version integer, time bigint, seq bigint, crc bigint NOT NULL, state bytea NOT NULL,
    PRIMARY KEY (key, time, seq, version)
);
ALTER TABLE snapshots ALTER state SET STORAGE EXTERNAL;

CREATE TABLE versions(
    number integer PRIMARY KEY, fingerprint text NOT NULL, folder text NOT NULL, role text NOT NULL
);

CREATE FUNCTION check_tokens(asked integer[], held bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE other text;
BEGIN
    -- Locked until the commit: a new owner waits for it, and what comes later sees the new token.
    PERFORM 1 FROM shards WHERE shard = ANY(asked) ORDER BY shard FOR SHARE;
    SELECT shards.holder INTO other FROM unnest(asked, held) AS mine(shard, token)
        JOIN shards USING (shard) WHERE shards.token <> mine.token LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'CS001', MESSAGE = other;
    END IF;
END $$;
"""


def prepare(connection: Any, schema: str, *, shards: int, create: bool) -> int:
    """Make the tables if they are missing and give the number of shards, fixed when they are made.

    Raises
    ------
    StoreError
        The server is too old, the tables are missing and may not be made, or are of a newer format.
    """
    number = connection.info.server_version // 10000
    if number < OLDEST_SERVER:
        raise StoreError(
            explain(
                "store",
                f"PostgreSQL must be {OLDEST_SERVER} or newer",
                f"version {number}",
                "Upgrade the server",
            )
        )
    with connection.transaction():
        if create:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if not _has_tables(connection, schema):
            if not create:
                raise StoreError(
                    explain(
                        "store",
                        f"the database must have the schema {schema!r} of cellstate",
                        "one without it",
                        "Check the address",
                    )
                )
            _make(connection, schema, shards)
        found, count = connection.execute("SELECT format, shards FROM store").fetchone()
    if found > FORMAT:
        raise StoreError(
            explain(
                "store",
                f"the schema {schema!r} must be of format {FORMAT} or older",
                f"format {found}, written by a newer release",
                "Upgrade cellstate to read it",
            )
        )
    return count


def _has_tables(connection: Any, schema: str) -> bool:
    asked = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'store'"
    return connection.execute(asked, [schema]).fetchone() is not None


def _make(connection: Any, schema: str, shards: int) -> None:
    from psycopg import sql

    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    connection.execute(_TABLES)
    connection.execute("INSERT INTO store VALUES (%s, %s, 1)", [FORMAT, shards])
    connection.execute(
        "INSERT INTO shards SELECT number, 0, '', '-infinity'"
        " FROM generate_series(0, %s - 1) AS number",
        [shards],
    )
