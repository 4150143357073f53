"""From a panel to trained networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.data.panel import Panel
from cellstate.data.windows import Windows, rows_to_learn, split_windows
from cellstate.errors import InputError, explain
from cellstate.extras import require
from cellstate.tasks.forecast import direct, recursive
from cellstate.tasks.forecast.covariates import CovariateScale
from cellstate.tasks.forecast.direct_task import DirectTask
from cellstate.tasks.forecast.fitted import Fitted
from cellstate.tasks.forecast.intervals import conformal_factors
from cellstate.tasks.forecast.plan import FEW_WINDOWS, Plan
from cellstate.tasks.forecast.recursive_task import RecursiveTask

if TYPE_CHECKING:
    from cellstate.train import TrainConfig

# Windows that set the conformal factors; the recursive network draws paths for each.
MOST_CALIBRATION = {"direct": 4_000, "recursive": 400}

STEPS_PER_EPOCH = 30
ALWAYS = {"epochs": 20, "weight_decay": 1e-2, "clip_norm": 1.0}
# Few windows: the split is too small to choose weights by it before the rate has come down.
FEW = {
    "batch_size": 32,
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "average": 0.98,
    "settle": 0.9,
}
MANY = {
    "batch_size": 256,
    "learning_rate": 2e-3,
    "schedule": "constant",
    "average": 0.99,
    "patience": 6,
}


@dataclass(frozen=True)
class Settings:
    """How to train, apart from the network's plan."""

    decoder: str
    calibrate: bool
    seed: int
    config: TrainConfig
    validation: int


def fit_panel(panel: Panel, plan: Plan, settings: Settings) -> Fitted:
    """Train networks on a panel, whose last `settings.validation` steps they do not see."""
    require("torch", extra="train")
    from cellstate import train

    border = rows_to_learn(panel.lengths, plan.horizon, settings.validation)
    covariates = CovariateScale.of(panel.head(border), panel.ids if plan.named else ())
    scaled = covariates.apply(panel)
    learn, valid = split_windows(scaled, plan.context, plan.horizon, settings.validation)
    if settings.calibrate and valid is None:
        raise _cannot_calibrate(panel, plan)
    config = settings.config.filled(**ALWAYS, **(FEW if len(learn) < FEW_WINDOWS else MANY))
    sizes = {"batch_size": config.batch_size, "steps_per_epoch": STEPS_PER_EPOCH}
    if settings.decoder == "direct":
        task: Any = DirectTask(plan, learn, valid, **sizes)
        build: Any = direct.build
    else:
        task = RecursiveTask(plan, scaled, learn, valid, **sizes)
        build = recursive.build
    networks, records = [], []
    for seed in _seeds(settings.seed, plan.members):
        with train.isolated(seed):
            model = build(plan)
        records.append(train.fit(model, task, config, seed=seed).as_dict())
        networks.append(model.tensors())
    record = {**records[0], "seed": settings.seed, "networks": len(networks)}
    record["seconds"] = sum(each["seconds"] for each in records)
    record["parameters"] = sum(each["parameters"] for each in records)
    record["events"] = [event for each in records for event in each["events"]]
    record["data"] = {
        "fingerprint": fingerprint({"times": panel.times, "target": panel.target}),
        "series": len(panel),
        "rows": len(panel.target),
        "missing": int(np.isnan(panel.target).sum()),
        "windows": len(learn),
        "validation_steps": settings.validation if valid is not None else 0,
    }
    record["versions"] = {**record.get("versions", {}), "cellstate": cellstate.__version__}
    fitted = Fitted(
        settings.decoder, plan, tuple(networks), covariates, np.ones(len(plan.taus)), record
    )
    if settings.calibrate and valid is not None:
        fitted = _calibrated(fitted, panel, valid)
    return fitted


def _seeds(seed: int, members: int) -> list[int]:
    """Give each network a seed: those of one forecaster are none of the next one's."""
    if members == 1:
        return [seed]
    return [int(word) for word in np.random.SeedSequence(seed).generate_state(members)]


def _cannot_calibrate(panel: Panel, plan: Plan) -> InputError:
    return InputError(
        explain(
            "Forecaster.fit",
            f"calibrate=True needs a series longer than twice horizon={plan.horizon}, with "
            "observed values at its end",
            f"series of at most {int(panel.lengths.max())} periods",
            "Give longer series, or leave calibrate out",
        )
    )


def _calibrated(fitted: Fitted, panel: Panel, valid: Windows) -> Fitted:
    """Learn the conformal factors from the validation windows."""
    count = min(len(valid), MOST_CALIBRATION[fitted.decoder])
    chosen = np.linspace(0, len(valid) - 1, count).round().astype(np.int64)
    batch = valid.gather(chosen)
    quantiles = fitted.forecast_at(panel, batch["series"], batch["cutoff"])
    factors = conformal_factors(batch["target"], quantiles, fitted.plan.taus)
    return Fitted(
        fitted.decoder, fitted.plan, fitted.networks, fitted.covariates, factors, fitted.record
    )
