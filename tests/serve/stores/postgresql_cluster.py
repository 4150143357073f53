"""A private PostgreSQL server in a temporary folder, reached by a socket that lies there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_programs() -> Path | None:
    """Give the folder of `initdb` and `pg_ctl`; None where they are not installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (str(installed[-1]) if installed else None)
    return Path(found).parent if found else None


def why_not() -> str:
    """Say why no server can be started here; empty where one can."""
    if find_programs() is None:
        return "PostgreSQL is not installed"
    if os.geteuid() == 0 and _user() is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


class Cluster:
    """A server that can be stopped, killed and started again."""

    def __init__(self, folder: Path, *, flushes: bool) -> None:
        programs = find_programs()
        assert programs is not None
        self.folder, self._programs, self._flushes = folder, programs, flushes
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N")

    def start(self) -> None:
        flush = "on" if self._flushes else "off"
        options = f"-k {self.folder} -c listen_addresses= -c fsync={flush} -c max_connections=40"
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), "-D", str(self.folder / "data"), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            user=_user(),
        )


@contextmanager
def cluster(*, flushes: bool = False) -> Iterator[Cluster]:
    """Start a server, and remove it and its folder afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cellstate-pg-", dir="/tmp"))  # short: a socket's path
    try:
        if (user := _user()) is not None:
            os.chown(folder, user, -1)
        server = Cluster(folder, flushes=flushes)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> int | None:
    """Give whom to run the server as, where this process may not."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return None
