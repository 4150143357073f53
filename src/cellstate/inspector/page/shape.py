"""SVG shapes over a canvas of 10,000 by 10,000 that the page stretches to any size.

Lines keep their width and text is laid over in HTML, so one drawing serves a phone and a wall.
A missing value ends a line; a value between two missing ones is a dot.
"""

from __future__ import annotations

import numpy as np

from cellstate.inspector.page.markup import Markup, element

CANVAS = 10_000


def across(places: np.ndarray) -> np.ndarray:
    """Places in [0, 1] from left to right, as canvas units; far outside is brought near."""
    return np.clip(np.asarray(places, np.float64), -5, 6) * CANVAS


def up(places: np.ndarray) -> np.ndarray:
    """Places in [0, 1] from bottom to top, likewise."""
    return (1 - np.clip(np.asarray(places, np.float64), -5, 6)) * CANVAS


def line(x: np.ndarray, y: np.ndarray, class_: str) -> Markup:
    """A curve through places in [0, 1], with gaps where either is NaN."""
    left, top = across(x), up(y)
    parts = [
        _points(left[run], top[run]) + ("h0" if run.stop - run.start == 1 else "")
        for run in runs(np.isfinite(left) & np.isfinite(top))
    ]
    return element("path", class_=f"line {class_}", d="".join(parts)) if parts else Markup("")


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, class_: str, style: str) -> Markup:
    """The area between two curves; a lone step is drawn as a narrow bar."""
    left, bottom, top = across(x), up(low), up(high)
    parts: list[str] = []
    for run in runs(np.isfinite(left) & np.isfinite(bottom) & np.isfinite(top)):
        at, under, over = left[run], bottom[run], top[run]
        if at.size == 1:
            at = np.array([at[0] - 60, at[0] + 60])
            under, over = np.repeat(under, 2), np.repeat(over, 2)
        back = _points(at[::-1], under[::-1])
        parts.append(f"{_points(at, over)}L{back[1:]}Z")
    return element("path", class_=class_, style=style, d="".join(parts)) if parts else Markup("")


def bars(left: np.ndarray, right: np.ndarray, height: np.ndarray) -> Markup:
    """Bars that stand on the ground, between places in [0, 1]."""
    outline = [
        f"M{a:.0f} {CANVAS}V{top:.0f}H{b:.0f}V{CANVAS}Z"
        for a, b, top, tall in zip(across(left), across(right), up(height), height, strict=True)
        if tall > 0
    ]
    return element("path", class_="bar", d="".join(outline))


def upright(x: float, class_: str) -> Markup:
    """A vertical rule at a place in [0, 1]."""
    return element("path", class_=class_, d=f"M{x * CANVAS:.0f} 0V{CANVAS}")


def stretch(start: float, stop: float, class_: str) -> Markup:
    """Everything between two places in [0, 1], from top to bottom."""
    left, right = start * CANVAS, stop * CANVAS
    return element("path", class_=class_, d=f"M{left:.0f} 0H{right:.0f}V{CANVAS}H{left:.0f}Z")


def level(y: float, class_: str) -> Markup:
    """A horizontal rule at a place in [0, 1]."""
    return element("path", class_=class_, d=f"M0 {(1 - y) * CANVAS:.0f}H{CANVAS}")


def runs(present: np.ndarray) -> list[slice]:
    """The stretches of a mask that are true.

    Examples
    --------
    >>> runs(np.array([True, True, False, True]))
    [slice(0, 2, None), slice(3, 4, None)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return "M" + "L".join(f"{a:.0f} {b:.0f}" for a, b in zip(x, y, strict=True))
