"""The command line: `cellstate fit`, `predict`, `evaluate`, … Needs no torch to start."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process.

    Exit status: 0 done; 2 the call cannot be served, with one message on stderr and nothing on
    stdout; 130 interrupted. A bug of ours ends in a traceback.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``cellstate``; those of the process when left out.
    """
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        sys.exit(130)


def _run(arguments: Sequence[str] | None) -> int:
    from cellstate.cli.app import app
    from cellstate.errors import CellstateError

    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            app(args=arguments, prog_name="cellstate")
        except CellstateError as problem:
            print(problem, file=sys.stderr)  # noqa: T201
            return 2
    return 0


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show what a warning says, and spare the reader the line of code it comes from."""
    print(f"Warning: {message}", file=sys.stderr)  # noqa: T201
