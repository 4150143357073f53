"""An unfinished training on disk: one safetensors file, its facts as JSON in the header.

The file is a journal rather than a model: it is written at the ends of epochs, taken up again by
the same call of `fit`, and removed once training has ended by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cellstate.errors import ArtifactError, explain
from cellstate.train.task import Batch

FORMAT = "cellstate-checkpoint-1"
COST = 0.02
"""Share of the time that writing may take; checkpoints get rarer to keep to it."""


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: tensors by name, and facts that JSON can express."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


class CheckpointFile:
    """Write, read and remove the checkpoint of one training.

    Parameters
    ----------
    path : path
    fingerprint : str
        Identifies the training; a checkpoint of another one is refused.
    """

    def __init__(self, path: str | Path, fingerprint: str) -> None:
        self.path = Path(path)
        self._fingerprint = fingerprint
        self._not_before = 0.0

    @property
    def is_due(self) -> bool:
        """Whether enough time has gone by since the last write."""
        return time.perf_counter() >= self._not_before

    def write(self, saved: Saved) -> None:
        """Replace the file as a whole: a crash leaves the old one or the new one.

        Raises
        ------
        ArtifactError
            The file cannot be written.
        """
        start = time.perf_counter()
        header = {
            "format": FORMAT,
            "fingerprint": self._fingerprint,
            "facts": json.dumps(saved.facts),
        }
        tensors = {name: t.detach().cpu().clone() for name, t in saved.tensors.items()}
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            with new.open("wb") as file:
                file.write(save(tensors, metadata=header))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except (OSError, SafetensorError) as problem:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise ArtifactError(
                explain(
                    "checkpoint",
                    f"{self.path} must be writable",
                    str(problem),
                    "Free some space, create the folder, or give another path",
                )
            ) from problem
        self._not_before = start + (time.perf_counter() - start) / COST

    def read(self) -> Saved | None:
        """Give what the file holds, None if there is no file.

        Raises
        ------
        ArtifactError
            The file is damaged or belongs to another training.
        """
        if not self.path.exists():
            return None
        try:
            # safetensors declares no types here.
            with cast("Any", safe_open)(self.path, framework="pt") as file:
                header: dict[str, str] = file.metadata() or {}
                tensors: dict[str, torch.Tensor] = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
            facts = json.loads(header.get("facts", "null"))
        except (OSError, SafetensorError, ValueError) as problem:
            raise self._refusal("a checkpoint that can be read", str(problem)) from problem
        if header.get("format") != FORMAT or not isinstance(facts, dict):
            raise self._refusal(f"of the form {FORMAT}", repr(header.get("format")))
        if header.get("fingerprint") != self._fingerprint:
            must = "a checkpoint of the same model, data, settings and seed"
            raise self._refusal(must, "one of another training")
        return Saved(tensors, cast("dict[str, Any]", facts))

    def remove(self) -> None:
        """Delete the file, if it exists."""
        self.path.unlink(missing_ok=True)

    def _refusal(self, must: str, given: str) -> ArtifactError:
        do = "Delete the file to train from the start, or give another path"
        return ArtifactError(explain("checkpoint", f"{self.path} must be {must}", given, do))


def fingerprint(model: torch.nn.Module, first_batch: Batch | None, facts: dict[str, Any]) -> str:
    """Identify a training by its model's form and first weights, first batch and settings."""
    checksum = 0
    for name, tensor in model.state_dict().items():
        checksum = _add(checksum, name, tensor.detach().cpu().double().numpy())
    for name, array in (first_batch or {}).items():
        checksum = _add(checksum, name, array)
    return f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode(), checksum):08x}"


def _add(checksum: int, name: str, array: np.ndarray) -> int:
    checksum = zlib.crc32(f"{name}{array.shape}{array.dtype}".encode(), checksum)
    return zlib.crc32(np.ascontiguousarray(array).tobytes(), checksum)
