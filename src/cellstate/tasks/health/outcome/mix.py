"""How networks and the linear model share an answer, and how it is made to mean what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.extras import require
from cellstate.tasks.health.outcome.targets import Target

SHARES = np.linspace(0.0, 1.0, 11)


@dataclass(frozen=True)
class Mix:
    """One outcome's answers are ``slope · (share · networks + (1 − share) · linear) + shift``.

    Attributes
    ----------
    share : float
        Of the networks, from 0 to 1.
    slope : float
        At least 0.
    shift : float
    """

    share: float = 1.0
    slope: float = 1.0
    shift: float = 0.0

    @classmethod
    def of(
        cls, target: Target, networks: np.ndarray, linear: np.ndarray | None, truth: np.ndarray
    ) -> Mix:
        """Choose all three on answers for rows that were not learned from.

        Parameters
        ----------
        target : Target
        networks, linear : np.ndarray
            (n, outputs) answers; no linear ones for a time.
        truth : np.ndarray
            (n, 1) or (n, 2)
        """
        if linear is None:
            return cls()
        known = ~np.isnan(truth[:, 0])
        net, line, y = networks[known], linear[known], truth[known, 0]
        found = [scaled(target, s * net + (1 - s) * line, y) for s in SHARES]
        best = int(np.argmin([loss for loss, _, _ in found]))
        _, slope, shift = found[best]
        return cls(float(SHARES[best]), slope, shift)

    def __call__(self, networks: np.ndarray, linear: np.ndarray | None) -> np.ndarray:
        """Give the shared answers (n, outputs)."""
        if linear is None:
            return networks
        return self.slope * (self.share * networks + (1 - self.share) * linear) + self.shift


def scaled(target: Target, answers: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Give the least loss of answers (n, outputs) over slope and shift, and these."""
    optimize = require("scipy.optimize", extra="train")
    if target.kind == "number":
        standard = (y - target.mean) / target.scale
        return float(((answers[:, 0] - standard) ** 2).mean()), 1.0, 0.0

    def loss(at: np.ndarray) -> float:
        said = at[0] * answers + at[1]
        if target.kind == "binary":
            return float(np.logaddexp(0.0, np.where(y > 0, -said[:, 0], said[:, 0])).mean())
        shifted = said - said.max(axis=1, keepdims=True)
        of_truth = shifted[np.arange(len(y)), y.astype(np.int64)]
        return float((np.log(np.exp(shifted).sum(axis=1)) - of_truth).mean())

    # A shift of all classes changes nothing.
    shift = (-10.0, 10.0) if target.kind == "binary" else (0.0, 0.0)
    found = optimize.minimize(loss, [1.0, 0.0], bounds=[(0.0, 10.0), shift], method="L-BFGS-B")
    return float(found.fun), float(found.x[0]), float(found.x[1])
