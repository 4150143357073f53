"""The audit log: who did what, without names and without data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cellstate.errors import ArtifactError
from cellstate.serve.audit import AuditLog


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_who_did_what(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    log.write("1f2e", "clinic", "push", "patient-7", 3, 200)
    (line,) = lines(path)  # before it is closed: each is handed over at once
    assert {**line, "when": "", "entity": ""} == {
        "when": "",
        "key": "1f2e",
        "tenant": "clinic",
        "action": "push",
        "entity": "",
        "events": 3,
        "status": 200,
    }
    assert line["when"].endswith("+00:00")
    assert "patient" not in path.read_text()
    log.close()


def test_equal_entities_have_equal_hashes_and_others_do_not(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    names = [log.name("a", "x"), log.name("a", "x"), log.name("b", "x"), log.name("a", "y")]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    log.close()


def test_hashes_cannot_be_told_without_the_key_and_last_with_it(tmp_path: Path) -> None:
    first, other = AuditLog(tmp_path / "one.jsonl"), AuditLog(tmp_path / "two.jsonl")
    again = AuditLog(tmp_path / "one.jsonl")
    assert first.name("a", "x") == again.name("a", "x") != other.name("a", "x")
    for log in (first, other, again):
        log.close()


def test_its_files_are_their_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    old = os.umask(0)
    try:
        AuditLog(path).close()
    finally:
        os.umask(old)
    assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


def test_it_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for status in (200, 404):
        log = AuditLog(path)
        log.write("", "", "state", "a", 0, status)
        log.close()
    assert [line["status"] for line in lines(path)] == [200, 404]


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="must be writable"):
        AuditLog(tmp_path / "none" / "audit.jsonl")


def test_a_key_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl.key").write_text("00ff")
    with pytest.raises(ArtifactError, match="must be writable"):
        AuditLog(tmp_path / "audit.jsonl")
