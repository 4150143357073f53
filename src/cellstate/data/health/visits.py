"""Visits of patients with sets of codes: what a health record is, visit by visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from cellstate.data.health.left_out import LeftOut
from cellstate.errors import InputError, explain


@dataclass(frozen=True, eq=False, repr=False)
class Visits:
    """Patients, each with visits in the order of their ends, each with a set of codes.

    The codes of a visit are known at its `end`, not before: diagnoses are coded at discharge. So
    what may be used at the end of a visit is that visit and those before it in this order.

    Attributes
    ----------
    subjects : numpy.ndarray
        (S,) identifiers, an object array of int or str, sorted.
    offsets : numpy.ndarray
        (S + 1,) int64: subject s has the visits ``offsets[s] … offsets[s + 1]``.
    start, end : numpy.ndarray
        (N,) float64 hours, since 1970-01-01 or since a zero of the data's own.
    code_offsets : numpy.ndarray
        (N + 1,) int64: visit n has the codes ``code[code_offsets[n] : code_offsets[n + 1]]``, each
        once.
    code : numpy.ndarray
        (M,) int32 places in `codes`.
    codes : tuple of str
    age : numpy.ndarray
        (N,) float64 years at the start of the visit, NaN where unknown.
    values : numpy.ndarray
        (N, V) float64 numbers of each visit, such as its first laboratory values; NaN where there
        is none.
    variables : tuple of str
        Names of the V numbers.
    observed_until : numpy.ndarray
        (S,) float64 hours until which a further visit would have been seen; infinite where that is
        for ever.
    death : numpy.ndarray
        (S,) float64 hours, NaN where unknown or alive.
    left_out : LeftOut
        Rows of the source that are not among these visits.
    """

    subjects: np.ndarray
    offsets: np.ndarray
    start: np.ndarray
    end: np.ndarray
    code_offsets: np.ndarray
    code: np.ndarray
    codes: tuple[str, ...]
    age: np.ndarray
    values: np.ndarray
    variables: tuple[str, ...]
    observed_until: np.ndarray
    death: np.ndarray
    left_out: LeftOut = field(default_factory=LeftOut.nothing)

    def __len__(self) -> int:
        """Count the visits."""
        return len(self.start)

    def __repr__(self) -> str:
        return (
            f"Visits({len(self.subjects):,} patients, {len(self):,} visits, "
            f"{len(self.codes):,} codes, {len(self.variables):,} variables)"
        )

    @property
    def counts(self) -> np.ndarray:
        """Visits of each subject: (S,)."""
        return np.diff(self.offsets)

    @property
    def subject_of(self) -> np.ndarray:
        """Place of each visit's subject: (N,)."""
        return np.repeat(np.arange(len(self.subjects)), self.counts)

    @property
    def visit_of(self) -> np.ndarray:
        """Visit of each code: (M,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.code_offsets))

    def of_subject(self, place: int) -> slice:
        """Give where the visits of a subject lie."""
        return slice(int(self.offsets[place]), int(self.offsets[place + 1]))

    def codes_of(self, visit: int) -> tuple[str, ...]:
        """Name the codes of a visit."""
        own = self.code[self.code_offsets[visit] : self.code_offsets[visit + 1]]
        return tuple(self.codes[k] for k in own)

    def take(self, places: Any) -> Self:
        """Pick subjects by their places, in rising order; each at most once.

        Raises
        ------
        InputError
            A place is given twice or is outside.

        Examples
        --------
        >>> visits = make_visits({"a": [(0, 1, ["x"])], "b": [(0, 2, ["x", "y"]), (9, 9, [])]})
        >>> visits.take([1])
        Visits(1 patients, 2 visits, 2 codes, 0 variables)
        """
        chosen = np.asarray(places)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        chosen = np.sort(chosen.astype(np.int64))
        count = len(self.subjects)
        is_outside = len(chosen) > 0 and bool(chosen[0] < 0 or chosen[-1] >= count)
        if is_outside or len(np.unique(chosen)) < len(chosen):
            must = f"places must be different ones of the {count:,} patients"
            given = "one outside" if is_outside else "one twice"
            raise InputError(explain("Visits.take", must, given, "Check how they were chosen"))
        visits = _ranges(self.offsets, chosen)
        codes = _ranges(self.code_offsets, visits)
        return type(self)(
            subjects=self.subjects[chosen],
            offsets=_offsets(self.counts[chosen]),
            start=self.start[visits],
            end=self.end[visits],
            code_offsets=_offsets(np.diff(self.code_offsets)[visits]),
            code=self.code[codes],
            codes=self.codes,
            age=self.age[visits],
            values=self.values[visits],
            variables=self.variables,
            observed_until=self.observed_until[chosen],
            death=self.death[chosen],
            left_out=self.left_out,
        )

    def split(self, share: float, *, seed: int = 0) -> tuple[Self, Self]:
        """Part the patients in two at random: about `share` of them come second.

        No patient is in both parts. Patients with one visit and with several are shared out alike.

        Examples
        --------
        >>> visits = make_visits({k: [(0, 1, ["x"])] for k in range(10)})
        >>> visits.split(0.2)
        (Visits(8 patients, 8 visits, 1 codes, 0 variables), \
Visits(2 patients, 2 visits, 1 codes, 0 variables))
        """
        fold = self.folds(max(2, round(1.0 / min(max(share, 1e-6), 0.5))), seed=seed)
        return self.take(fold != 0), self.take(fold == 0)

    def folds(self, count: int, *, seed: int = 0) -> np.ndarray:
        """Deal patients out to folds of like size: (S,) int64, 0 … count - 1.

        Examples
        --------
        >>> visits = make_visits({k: [(0, 1, ["x"])] for k in range(10)})
        >>> np.bincount(visits.folds(5)).tolist()
        [2, 2, 2, 2, 2]
        """
        rng = np.random.default_rng(seed)
        fold = np.zeros(len(self.subjects), dtype=np.int64)
        dealt = 0
        for group in (self.counts > 1, self.counts <= 1):
            own = rng.permutation(np.flatnonzero(group))
            fold[own] = (dealt + np.arange(len(own))) % count
            dealt += len(own)
        return fold


def make_visits(
    patients: dict[Any, Sequence[tuple[float, float, Sequence[str]]]],
    *,
    values: Sequence[Sequence[float]] | None = None,
    variables: Sequence[str] = (),
) -> Visits:
    """Make visits of plain Python: subject -> (start, end, codes) of each, in hours.

    Parameters
    ----------
    patients : dict
    values : sequence of sequence of float, optional
        Numbers of each visit, in the order of `patients` and their visits.
    variables : sequence of str
        Their names.

    Raises
    ------
    InputError
        Subjects are neither all whole numbers nor all text, a visit ends before it starts, or its
        codes are one text.

    Examples
    --------
    >>> make_visits({"a": [(0, 24, ["DX10:I10"]), (240, 250, ["DX10:I10", "DX10:E11"])]})
    Visits(1 patients, 2 visits, 2 codes, 0 variables)
    """
    rows = [
        (who, start, end, codes) for who, visits in patients.items() for start, end, codes in visits
    ]
    where = "make_visits"
    if len({str if isinstance(who, str) else int for who in patients}) > 1:
        must, do = "subjects must all be whole numbers, or all text", "Name all in one way"
        raise InputError(explain(where, must, "both", do))
    for place, (_, start, end, codes) in enumerate(rows, start=1):
        if not start <= end or isinstance(codes, str):
            must = "a visit must be its start, an end that is no earlier, and a list of codes"
            raise InputError(explain(where, must, f"another in visit {place:,}", "Correct it"))
    subject = np.empty(len(rows), dtype=object)
    subject[:] = [row[0] for row in rows]
    start = np.array([float(row[1]) for row in rows])
    end = np.array([float(row[2]) for row in rows])
    numbers = np.array(values, dtype=np.float64) if values is not None else None
    return assemble(
        subject,
        start,
        end,
        np.repeat(np.arange(len(rows)), [len(row[3]) for row in rows]),
        [code for row in rows for code in row[3]],
        values=numbers,
        variables=tuple(variables),
    )


def assemble(
    subject: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    visit: np.ndarray,
    code: Sequence[str],
    *,
    age: np.ndarray | None = None,
    values: np.ndarray | None = None,
    variables: tuple[str, ...] = (),
    observed_until: dict[Any, float] | None = None,
    death: dict[Any, float] | None = None,
    left_out: LeftOut | None = None,
) -> Visits:
    """Put visits and their codes, both in any order, in the form of `Visits`.

    Parameters
    ----------
    subject, start, end : np.ndarray
        (N,) of each visit; all subjects int or all str.
    visit : np.ndarray
        (M,) place of the visit that each code is of.
    code : sequence of str
        (M,); repeated ones count once.
    age, values, variables, left_out : optional
        As of `Visits`, in the order of the visits given.
    observed_until, death : dict, optional
        By subject.
    """
    subjects, place = _unique(subject)
    order = np.lexsort((start, end, place))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    codes, numbers = np.unique(np.array(code, dtype=str), return_inverse=True)
    pairs = np.unique(rank[np.asarray(visit, dtype=np.int64)] * max(1, len(codes)) + numbers)
    counts = np.bincount(pairs // max(1, len(codes)), minlength=len(order))
    known, died = observed_until or {}, death or {}
    return Visits(
        subjects=subjects,
        offsets=_offsets(np.bincount(place, minlength=len(subjects))),
        start=start[order],
        end=end[order],
        code_offsets=_offsets(counts),
        code=(pairs % max(1, len(codes))).astype(np.int32),
        codes=tuple(map(str, codes)),
        age=np.full(len(order), np.nan) if age is None else age[order],
        values=np.empty((len(order), 0)) if values is None else values[order],
        variables=variables,
        observed_until=np.array([known.get(s, np.inf) for s in subjects], dtype=np.float64),
        death=np.array([died.get(s, np.nan) for s in subjects], dtype=np.float64),
        left_out=left_out or LeftOut.nothing(),
    )


def _unique(subject: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the sorted subjects (S,), and each row's place among them."""
    known = sorted(set(subject.tolist()))
    places = {name: k for k, name in enumerate(known)}
    subjects = np.empty(len(known), dtype=object)
    subjects[:] = known
    return subjects, np.array([places[s] for s in subject.tolist()], dtype=np.int64)


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _ranges(offsets: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """List what lies in the chosen ranges, one after the other."""
    sizes = np.diff(offsets)[chosen]
    starts = np.repeat(offsets[:-1][chosen] - (np.cumsum(sizes) - sizes), sizes)
    return starts + np.arange(int(sizes.sum()))
