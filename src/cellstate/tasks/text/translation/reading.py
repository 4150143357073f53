"""Sentences as they are given, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cellstate.errors import ArgumentTypeError, InputError, ShapeError, explain, quoted


def read_sentences(where: str, name: str, given: Any) -> list[str]:
    """Take a list of sentences.

    Raises
    ------
    ArgumentTypeError
        It is one text, or holds something else than text.

    Examples
    --------
    >>> read_sentences("doctest", "X", ("a b", ""))
    ['a b', '']
    """
    must = f"{name} must be a list of sentences (str)"
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        kind = "one text" if isinstance(given, str) else type(given).__name__
        do = f"Give [{name}] for one sentence, or {name}.splitlines()"
        raise ArgumentTypeError(explain(where, must, kind, do))
    rows: list[Any] = list(given)
    for number, row in enumerate(rows):
        if not isinstance(row, str):
            what = f"{type(row).__name__} {quoted(row)} in row {number}"
            do = "Decode bytes, and replace missing values by ''"
            raise ArgumentTypeError(explain(where, must, what, do))
    return [str(row) for row in rows]


def read_pairs(where: str, X: Any, y: Any) -> tuple[list[str], list[str]]:
    """Take sentences and their translations.

    Raises
    ------
    ArgumentTypeError
        See `read_sentences`.
    ShapeError
        There are not equally many.
    """
    sources, targets = read_sentences(where, "X", X), read_sentences(where, "y", y)
    if len(sources) != len(targets):
        place = min(len(sources), len(targets))
        name, longer = ("X", sources) if len(sources) > len(targets) else ("y", targets)
        must = "X and y must have the same number of sentences, line by line translations"
        given = (
            f"{len(sources)} and {len(targets)}: row {place}, {quoted(longer[place])}, "
            f"is in {name} alone"
        )
        raise ShapeError(explain(where, must, given, "Align them before training"))
    return sources, targets


def without_gaps(
    where: str, sources: list[str], targets: list[str]
) -> tuple[list[str], list[str], int]:
    """Leave out pairs of which a side is empty; say how many they were.

    Raises
    ------
    InputError
        Nothing is left.

    Examples
    --------
    >>> without_gaps("doctest", ["a", "", "b"], ["x", "", "y"])
    (['a', 'b'], ['x', 'y'], 1)
    """
    kept = [
        (source.strip(), target.strip())
        for source, target in zip(sources, targets, strict=True)
        if source.strip() and target.strip()
    ]
    if len(kept) < 2:
        must = "there must be at least two pairs of sentences to learn from"
        given = f"{len(sources)} pairs, of which {len(sources) - len(kept)} have an empty side"
        raise InputError(explain(where, must, given, "Check the files and their encoding"))
    return [s for s, _ in kept], [t for _, t in kept], len(sources) - len(kept)
