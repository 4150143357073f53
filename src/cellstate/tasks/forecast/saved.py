"""A fitted forecaster as plain data and tensors, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate import network
from cellstate.data.frequency import Frequency
from cellstate.data.origin import Origin
from cellstate.data.panel import Panel
from cellstate.data.static import StaticEncoder
from cellstate.tasks.forecast import direct, recursive
from cellstate.tasks.forecast.covariates import CovariateScale
from cellstate.tasks.forecast.fitted import Fitted
from cellstate.tasks.forecast.memory import Memory
from cellstate.tasks.forecast.plan import Plan

if TYPE_CHECKING:
    from cellstate.artifact import Manifest

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]

MOST_ROWS = 2**20  # of history, all series together, that a model folder holds
ARRAYS = ("target", "past", "future", "static")


def to_parts(fitted: Fitted, memory: Memory, history: Panel, learnt: np.ndarray) -> Parts:
    """Take apart: network, encoders, decoding, record, tensors.

    The whole history goes to disk: the baselines that an evaluation compares with learn from it.
    """
    plan = fitted.plan
    net = {"decoder": fitted.decoder, "plan": asdict(plan), "layers": _layers(fitted)}
    net["plan"]["taus"] = list(plan.taus)
    encoders = {"covariates": fitted.covariates.as_dict(), "panel": _panel_facts(history)}
    decoding = {"quantiles": list(plan.taus), "factors": fitted.factors.tolist()}
    tensors = {
        f"network.{number}.{name}": value
        for number, weights in enumerate(fitted.networks)
        for name, value in weights.items()
    }
    tensors |= {f"state.{name}": value for name, value in memory.state.items()}
    tensors |= _panel_tensors("history", history) | {"fit.lengths": learnt}
    return net, encoders, decoding, fitted.record, tensors


def from_parts(
    manifest: Manifest, tensors: dict[str, np.ndarray]
) -> tuple[Fitted, Memory, Panel, np.ndarray]:
    """Put together again."""
    plan = Plan.from_dict(manifest.network["plan"])
    fitted = Fitted(
        decoder=manifest.network["decoder"],
        plan=plan,
        networks=tuple(_under(f"network.{n}.", tensors) for n in range(plan.members)),
        covariates=CovariateScale.from_dict(manifest.encoders["covariates"]),
        factors=np.asarray(manifest.decoding["factors"], dtype=np.float64),
        record=manifest.record,
    )
    history = _panel(manifest.encoders["panel"], _under("history.", tensors))
    memory = Memory(history.tail(1), _under("state.", tensors))
    return fitted, memory, history, tensors["fit.lengths"]


def _layers(fitted: Fitted) -> dict[str, Any]:
    if fitted.decoder == "recursive":
        return {"chain": network.to_json(recursive.describe(fitted.plan))}
    parts = direct.describe(fitted.plan)
    return {
        "encoder": network.to_json(parts.encoder),
        "query": network.to_json(parts.query),
        "position": network.to_json((parts.position,)),
        "decoder": network.to_json(parts.decoder),
        "skip": network.to_json(parts.skip),
    }


def _panel_facts(panel: Panel) -> dict[str, Any]:
    return {
        "ids": [name if isinstance(name, str) else int(name) for name in panel.ids],
        "dates": panel.times.dtype.kind == "M",
        "frequency": panel.frequency.name,
        "integer_step": panel.frequency.count if panel.frequency.is_integer else None,
        "target": panel.target_name,
        "past": list(panel.past_names),
        "future": list(panel.future_names),
        "calendar": list(panel.calendar),
        "static": panel.encoder.as_dict(),
        "origin": panel.origin.as_dict(),
    }


def _panel_tensors(prefix: str, panel: Panel) -> dict[str, np.ndarray]:
    arrays = {name: getattr(panel, name) for name in ARRAYS}
    arrays |= {"offsets": panel.offsets, "times": panel.times.astype(np.int64)}
    return {f"{prefix}.{name}": np.ascontiguousarray(value) for name, value in arrays.items()}


def _panel(facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> Panel:
    step = facts["integer_step"]
    times = arrays["times"]
    return Panel(
        ids=tuple(facts["ids"]),
        offsets=arrays["offsets"],
        times=times.astype("datetime64[us]") if facts["dates"] else times,
        frequency=Frequency.of(facts["frequency"] if step is None else step),
        target_name=facts["target"],
        past_names=tuple(facts["past"]),
        future_names=tuple(facts["future"]),
        calendar=tuple(facts["calendar"]),
        encoder=StaticEncoder.from_dict(facts["static"]),
        origin=Origin.from_dict(facts["origin"]),
        **{name: arrays[name] for name in ARRAYS},
    )


def _under(prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
