"""Downloads from a server on loopback that fails in all the usual ways."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cellstate.data.download import download
from cellstate.errors import DownloadError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT, after the failures that a test asks for."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.knows_ranges = True
        self.tells_length = True
        self.cut_after: list[int] = []  # bytes that each of the next answers sends
        self.statuses: list[int] = []  # of the next answers, which send nothing
        self.ranges: list[str | None] = []  # what was asked for

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.server.statuses:
            self.send_error(self.server.statuses.pop(0))
            return
        start = 0
        if asked and self.server.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        body = CONTENT[start:]
        if self.server.tells_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.cut_after:
            body = body[: self.server.cut_after.pop(0)]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(server: Server, target: Path, sha256: str = SHA256, **options: object) -> Path:
    return download(server.url, target, sha256, pause_s=0, timeout_s=5, **options)


def test_file_arrives_whole_and_leaves_no_part(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.bin"
    assert fetch(server, target) == target
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("tells_length", [True, False])
def test_progress_counts_bytes(server: Server, tmp_path: Path, tells_length: bool) -> None:
    server.tells_length = tells_length
    seen: list[tuple[int, int | None]] = []
    fetch(server, tmp_path / "x", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CONTENT), len(CONTENT) if tells_length else None)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_download_resumes_where_it_was_cut(server: Server, tmp_path: Path) -> None:
    server.cut_after = [100_000, 200_000]
    fetch(server, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=300000-"]


def test_part_of_an_earlier_process_is_resumed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(CONTENT[:5000])
    fetch(server, tmp_path / "x")
    assert server.ranges == ["bytes=5000-"]
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_whole_part_needs_no_byte_more(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(CONTENT)
    fetch(server, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("old", [b"another version" * 10, b"x" * (len(CONTENT) + 5)])
def test_part_of_another_version_is_fetched_anew(
    server: Server, tmp_path: Path, old: bytes
) -> None:
    (tmp_path / "x.part").write_bytes(old)
    fetch(server, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_server_without_ranges_sends_the_whole_file_again(server: Server, tmp_path: Path) -> None:
    server.knows_ranges = False
    server.cut_after = [100_000]
    fetch(server, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429, 500]
    fetch(server, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_attempts_are_bounded_and_keep_what_has_come(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1000, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"must answer; got the connection ended after 1000 of"):
        fetch(server, tmp_path / "x", attempts=3)
    assert (tmp_path / "x.part").stat().st_size == 1000
    assert not (tmp_path / "x").exists()


def test_attempts_that_bring_something_are_not_counted(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1000] * 10
    fetch(server, tmp_path / "x", attempts=2)
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403, 410])
def test_refusal_is_final(server: Server, tmp_path: Path, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(DownloadError, match=f"must serve the file; got HTTP status {status}. The"):
        fetch(server, tmp_path / "x")
    assert len(server.ranges) == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=rf"must give the file .*; got SHA-256 {SHA256} for 00"):
        fetch(server, tmp_path / "x", "00")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing(server: Server, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "x.part").symlink_to(full)
    with pytest.raises(DownloadError, match=r"must take the download; got No space left .* Free"):
        fetch(server, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_is_answered(tmp_path: Path) -> None:
    with Server() as closed:
        url = closed.url
    with pytest.raises(DownloadError, match=r"must answer; got no connection \(.*in 2 attempts"):
        download(url, tmp_path / "x", SHA256, attempts=2, pause_s=0)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://example.org/x", "x.csv"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="must be http or https; got"):
        download(url, tmp_path / "x", SHA256)
