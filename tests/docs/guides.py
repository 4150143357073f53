"""Runs a guide as its reader would: blocks of Python and of a shell, in order, in one folder."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```(python|sh)\n(.*?)```", re.DOTALL)
COMMAND = "from cellstate.cli import main; main()"
STARTING = 30.0  # seconds
SHELL = f"""
set -euo pipefail
cellstate() {{ {shlex.quote(sys.executable)} -c {shlex.quote(COMMAND)} "$@"; }}
"""


class Guide:
    """A page of the documentation.

    Its first ``cellstate serve`` is started, at a free port instead of 8000; of later ones it is
    checked that they can be called so.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        self.blocks: list[tuple[str, str]] = BLOCK.findall(self.text)
        self.folder = folder
        self.names: dict[str, Any] = {}
        self.said: list[str] = []  # of the shell's blocks
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._server: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Run all blocks."""
        for kind, block in self.blocks:
            code = block.replace(":8000", f":{self.port}")
            if kind == "python":
                exec(compile(code, "guide", "exec"), self.names)
            else:
                self.shell(code)

    def shell(self, code: str) -> None:
        """Run a block of the shell; raise if one of its commands fails."""
        joined = code.replace("\\\n", " ")
        serving = [line for line in joined.splitlines() if line.startswith("cellstate serve")]
        if serving and self._server is None:
            self.serve(*shlex.split(serving[0])[2:])
            return
        for line in serving:
            self.said.append(self._bash(f"{line} --help"))
        rest = "\n".join(line for line in joined.splitlines() if line not in serving)
        if rest.strip():
            self.said.append(self._bash(rest))

    def serve(self, *words: str) -> None:
        """Start the server and wait until it takes events."""
        self._server = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "serve", *words, "--port", str(self.port)],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        stop = time.monotonic() + STARTING
        while self.ask("GET", "/readyz") != {"ready": True}:
            assert self._server.poll() is None
            assert time.monotonic() < stop
            time.sleep(0.05)

    def ask(self, method: str, path: str) -> Any:
        """Ask the server; None while there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            return json.loads(connection.getresponse().read())
        except OSError:
            return None
        finally:
            connection.close()

    def end(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.terminate()
            assert self._server.wait(30) == 0

    def _bash(self, code: str) -> str:
        ran = subprocess.run(
            ["bash", "-c", SHELL + code],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, code + ran.stderr
        return ran.stdout
