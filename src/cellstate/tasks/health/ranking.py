"""Rows ordered by their risk once, so that what depends on the order is quick to count again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SLACK = 1e-9
"""Shares that differ by less are the same: weights are added up in floating point."""


@dataclass(frozen=True)
class Ranking:
    """Rows from the highest risk down.

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

    def found(self, weights: np.ndarray | None = None) -> Found:
        """Count what is found from the highest risk down.

        Parameters
        ----------
        weights : np.ndarray, optional
            (n,) how often each row is there, as a resample of patients has it; once by default.
        """
        here = np.ones(len(self.order)) if weights is None else weights[self.order]
        rows, hits = np.cumsum(here), np.cumsum(here * self.events)
        if len(self.ends) < len(rows):
            rows, hits = rows[self.ends], hits[self.ends]
        return Found(hits, rows - hits)


@dataclass(frozen=True)
class Found:
    """Rows with and without the event down to each risk that there is, the highest first.

    What is not defined, for want of rows with or without the event, is NaN.

    Attributes
    ----------
    hits, others : np.ndarray
        (R,) with the event and without, none of them ever falling.
    """

    hits: np.ndarray
    others: np.ndarray

    @property
    def has_both(self) -> bool:
        """Whether there are rows with the event and rows without."""
        return len(self.hits) > 0 and bool(self.hits[-1] > 0 and self.others[-1] > 0)

    def auroc(self) -> float:
        """Give the share of pairs whose row with the event has the higher risk; ties count half.

        Examples
        --------
        >>> truth, risks = np.array([True, False, False]), np.array([0.5, 0.5, 0.1])
        >>> Ranking.of(truth, risks).found().auroc()
        0.75
        """
        if not self.has_both:
            return float("nan")
        area = self.others[0] * self.hits[0]
        area += np.diff(self.others) @ (self.hits[1:] + self.hits[:-1])
        return float(area / (2.0 * self.hits[-1] * self.others[-1]))

    def auprc(self) -> float:
        """Give the average precision: precision at each risk, weighed by the events found there.

        Examples
        --------
        >>> truth, risks = np.array([False, True, False]), np.array([0.9, 0.5, 0.1])
        >>> Ranking.of(truth, risks).found().auprc()
        0.5
        """
        if not len(self.hits) or self.hits[-1] <= 0:
            return float("nan")
        precision = self.hits / np.maximum(self.hits + self.others, SLACK)
        area = self.hits[0] * precision[0] + np.diff(self.hits) @ precision[1:]
        return float(area / self.hits[-1])

    def sensitivity(self, *, specificity: float | None = None, rate: float | None = None) -> float:
        """Give the share of events found where false alarms, or all alarms, are held to a share.

        Parameters
        ----------
        specificity : float, optional
            Share of the rows without the event that must stay without an alarm.
        rate : float, optional
            Share of all rows that may have an alarm.

        Examples
        --------
        >>> truth, risks = np.array([True, False, True, False]), np.array([0.9, 0.5, 0.4, 0.1])
        >>> found = Ranking.of(truth, risks).found()
        >>> found.sensitivity(specificity=0.5), found.sensitivity(rate=0.25)
        (1.0, 0.5)
        """
        if not self.has_both:
            return float("nan")
        last = len(self.hits)
        if specificity is not None:
            most = (1.0 - specificity) * self.others[-1] + SLACK
            last = min(last, int(np.searchsorted(self.others, most, side="right")))
        if rate is not None:
            most = rate * (self.hits[-1] + self.others[-1]) + SLACK
            last = min(last, int(np.searchsorted(self.hits + self.others, most, side="right")))
        return float(self.hits[last - 1] / self.hits[-1]) if last else 0.0
