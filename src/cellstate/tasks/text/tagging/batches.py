"""Sentences of word forms as the tagging network's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellstate.tasks.text.tagging.word_forms import FormTable

if TYPE_CHECKING:
    import torch

    from cellstate.nn.tagging import Forms

PARTS = ("words", "cases", "chars", "char_lengths", "grams")


def batch_of(table: FormTable, forms: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Pad sentences, and keep each form of them once.

    Parameters
    ----------
    table : FormTable
    forms : list of np.ndarray
        (words,) rows of the table.

    Returns
    -------
    dict
        The forms' numbers by the names of `PARTS`; ``rows`` (U,), where they are in the table;
        ``at`` (B, T), the form at each place, and ``lengths`` (B,).
    """
    lengths = np.array([len(row) for row in forms], dtype=np.int64)
    # A batch of nothing but empty sentences still has one form to compute with.
    flat = np.concatenate([*forms, np.zeros(0, np.int64)])
    rows, at = np.unique(flat if len(flat) else np.zeros(1, np.int64), return_inverse=True)
    at_BT = np.zeros((len(forms), int(lengths.max(initial=0))), dtype=np.int64)
    at_BT[np.arange(at_BT.shape[1]) < lengths[:, None]] = at[: len(flat)]
    return {**table.take(rows), "rows": rows, "at": at_BT, "lengths": lengths}


def forms_of(batch: dict[str, torch.Tensor]) -> Forms:
    """Pick the forms out of a batch of tensors."""
    from cellstate.nn.tagging import Forms

    return Forms(*(batch[name] for name in PARTS))
