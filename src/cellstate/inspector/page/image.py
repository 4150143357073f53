"""Heatmaps as small PNG pictures: one byte a cell, the colours in the file's palette."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from cellstate.inspector.page.colour import Ramp, palette
from cellstate.inspector.page.markup import Markup, element

SHADES = 255
MISSING = 255  # this index is transparent


def shades(cells: np.ndarray, low: float, high: float) -> np.ndarray:
    """Cells as palette indices: 0 for `low`, 254 for `high`, 255 for missing.

    Examples
    --------
    >>> shades(np.array([[0.0, 0.5, 1.0, np.nan]]), 0, 1).tolist()
    [[0, 127, 254, 255]]
    """
    known = np.isfinite(cells)
    share = (np.where(known, cells, low) - low) / ((high - low) or 1.0)
    return np.where(known, np.clip(share, 0, 1) * (SHADES - 1), MISSING).astype(np.uint8)


def png(indices: np.ndarray, colours: np.ndarray) -> bytes:
    """Encode palette indices (rows, columns) with their colours (255, 3)."""
    rows, columns = indices.shape
    scanlines = np.zeros((rows, columns + 1), np.uint8)  # each begins with filter type 0, none
    scanlines[:, 1:] = indices
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, content)
        for kind, content in (
            (b"IHDR", header),
            (b"PLTE", colours.tobytes() + bytes(3)),
            (b"tRNS", b"\xff" * SHADES + b"\x00"),
            (b"IDAT", zlib.compress(scanlines.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def picture(indices: np.ndarray, ramp: Ramp, description: str) -> Markup:
    """One heatmap that follows the reader's light or dark setting."""
    light, dark = (
        "data:image/png;base64,"
        + base64.b64encode(png(indices, palette(stops, SHADES))).decode("ascii")
        for stops in (ramp.light, ramp.dark)
    )
    return element(
        "picture",
        element("source", media="screen and (prefers-color-scheme: dark)", srcset=dark),
        element("img", src=light, alt=description),
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
