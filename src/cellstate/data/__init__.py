"""Raw inputs to typed NumPy arrays: frames, panels, windows, public data sets. Needs no torch.

Each name is imported when first asked for, so that the catalogue does not wait for NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellstate.data.columns import Columns
    from cellstate.data.files import read_frame, write_frame
    from cellstate.data.frames import to_panel
    from cellstate.data.frequency import Frequency
    from cellstate.data.future import future_values
    from cellstate.data.growth import append
    from cellstate.data.origin import Origin
    from cellstate.data.panel import Panel
    from cellstate.data.static import StaticEncoder
    from cellstate.data.windows import Windows, gather_windows, has_windows, split_windows

__all__ = [
    "Columns",
    "Frequency",
    "Origin",
    "Panel",
    "StaticEncoder",
    "Windows",
    "append",
    "future_values",
    "gather_windows",
    "has_windows",
    "read_frame",
    "split_windows",
    "to_panel",
    "write_frame",
]

_HOMES = {
    "Columns": "columns",
    "Frequency": "frequency",
    "Origin": "origin",
    "Panel": "panel",
    "StaticEncoder": "static",
    "Windows": "windows",
    "append": "growth",
    "future_values": "future",
    "gather_windows": "windows",
    "has_windows": "windows",
    "read_frame": "files",
    "split_windows": "windows",
    "to_panel": "frames",
    "write_frame": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
