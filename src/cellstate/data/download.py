"""Files fetched over HTTP: verified, resumed where they broke off, whole or not there at all."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cellstate.data.catalogue import digest
from cellstate.errors import DownloadError, explain

Progress = Callable[[int, int | None], None]

ATTEMPTS = 5
_BLOCK = 1 << 16
_LONGEST_PAUSE_S = 30.0
_BUSY = {408, 425, 429, 500, 502, 503, 504}  # HTTP answers after which trying again may help
_RANGE_REFUSED = 416


class _BrokeOffError(Exception):
    """The connection failed or ended early: what has come is kept, and trying again may help."""


@dataclass(frozen=True)
class _Answer:
    """The server's answer to a request for the rest of a file."""

    body: http.client.HTTPResponse
    start: int  # the first byte that it sends
    total: int | None  # the whole file's length


def download(
    url: str,
    target: Path,
    sha256: str,
    *,
    attempts: int = ATTEMPTS,
    pause_s: float = 1.0,
    timeout_s: float = 30.0,
    progress: Progress | None = None,
) -> Path:
    """Fetch a file and verify its checksum.

    Bytes go to ``target.part``, which a later attempt, also of another process, resumes; only the
    verified file gets the target's name.

    Parameters
    ----------
    url : str
        HTTP or HTTPS.
    target : Path
        Folders are made as needed.
    sha256 : str
        The expected checksum.
    attempts : int
        Connections in a row that may fail.
    pause_s : float
        Before the second attempt; doubled each time, to half a minute at most.
    timeout_s : float
        Silence after which a connection counts as failed.
    progress : callable, optional
        Called with the bytes received and the whole length, if known.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    DownloadError
        The address does not serve the file, the connection fails too often, the checksum differs
        or the disk is full.
    """
    if not url.startswith(("http://", "https://")):
        must, do = "the address must be http or https", "Copy a local file by hand"
        raise DownloadError(explain("data", must, repr(url), do))
    part = target.with_name(f"{target.name}.part")
    resumed = part.is_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, attempts, pause_s, timeout_s, progress)
        found = digest(part)
        if found != sha256 and resumed:
            # The old part may be of another version of the file.
            part.unlink()
            _fetch(url, part, attempts, pause_s, timeout_s, progress)
            found = digest(part)
        if found == sha256:
            _keep(part, target)
            return target
        part.unlink()
    except OSError as failure:
        if isinstance(failure, DownloadError):
            raise
        part.unlink(missing_ok=True)
        raise DownloadError(
            explain(
                "data",
                f"the folder {target.parent} must take the download",
                failure.strerror or str(failure),
                "Free space, or set XDG_CACHE_HOME to another folder",
            )
        ) from failure
    raise DownloadError(
        explain(
            "data",
            f"{url} must give the file of the catalogue",
            f"SHA-256 {found} for {sha256}",
            "The source may have changed: fetch the file by hand and look at it",
        )
    )


def _fetch(
    url: str,
    part: Path,
    attempts: int,
    pause_s: float,
    timeout_s: float,
    progress: Progress | None,
) -> None:
    """Complete the part, in as many connections as needed; only those in vain are counted."""
    failures = 0
    while True:
        have = part.stat().st_size if part.is_file() else 0
        try:
            _receive(url, part, have, timeout_s, progress)
            return
        except _BrokeOffError as broken:
            grown = part.is_file() and part.stat().st_size > have
            failures = 1 if grown else failures + 1
            if failures >= attempts:
                raise DownloadError(
                    explain(
                        "data",
                        f"{url} must answer",
                        f"{broken} in {attempts} attempts",
                        "Check the connection and try again: the download resumes",
                    )
                ) from broken
            time.sleep(min(pause_s * 2 ** (failures - 1), _LONGEST_PAUSE_S))


def _receive(url: str, part: Path, have: int, timeout_s: float, progress: Progress | None) -> None:
    answer = _ask(url, have, timeout_s)
    if answer is None:  # nothing is left to send
        return
    with answer.body, part.open("ab" if answer.start else "wb") as file:
        received = _copy(answer, file, progress)
    if answer.total is not None and received != answer.total:
        raise _BrokeOffError(f"the connection ended after {received} of {answer.total} bytes")


def _ask(url: str, have: int, timeout_s: float) -> _Answer | None:
    """Ask for the bytes from `have` on; None if the server has no more than those."""
    headers = {"User-Agent": "cellstate", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        body = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout_s
        )
    except urllib.error.HTTPError as refusal:
        with refusal:
            if refusal.code == _RANGE_REFUSED and have:
                return None
            if refusal.code in _BUSY:
                raise _BrokeOffError(f"HTTP status {refusal.code}") from refusal
            raise DownloadError(
                explain(
                    "data",
                    f"{url} must serve the file",
                    f"HTTP status {refusal.code}",
                    "The address may have changed: see the project page in the catalogue",
                )
            ) from refusal
    except (OSError, http.client.HTTPException) as failure:
        reason = getattr(failure, "reason", failure)
        raise _BrokeOffError(f"no connection ({reason})") from failure
    # A server that knows no ranges sends the whole file with status 200.
    start = have if body.status == http.HTTPStatus.PARTIAL_CONTENT else 0
    length = body.headers.get("Content-Length")
    return _Answer(body, start, None if length is None else start + int(length))


def _copy(answer: _Answer, file: IO[bytes], progress: Progress | None) -> int:
    received = answer.start
    while True:
        try:
            block = answer.body.read(_BLOCK)
        except (OSError, http.client.HTTPException) as failure:
            raise _BrokeOffError(f"the connection failed ({failure})") from failure
        if not block:
            return received
        file.write(block)
        received += len(block)
        if progress is not None:
            progress(received, answer.total)


def _keep(part: Path, target: Path) -> None:
    """Give the verified file its name, once it is on the disk."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
