"""Quantiles and prediction intervals: which are learnt, and their conformal calibration."""

from __future__ import annotations

import numpy as np

from cellstate.errors import InputError, explain

GRID = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
SMALLEST = 1e-12  # a distance to the median below this says nothing of the spread


def quantile_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    """Return the quantiles to learn: a fixed grid and the ends of the wanted intervals.

    Examples
    --------
    >>> quantile_levels((99,))[0], quantile_levels((80,)) == GRID
    (0.005, True)
    """
    ends = {round(0.5 + sign * level / 200, 6) for level in levels for sign in (-1, 1)}
    return tuple(sorted({*GRID, *ends}))


def band(
    quantiles: np.ndarray, taus: tuple[float, ...], level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pick lower and upper end of the central interval of `level` per cent."""
    low, high = (round(0.5 + sign * level / 200, 6) for sign in (-1, 1))
    if low not in taus or high not in taus:
        raise InputError(
            explain(
                "Forecaster",
                "levels must be among those learnt by fit",
                f"{level:g}",
                f"Fit again with levels=({level:g},)",
            )
        )
    return quantiles[..., taus.index(low)], quantiles[..., taus.index(high)]


def conformal_factors(
    truth: np.ndarray, quantiles: np.ndarray, taus: tuple[float, ...]
) -> np.ndarray:
    """Learn how far each quantile must move from the median to hold its share of the truth.

    For τ above one half the factor is the ⌈(n + 1) τ⌉-th smallest of (y − m) / (q_τ − m) over the
    n observed truths, m the median; below one half the same with both signs turned.

    Parameters
    ----------
    truth : np.ndarray
        (R, H), NaN where missing; data that training did not see.
    quantiles : np.ndarray
        (R, H, Q)
    taus : tuple of float
        The Q levels, one of them 0.5.

    Returns
    -------
    np.ndarray
        (Q,) positive factors, rising outwards in effect (see `apply_factors`); 1 for the median.

    References
    ----------
    Y. Romano, E. Patterson, E. Candès, "Conformalized quantile regression", NeurIPS 2019; here the
    score is a ratio, so that series of any unit share one correction.
    """
    middle = taus.index(0.5)
    median = quantiles[..., middle]
    factors = np.ones(len(taus))
    for index, tau in enumerate(taus):
        if index == middle:
            continue
        distance = quantiles[..., index] - median
        usable = np.isfinite(truth) & (np.abs(distance) > SMALLEST)
        ratios = np.sort((truth - median)[usable] / distance[usable])
        if len(ratios) == 0:
            continue
        share = max(tau, 1 - tau)
        rank = min(int(np.ceil((len(ratios) + 1) * share)), len(ratios)) - 1
        factors[index] = max(ratios[rank], SMALLEST)
    return factors


def apply_factors(
    quantiles: np.ndarray, factors: np.ndarray, taus: tuple[float, ...]
) -> np.ndarray:
    """Stretch quantiles (…, Q) from the median, keeping them in order."""
    middle = taus.index(0.5)
    median = quantiles[..., middle : middle + 1]
    moved = median + (quantiles - median) * factors
    moved[..., middle:] = np.maximum.accumulate(moved[..., middle:], axis=-1)
    moved[..., : middle + 1] = np.minimum.accumulate(moved[..., middle::-1], axis=-1)[..., ::-1]
    return moved


def rising(raw: np.ndarray, taus: tuple[float, ...]) -> np.ndarray:
    """Turn raw outputs (…, Q) into rising quantiles: the median and positive steps outwards."""
    middle = taus.index(0.5)
    step = np.logaddexp(raw, 0)
    median = raw[..., middle : middle + 1]
    above = median + np.cumsum(step[..., middle + 1 :], axis=-1)
    below = median - np.cumsum(step[..., :middle][..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([below, median, above], axis=-1)
