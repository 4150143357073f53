"""What a section means, whatever it is drawn with: the page and its terminal twin agree on it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellstate.inspector.plot import formats, thin
from cellstate.inspector.plot.axis import Axis, number_axis, time_axis
from cellstate.tasks.sections import ForecastPanel, Mover, RiskPanel, Risks, Tokens

PAST_PER_HORIZON = 2.5  # a longer past leaves too little room for the forecast
SHORTEST_PAST = 24
WORTH_CUTTING = 1.6  # a past hardly longer than what is drawn is drawn as a whole
BAND_REACH = 1.2  # bands that go further beyond the data than its own span run off the drawing
GATE_ORDER = ("i", "f", "o", "g", "c")
GATE_WORDS = {
    "i": ("input gate", "how much of the candidate is written"),
    "f": ("forget gate", "how much of the cell state is kept"),
    "o": ("output gate", "how much of the cell state is shown"),
    "g": ("candidate", "what could be written"),
    "c": ("cell state", "what is remembered"),
}
_OURS = re.compile(r"(lstm|cellstate)\b", re.IGNORECASE)


def best_rows(values: Sequence[Any], rule: str | float | None) -> set[int]:
    """Which rows hold the best value: the least, the largest, or the nearest to a target.

    Examples
    --------
    >>> best_rows([3.0, None, 1.0, 1.0], "min"), best_rows([78.0, 81.0], 80.0)
    ({2, 3}, {1})
    """
    numbers = {
        row: float(value)
        for row, value in enumerate(values)
        if formats.is_number(value) and math.isfinite(value)
    }
    if rule is None or not numbers:
        return set()
    if isinstance(rule, str):
        cost = {row: value if rule == "min" else -value for row, value in numbers.items()}
    else:
        cost = {row: abs(value - rule) for row, value in numbers.items()}
    least = min(cost.values())
    return {row for row, value in cost.items() if value == least}


def is_ours(row: Sequence[Any]) -> bool:
    """Whether a row is the LSTM's own: its first cell begins with the word.

    Examples
    --------
    >>> is_ours(("LSTM, 3 seeds", 0.4)), is_ours(("neuralforecast LSTM", 0.5))
    (True, False)
    """
    return bool(row) and isinstance(row[0], str) and _OURS.match(row[0]) is not None


def row_shares(values: np.ndarray) -> np.ndarray:
    """Each value as a share of its row's sum; NaN in a row without any.

    Examples
    --------
    >>> row_shares(np.array([[3.0, 1.0], [0.0, 0.0]]))
    array([[0.75, 0.25],
           [ nan,  nan]])
    """
    sizes = np.where(np.isfinite(values), np.abs(values), 0.0)
    sizes = sizes / np.maximum(sizes.max(axis=1, keepdims=True, initial=0.0), 1e-300)
    total = sizes.sum(axis=1, keepdims=True)
    return np.where(total > 0, sizes / np.where(total > 0, total, 1.0), np.nan)


def gate_names(gates: dict[str, np.ndarray]) -> list[str]:
    """The gates in the order of the equations, then any others."""
    known = [name for name in GATE_ORDER if name in gates]
    return known + [name for name in gates if name not in GATE_ORDER]


def gate_range(name: str, activations: np.ndarray) -> tuple[float, float]:
    """Between which values a gate is drawn; a few outliers may go beyond.

    Examples
    --------
    >>> gate_range("f", np.zeros((2, 3))), gate_range("g", np.zeros((2, 3)))
    ((0.0, 1.0), (-1.0, 1.0))
    """
    known = np.ravel(activations)
    known = known[np.isfinite(known)]
    if name in ("i", "f", "o"):
        return 0.0, 1.0
    if name == "g" or not known.size:
        return -1.0, 1.0
    if name not in GATE_ORDER and 0 <= known.min() <= known.max() <= 1:
        return 0.0, 1.0
    reach = float(np.quantile(np.abs(known), 0.99)) or 1.0
    return -reach, reach


def unit_means(gates: dict[str, np.ndarray]) -> np.ndarray:
    """How much each unit's forget gate kept on average (or the first gate, without "f").

    A gate that keeps a share f of its cell at each step remembers for about 1 / (1 - f) steps.
    """
    if not gates:
        return np.zeros(0)
    leading = np.asarray(gates.get("f", next(iter(gates.values()))), np.float64)
    means = thin.pool(leading, 1, leading.shape[1])
    return np.nan_to_num(means[0]) if means.size else np.zeros(leading.shape[1])


def unit_order(gates: dict[str, np.ndarray]) -> np.ndarray:
    """Units from the longest to the shortest memory.

    Examples
    --------
    >>> unit_order({"f": np.array([[0.1, 0.9, 0.5]])}).tolist()
    [1, 2, 0]
    """
    return np.argsort(-unit_means(gates), kind="stable")


@dataclass(frozen=True)
class Outlook:
    """A forecast panel as it is drawn: as much of the past as leaves the forecast room.

    Bands run from the widest to the narrowest.
    """

    name: str
    caption: str
    first: int  # the past begins here
    past_times: np.ndarray
    past: np.ndarray
    times: np.ndarray
    point: np.ndarray
    truth: np.ndarray | None
    bands: dict[float, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, panel: ForecastPanel) -> Outlook:
        """Cut the past and turn all values into floats."""
        room = max(int(PAST_PER_HORIZON * len(panel.point)), SHORTEST_PAST)
        first = len(panel.past) - room if len(panel.past) > WORTH_CUTTING * room else 0
        floats = [np.asarray(values, np.float64) for values in (panel.past, panel.point)]
        return cls(
            name=panel.name,
            caption=panel.caption,
            first=first,
            past_times=np.asarray(panel.past_times)[first:],
            past=floats[0][first:],
            times=np.asarray(panel.times),
            point=floats[1],
            truth=None if panel.truth is None else np.asarray(panel.truth, np.float64),
            bands={
                level: (np.asarray(low, np.float64), np.asarray(high, np.float64))
                for level, (low, high) in sorted(panel.bands.items(), reverse=True)
            },
        )

    @property
    def edges(self) -> list[np.ndarray]:
        """Lower and upper edges of all bands."""
        return [edge for pair in self.bands.values() for edge in pair]

    def axes(self) -> tuple[Axis, Axis]:
        """Time and value axes that hold past, truth and forecast, and the bands within reason."""
        core = [self.past, self.point] + ([] if self.truth is None else [self.truth])
        values = np.concatenate(core)
        values = values[np.isfinite(values)]
        edges = self.edges
        if values.size:
            low, high = float(values.min()), float(values.max())
            room = (high / 2 - low / 2) * 2 * BAND_REACH
            edges = [np.clip(edge, low - room, high + room) if room else edge for edge in edges]
        return time_axis(self.past_times, self.times), number_axis(values, *edges, margin=0.05)

    def cutoff(self, x: Axis) -> float | None:
        """Half-way between the last time of the past and the first of the forecast."""
        if not self.past_times.size or not self.times.size:
            return None
        place = float(x.place(self.past_times[-1:])[0] + x.place(self.times[:1])[0]) / 2
        return place if math.isfinite(place) else None


def token_shares(values: np.ndarray) -> np.ndarray:
    """Give the size of each value as a share of the largest one, 0 where there is none.

    Examples
    --------
    >>> token_shares(np.array([0.5, np.nan, -1.0])).tolist()
    [0.5, 0.0, 1.0]
    """
    sizes = np.abs(np.asarray(values, np.float64))
    sizes = np.where(np.isfinite(sizes), sizes, 0.0)
    largest = sizes.max(initial=0.0)
    return sizes / largest if largest > 0 else sizes


def label_order(section: Tokens) -> dict[str, int]:
    """Number the names in a section's passages, the most frequent first."""
    counts = Counter(label for passage in section.passages for label in passage.labels if label)
    return {name: place for place, (name, _) in enumerate(counts.most_common())}


