"""PyPOTS' GRU-D on stays laid out hour by hour, as its documentation does it.

Run as ``python pypots_grud.py WORK THREADS EPOCHS``: reads ``WORK/stays.npz`` and leaves
``WORK/grud.npz`` with risks of the test stays and the seconds of both parts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pypots
import torch
from pypots.classification import GRUD

HIDDEN, BATCH, PATIENCE = 64, 64, 10


def main(work: Path, threads: int, epochs: int) -> None:
    """Train with early stopping on the validation stays; answer for the test stays."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    stays = np.load(work / "stays.npz")
    n_steps, n_features = stays["train_x"].shape[1:]
    model = GRUD(
        n_steps,
        n_features,
        n_classes=2,
        rnn_hidden_size=HIDDEN,
        batch_size=BATCH,
        epochs=epochs,
        patience=PATIENCE,
        device="cpu",
        verbose=False,
    )
    start = time.perf_counter()
    model.fit(
        {"X": stays["train_x"], "y": stays["train_y"]},
        {"X": stays["valid_x"], "y": stays["valid_y"]},
    )
    fitted = time.perf_counter()
    risks = np.asarray(model.predict_proba({"X": stays["test_x"]}))[:, 1]
    done = time.perf_counter()
    np.savez(
        work / "grud.npz",
        risks=risks,
        fit_seconds=fitted - start,
        predict_seconds=done - fitted,
        version=f"pypots {pypots.__version__}, torch {torch.__version__}",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
