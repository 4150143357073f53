"""LSTM networks end to end: the layer, the jobs, the memory that lasts.

Each name is imported when first asked for, so that ``import cellstate`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellstate.data.columns import Columns
    from cellstate.tasks import load
    from cellstate.tasks.arrays.classifier import SequenceClassifier
    from cellstate.tasks.arrays.regressor import SequenceRegressor
    from cellstate.tasks.forecast.forecaster import Forecaster
    from cellstate.tasks.health.outcome_predictor import OutcomePredictor
    from cellstate.tasks.health.records_model import RecordsModel
    from cellstate.tasks.health.vitals_monitor import VitalsMonitor
    from cellstate.tasks.text.classifier import TextClassifier
    from cellstate.tasks.text.language_model import LanguageModel
    from cellstate.tasks.text.tagger import SequenceTagger
    from cellstate.tasks.text.translator import Translator
    from cellstate.train.config import TrainConfig

__version__: str

__all__ = [
    "Columns",
    "Forecaster",
    "LanguageModel",
    "OutcomePredictor",
    "RecordsModel",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "TextClassifier",
    "TrainConfig",
    "Translator",
    "VitalsMonitor",
    "load",
]

_HOMES = {
    "Columns": "cellstate.data.columns",
    "Forecaster": "cellstate.tasks.forecast.forecaster",
    "LanguageModel": "cellstate.tasks.text.language_model",
    "OutcomePredictor": "cellstate.tasks.health.outcome_predictor",
    "RecordsModel": "cellstate.tasks.health.records_model",
    "SequenceClassifier": "cellstate.tasks.arrays.classifier",
    "SequenceRegressor": "cellstate.tasks.arrays.regressor",
    "TextClassifier": "cellstate.tasks.text.classifier",
    "SequenceTagger": "cellstate.tasks.text.tagger",
    "TrainConfig": "cellstate.train.config",
    "Translator": "cellstate.tasks.text.translator",
    "VitalsMonitor": "cellstate.tasks.health.vitals_monitor",
    "load": "cellstate.tasks",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'cellstate' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def _version() -> str:
    # importlib.metadata takes longer than the command's whole help.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cellstate")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0.0.0+source"
