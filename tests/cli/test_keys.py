"""`cellstate keys`: made, listed, taken back."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_shown_once(cellstate, file):
    result = cellstate("keys", "new", file, "--tenant", "clinic", "--role", "read")
    token = result.out.splitlines()[0]
    assert result.code == 0
    assert token.startswith("cs_")
    listed = cellstate("keys", "list", file)
    assert all(word in listed.out for word in (token.split("_")[1], "clinic", "read"))
    assert token not in listed.out


def test_everything_can_be_had_as_json(cellstate, file):
    made = cellstate("keys", "new", file, "--json").json
    assert (made["tenant"], made["role"]) == ("default", "write")
    (key,) = cellstate("keys", "list", file, "--json").json["keys"]
    assert key["id"] == made["key"].split("_")[1]
    assert cellstate("keys", "revoke", file, key["id"], "--json").json == {"revoked": key["id"]}
    assert cellstate("keys", "list", file, "--json").json == {"keys": []}


def test_a_key_is_taken_back(cellstate, file):
    token = cellstate("keys", "new", file).out.split()[0]
    result = cellstate("keys", "revoke", file, token.split("_")[1])
    assert result.out == f"Revoked {token.split('_')[1]}, of default.\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("new", "--role", "writer"), "Did you mean 'write'?"),
        (("new", "--tenant", "a b"), "a tenant's name must be 1 to 64 letters"),
        (("list",), "Make it with: cellstate keys new FILE."),
        (("revoke", "0"), "Make it with: cellstate keys new FILE."),
    ],
)
def test_bad_calls_are_explained(cellstate, file, words, message):
    result = cellstate("keys", words[0], file, *words[1:])
    assert (result.code, result.out) == (2, "")
    assert message in result.err
