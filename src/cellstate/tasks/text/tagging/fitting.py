"""From tagged sentences to trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import cellstate
from cellstate.artifact import fingerprint
from cellstate.extras import require
from cellstate.tasks.splitting import hold_out
from cellstate.tasks.text.tagging import schemes
from cellstate.tasks.text.tagging.fitted import Fitted
from cellstate.tasks.text.tagging.plan import (
    FEWEST_TO_SPLIT,
    HIDDEN,
    Width,
    make_plan,
    training_defaults,
)
from cellstate.tasks.text.tagging.reading import Sentences
from cellstate.tasks.text.tagging.task import Noise, Tagged, TaggingTask
from cellstate.tasks.text.tagging.word_forms import FormEncoder
from cellstate.train.config import TrainConfig


@dataclass(frozen=True)
class Settings:
    """How to train, apart from the data."""

    width: Width
    networks: int
    swapped: float
    seed: int
    config: TrainConfig


@dataclass(frozen=True)
class Rows:
    """Sentences with their tags as given."""

    words: Sentences
    tags: Sentences

    def __len__(self) -> int:
        return len(self.words)

    def take(self, rows: Sequence[int] | np.ndarray) -> Rows:
        """Pick sentences."""
        return Rows([self.words[row] for row in rows], [self.tags[row] for row in rows])

    @property
    def total(self) -> int:
        """Words of all sentences."""
        return sum(map(len, self.words))


def split(rows: Rows, share: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Set sentences aside to choose when to stop; few are kept whole.

    Examples
    --------
    >>> rows = Rows([["a"]] * 100, [["O"]] * 100)
    >>> [len(part) for part in split(rows, 0.1, np.random.default_rng(0))]
    [90, 10]
    """
    if len(rows) < FEWEST_TO_SPLIT or share == 0.0:
        return rows, Rows([], [])
    held = hold_out(np.zeros(len(rows)), share, rng)
    return rows.take(np.flatnonzero(~held)), rows.take(np.flatnonzero(held))


def fit_networks(learn: Rows, held: Rows, scheme: str, settings: Settings) -> Fitted:
    """Train networks on sentences; those held out choose when to stop.

    Parameters
    ----------
    learn, held : Rows
    scheme : str
        Of the tags; spans are learned in BIOES, whatever it is.
    settings : Settings
    """
    require("torch", extra="train")
    from cellstate import train

    has_spans = scheme != "none"
    learn = replace_empty(learn)
    tags = learned_tags(learn.tags, has_spans=has_spans)
    numbers = {tag: number for number, tag in enumerate(tags)}
    encoder = FormEncoder.of(learn.words, settings.width.buckets)
    forms = sorted({word for rows in (learn, held) for words in rows.words for word in words})
    at = {form: number for number, form in enumerate(forms)}
    parts = [_numbered(rows, at, numbers, has_spans=has_spans) for rows in (learn, held)]
    plan = make_plan(settings.width, encoder.sizes, len(tags))
    defaults = training_defaults(len(learn), is_split=bool(len(held)))
    config = settings.config.filled(**defaults)
    task = TaggingTask(
        encoder.table(forms),
        tags,
        parts[0],
        parts[1] if len(held) else None,
        batch_size=config.batch_size or 1,
        noise=Noise(HIDDEN, settings.swapped),
        has_spans=has_spans,
    )
    networks, records = [], []
    for number in range(settings.networks):
        seed = settings.seed + 1_000_003 * number
        with train.isolated(seed):
            model = plan.build(tags, has_spans=has_spans)
        records.append(train.fit(model, task, config, seed=seed).as_dict())
        networks.append(model.cpu().double().eval())
    record = records[0] | {
        "seconds": sum(record["seconds"] for record in records),
        "networks": [
            {name: record[name] for name in ("seed", "seconds", "best_epoch", "best_loss")}
            for record in records
        ],
        "data": _facts(learn, held),
    }
    record["versions"]["cellstate"] = cellstate.__version__
    return Fitted(plan, encoder, tags, has_spans, networks, record)


def replace_empty(rows: Rows) -> Rows:
    """Leave out sentences without words, from which there is nothing to learn."""
    return rows.take([row for row, words in enumerate(rows.words) if words])


def learned_tags(tags: Sentences, *, has_spans: bool) -> tuple[str, ...]:
    """List what the networks choose from.

    Examples
    --------
    >>> learned_tags([["B-X", "O"]], has_spans=True)
    ('O', 'B-X', 'I-X', 'E-X', 'S-X')
    """
    if not has_spans:
        return tuple(sorted({tag for labels in tags for tag in labels}))
    types = {span.type for labels in tags for span in schemes.spans(labels)}
    return schemes.tag_set(sorted(types))


def _numbered(
    rows: Rows, forms: dict[str, int], tags: dict[str, int], *, has_spans: bool
) -> Tagged:
    """Number words and tags; in held-out sentences a tag that was never learned becomes the first.

    Such tags cannot be right in any case, and only choose when to stop.
    """
    found = []
    for labels in rows.tags:
        if has_spans:
            labels = schemes.tags_of(schemes.spans(labels), len(labels), "BIOES")
        found.append(np.array([tags.get(tag, 0) for tag in labels], np.int64))
    return Tagged([np.array([forms[w] for w in words], np.int64) for words in rows.words], found)


def _facts(learn: Rows, held: Rows) -> dict[str, Any]:
    words = [word for rows in (learn, held) for sentence in rows.words for word in sentence]
    tags = [tag for rows in (learn, held) for labels in rows.tags for tag in labels]
    lengths = [len(sentence) for rows in (learn, held) for sentence in rows.words]
    arrays = {"words": words, "tags": tags, "lengths": np.array(lengths)}
    return {
        "fingerprint": fingerprint(arrays),
        "sentences": len(learn) + len(held),
        "held_out": len(held),
        "words": len(words),
        "different_words": len(set(words)),
        "longest": max(lengths),
    }
