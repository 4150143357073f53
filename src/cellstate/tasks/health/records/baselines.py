"""Simple rivals: what a network over records has to beat to be worth its while.

They are plain arrays once they are fitted, so that a model's file holds them and no patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.calibration import sigmoid
from cellstate.tasks.health.records.encoding import Encoded
from cellstate.tasks.health.records.linear import (
    LINEAR,
    RIDGE,
    bags,
    fit_many,
    fit_ridge,
    fit_strength,
)

FREQUENT, LAST_CODES = "most frequent codes", "codes of the last visit, then frequent ones"
PREVALENCE = "prevalence"
MEDIAN, LAST_VALUE = "median of training", "last value"
WEIGHT = 5.0
"""Rows of all codes together that each code's own share is drawn towards."""


@dataclass(frozen=True)
class Rivals:
    """Fitted baselines of one kind of target.

    Attributes
    ----------
    kind : str
        As of `Targets`.
    arrays : dict of str to ndarray
    """

    kind: str
    arrays: dict[str, np.ndarray]

    @classmethod
    def fit(
        cls,
        kind: str,
        encoded: Encoded,
        visits: np.ndarray,
        wanted: np.ndarray,
        nodes: np.ndarray,
        *,
        seed: int,
    ) -> Rivals:
        """Learn from some visits and what came true after them.

        Parameters
        ----------
        kind : str
        encoded : Encoded
        visits : np.ndarray
            (n,)
        wanted : np.ndarray
            (n, K)
        nodes : np.ndarray
            (K,) nodes that are foretold; none but for codes.
        seed : int
        """
        owner = np.repeat(np.arange(len(encoded.counts)), encoded.counts)[visits]
        if kind == "values":
            return cls(kind, _fit_values(encoded, visits, wanted))
        bag = bags(encoded, visits)
        if kind == "risk":
            strength = fit_strength(bag, wanted, owner, seed)
            weights, bias = fit_many(bag, wanted, strength)
            share = np.array([wanted.mean()])
            return cls(kind, {"prior": share, "weights": weights, "bias": bias})
        had = encoded.has(visits)[:, nodes] > 0
        arrays = shares_of(wanted > 0, had)
        return cls(kind, arrays | _fit_frequent(bag, wanted, owner, seed))

    def answers(self, encoded: Encoded, visits: np.ndarray, nodes: np.ndarray) -> dict[str, Any]:
        """Answer after some visits: name -> (n, K) probabilities or numbers."""
        at, rows = self.arrays, len(visits)
        if self.kind == "values":
            return _say_values(at, encoded, visits)
        linear = sigmoid(bags(encoded, visits) @ at["weights"] + at["bias"])
        prior = np.tile(at["prior"], (rows, 1))
        if self.kind == "risk":
            return {PREVALENCE: prior, LINEAR: linear}
        had = encoded.has(visits)[:, nodes] > 0
        again = np.where(had, at["again"], at["new"])
        mixed = again.copy()
        mixed[:, at["chosen"]] = linear
        return {FREQUENT: prior, LAST_CODES: again, LINEAR: mixed}

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the arrays for the model's file."""
        return {f"rivals.{name}": array for name, array in self.arrays.items()}

    @classmethod
    def from_tensors(cls, kind: str, tensors: dict[str, np.ndarray]) -> Rivals:
        """Read them back."""
        start = "rivals."
        return cls(
            kind,
            {
                name.removeprefix(start): np.array(array)
                for name, array in tensors.items()
                if name.startswith(start)
            },
        )


def shares_of(wanted: np.ndarray, had: np.ndarray) -> dict[str, np.ndarray]:
    """Measure how often each code comes, comes again, and comes anew."""
    return {
        "prior": share_where(wanted, np.ones_like(had)),
        "again": share_where(wanted, had),
        "new": share_where(wanted, ~had),
    }


def share_where(wanted: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Measure how often each code comes in some cases (n, K), drawn to the share of all codes.

    Examples
    --------
    >>> wanted = np.array([[True, False], [False, False]])
    >>> share_where(wanted, np.ones((2, 2), dtype=bool)).round(3).tolist()
    [0.321, 0.179]
    """
    rows, hits = case.sum(0), (wanted & case).sum(0)
    pooled = hits.sum() / max(1, rows.sum())
    return (hits + WEIGHT * pooled) / (rows + WEIGHT)


MOST_LINEAR = 200
"""Codes that get a linear model of their own; the rest is too rare for one."""


def _fit_frequent(
    bag: Any, wanted: np.ndarray, owner: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    hits = wanted.sum(0)
    order = np.argsort(-hits, kind="stable")
    chosen = np.sort(order[: min(MOST_LINEAR, int((hits > 0).sum()))])
    strength = fit_strength(bag, wanted[:, order[:10]], owner, seed)
    weights, bias = fit_many(bag, wanted[:, chosen], strength)
    return {"chosen": chosen, "weights": weights, "bias": bias}


def _fit_values(encoded: Encoded, visits: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
    features = encoded.features[visits].astype(np.float64)
    weights, bias = fit_ridge(features, wanted)
    there = np.isfinite(wanted).any(0)
    median = np.zeros(wanted.shape[1])
    median[there] = np.nanmedian(wanted[:, there], axis=0)
    return {"weights": weights, "bias": bias, "median": median}


def _say_values(at: dict[str, np.ndarray], encoded: Encoded, visits: np.ndarray) -> dict[str, Any]:
    features = encoded.features[visits].astype(np.float64)
    variables = len(at["median"])
    # Before the first value there is no last one: the features hold 0, the mean, then.
    return {
        MEDIAN: np.tile(at["median"], (len(visits), 1)),
        LAST_VALUE: features[:, -2 * variables : -variables],
        RIDGE: features @ at["weights"] + at["bias"],
    }
