"""Static covariates: one value a series, text turned into indicators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np

from cellstate.data.numbers import read_numbers
from cellstate.errors import FrameError, explain

MOST_CATEGORIES = 512  # of a text column


@dataclass(frozen=True)
class StaticEncoder:
    """How each static column became a number.

    Numbers and booleans stay as they are. Each of the K categories of a text column has an
    indicator of its own, in sorted order: of the 512 most frequent ones, where there are more. A
    category that is none of them, or a missing one, has zeros in all.

    Attributes
    ----------
    categories : dict of str to tuple of str, or None
        By column; None for a column of numbers.

    Examples
    --------
    >>> import polars
    >>> frame = nw.from_native(polars.DataFrame({"city": ["Rome", "Oslo"]}))
    >>> encoder = StaticEncoder.fit(frame, ("city",))
    >>> codes = encoder.encode(frame)
    >>> codes.ravel().tolist(), encoder.expand(codes).tolist()
    ([2.0, 1.0], [[0.0, 1.0], [1.0, 0.0]])
    """

    categories: dict[str, tuple[str, ...] | None] = field(default_factory=dict)

    @classmethod
    def fit(cls, table: nw.DataFrame[Any], names: Sequence[str]) -> StaticEncoder:
        """Learn the categories of each text column."""
        return cls({name: _categories(table[name]) for name in names})

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> StaticEncoder:
        """Rebuild from `as_dict`."""
        return cls({name: None if kept is None else tuple(kept) for name, kept in state.items()})

    def as_dict(self) -> dict[str, list[str] | None]:
        """Give plain data for a model file."""
        return {
            name: None if kept is None else list(kept) for name, kept in self.categories.items()
        }

    def expand(self, codes: np.ndarray) -> np.ndarray:
        """Turn codes (N, columns) into numbers and indicators, (N, covariates) float32."""
        parts = [
            codes[:, [column]]
            if kept is None
            else codes[:, [column]] == np.arange(1, len(kept) + 1)
            for column, kept in enumerate(self.categories.values())
        ]
        return np.concatenate([np.empty((len(codes), 0)), *parts], axis=1, dtype=np.float32)

    def encode(self, table: nw.DataFrame[Any]) -> np.ndarray:
        """Encode each row, (rows, columns) float64: a number, NaN where missing, or 0 … K.

        0 is a category that was not there at fit, or a missing one.

        Raises
        ------
        FrameError
            A column of numbers holds text, or the other way round.
        """
        values = np.empty((len(table), len(self.categories)))
        for column, (name, kept) in enumerate(self.categories.items()):
            series = table[name]
            if kept is None:
                values[:, column] = read_numbers(series)
                continue
            if not _is_text(series):
                raise FrameError(
                    explain(
                        "Columns",
                        f"the static column {name!r} must hold text, as it did at fit",
                        f"the dtype {series.dtype}",
                        "Convert the column",
                    )
                )
            codes = {value: code for code, value in enumerate(kept, start=1)}
            values[:, column] = [codes.get(value, 0) for value in series.to_list()]
        return values


def _is_text(series: nw.Series[Any]) -> bool:
    if series.dtype in (nw.String, nw.Categorical, nw.Enum):
        return True
    return series.dtype == nw.Object and any(isinstance(value, str) for value in series.to_list())


def _categories(series: nw.Series[Any]) -> tuple[str, ...] | None:
    if not _is_text(series):
        return None
    counts = Counter(str(value) for value in series.to_list() if isinstance(value, str))
    most = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_CATEGORIES]
    return tuple(sorted(most))


def per_series(
    values: np.ndarray, offsets: np.ndarray, names: Sequence[str], ids: Sequence[Any]
) -> np.ndarray:
    """Reduce sorted rows to one value a series, shape (N, columns).

    Raises
    ------
    FrameError
        A series has two different values.
    """
    first = values[offsets[:-1]]
    expected = np.repeat(first, np.diff(offsets), axis=0)
    differs = (values != expected) & ~(np.isnan(values) & np.isnan(expected))
    if differs.any():
        row, column = np.argwhere(differs)[0]
        series = int(np.searchsorted(offsets, row, side="right")) - 1
        raise FrameError(
            explain(
                "Columns",
                f"the static column {names[column]!r} must have one value a series",
                f"two in the series {ids[series]!r}",
                "Correct it, or name the column as past or future covariate",
            )
        )
    return first
