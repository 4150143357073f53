"""Features of the calendar: known for every future time stamp.

Each is a pair of a sine and a cosine over its period, so that the end of a cycle lies beside its
beginning. Leap days move a yearly phase by less than 0.3 per cent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cellstate.data.frequency import DAY_US, Frequency
from cellstate.errors import InputError, did_you_mean, explain

_Phase = Callable[[np.ndarray], np.ndarray]


def _share(fine: str, coarse: str, length: float) -> _Phase:
    def phase(times: np.ndarray) -> np.ndarray:
        passed = times.astype(f"datetime64[{fine}]") - times.astype(f"datetime64[{coarse}]")
        return passed.astype(np.int64) / length

    return phase


def _week_share(times: np.ndarray) -> np.ndarray:
    return ((times.astype("datetime64[D]").astype(np.int64) + 3) % 7) / 7


def _quarter(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[M]").astype(np.int64) % 12 // 3 / 4


FEATURES: dict[str, _Phase] = {
    "second": _share("s", "m", 60),
    "minute": _share("m", "h", 60),
    "hour": _share("h", "D", 24),
    "dayofweek": _week_share,
    "day": _share("D", "M", 31),
    "dayofyear": _share("D", "Y", 365.25),
    "week": lambda times: np.floor(_share("D", "Y", 7)(times)) / 53,
    "month": _share("M", "Y", 12),
    "quarter": _quarter,
}


def resolve(names: Sequence[str], frequency: Frequency) -> tuple[str, ...]:
    """Replace "auto" by the features that can differ between stamps of this frequency.

    Raises
    ------
    InputError
        No such feature, or a named one while stamps are plain integers.

    Examples
    --------
    >>> resolve(("auto",), Frequency.of("h"))
    ('hour', 'dayofweek', 'dayofyear')
    """
    chosen: list[str] = []
    for name in names:
        if name != "auto" and name not in FEATURES:
            raise InputError(
                explain(
                    "Columns",
                    "calendar must name features of the time stamp",
                    repr(name),
                    did_you_mean(name, [*FEATURES, "auto"]),
                )
            )
        if name != "auto" and frequency.is_integer:
            raise InputError(
                explain(
                    "Columns",
                    f"the calendar feature {name!r} needs dates",
                    "integer time stamps",
                    "Give date stamps, or leave calendar empty",
                )
            )
        found = _supported(frequency) if name == "auto" else (name,)
        chosen.extend(feature for feature in found if feature not in chosen)
    return tuple(chosen)


def _supported(frequency: Frequency) -> tuple[str, ...]:
    if frequency.is_integer:
        return ()
    if frequency.kind == "month":
        return ("month",) if frequency.count < 12 else ()
    if frequency.kind == "business":
        return ("dayofweek", "dayofyear")
    found = ["dayofyear"]
    if frequency.count % (7 * DAY_US) != 0:
        found.insert(0, "dayofweek")
    if frequency.is_within_day:
        found.insert(0, "hour")
    if frequency.count % (DAY_US // 24) != 0:
        found.insert(0, "minute")
    return tuple(found)


def feature_names(features: Sequence[str]) -> tuple[str, ...]:
    """Name the columns that `calendar_values` gives, two a feature."""
    return tuple(f"{name}_{wave}" for name in features for wave in ("sin", "cos"))


def calendar_values(times: np.ndarray, features: Sequence[str]) -> np.ndarray:
    """Compute calendar features.

    Parameters
    ----------
    times : ndarray (...)
        datetime64, in local time.
    features : sequence of str
        Names in `FEATURES`.

    Returns
    -------
    ndarray (..., 2 * features), float32
        Sines and cosines in [-1, 1], as `feature_names` orders them.

    Examples
    --------
    >>> calendar_values(np.array(["2024-05-01T06"], dtype="datetime64[us]"), ("hour",)).round(6)
    array([[1., 0.]], dtype=float32)
    """
    values = np.empty((*times.shape, 2 * len(features)), dtype=np.float32)
    for column, name in enumerate(features):
        angle = 2 * np.pi * FEATURES[name](times)
        values[..., 2 * column] = np.sin(angle)
        values[..., 2 * column + 1] = np.cos(angle)
    return values
