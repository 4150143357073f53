import numpy as np
import pytest

from cellstate.tasks.health import baselines


def summaries(count=400, seed=0):
    """Give rows with gaps that tell something, and how likely each event is."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 6))
    score = 2 * rows[:, 0] - rows[:, 1] * (rows[:, 2] > 0)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[:, 5] = np.nan  # never measured
    score = score + np.isnan(rows[:, 3])
    return rows, score


def test_each_rival_learns_from_rows_with_gaps():
    rows, score = summaries()
    event = (score > 1).astype(int)
    for rival in baselines.classifiers().values():
        said = baselines.probabilities(rival(rows[:300], event[:300]), rows[300:], 2)
        assert said.sum(1) == pytest.approx(1)
        assert ((said[:, 1] > 0.5) == event[300:]).mean() > 0.75
    for rival in baselines.regressors().values():
        said = baselines.numbers(rival(rows[:300], score[:300]), rows[300:])
        assert np.corrcoef(said, score[300:])[0, 1] > 0.7


def test_classes_without_a_training_row_get_no_share():
    rows, score = summaries(200)
    classes = np.digitize(score, [-1.0, 1.0]) + (score > -1.0)  # 0, 2, 3
    for rival in baselines.classifiers().values():
        said = baselines.probabilities(rival(rows, classes), rows, 5)
        assert said.shape == (200, 5)
        assert (said[:, [1, 4]] == 0).all()
        assert (said.argmax(1) == classes).mean() > 0.7


def test_one_class_alone_is_answered_with_certainty():
    rows, _ = summaries(30)
    for rival in baselines.classifiers().values():
        said = baselines.probabilities(rival(rows, np.zeros(30, dtype=int)), rows, 2)
        assert (said == [1.0, 0.0]).all()


def test_the_same_seed_gives_the_same_answers():
    rows, score = summaries(200)
    event = (score > 0).astype(int)
    for name in baselines.classifiers():
        first, again = (
            baselines.probabilities(baselines.classifiers(seed=3)[name](rows, event), rows, 2)
            for _ in range(2)
        )
        assert np.array_equal(first, again)


def test_rows_of_a_group_share_a_fold():
    groups = np.repeat(np.arange(50), 4)
    y = (np.arange(200) % 40 == 0).astype(int)
    fold = baselines._folds(y, groups, np.random.default_rng(0))
    for group in range(50):
        assert len(set(fold[groups == group])) == 1
    assert sorted(set(fold)) == list(range(baselines.FOLDS))
    of_event = fold[y == 1]
    assert np.bincount(of_event, minlength=baselines.FOLDS).tolist() == [1] * baselines.FOLDS


def test_grouped_rows_can_be_learned_from():
    rows, score = summaries(200)
    event = (score > 0).astype(int)
    for rival in baselines.classifiers().values():
        fitted = rival(rows, event, groups=np.arange(200) // 10)
        assert baselines.probabilities(fitted, rows, 2).shape == (200, 2)


def test_a_penalty_is_chosen_on_a_part_of_very_many_rows(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_ROWS", 50)
    fold = baselines._folds(np.arange(200) % 2, None, np.random.default_rng(0))
    assert (fold >= 0).sum() == 50
    assert set(fold[fold >= 0]) == set(range(baselines.FOLDS))
