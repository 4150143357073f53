"""How well entities were found: precision, recall and F1 of whole spans, and the kinds of errors.

An entity counts as found only where its type, its first and its last word are all right, as in
conlleval and in seqeval's default mode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cellstate.tasks.text.tagging.schemes import Span

Found = Sequence[Sequence[Span]]

ERRORS = ("wrong boundary", "wrong type", "wrong boundary and type", "missed", "spurious")


@dataclass(frozen=True)
class Counts:
    """Entities by what became of them.

    Attributes
    ----------
    right : int
        Named, and right in type and in both ends.
    named : int
        Named at all.
    true : int
        In the truth.
    """

    right: int = 0
    named: int = 0
    true: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right + other.right, self.named + other.named, self.true + other.true)

    @property
    def precision(self) -> float:
        """Share of the named ones that are right; 0 where none is named."""
        return self.right / self.named if self.named else 0.0

    @property
    def recall(self) -> float:
        """Share of the true ones that are named right; 0 where there is none."""
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall.

        Examples
        --------
        >>> Counts(right=1, named=2, true=3).f1
        0.4
        """
        total = self.named + self.true
        return 2.0 * self.right / total if total else 0.0


def count(truth: Found, said: Found) -> dict[str, Counts]:
    """Count entities by type.

    Examples
    --------
    >>> count([[Span("X", 0, 2), Span("Y", 3, 4)]], [[Span("X", 0, 1), Span("Y", 3, 4)]])
    {'X': Counts(right=0, named=1, true=1), 'Y': Counts(right=1, named=1, true=1)}
    """
    tally: Counter[tuple[str, str]] = Counter()
    for true, named in zip(truth, said, strict=True):
        tally.update(("true", span.type) for span in true)
        tally.update(("named", span.type) for span in named)
        tally.update(("right", span.type) for span in set(true) & set(named))
    types = sorted({kind for _, kind in tally})
    return {
        kind: Counts(tally["right", kind], tally["named", kind], tally["true", kind])
        for kind in types
    }


def score_entities(truth: Found, said: Found) -> dict[str, float]:
    """Give F1, precision and recall over all types together, and the mean F1 of the types.

    Examples
    --------
    >>> scores = score_entities([[Span("X", 0, 2)], []], [[Span("X", 0, 2)], [Span("X", 1, 2)]])
    >>> {name: round(value, 3) for name, value in scores.items()}
    {'F1': 0.667, 'precision': 0.5, 'recall': 1.0, 'macro F1': 0.667}
    """
    by_type = count(truth, said)
    total = sum(by_type.values(), Counts())
    macro = sum(counts.f1 for counts in by_type.values()) / max(1, len(by_type))
    return {
        "F1": total.f1,
        "precision": total.precision,
        "recall": total.recall,
        "macro F1": macro,
    }


@dataclass(frozen=True)
class Error:
    """One entity that was not named right.

    Attributes
    ----------
    kind : str
        One of `ERRORS`.
    sentence : int
    true, named : Span or None
        What is there and what was said; None for a spurious and for a missed one.
    """

    kind: str
    sentence: int
    true: Span | None
    named: Span | None


def errors(truth: Found, said: Found) -> list[Error]:
    """Say what became of each entity that was not named right, in the order of the text.

    Each true entity is set against the named one that shares most words with it. What is named
    and shares no word with any true entity is spurious.

    Examples
    --------
    >>> true = [Span("X", 0, 2), Span("Y", 3, 4), Span("X", 6, 7)]
    >>> named = [Span("X", 0, 1), Span("X", 3, 4), Span("Y", 8, 9)]
    >>> [error.kind for error in errors([true], [named])]
    ['wrong boundary', 'wrong type', 'missed', 'spurious']
    """
    found: list[Error] = []
    for sentence, (true, named) in enumerate(zip(truth, said, strict=True)):
        here: list[Error] = []
        for span in true:
            if span in named:
                continue
            other = max(named, key=lambda it: _shared(span, it), default=None)
            if other is None or not _shared(span, other):
                here.append(Error("missed", sentence, span, None))
                continue
            is_type, is_place = other.type == span.type, other[1:] == span[1:]
            wrong = "type" if is_place else "boundary" if is_type else "boundary and type"
            here.append(Error(f"wrong {wrong}", sentence, span, other))
        here += [
            Error("spurious", sentence, None, span)
            for span in named
            if not any(_shared(span, other) for other in true)
        ]
        found += sorted(here, key=_place)
    return found


def recalls(
    truth: Found, said: Found, group: Callable[[int, Span], str]
) -> dict[str, tuple[int, int]]:
    """Count true entities and those named right, by group.

    Parameters
    ----------
    truth, said : sequences of sequences of Span
    group : callable
        (number of the sentence, true entity) -> its group

    Returns
    -------
    dict of str to (named right, all)
    """
    right: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for sentence, (true, named) in enumerate(zip(truth, said, strict=True)):
        for span in true:
            name = group(sentence, span)
            every[name] += 1
            right[name] += span in named
    return {name: (right[name], every[name]) for name in sorted(every)}


def _shared(one: Span, other: Span) -> int:
    """Words that two spans share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _place(error: Error) -> Any:
    span = error.true or error.named
    return span[1:] if span else (0, 0)
