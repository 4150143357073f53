"""Net benefit: whether acting on a risk is worth its false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import InputError, explain
from cellstate.tasks.health.metrics import read_risks

THRESHOLDS = np.arange(0.01, 0.61, 0.01)
ROUNDING = 1e-12


@dataclass(frozen=True)
class DecisionCurves:
    """Net benefit over thresholds; treating nobody has 0 everywhere.

    Attributes
    ----------
    thresholds : np.ndarray
        (M,) risks from which one acts.
    systems : dict of str to np.ndarray
        System -> (M,)
    treat_all : np.ndarray
        (M,) of acting on everybody.
    """

    thresholds: np.ndarray
    systems: dict[str, np.ndarray]
    treat_all: np.ndarray

    def useful(self, system: str) -> np.ndarray:
        """Say at which thresholds a system is better than acting on all and on none: (M,)."""
        return self.systems[system] > np.maximum(self.treat_all, 0.0) + ROUNDING


def decision_curves(
    truth: Any, risks: Mapping[str, Any], thresholds: Any = THRESHOLDS
) -> DecisionCurves:
    """Give the net benefit of acting on the rows whose risk is at least a threshold.

    Net benefit is the share of true alarms, less the share of false ones times t / (1 − t): who
    acts from a risk of t holds that many false alarms to be worth one true one.

    Parameters
    ----------
    truth : array-like
        (n,) events.
    risks : mapping of str to array-like
        System -> (n,)
    thresholds : array-like, default 0.01 to 0.6
        (M,) above 0 and below 1.

    Raises
    ------
    InputError
        The rows cannot be read, or a threshold is not between 0 and 1.

    References
    ----------
    A. J. Vickers and E. B. Elkin, "Decision curve analysis", Medical Decision Making 26, 2006.

    Examples
    --------
    >>> curves = decision_curves([1, 0, 0, 1], {"model": [0.9, 0.2, 0.1, 0.3]}, [0.25, 0.5])
    >>> curves.systems["model"].tolist(), curves.treat_all.round(3).tolist()
    ([0.5, 0.25], [0.333, 0.0])
    """
    points = np.asarray(thresholds, dtype=np.float64)
    if points.ndim != 1 or not ((points > 0) & (points < 1)).all():
        must = "thresholds must be above 0 and below 1"
        do = "Give for example thresholds=[0.05, 0.1, 0.2]"
        raise InputError(explain("decision_curves", must, "something else", do))
    odds = points / (1.0 - points)
    found: dict[str, np.ndarray] = {}
    prevalence = float("nan")
    for system, given in risks.items():
        event, risk = read_risks("decision_curves", truth, given)
        count = len(event)
        if not count:
            found[system] = np.full(len(points), np.nan)
            continue
        prevalence = float(event.mean())
        hits = count_from(risk[event], points)
        others = count_from(risk[~event], points)
        found[system] = hits / count - others / count * odds
    return DecisionCurves(points, found, prevalence - (1.0 - prevalence) * odds)


def count_from(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Count the values that are at least each threshold.

    Examples
    --------
    >>> count_from(np.array([0.1, 0.5, 0.9]), np.array([0.5, 0.95])).tolist()
    [2, 0]
    """
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")
