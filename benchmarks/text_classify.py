"""Classes of sentences without word vectors from elsewhere: published splits, default settings.

Networks stop, and probabilities are calibrated, by the published development rows; TREC has none,
and a tenth of its training rows is held out instead. Test rows are looked at once, at the end.
"""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue

SEEDS = {"sst2": (0, 1, 2), "sst5": (0,), "trec": (0, 1, 2)}
"""Three, but one of SST-5, of which a fit takes over ten minutes of a core."""
QUICK_ROWS = 1200
PUBLISHED = {"sst2": 0.827, "sst5": 0.450, "trec": 0.912}
"""CNN-rand: Y. Kim, "Convolutional neural networks for sentence classification", EMNLP 2014."""

Part = tuple[list[str], list[str]]


def sst2(recorder: Recorder, options: Options) -> None:
    """Stanford Sentiment Treebank, whole sentences, positive or negative."""
    measure("sst2", recorder, options)


def sst5(recorder: Recorder, options: Options) -> None:
    """Stanford Sentiment Treebank, whole sentences, five degrees."""
    measure("sst5", recorder, options)


def trec(recorder: Recorder, options: Options) -> None:
    """TREC's questions, the six coarse classes."""
    measure("trec", recorder, options)


def measure(name: str, recorder: Recorder, options: Options) -> None:
    """Fit once a seed; score the networks, their mean and the baselines on the test rows."""
    import torch

    from cellstate import TextClassifier

    torch.set_num_threads(options.threads)
    parts = read(name, options.data_dir)
    train, test = parts["train"], parts["test"]
    if options.quick:
        train = (train[0][:QUICK_ROWS], train[1][:QUICK_ROWS])
    scores, seconds = [], []
    for seed in SEEDS[name][:1] if options.quick else SEEDS[name]:
        # The sentences of the treebank are cut into words already, by white space.
        kind = "word" if name == "trec" else "whitespace"
        model = TextClassifier(tokenizer=kind, random_state=seed)
        start, begun = time.perf_counter(), time.process_time()
        model.fit(*train, validation=parts.get("dev"))
        wall, cpu = time.perf_counter() - start, time.process_time() - begun
        evaluation = model.evaluate(*test)
        scores.append(evaluation.metric("accuracy"))
        seconds.append(cpu)
        recorder.add(name, "cellstate", "accuracy", scores[-1], seed=seed, seconds=wall)
        for metric in ("macro F1", "ECE"):
            value = evaluation.metric(metric)
            recorder.add(name, "cellstate", metric.replace(" ", "_"), value, seed=seed)
        held = model.evaluate().metric("accuracy")
        recorder.add(name, "cellstate", "accuracy_held_out", held, seed=seed)
        recorder.add(name, "cellstate", "cpu_seconds", cpu, seed=seed)
        for system in evaluation.rows:
            if system.startswith("LSTM "):
                value = evaluation.metric("accuracy", system)
                recorder.add(name, system, "accuracy", value, seed=seed)
    for system in evaluation.rows:  # the baselines have no seed
        if not system.startswith("LSTM"):
            recorder.add(name, system, "accuracy", evaluation.metric("accuracy", system))
    recorder.add(name, "CNN-rand (published)", "accuracy", PUBLISHED[name])
    recorder.add(name, "cellstate", "accuracy_mean", float(np.mean(scores)))
    recorder.add(name, "cellstate", "cpu_seconds_mean", float(np.mean(seconds)))


def read(name: str, data_dir: Path | None) -> dict[str, Part]:
    """Read texts and labels of every part: the label stands first on each line."""
    parts: dict[str, Part] = {}
    for path, found in catalogue.paths(name, data_dir).items():
        raw = found.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8", "replace")
        rows = [line.split(" ", 1) for line in text.splitlines() if line.strip()]
        part = Path(path).name.split(".")[0]
        parts[part] = ([row[1] for row in rows], [row[0].split(":")[0] for row in rows])
    return parts
