"""Where a panel came from, so that answers come back as the user's own kind of frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from cellstate.data.stamps import StampKind
from cellstate.extras import require


@dataclass(frozen=True)
class Origin:
    """The kind of frame a user gave, as plain data.

    Attributes
    ----------
    backend : str
        The frame's library: ``"pandas"``, ``"polars"``, ``"pyarrow"`` …
    id_column : str or None
        None for a single series without ids.
    id_dtype : str
        ``"String"`` or the name of an integer dtype.
    time_column : str
    stamps : StampKind
    """

    backend: str
    id_column: str | None
    id_dtype: str
    time_column: str
    stamps: StampKind

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Origin:
        """Rebuild from `as_dict`."""
        return cls(**{**state, "stamps": StampKind(**state["stamps"])})

    def as_dict(self) -> dict[str, Any]:
        """Give plain data for a model file."""
        return {**vars(self), "stamps": self.stamps.as_dict()}

    def to_native(self, columns: Mapping[str, Any]) -> Any:
        """Build a frame of the user's kind.

        Parameters
        ----------
        columns : mapping of str to array or sequence, all of one length
            The id column's values become the user's id type; arrays of datetime64, and the
            integers of the time column, become the user's kind of time stamp. Under a single
            series without ids, an id column (key None or absent) is left out.

        Returns
        -------
        DataFrame
            Of pandas, polars, … as the user's was.
        """
        require(self.backend, extra="forecast")
        backend: Any = nw.Implementation.from_string(self.backend)
        found = {
            name: self._column(name, values, backend)
            for name, values in columns.items()
            if name is not None
        }
        plain = {name: one for name, one in found.items() if not isinstance(one, nw.Series)}
        typed = [one.to_frame() for one in found.values() if isinstance(one, nw.Series)]
        # Only what has a type of its own goes the slower way of a series.
        frames = [nw.from_dict(plain, backend=backend), *typed] if plain else typed
        if not typed:
            return frames[0].to_native()
        return nw.concat(frames, how="horizontal").select(*found).to_native()

    def _column(self, name: str, values: np.ndarray | Sequence[Any], backend: Any) -> Any:
        is_stamp = isinstance(values, np.ndarray) and values.dtype.kind == "M"
        if is_stamp or name == self.time_column:
            return self.stamps.to_native(np.asarray(values), name, backend)
        if name == self.id_column and self.id_dtype != "String":
            dtype = getattr(nw, self.id_dtype)()
            return nw.new_series(name, np.asarray(values).tolist(), dtype, backend=backend)
        is_typed = isinstance(values, np.ndarray) and values.dtype.kind != "O"
        return values if is_typed else list(values)


def id_dtype_name(series: nw.Series[Any], ids: tuple[Any, ...]) -> str:
    """Name the dtype in which ids are given back."""
    return type(series.dtype).__name__ if isinstance(ids[0], int) else "String"
