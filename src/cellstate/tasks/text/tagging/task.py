"""How taggers are trained: sentences in, one loss out, with words hidden and mentions swapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.text.batches import length_batches, pad
from cellstate.tasks.text.tagging.schemes import Span, spans
from cellstate.tasks.text.tagging.word_forms import UNKNOWN, FormTable

if TYPE_CHECKING:
    import torch

    from cellstate.train import StepLoss

VALID_ROWS = 64  # in one validation batch
TIE = 1e-3
"""What a nat of loss weighs beside an error in validation: it decides between equal scores."""


@dataclass(frozen=True)
class Tagged:
    """Sentences as numbers.

    Attributes
    ----------
    forms, tags : list of np.ndarray
        (words,) int64 each: row of the table of forms, number of the tag.
    """

    forms: list[np.ndarray]
    tags: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.forms)


@dataclass(frozen=True)
class Noise:
    """What is changed in training, so that less is learned by heart.

    Attributes
    ----------
    hidden : float
        A word of the training data that was seen n times is taken for an unknown one with
        probability hidden / (hidden + n); its spelling stays.
    swapped : float
        Share of entities whose words are replaced by another entity's of the same type.

    References
    ----------
    X. Dai and H. Adel, "An analysis of simple data augmentation for named entity recognition",
    COLING 2020.
    """

    hidden: float = 0.0
    swapped: float = 0.0


class TaggingTask:
    """Sentences as batches; the loss is the CRF's, validation counts errors.

    Parameters
    ----------
    table : FormTable
        Of all word forms of both parts.
    tags : sequence of str
        The network's tags by number.
    train : Tagged
    valid : Tagged or None
    batch_size : int
    noise : Noise
    has_spans : bool
        Whether validation counts entities, rather than words.
    """

    def __init__(
        self,
        table: FormTable,
        tags: Sequence[str],
        train: Tagged,
        valid: Tagged | None,
        *,
        batch_size: int,
        noise: Noise,
        has_spans: bool,
    ) -> None:
        self.table, self.tags, self.batch_size = table, tuple(tags), batch_size
        self._train, self._valid, self._has_spans = train, valid, has_spans
        self._noise = noise if has_spans else replace(noise, swapped=0.0)
        words = table.words[np.concatenate(train.forms)]
        counts = np.bincount(words, minlength=int(table.words.max(initial=0)) + 1)
        self._hide = noise.hidden / (noise.hidden + np.maximum(counts[table.words], 1))
        self._spans = [self._spans_of(tags) for tags in train.tags] if has_spans else []
        self._mentions = self._list_mentions()

    def train_batches(self, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """Yield every sentence once, sentences of like length together."""
        lengths = np.array([len(forms) for forms in self._train.forms])
        for rows in length_batches(lengths, rows=self.batch_size, rng=rng):
            changed = [self._changed(row, rng) for row in rows]
            yield self._batch([forms for forms, _ in changed], [tags for _, tags in changed], rng)

    def valid_batches(self) -> list[dict[str, np.ndarray]]:
        """Give the sentences held out, as they are."""
        if self._valid is None:
            return []
        lengths = np.array([len(forms) for forms in self._valid.forms])
        return [
            self._batch(
                [self._valid.forms[row] for row in rows], [self._valid.tags[row] for row in rows]
            )
            | {"is_judged": np.ones(1, dtype=bool)}
            for rows in length_batches(lengths, rows=VALID_ROWS)
        ]

    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._train) // self.batch_size)

    def loss(self, model: torch.nn.Module, batch: dict[str, torch.Tensor], state: Any) -> StepLoss:
        """Ask how unlikely the tags are; in validation, how many entities or words are wrong."""
        from cellstate.nn.tagging import TaggingNetwork
        from cellstate.tasks.text.tagging.batches import forms_of
        from cellstate.train import StepLoss

        assert isinstance(model, TaggingNetwork)
        lengths = batch["lengths"]
        emissions = model(forms_of(batch), batch["at"], lengths).float()
        unlikely = model.crf(emissions, batch["tags"], lengths)
        if "is_judged" not in batch:
            return StepLoss(unlikely.mean(), weight=len(lengths))
        said = model.crf.decode(emissions, lengths)
        wrong, all_ = self._errors(batch["tags"].cpu().numpy(), said.cpu().numpy(), lengths.cpu())
        return StepLoss((wrong + TIE * unlikely.sum()) / max(1, all_), weight=float(max(1, all_)))

    def _errors(self, truth: np.ndarray, said: np.ndarray, lengths: Any) -> tuple[int, int]:
        """Count what is wrong, of what; for entities the ratio is 1 − F1."""
        if not self._has_spans:
            inside = np.arange(truth.shape[1]) < np.asarray(lengths)[:, None]
            return int((inside & (truth != said)).sum()), int(inside.sum())
        wrong = total = 0
        for true, named, length in zip(truth, said, lengths.tolist(), strict=True):
            one, other = self._spans_of(true[:length]), self._spans_of(named[:length])
            wrong += len(set(one) ^ set(other))
            total += len(one) + len(other)
        return wrong, total

    def _spans_of(self, numbers: np.ndarray) -> list[Span]:
        return spans([self.tags[number] for number in numbers.tolist()])

    def _list_mentions(self) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        """List the different mentions of each type, with their tags."""
        different: dict[str, dict[bytes, tuple[np.ndarray, np.ndarray]]] = {}
        for row, found in enumerate(self._spans):
            for kind, start, end in found:
                words = self._train.forms[row][start:end]
                here = different.setdefault(kind, {})
                here[words.tobytes()] = words, self._train.tags[row][start:end]
        return {kind: list(mentions.values()) for kind, mentions in different.items()}

    def _changed(self, row: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Swap some of a sentence's mentions."""
        forms, tags = self._train.forms[row], self._train.tags[row]
        if not self._noise.swapped or not self._spans[row]:
            return forms, tags
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        at = 0
        for kind, start, end in self._spans[row]:
            parts.append((forms[at:start], tags[at:start]))
            others = self._mentions[kind]
            if rng.random() < self._noise.swapped:
                parts.append(others[rng.integers(len(others))])
            else:
                parts.append((forms[start:end], tags[start:end]))
            at = end
        parts.append((forms[at:], tags[at:]))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _batch(
        self,
        forms: list[np.ndarray],
        tags: list[np.ndarray],
        rng: np.random.Generator | None = None,
    ) -> dict[str, np.ndarray]:
        from cellstate.tasks.text.tagging.batches import batch_of

        hide = None if rng is None or not self._noise.hidden else self._hide
        batch = batch_of(self.table, forms)
        if rng is not None and hide is not None:
            hidden = rng.random(len(batch["rows"])) < hide[batch["rows"]]
            batch["words"] = np.where(hidden, UNKNOWN, batch["words"])
        del batch["rows"]
        return batch | {"tags": pad(tags)}
