"""Made-up patients whose risks and events are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def rows(count: int = 400, seed: int = 0, *, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Give events (n,) and risks (n,) that know something of them, with ties by rounding."""
    rng = np.random.default_rng(seed)
    risks = rng.beta(1.2, 4.0, count)
    events = rng.random(count) < 0.15 + 0.6 * risks
    return events, risks.round(decimals)


def stays(count: int = 40, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Give offsets, hours and risks of stays of uneven length, and the hour of each event."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 60, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    gaps = rng.choice([0.5, 1.0, 1.0, 2.0], offsets[-1])
    hours = np.concatenate([np.cumsum(gaps[a:b]) for a, b in pairwise(offsets)])
    events = np.where(rng.random(count) < 0.4, hours[offsets[1:] - 1] - 1.0, np.nan)
    near = np.repeat(events, lengths) - hours
    risks = rng.random(offsets[-1]) * np.where(near < 12, 1.0, 0.7)
    return offsets, hours, risks.round(2), events


def lifetimes(
    count: int = 200, seed: int = 0, *, is_censored: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give times, whether each is an event's, and the log hazards that they were drawn with."""
    rng = np.random.default_rng(seed)
    risks = rng.normal(0.0, 1.0, count)
    times = rng.exponential(np.exp(-risks)) + 1e-6
    leaves = rng.exponential(2.0, count) + 1e-6
    if not is_censored:
        return times, np.ones(count, dtype=bool), risks
    return np.minimum(times, leaves), times <= leaves, risks
