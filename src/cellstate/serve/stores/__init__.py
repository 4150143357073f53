"""Stores: one protocol, SQLite for one process and PostgreSQL for several."""

from __future__ import annotations

from pathlib import Path

from cellstate.errors import StoreError, explain
from cellstate.serve.stores.store import AbstractStore

__all__ = ["AbstractStore", "open_store"]


def open_store(url: str, *, create: bool = True) -> AbstractStore:
    """Open a store by its address.

    Parameters
    ----------
    url : str
        A path or ``sqlite:///path``, ``postgresql://…``, or ``memory:`` for a store that is gone
        when it is closed.
    create : bool
        Whether to make it if it is missing.

    Raises
    ------
    StoreError
        It cannot be reached, is something else, or is of a newer format.

    Examples
    --------
    >>> with_nothing = open_store("memory:")
    >>> with_nothing.count()
    0
    >>> with_nothing.close()
    """
    from cellstate.serve.stores.sqlite import SqliteStore

    if url == "memory:":
        return SqliteStore.temporary()
    scheme, mark, rest = url.partition("://")
    if not mark:
        return SqliteStore(Path(url), create=create)
    if scheme in ("postgresql", "postgres"):
        from cellstate.serve.stores.postgresql import PostgresqlStore

        return PostgresqlStore(url, create=create)
    if scheme == "sqlite":
        return SqliteStore(Path(rest.removeprefix("/")), create=create)
    raise StoreError(
        explain(
            "open_store",
            "an address is a path, sqlite:///path, postgresql://… or memory:",
            f"one that begins with {scheme!r}",
            "Give a path for a single server",
        )
    )
