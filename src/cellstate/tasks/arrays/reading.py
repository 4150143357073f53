"""Arrays and ragged lists of arrays as one padded array with lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.errors import ArgumentTypeError, InputError, ShapeError, explain
from cellstate.extras import require


@dataclass(frozen=True)
class Sequences:
    """Rows of one padded array.

    Attributes
    ----------
    values : np.ndarray
        (n, T, C) float; NaN where missing, and beyond a row's length.
    lengths : np.ndarray
        (n,) int64, time steps of each row, at least 1.
    """

    values: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> Sequences:
        """Pick rows."""
        return Sequences(self.values[rows], self.lengths[rows])

    @property
    def is_ragged(self) -> bool:
        """Whether rows differ in length."""
        return bool((self.lengths != self.values.shape[1]).any())

    @property
    def inside(self) -> np.ndarray:
        """Which steps belong to a row: (n, T, 1) bool."""
        steps = np.arange(self.values.shape[1])
        return (steps < self.lengths[:, None])[..., None]

    @property
    def missing(self) -> int:
        """How many values are missing within the rows."""
        return int((np.isnan(self.values) & self.inside).sum())


def is_ragged(X: Any) -> bool:
    """Tell whether X is a list of arrays whose lengths differ.

    Examples
    --------
    >>> is_ragged([[1.0, 2.0], [3.0]]), is_ragged([[1.0], [2.0]])
    (True, False)
    """
    rows = X
    if isinstance(X, np.ndarray) and (X.dtype != object or X.ndim != 1):
        return False
    if not isinstance(rows, list | tuple | np.ndarray) or len(rows) == 0:
        return False
    if not all(isinstance(row, list | tuple | np.ndarray) for row in rows):
        return False
    return len({len(row) for row in rows}) > 1


def read_rows(where: str, X: Any) -> Sequences:
    """Pad rows of different lengths to one array.

    Raises
    ------
    ShapeError
        A row is empty, or of another number of channels than the first.
    InputError
        A row holds infinite values.
    """
    rows = [_row(where, k, row) for k, row in enumerate(X)]
    channels = rows[0].shape[1]
    for k, row in enumerate(rows):
        if row.shape[1] != channels:
            must = f"every row must be (time, channels) with the {channels} channels of the first"
            given = f"{row.shape} in row {k}"
            raise ShapeError(explain(where, must, given, "Give all rows the same channels"))
    lengths = np.array([len(row) for row in rows])
    values = np.full((len(rows), lengths.max(), channels), np.nan)
    for row, target in zip(rows, values, strict=True):
        target[: len(row)] = row
    return Sequences(values, lengths)


def of_array(where: str, X: np.ndarray) -> Sequences:
    """Take a checked array, (n, time) or (n, time, channels).

    Raises
    ------
    ShapeError
        It has more axes, or no time steps or channels.
    """
    if X.ndim not in (2, 3) or 0 in X.shape[1:]:
        must = "X must be (n, time) or (n, time, channels) with a step and a channel at least"
        do = "Reshape it; further axes can become channels"
        raise ShapeError(explain(where, must, str(X.shape), do))
    values = X[..., None] if X.ndim == 2 else X
    return Sequences(values, np.full(len(values), values.shape[1]))


def read_array(estimator: Any, X: Any, y: Any = "no_validation", **checks: Any) -> Any:
    """Check an array as scikit-learn does: NaN is welcome, infinity and text are not.

    Returns X, or X and y where y is given.
    """
    validation = require("sklearn.utils.validation", extra="train")
    dtypes = [np.float64, np.float32]
    return validation.validate_data(
        estimator, X, y, dtype=dtypes, allow_nd=True, ensure_all_finite="allow-nan", **checks
    )


def check_array(X: Any) -> np.ndarray:
    """Check an array whose number of steps is free."""
    validation = require("sklearn.utils.validation", extra="train")
    dtypes = [np.float64, np.float32]
    return validation.check_array(X, dtype=dtypes, allow_nd=True, ensure_all_finite="allow-nan")


def _row(where: str, number: int, row: Any) -> np.ndarray:
    array = np.asarray(row)
    if array.dtype.kind not in "biuf":
        try:
            array = np.asarray(row, dtype=np.float64)
        except (TypeError, ValueError) as problem:
            must = "rows must hold real numbers"
            given = f"{array.dtype} in row {number}"
            do = "Convert or encode other values"
            raise ArgumentTypeError(explain(where, must, given, do)) from problem
    if array.ndim not in (1, 2) or array.size == 0:
        must = "every row must be (time,) or (time, channels), and not empty"
        given = f"{array.shape} in row {number}"
        raise ShapeError(explain(where, must, given, "Drop or reshape that row"))
    array = array.astype(np.float64)
    if np.isinf(array).any():
        do = "Replace them, by NaN where the value is missing"
        must = "values must be finite or NaN"
        raise InputError(explain(where, must, f"infinity in row {number}", do))
    return array[:, None] if array.ndim == 1 else array
