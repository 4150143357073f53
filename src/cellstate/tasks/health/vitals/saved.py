"""A monitor's fitted parts as plain data, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from cellstate.data.health.timelines import Layout
from cellstate.tasks.health.outcome.mix import Mix
from cellstate.tasks.health.steps import StepEncoder
from cellstate.tasks.health.vitals.fitted import Fitted
from cellstate.tasks.health.vitals.plan import Plan


def describe(fitted: Fitted) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give network and encoders, JSON-ready."""
    described = {
        "kind": "monitor",
        "plan": fitted.plan.as_dict(),
        "networks": len(fitted.weights),
        "mix": asdict(fitted.mix),
    }
    encoders = {"layout": fitted.layout.as_dict(), "steps": fitted.encoder.as_dict()}
    return described, encoders


def restored(
    described: dict[str, Any],
    encoders: dict[str, Any],
    tensors: dict[str, np.ndarray],
    record: dict[str, Any],
) -> Fitted:
    """Build what `describe` and `Fitted.tensors` gave."""
    weights = tuple(
        {
            name.removeprefix(prefix): np.array(values)
            for name, values in tensors.items()
            if name.startswith(prefix)
        }
        for prefix in (f"network.{place}." for place in range(int(described["networks"])))
    )
    return Fitted(
        Plan(**described["plan"]),
        Layout.from_dict(encoders["layout"]),
        StepEncoder.from_dict(encoders["steps"]),
        weights,
        np.array(tensors["linear"]) if "linear" in tensors else None,
        Mix(**described["mix"]),
        np.array(tensors["tail"]),
        record,
    )
