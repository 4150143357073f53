"""Training rows that a model keeps, so that baselines can be fitted wherever it is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.tasks.arrays.reading import Sequences

MOST_ROWS = 2000
MOST_VALUES = 2_000_000
"""Eight megabytes in float32."""


@dataclass(frozen=True)
class Reference:
    """Rows with what they are, and which of them chose when training stopped.

    Attributes
    ----------
    sequences : Sequences
    targets : np.ndarray
        (n,) class indices or numbers, as given.
    held : np.ndarray
        (n,) bool
    total : int
        Rows of the training data, kept or not.
    """

    sequences: Sequences
    targets: np.ndarray
    held: np.ndarray
    total: int

    @classmethod
    def of(
        cls,
        sequences: Sequences,
        targets: np.ndarray,
        held: np.ndarray,
        rng: np.random.Generator,
    ) -> Reference:
        """Keep all rows, or as many random ones as a model's file should hold."""
        total = len(sequences)
        most = min(MOST_ROWS, max(1, MOST_VALUES // sequences.values[0].size))
        rows = np.arange(total)
        if total > most:
            rows = np.sort(rng.permutation(total)[:most])
        values = sequences.values[rows].astype(np.float32)
        kept = Sequences(values, sequences.lengths[rows])
        return cls(kept, targets[rows], held[rows], total)

    def part(self, mask: np.ndarray) -> tuple[Sequences, np.ndarray]:
        """Pick rows with their targets."""
        return self.sequences.take(np.flatnonzero(mask)), self.targets[mask]

    def tensors(self) -> dict[str, np.ndarray]:
        """Give arrays for the model's file."""
        return {
            "reference.values": self.sequences.values,
            "reference.lengths": self.sequences.lengths,
            "reference.targets": self.targets,
            "reference.held": self.held.astype(np.uint8),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], total: int) -> Reference:
        """Read them back."""
        values, lengths, targets, held = (
            np.array(tensors[f"reference.{name}"])
            for name in ("values", "lengths", "targets", "held")
        )
        return cls(Sequences(values, lengths), targets, held.astype(bool), total)
