"""Splits by subject: whoever is in one part is in no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from cellstate.data.health.table import places_in
from cellstate.errors import InputError, explain

_ROWS_NAMED = 5


def split_subjects(
    subjects: Iterable[Any],
    shares: Mapping[str, float],
    *,
    labels: Any = None,
    groups: Iterable[Any] | None = None,
    seed: int | np.random.Generator = 0,
) -> dict[str, np.ndarray]:
    """Share rows among parts, all rows of a subject to the same one.

    Parameters
    ----------
    subjects : iterable of n
        The subject of each row; a subject may have several.
    shares : mapping of str to float
        Part to its share of the subjects; together 1.
    labels : array of n, optional
        Classes that each part gets in the same shares; a subject counts with its largest.
    groups : iterable of n, optional
        Larger units that are not split either, such as the patient of each stay, or the hospital.
    seed : int or numpy.random.Generator

    Returns
    -------
    dict of str to numpy.ndarray
        Rising row places (from 0) of each part; each row is in one.

    Raises
    ------
    InputError
        Shares are not positive or do not add up to 1, a part would be empty, lengths differ, or a
        subject is in several groups.

    Examples
    --------
    >>> parts = split_subjects(["a", "b", "a", "c"], {"train": 0.7, "test": 0.3})
    >>> sorted(parts["train"].tolist() + parts["test"].tolist())
    [0, 1, 2, 3]
    >>> (0 in parts["train"]) == (2 in parts["train"])
    True
    """
    weights = _checked_shares(shares)
    unit, count = _units(subjects, groups)
    if count < len(weights):
        must, do = f"{len(weights)} parts need as many subjects", "Give more, or fewer parts"
        raise InputError(explain("split_subjects", must, f"{count:,}", do))
    order = _dealt(unit, count, labels, seed, "split_subjects")
    ends = np.round(np.cumsum(weights) * count).astype(int)
    # Neighbours in the order are alike, so that each part takes subjects from all over it.
    ranked = _spread(count, np.diff(ends, prepend=0))
    part_of_unit = np.empty(count, dtype=np.int64)
    part_of_unit[order] = ranked
    return {name: np.flatnonzero(part_of_unit[unit] == k) for k, name in enumerate(shares)}


def fold_subjects(
    subjects: Iterable[Any],
    folds: int = 5,
    *,
    labels: Any = None,
    groups: Iterable[Any] | None = None,
    seed: int | np.random.Generator = 0,
) -> np.ndarray:
    """Give each row's fold, the same for all rows of a subject.

    Parameters
    ----------
    subjects, labels, groups, seed
        As for `split_subjects`; folds get the classes of `labels` evenly.
    folds : int
        2 or more.

    Returns
    -------
    numpy.ndarray
        (n,) int64, from 0.

    Raises
    ------
    InputError
        There are fewer subjects than folds, lengths differ, or a subject is in several groups.

    Examples
    --------
    >>> folds = fold_subjects(range(6), 3, labels=[0, 0, 0, 1, 1, 1])
    >>> sorted(folds[:3].tolist()), sorted(folds[3:].tolist())
    ([0, 1, 2], [0, 1, 2])
    """
    unit, count = _units(subjects, groups)
    if not 2 <= folds <= count:
        must, do = f"folds must be from 2 to {count:,}, the number of subjects", "Give another"
        raise InputError(explain("fold_subjects", must, repr(folds), do))
    fold_of_unit = np.empty(count, dtype=np.int64)
    fold_of_unit[_dealt(unit, count, labels, seed, "fold_subjects")] = np.arange(count) % folds
    return fold_of_unit[unit]


def check_apart(*parts: Iterable[Any], names: Iterable[str] = (), where: str = "Splits") -> None:
    """Refuse parts that share a subject, as a model would be scored on whom it has seen.

    Parameters
    ----------
    *parts : iterables
        The subject of each row of each part.
    names : iterable of str
        What messages call the parts; by default their numbers.
    where : str
        Who asks, for messages.

    Raises
    ------
    InputError
        A subject is in two parts; the message counts them and names rows of the second.

    Examples
    --------
    >>> check_apart(["a", "a"], ["b"])
    >>> check_apart([1, 2], [3, 2], names=("training", "test"))
    Traceback (most recent call last):
        ...
    cellstate.errors.InputError: Splits: each subject must be in one part; got 1 of training in \
