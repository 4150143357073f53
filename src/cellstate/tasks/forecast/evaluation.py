"""Forecasts from rolling cutoffs, scored beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellstate.data import append
from cellstate.data.panel import Panel
from cellstate.data.windows import rows_to_learn
from cellstate.errors import InputError, did_you_mean, explain
from cellstate.tasks.forecast import metrics
from cellstate.tasks.forecast.answers import NAME
from cellstate.tasks.forecast.fitted import Fitted
from cellstate.tasks.forecast.intervals import band
from cellstate.tasks.forecast.metrics import METRICS
from cellstate.tasks.forecast.rivals import rivals

BUDGET_S = 10.0  # for each statistical baseline; its note tells how many windows it managed


@dataclass(frozen=True)
class Rolled:
    """The windows behind an evaluation.

    Attributes
    ----------
    panel : Panel
    series, cutoffs : np.ndarray
        (R,) each.
    truth : np.ndarray
        (R, H), NaN where missing.
    quantiles : np.ndarray
        (R, H, Q)
    scale : np.ndarray
        (R,) MASE's denominator.
    """

    panel: Panel
    series: np.ndarray
    cutoffs: np.ndarray
    truth: np.ndarray
    quantiles: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Scores of the LSTM and of every baseline on the same windows.

    Attributes
    ----------
    columns : tuple of str
        Metrics, in the order of the table.
    rows : dict of str to tuple of float
        System -> its metrics; NaN where one is not defined.
    winner : str
        The system with the smallest value of `decided_by`.
    decided_by : str
    protocol : str
        What was forecast from where.
    notes : tuple of str
    """

    columns: tuple[str, ...]
    rows: dict[str, tuple[float, ...]]
    winner: str
    decided_by: str
    protocol: str
    notes: tuple[str, ...] = ()
    rolled: Rolled | None = field(default=None, repr=False, compare=False)

    def metric(self, name: str, system: str = NAME) -> float:
        """Look up one value.

        Raises
        ------
        InputError
            There is no such metric or system.
        """
        for kind, given, known in (("metric", name, self.columns), ("system", system, self.rows)):
            if given not in known:
                do = did_you_mean(str(given), known)
                raise InputError(
                    explain("Evaluation", f"the {kind} must be known", repr(given), do)
                )
        return self.rows[system][self.columns.index(name)]

    @property
    def verdict(self) -> str:
        """Say in one sentence who won, and by how much."""
        ours, metric = self.metric(self.decided_by), self.decided_by
        others = {
            name: value
            for name in self.rows
            if name != NAME and np.isfinite(value := self.metric(metric, name))
        }
        if not others:
            return f"{NAME}: {metric} {ours:.4g}; no baseline could be computed."
        best = min(others, key=others.__getitem__)
        theirs = others[best]
        share = f"{100 * abs(ours - theirs) / theirs:.1f} %" if theirs > 0 else ""
        if self.winner == NAME:
            by = f"{share} below" if share else "the same as"
            return (
                f"{NAME} wins: {metric} {ours:.4g}, {by} the best baseline, {best} ({theirs:.4g})."
            )
        by = f", {share} above it" if share else ""
        return (
            f"A baseline wins: {best} has {metric} {theirs:.4g}; "
            f"the {NAME} has {ours:.4g}{by}. Prefer {best} here."
        )

    def definitions(self) -> dict[str, str]:
        """Define each metric of the table."""
        return {name: METRICS[_family(name)].definition for name in self.columns}

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data; a metric that is not defined is None."""
        return {
            "systems": {
                system: {
                    name: float(value) if np.isfinite(value) else None
                    for name, value in zip(self.columns, values, strict=True)
                }
                for system, values in self.rows.items()
            },
            "winner": self.winner,
            "decided_by": self.decided_by,
            "verdict": self.verdict,
            "protocol": self.protocol,
            "definitions": self.definitions(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        names = [system + (" *" if system == self.winner else "") for system in self.rows]
        cells = [[_cell(value) for value in values] for values in self.rows.values()]
        first = max(map(len, names))
        widths = [
            max(len(column), *(len(row[at]) for row in cells))
            for at, column in enumerate(self.columns)
        ]
        head = "  ".join(c.rjust(w) for c, w in zip(self.columns, widths, strict=True))
        lines = [f"{'':{first}}  {head}"]
        for name, row in zip(names, cells, strict=True):
            values = "  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True))
            lines.append(f"{name:{first}}  {values}")
        lines += ["", self.verdict, self.protocol, *self.notes, ""]
        lines += [f"{name}: {text}." for name, text in self.definitions().items()]
        return "\n".join(lines)

    __repr__ = __str__


def held_cutoffs(
    history: Panel, held: Panel | None, fitted: Fitted, stride: int
) -> tuple[Panel, np.ndarray, np.ndarray, np.ndarray]:
    """List rolling cutoffs that some truth follows: on the validation split, or on held-out rows.

    Parameters
    ----------
    history : Panel
        All that is known, or where `held` is None the rows of `fit`.

    Returns
    -------
    panel : Panel
    series, cutoffs : np.ndarray
        (R,) each.
    learnt : np.ndarray
        (N,) rows of each series before the first cutoff.
    """
    horizon = fitted.plan.horizon
    if held is None:
        panel = history
        steps = fitted.record["data"]["validation_steps"]
        learnt = rows_to_learn(panel.lengths, horizon, steps) if steps else panel.lengths
    else:
        known = {name: row for row, name in enumerate(history.ids)}
        first = np.zeros(len(held), dtype=np.int64)
        for row, name in enumerate(held.ids):
            if name in known:
                last = history.times[history.offsets[known[name] + 1] - 1]
                first[row] = np.searchsorted(held.times[held.rows(row)], last, side="right")
        panel = append(history, _drop_first(held, first))
        learnt = np.maximum(panel.lengths - horizon, 1)
        learnt = np.minimum(learnt, fitted.plan.context)  # of series that are new
        learnt[: len(history)] = history.lengths
    count = np.maximum((panel.lengths - learnt - horizon) // stride + 1, 0)
    if not count.any():
        raise InputError(
            explain(
                "Forecaster.evaluate",
                f"a series must have {horizon} periods or more after the training data",
                f"at most {int((panel.lengths - learnt).max())}",
                "Give later rows, or fit on fewer",
            )
        )
    series = np.repeat(np.arange(len(panel)), count)
    number = np.arange(len(series)) - np.repeat(np.cumsum(count) - count, count)
    cutoffs = learnt[series] + stride * number
    scored = np.isfinite(panel.target[_ahead(panel, series, cutoffs, horizon)]).any(axis=1)
    if not scored.any():
        raise InputError(
            explain(
                "Forecaster.evaluate",
                f"the target {panel.target_name!r} must have observed values to score against",
                f"{len(series)} windows of missing ones",
                "Give rows with values, or fit on fewer",
            )
        )
    return panel, series[scored], cutoffs[scored], learnt


def evaluate(
    fitted: Fitted,
    panel: Panel,
    series: np.ndarray,
    cutoffs: np.ndarray,
    learnt: np.ndarray,
    levels: tuple[float, ...],
    is_held_out: bool,
) -> Evaluation:
    """Score the network and the baselines on the same windows."""
    plan, season = fitted.plan, panel.frequency.season()
    truth = panel.target[_ahead(panel, series, cutoffs, plan.horizon)]
    ours = fitted.forecast_at(panel, series, cutoffs)
    scale = metrics.naive_scale(panel, season, learnt)[series]
    columns = ["MAE", "MASE", "sMAPE", "quantile loss"]
    columns += [f"coverage {level:g}" for level in levels]
    scores = {NAME: _score(plan.taus, levels, truth, ours[..., plan.taus.index(0.5)], ours, scale)}
    notes = []
    past = panel.head(learnt)
    for rival in rivals(season, plan.context, budget_s=BUDGET_S):
        said = rival.fit(past, plan.horizon).predict(panel, series, cutoffs, plan.taus)
        answered = np.where(np.isfinite(said.point), truth, np.nan)
        scores[rival.name] = _score(plan.taus, levels, answered, said.point, said.quantiles, scale)
        if rival.note:
            notes.append(f"{rival.name}: {rival.note}")
    if "Naive2" in scores:
        columns.insert(3, "OWA")
        naive2 = scores["Naive2"]
        defined = naive2[1] > 0 and naive2[2] > 0
        for values in scores.values():
            owa = metrics.owa(values[2], values[1], naive2[2], naive2[1]) if defined else np.nan
            values.insert(3, owa)
    decided_by = "MASE" if np.isfinite(scores[NAME][1]) else "MAE"
    at = columns.index(decided_by)
    if not is_held_out:
        notes.append("These windows chose when training stopped: expect a little less on new data.")
    return Evaluation(
        columns=tuple(columns),
        rows={name: tuple(map(float, values)) for name, values in scores.items()},
        winner=min(scores, key=lambda name: np.nan_to_num(scores[name][at], nan=np.inf)),
        decided_by=decided_by,
        protocol=_protocol(plan.horizon, series, season, is_held_out),
        notes=tuple(notes),
        rolled=Rolled(panel, series, cutoffs, truth, ours, scale),
    )


def _ahead(panel: Panel, series: np.ndarray, cutoffs: np.ndarray, horizon: int) -> np.ndarray:
    """Give the rows that follow each cutoff, (R, H)."""
    return (panel.offsets[series] + cutoffs)[:, None] + np.arange(horizon)


def _protocol(horizon: int, series: np.ndarray, season: int, is_held_out: bool) -> str:
    where = "held-out rows" if is_held_out else "the validation split"
    return (
        f"Protocol: {len(series)} windows of {horizon} periods on {where}, "
        f"{len(np.unique(series))} series, season {season}; every window is forecast from the rows "
        "before it."
    )


def _score(
    taus: tuple[float, ...],
    levels: tuple[float, ...],
    truth: np.ndarray,
    point: np.ndarray,
    quantiles: np.ndarray,
    scale: np.ndarray,
) -> list[float]:
    values = [
        metrics.mae(truth, point),
        metrics.mase(truth, point, scale),
        metrics.smape(truth, point),
        metrics.quantile_loss(truth, quantiles, taus),
    ]
    values += [metrics.coverage(truth, *band(quantiles, taus, level)) for level in levels]
    return [float(value) for value in values]


def _drop_first(panel: Panel, first: np.ndarray) -> Panel:
    """Leave out the first rows of each series, and series of which nothing stays."""
    kept = panel.lengths - first
    if not kept.any():
        raise InputError(
            explain(
                "Forecaster.evaluate",
                "held-out rows must follow the training data",
                "only rows that are known already",
                "Give later rows, or fit on fewer",
            )
        )
    return panel.tail(kept).select(np.flatnonzero(kept > 0))


def _family(column: str) -> str:
    return "coverage" if column.startswith("coverage") else column


def _cell(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.4g}"
