"""Nobody is in two parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate.data.health.splits import check_apart, fold_subjects, split_subjects
from cellstate.errors import InputError

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


@given(st.lists(st.integers(0, 30), min_size=40, max_size=90), st.integers(0, 9))
def test_every_row_is_in_one_part_and_every_subject_too(subjects, seed) -> None:
    if len(set(subjects)) < 3:
        return
    parts = split_subjects(subjects, SHARES, seed=seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(subjects)))
    held = [[subjects[row] for row in rows] for rows in parts.values()]
    assert all(held)
    check_apart(*held)


def test_shares_count_subjects_and_classes() -> None:
    subjects = [f"s{k // 2}" for k in range(2000)]
    labels = [int(k % 10 == 0) for k in range(2000)]  # one row in ten, so one subject in five
    parts = split_subjects(subjects, SHARES, labels=labels)
    assert {name: len(rows) for name, rows in parts.items()} == {
        "train": 1400, "validation": 200, "test": 400,
    }  # fmt: skip
    for rows in parts.values():
        assert np.mean(np.array(labels)[rows]) == pytest.approx(0.1, abs=0.006)
        assert (np.diff(rows) > 0).all()


def test_equal_seeds_give_equal_parts() -> None:
    one, same, other = (split_subjects(range(50), SHARES, seed=seed)["test"] for seed in (1, 1, 2))
    assert one.tolist() == same.tolist() != other.tolist()
    assert split_subjects(range(50), SHARES, seed=np.random.default_rng(1))["test"].tolist() == (
        one.tolist()
    )


def test_small_parts_get_a_subject_each() -> None:
    parts = split_subjects("abc", SHARES)
    assert sorted(map(len, parts.values())) == [1, 1, 1]


def test_groups_are_not_split() -> None:
    stays, patients = list(range(60)), [k // 3 for k in range(60)]
    parts = split_subjects(stays, SHARES, groups=patients)
    check_apart(*([patients[row] for row in rows] for rows in parts.values()))
    folds = fold_subjects(stays, 4, groups=patients)
    check_apart(*([patients[row] for row in np.flatnonzero(folds == k)] for k in range(4)))


def test_folds_hold_the_classes_evenly() -> None:
    subjects = np.repeat(np.arange(400), 3)
    labels = np.zeros(1200)
    labels[::30] = 1  # one row of forty subjects
    folds = fold_subjects(subjects, 5, labels=labels, seed=3)
    assert (folds.reshape(-1, 3) == folds[::3, None]).all()
    assert np.bincount(folds[::3]).tolist() == [80] * 5
    assert np.bincount(folds[labels == 1]).tolist() == [8] * 5


def test_subject_in_two_parts_is_refused_without_being_named() -> None:
    first, second = ["secret-1", "b", "secret-2"], ["c", "secret-2", "secret-1", "secret-1"]
    with pytest.raises(InputError) as caught:
        check_apart(["z"], first, second, names=("a", "training", "test"), where="Patients")
    assert str(caught.value) == (
        "Patients: each subject must be in one part; got 2 of training in test again "
        "(rows 2, 3, 4). Split by subject, for example with split_subjects."
    )
    check_apart(["a"], ["b"], [])
    with pytest.raises(InputError, match=r"20 of part 1 in part 2 again \(rows 1, 2, 3, 4, 5, …\)"):
        check_apart(range(20), range(20))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split_subjects("abc", {"a": 0.5}), "add up to 1; got {'a': 0.5}"),
        (lambda: split_subjects("abc", {"a": 1.5, "b": -0.5}), "must be positive"),
        (lambda: split_subjects("abc", {}), "add up to 1"),
        (lambda: split_subjects("aaa", {"a": 0.5, "b": 0.5}), "2 parts need as many subjects"),
        (lambda: split_subjects("abc", {"a": 1}, labels=[1]), "there must be 3 labels, .* got 1"),
        (lambda: split_subjects("abc", {"a": 1}, groups="a"), "there must be 3 groups, .* got 1"),
        (lambda: split_subjects("aab", {"a": 1}, groups="xyz"), "1 subjects in several"),
        (lambda: split_subjects(["a", None], {"a": 1}), "must have a subject; got none in row 2"),
        (lambda: fold_subjects("abc", 4), "folds must be from 2 to 3, .*; got 4"),
        (lambda: fold_subjects("abc", 1), "folds must be from 2"),
        (lambda: fold_subjects("abc", 2, labels=[1]), "fold_subjects: there must be 3 labels"),
    ],
)
def test_bad_calls_are_answered(call, message) -> None:
    with pytest.raises(InputError, match=message):
        call()