test again (row 2). Split by subject, for example with split_subjects.
    """
    listed = [list(part) for part in parts]
    called = [*names] or [f"part {k + 1}" for k in range(len(listed))]
    held = [set(part) for part in listed]
    for first, second in combinations(range(len(listed)), 2):
        shared = held[first] & held[second]
        if shared:
            rows = [k for k, one in enumerate(listed[second], start=1) if one in shared]
            named = ", ".join(f"{row:,}" for row in rows[:_ROWS_NAMED])
            shown = f"{'row' if len(rows) == 1 else 'rows'} {named}" + ", …" * (
                len(rows) > _ROWS_NAMED
            )
            must = "each subject must be in one part"
            given = f"{len(shared):,} of {called[first]} in {called[second]} again ({shown})"
            do = "Split by subject, for example with split_subjects"
            raise InputError(explain(where, must, given, do))


def _checked_shares(shares: Mapping[str, float]) -> np.ndarray:
    weights = np.array([float(share) for share in shares.values()])
    if not len(weights) or not (weights > 0).all() or abs(weights.sum() - 1) > 1e-9:
        must = "shares must be positive and add up to 1"
        do = "Give for example {'train': 0.8, 'test': 0.2}"
        raise InputError(explain("split_subjects", must, repr(dict(shares)), do))
    return weights


def _units(subjects: Iterable[Any], groups: Iterable[Any] | None) -> tuple[np.ndarray, int]:
    """Number what must stay together."""
    subject, names = places_in(subjects)
    if (subject < 0).any():
        given = f"none in row {int(np.argmax(subject < 0)) + 1:,}"
        do = "Leave such rows out (rows count from 1)"
        raise InputError(explain("Splits", "each row must have a subject", given, do))
    if groups is None:
        return subject, len(names)
    group, group_names = places_in(groups)
    if len(group) != len(subject):
        must, do = f"there must be {len(subject):,} groups, one a row", "Give as many as subjects"
        raise InputError(explain("Splits", must, f"{len(group):,}", do))
    pairs = np.unique(np.stack([subject, group]), axis=1)
    several = int((np.bincount(pairs[0], minlength=len(names)) > 1).sum())
    if several:
        must, do = "a subject must be in one group", "Give a larger unit as groups"
        raise InputError(explain("Splits", must, f"{several:,} subjects in several", do))
    return group, len(group_names)


def _dealt(
    unit: np.ndarray,
    count: int,
    labels: Any,
    seed: int | np.random.Generator,
    where: str,
) -> np.ndarray:
    """Order units at random, those of one class together."""
    order = np.random.default_rng(seed).permutation(count)
    if labels is None:
        return order
    classes = np.unique(np.asarray(labels), return_inverse=True)[1]
    if len(classes) != len(unit):
        must, do = f"there must be {len(unit):,} labels, one a row", "Give as many as subjects"
        raise InputError(explain(where, must, f"{len(classes):,}", do))
    largest = np.zeros(count, dtype=np.int64)
    np.maximum.at(largest, unit, classes)
    return order[np.argsort(largest[order], kind="stable")]


def _spread(count: int, sizes: np.ndarray) -> np.ndarray:
    """Spread parts of given sizes evenly over `count` places, at least one place for each."""
    sizes = np.maximum(sizes, 1)
    sizes[np.argmax(sizes)] += count - sizes.sum()
    # The k-th of a part's n places lies at (k + ½) / n of the way.
    part = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.concatenate([np.arange(size) for size in sizes])
    return part[np.argsort((rank + 0.5) / sizes[part], kind="stable")]
