"""The first fold of PhysioNet 2012 beside PyPOTS' GRU-D: seconds to fit and predict, and AUROC.

GRU-D gets the hourly means of the same stays, z-scored, with a fifth of the training stays to stop
by; it has 64 units, batches of 64, at most 100 epochs and a patience of 10.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.harness.options import ROOT, Options
from benchmarks.harness.record import Recorder
from benchmarks.health_p12 import FOLDS, HOURS, stratified
from cellstate.data import catalogue
from cellstate.errors import InputError, explain

PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
EPOCHS, QUICK_EPOCHS = 100, 2
GRUD = "PyPOTS GRU-D"
CASE = "fold 0"


def run(recorder: Recorder, options: Options) -> None:
    """Fit and predict with both, one after the other, on as many threads."""
    import polars as pl
    import torch

    from cellstate import OutcomePredictor
    from cellstate.data.health.left_out import LeftOutWarning
    from cellstate.data.health.physionet2012 import read_outcomes, read_physionet2012
    from cellstate.data.health.timelines import Layout, lay_out
    from cellstate.data.health.windows import windows_of
    from cellstate.tasks.health.metrics import score_risks

    if not PEERS_PYTHON.exists():
        must, do = "the peers' environment must exist", "Make it with: make bench-peers-env"
        given = f"no {PEERS_PYTHON.relative_to(ROOT)}"
        raise InputError(explain("health-peers", must, given, do))
    torch.set_num_threads(options.threads)
    found = catalogue.paths("physionet2012", options.data_dir)
    archive = next(path for name, path in found.items() if name.endswith(".tar.xz"))
    answers = next(path for name, path in found.items() if name.endswith(".txt"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)
        events = read_physionet2012(archive)
    outcomes = read_outcomes(answers).aligned(events.subjects.tolist())
    died = outcomes.died.astype(np.int64)
    fold = stratified(died, FOLDS)
    table = pl.DataFrame({"subject_id": events.subjects.tolist(), "died": died})
    learn, test = table.filter(pl.Series(fold != 0)), table.filter(pl.Series(fold == 0))
    start = time.perf_counter()
    model = OutcomePredictor("died", window_h=HOURS, random_state=0).fit(events, learn)
    fitted = time.perf_counter()
    risks = model.predict_risk(events, test)
    done = time.perf_counter()
    ours = {"fit_seconds": fitted - start, "predict_seconds": done - fitted}
    scores = score_risks(died[fold == 0], risks)
    laid = lay_out(
        events,
        windows_of(events, events.subjects, start=np.zeros(len(events)), length_h=HOURS),
        Layout.of(events, 1.0),
    )
    grid = np.full((len(laid), int(HOURS), len(laid.variables)), np.nan, dtype=np.float32)
    owner = np.repeat(np.arange(len(laid)), laid.steps)
    grid[owner, np.ceil(laid.hours).astype(int).clip(1, int(HOURS)) - 1] = laid.values
    theirs, grud = _grud(grid, died, fold, options)
    for system, seconds, auroc, auprc in (
        ("cellstate", ours, scores["AUROC"], scores["AUPRC"]),
        (GRUD, theirs, grud["AUROC"], grud["AUPRC"]),
    ):
        for name, value in seconds.items():
            recorder.add(CASE, system, name, value, seed=0)
        recorder.add(CASE, system, "AUROC", auroc, seed=0)
        recorder.add(CASE, system, "AUPRC", auprc, seed=0)
    ratio = sum(theirs.values()) / sum(ours.values())
    recorder.add(CASE, "cellstate", "times_faster_than_grud", ratio, seed=0)


def _grud(
    grid: np.ndarray, died: np.ndarray, fold: np.ndarray, options: Options
) -> tuple[dict[str, float], dict[str, float]]:
    from cellstate.tasks.health.metrics import score_risks

    learn = np.flatnonzero(fold != 0)
    valid = learn[stratified(died[learn], FOLDS) == 0]
    train, test = np.setdiff1d(learn, valid), np.flatnonzero(fold == 0)
    middle, spread = np.nanmean(grid[train], (0, 1)), np.nanstd(grid[train], (0, 1)) + 1e-6
    grid = (grid - middle) / spread
    parts = {"train": train, "valid": valid, "test": test}
    arrays = {f"{name}_x": grid[rows] for name, rows in parts.items()}
    arrays |= {f"{name}_y": died[rows] for name, rows in parts.items()}
    epochs = QUICK_EPOCHS if options.quick else EPOCHS
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "stays.npz", **arrays)
        script = ROOT / "benchmarks" / "peers" / "pypots_grud.py"
        command = [PEERS_PYTHON, script, folder, options.threads, epochs]
        subprocess.run([str(part) for part in command], check=True, cwd=folder, capture_output=True)
        told = np.load(Path(folder) / "grud.npz")
        seconds = {name: float(told[name]) for name in ("fit_seconds", "predict_seconds")}
        return seconds, score_risks(died[test], told["risks"])
