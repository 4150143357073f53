"""Visits as arrays for the network: nodes of their codes, and numbers in one scale."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cellstate.data.health.visits import Visits
from cellstate.extras import require
from cellstate.tasks.health.records.vocabulary import LEAST_PATIENTS, Vocabulary

FIXED = ("days since the last visit", "length of stay", "age", "visits so far")
CLIP = 5.0
"""Deviations beyond which a number says no more."""


@dataclass(frozen=True)
class Scales:
    """Means and deviations of the features, and of the variables' values.

    Attributes
    ----------
    mean, deviation : list of float
        Of `FIXED`.
    centre, spread : list of float
        Of each variable.
    is_seen : list of bool
        Whether enough patients had each variable: the mean of one alone would be that patient's.
        The others are read as never measured.
    """

    mean: list[float]
    deviation: list[float]
    centre: list[float]
    spread: list[float]
    is_seen: list[bool]

    @classmethod
    def of(cls, visits: Visits) -> Scales:
        """Measure visits."""
        mean, deviation, _ = _moments(_fixed(visits), visits.subject_of)
        centre, spread, is_seen = _moments(visits.values, visits.subject_of)
        parts = (mean, deviation, centre, spread, is_seen)
        return cls(*(part.tolist() for part in parts))

    @property
    def is_seen_by_any(self) -> bool:
        """Whether there is a variable that enough patients had."""
        return any(self.is_seen)

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Put values (N, V) of the variables in one scale."""
        scaled = (values - np.array(self.centre)) / np.array(self.spread)
        return np.where(np.array(self.is_seen, dtype=bool), scaled, np.nan)

    def unscaled(self, values: np.ndarray) -> np.ndarray:
        """Undo `scaled`."""
        told = values * np.array(self.spread) + np.array(self.centre)
        return np.where(np.array(self.is_seen, dtype=bool), told, np.nan)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True)
