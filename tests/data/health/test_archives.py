"""Folders, archives and single files give the same contents."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cellstate.data.health.archives import read_members
from cellstate.errors import FrameError

FILES = {"b.txt": b"2", "a.txt": b"1", "inner/c.txt": b"3", "notes.md": b"no"}
EXPECTED = [("a", b"1"), ("b", b"2"), ("c", b"3")]


def pack(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_archives_are_read_however_compressed(tmp_path, ending) -> None:
    mode = "w:" + ending.removeprefix("tar").removeprefix(".")
    archive = pack(tmp_path / f"set.{ending}", FILES, mode)
    assert read_members(archive, ".txt", where="Set") == EXPECTED


def test_folders_and_single_files_are_read(tmp_path) -> None:
    for name, content in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    assert read_members(tmp_path, ".txt", where="Set") == EXPECTED
    assert read_members(tmp_path / "b.txt", ".txt", where="Set") == [("b", b"2")]


def test_nothing_of_an_archive_reaches_the_disk(tmp_path) -> None:
    archive = pack(tmp_path / "set.tar", {"../out.txt": b"1", "/tmp/../abs.txt": b"2"})
    with tarfile.open(archive, "a") as content:
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        content.addfile(link)
    assert read_members(archive, ".txt", where="Set") == [("abs", b"2"), ("out", b"1")]
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.tar", None, "must be a folder, a tar archive or a .txt file; got No such file"),
        ("bad.tar.xz", b"no archive", "must be a folder, a tar archive"),
        ("folder", {}, "must hold .txt files; got none"),
    ],
)
def test_bad_paths_are_answered(tmp_path, name, content, message) -> None:
    path = tmp_path / name
    if isinstance(content, dict):
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(FrameError, match=message):
        read_members(path, ".txt", where="Set")


def test_broken_archive_is_named(tmp_path) -> None:
    archive = pack(tmp_path / "set.tar.gz", {"a.txt": bytes(range(256)) * 99}, "w:gz")
    archive.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(FrameError, match=r"set.tar.gz must be a folder, a tar archive"):
        read_members(archive, ".txt", where="Set")
