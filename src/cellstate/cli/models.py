"""The saved model that a command works with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A folder that fit has written.")]


def load(folder: Path) -> Any:
    """Load the estimator from its folder, whatever its job."""
    from cellstate import tasks

    return tasks.load(str(folder))
