"""Networks with all that turns a panel into forecasts and back."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from cellstate.data.panel import Panel
from cellstate.tasks.forecast.covariates import CovariateScale
from cellstate.tasks.forecast.direct import DirectModel
from cellstate.tasks.forecast.intervals import apply_factors
from cellstate.tasks.forecast.model import AbstractForecastModel, State
from cellstate.tasks.forecast.plan import Plan
from cellstate.tasks.forecast.recursive import RecursiveModel

MODELS: dict[str, Any] = {"direct": DirectModel, "recursive": RecursiveModel}


@dataclass(frozen=True)
class Fitted:
    """What `fit` learnt.

    Parameters
    ----------
    decoder : str
        A name in `MODELS`.
    plan : Plan
    networks : tuple of dict of str to np.ndarray
        Weights of each network by the names of its description.
    covariates : CovariateScale
    factors : np.ndarray
        (Q,) conformal stretch of each quantile; ones where intervals are not calibrated.
    record : dict
        Training record, JSON-ready.
    weights : {"float32", "bf16", "int8"}
        How the matrices of LSTM layers are stored as they run.
    """

    decoder: str
    plan: Plan
    networks: tuple[dict[str, np.ndarray], ...]
    covariates: CovariateScale
    factors: np.ndarray
    record: dict[str, Any]
    weights: str = "float32"
    model: AbstractForecastModel = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        model = MODELS[self.decoder](self.plan, self.networks, self.weights)
        object.__setattr__(self, "model", model)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle without the model, whose packed weights no other process can use."""
        return Fitted, tuple(getattr(self, part.name) for part in fields(self) if part.init)

    def forecast(self, state: State, known: np.ndarray, static: np.ndarray) -> np.ndarray:
        """Forecast from states, (R, H, Q), by future covariates as given and scaled static ones."""
        quantiles = self.model.forecast(state, self.covariates.scale(known, "future"), static)
        return apply_factors(quantiles, self.factors, self.plan.taus)

    def forecast_at(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        """Forecast at past cutoffs, each from the rows before it: (R, H, Q)."""
        scaled = self.covariates.apply(panel)
        state = self.model.state_at(scaled, series, cutoffs)
        steps = np.arange(self.plan.horizon)
        rows = panel.offsets[series][:, None] + cutoffs[:, None] + steps
        inside = rows < panel.offsets[series + 1][:, None]
        known = np.where(
            inside[..., None], panel.future[np.where(inside, rows, 0)], np.float32(np.nan)
        )
        return self.forecast(state, known, scaled.static[series])
