"""A story as one self-contained HTML page."""

from cellstate.inspector.page.document import render

__all__ = ["render"]
