"""Texts and labels as they are given: read, checked, and turned into targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import ArgumentTypeError, InputError, ShapeError, did_you_mean, explain

SEVERAL = (list, tuple, set, frozenset)


@dataclass(frozen=True)
class Labels:
    """What can be said of a text.

    Attributes
    ----------
    names : tuple
        The classes, sorted: str, int, float or bool.
    is_multi : bool
        Whether a text has any number of labels instead of one class.
    """

    names: tuple[Any, ...]
    is_multi: bool

    @classmethod
    def learn(cls, where: str, y: list[Any]) -> Labels:
        """Find the classes of training rows.

        Raises
        ------
        InputError
            There is one class only, or one that a single row has, or labels are of several kinds.
        """
        forms = {isinstance(given, SEVERAL) for given in y}
        if len(forms) > 1:
            must = "y must hold one label for each text, or a list of labels for each"
            do = "Put single labels into lists too"
            raise InputError(explain(where, must, "both forms", do))
        (is_multi,) = forms
        rows = [set(given) for given in y] if is_multi else [{given} for given in y]
        counts = Counter(label for row in rows for label in row)
        if is_multi and not counts:
            must, do = "some row must have a label", "Give the labels of each text as a list"
            raise InputError(explain(where, must, f"{len(y)} rows without any", do))
        if len(counts) < 2 and not is_multi:
            must = "y must have at least two classes"
            do = "Give rows of another class too"
            raise InputError(explain(where, must, f"only {y[0]!r}, {len(y)} times", do))
        _check_kinds(where, counts)
        alone = sorted((label for label, count in counts.items() if count < 2), key=repr)
        if alone:
            first = next(k for k, row in enumerate(rows) if alone[0] in row)
            more = f" and {len(alone) - 1} more such labels" if len(alone) > 1 else ""
            must = "every label must be seen at least twice, to learn from one and check on another"
            do = "Leave out such rows, merge the label with another, or give more rows of it"
            raise InputError(explain(where, must, f"{alone[0]!r} in row {first} alone{more}", do))
        return cls(tuple(sorted(counts)), is_multi)

    def targets(self, where: str, y: list[Any]) -> np.ndarray:
        """Turn labels into (n,) int64 numbers of classes, or (n, K) float32 with 1 where present.

        Raises
        ------
        InputError
            A label was not seen in training, or labels are of the other form.
        """
        if any(isinstance(given, SEVERAL) != self.is_multi for given in y):
            form = "a list of labels" if self.is_multi else "one label"
            must = f"y must hold {form} for each text, as in training"
            wrong = next(given for given in y if isinstance(given, SEVERAL) != self.is_multi)
            raise InputError(explain(where, must, repr(wrong), "Give it in that form"))
        places = {name: k for k, name in enumerate(self.names)}
        given = [list(row) if self.is_multi else [row] for row in y]
        for label in (label for row in given for label in row):
            if label not in places:
                must = f"labels must be among the {len(self.names)} that fit has seen"
                do = did_you_mean(str(label), map(str, self.names))
                raise InputError(explain(where, must, repr(label), do))
        if not self.is_multi:
            return np.array([places[label] for (label,) in given], dtype=np.int64)
        targets = np.zeros((len(given), len(self.names)), dtype=np.float32)
        for row, labels in enumerate(given):
            targets[row, [places[label] for label in labels]] = 1.0
        return targets

    def truth(self, targets: np.ndarray) -> np.ndarray:
        """Tell which labels each row has: (n, K) bool."""
        if self.is_multi:
            return targets > 0.5
        return np.eye(len(self.names), dtype=bool)[targets]

    def weights(self, targets: np.ndarray, class_weight: Any, where: str) -> np.ndarray | None:
        """Give each class's weight in the loss: (K,) float32, or None for all alike.

        "balanced" is n / (K · rows of the class), as in scikit-learn; with several labels, rows
        without the label over rows with it.
        """
        if class_weight is None:
            return None
        counts = self.truth(targets).sum(0)
        if isinstance(class_weight, str) and class_weight == "balanced":
            if self.is_multi:
                return ((len(targets) - counts + 1) / (counts + 1)).astype(np.float32)
            return (len(targets) / (len(self.names) * np.maximum(1, counts))).astype(np.float32)
        if isinstance(class_weight, dict):
            for label, weight in class_weight.items():
                if label not in self.names or not weight > 0:
                    must = "class_weight must give labels of y weights above 0"
                    do = did_you_mean(str(label), map(str, self.names))
                    raise InputError(explain(where, must, f"{label!r}: {weight!r}", do))
            return np.array([class_weight.get(name, 1.0) for name in self.names], dtype=np.float32)
        must, do = "class_weight must be 'balanced', a dict or None", "For example 'balanced'"
        raise InputError(explain(where, must, repr(class_weight), do))

    def groups(self, targets: np.ndarray) -> np.ndarray:
        """Give each row the group that it is shared out with: its class, or its rarest label."""
        if not self.is_multi:
            return targets
        counts = np.where(targets > 0, targets.sum(0), np.inf)
        return np.where(targets.any(1), counts.argmin(1), len(self.names))

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready data."""
        return {"names": list(self.names), "is_multi": self.is_multi}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Labels:
        """Read it back."""
        return cls(tuple(data["names"]), bool(data["is_multi"]))


