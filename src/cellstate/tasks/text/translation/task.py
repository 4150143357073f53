"""How a translation network is trained: pairs of like length in a batch, one loss out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.text.batches import length_batches, pad
from cellstate.data.text.tokenizer import BOS, EOS

if TYPE_CHECKING:
    import torch

    from cellstate.train import StepLoss

Pairs = tuple[list[np.ndarray], list[np.ndarray]]
"""Source and target sentences as token numbers, without special tokens."""

VALID_ROWS = 64
MOST_ROWS = 4
"""Times as many rows as usual that a batch of short sentences may hold."""


class TranslationTask:
    """Pairs as batches, and their loss.

    Parameters
    ----------
    train : pair of list of ndarray
    valid : pair of list of ndarray
        May be empty.
    batch_size : int
        Rows of an average batch: batches have about equally many tokens, and so more rows where
        sentences are short.
    smoothing, sampled : float
        See `cellstate.nn.translation.TranslationNetwork.loss`; both in training alone.
    """

    def __init__(
        self, train: Pairs, valid: Pairs, batch_size: int, *, smoothing: float, sampled: float
    ) -> None:
        self._train, self._valid = train, valid
        self._smoothing, self._sampled = smoothing, sampled
        self._lengths = _lengths(train)
        self._rows = MOST_ROWS * batch_size
        self._tokens = int(np.ceil(batch_size * self._lengths.mean()))

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield every pair once, like lengths together, in random order."""
        for rows in self._rows_of_batches(rng):
            yield batch_of(self._train, rows)

    def valid_batches(self) -> list[dict[str, np.ndarray]]:
        """Give the pairs held out, from short to long."""
        rows = length_batches(_lengths(self._valid), rows=VALID_ROWS)
        return [batch_of(self._valid, some) for some in rows]

    def steps_per_epoch(self) -> int:
        """Batches in an epoch; how lengths meet by chance moves the number by a few."""
        return len(self._rows_of_batches(np.random.default_rng(0)))

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Average over the target's tokens, the end of each sentence counted."""
        from cellstate.train import StepLoss

        network: Any = model
        settings = {"smoothing": self._smoothing, "sampled": self._sampled}
        given = (batch[name] for name in ("source", "lengths", "target", "answer", "mask"))
        loss = network.loss(*given, **(settings if model.training else {}))
        return StepLoss(loss, weight=batch["mask"].sum())

    def _rows_of_batches(self, rng: np.random.Generator) -> list[np.ndarray]:
        return length_batches(self._lengths, rows=self._rows, tokens=self._tokens, rng=rng)


def batch_of(pairs: Pairs, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Put pairs into one batch: sources end with EOS, targets begin with BOS and end with EOS.

    Examples
    --------
    >>> batch = batch_of(([np.array([7, 8])], [np.array([9])]), np.array([0]))
    >>> [batch[name].tolist() for name in ("source", "target", "answer")]
    [[[7, 8, 3]], [[2, 9]], [[9, 3]]]
    """
    answers = [ended(pairs[1][row]) for row in rows]
    answer = pad(answers)
    target = np.concatenate([np.full((len(answer), 1), BOS), answer[:, :-1]], 1)
    inside = np.arange(answer.shape[1]) < np.array([[len(row)] for row in answers])
    return {
        **source_batch([pairs[0][row] for row in rows]),
        "target": np.where(inside, target, 0),
        "answer": answer,
        "mask": inside,
    }


def source_batch(sources: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Put source sentences into one batch."""
    rows = [ended(row) for row in sources]
    return {"source": pad(rows), "lengths": np.array([len(row) for row in rows])}


def ended(numbers: np.ndarray) -> np.ndarray:
    """Add the token that ends a sentence."""
    return np.append(numbers, EOS)


def _lengths(pairs: Pairs) -> np.ndarray:
    """Count the steps of each pair: those of its longer sentence, its end counted."""
    longer = [max(len(s), len(t)) + 1 for s, t in zip(*pairs, strict=True)]
    return np.array(longer, dtype=np.int64)
