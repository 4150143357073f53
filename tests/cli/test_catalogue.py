"""`cellstate data`."""

import hashlib
import io
import sys

import pytest

from cellstate.cli import catalogue as commands
from cellstate.data import catalogue
from cellstate.data.catalogue import DataFile, DataSet

CONTENT = b"ds,y\n1,2\n"
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
ABOUT = {"homepage": "https://example.org", "licence": "MIT", "protocol": "p", "citation": "c"}


@pytest.fixture(autouse=True)
def _two_sets(monkeypatch, tmp_path):
    """One set that can be downloaded and one that cannot, and folders of this test's own."""
    sets = (
        DataSet("near", "A [small] set", files=(DataFile("a/near.csv", CHECKSUM),), **ABOUT),
        DataSet("far", "B", files=(DataFile("far.csv", CHECKSUM, "http://x/far.csv"),), **ABOUT),
    )
    for name in list(catalogue.CATALOGUE):
        monkeypatch.delitem(catalogue.CATALOGUE, name)
    for entry in sets:
        monkeypatch.setitem(catalogue.CATALOGUE, entry.name, entry)
    monkeypatch.delenv("CELLSTATE_DATA", raising=False)
    monkeypatch.setattr(catalogue, "cache_folder", lambda: tmp_path / "cache")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "near.csv").write_bytes(CONTENT)
    return folder


@pytest.fixture
def downloads(monkeypatch):
    """Note what would be downloaded, and write it."""
    calls = []

    def download(url, target, sha256, progress=None):
        calls.append((url, progress))
        target.parent.mkdir(parents=True)
        target.write_bytes(CONTENT)
        if progress is not None:
            progress(5, None)
            progress(9, 9)

    monkeypatch.setattr("cellstate.data.download.download", download)
    return calls


def test_sets_are_listed_with_where_they_are(cellstate, data):
    result = cellstate("data", "list", "--data-dir", data)
    assert (result.code, result.err) == (0, "")
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert "near A [small] set MIT yes" in lines
    assert "far B MIT to get" in lines
    assert "near A [small] set MIT by hand" in " ".join(cellstate("data", "list").out.split())


def test_one_set_is_shown_in_full(cellstate, data):
    result = cellstate("data", "list", "near", "--data-dir", data)
    flat = "".join(result.out.split())
    for text in ("https://example.org", "MIT", "protocolp", CHECKSUM, "a/near.csv", str(data)):
        assert text in flat


def test_sets_are_listed_for_machines(cellstate, data):
    near, far = cellstate("data", "list", "--data-dir", data, "--json").json["data"]
    assert near["name"] == "near"
    assert near["path"] == str(data / "a" / "near.csv")
    assert near["downloadable"] is False
    assert far["path"] is None
    assert far["files"][0]["url"] == "http://x/far.csv"


def test_a_path_is_one_line(cellstate, data, monkeypatch):
    place = data / "a" / "near.csv"
    assert cellstate("data", "path", "near", "--data-dir", data).out == f"{place}\n"
    monkeypatch.setenv("CELLSTATE_DATA", str(data))
    assert cellstate("data", "path", "near").out == f"{place}\n"
    document = cellstate("data", "path", "near", "--json").json
    assert document == {"name": "near", "path": str(place)}


def test_what_is_missing_is_downloaded_once(cellstate, downloads, tmp_path):
    place = tmp_path / "cache" / "far.csv"
    for _ in range(2):
        assert cellstate("data", "get", "far").out == f"{place}\n"
    assert downloads == [("http://x/far.csv", None)]
    assert cellstate("data", "get", "far", "--json").json["path"] == str(place)


def test_a_terminal_sees_the_progress(downloads, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    commands._get("far")
    assert downloads[0][1] is not None
    assert "far" in screen.getvalue()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("list", "nera"), "the name must be in the catalogue; got 'nera'. Did you mean 'near'?"),
        (("path", "nowhere"), "the name must be in the catalogue; got 'nowhere'"),
        (("path", "far"), "Download it with: cellstate data get far"),
        (("get", "near"), "see https://example.org (licence: MIT)"),
        (("path", "near", "--data-dir", "no/where"), "the data folder must exist; got no/where"),
        (("get",), "Missing argument 'NAME'"),
        (("fetch", "near"), "cellstate data: the command must be known; got 'fetch'"),
    ],
)
def test_a_bad_call_ends_with_2_and_one_message(cellstate, words, message):
    result = cellstate("data", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_changed_file_is_refused(cellstate, data):
    (data / "a" / "near.csv").write_bytes(b"other")
    result = cellstate("data", "path", "near", "--data-dir", data)
    assert result.code == 2
    assert "must have the catalogue's checksum" in result.err