def read_texts(where: str, X: Any, *, name: str = "X") -> list[str]:
    """Read texts from any sequence of str.

    Raises
    ------
    ArgumentTypeError
        It is one str, or holds something else.
    InputError
        There is none.
    """
    do = "Give a list of str; replace missing texts by ''"
    if isinstance(X, (str, bytes)) or not hasattr(X, "__iter__"):
        must = f"{name} must be a list of texts"
        raise ArgumentTypeError(explain(where, must, f"one {type(X).__name__}", do))
    texts = list(X)
    if not texts:
        raise InputError(explain(where, f"{name} must have at least one text", "none", do))
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            given = f"{type(text).__name__} {text!r:.40} in row {row}"
            raise ArgumentTypeError(explain(where, f"{name} must hold str alone", given, do))
    return [str(text) for text in texts]


def read_labels(where: str, y: Any, rows: int) -> list[Any]:
    """Read one entry for each text: a label, or a list or set of labels.

    Raises
    ------
    ShapeError
        There are more or fewer entries than texts.
    InputError
        A label is missing.
    """
    if isinstance(y, (str, bytes)) or not hasattr(y, "__iter__"):
        must, do = "y must be a list of labels", "Give one entry for each text"
        raise ArgumentTypeError(explain(where, must, f"one {type(y).__name__}", do))
    entries = [_plain(entry) for entry in y]
    if len(entries) != rows:
        must, do = "X and y must have the same number of rows", "Check how they were split"
        raise ShapeError(explain(where, must, f"{rows} and {len(entries)}", do))
    for row, entry in enumerate(entries):
        for label in entry if isinstance(entry, SEVERAL) else [entry]:
            if label is None or label != label:  # NaN alone differs from itself
                must, do = "every text must have a label", "Leave out rows without one"
                raise InputError(explain(where, must, f"{label!r} in row {row}", do))
    return entries


def _plain(entry: Any) -> Any:
    """Turn NumPy's scalars into Python's, so that labels can be written to a file."""
    if isinstance(entry, SEVERAL):
        return [_plain(label) for label in entry]
    if isinstance(entry, np.ndarray):
        return entry.tolist()
    return entry.item() if isinstance(entry, np.generic) else entry


def _check_kinds(where: str, counts: Counter[Any]) -> None:
    kinds = {"number" if isinstance(label, (bool, int, float)) else type(label).__name__
             for label in counts}  # fmt: skip
    if len(kinds) > 1 or not kinds <= {"number", "str"}:
        must = "labels must be all str or all numbers"
        raise InputError(explain(where, must, " and ".join(sorted(kinds)), "Turn them into str"))


def hold_out(groups: np.ndarray, share: float, most: int, rng: np.random.Generator) -> np.ndarray:
    """Choose rows to hold out, about the same share of each group: (n,) bool.

    Examples
    --------
    >>> held = hold_out(np.repeat([0, 1], 100), 0.1, 1000, np.random.default_rng(0))
    >>> int(held[:100].sum()), int(held[100:].sum())
    (10, 10)
    """
    held = np.zeros(len(groups), dtype=bool)
    share = min(share, most / max(1, len(groups)))
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        held[rng.permutation(rows)[: int(share * len(rows))]] = True
    return held


def folds(groups: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Number the fold of each row, groups shared out evenly: (n,) in 0 … count − 1.

    Examples
    --------
    >>> np.bincount(folds(np.repeat([0, 1], 6), 3, np.random.default_rng(0))).tolist()
    [4, 4, 4]
    """
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    numbers = np.empty(len(groups), dtype=np.int64)
    numbers[order] = np.arange(len(groups)) % count
    return numbers


def count_empty(texts: Sequence[str]) -> int:
    """Count the texts that hold nothing but white space."""
    return sum(not text.strip() for text in texts)
