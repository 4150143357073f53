"""What a fitted forecaster has to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.errors import InputError
from cellstate.extras import require
from cellstate.tasks import chapters, sections
from cellstate.tasks.forecast import metrics
from cellstate.tasks.forecast.answers import NAME
from cellstate.tasks.forecast.direct import deviation, encode
from cellstate.tasks.forecast.evaluation import Evaluation, Rolled
from cellstate.tasks.forecast.fitted import Fitted
from cellstate.tasks.forecast.intervals import band

if TYPE_CHECKING:
    from cellstate.tasks.forecast.forecaster import Forecaster

PAST_SHOWN = 3  # horizons of history before a forecast
BINS = 41
GATE_STEPS = 120


def tell(forecaster: Forecaster, frame: Any = None) -> sections.Story:
    """Tell how the fit went: verdict, table, forecasts, losses, residuals, gates, facts.

    Series too short for a validation split leave nothing to score on: the story then says so.
    """
    fitted = forecaster.fitted_
    facts = fitted.record["data"]
    try:
        evaluation = forecaster.evaluate(frame)
    except InputError as reason:
        if frame is not None:
            raise
        scores: list[sections.Section] = [sections.Text("No comparison", str(reason), "warning")]
        protocol, gates = "", list[sections.Section]()
    else:
        rolled = evaluation.rolled
        assert rolled is not None
        scores = _scores(forecaster, evaluation, rolled)
        protocol, gates = evaluation.protocol, _gates(fitted, rolled)
    shown: list[sections.Section] = [
        *scores,
        chapters.losses(fitted.record, unit="loss of a normalised window", note=_of_first(fitted)),
        *gates,
        *chapters.warnings(fitted.record),
        _data(forecaster),
        _reproduction(forecaster),
    ]
    return sections.Story(
        title=f"Forecast of {forecaster.history_.target_name}",
        summary=(
            f"{facts['series']:,} series, {facts['rows']:,} rows, "
            f"{fitted.plan.horizon} periods ahead. {protocol}"
        ).rstrip(),
        sections=tuple(shown),
    )


def _scores(
    forecaster: Forecaster, evaluation: Evaluation, rolled: Rolled
) -> list[sections.Section]:
    """Show who won, forecasts, the table, intervals and residuals."""
    fitted, won = forecaster.fitted_, evaluation.winner == NAME
    return [
        sections.Text("Verdict", evaluation.verdict, tone="good" if won else "warning"),
        _forecasts(forecaster, rolled),
        _table(evaluation),
        *_intervals(fitted, rolled),
        _residuals(fitted, rolled),
    ]


def _table(evaluation: Evaluation) -> sections.Table:
    best = {name: metrics.METRICS[_family(name)].best for name in evaluation.columns}
    for name in evaluation.columns:
        if name.startswith("coverage"):
            best[name] = float(name.split()[1])
    definitions = " ".join(f"{k}: {v}." for k, v in evaluation.definitions().items())
    return sections.Table(
        "Against the baselines",
        ("system", *evaluation.columns),
        tuple((name, *values) for name, values in evaluation.rows.items()),
        best=best,
        note=" ".join((*evaluation.notes, definitions)),
    )


def _family(name: str) -> str:
    return "coverage" if name.startswith("coverage") else name


def _forecasts(forecaster: Forecaster, rolled: Rolled) -> sections.Forecasts:
    """Show the best, the median and the worst window, by scaled error."""
    plan = forecaster.fitted_.plan
    middle = plan.taus.index(0.5)
    errors = metrics.mae(rolled.truth, rolled.quantiles[..., middle], axis=1)
    errors = errors / np.where(rolled.scale > 0, rolled.scale, 1.0)
    order = np.argsort(np.where(np.isfinite(errors), errors, -1.0), kind="stable")
    order = order[np.isfinite(errors[order])]
    picks = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    if len(order) < 3:
        picks = {"only" if len(order) == 1 else f"window {i + 1}": w for i, w in enumerate(order)}
    panels = []
    for label, window in picks.items():
        series, cutoff = int(rolled.series[window]), int(rolled.cutoffs[window])
        start = rolled.panel.offsets[series]
        shown = max(plan.context, PAST_SHOWN * plan.horizon)
        past = slice(start + max(0, cutoff - shown), start + cutoff)
        coming = slice(start + cutoff, start + cutoff + plan.horizon)
        quantiles = rolled.quantiles[window]
        panels.append(
            sections.ForecastPanel(
                name=f"{rolled.panel.ids[series]} ({label})",
                past_times=rolled.panel.times[past],
                past=rolled.panel.target[past],
                times=rolled.panel.times[coming],
                point=quantiles[:, middle],
                bands={
                    float(level): band(quantiles, plan.taus, level) for level in forecaster.levels
                },
                truth=rolled.truth[window],
                caption=f"scaled error {errors[window]:.3g}",
            )
        )
    return sections.Forecasts(
        "Forecasts",
        tuple(panels),
        note="Windows chosen by their error, scaled by that of repeating the last season.",
    )


def _intervals(fitted: Fitted, rolled: Rolled) -> list[sections.Section]:
    seen = np.isfinite(rolled.truth)
    if not seen.any():
        return []
    below = rolled.truth[..., None] <= rolled.quantiles
    observed = 100 * below[seen].mean(axis=0)
    note = "Stretched to hold on this split." if not np.all(fitted.factors == 1) else ""
    nominal = 100 * np.asarray(fitted.plan.taus)
    return [sections.Calibration("Share of truths below each quantile", nominal, observed, note)]


def _residuals(fitted: Fitted, rolled: Rolled) -> sections.Histogram:
    unit = np.where(rolled.scale > 0, rolled.scale, 1.0)[:, None]
    errors = (rolled.truth - rolled.quantiles[..., fitted.plan.taus.index(0.5)]) / unit
    errors = errors[np.isfinite(errors)]
    reach = float(np.quantile(np.abs(errors), 0.99)) or 1.0
    counts, edges = np.histogram(np.clip(errors, -reach, reach), BINS, (-reach, reach))
    note = f"Mean {errors.mean():.3g}; the outermost bars hold what lies beyond."
    label = "truth − forecast, in units of the seasonal naive error"
    return sections.Histogram("Residuals", edges, counts, label, note)


def _gates(fitted: Fitted, rolled: Rolled) -> list[sections.Section]:
    """Run one window through the layer with its trace on."""
    torch = require("torch", extra="train")
    from cellstate import nn

    plan, window = fitted.plan, [len(rolled.series) // 2]
    series, cutoff = rolled.series[window], rolled.cutoffs[window]
    scaled = fitted.covariates.apply(rolled.panel)
    start = int(rolled.panel.offsets[series[0]])
    if fitted.decoder == "direct":
        state = fitted.model.state_at(scaled, series, cutoff)
        ahead = np.zeros((1, plan.horizon, plan.known), np.float32)
        known = np.concatenate([state["known"], ahead], axis=1)
        encoded = encode(
            plan, state["y"], deviation(state), state["past"], known, scaled.static[series]
        )
        weight, bias = (fitted.networks[0][f"embed.{part}"] for part in ("weight", "bias"))
        inputs = np.maximum(encoded.segments @ weight.T + bias, 0)
        rows = np.arange(int(cutoff[0]) - len(inputs) * plan.segment, int(cutoff[0]), plan.segment)
        means = state["y"][0, -len(inputs) * plan.segment :].reshape(len(inputs), -1)
        seen = np.isfinite(means)
        total = np.where(seen, means, 0).sum(axis=1)
        signal = np.where(seen.any(axis=1), total / np.maximum(seen.sum(axis=1), 1), np.nan)
        unit = f"segments of {plan.segment}"
    else:
        from cellstate.tasks.forecast.recursive_task import read

        rows = np.arange(max(0, int(cutoff[0]) - GATE_STEPS), int(cutoff[0]))
        inputs = read(plan, scaled)[0][start + rows][:, None]
        signal = rolled.panel.target[start + rows]
        unit = "observations"
    layer = nn.LSTM(inputs.shape[-1], plan.width, plan.layers)
    held = fitted.networks[0]
    own = {k: torch.from_numpy(np.array(held[f"memory.{k}"])) for k in layer.state_dict()}
    layer.load_state_dict(own)
    with torch.no_grad():
        _, _, trace = layer(torch.from_numpy(np.ascontiguousarray(inputs, np.float32)), trace=True)
    name = rolled.panel.ids[int(series[0])]
    times = rolled.panel.times[start + np.maximum(rows, 0)]
    return [
        sections.Gates(
            f"What the gates did over {unit}",
            tuple(map(_stamp, times)),
            _last_layer(trace),
            signal=signal,
            note=f"Series {name}, last layer of the memory{_of_first(fitted)}.",
        )
    ]


def _of_first(fitted: Fitted) -> str:
    count = fitted.plan.members
    return f"Shown is the first of {count} networks." if count > 1 else ""


def _last_layer(trace: Any) -> dict[str, np.ndarray]:
    """Pick (T, H) of the last layer, its only direction and row."""
    return {name: getattr(trace, name)[-1, 0, :, 0].numpy() for name in ("i", "f", "g", "o", "c")}


def _stamp(time: Any) -> str:
    """Write an integer as it is, a date without a time of day that is midnight."""
    text = str(time).removesuffix(".000000").removesuffix(":00")
    return text.removesuffix("T00:00").replace("T", " ")


def _data(forecaster: Forecaster) -> sections.Facts:
    facts, panel = forecaster.fitted_.record["data"], forecaster.history_
    covariates = (*panel.past_names, *panel.future_names, *panel.static_names)
    rows = (
        ("Series", f"{facts['series']:,}"),
        ("Rows on the grid", f"{facts['rows']:,}"),
        ("Missing values", f"{facts['missing']:,}"),
        ("Frequency", panel.frequency.name),
        ("First and last stamp", f"{_stamp(panel.times.min())} – {_stamp(panel.times.max())}"),
        ("Covariates", ", ".join(covariates) or "none"),
        ("Training windows", f"{facts['windows']:,}"),
        ("Validation", f"last {facts['validation_steps']} periods of each series"),
        ("Fingerprint", facts["fingerprint"]),
    )
    return sections.Facts("Data", rows)


def _reproduction(forecaster: Forecaster) -> sections.Facts:
    fitted = forecaster.fitted_
    plan, record = fitted.plan, fitted.record
    count = f"mean of {plan.members} networks, each " if plan.members > 1 else ""
    network = (
        f"{count}{plan.layers} × {plan.width} units, reads {plan.context} periods in segments of "
        f"{plan.segment}, season {plan.season}{', logarithm' if plan.log else ''}"
    )
    return chapters.reproduction(forecaster, record, ("Network", network))
