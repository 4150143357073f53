"""Draws from distribution heads in NumPy, each row independent of the rows beside it.

All rows share the same stream of uniform numbers (common random numbers), so that a row's paths
do not depend on which other rows are forecast in the same call.
"""

from __future__ import annotations

import numpy as np


def student_t(u: np.ndarray, v: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Draw standard Student-t variables by the polar method.

    t = √(ν (u^(−2/ν) − 1)) · cos 2πv is exact for independent uniforms u, v.

    Parameters
    ----------
    u, v : np.ndarray
        Uniform in (0, 1], broadcastable with `freedom`.
    freedom : np.ndarray
        Degrees of freedom ν > 0.

    References
    ----------
    R. W. Bailey, "Polar generation of random variates with the t-distribution", Mathematics of
    Computation 62 (1994).

    Examples
    --------
    >>> float(student_t(np.array(1.0), np.array(0.3), np.array(5.0)))
    0.0
    """
    return np.sqrt(freedom * np.expm1(-2 / freedom * np.log(u))) * np.cos(2 * np.pi * v)


def negative_binomial(
    seeds: np.ndarray, step: int, mean: np.ndarray, shape: np.ndarray, paths: int
) -> np.ndarray:
    """Draw counts with the given mean and variance mean + mean² / shape, as Poisson–gamma mixtures.

    Parameters
    ----------
    seeds : np.ndarray
        One integer shared by all rows, as an array of entropy words.
    step : int
        Horizon step, which picks the stream.
    mean, shape : np.ndarray
        (B, paths), both > 0.
    paths : int
        Draws per row.

    Returns
    -------
    np.ndarray
        (B, paths) counts, as float64.
    """
    counts = np.empty_like(mean, dtype=np.float64)
    for row in range(len(mean)):
        rng = np.random.default_rng([*seeds, step])  # the same stream for every row
        rate = rng.standard_gamma(shape[row], size=paths) * mean[row] / shape[row]
        counts[row] = rng.poisson(np.minimum(rate, 1e15))
    return counts


def from_quantiles(u: np.ndarray, values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Draw by inverting a quantile function given at some levels.

    Between levels it is linear; beyond the outermost it continues the outermost segment's slope,
    in the normal distribution's proportions of tail to shoulder, up to half a level.

    Parameters
    ----------
    u : np.ndarray
        (B, S) uniform in (0, 1].
    values : np.ndarray
        (B, S, Q), rising along Q.
    levels : np.ndarray
        (Q,), rising, in (0, 1).
    """
    u = np.clip(u, levels[0] / 2, 1 - (1 - levels[-1]) / 2)
    right = np.clip(np.searchsorted(levels, u), 1, len(levels) - 1)
    low, high = levels[right - 1], levels[right]
    y_low = np.take_along_axis(values, (right - 1)[..., None], -1)[..., 0]
    y_high = np.take_along_axis(values, right[..., None], -1)[..., 0]
    return y_low + (u - low) / (high - low) * (y_high - y_low)
