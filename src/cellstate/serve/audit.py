"""A record of who did what, without the names of entities and without data."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from cellstate.errors import ArtifactError, explain


class AuditLog:
    """Lines of JSON, appended and handed to the system one by one.

    Each line says when, which key and tenant, what was done, to which entity, how many events, and
    how it ended. An entity is named by a keyed hash: equal entities have equal hashes within one
    log, and only who has the file `PATH.key` can tell whether a hash is that of a given name.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ArtifactError
        It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._secret = _secret_beside(path)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as problem:
            given, do = problem.strerror or "an error", "Choose another place"
            must = "the audit log must be writable"
            raise ArtifactError(explain(str(path), must, given, do)) from None
        self._descriptor = descriptor

    def name(self, tenant: str, entity: str) -> str:
        """Give the hash that stands for an entity."""
        text = f"{tenant}\0{entity}".encode()
        return hashlib.blake2b(text, key=self._secret, digest_size=16).hexdigest()

    def write(
        self, key: str, tenant: str, action: str, entity: str, events: int, status: int
    ) -> None:
        """Append a line.

        Raises
        ------
        OSError
            The disk is full, say.
        """
        line = {
            "when": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "key": key,
            "tenant": tenant,
            "action": action,
            "entity": self.name(tenant, entity) if entity else None,
            "events": events,
            "status": status,
        }
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        # One call: lines of several processes never mix.
        if os.write(self._descriptor, data) != len(data):
            raise OSError("a part of a line was written")

    def close(self) -> None:
        """Flush to disk, and close."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)


def _secret_beside(path: Path) -> bytes:
    place = path.with_name(f"{path.name}.key")
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = bytes.fromhex(place.read_text().strip())
        if len(secret) != 32:
            raise OSError(None, "a key file that was cut off") from None
        return secret
    with os.fdopen(descriptor, "w") as file:
        secret = secrets.token_bytes(32)
        file.write(secret.hex())
        file.flush()
        os.fsync(file.fileno())
    return secret
