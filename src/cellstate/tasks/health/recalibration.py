"""Risks that mean what they say: fitted to rows that were held out, stored as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.tasks.arguments import check_choice
from cellstate.tasks.calibration import sigmoid
from cellstate.tasks.health.metrics import read_risks

KINDS = ("none", "platt", "isotonic")
EDGE = 1e-7
"""Risks nearer to 0 or 1 are taken as this near: single precision knows no nearer ones."""
STEPS = 100


@dataclass(frozen=True)
class Platt:
    """Log odds stretched and shifted, so that ranks stay: sigmoid(slope · logit + intercept)."""

    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, risks: Any) -> np.ndarray:
        """Recalibrate risks of any shape.

        Examples
        --------
        >>> Platt(2.0, 0.0).apply([0.5, 0.8]).round(3).tolist()
        [0.5, 0.941]
        """
        risk = np.asarray(risks, dtype=np.float64)
        if self.slope == 1.0 and self.intercept == 0.0:
            return risk
        return sigmoid(self.slope * logit(risk) + self.intercept)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {"kind": "platt", "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Isotonic:
    """A line that never falls, through knots; flat beyond the first and the last.

    Attributes
    ----------
    risks, shares : np.ndarray
        (N,) where the line bends, increasing, and what it says there.
    """

    risks: np.ndarray
    shares: np.ndarray

    def apply(self, risks: Any) -> np.ndarray:
        """Recalibrate risks of any shape.

        Examples
        --------
        >>> Isotonic(np.array([0.2, 0.6]), np.array([0.1, 0.3])).apply([0.1, 0.4, 0.9]).tolist()
        [0.1, 0.2, 0.3]
        """
        return np.interp(np.asarray(risks, dtype=np.float64), self.risks, self.shares)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        knots = {"risks": self.risks.tolist(), "shares": self.shares.tolist()}
        return {"kind": "isotonic", **knots}


Recalibration = Platt | Isotonic


def fit_recalibration(kind: str, truth: Any, risks: Any) -> Recalibration:
    """Learn from rows that were held out how often what is said comes true.

    Parameters
    ----------
    kind : {"none", "platt", "isotonic"}
        "platt" needs a hundred rows or so, "isotonic" a thousand.
    truth, risks : array-like
        (n,) events and what was said of them.

    Raises
    ------
    InputError
        There is no such kind, or the rows cannot be read.

    Examples
    --------
    >>> truth, risks = np.arange(100) < 10, np.full(100, 0.4)
    >>> fit_recalibration("platt", truth, risks).apply([0.4]).round(3).tolist()
    [0.1]
    """
    check_choice("fit_recalibration", "kind", kind, KINDS)
    event, risk = read_risks("fit_recalibration", truth, risks)
    if kind == "none" or event.all() or not event.any():
        return Platt()  # rows of one kind do not show how far risks are off
    return fit_platt(event, risk) if kind == "platt" else fit_isotonic(event, risk)


def recalibration_from(data: Mapping[str, Any]) -> Recalibration:
    """Read back what `as_dict` gave.

    Examples
    --------
    >>> recalibration_from(Platt(1.5, -0.25).as_dict())
    Platt(slope=1.5, intercept=-0.25)
    """
    if data["kind"] == "platt":
        return Platt(float(data["slope"]), float(data["intercept"]))
    return Isotonic(np.array(data["risks"], np.float64), np.array(data["shares"], np.float64))


def fit_platt(event: np.ndarray, risk: np.ndarray) -> Platt:
    """Fit slope and intercept by the highest likelihood; the slope is not below 0.

    The slope is drawn towards 1 as weakly as a normal prior of deviation 1 does, which keeps it
    finite where rows are parted without an error. The mean risk becomes the share of events.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    x, y = logit(risk), event.astype(np.float64)
    slope, intercept = 0.0, float(logit(np.array(y.mean())))
    for _ in range(STEPS):
        said = sigmoid(slope * x + intercept)
        spread = said * (1.0 - said)
        gradient = np.array([(said - y) @ x + slope - 1.0, (said - y).sum()])
        if np.abs(gradient).max() < 1e-9 * len(y):
            break
        across = spread @ x
        curvature = np.array([[spread @ x**2 + 1.0, across], [across, spread.sum() + 1e-12]])
        step = np.linalg.solve(curvature, gradient)
        size, before = 1.0, _penalised_loss(x, y, slope, intercept)
        while size > 1e-6 and (
            _penalised_loss(x, y, slope - size * step[0], intercept - size * step[1]) > before
        ):
            size /= 2.0
        slope, intercept = float(slope - size * step[0]), float(intercept - size * step[1])
    if slope < 0:  # risks that point the wrong way are worth no more than the share of events
        return Platt(0.0, float(logit(np.array(y.mean()))))
    return Platt(slope, intercept)


def fit_isotonic(event: np.ndarray, risk: np.ndarray) -> Isotonic:
    """Fit shares that never fall as the risk rises, by pooling neighbours that do.

    Shares stay half a row away from 0 and 1: rows without an event do not show that there are
    never any.

    References
    ----------
    B. Zadrozny and C. Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates", KDD 2002.
    """
    values, run = np.unique(risk, return_inverse=True)
    rows = np.bincount(run).astype(np.float64)
    events = np.bincount(run, event.astype(np.float64))
    blocks: list[list[float]] = []  # first run, last run, rows, events
    for place in range(len(values)):
        blocks.append([place, place, rows[place], events[place]])
        while len(blocks) > 1 and blocks[-2][3] * blocks[-1][2] >= blocks[-1][3] * blocks[-2][2]:
            _, last, more_rows, more_events = blocks.pop()
            blocks[-1][1] = last
            blocks[-1][2] += more_rows
            blocks[-1][3] += more_events
    edge = 0.5 / (len(risk) + 1.0)
    shares = np.clip([block[3] / block[2] for block in blocks], edge, 1.0 - edge)
    ends = np.array([[int(block[0]), int(block[1])] for block in blocks])
    is_knot = np.stack([np.ones(len(ends), dtype=bool), ends[:, 1] > ends[:, 0]], axis=1)
    return Isotonic(values[ends[is_knot]], np.repeat(shares, is_knot.sum(1)))


def logit(risk: np.ndarray) -> np.ndarray:
    """Turn probabilities into log odds.

    Examples
    --------
    >>> logit(np.array([0.5, 0.9])).round(3).tolist()
    [0.0, 2.197]
    """
    inside = np.clip(risk, EDGE, 1.0 - EDGE)
    return np.log(inside / (1.0 - inside))


def _penalised_loss(x: np.ndarray, y: np.ndarray, slope: float, intercept: float) -> float:
    score = slope * x + intercept
    return float((np.logaddexp(0.0, score) - y * score).sum() + (slope - 1.0) ** 2 / 2.0)
