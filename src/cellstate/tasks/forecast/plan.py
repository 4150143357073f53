"""Every setting of a forecaster's network, derived from the data where the user left it open."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.tasks.forecast.intervals import quantile_levels
from cellstate.tasks.forecast.scaling import prefers_log

if TYPE_CHECKING:
    from cellstate.data import Panel

SIZES = {"small": (128, 1), "medium": (256, 1), "large": (512, 2)}  # width, layers
FEW_WINDOWS = 2_000  # below it, a quarter of the width suffices and learns faster
LONGER_SEASON = {24: 168, 48: 336, 96: 672}  # a day within a week, by steps in a day
LONGEST_SEGMENT = 48
MEMBERS = 3  # networks whose mean is the forecast, where windows are few and one is a draw
MOST_NAMED = 512  # series, beyond which none is known by name
NAMED_WINDOWS = 300  # of most series, from which on they can be
FAR = 2  # seasons, beyond which the mean of the window pulls the anchor


@dataclass(frozen=True)
class Plan:
    """What a network for forecasting is, in numbers; plain data for the model folder.

    Parameters
    ----------
    horizon, context, segment : int
        Steps to forecast, to read, and in one segment.
    season : int
        Lag whose values are shown to each query; at most `context`.
    recent : int
        Last values whose mean anchors a window.
    far : bool
        Whether the horizon is many seasons long.
    log : bool
        Whether the logarithm is taken first.
    width, layers : int
        Of the memory.
    line : bool
        Whether a linear path runs beside the memory: a help where windows are few, and in the way
        of the memory where they are many.
    dropout : float
    members : int
        Networks whose mean is the forecast.
    named : bool
        Whether the network knows each series by name: a help where every one is long.
    past, known, static : int
        Numbers of covariates; the series' names count as static ones.
    taus : tuple of float
        Quantiles to learn.
    distribution : str
        What the recursive network puts out: "student_t", "negative_binomial" or "quantiles".
    """

    horizon: int
    context: int
    segment: int
    season: int
    recent: int
    far: bool
    log: bool
    width: int
    layers: int
    line: bool
    dropout: float
    members: int
    named: bool
    past: int
    known: int
    static: int
    taus: tuple[float, ...]
    distribution: str

    @property
    def answers(self) -> int:
        """Segments to forecast."""
        return math.ceil(self.horizon / self.segment)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """Rebuild from plain data."""
        return cls(**{**values, "taus": tuple(values["taus"])})


def make_plan(
    panel: Panel,
    *,
    horizon: int,
    context: int | None,
    size: str,
    levels: tuple[float, ...],
    decoder: str,
    distribution: str,
) -> Plan:
    """Derive the settings from what is known at training time.

    The season is the frequency's (a day, a week or a year), and the longer one (a week of hours)
    where every series is long enough for it. The context holds two seasons, or as much as the
    series allow. A segment is a divisor of the season, as long as the horizon permits.
    """
    if size not in SIZES:
        raise InputError(
            explain("Forecaster", "size must be known", repr(size), did_you_mean(str(size), SIZES))
        )
    usable = int(np.median(panel.lengths)) - 2 * horizon
    base = panel.frequency.season()
    season = base
    longer = LONGER_SEASON.get(base, base)
    if usable >= 3 * longer:
        season = longer
    if context is None:
        context = max(min(max(2 * season, horizon), usable // 2), 1)
    fitting = [lag for lag in (season, base) if lag < context]
    season = fitting[0] if fitting else 1
    segment = _segment(base, horizon, context)
    if context > segment:
        context = context // segment * segment
    width, layers = SIZES[size]
    windows = np.maximum(panel.lengths - context - horizon, 1)
    few = bool(windows.sum() < FEW_WINDOWS)
    if few:
        width = width // 4
    direct = decoder == "direct"
    named = 1 < len(panel) <= MOST_NAMED and bool(np.median(windows) >= NAMED_WINDOWS)
    named = named and direct and not few
    return Plan(
        horizon=horizon,
        context=context,
        segment=min(segment, context),
        season=season,
        recent=min(base if base > 1 else 4, context) if direct else context,
        far=horizon > FAR * base > FAR,
        log=_logarithmic(panel, base),
        width=width,
        layers=layers,
        line=few,
        dropout=0.1,
        members=MEMBERS if few and direct else 1,
        named=named,
        past=panel.past.shape[1],
        known=panel.future.shape[1],
        static=panel.static.shape[1] + named * len(panel),
        taus=quantile_levels(levels),
        distribution=distribution,
    )


def _segment(season: int, horizon: int, context: int) -> int:
    """Take the longest divisor of the season that fits."""
    most = min(horizon, context, LONGEST_SEGMENT)
    if season == 1:
        return max(1, min(8, most, context // 4))
    return max(length for length in range(1, most + 1) if season % length == 0)


def _logarithmic(panel: Panel, season: int) -> bool:
    """Take the logarithm where all values are positive and most series' swing grows with level."""
    if not np.nanmin(panel.target, initial=np.inf) > 0:
        return False
    votes = [prefers_log(panel.target[panel.rows(i)], season) for i in range(len(panel))]
    return sum(votes) * 2 > len(votes)
