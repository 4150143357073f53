"""A connection to PostgreSQL that is made anew when it was lost; errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cellstate.errors import FencedError, StoreError, explain
from cellstate.extras import require

FENCED = "CS001"  # raised by the function check_tokens
_LIMITS = {
    "connect_timeout": 10,
    # A server that fell silent is noticed within half a minute, not within hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "cellstate",
}
_SESSION = """
SET synchronous_commit = on; SET client_encoding = 'UTF8'; SET timezone = 'UTC';
SET bytea_output = 'hex'; SET lock_timeout = '10s'; SET statement_timeout = '120s';
SET idle_in_transaction_session_timeout = '30s';
SET default_transaction_isolation = 'read committed';
"""


class Link:
    """A connection that is opened when it is first needed and again after it was lost.

    Parameters
    ----------
    url : str
        Never shown: it may hold a password.
    schema : str
        Where the tables are.
    read_only : bool
    """

    def __init__(self, url: str, schema: str, *, read_only: bool = False) -> None:
        self._psycopg = require("psycopg", extra="postgresql")
        self._url, self._schema, self._read_only = url, schema, read_only
        self._connection: Any = None
        try:
            self._psycopg.conninfo.conninfo_to_dict(url)
        except self._psycopg.Error:
            raise StoreError(  # without its cause, which shows parts of the address
                explain(
                    "store",
                    "an address is postgresql://user:password@host:port/database",
                    "one that cannot be read",
                    "Write special characters of the password as %XX",
                )
            ) from None

    @contextmanager
    def use(self, doing: str) -> Iterator[Any]:
        """Give the connection; what fails inside is a `StoreError` that shows no value."""
        psycopg = self._psycopg
        try:
            yield self._opened()
        except psycopg.Error as problem:
            lost = self._connection is None or self._connection.closed
            if lost:
                self.close()
            if problem.sqlstate == FENCED:
                raise fenced(problem.diag.message_primary or "another") from None
            # The cause is left out: its text may show what the row held, or the address.
            raise StoreError(
                explain(
                    "store",
                    f"could not {doing}",
                    _described(problem, lost=lost),
                    "Check the database server: whether it runs, its disk, its log",
                )
            ) from None

    def close(self) -> None:
        """Close the connection if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._psycopg.Error):
                connection.close()

    def _opened(self) -> Any:
        if self._connection is None:
            connection = self._psycopg.connect(self._url, autocommit=True, **self._limits())
            try:
                connection.execute(_SESSION)
                connection.execute("SELECT set_config('search_path', %s, false)", [self._schema])
                if self._read_only:
                    connection.execute("SET default_transaction_read_only = on")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _limits(self) -> dict[str, Any]:
        """Leave what the address says itself."""
        given = self._psycopg.conninfo.conninfo_to_dict(self._url)
        return {name: value for name, value in _LIMITS.items() if name not in given}


def fenced(holder: str) -> FencedError:
    """Say who took a shard."""
    return FencedError(
        explain(
            "store",
            "only a shard's owner may write to it",
            f"one that {holder or 'nobody'} took",
            "Send events there",
        )
    )


def _described(problem: Any, *, lost: bool) -> str:
    name = type(problem).__name__
    where = problem.diag.constraint_name or problem.diag.table_name
    parts = [name, f"code {problem.sqlstate}" if problem.sqlstate else "", where or ""]
    text = ", ".join(part for part in parts if part)
    return f"{text}: the connection was refused or lost" if lost else text
