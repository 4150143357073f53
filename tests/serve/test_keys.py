"""Keys: shown once, kept as hashes, found in constant time, taken back at once."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from cellstate.errors import ArtifactError, InputError
from cellstate.serve.keys import ROLES, KeyRing, add_key, read_keys, revoke_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_random_and_not_in_the_file(path: Path) -> None:
    first, second = (add_key(path, "clinic", "write") for _ in range(2))
    assert re.fullmatch(r"cs_[0-9a-f]{12}_[\w-]{43}", first)
    assert first != second
    text = path.read_text()
    assert first.rpartition("_")[2] not in text
    assert first not in text
    assert len(read_keys(path)) == 2


def test_the_file_is_its_owner_s_alone(path: Path) -> None:
    old = os.umask(0)
    try:
        add_key(path, "clinic", "write")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_may_read_is_refused(path: Path) -> None:
    add_key(path, "clinic", "write")
    path.chmod(0o644)
    with pytest.raises(InputError, match=r"only its owner.*got mode 644.*chmod 600"):
        KeyRing(path)


@pytest.mark.parametrize("role", ROLES)
def test_a_key_is_bound_to_a_tenant_and_a_role(path: Path, role: str) -> None:
    add_key(path, "other", "admin")
    caller = KeyRing(path).find(add_key(path, "clinic", role))
    assert caller is None  # not read again yet
    token = add_key(path, "clinic", role)
    caller = KeyRing(path).find(token)
    assert caller is not None
    assert (caller.tenant, ROLES[caller.rank]) == ("clinic", role)
    assert token.split("_")[1] == caller.key


def test_other_tokens_are_nobody_s(path: Path) -> None:
    token = add_key(path, "clinic", "write")
    ring = KeyRing(path)
    id, secret = token.split("_", 2)[1:]
    wrong = f"{'A' if secret[0] != 'A' else 'B'}{secret[1:]}"
    for other in (
        "",
        "cs_",
        token[:-1],
        f"{token}A",
        token.upper(),
        f"cs_{id}_{wrong}",
        "\xff" * 9,
    ):
        assert ring.find(other) is None
    assert ring.find(token) is not None


def test_comparing_takes_the_same_way_for_every_token(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = add_key(path, "clinic", "write")
    ring = KeyRing(path)
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("cellstate.serve.keys.hmac.compare_digest", compare)
    for sent in (token, token[:-1], "nothing", f"cs_{'0' * 12}_{'A' * 43}"):
        ring.find(sent)
    assert compared == [(64, 64)] * 4


def test_a_key_that_was_taken_back_is_nobody_s(path: Path) -> None:
    token, other = add_key(path, "clinic", "write"), add_key(path, "clinic", "read")
    ring = KeyRing(path)
    revoke_key(path, token.split("_")[1])
    assert ring.refresh()
    assert not ring.refresh()
    assert ring.find(token) is None
    assert ring.find(other) is not None
    assert not ring.holds(token.split("_")[1])


def test_a_ring_keeps_its_keys_where_the_file_is_damaged(path: Path) -> None:
    token = add_key(path, "clinic", "write")
    ring = KeyRing(path)
    path.write_text("{")
    with pytest.raises(ArtifactError):
        ring.refresh()
    path.unlink()
    with pytest.raises(ArtifactError, match="cellstate keys new FILE"):
        ring.refresh()
    assert ring.find(token) is not None


def test_an_empty_file_of_keys_is_refused(path: Path) -> None:
    token = add_key(path, "clinic", "write")
    revoke_key(path, token.split("_")[1])
    with pytest.raises(InputError, match="must hold a key"):
        KeyRing(path)


@pytest.mark.parametrize(
    ("tenant", "role", "message"),
    [
        ("", "write", "1 to 64 letters"),
        ("a/b", "write", "1 to 64 letters"),
        ("a\0b", "write", "1 to 64 letters"),
        ("a" * 65, "write", "1 to 64 letters"),
        ("clinic", "writer", "Did you mean 'write'"),
    ],
)
def test_bad_calls_are_explained(path: Path, tenant: str, role: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        add_key(path, tenant, role)
    assert not path.exists()


def test_an_unknown_id_is_explained(path: Path) -> None:
    token = add_key(path, "clinic", "write")
    id = token.split("_")[1]
    with pytest.raises(InputError, match=f"Did you mean '{id}'"):
        revoke_key(path, f"{id[:-1]}x")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"keys": {}},
        {"keys": [{}]},
        {"keys": [{"id": "a"}]},
        {"keys": [{"id": "a", "hash": "b", "tenant": "c", "role": "write", "created": "d"}]},
        {"keys": [{"id": 1, "hash": "0" * 64, "tenant": "c", "role": "write", "created": "d"}]},
        {"keys": [{"id": "a", "hash": "0" * 64, "tenant": "c", "role": "root", "created": "d"}]},
        {"keys": 1},
    ],
    ids=str,
)
def test_damaged_files_are_refused(path: Path, change: dict[str, object]) -> None:
    add_key(path, "clinic", "write")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match="that cellstate keys wrote"):
        read_keys(path)


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="must be writable"):
        add_key(tmp_path / "none" / "keys.json", "clinic", "write")
