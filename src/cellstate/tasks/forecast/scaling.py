"""How a window is brought to a common scale: logarithm, anchor and unit.

    u = log y (or y itself),  z = (u − anchor) / unit            (1)

The anchor is the mean of the last `recent` observed values, which is where a near horizon starts;
for a far one it lies halfway to the mean of the whole window, to which such a horizon returns. The
unit is the deviation of the whole series so far (`spread.py`), kept above a share of the window's
own. The unit of a series that never moved is the same share of its level, or 1 where that is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLOOR = 0.1  # least unit, as a share of the window's mean deviation, or of its level
TINY = 1e-9  # relative to the anchor: below it, a window counts as constant
LARGEST_LOG = 709.0  # the exponential of more is infinite


@dataclass(frozen=True)
class WindowScale:
    """Anchor and unit of B windows, each (B, 1) float64, after the logarithm if there is one."""

    anchor: np.ndarray
    unit: np.ndarray
    log: bool

    @classmethod
    def of(
        cls, u: np.ndarray, spread: np.ndarray, *, recent: int, far: bool, log: bool
    ) -> WindowScale:
        """Measure windows.

        Parameters
        ----------
        u : np.ndarray
            (B, L) values after the logarithm, NaN where missing.
        spread : np.ndarray
            (B,) deviation of the series so far.
        recent : int
            Last values that make the anchor; where all are missing, the whole window does.
        far : bool
            Whether the horizon is many seasons long.
        """
        whole = _mean(u)
        last = _mean(u[:, -recent:])
        anchor = np.where(np.isfinite(last), (last + whole) / 2 if far else last, whole)
        anchor = np.where(np.isfinite(anchor), anchor, 0.0)
        deviation = _mean(np.abs(u - anchor))
        unit = np.fmax(spread[:, None], FLOOR * deviation)
        constant = ~(unit > TINY * np.abs(anchor))  # NaN, where nothing is known, included
        level = FLOOR * np.abs(anchor)
        return cls(anchor, np.where(constant, np.where(level > 0, level, 1.0), unit), log)

    def normalise(self, u: np.ndarray) -> np.ndarray:
        """Bring values (B, …), after the logarithm, to the common scale (1)."""
        return (u - self.anchor) / self.unit

    def restore(self, z: np.ndarray) -> np.ndarray:
        """Bring (B, H, Q) back to the series' own unit."""
        u = z * self.unit[..., None] + self.anchor[..., None]
        return from_log(u) if self.log else u


def to_log(y: np.ndarray) -> np.ndarray:
    """Take logarithms; a value that has none counts as missing here."""
    return np.log(y, out=np.full(y.shape, np.nan), where=y > 0)


def from_log(u: np.ndarray) -> np.ndarray:
    """Undo `to_log`; what float64 cannot hold becomes the largest power that it can.

    Examples
    --------
    >>> bool(np.isfinite(from_log(np.array(1e6))))
    True
    """
    return np.exp(np.minimum(u, LARGEST_LOG))


def prefers_log(y: np.ndarray, season: int) -> bool:
    """Judge whether a series' swing grows with its level (Guerrero's criterion).

    Blocks of one season each: if the coefficient of variation of deviation / level is smaller than
    that of the deviation itself, the logarithm steadies the series.

    Parameters
    ----------
    y : np.ndarray
        (T,), NaN where missing.
    season : int
        Length of a block; 4 at least are taken.

    References
    ----------
    V. M. Guerrero, "Time-series analysis supported by power transformations", Journal of
    Forecasting 12 (1993).

    Examples
    --------
    >>> swing = np.sin(np.arange(48) * np.pi / 6)
    >>> growth = 1.03 ** np.arange(48)
    >>> prefers_log(growth * (2 + swing), 12), prefers_log(9 + swing, 12)
    (True, False)
    """
    block = max(season, 4)
    count = len(y) // block
    if count < 3 or not np.nanmin(y, initial=np.inf) > 0 or np.isnan(y).all():
        return False
    blocks = (y / np.nanmax(y))[len(y) - count * block :].reshape(count, block)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    if len(blocks) < 3:
        return False
    level, deviation = blocks.mean(axis=1), blocks.std(axis=1)
    if deviation.min() <= TINY * level.max():
        return False
    return _variation(deviation / level) < _variation(deviation)


def _variation(values: np.ndarray) -> float:
    return float(values.std() / values.mean())


def _mean(values: np.ndarray) -> np.ndarray:
    """Average over observed values, (B, 1); NaN where there is none."""
    seen = np.isfinite(values)
    count = seen.sum(axis=1, keepdims=True)
    total = np.where(seen, values, 0.0).sum(axis=1, keepdims=True)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
