"""Parallel streams: each batch goes on where the one before it stopped."""

from __future__ import annotations

import numpy as np

from cellstate.tasks.text.language.plan import training_defaults
from cellstate.tasks.text.language.task import LanguageTask

TOKENS = np.arange(1000)


def test_rows_go_on_from_batch_to_batch_and_targets_are_the_next_tokens():
    task = LanguageTask(TOKENS, TOKENS[:0], streams=4, steps=10)
    batches = list(task.train_batches(np.random.default_rng(0)))
    assert len(batches) == task.steps_per_epoch()
    now = np.concatenate([batch["now"] for batch in batches])
    assert (np.diff(now, axis=0) == 1).all()
    assert all((batch["next"] == batch["now"] + 1).all() for batch in batches)
    assert all(batch["now"].shape == (10, 4) for batch in batches)
    # Streams lie side by side: nothing is read twice in an epoch.
    assert len(np.unique(now)) == now.size > 0.9 * len(TOKENS)


def test_epochs_begin_at_different_places():
    task = LanguageTask(TOKENS, TOKENS[:0], streams=2, steps=20)
    rng = np.random.default_rng(0)
    starts = {int(next(task.train_batches(rng))["now"][0, 0]) for _ in range(8)}
    assert len(starts) > 2


def test_validation_reads_the_whole_held_out_text_the_same_way_every_time():
    task = LanguageTask(TOKENS, TOKENS, streams=2, steps=20)
    first, again = task.valid_batches(), task.valid_batches()
    seen = np.concatenate([batch["now"].ravel(order="F") for batch in first])
    assert len(np.unique(seen)) == seen.size >= len(TOKENS) - 8
    assert all((a["now"] == b["now"]).all() for a, b in zip(first, again, strict=True))
    assert LanguageTask(TOKENS, TOKENS[:1], streams=2, steps=20).valid_batches() == []


def test_any_text_gives_at_least_one_batch():
    for length in (3, 16, 17, 65, 129, 1000):
        defaults = training_defaults(length, 64, "char", "small")
        task = LanguageTask(TOKENS[:length], TOKENS[:0], streams=defaults["batch_size"], steps=64)
        batches = list(task.train_batches(np.random.default_rng(0)))
        assert len(batches) == task.steps_per_epoch() >= 1


def test_a_file_of_tokens_larger_than_memory_is_read_in_stretches(tmp_path):
    path = tmp_path / "tokens.npy"
    np.save(path, TOKENS.astype(np.uint16))
    mapped = np.load(path, mmap_mode="r")
    task = LanguageTask(mapped, mapped[:0], streams=3, steps=10)
    plain = LanguageTask(TOKENS, TOKENS[:0], streams=3, steps=10)
    for a, b in zip(
        task.train_batches(np.random.default_rng(1)),
        plain.train_batches(np.random.default_rng(1)),
        strict=True,
    ):
        np.testing.assert_array_equal(a["now"], b["now"])
        assert a["now"].dtype == np.int64
