"""A call in another process, timed by its own clock there, so that it can take turns here."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.harness.options import ROOT

TAIL = 2000  # characters of a failed process's words


class Remote:
    """A process that answers one line of JSON for each line of JSON that it is given.

    Called, it runs its call once. While it waits for a line it sleeps.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; they run in the project's root.
    environment : mapping
        Variables in addition to this process's own.
    scratch : Path
        A folder that exists, for what the process says besides.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        environment: Mapping[str, str],
        scratch: Path,
    ) -> None:
        self._words = scratch / "words"
        with self._words.open("wb") as words:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )
        self._rest = b""
        self.versions = ""  # of what it measures, once it is known

    def ask(self, question: Mapping[str, Any], timeout_seconds: float = 120.0) -> dict[str, Any]:
        """Send one line, and wait for the answer.

        Raises
        ------
        TimeoutError
            There is none in time; the process is ended.
        RuntimeError
            The process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        descriptor = self._process.stdout.fileno()
        stop = time.monotonic() + timeout_seconds
        while b"\n" not in self._rest:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, stop - time.monotonic()))
            if not ready:
                self.close()
                raise TimeoutError(f"no answer to {question} within {timeout_seconds:g} s")
            data = os.read(descriptor, 65536)
            if not data:
                raise self._ended()
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def __call__(self) -> None:
        """Run the call once."""
        self.sample(1)

    def sample(self, repeats: int) -> float:
        """Run the call several times, and give the seconds of one by the clock there."""
        return self.ask({"sample": repeats})["seconds"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _ended(self) -> RuntimeError:
        self._process.wait()
        words = self._words.read_text(encoding="utf-8", errors="replace")[-TAIL:]
        return RuntimeError(f"the process ended with {self._process.returncode}:\n{words}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
