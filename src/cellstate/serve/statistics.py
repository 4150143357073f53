"""What the engine counts; only its writer writes, anyone may read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Statistics:
    """Totals since the start.

    Attributes
    ----------
    events : Counter
        Outcomes by status.
    late : int
        Applied events that came late.
    steps : int
        Steps of the model, those of replays and shadows included.
    batches : int
        Commits of events.
    commit_s, work_s : float
        Seconds in commits, and in all that comes before one.
    failures : int
        Commits that failed.
    created, forgotten, expired : int
        Entities; those expired are among the forgotten.
    """

    events: Counter[str] = field(default_factory=Counter)
    late: int = 0
    steps: int = 0
    batches: int = 0
    commit_s: float = 0.0
    work_s: float = 0.0
    failures: int = 0
    created: int = 0
    forgotten: int = 0
    expired: int = 0
