"""Which baselines a forecaster is compared with."""

from __future__ import annotations

from cellstate.tasks.forecast.baselines import AbstractBaseline
from cellstate.tasks.forecast.linear import Linear
from cellstate.tasks.forecast.naive import Drift, Naive, SeasonalNaive
from cellstate.tasks.forecast.naive2 import Naive2
from cellstate.tasks.forecast.statistical import Statistical, is_installed


def rivals(season: int, context: int, *, budget_s: float = 60.0) -> list[AbstractBaseline]:
    """List the baselines in the order in which tables show them, not yet fitted.

    Parameters
    ----------
    season : int
        Periods in a season; with 1 the seasonal naive forecast would repeat the naive one and is
        left out.
    context : int
        Steps that the network sees: the linear model sees the same.
    budget_s : float
        Seconds for each of AutoETS and AutoTheta, which are there if statsforecast is installed.

    Examples
    --------
    >>> [rival.name for rival in rivals(12, 36)][:5]
    ['naive', 'seasonal naive', 'drift', 'Naive2', 'linear']
    """
    found: list[AbstractBaseline] = [Naive(season)]
    if season > 1:
        found.append(SeasonalNaive(season))
    found += [Drift(season), Naive2(season), Linear(season, context=context)]
    if is_installed():
        found += [
            Statistical(season, model="AutoETS", budget_s=budget_s),
            Statistical(season, model="AutoTheta", budget_s=budget_s),
        ]
    return found
