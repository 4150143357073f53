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
    MOST_ROWS,
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
            (n, K); of codes empty, as they are read from the next visits.
        nodes : np.ndarray
            (K,) nodes that are foretold; none but for codes.
        seed : int
        """
        owner = np.repeat(np.arange(len(encoded.counts)), encoded.counts)[visits]
        if kind == "values":
            return cls(kind, _fit_values(encoded, visits, wanted))
        if kind == "codes":
            arrays = shares_of(encoded, visits, nodes)
            return cls(kind, arrays | _fit_frequent(encoded, visits, nodes, owner, seed))
        bag = bags(encoded, visits)
        strength = fit_strength(bag, wanted, owner, seed)
        weights, bias = fit_many(bag, wanted, strength)
        share = np.array([wanted.mean()])
        return cls(kind, {"prior": share, "weights": weights, "bias": bias})

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


def shares_of(encoded: Encoded, visits: np.ndarray, nodes: np.ndarray) -> dict[str, np.ndarray]:
    """Count how often each code comes at the next visit, by whether it came before: (K,) each.

    Each share is drawn a little towards that of all codes.

    Returns
    -------
    dict of str to ndarray
        "prior" of all visits; "again" after one that had the code, "new" after one that had not;
        "first" where no visit had it so far, "back" where an earlier one had.
    """
    had, wanted = encoded.table()[visits][:, nodes], encoded.table()[visits + 1][:, nodes]
    seen = encoded.table(so_far=True)[visits][:, nodes]
    rows = np.full(len(nodes), float(len(visits)))
    had_rows, seen_rows, hits = (_sums(table) for table in (had, seen, wanted))
    had_hits, seen_hits = _sums(had.multiply(wanted)), _sums(seen.multiply(wanted))
    cases = {
        "prior": (hits, rows),
        "again": (had_hits, had_rows),
        "new": (hits - had_hits, rows - had_rows),
        "first": (hits - seen_hits, rows - seen_rows),
        "back": (seen_hits - had_hits, seen_rows - had_rows),
    }
    return {
        name: (count + WEIGHT * count.sum() / max(1.0, of.sum())) / (of + WEIGHT)
        for name, (count, of) in cases.items()
    }


def _sums(table: Any) -> np.ndarray:
    return np.asarray(table.sum(axis=0), dtype=np.float64).ravel()


MOST_LINEAR = 200
"""Codes that get a linear model of their own; the rest is too rare for one."""


def _fit_frequent(
    encoded: Encoded, visits: np.ndarray, nodes: np.ndarray, owner: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    if len(visits) > MOST_ROWS:
        some = np.sort(np.random.default_rng(seed).permutation(len(visits))[:MOST_ROWS])
        visits, owner = visits[some], owner[some]
    wanted = encoded.table()[visits + 1][:, nodes]
    hits = _sums(wanted)
    order = np.argsort(-hits, kind="stable")
    chosen = np.sort(order[: min(MOST_LINEAR, int((hits > 0).sum()))])
    bag = bags(encoded, visits)
    strength = fit_strength(bag, wanted[:, order[:10]].toarray(), owner, seed)
    weights, bias = fit_many(bag, wanted[:, chosen].toarray(), strength)
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
