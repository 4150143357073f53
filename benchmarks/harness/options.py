"""What the caller of a benchmark chose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options:
    """The command line of a benchmark.

    Attributes
    ----------
    quick : bool
        Run the form that takes a minute, whose figures are not kept.
    data_dir : Path or None
        The folder of public data sets, for `cellstate.data.catalogue.path`.
    threads : int
        How many threads the systems may use.
    seconds : float or None
        How long to go on, for a benchmark whose length may be chosen.
    """

    quick: bool = False
    data_dir: Path | None = None
    threads: int = 1
    seconds: float | None = None
