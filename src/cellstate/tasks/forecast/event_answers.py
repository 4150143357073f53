"""What a forecaster answers to an event, from quantiles: columns of numbers, described."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellstate.runtime.stream import Answer, Field
from cellstate.tasks.forecast.clock import Clock
from cellstate.tasks.forecast.intervals import band
from cellstate.tasks.forecast.surprise import surprise

PARTS = {"expected": "What was expected of this period", "next": "What comes in the next period"}


@dataclass(frozen=True)
class Telling:
    """Turns quantiles into answers.

    Attributes
    ----------
    taus : tuple of float
        Levels of the quantiles.
    levels : tuple of float
        Prediction intervals to give, in per cent.
    clock : Clock
    """

    taus: tuple[float, ...]
    levels: tuple[float, ...]
    clock: Clock

    @property
    def fields(self) -> tuple[Field, ...]:
        """What an answer holds."""
        kind = "integer" if self.clock.frequency.is_integer else "text"
        return (
            *self._fields("expected"),
            Field("surprise", "number", "Share of outcomes expected nearer to the median."),
            Field("next_ds", kind, "Stamp of the next period."),
            *self._fields("next"),
        )

    def answers(
        self, y: np.ndarray, expected: np.ndarray, coming: np.ndarray, next_stamps: np.ndarray
    ) -> list[Answer]:
        """Answer for B observations (B,) of which quantiles (B, Q) were expected."""
        columns = {
            **self.columns("expected", expected),
            "surprise": _plain(surprise(y, expected, self.taus)),
            "next_ds": self.clock.show(next_stamps),
            **self.columns("next", coming),
        }
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, values, strict=True)) for values in rows]

    def columns(self, name: str, quantiles: np.ndarray) -> dict[str, list[float | None]]:
        """Give the median and the ends of each interval of quantiles (n, Q), JSON-ready."""
        columns = {name: _plain(quantiles[:, self.taus.index(0.5)])}
        for level in self.levels:
            low, high = band(quantiles, self.taus, level)
            columns |= {f"{name}_lo_{level:g}": _plain(low), f"{name}_hi_{level:g}": _plain(high)}
        return columns

    def _fields(self, name: str) -> list[Field]:
        fields = [Field(name, "number", f"{PARTS[name]}: the median.")]
        for level in self.levels:
            for side, end in (("lo", "lower"), ("hi", "upper")):
                about = f"{PARTS[name]}: {end} end of the {level:g} % interval."
                fields.append(Field(f"{name}_{side}_{level:g}", "number", about))
        return fields


def _plain(values: np.ndarray) -> list[float | None]:
    """Give numbers, None where there is none."""
    if np.isfinite(values).all():
        return values.tolist()
    return [value if np.isfinite(value) else None for value in values.tolist()]
