"""The jobs that read events: one stream each, found by the job's name and imported when asked."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cellstate.errors import ArtifactError, CellstateError, InputError, explain

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.runtime.stream import AbstractStream

STREAMS = {
    "network": "cellstate.runtime.network_stream:NetworkStream",
    "forecast": "cellstate.tasks.forecast.stream:ForecastStream",
    "language": "cellstate.tasks.text.language.event_stream:LanguageStream",
    "vitals": "cellstate.tasks.health.vitals.events:MonitorStream",
}
REASONS = {
    "classify": "it reads whole sequences, in both directions",
    "regress": "it reads whole sequences, in both directions",
    "classify-text": "it reads whole texts, in both directions",
    "tag": "it reads whole sentences, in both directions",
    "translate": "it reads a whole sentence before it writes one",
    "outcome": "it answers once, for the whole time before a prediction",
    "records": "it answers for whole histories, whose codes it counts",
}
"""Why a job does not read events."""


def stream_class(task: str) -> Any:
    """Import the stream of a job.

    Raises
    ------
    InputError
        The job does not read events.

    Examples
    --------
    >>> stream_class("vitals").__name__
    'MonitorStream'
    """
    if task not in STREAMS:
        names = ", ".join(map(repr, STREAMS))
        reason = REASONS.get(task, "it is not known")
        must = f"a model that reads events must be of one of the jobs {names}"
        given = f"{task!r}: {reason}"
        raise InputError(explain("stream", must, given, "Use the model through predict"))
    module, name = STREAMS[task].split(":")
    return getattr(importlib.import_module(module), name)


def stream_of(
    manifest: Manifest, tensors: Mapping[str, NDArray[Any]], *, weights: str = "float32"
) -> AbstractStream:
    """Make the stream of a model that was read from its folder, without torch.

    Parameters
    ----------
    manifest : Manifest
    tensors : mapping of str to numpy.ndarray
    weights : {"float32", "bf16", "int8"}
        How the matrices of LSTM layers are stored.

    Raises
    ------
    InputError
        The job does not read events, or this model does not.
    ArtifactError
        A part of the model is missing.
    """
    kind = stream_class(manifest.task)
    try:
        return kind.from_artifact(manifest, tensors, weights=weights)
    except CellstateError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as problem:
        must, do = "the model must be complete and consistent", "Fit and save it again"
        given = f"{type(problem).__name__}: {problem}"
        raise ArtifactError(explain("stream", must, given, do)) from problem


def load_stream(folder: str | os.PathLike[str], *, weights: str = "float32") -> AbstractStream:
    """Load a model folder as what reads events, without torch.

    Parameters
    ----------
    folder : path
    weights : {"float32", "bf16", "int8"}
        How the matrices of LSTM layers are stored.

    Raises
    ------
    ArtifactError
        The folder is missing, damaged or from a newer version.
    InputError
        The job does not read events.
    """
    from cellstate import artifact

    return stream_of(*artifact.load(folder), weights=weights)
