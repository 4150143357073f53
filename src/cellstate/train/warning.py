"""The one category of this package's warnings, so that they can be filtered together."""

from __future__ import annotations


class TrainingWarning(UserWarning):
    """Training goes on, but something about it deserves a look."""
