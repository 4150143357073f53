"""The catalogue of public data sets: complete, honest, and found where it lies."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cellstate.data import catalogue
from cellstate.data.catalogue import CATALOGUE, DataFile, DataSet, find, get, path, paths
from cellstate.errors import DownloadError, InputError

CONTENT = b"ds,y\n1,2\n"
PACKED = gzip.compress(CONTENT, mtime=0)
SERIES = DataFile(
    "series/x.csv.gz",
    hashlib.sha256(PACKED).hexdigest(),
    "https://example.org/x.csv",
    hashlib.sha256(CONTENT).hexdigest(),
)
OTHER = DataFile("series/z.bin", hashlib.sha256(b"z").hexdigest())


@pytest.fixture(autouse=True)
def _own_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CELLSTATE_DATA", raising=False)
    monkeypatch.setattr(catalogue.sys, "platform", "linux")
    for name, files in (("one", (SERIES,)), ("two", (SERIES, OTHER))):
        entry = DataSet(name, "A set", "https://example.org", "MIT", "None.", "Nobody", files)
        monkeypatch.setitem(CATALOGUE, name, entry)


def store(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_every_entry_says_what_a_reader_needs() -> None:
    files = [file for entry in CATALOGUE.values() for file in entry.files]
    assert len(CATALOGUE) > 25
    for name, entry in CATALOGUE.items():
        assert re.fullmatch(r"[a-z0-9-]+", name)
        assert entry.name == name
        for text in (entry.title, entry.licence, entry.protocol, entry.citation):
            assert text
        assert re.match(r"https?://", entry.homepage)
        assert entry.files
    for file in files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.url == "" or file.url.startswith("https://")
        assert file.original_sha256 == "" or re.fullmatch(r"[0-9a-f]{64}", file.original_sha256)
        assert not file.original_sha256 or (file.url and file.path.endswith(".gz"))
        assert ".." not in file.path
        assert not file.path.startswith("/")


def test_folder_given_comes_before_the_variable_and_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError):
        path("one")
    cached = store(tmp_path / "cache/cellstate/data", "series/x.csv", CONTENT)
    assert path("one") == cached
    named = store(tmp_path / "named", "series/x.csv.gz", PACKED)
    monkeypatch.setenv("CELLSTATE_DATA", str(tmp_path / "named"))
    assert path("one") == named
    given = store(tmp_path / "given", "x.csv", CONTENT)
    assert path("one", tmp_path / "given") == given


def test_bare_name_counts_only_with_the_right_content(tmp_path: Path) -> None:
    store(tmp_path, "x.csv", b"another file of that name")
    with pytest.raises(DownloadError, match="must be on this machine"):
        path("one", tmp_path)


def test_set_of_several_files_is_the_folder_that_holds_them_all(tmp_path: Path) -> None:
    store(tmp_path / "cache/cellstate/data", "series/z.bin", b"z")
    store(tmp_path / "given", "series/x.csv.gz", PACKED)
    with pytest.raises(DownloadError, match="not all of them in the data folder or the cache"):
        path("two", tmp_path / "given")
    store(tmp_path / "given", "series/z.bin", b"z")
    assert path("two", tmp_path / "given", verify=True) == tmp_path / "given/series"
    assert list(paths("two", tmp_path / "given")) == ["series/x.csv.gz", "series/z.bin"]


@pytest.mark.parametrize("level", [1, 9])
def test_content_counts_however_it_is_compressed(tmp_path: Path, level: int) -> None:
    file = store(tmp_path, "series/x.csv.gz", gzip.compress(CONTENT, level, mtime=7))
    assert path("one", tmp_path, verify=True) == file


@pytest.mark.parametrize("damage", [PACKED[:-1], b"", gzip.compress(b"else", mtime=0), b"no gzip"])
def test_damaged_file_is_refused_when_verified(tmp_path: Path, damage: bytes) -> None:
    store(tmp_path, "series/x.csv.gz", damage)
    path("one", tmp_path)
    with pytest.raises(DownloadError, match=r"must have the catalogue's checksum; got SHA-256"):
        path("one", tmp_path, verify=True)


def test_get_downloads_into_the_cache_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(url: str, target: Path, sha256: str, *, progress: Callable | None) -> None:
        asked.append((url, sha256, progress))
        store(target.parent, target.name, CONTENT)

    monkeypatch.setattr("cellstate.data.download.download", download)
    expected = tmp_path / "cache/cellstate/data/series/x.csv"
    assert get("one", progress=print) == get("one") == expected
    assert asked == [(SERIES.url, SERIES.original_sha256, print)]


def test_get_takes_a_local_file_first(tmp_path: Path) -> None:
    file = store(tmp_path, "series/x.csv.gz", PACKED)
    assert get("one", tmp_path) == file
    assert not (tmp_path / "cache").exists()


def test_what_has_no_address_is_explained_before_anything_is_fetched() -> None:
    message = (
        r"data two: series/x.csv.gz, series/z.bin must be on this machine; got not all .*\. "
        r"series/z.bin is a part .* see https://example.org \(licence: MIT\), store it under"
    )
    for ask in (get, path):
        with pytest.raises(DownloadError, match=message):
            ask("two")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: find("eth1"), r"must be in the catalogue; got 'eth1'\. Did you mean 'etth1'\?"),
        (lambda: path("M4"), "cellstate data list"),
        (lambda: get("nothing-like-it"), "Choose from 'etth1', "),
        (lambda: path("etth1", "/no/such/folder"), "the data folder must exist; got /no/such"),
        (lambda: path("one"), "Download it with: cellstate data get one"),
    ],
)
def test_bad_calls_are_answered(call: Callable, message: str) -> None:
    with pytest.raises((InputError, DownloadError), match=message):
        call()


@pytest.mark.parametrize(
    ("platform", "ending"),
    [("linux", "cache/cellstate/data"), ("darwin", "Library/Caches/cellstate/data")],
)
def test_cache_lies_where_the_platform_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, platform: str, ending: str
) -> None:
    monkeypatch.setattr(catalogue.sys, "platform", platform)
    assert catalogue.cache_folder().as_posix().endswith(ending)


def test_local_copies_have_the_catalogues_checksums(data_dir: Path) -> None:
    present = [
        (file, found)
        for entry in CATALOGUE.values()
        for file in entry.files
        if file.path.startswith(("series/", "health/")) and (found := file.find(data_dir))
    ]
    assert present
    assert [file.path for file, found in present if not file.is_intact(found)] == []
