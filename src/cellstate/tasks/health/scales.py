"""Measurements in standard units, whatever the shape of their distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Quantiles that are kept of a variable. None is its least or largest value, which could tell of
one person."""
SCORES = np.array([NormalDist().inv_cdf(share) for share in SHARES])
FAR = 4.0
"""Standard units beyond which values are clipped."""
FEW = 512
"""Rows up to which looking them up together is faster than a variable at a time."""
MOST = 200_000
"""Values of a variable that its quantiles are taken from."""


@dataclass(frozen=True)
class Scales:
    """For each variable, the values that lie at `SHARES` of it.

    A value is mapped to the normal score of its place between them, straight lines in between and
    beyond: half of the values lie between -0.67 and 0.67, however skewed they are.

    Attributes
    ----------
    quantiles : np.ndarray
        (V, 9) float64, increasing; NaN for a variable without values.
    """

    quantiles: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scales:
        """Learn from (N, V), NaN where not measured.

        Examples
        --------
        >>> scales = Scales.of(np.exp(np.random.default_rng(0).normal(size=(5000, 1))))
        >>> scales(np.exp([[-1.0], [0.0], [2.0]])).round().ravel().tolist()
        [-1.0, 0.0, 2.0]
        """
        step = max(1, len(values) // MOST)
        found = np.full((values.shape[1], len(SHARES)), np.nan)
        for place in range(values.shape[1]):
            column = values[:, place]
            known = column[~np.isnan(column)].astype(np.float64)[::step]
            if len(known):
                found[place] = _spread(np.quantile(known, SHARES))
        return cls(found)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Map (…, V) to standard units, float32; NaN stays."""
        flat = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
        if len(flat) <= FEW:
            return self._few(flat.astype(np.float64)).reshape(values.shape)
        mapped = np.full(flat.shape, np.nan, dtype=np.float32)
        for place, knots in enumerate(self.quantiles):
            if np.isnan(knots[0]):
                continue
            column = flat[:, place].astype(np.float64)
            part = np.interp(column, knots, SCORES)
            low, high = column < knots[0], column > knots[-1]
            slope = (SCORES[1] - SCORES[0]) / (knots[1] - knots[0])
            part[low] = SCORES[0] + slope * (column[low] - knots[0])
            slope = (SCORES[-1] - SCORES[-2]) / (knots[-1] - knots[-2])
            part[high] = SCORES[-1] + slope * (column[high] - knots[-1])
            part[np.isnan(column)] = np.nan
            mapped[:, place] = np.clip(part, -FAR, FAR)
        return mapped.reshape(values.shape)

    def _few(self, values: np.ndarray) -> np.ndarray:
        """Map (n, V) float64 by looking all variables up at once: the bits of one by one."""
        # Of each value the knot from which its line begins; the lines beyond the ends are those
        # of the outermost two knots.
        begin = np.maximum((values[..., None] >= self.quantiles).sum(-1) - 1, 0)
        variable = np.arange(values.shape[1])
        away = values - self.quantiles[variable, begin]
        part = SCORES[begin] + self._slopes[variable, begin] * away
        return np.clip(part, -FAR, FAR).astype(np.float32)

    @cached_property
    def _slopes(self) -> np.ndarray:
        """Of the line that begins at each knot: (V, 9)."""
        slopes = np.diff(SCORES) / np.diff(self.quantiles, axis=1)
        return np.concatenate([slopes, slopes[:, -1:]], axis=1)

    def undone(self, scores: np.ndarray) -> np.ndarray:
        """Map (…, V) from standard units back, float64; beyond the ends along straight lines.

        Examples
        --------
        >>> scales = Scales(np.arange(9.0)[None])
        >>> scales.undone(scales(np.array([[2.5], [9.0]])).astype(float)).round(3).ravel().tolist()
        [2.5, 9.0]
        """
        told = np.full(scores.shape, np.nan)
        for place, knots in enumerate(self.quantiles):
            if np.isnan(knots[0]):
                continue
            column = scores[..., place]
            value = np.interp(column, SCORES, knots)
            for end, beyond in ((0, column < SCORES[0]), (-1, column > SCORES[-1])):
                near = 1 if end == 0 else -2
                slope = (knots[end] - knots[near]) / (SCORES[end] - SCORES[near])
                value = np.where(beyond, knots[end] + slope * (column - SCORES[end]), value)
            told[..., place] = value
        return told

    def as_list(self) -> list[Any]:
        """Give JSON-ready data."""
        return [[None if np.isnan(q) else float(q) for q in row] for row in self.quantiles]

    @classmethod
    def from_list(cls, data: list[Any]) -> Scales:
        """Read it back."""
        rows = [[np.nan if q is None else q for q in row] for row in data]
        return cls(np.array(rows, dtype=np.float64).reshape(-1, len(SHARES)))


def _spread(knots: np.ndarray) -> np.ndarray:
    """Make quantiles strictly increasing, by a thousandth of their range where some are equal."""
    width = knots[-1] - knots[0]
    step = 1e-3 * width if width > 0 else max(1e-3, 1e-3 * abs(float(knots[0])))
    if width <= 0:  # a constant: all other values are far
        return knots + step * (np.arange(len(knots)) - len(knots) // 2)
    return np.maximum.accumulate(knots) + step * np.arange(len(knots)) / len(knots)
