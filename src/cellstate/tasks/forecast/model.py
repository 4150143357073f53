"""What a forecasting network is to the forecaster: a state that moves, and forecasts from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from cellstate.data import Panel

State = dict[str, np.ndarray]
"""What one network remembers of each series: arrays whose first axis is the series."""


class AbstractForecastModel(ABC):
    """A trained network, run on NumPy and the compiled kernels, without torch.

    Rows are independent: a series gives the same numbers alone and in any batch.

    Attributes
    ----------
    rows_at_once : int
        Bounds the memory of a forecast of very many rows.
    least_ahead : int
        The fewest periods of a forecast, of which the first ones are those of a longer one.
    """

    rows_at_once: ClassVar[int]
    least_ahead: int

    @abstractmethod
    def start(self, series: int) -> State:
        """Begin with series of which nothing is known."""

    @abstractmethod
    def state_at(self, panel: Panel, series: np.ndarray, ends: np.ndarray) -> State:
        """Read histories into states.

        Parameters
        ----------
        panel : Panel
            Histories on a regular grid.
        series : np.ndarray
            (R,) index of the series of each wanted state.
        ends : np.ndarray
            (R,) number of the series' observations that the state has seen.
        """

    @abstractmethod
    def advance(
        self,
        state: State,
        y: np.ndarray,
        past: np.ndarray,
        known: np.ndarray,
        static: np.ndarray,
    ) -> State:
        """Move each state by one period.

        Parameters
        ----------
        state : State
            R states.
        y : np.ndarray
            (R,) new observations, NaN where missing.
        past, known : np.ndarray
            (R, Cp) and (R, Cf), the scaled covariates of that period.
        static : np.ndarray
            (R, Cs), scaled.
        """

    def forecast(self, state: State, known: np.ndarray, static: np.ndarray) -> np.ndarray:
        """Forecast the next h periods.

        Parameters
        ----------
        state : State
            R states.
        known : np.ndarray
            (R, h, Cf), covariates known for the coming periods: `least_ahead` to the horizon.
        static : np.ndarray
            (R, S), static covariates.

        Returns
        -------
        np.ndarray
            (R, h, Q) quantiles in the unit of the series, rising along Q.
        """
        chunks = [
            self._forecast(take(state, at), known[at], static[at])
            for start in range(0, len(known), self.rows_at_once)
            for at in [slice(start, start + self.rows_at_once)]
        ]
        return np.concatenate(chunks)

    @abstractmethod
    def _forecast(self, state: State, known: np.ndarray, static: np.ndarray) -> np.ndarray:
        """Forecast at most `rows_at_once` rows."""


def take(state: State, rows: np.ndarray | slice) -> State:
    """Select or repeat rows of a state."""
    return {name: values[rows] for name, values in state.items()}
