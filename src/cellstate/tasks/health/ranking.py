"""Rows ordered by their risk once, so that what depends on the order is quick to count again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SLACK = 1e-9
"""Shares that differ by less are the same: weights are added up in floating point."""


@dataclass(frozen=True)
class Ranking:
    """Rows from the highest risk down.

    Weights say how often each row is there, as a resample of patients has them; without weights,
    each is there once. What is not defined, for want of rows with or without the event, is NaN.

    Attributes
    ----------
    order : np.ndarray
        (n,) rows, the highest risk first.
    ends : np.ndarray
        (R,) the last place in `order` of each run of equal risks.
    events : np.ndarray
        (n,) 1.0 or 0.0 in the order of `order`: whether the row has the event.
    """

    order: np.ndarray
    ends: np.ndarray
    events: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, risks: np.ndarray) -> Ranking:
        """Order rows (n,) by their risks (n,)."""
        order = np.argsort(-risks, kind="stable")
        ranked = risks[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(order) else order
        return cls(order, ends, truth[order].astype(np.float64))

    def found(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Count rows with and without the event down to each run of equal risks: (R,) both."""
        here = np.ones(len(self.order)) if weights is None else weights[self.order]
        with_event = here * self.events
        return np.cumsum(with_event)[self.ends], np.cumsum(here - with_event)[self.ends]

    def auroc(self, weights: np.ndarray | None = None) -> float:
        """Give the share of pairs whose row with the event has the higher risk; ties count half.

        Examples
        --------
        >>> truth, risks = np.array([True, False, False]), np.array([0.5, 0.5, 0.1])
        >>> Ranking.of(truth, risks).auroc()
        0.75
        """
        hits, others = self.found(weights)
        if not _both(hits, others):
            return float("nan")
        before = np.concatenate([[0.0], hits[:-1]])
        area = np.diff(others, prepend=0.0) @ (hits + before) / 2.0
        return float(area / (hits[-1] * others[-1]))

    def auprc(self, weights: np.ndarray | None = None) -> float:
        """Give the average precision: precision at each risk, weighed by the events found there.

        Examples
        --------
        >>> truth, risks = np.array([False, True, False]), np.array([0.9, 0.5, 0.1])
        >>> Ranking.of(truth, risks).auprc()
        0.5
        """
        hits, others = self.found(weights)
        if not len(hits) or hits[-1] <= 0:
            return float("nan")
        precision = hits / np.maximum(hits + others, SLACK)
        return float(np.diff(hits, prepend=0.0) @ precision / hits[-1])

    def sensitivity(
        self,
        weights: np.ndarray | None = None,
        *,
        specificity: float | None = None,
        rate: float | None = None,
    ) -> float:
        """Give the share of events found where false alarms, or all alarms, are held to a share.

        Parameters
        ----------
        weights : np.ndarray, optional
            (n,)
        specificity : float, optional
            Share of the rows without the event that must stay without an alarm.
        rate : float, optional
            Share of all rows that may have an alarm.

        Examples
        --------
        >>> truth, risks = np.array([True, False, True, False]), np.array([0.9, 0.5, 0.4, 0.1])
        >>> ranking = Ranking.of(truth, risks)
        >>> ranking.sensitivity(specificity=0.5), ranking.sensitivity(rate=0.25)
        (1.0, 0.5)
        """
        hits, others = self.found(weights)
        if not _both(hits, others):
            return float("nan")
        allowed = np.ones(len(hits), dtype=bool)
        if specificity is not None:
            allowed &= others <= (1.0 - specificity) * others[-1] + SLACK
        if rate is not None:
            allowed &= hits + others <= rate * (hits[-1] + others[-1]) + SLACK
        return float(hits[allowed].max(initial=0.0) / hits[-1])


def _both(hits: np.ndarray, others: np.ndarray) -> bool:
    """Whether there are rows with the event and rows without."""
    return len(hits) > 0 and hits[-1] > 0 and others[-1] > 0
