"""Death in hospital from the first 48 hours of intensive care: PhysioNet 2012, set A.

Five folds by patient and outcome, default settings; each fold is scored once, by what learned from
the four others. Beside it, in the same run on the first fold, a GRU-D of another package where one
is installed.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue

FOLDS = 5
HOURS = 48.0
RISKS = ("AUROC", "AUPRC", "Brier", "log_loss", "ECE")
PUBLISHED = {"GRU-D (published)": 0.8424, "LSTM-mean (published)": 0.8025}
"""Z. Che et al., "Recurrent neural networks for multivariate time series with missing values",
Scientific Reports 8, 2018: five folds of the same set."""
QUICK_STAYS = 800


def run(recorder: Recorder, options: Options) -> None:
    """Fit on four folds at a time, score the fifth; then all rows together."""
    import polars as pl
    import torch

    from cellstate import OutcomePredictor
    from cellstate.data.health.left_out import LeftOutWarning
    from cellstate.data.health.physionet2012 import read_outcomes, read_physionet2012
    from cellstate.tasks.health.bootstrap import bootstrap, paired_difference
    from cellstate.tasks.health.metrics import RiskScorer, score_risks

    torch.set_num_threads(options.threads)
    found = catalogue.paths("physionet2012", options.data_dir)
    archive = next(path for name, path in found.items() if name.endswith(".tar.xz"))
    answers = next(path for name, path in found.items() if name.endswith(".txt"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)
        start = time.perf_counter()
        events = read_physionet2012(archive)
        recorder.add("all", "cellstate", "read_seconds", time.perf_counter() - start)
    recorder.add("all", "cellstate", "events_left_out", len(events.left_out))
    outcomes = read_outcomes(answers)
    died, subjects = outcomes.died.astype(np.int64), outcomes.subjects
    fold = stratified(died, FOLDS)
    if options.quick:
        kept = np.sort(np.random.default_rng(0).permutation(len(died))[:QUICK_STAYS])
        died, subjects, fold = died[kept], subjects[kept], fold[kept]
    table = pl.DataFrame({"subject_id": subjects.tolist(), "died": died})
    said: dict[str, np.ndarray] = {}
    fit_seconds, predict_seconds = [], []
    for k in range(1 if options.quick else FOLDS):
        learn, test = table.filter(pl.Series(fold != k)), table.filter(pl.Series(fold == k))
        model = OutcomePredictor("died", window_h=HOURS, random_state=k)
        start = time.perf_counter()
        model.fit(events, learn)
        fit_seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        model.predict_risk(events, test)
        predict_seconds.append(time.perf_counter() - start)
        for system, risks in answers_of(model, events, test).items():
            said.setdefault(system, np.full(len(died), np.nan))[fold == k] = risks
            scores = score_risks(died[fold == k], risks)
            for metric in RISKS:
                value = scores[metric.replace("_", " ")]
                recorder.add(f"fold {k}", system, metric, value, seed=k)
    scored = ~np.isnan(said["cellstate"])
    for system, risks in said.items():
        folds = [
            score_risks(died[fold == k], risks[fold == k])["AUROC"]
            for k in range(FOLDS)
            if scored[fold == k].all()
        ]
        recorder.add("all", system, "AUROC_mean", float(np.mean(folds)))
        scores = score_risks(died[scored], risks[scored])
        for metric in RISKS:
            recorder.add("all", system, metric, scores[metric.replace("_", " ")])
    ours = RiskScorer.of(died[scored], said["cellstate"][scored])
    interval = bootstrap(ours, subjects[scored])["AUROC"]
    recorder.add("all", "cellstate", "AUROC_low", interval.low)
    recorder.add("all", "cellstate", "AUROC_high", interval.high)
    for system in said:
        if system.startswith("gradient boosting"):
            trees = RiskScorer.of(died[scored], said[system][scored])
            gap = paired_difference(ours, trees, subjects[scored])["AUROC"]
            for name in ("value", "low", "high"):
                recorder.add("all", "cellstate", f"AUROC_over_trees_{name}", getattr(gap, name))
    for system, value in PUBLISHED.items():
        recorder.add("all", system, "AUROC_mean", value)
    recorder.add("all", "cellstate", "fit_seconds", float(np.mean(fit_seconds)))
    recorder.add("all", "cellstate", "predict_seconds", float(np.mean(predict_seconds)))


def stratified(outcome: np.ndarray, folds: int) -> np.ndarray:
    """Number the fold of each stay, the same share of outcomes in each: (n,)."""
    order = np.random.default_rng(2012).permutation(len(outcome))
    order = order[np.argsort(outcome[order], kind="stable")]
    fold = np.empty(len(outcome), dtype=np.int64)
    fold[order] = np.arange(len(outcome)) % folds
    return fold


def answers_of(model: Any, events: Any, test: Any) -> dict[str, np.ndarray]:
    """Give the risks of the model, of its networks alone and of the baselines for a fold."""
    names = {"LSTM": "cellstate", "LSTM networks alone": "cellstate, networks alone"}
    said = model.compare(events, test)
    return {names.get(system, system): risks for system, risks in said.items()}
