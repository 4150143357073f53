"""Classification of the UCR archive's sequences: official splits, default settings, accuracy."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue

SETS = (
    "ArrowHead",
    "Coffee",
    "ECG200",
    "ECGFiveDays",
    "GunPoint",
    "ItalyPowerDemand",
    "Trace",
    "TwoLeadECG",
)
QUICK_SETS = ("GunPoint", "ItalyPowerDemand")
SEEDS = (0, 1, 2, 3, 4)

Part = tuple[np.ndarray, np.ndarray]


def run(recorder: Recorder, options: Options) -> None:
    """Fit on each training part, score on each test part; the baselines have no seed."""
    import torch

    from cellstate import SequenceClassifier

    torch.set_num_threads(options.threads)
    wins = []
    for name, train, test in read(catalogue.path("ucr", options.data_dir)):
        if options.quick and name not in QUICK_SETS:
            continue
        scores = []
        for seed in SEEDS[:1] if options.quick else SEEDS:
            start = time.perf_counter()
            model = SequenceClassifier(random_state=seed).fit(*train)
            seconds = time.perf_counter() - start
            scores.append(model.score(*test))
            recorder.add(name, "cellstate", "accuracy", scores[-1], seed=seed, seconds=seconds)
            recorder.add(name, "cellstate", "fit_seconds", seconds, seed=seed)
        baselines = model.evaluate(*test).rows
        for system, values in baselines.items():
            if system != "LSTM":
                recorder.add(name, system, "accuracy", values["accuracy"])
        others = [v["accuracy"] for system, v in baselines.items() if system != "LSTM"]
        wins.append(np.mean(scores) >= max(others))
        recorder.add(name, "cellstate", "accuracy_mean", float(np.mean(scores)))
    recorder.add("all", "cellstate", "sets_not_lost_to_a_baseline", float(np.sum(wins)))


def read(path: Path) -> Iterator[tuple[str, Part, Part]]:
    """Yield each data set's name, training part and test part: rows (n, time) and classes (n,)."""
    with tarfile.open(path) as archive:
        members = {Path(member.name).name: member for member in archive.getmembers()}
        for name in SETS:
            parts = []
            for part in ("TRAIN", "TEST"):
                file = archive.extractfile(members[f"{name}_{part}.tsv"])
                assert file is not None
                table = np.loadtxt(io.TextIOWrapper(file, "utf-8"), delimiter="\t")
                parts.append((table[:, 1:], table[:, 0].astype(int)))
            yield name, parts[0], parts[1]
