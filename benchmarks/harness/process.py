"""A whole process as a user meets it: from its start to its end, with its peak of memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellstate.errors import InputError, explain

LAUNCHER = Path(__file__).with_name("launch.py")
TAIL = 2000  # characters of a failed command's words


@dataclass(frozen=True)
class Measured:
    """What one process took, and what it said."""

    returncode: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    stdout: str
    stderr: str

    def require_success(self, what: str) -> Measured:
        """Return itself, or raise with the end of what the process said.

        Raises
        ------
        RuntimeError
            The process failed.
        """
        if self.returncode != 0:
            words = (self.stderr or self.stdout)[-TAIL:]
            raise RuntimeError(f"{what} ended with {self.returncode}:\n{words}")
        return self


def measure(
    command: Sequence[str | os.PathLike[str]],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_seconds: float = 3600.0,
) -> Measured:
    """Run a command and measure the whole process.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping, optional
        Variables in addition to this process's own.
    folder : Path, optional
        Where it runs.
    timeout_seconds : float, default 3600.0
        It is ended, with all that it started, after this long.

    Returns
    -------
    Measured
        Wall and CPU seconds, and the peak of resident memory in bytes: the largest of the process
        and its children, not their sum.

    Raises
    ------
    InputError
        The command is empty.
    TimeoutError
        It took too long.

    Examples
    --------
    >>> measure([sys.executable, "-c", "print(6 * 7)"]).stdout
    '42\\n'
    """
    if not command:
        raise InputError(
            explain("measure", "command must name a program", "nothing", "Give its arguments")
        )
    with tempfile.TemporaryDirectory() as scratch:
        result, out, err = (Path(scratch, name) for name in ("result", "out", "err"))
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), str(result), *map(str, command)]
        with out.open("wb") as stdout, err.open("wb") as stderr:
            running = subprocess.Popen(
                launched,
                stdout=stdout,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
            try:
                running.wait(timeout_seconds)
            except subprocess.TimeoutExpired as late:
                raise TimeoutError(
                    explain(
                        "measure",
                        f"the command must end within {timeout_seconds:g} s",
                        " ".join(map(str, command))[:200],
                        "Give it more time or less work",
                    )
                ) from late
            finally:
                _end(running)
        words, errors = (path.read_text(encoding="utf-8", errors="replace") for path in (out, err))
        if not result.is_file():
            return Measured(running.returncode, 0.0, 0.0, 0, words, errors)
        return Measured(**json.loads(result.read_text()), stdout=words, stderr=errors)


def _end(running: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started, if any of it still runs."""
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
