"""A state's checksum: of its bytes and of what they belong to."""

from __future__ import annotations

from zlib import crc32

from cellstate.errors import StoreError, explain


def checksum(key: int, version: int, seq: int, state: bytes) -> int:
    """Digest a state with what it belongs to, so that a swapped one is noticed like a damaged one.

    Examples
    --------
    >>> checksum(1, 1, 7, b"state") == checksum(1, 1, 8, b"state")
    False
    """
    return crc32(state, crc32(b"%d.%d.%d" % (key, version, seq)))


def check_state(key: int, version: int, seq: int, state: bytes, expected: int) -> None:
    """Hold a state that was read to the checksum that was written with it.

    Raises
    ------
    StoreError
        They differ; the message names the entity's key.
    """
    if checksum(key, version, seq, state) != expected:
        raise StoreError(
            explain(
                "store",
                f"the state of entity {key} must be as it was written",
                "bytes with another checksum",
                "Restore the store from a backup, or forget the entity",
            )
        )
