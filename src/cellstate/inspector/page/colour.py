"""Colour ramps that step evenly for the eye: straight lines in OKLab.

Blue against orange-red is told apart with every common kind of colour blindness. Each ramp has a
form for light and one for dark pages, in which "nothing" is the colour of the paper.

References
----------
B. Ottosson, "A perceptual color space for image processing", 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ramp:
    """Colours for values from low to high, on light and on dark paper."""

    light: tuple[str, ...]
    dark: tuple[str, ...]


SEQUENTIAL = Ramp(
    light=("#f3f1ea", "#a9cbe0", "#3b86bd", "#0b4a80"),
    dark=("#1b222a", "#23507a", "#4a9bd6", "#d3ecff"),
)
DIVERGING = Ramp(
    light=("#0b4a80", "#6ba5cf", "#f3f1ea", "#e0895a", "#9c3706"),
    dark=("#8fd0ff", "#2f6f9f", "#1b222a", "#a8602c", "#ffbe85"),
)

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def palette(stops: tuple[str, ...], size: int) -> np.ndarray:
    """Colours at equal distances along a ramp.

    Returns
    -------
    ndarray, uint8, (size, 3)
        Red, green and blue.

    Examples
    --------
    >>> palette(("#000000", "#ffffff"), 2).tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    codes = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    lab = np.cbrt(_linear(codes / 255.0) @ _TO_LMS.T) @ _TO_LAB.T
    at = np.linspace(0, len(stops) - 1, size)
    path = np.stack([np.interp(at, np.arange(len(stops)), lab[:, axis]) for axis in range(3)], 1)
    linear = (path @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T
    return np.rint(np.clip(_encoded(linear), 0, 1) * 255).astype(np.uint8)


def gradient(stops: tuple[str, ...]) -> str:
    """The same ramp as a CSS gradient from left to right."""
    return f"linear-gradient(90deg in oklab,{','.join(stops)})"


def _linear(encoded: np.ndarray) -> np.ndarray:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _encoded(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
