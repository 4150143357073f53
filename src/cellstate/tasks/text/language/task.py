"""How a language model is trained: parallel streams of text, state carried along each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from cellstate.train import StepLoss

VALID_STREAMS = 8
VALID_STEPS = 256
"""Tokens of a stream in one validation batch."""


class LanguageTask:
    """A text as batches of what comes now and what comes next.

    The text is cut into as many equal streams as a batch has rows; each batch goes on where the
    one before it stopped. Every epoch begins at another place, so that the cuts between batches,
    where gradients stop, fall elsewhere.

    Parameters
    ----------
    train, valid : np.ndarray
        (N,) token numbers; `valid` may be empty.
    streams : int
        Rows of a batch.
    steps : int
        Tokens of a row.
    """

    def __init__(self, train: np.ndarray, valid: np.ndarray, *, streams: int, steps: int) -> None:
        self._train, self._valid = train, valid
        self.streams = max(1, min(streams, (len(train) - 1) // 2))
        self.steps = max(1, min(steps, (len(train) - 1) // self.streams))

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield the text once, from a random place on."""
        rest = len(self._train) - 1 - self.steps_per_epoch() * self.steps * self.streams
        start = int(rng.integers(0, rest + 1))
        length = self.steps_per_epoch() * self.steps
        yield from _batches(self._train[start:], self.streams, length, self.steps)

    def valid_batches(self) -> list[dict[str, np.ndarray]]:
        """Give the held-out text, in a few streams."""
        if len(self._valid) < 2:
            return []
        streams = max(1, min(VALID_STREAMS, (len(self._valid) - 1) // VALID_STEPS))
        length = (len(self._valid) - 1) // streams
        return list(_batches(self._valid, streams, length, VALID_STEPS))

    def steps_per_epoch(self) -> int:
        """Batches of one pass; one fewer than fit, to leave room for the random start."""
        fit = (len(self._train) - 1) // (self.streams * self.steps)
        return fit - 1 if fit > 8 else fit

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Compare the odds with the next tokens; the state goes on to the next batch."""
        from typing import cast

        from cellstate.nn.language import LanguageNetwork
        from cellstate.train import StepLoss

        network = cast(LanguageNetwork, model)
        outcome = network.loss(batch["now"], batch["next"], state)
        return StepLoss(outcome.total, weight=batch["now"].numel(), state=outcome.state)


def _batches(
    tokens: np.ndarray, streams: int, length: int, steps: int
) -> Iterator[dict[str, np.ndarray]]:
    """Cut `streams` neighbouring stretches of `length` tokens into batches of `steps`."""
    starts = np.arange(streams) * length
    for first in range(0, length, steps):
        last = min(first + steps, length)
        # One slice a stream, for the text may be a file that is larger than memory.
        rows = np.stack([tokens[s + first : s + last + 1] for s in starts]).astype(np.int64)
        yield {
            "now": np.ascontiguousarray(rows[:, :-1].T),
            "next": np.ascontiguousarray(rows[:, 1:].T),
        }
