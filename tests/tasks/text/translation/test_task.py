import numpy as np
import pytest

from cellstate.data.text.tokenizer import BOS, EOS
from cellstate.tasks.text.translation.task import TranslationTask, batch_of


def pairs(count, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        [np.append(rng.integers(4, 99, rng.integers(0, 30)), 100 + row) for row in range(count)]
        for _ in range(2)
    )


def task(count=200, batch_size=16):
    return TranslationTask(pairs(count), ([], []), batch_size, smoothing=0.1, sampled=0.0)


def test_every_pair_is_in_one_batch_of_an_epoch_beside_its_own_translation():
    seen = []
    for batch in task().train_batches(np.random.default_rng(1)):
        last = batch["lengths"] - 2  # before the end of the sentence
        sources = np.take_along_axis(batch["source"], last[:, None], 1)[:, 0]
        ends = batch["mask"].sum(1) - 2
        targets = np.take_along_axis(batch["answer"], ends[:, None], 1)[:, 0]
        np.testing.assert_array_equal(sources, targets)
        seen += sources.tolist()
    assert sorted(seen) == list(range(100, 300))


def test_batches_have_about_equally_many_tokens_whatever_the_lengths():
    job = task(2000)
    batches = list(job.train_batches(np.random.default_rng(1)))
    sizes = [max(b["source"].size, b["answer"].size) for b in batches]
    longest = max(max(b["source"].shape[1], b["answer"].shape[1]) for b in batches)
    mean = np.mean([max(len(s), len(t)) + 1 for s, t in zip(*pairs(2000), strict=True)])
    assert max(sizes) <= max(16 * mean + longest, longest)
    rows = [len(b["lengths"]) for b in batches]
    assert max(rows) > 16 > min(rows)
    assert np.mean(rows) == pytest.approx(16, rel=0.25)


def test_the_number_of_steps_is_nearly_that_of_any_epoch():
    job = task(500)
    counts = [len(list(job.train_batches(np.random.default_rng(seed)))) for seed in range(5)]
    assert max(abs(count - job.steps_per_epoch()) for count in counts) <= 3


def test_equal_seeds_give_equal_batches_and_epochs_differ():
    first, again, other = (
        next(task().train_batches(np.random.default_rng(seed)))["source"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_targets_begin_and_end_where_they_should():
    batch = batch_of(([np.array([7]), np.array([8, 9])], [np.array([5, 6]), np.array([4])]), [1, 0])
    assert batch["source"].tolist() == [[8, 9, EOS], [7, EOS, 0]]
    assert batch["lengths"].tolist() == [3, 2]
    assert batch["target"].tolist() == [[BOS, 4, 0], [BOS, 5, 6]]
    assert batch["answer"].tolist() == [[4, EOS, 0], [5, 6, EOS]]
    assert batch["mask"].tolist() == [[True, True, False], [True, True, True]]


def test_without_pairs_held_out_there_is_no_validation():
    assert task().valid_batches() == []
