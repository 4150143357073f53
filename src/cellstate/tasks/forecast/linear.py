"""The linear baseline: ridge regression from a window to its horizon, shared by all series.

With x the context less its last value and a 1, y the steps after it less that value, both in
units of the series, the weights are

    W = (XᵀX + λI)⁻¹ XᵀY                                                       (1)

with λ chosen on the last steps of every series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cellstate.data import Panel, Windows, gather_windows, has_windows, split_windows
from cellstate.tasks.forecast.baselines import MOST_RESIDUAL_WINDOWS, AbstractBaseline
from cellstate.tasks.forecast.naive import last_observed

MOST_WINDOWS = 20_000  # of which to learn; beyond it the weights hardly change
_BLOCK = 2_048
_PENALTIES = np.logspace(-6, 1, 15).tolist()  # relative to the mean square of an input
_MIDDLE_PENALTY = 1e-2  # where no series is long enough to choose one
_VALIDATION_SHARE = 0.15


@dataclass
class Linear(AbstractBaseline):
    """A linear map of the context, in which missing values read as the last observed one.

    Parameters
    ----------
    context : int
        Steps of history, as many as the network sees.
    """

    context: int = 1
    weights: np.ndarray = field(default_factory=lambda: np.empty(0), init=False, repr=False)

    def __post_init__(self) -> None:
        self.name = "linear"

    def _learn(self, panel: Panel) -> None:
        if not has_windows(panel, self.context, self.horizon):
            self.weights = np.zeros((self.context + 1, self.horizon))
            self._held_out = np.full((1, self.horizon), np.nan)
            self.note = "no series is long enough to learn from: repeats the last value"
            return
        held = max(self.horizon, int(_VALIDATION_SHARE * np.median(panel.lengths)))
        train, valid = split_windows(panel, self.context, self.horizon, held)
        gram, moment = self._normal_equations(panel, train)
        judge = train if valid is None else valid
        batch = judge.gather(_thinned(judge, MOST_RESIDUAL_WINDOWS))
        inputs, goal = self._regression(panel, batch)
        penalty = _MIDDLE_PENALTY
        if valid is not None:
            losses = [
                np.nanmean(np.square(goal - inputs @ weights))
                for weights in _solve(gram, moment, _PENALTIES)
            ]
            penalty = _PENALTIES[int(np.argmin(losses))]
        [self.weights] = _solve(gram, moment, [penalty])
        self._held_out = goal - inputs @ self.weights
        if valid is not None:
            late_gram, late_moment = self._normal_equations(panel, valid)
            [self.weights] = _solve(gram + late_gram, moment + late_moment, [penalty])

    def _training_errors(self, panel: Panel) -> np.ndarray | None:
        return self._held_out if np.isfinite(self._held_out).any(axis=0).all() else None

    def _point(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        point = np.empty((len(series), self.horizon))
        for start in range(0, len(series), _BLOCK):
            part = slice(start, start + _BLOCK)
            batch = gather_windows(panel, series[part], cutoffs[part], self.context, 1)
            batch |= {"series": series[part], "cutoff": cutoffs[part]}
            inputs, anchor, unit = self._inputs(panel, batch)
            point[part] = anchor + unit * (inputs @ self.weights)
        return point

    def _inputs(
        self, panel: Panel, batch: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give x of (1), (n, context + 1), the anchors (n, 1) and the units (n, 1)."""
        values, seen = batch["context"], batch["context_mask"]
        anchor = last_observed(panel, batch["series"], batch["cutoff"])[0][:, None]
        scale = self._scale_of(panel, batch["series"], batch["cutoff"])[:, None]
        unit = np.where(scale > 0, scale, 1)
        inputs = np.ones((len(values), self.context + 1))
        inputs[:, :-1] = np.where(seen, (values - anchor) / unit, 0)
        return inputs, anchor, unit

    def _regression(
        self, panel: Panel, batch: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give x and y of (1); y is NaN where missing."""
        inputs, anchor, unit = self._inputs(panel, batch)
        return inputs, (batch["target"] - anchor) / unit

    def _normal_equations(self, panel: Panel, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Sum XᵀX and XᵀY of (1) over windows; a missing target counts as its anchor."""
        size = self.context + 1
        gram, moment = np.zeros((size, size)), np.zeros((size, self.horizon))
        chosen = _thinned(windows, MOST_WINDOWS)
        for start in range(0, len(chosen), _BLOCK):
            batch = windows.gather(chosen[start : start + _BLOCK])
            inputs, goal = self._regression(panel, batch)
            gram += inputs.T @ inputs
            moment += inputs.T @ np.nan_to_num(goal)
        return gram, moment


def _thinned(windows: Windows, most: int) -> np.ndarray:
    """Choose windows evenly where there are more than `most`."""
    count = min(len(windows), most)
    return np.linspace(0, len(windows) - 1, count).round().astype(np.int64)


def _solve(gram: np.ndarray, moment: np.ndarray, penalties: Sequence[float]) -> list[np.ndarray]:
    """Solve (1) for several λ at once; the weights of the 1, which come last, are not penalised."""
    count = gram[-1, -1]
    mean_x, mean_y = gram[:-1, -1] / count, moment[-1] / count
    values, vectors = np.linalg.eigh(gram[:-1, :-1] - count * np.outer(mean_x, mean_x))
    turned = vectors.T @ (moment[:-1] - count * np.outer(mean_x, mean_y))
    # A penalty of relative size needs a floor where all inputs are constant.
    size = max(np.trace(gram[:-1, :-1]) / len(mean_x), np.finfo(float).tiny ** 0.5)
    solutions = []
    for penalty in penalties:
        slopes = vectors @ (turned / (np.maximum(values, 0) + penalty * size)[:, None])
        solutions.append(np.vstack([slopes, mean_y - mean_x @ slopes]))
    return solutions
