"""Batches and losses of a tagger in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellstate import train
from cellstate.tasks.text.tagging import schemes
from cellstate.tasks.text.tagging.batches import forms_of
from cellstate.tasks.text.tagging.entities import score_entities
from cellstate.tasks.text.tagging.plan import SIZES, make_plan
from cellstate.tasks.text.tagging.task import Noise, Tagged, TaggingTask
from cellstate.tasks.text.tagging.word_forms import UNKNOWN, FormEncoder
from tests.tasks.text.tagging.sentences import entities

COUNT = 21
Words = list[list[str]]


def make(noise: Noise, *, has_spans: bool = True) -> tuple[TaggingTask, list[str], Words]:
    X, y = entities(COUNT, "BIOES")
    encoder = FormEncoder.of(X, 64)
    forms = sorted({word for words in X for word in words})
    tags = schemes.tag_set(["LOC", "PER"])
    numbered = Tagged(
        [np.array([forms.index(word) for word in words]) for words in X],
        [np.array([tags.index(tag) for tag in row]) for row in y],
    )
    settings = {"batch_size": 4, "noise": noise, "has_spans": has_spans}
    return TaggingTask(encoder.table(forms), tags, numbered, numbered, **settings), forms, X


def sentences(task: TaggingTask, forms: list[str], batch: dict[str, np.ndarray]) -> list[str]:
    """Write the sentences of a batch back as text, with their tags."""
    known = {tuple(row): form for row, form in zip(task.table.chars.tolist(), forms, strict=True)}
    width = task.table.chars.shape[1]
    written = []
    for at, tags, length in zip(batch["at"], batch["tags"], batch["lengths"], strict=True):
        chars = batch["chars"][at[:length]]
        rows = np.pad(chars, ((0, 0), (0, width - chars.shape[1])))
        words = [known[tuple(row)] for row in rows.tolist()]
        named = [task.tags[tag] for tag in tags[:length]]
        written.append(" ".join(f"{w}/{t}" for w, t in zip(words, named, strict=True)))
    return written


def test_an_epoch_holds_every_sentence_once_with_its_tags() -> None:
    task, forms, X = make(Noise())
    batches = list(task.train_batches(np.random.default_rng(0)))
    assert len(batches) == task.steps_per_epoch()
    y = entities(COUNT, "BIOES")[1]
    expected = [
        " ".join(f"{w}/{t}" for w, t in zip(*pair, strict=True)) for pair in zip(X, y, strict=True)
    ]
    found = [text for batch in batches for text in sentences(task, forms, batch)]
    assert sorted(found) == sorted(expected)


def test_hidden_words_become_unknown_and_keep_their_spelling() -> None:
    task, forms, _ = make(Noise(hidden=1e9))
    for batch in task.train_batches(np.random.default_rng(0)):
        assert (batch["words"] == UNKNOWN).all()
        assert sentences(task, forms, batch)
    assert all((batch["words"] != UNKNOWN).all() for batch in task.valid_batches())


def test_rare_words_are_hidden_more_often() -> None:
    task, _, _ = make(Noise(hidden=1.0))
    counts = np.zeros(2)
    for seed in range(20):
        for batch in task.train_batches(np.random.default_rng(seed)):
            counts += [(batch["words"] == UNKNOWN).sum(), len(batch["words"])]
    assert 0.02 < counts[0] / counts[1] < 0.5


def test_swapped_entities_are_of_the_same_type_and_whole() -> None:
    task, forms, _ = make(Noise(swapped=1.0))
    plain, _, X = make(Noise())
    originals = {" ".join(words) for words in X}
    seen = set()
    for batch in task.train_batches(np.random.default_rng(0)):
        for text in sentences(task, forms, batch):
            words, tags = zip(*(piece.rsplit("/", 1) for piece in text.split()), strict=True)
            assert schemes.stray(tags) == 0
            for span in schemes.spans(tags):
                name = " ".join(words[span.start : span.end])
                assert (span.type == "LOC") == (name in {"York", "New York", "Rio de Janeiro"})
            seen.add(" ".join(words))
    assert seen - originals
    assert plain.steps_per_epoch() == task.steps_per_epoch()


@pytest.mark.parametrize("has_spans", [True, False], ids=["entities", "plain tags"])
def test_validation_adds_up_to_the_share_of_errors(has_spans: bool) -> None:
    task, _, X = make(Noise(), has_spans=has_spans)
    encoder = FormEncoder.of(X, 1 << 14)
    with train.isolated(0):
        plan = make_plan(SIZES["small"], encoder.sizes, len(task.tags))
        model = plan.build(task.tags, has_spans=has_spans).eval()
    total = weight = unlikely = 0.0
    truth: list[list[str]] = []
    said: list[list[str]] = []
    with torch.no_grad():
        for batch in task.valid_batches():
            tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
            outcome = task.loss(model, tensors, None)
            total += float(outcome.loss) * float(outcome.weight)
            weight += float(outcome.weight)
            del tensors["is_judged"]
            in_training = task.loss(model, tensors, None)
            unlikely += float(in_training.loss) * float(in_training.weight)
            emissions = model(forms_of(tensors), tensors["at"], tensors["lengths"])
            decoded = model.crf.decode(emissions, tensors["lengths"])
            for row, named, length in zip(
                batch["tags"], decoded.tolist(), batch["lengths"], strict=True
            ):
                truth.append([task.tags[tag] for tag in row[:length]])
                said.append([task.tags[tag] for tag in named[:length]])
    pairs = [p for rows in zip(truth, said, strict=True) for p in zip(*rows, strict=True)]
    if has_spans:
        scores = score_entities(*([schemes.spans(row) for row in rows] for rows in (truth, said)))
        expected = 1.0 - scores["F1"]
    else:
        expected = sum(one != other for one, other in pairs) / len(pairs)
    assert total / weight == pytest.approx(expected + 1e-3 * unlikely / weight, rel=1e-4)
