"""How the networks of this job are trained: batches of like length in, one loss out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.text.batches import length_batches
from cellstate.data.text.tokenizer import EOS
from cellstate.tasks.text.classification.plan import SMOOTHING
from cellstate.tasks.text.classification.words import WordEncoder, Words

if TYPE_CHECKING:
    import torch

    from cellstate.train import StepLoss

VALID_ROWS = 256


class TextTask:
    """Texts as batches, and the loss: cross-entropy of classes, or of each label by itself.

    With `push`, training is adversarial [1]_: half of the loss is that of word vectors moved to
    where the loss rises fastest.

    Parameters
    ----------
    encoder : WordEncoder
    train, valid : tuple of Words and ndarray
        Texts and targets: class indices (int64), or (n, K) float32 of labels.
    batch_size : int
    class_weights : ndarray, optional
        (K,) float32
    is_backward : bool
        Whether the network reads from the end.
    push : float
        How far the vectors of a text are moved, as a share of their length; 0 for not at all.

    References
    ----------
    .. [1] T. Miyato, A. M. Dai, I. Goodfellow, "Adversarial training methods for semi-supervised
       text classification", ICLR 2017.
    """

    def __init__(
        self,
        encoder: WordEncoder,
        train: tuple[Words, np.ndarray],
        valid: tuple[Words, np.ndarray],
        *,
        batch_size: int,
        class_weights: np.ndarray | None = None,
        is_backward: bool = False,
        push: float = 0.0,
    ) -> None:
        self._encoder, self._train, self._valid = encoder, train, valid
        self._batch_size, self._class_weights = batch_size, class_weights
        self._is_backward, self._push = is_backward, push

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield every text once, like lengths together, in random order."""
        words, targets = self._train
        for chosen in length_batches(words.lengths, rows=self._batch_size, rng=rng):
            yield self._batch(words, targets, chosen)

    def valid_batches(self) -> list[dict[str, np.ndarray]]:
        """Give the texts held out, from short to long."""
        words, targets = self._valid
        return [
            self._batch(words, targets, chosen)
            for chosen in length_batches(words.lengths, rows=VALID_ROWS)
        ]

    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._train[0]) // self._batch_size)

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Compare the network's answers with the targets."""
        from torch.random import fork_rng

        from cellstate.train import StepLoss

        smoothing = SMOOTHING if model.training else 0.0
        x_BTE = embed(model, batch)
        is_pushed = bool(model.training and self._push)
        # What is dropped is drawn once for both answers: other draws would drown the move.
        with fork_rng([x_BTE.device] if x_BTE.is_cuda else [], enabled=is_pushed):
            loss = _loss(model, x_BTE, batch, smoothing)
        if is_pushed:
            pushed_BTE = _pushed(x_BTE, loss, batch["lengths"], self._push)
            loss = (loss + _loss(model, pushed_BTE, batch, smoothing)) / 2
        return StepLoss(loss, weight=len(batch["targets"]))

    def _batch(
        self, words: Words, targets: np.ndarray, chosen: np.ndarray
    ) -> dict[str, np.ndarray]:
        batch = self._encoder.batch(words, chosen, is_backward=self._is_backward)
        batch["targets"] = targets[chosen]
        if self._class_weights is not None:
            batch["class_weights"] = self._class_weights
        return batch


def _loss(
    model: Any, x_BTE: torch.Tensor, batch: dict[str, torch.Tensor], smoothing: float
) -> torch.Tensor:
    """Compare what is said of word vectors (B, T, E) with the targets."""
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

    answers = model.answer(x_BTE, batch["lengths"])
    targets, weights = batch["targets"], batch.get("class_weights")
    if targets.is_floating_point():
        wanted = targets * (1 - smoothing) + smoothing / 2
        return binary_cross_entropy_with_logits(answers, wanted, pos_weight=weights)
    return cross_entropy(answers, targets, weight=weights, label_smoothing=smoothing)


def _pushed(
    x_BTE: torch.Tensor, loss: torch.Tensor, lengths_B: torch.Tensor, push: float
) -> torch.Tensor:
    """Move word vectors (B, T, E) along the gradient, by a share of a usual text's length."""
    import torch

    (slope_BTE,) = torch.autograd.grad(loss, x_BTE, retain_graph=True)
    slope_B = slope_BTE.flatten(1).norm(dim=1).clamp_min(torch.finfo(slope_BTE.dtype).tiny)
    far_B = push * x_BTE.detach().norm(dim=2).mean() * lengths_B.sqrt()
    return x_BTE + slope_BTE * (far_B / slope_B)[:, None, None]


def run(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Call a network of either kind on a batch."""
    return model.answer(embed(model, batch), batch["lengths"])


def embed(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Look up the vectors of a batch's words: (B, T, E)."""
    if "pieces" in batch:
        return model.embed(batch["tokens"], batch["pieces"], batch["places"])
    return model.embed(batch["tokens"])


class StreamTask:
    """Texts one behind the other, in parallel streams, and the loss of the next token.

    Parameters
    ----------
    train, valid : list of ndarray
        Tokens of each text, which an end mark follows.
    streams, steps : int
        Streams side by side, and tokens through which the gradient flows.
    is_backward : bool
        Whether texts are read from the end.
    """

    def __init__(
        self,
        train: list[np.ndarray],
        valid: list[np.ndarray],
        *,
        streams: int,
        steps: int,
        is_backward: bool = False,
    ) -> None:
        turn = slice(None, None, -1 if is_backward else 1)
        self._train = [np.append(row[turn], EOS) for row in train]
        self._valid = [np.append(row[turn], EOS) for row in valid]
        total = sum(map(len, self._train))
        self._steps = steps
        self._streams = max(1, min(streams, total // 2))

    @property
    def tokens(self) -> int:
        """Tokens of an epoch."""
        return sum(map(len, self._train))

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield stretches of the streams, the texts in random order."""
        order = rng.permutation(len(self._train))
        yield from self._stretches([self._train[k] for k in order], self._streams)

    def valid_batches(self) -> list[dict[str, np.ndarray]]:
        """Give the stretches of the texts held out."""
        total = sum(map(len, self._valid))
        return list(self._stretches(self._valid, max(1, min(self._streams, total // 2))))

    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-(self.tokens // self._streams - 1) // self._steps)

    def loss(self, model: Any, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Give the cross-entropy of a token, regularised in training."""
        from cellstate.train import StepLoss

        outcome = model.loss(batch["tokens"], batch["targets"], state)
        loss = outcome.total if model.training else outcome.nats
        return StepLoss(loss, weight=batch["targets"].numel(), state=outcome.state)

    def _stretches(self, rows: list[np.ndarray], streams: int) -> Iterator[dict[str, np.ndarray]]:
        text = np.concatenate([[EOS], *rows]).astype(np.int64)
        length = (len(text) - 1) // streams
        if length < 2:
            return
        side = text[: length * streams].reshape(streams, length).T
        for start in range(0, length - 1, self._steps):
            end = min(start + self._steps, length - 1)
            yield {
                "tokens": np.ascontiguousarray(side[start:end]),
                "targets": np.ascontiguousarray(side[start + 1 : end + 1]),
            }
