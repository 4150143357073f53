"""The learning rate over a run, as a factor in (0, 1] of its highest value."""

from __future__ import annotations

import math

WARM_UP = 0.2
"""Share of a one-cycle run in which the rate rises."""
FIRST = 0.1
"""Factor at a one-cycle run's first step."""
LAST = 0.01
"""Factor at the end of a falling schedule: not zero, so that the last steps still count."""


def rate_factor(schedule: str, done: float) -> float:
    """Factor of the highest rate after the share `done` of the run.

    Parameters
    ----------
    schedule : {"one_cycle", "cosine", "constant"}
    done : float
        Share of the steps that lie behind, in [0, 1].

    Examples
    --------
    >>> [round(rate_factor("one_cycle", d), 3) for d in (0.0, 0.2, 0.6, 1.0)]
    [0.1, 1.0, 0.505, 0.01]
    >>> [round(rate_factor("cosine", d), 3) for d in (0.0, 0.5, 1.0)]
    [1.0, 0.505, 0.01]
    """
    done = min(max(done, 0.0), 1.0)
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return _ease(1.0, LAST, done)
    if done < WARM_UP:
        return _ease(FIRST, 1.0, done / WARM_UP)
    return _ease(1.0, LAST, (done - WARM_UP) / (1.0 - WARM_UP))


def _ease(start: float, end: float, share: float) -> float:
    """Move from start to end along half a cosine wave."""
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0
