"""A progress bar with loss, rate and time left, on a terminal or where it is asked for."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType
from typing import Self

EVERY_S = 0.1
"""Seconds between two updates of the bar."""


class ProgressBar:
    """Show how far a training is; does nothing unless `shown`.

    Parameters
    ----------
    shown : bool or None
        None shows the bar if standard error is a terminal.
    steps : int
        Steps in the whole training.
    """

    def __init__(self, shown: bool | None, steps: int) -> None:
        self._bar = None
        self._next = 0.0
        if not (sys.stderr.isatty() if shown is None else shown):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[facts]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("training", total=steps, facts="")

    def is_due(self, now: float) -> bool:
        """Whether the bar should be redrawn at `now`, in seconds of `time.perf_counter`."""
        return self._bar is not None and now >= self._next

    def show(
        self,
        *,
        step: int,
        steps: int,
        epoch: int,
        loss: float,
        valid_loss: float | None,
        rate: float,
        seconds_left: float | None,
    ) -> None:
        """Redraw the bar."""
        if self._bar is None:
            return
        facts = [f"epoch {epoch}", f"loss {loss:.4g}", f"rate {rate:.1e}"]
        if valid_loss is not None:
            facts.insert(2, f"validation {valid_loss:.4g}")
        if seconds_left is not None and math.isfinite(seconds_left):
            facts.append(f"{_duration(seconds_left)} left")
        self._bar.update(self._task, completed=step, total=steps, facts="  ".join(facts))
        self._next = time.perf_counter() + EVERY_S

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"
