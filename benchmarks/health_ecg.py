"""Heart beats in two classes: the UCR archive's ECG sets, official splits, default settings."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.arrays_ucr import read
from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue

SETS = ("ECG200", "ECGFiveDays", "TwoLeadECG")
SEEDS = (0, 1, 2, 3, 4)
RISKS = ("AUROC", "AUPRC", "Brier", "ECE")


def run(recorder: Recorder, options: Options) -> None:
    """Fit on each training part, score classes and risks on each test part."""
    import torch

    from cellstate import SequenceClassifier
    from cellstate.tasks.health.metrics import score_risks

    torch.set_num_threads(options.threads)
    means = []
    for name, train, test in read(catalogue.path("ucr", options.data_dir)):
        if name not in SETS:
            continue
        scores = []
        for seed in SEEDS[:1] if options.quick else SEEDS:
            start = time.perf_counter()
            model = SequenceClassifier(random_state=seed).fit(*train)
            seconds = time.perf_counter() - start
            scores.append(model.score(*test))
            recorder.add(name, "cellstate", "accuracy", scores[-1], seed=seed, seconds=seconds)
            risks = score_risks(test[1] == model.classes_[1], model.predict_proba(test[0])[:, 1])
            for metric in RISKS:
                recorder.add(name, "cellstate", metric, risks[metric], seed=seed)
        for system, values in model.evaluate(*test).rows.items():
            if system != "LSTM":
                recorder.add(name, system, "accuracy", values["accuracy"])
        means.append(float(np.mean(scores)))
        recorder.add(name, "cellstate", "accuracy_mean", means[-1])
    recorder.add("all", "cellstate", "accuracy_mean", float(np.mean(means)))