class Encoded:
    """Visits as the network reads them.

    Attributes
    ----------
    offsets : np.ndarray
        (S + 1,) as of `Visits`.
    node_offsets, node : np.ndarray
        (N + 1,) and (M,) int64 nodes of each visit, each once.
    features : np.ndarray
        (N, F) float32: `FIXED`, whether the age is known; then of the V variables the value,
        whether there is one, the last one so far and the mean of those so far.
    nodes : int
        Size of the vocabulary.
    """

    offsets: np.ndarray
    node_offsets: np.ndarray
    node: np.ndarray
    features: np.ndarray
    nodes: int

    @classmethod
    def of(cls, visits: Visits, vocabulary: Vocabulary, scales: Scales) -> Encoded:
        """Encode visits."""
        node = vocabulary.nodes_of(visits.codes)[0]
        size = len(vocabulary)
        pairs = np.unique(visits.visit_of * size + node[visits.code])
        counts = np.bincount(pairs // size, minlength=len(visits))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        features = _features(visits, scales)
        return cls(visits.offsets, offsets, pairs % size, features, size)

    @property
    def counts(self) -> np.ndarray:
        """Visits of each patient: (S,)."""
        return np.diff(self.offsets)

    @property
    def last(self) -> np.ndarray:
        """The last visit of each patient: (S,)."""
        return self.offsets[1:] - 1

    def has(self, visits: np.ndarray) -> np.ndarray:
        """Tell which nodes some visits have: (n, N) float32."""
        table = np.zeros((len(visits), self.nodes), dtype=np.float32)
        sizes = np.diff(self.node_offsets)[visits]
        starts = np.repeat(self.node_offsets[visits] - (np.cumsum(sizes) - sizes), sizes)
        table[
            np.repeat(np.arange(len(visits)), sizes), self.node[starts + np.arange(sizes.sum())]
        ] = 1
        return table

    def table(self, *, so_far: bool = False) -> Any:
        """Tell which nodes each visit has, or had by then: (N, nodes), sparse."""
        sparse = require("scipy.sparse", extra="train")
        node, offsets = self.node, self.node_offsets
        if so_far:
            found, sizes = self._so_far()
            node, offsets = found, np.concatenate([[0], np.cumsum(sizes)])
        shape = (len(self.features), self.nodes)
        return sparse.csr_matrix((np.ones(len(node)), node, offsets), shape=shape)

    def _so_far(self) -> tuple[np.ndarray, np.ndarray]:
        """List the nodes up to each visit, one visit after the other, and how many each has."""
        found: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
        sizes = np.zeros(len(self.features), dtype=np.int64)
        for start, end in pairwise(self.offsets):
            seen = np.zeros(0, dtype=np.int64)
            for visit in range(start, end):
                own = self.node[self.node_offsets[visit] : self.node_offsets[visit + 1]]
                seen = np.union1d(seen, own)
                found.append(seen)
                sizes[visit] = len(seen)
        return np.concatenate(found), sizes

    def batch(self, patients: np.ndarray) -> dict[str, np.ndarray]:
        """Put patients' visits into arrays (B, T, …); `places` numbers each, -1 behind the last."""
        lengths = self.counts[patients]
        steps = np.arange(int(lengths.max()))
        inside = steps < lengths[:, None]
        places = np.where(inside, self.offsets[patients][:, None] + steps, -1)
        shape = (len(patients), len(steps))
        codes = np.zeros((*shape, self.nodes), dtype=np.float32)
        features = np.zeros((*shape, self.features.shape[1]), dtype=np.float32)
        codes[inside] = self.has(places[inside])
        features[inside] = self.features[places[inside]]
        return {"codes": codes, "features": features, "lengths": lengths, "places": places}


def feature_count(variables: int) -> int:
    """Say how many features a visit has."""
    return len(FIXED) + 1 + 4 * variables


def _fixed(visits: Visits) -> np.ndarray:
    """Give the features of `FIXED` before scaling: (N, 4)."""
    first = np.zeros(len(visits), dtype=bool)
    first[visits.offsets[:-1][visits.counts > 0]] = True
    before = np.concatenate([[0.0], visits.end[:-1]])
    gap = np.where(first, 0.0, np.maximum(0.0, visits.start - before)) / 24.0
    number = np.arange(len(visits)) - visits.offsets[:-1][visits.subject_of] + 1.0
    stay = np.maximum(0.0, visits.end - visits.start) / 24.0
    return np.stack([np.log1p(gap), np.log1p(stay), visits.age, np.log(number)], axis=1)


def _features(visits: Visits, scales: Scales) -> np.ndarray:
    fixed = (_fixed(visits) - np.array(scales.mean)) / np.array(scales.deviation)
    values = np.clip(scales.scaled(visits.values), -CLIP, CLIP)
    last, mean = carried(values, visits.offsets)
    parts = [
        np.nan_to_num(np.clip(fixed, -CLIP, CLIP)),
        np.isfinite(visits.age)[:, None],
        np.nan_to_num(values),
        np.isfinite(values),
        np.nan_to_num(last),
        np.nan_to_num(mean),
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def carried(values: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the last value so far, and the mean of those so far: (N, V) both, NaN before the first.

    Examples
    --------
    >>> last, mean = carried(np.array([[1.0], [np.nan], [3.0], [np.nan]]), np.array([0, 3, 4]))
    >>> last.ravel().tolist(), mean.ravel().tolist()
    ([1.0, 1.0, 3.0, nan], [1.0, 1.0, 2.0, nan])
    """
    last, mean = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for start, end in pairwise(offsets):
        total, count = np.zeros(values.shape[1]), np.zeros(values.shape[1])
        now = np.full(values.shape[1], np.nan)
        for row in range(start, end):
            is_there = np.isfinite(values[row])
            now = np.where(is_there, values[row], now)
            total += np.where(is_there, values[row], 0.0)
            count += is_there
            last[row] = now
            mean[row] = np.where(count > 0, total / np.maximum(1.0, count), np.nan)
    return last, mean


def _moments(values: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure means and deviations of columns, and whether enough patients have each.

    They are 0 and 1 where too few have it.
    """
    there = np.isfinite(values)
    patients = [len(np.unique(owner[column])) for column in there.T]
    enough = np.array(patients, dtype=np.int64) >= LEAST_PATIENTS
    count = np.maximum(1, there.sum(0))
    mean = np.where(there, values, 0.0).sum(0) / count
    square = np.where(there, (values - mean) ** 2, 0.0).sum(0) / count
    deviation = np.sqrt(square)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    return np.where(enough, mean, 0.0), np.where(enough, deviation, 1.0), enough
