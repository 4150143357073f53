"""Errors of our own in the log: where they happened, and nothing of what was sent."""

from __future__ import annotations

import logging
import traceback

_log = logging.getLogger("cellstate.serve")


def report(what: str, problem: BaseException) -> None:
    """Log an error by its kind and place; its message may hold what a client sent."""
    frames = traceback.extract_tb(problem.__traceback__)
    at = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    _log.error("%s: %s at %s", what, type(problem).__name__, at)
