"""The jobs: one estimator each, found by name in `TASKS` and imported when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from cellstate.errors import InputError, did_you_mean, explain

if TYPE_CHECKING:
    from cellstate.tasks.estimator import AbstractEstimator

TASKS = {
    "forecast": "cellstate.tasks.forecast.forecaster:Forecaster",
    "classify": "cellstate.tasks.arrays.classifier:SequenceClassifier",
    "regress": "cellstate.tasks.arrays.regressor:SequenceRegressor",
    "language": "cellstate.tasks.text.language_model:LanguageModel",
    "classify-text": "cellstate.tasks.text.classifier:TextClassifier",
    "tag": "cellstate.tasks.text.tagger:SequenceTagger",
    "translate": "cellstate.tasks.text.translator:Translator",
    "outcome": "cellstate.tasks.health.outcome_predictor:OutcomePredictor",
    "vitals": "cellstate.tasks.health.vitals_monitor:VitalsMonitor",
    "records": "cellstate.tasks.health.records_model:RecordsModel",
}


def estimator_class(task: str) -> type[AbstractEstimator]:
    """Import the estimator of a job.

    Raises
    ------
    InputError
        There is no such job.

    Examples
    --------
    >>> estimator_class("forecast").__name__
    'Forecaster'
    """
    if task == "network":
        must = "a job's estimator must be asked for"
        given = "a bare network, which has none"
        do = "Step it with cellstate.tasks.streams.load_stream(folder), or run cellstate serve"
        raise InputError(explain("cellstate", must, given, do))
    if task not in TASKS:
        raise InputError(
            explain("cellstate", "the job must be known", repr(task), did_you_mean(task, TASKS))
        )
    module, name = TASKS[task].split(":")
    return getattr(importlib.import_module(module), name)


def load(folder: str) -> AbstractEstimator:
    """Load a fitted estimator of any job from its model folder.

    Raises
    ------
    ArtifactError
        The folder is missing, damaged or from a newer version.
    """
    from cellstate import artifact

    manifest, tensors = artifact.load(folder)
    return estimator_class(manifest.task).from_artifact(manifest, tensors)
