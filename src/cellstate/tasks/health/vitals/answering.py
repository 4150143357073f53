"""From a monitor's answers to risks and alarms, the same for a stream and for whole stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.data.health.timelines import Timelines
from cellstate.tasks.health.vitals.fitted import Fitted
from cellstate.tasks.health.vitals.task import NARROWEST


@dataclass(frozen=True)
class Answering:
    """A monitor's networks with the risk from which it raises an alarm.

    Attributes
    ----------
    fitted : Fitted
    threshold : float
    silence_h : float
        Hours after an alarm in which there is none.
    """

    fitted: Fitted
    threshold: float
    silence_h: float

    def predict(self, timelines: Timelines) -> np.ndarray:
        """Give the risk at each step of whole stays: (N,) float64."""
        return risks_of(self.fitted, timelines, self.fitted.answers(timelines)[0])

    def risks(
        self, answers: np.ndarray, scaled: np.ndarray, before: np.ndarray | None
    ) -> np.ndarray:
        """Give the risk at steps: (M,) float64.

        Parameters
        ----------
        answers : np.ndarray
            (M, outputs) of the networks at these steps.
        scaled : np.ndarray
            (M, V) what was measured at them, in standard units.
        before : np.ndarray or None
            (M, outputs) the answers one step earlier, NaN at a stay's first step; None where these
            are first steps.
        """
        if not len(self.fitted.tail):
            return self.fitted.risks(answers)
        before = np.full(answers.shape, np.nan) if before is None else before
        return standing(surprises(before, scaled), self.fitted.tail)


def risks_of(fitted: Fitted, timelines: Timelines, answers: np.ndarray) -> np.ndarray:
    """Give the risk at each step from the networks' answers (N, outputs)."""
    if not len(fitted.tail):
        return fitted.risks(answers)
    scaled = fitted.encoder.scales(np.asarray(timelines.values))
    return standing(surprises(earlier(timelines, answers), scaled), fitted.tail)


def earlier(timelines: Timelines, answers: np.ndarray) -> np.ndarray:
    """Give the answers of the step before each step, NaN at a stay's first one."""
    before = np.full(answers.shape, np.nan)
    before[1:] = answers[:-1]
    starts = timelines.offsets[:-1][timelines.steps > 0]
    before[starts] = np.nan
    return before


def surprises(before: np.ndarray, scaled: np.ndarray) -> np.ndarray:
    """Measure how far measurements are from what was foretold: the farthest of a step counts.

    Distances are in foretold spreads: 1 is what is expected. 0 where nothing was measured, or
    nothing foretold.
    """
    V = scaled.shape[1]
    middle, spread = before[:, :V], np.maximum(before[:, V:], NARROWEST)
    far = np.abs(scaled.astype(np.float64) - middle) / np.exp(spread)
    known = ~np.isnan(far)
    return np.where(known, far, 0.0).max(1, initial=0.0)


def coming(
    fitted: Fitted, answers: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give what is foretold of the next measurements, in their units: low, middle and high (M, V).

    A Laplace distribution's central interval of probability p reaches −log(1 − p) spreads.
    """
    V = len(fitted.layout.variables)
    middle, spread = answers[:, :V], np.exp(np.maximum(answers[:, V:], NARROWEST))
    reach = -np.log(1.0 - level / 100.0) * spread
    low, between, high = (
        fitted.encoder.scales.undone(part) for part in (middle - reach, middle, middle + reach)
    )
    return low, between, high


def standing(surprise: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Give the share of known steps whose surprise was smaller, from the quantiles in `tail`."""
    shares = 1.0 - 0.5 ** np.arange(1, len(tail) + 1)
    levels = np.concatenate([[0.0], np.maximum.accumulate(tail)])
    # Beyond the last quantile the tail is taken to fall as fast as between the last two.
    low = np.interp(surprise, levels, np.concatenate([[0.0], shares]))
    step = max(1e-9, float(levels[-1] - levels[-2]))
    beyond = np.maximum(0.0, surprise - levels[-1]) / step
    return np.where(beyond > 0, 1.0 - (1.0 - shares[-1]) * 0.5**beyond, low)
