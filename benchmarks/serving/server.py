"""`cellstate serve`, and a server that does nothing, as processes seen from outside."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.harness.options import ROOT

COMMAND = "from cellstate.cli import main; main()"
HOST = "127.0.0.1"
STARTING = 60.0  # seconds
DRAINING = 30.0
TAIL = 2000  # characters of its words
TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024


class Usage(NamedTuple):
    """What a process holds and has used so far."""

    cpu_seconds: float
    resident: int  # bytes
    anonymous: int  # bytes of it that no file stands behind
    descriptors: int


def usage(pid: int) -> Usage:
    """Read what the system knows of a process and all that it has started."""
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                fields = (path / "stat").read_text("utf-8").rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
            parents[int(path.name)] = int(fields[1])
    family = [pid]
    for one in family:  # grows meanwhile
        family += [child for child, parent in parents.items() if parent == one]
    parts = [_usage(one) for one in family]
    return Usage(*(sum(column) for column in zip(*parts, strict=True)))


def _usage(pid: int) -> Usage:
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text("utf-8").rsplit(")", 1)[1].split()
    lines = (line.split() for line in (process / "status").read_text("utf-8").splitlines())
    status = {words[0]: words[1] for words in lines if len(words) > 1}
    return Usage(
        (int(fields[11]) + int(fields[12])) / TICKS,
        int(status.get("VmRSS:", 0)) * KIB,  # none of one that has ended
        int(status.get("RssAnon:", 0)) * KIB,
        len(list((process / "fd").iterdir())),
    )


class Server:
    """A server on a free port of loopback, ended on exit.

    Parameters
    ----------
    model : Path
        Folder of the model.
    store : str
        A file, or the address of a database.
    scratch : Path
        Folder for what the server says.
    options : sequence of str
        Further words of the command line.
    port : int, optional
        Instead of a free one.
    """

    def __init__(
        self,
        model: Path,
        store: str,
        scratch: Path,
        options: Sequence[str] = (),
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.store = store
        self._words = scratch / f"server-{self.port}.txt"
        command = [sys.executable, "-c", COMMAND, "serve", str(model), "--store", store]
        command += ["--port", str(self.port), *options]
        with self._words.open("wb") as words:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=words, stderr=words
            )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait(self, seconds: float = STARTING) -> Self:
        """Wait until it is ready.

        Raises
        ------
        RuntimeError
            It ended, or is not ready in time.
        """
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended:\n{self.words()}")
            if is_ready(self.port):
                return self
            time.sleep(0.05)
        raise RuntimeError(f"the server is not ready after {seconds:g} s:\n{self.words()}")

    def usage(self) -> Usage:
        """Read what it holds and has used."""
        return usage(self.pid)

    def store_bytes(self) -> int:
        """Add up the store's files."""
        file = Path(self.store)
        return sum(path.stat().st_size for path in file.parent.glob(file.name + "*"))

    def words(self) -> str:
        """Give the end of what it said."""
        return self._words.read_text("utf-8", errors="replace")[-TAIL:]

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end, wait, and give its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(DRAINING)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class NullServer:
    """A process that answers at once and does nothing, ended on exit."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.serving.null_server"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def usage(self) -> Usage:
        """Read what it holds and has used."""
        return usage(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


def is_ready(port: int) -> bool:
    """Ask a server whether it takes events."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
