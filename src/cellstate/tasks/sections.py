"""What an estimator has to show: plain data that the inspector turns into a page or a table.

A section knows nothing of HTML or terminals. Arrays are NumPy; times are numbers or
``datetime64``; levels are per cent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` is "plain", "good" or "warning"."""

    title: str
    body: str
    tone: str = "plain"


@dataclass(frozen=True)
class Facts:
    """Name and value pairs, such as the data's fingerprint or how to reproduce the fit."""

    title: str
    rows: tuple[tuple[str, str], ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of numbers beside names; `best` maps a column to "min", "max" or a target value."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    best: dict[str, str | float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Lines:
    """Curves over one shared axis, such as losses over epochs."""

    title: str
    x: np.ndarray
    curves: dict[str, np.ndarray]
    x_label: str
    y_label: str
    log_y: bool = False
    marks: tuple[tuple[float, str], ...] = ()  # vertical marks: position, label
    note: str = ""


@dataclass(frozen=True)
class ForecastPanel:
    """One series: its past, the truth where known, the forecast and its intervals."""

    name: str
    past_times: np.ndarray  # (P,)
    past: np.ndarray  # (P,), NaN where missing
    times: np.ndarray  # (H,)
    point: np.ndarray  # (H,)
    bands: dict[float, tuple[np.ndarray, np.ndarray]]  # level in per cent -> (lower, upper)
    truth: np.ndarray | None = None  # (H,)
    caption: str = ""


@dataclass(frozen=True)
class Forecasts:
    """Forecast panels side by side: the best, the median and the worst series, say."""

    title: str
    panels: tuple[ForecastPanel, ...]
    note: str = ""


@dataclass(frozen=True)
class Histogram:
    """Counts of values between edges, such as residuals."""

    title: str
    edges: np.ndarray  # (N + 1,)
    counts: np.ndarray  # (N,)
    x_label: str
    note: str = ""


@dataclass(frozen=True)
class Calibration:
    """Nominal against observed shares, both in per cent."""

    title: str
    nominal: np.ndarray
    observed: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Gates:
    """What the gates did over one window: activations in [0, 1] (g and c in their own range)."""

    title: str
    step_labels: tuple[str, ...]  # (T,)
    gates: dict[str, np.ndarray]  # "i", "f", "g", "o", "c" -> (T, H)
    signal: np.ndarray | None = None  # (T,), the input beside it
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """Counts or shares by row and column names, such as a confusion matrix."""

    title: str
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    values: np.ndarray
    row_label: str
    column_label: str
    note: str = ""


@dataclass(frozen=True)
class Passage:
    """One text in pieces that together are the text, and what each adds to what was said of it.

    Values are above 0 where a piece speaks for it, below 0 where it speaks against it, NaN where it
    has no say, as white space has none.

    With `labels`, pieces are named: a value is above 0 where the name is right, below 0 where it is
    wrong, and 0 where a piece should have been named so and was not.
    """

    caption: str
    pieces: tuple[str, ...]  # (N,)
    values: np.ndarray  # (N,)
    labels: tuple[str, ...] = ()  # (N,), "" for a piece without a name; or none at all


@dataclass(frozen=True)
class Tokens:
    """Texts whose words are coloured by what they add, or by what they are named.

    What words add is shown on a scale of each passage's own.
    """

    title: str
    passages: tuple[Passage, ...]
    note: str = ""


@dataclass(frozen=True)
class Mover:
    """What moved a risk: when, what it was, and by how much, above 0 where it raised it."""

    time: float
    name: str
    effect: float


@dataclass(frozen=True)
class RiskPanel:
    """One subject: a risk over time, the alarms on it, the event where there was one.

    A page may be sent on: `name` is a number such as "stay 1", never an id.
    """

    name: str
    times: np.ndarray  # (T,), rising
    risk: np.ndarray  # (T,), NaN where there is none
    alarms: np.ndarray  # (A,) times at which one sounded
    event: float | None = None  # its time
    movers: tuple[Mover, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class Risks:
    """Risks of single subjects side by side, on one scale."""

    title: str
    panels: tuple[RiskPanel, ...]
    threshold: float | None = None  # from which an alarm sounds
    event: str = "event"  # what it is called
    x_label: str = "hours"
    y_label: str = "risk"
    note: str = ""


Section = (
    Text
    | Facts
    | Table
    | Lines
    | Forecasts
    | Histogram
    | Calibration
    | Gates
    | Matrix
    | Tokens
    | Risks
)


@dataclass(frozen=True)
class Story:
    """All that one fitted estimator has to show, in reading order."""

    title: str
    summary: str
    sections: tuple[Section, ...]
