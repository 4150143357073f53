"""How networks over records are trained: patients of like length in, one loss out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.text.batches import length_batches
from cellstate.tasks.health.records.encoding import CLIP, Encoded
from cellstate.tasks.health.records.plan import QUANTILES
from cellstate.tasks.health.records.targets import Targets

if TYPE_CHECKING:
    import torch

    from cellstate.train import StepLoss

VALID_PATIENTS = 64


class RecordsTask:
    """Patients as batches, and the loss over all visits after which something is known.

    The loss is the cross-entropy of each code or of the outcome, or the pinball loss of each
    quantile of each variable, in its deviations.

    Parameters
    ----------
    encoded : Encoded
    targets : Targets
    wanted : np.ndarray
        (N, …) what came true where targets have values; none for codes.
    nodes : np.ndarray
        (K,) nodes that are foretold.
    train, valid : np.ndarray
        Patients.
    batch_size : int
    """

    def __init__(
        self,
        encoded: Encoded,
        targets: Targets,
        wanted: np.ndarray,
        nodes: np.ndarray,
        train: np.ndarray,
        valid: np.ndarray,
        *,
        batch_size: int,
    ) -> None:
        self._encoded, self._targets, self._wanted, self._nodes = encoded, targets, wanted, nodes
        self._train, self._valid, self._batch_size = train, valid, batch_size

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield every patient once, like lengths together, in random order."""
        lengths = self._encoded.counts[self._train]
        for chosen in length_batches(lengths, rows=self._batch_size, rng=rng):
            yield self._batch(self._train[chosen])

    def valid_batches(self) -> list[dict[str, np.ndarray]]:
        """Give the patients held out, from few visits to many."""
        lengths = self._encoded.counts[self._valid]
        return [
            self._batch(self._valid[chosen])
            for chosen in length_batches(lengths, rows=VALID_PATIENTS)
        ]

    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._train) // self._batch_size)

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Compare what the network says after each known visit with what came true."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        from cellstate.train import StepLoss

        known = batch["known"]
        said = model(batch["codes"], batch["features"], batch["lengths"])[known]
        wanted = batch["wanted"]
        if self._targets.kind != "values":
            return StepLoss(binary_cross_entropy_with_logits(said, wanted), weight=len(said))
        there = torch.isfinite(wanted)
        quantiles = torch.tensor(QUANTILES).repeat_interleave(wanted.shape[1]).to(said)
        error = torch.nan_to_num(wanted).repeat(1, len(QUANTILES)) - said
        pinball = torch.maximum(quantiles * error, (quantiles - 1.0) * error)
        mask = there.repeat(1, len(QUANTILES))
        total = torch.where(mask, pinball, torch.zeros_like(pinball)).sum()
        return StepLoss(total / mask.sum().clamp_min(1), weight=float(there.sum()))

    def _batch(self, patients: np.ndarray) -> dict[str, np.ndarray]:
        batch = self._encoded.batch(patients)
        places = batch.pop("places")
        known = (places >= 0) & self._targets.known[places]
        batch["known"] = known
        batch["wanted"] = wanted_at(self._encoded, self._wanted, self._nodes, places[known])
        return batch


def wanted_at(
    encoded: Encoded, wanted: np.ndarray, nodes: np.ndarray, visits: np.ndarray
) -> np.ndarray:
    """Give what came true after some visits: (n, K) float32."""
    if len(wanted):
        return np.clip(wanted[visits], -CLIP, CLIP).astype(np.float32)
    return encoded.has(visits + 1)[:, nodes]