def naming(value: float) -> str:
    """Say in a word what became of a name.

    Examples
    --------
    >>> naming(1.0), naming(-1.0), naming(0.0)
    ('right', 'wrong', 'missed')
    """
    return "right" if value > 0 else "wrong" if value < 0 else "missed"


def risk_axis(section: Risks) -> Axis:
    """Give the axis that all panels share; it stands on 0 where no risk is below."""
    given = [] if section.threshold is None else [section.threshold]
    curves = [np.asarray(panel.risk, np.float64) for panel in section.panels]
    scale = number_axis(np.zeros(1), np.array(given), *curves, margin=0.06)
    is_below = any((curve < 0).any() for curve in [*curves, np.array(given)])
    return scale if is_below else Axis(0.0, scale.high)


def alarm_risks(panel: RiskPanel) -> np.ndarray:
    """Give the risk at each alarm of a panel, NaN where none is known: (A,).

    Examples
    --------
    >>> alarm_risks(RiskPanel("stay 1", np.arange(3.0), np.array([0.1, 0.4, 0.2]), np.ones(1)))
    array([0.4])
    """
    times, risk = np.asarray(panel.times, np.float64), np.asarray(panel.risk, np.float64)
    alarms = np.asarray(panel.alarms, np.float64)
    known = np.isfinite(times) & np.isfinite(risk)
    if not known.any():
        return np.full(len(alarms), np.nan)
    order = np.argsort(times[known], kind="stable")
    place = np.searchsorted(times[known][order], alarms, side="right") - 1
    return np.where(place >= 0, risk[known][order][np.maximum(place, 0)], np.nan)


def strongest_movers(panel: RiskPanel, most: int = 6) -> list[Mover]:
    """Pick what moved a risk most, in the order of time."""
    there = [mover for mover in panel.movers if math.isfinite(mover.effect) and mover.effect]
    strongest = sorted(there, key=lambda mover: -abs(mover.effect))[:most]
    return sorted(strongest, key=lambda mover: mover.time)
