"""Scores of patients that were held out, as a model's file keeps them: sums, no patients."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.health.records.scoring import ALL_METRICS


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Give the scores, JSON-ready; what is not defined is None."""
    return {
        "rows": _plain(evaluation.rows),
        "decided_by": evaluation.decided_by,
        "protocol": evaluation.protocol,
        "notes": list(evaluation.notes),
        "by_class": _plain(evaluation.by_class),
    }


def from_dict(data: dict[str, Any]) -> Evaluation:
    """Read them back."""
    return Evaluation(
        _numbers(data["rows"]),
        str(data["decided_by"]),
        str(data["protocol"]),
        tuple(data["notes"]),
        by_class=_numbers(data["by_class"]),
        metrics=ALL_METRICS,
    )


def _plain(table: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    return {
        name: {column: float(v) if np.isfinite(v) else None for column, v in values.items()}
        for name, values in table.items()
    }


def _numbers(table: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        name: {column: np.nan if v is None else float(v) for column, v in values.items()}
        for name, values in table.items()
    }
