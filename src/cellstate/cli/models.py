"""The saved model that a command works with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellstate.errors import InputError, explain

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A folder that fit has written.")]


def load(folder: Path) -> Any:
    """Load the estimator from its folder, whatever its job."""
    from cellstate import tasks

    return tasks.load(str(folder))


def refuse_option(flag: str, value: Any, task: str) -> None:
    """Refuse an option that has no meaning for the model's job.

    Raises
    ------
    InputError
        The option was given.
    """
    if value is not None:
        must = f"a model of the job {task!r} takes no {flag}"
        raise InputError(explain("cellstate", must, f"{flag} {value}", "Leave it out"))
