"""How long the networks of stays are trained, and in what batches, decided from their number."""

from __future__ import annotations

from typing import Any

MOST_EPOCHS = 60


def training_defaults(
    rows: int, always: dict[str, Any], *, updates: int, fewest_epochs: int
) -> dict[str, Any]:
    """Choose batch size, epochs, averaging and patience.

    Parameters
    ----------
    rows : int
        Stays to learn from.
    always : dict
        Settings that do not depend on their number.
    updates : int
        Steps of training, more or less, whatever the number of stays.
    fewest_epochs : int

    Examples
    --------
    >>> training_defaults(3200, {}, updates=400, fewest_epochs=6)["epochs"]
    8
    """
    batch_size = 32 if rows < 2000 else 64 if rows < 20_000 else 256
    per_epoch = -(-rows // batch_size)
    epochs = min(MOST_EPOCHS, max(fewest_epochs, round(updates / per_epoch)))
    return {
        **always,
        "batch_size": batch_size,
        "epochs": epochs,
        # The average looks back over a twentieth of the run.
        "average": min(0.999, max(0.9, 1.0 - 20.0 / (epochs * per_epoch))),
        "patience": max(4, epochs // 3),
        "device": "auto" if rows >= 5000 else "cpu",
    }
