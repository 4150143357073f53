"""Keys of callers: shown once, kept as hashes, each bound to a tenant and a role."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from cellstate.artifact import strict_json
from cellstate.errors import ArtifactError, InputError, did_you_mean, explain

Role = Literal["read", "write", "admin"]
ROLES: tuple[str, ...] = get_args(Role)
FORMAT = 1
_TENANT = re.compile(r"[A-Za-z0-9._\-]{1,64}").fullmatch
_TOKEN = re.compile(r"cs_([0-9a-f]{12})_[A-Za-z0-9_-]{43}").fullmatch
_NO_HASH = "0" * 64


class Caller(NamedTuple):
    """Who is calling.

    Attributes
    ----------
    key : str
        The key's public id; empty where none is asked for.
    tenant : str
    rank : int
        Place of the role in `ROLES`; each may do what those before it may.
    """

    key: str
    tenant: str
    rank: int


NOBODY = Caller("", "", ROLES.index("admin"))
"""Whoever calls where no key is asked for."""


@dataclass(frozen=True)
class Key:
    """What the file holds of a key; the key itself cannot be told from it.

    Attributes
    ----------
    id : str
        The part of the key that is no secret.
    hash : str
        SHA-256 of the whole key. Its 256 random bits need no slower hash.
    tenant : str
    role : str
    created : str
        Day.
    """

    id: str
    hash: str
    tenant: str
    role: str
    created: str


def read_keys(path: Path) -> list[Key]:
    """Read a file of keys.

    Raises
    ------
    ArtifactError
        It cannot be read, or is no such file.
    """
    try:
        document = strict_json.parse(path.read_bytes())
        if document["format"] != FORMAT or not isinstance(document["keys"], list):
            raise ValueError("another format")
        keys = [Key(**entry) for entry in document["keys"]]
        for key in keys:
            _check(key)
    except OSError as problem:
        given, do = problem.strerror or "an error", "Make it with: cellstate keys new FILE"
        raise ArtifactError(explain(str(path), "the keys must be readable", given, do)) from None
    except (ValueError, TypeError, KeyError):
        must, do = "the file must be one that cellstate keys wrote", "Make it anew"
        raise ArtifactError(explain(str(path), must, "another", do)) from None
    return keys


def write_keys(path: Path, keys: list[Key]) -> None:
    """Write a file of keys in one step, readable by its owner alone."""
    data = strict_json.canonical({"format": FORMAT, "keys": [asdict(key) for key in keys]})
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as problem:
        given, do = problem.strerror or "an error", "Choose another place"
        raise ArtifactError(explain(str(path), "the keys must be writable", given, do)) from None
    finally:
        draft.unlink(missing_ok=True)


def add_key(path: Path, tenant: str, role: str) -> str:
    """Add a key to a file, which is made if it is not there, and return the key itself.

    Raises
    ------
    InputError
        No such role, or a tenant's name that cannot be.
    ArtifactError
        The file cannot be read or written.
    """
    if not _TENANT(tenant):
        must, given = "a tenant's name must be 1 to 64 letters, digits or . _ -", repr(tenant)
        raise InputError(explain("keys", must, given, "Rename it"))
    if role not in ROLES:
        must, do = "the role must be known", did_you_mean(role, ROLES)
        raise InputError(explain("keys", must, repr(role), do))
    id = secrets.token_hex(6)
    token = f"cs_{id}_{secrets.token_urlsafe(32)}"
    with _locked(path):
        keys = read_keys(path) if path.exists() else []
        today = datetime.now(UTC).date().isoformat()
        write_keys(path, [*keys, Key(id, _hash(token), tenant, role, today)])
    return token


def revoke_key(path: Path, id: str) -> Key:
    """Take a key out of a file; servers that use it notice within two seconds.

    Raises
    ------
    InputError
        No key has this id.
    """
    with _locked(path):
        keys = read_keys(path)
        for key in keys:
            if key.id == id:
                write_keys(path, [other for other in keys if other is not key])
                return key
    do = did_you_mean(id, [key.id for key in keys]) if keys else "There is none left"
    raise InputError(explain("keys", "the id must be that of a key", repr(id), do))


class KeyRing:
    """The keys of a file, for a server.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ArtifactError
        It cannot be read.
    InputError
        It has no keys, or others than its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._known: dict[str, tuple[bytes, Caller]] = {}
        self.refresh()
        if not self._known:
            do = "Add one with: cellstate keys new FILE"
            raise InputError(explain(str(path), "the file must hold a key", "none", do))

    def refresh(self) -> bool:
        """Read the file again if it has changed; returns whether it had.

        Raises
        ------
        ArtifactError, InputError
            See the class; the keys in force stay.
        """
        try:
            facts = self._path.stat()
        except OSError as problem:
            given, do = problem.strerror or "an error", "Make it with: cellstate keys new FILE"
            must = "the keys must be readable"
            raise ArtifactError(explain(str(self._path), must, given, do)) from None
        seen = facts.st_mtime_ns, facts.st_size, facts.st_ino
        if seen == self._seen:
            return False
        if facts.st_mode & 0o077:
            must, given = "only its owner may read the file of keys", f"{facts.st_mode & 0o777:o}"
            do = f"chmod 600 {self._path}"
            raise InputError(explain(str(self._path), must, f"mode {given}", do))
        keys = read_keys(self._path)
        self._known = {
            key.id: (key.hash.encode(), Caller(key.id, key.tenant, ROLES.index(key.role)))
            for key in keys
        }
        self._seen = seen
        return True

    def holds(self, id: str) -> bool:
        """Whether a key is still among them."""
        return id in self._known

    def find(self, token: str) -> Caller | None:
        """Find whose key it is; takes as long for one that is not known."""
        form = _TOKEN(token)
        known, caller = self._known.get(form[1] if form else "", (_NO_HASH.encode(), None))
        is_equal = hmac.compare_digest(_hash(token).encode(), known)
        return caller if is_equal else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _check(key: Key) -> None:
    values = cast("dict[str, Any]", asdict(key)).values()
    if not all(value.__class__ is str for value in values):
        raise ValueError("a field that is no text")
    if key.role not in ROLES or not _TENANT(key.tenant) or len(key.hash) != len(_NO_HASH):
        raise ValueError("a field out of its range")


_writing = threading.Lock()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time change a file."""
    import fcntl

    with _writing:
        try:
            descriptor = os.open(
                path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600
            )
        except OSError as problem:
            given, do = problem.strerror or "an error", "Choose another place"
            must = "the keys must be writable"
            raise ArtifactError(explain(str(path), must, given, do)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
