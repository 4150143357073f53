"""Small changes to training rows that leave their meaning alone."""

from __future__ import annotations

import numpy as np

from cellstate.tasks.arrays.encode import Scaled

NOISE = 0.03
"""Standard deviation of noise added to each value, in standard units."""
STRETCH = 0.1
"""Standard deviation of the factor by which a row is made larger or smaller, around 1."""
SHIFT = 0.03
"""Share of a row's length by which it is moved at most, earlier or later."""


def augmented(scaled: Scaled, rng: np.random.Generator) -> Scaled:
    """Shift, stretch and jitter each row by a little.

    Short rows, such as a table's columns, are too short to be shifted.
    """
    values, gaps = scaled.values, scaled.gaps
    most = np.round(SHIFT * scaled.lengths).astype(np.int64)
    if most.any():
        shift = rng.integers(-most, most + 1)[:, None]
        steps = np.arange(values.shape[1]) + shift
        steps = np.clip(steps, 0, scaled.lengths[:, None] - 1)[..., None]
        values = np.take_along_axis(values, steps, axis=1)
        gaps = np.take_along_axis(gaps, steps, axis=1) if gaps.shape[2] else gaps
    factor = 1.0 + STRETCH * rng.standard_normal((len(values), 1, 1), dtype=np.float32)
    noise = NOISE * rng.standard_normal(values.shape, dtype=np.float32)
    return Scaled(values * factor + noise, gaps, scaled.lengths)
