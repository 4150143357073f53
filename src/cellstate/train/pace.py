"""How fast a training goes, what it will take, and how many steps fit into a time limit."""

from __future__ import annotations

import time

WARM_UP_STEPS = 2
"""First steps, whose memory and kernels are still being set up."""
STEPS = 10
"""Steps measured before the duration is foretold,"""
SECONDS = 3.0
"""or seconds, where steps are slow."""
VALID_SHARE = 0.35
"""Cost of a validation batch as a share of a step, until one is measured."""


class Pace:
    """Measure steps and validations from the start of training.

    Parameters
    ----------
    steps : int
        Steps that are planned.
    valid_every : int
        Steps between two validations.
    valid_batches : float
        Estimated number of batches in a validation.
    """

    def __init__(self, *, steps: int, valid_every: int, valid_batches: float) -> None:
        self.steps = steps
        self._valid_every = max(1, valid_every)
        self._valid_batches = valid_batches
        self._start = time.perf_counter()
        self._measured_steps = -WARM_UP_STEPS
        self._measured_seconds = 0.0
        self._valid_seconds: float | None = None
        self._step_start = self._start

    def elapsed(self, now: float | None = None) -> float:
        """Seconds since the start."""
        return (time.perf_counter() if now is None else now) - self._start

    def add_elapsed(self, seconds: float) -> None:
        """Count seconds spent before a training was taken up again."""
        self._start -= seconds

    def begin_steps(self) -> None:
        """Start the clock for steps, at the beginning and after anything that is no step."""
        self._step_start = time.perf_counter()

    def step_done(self) -> float:
        """Count one step and give the present time."""
        now = time.perf_counter()
        self._measured_steps += 1
        if self._measured_steps > 0:
            self._measured_seconds += now - self._step_start
        self._step_start = now
        return now

    def validation_took(self, seconds: float) -> None:
        """Take the measured cost of one validation."""
        self._valid_seconds = seconds

    @property
    def is_known(self) -> bool:
        """Whether enough was measured to foretell."""
        return self._measured_steps >= STEPS or (
            self._measured_steps > 0 and self._measured_seconds >= SECONDS
        )

    def seconds_left(self, step: int) -> float | None:
        """Seconds from `step` to the planned end, None while too little is known."""
        return max(0, self.steps - step) * self._per_step() if self.is_known else None

    def shorten(self, step: int, seconds: float) -> None:
        """Plan only as many steps after `step` as fit into `seconds`."""
        if self.is_known:
            self.steps = min(self.steps, step + max(1, int(seconds / self._per_step())))

    def _per_step(self) -> float:
        step = self._measured_seconds / self._measured_steps
        valid = self._valid_seconds
        if valid is None:
            valid = VALID_SHARE * step * self._valid_batches
        return step + valid / self._valid_every
