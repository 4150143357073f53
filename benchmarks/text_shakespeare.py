"""Plays of Shakespeare by characters: 90 % for training, one stream over the last 10 %."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue

CASE = "tiny-shakespeare, last 10 %"
TRAIN_SECONDS = 1200.0
QUICK_SECONDS = 40.0
SEED = 0
PUBLISHED = {
    # README of github.com/karpathy/nanoGPT: three minutes on a CPU, and on an A100. Its loss is of
    # windows drawn from the last 10 %, each read from nothing.
    "nanoGPT on a CPU (published)": 1.88,
    "nanoGPT on a GPU (published)": 1.4697,
    "minLSTM (published)": 1.555,  # L. Feng et al., "Were RNNs all we needed?", 2024
}


def run(recorder: Recorder, options: Options) -> None:
    """Fit for twenty minutes at most, then score the test part once."""
    import torch

    from cellstate import LanguageModel, TrainConfig
    from cellstate.tasks.text.language.dynamic import DynamicEvaluation
    from cellstate.tasks.text.language.stream_score import NeuralCache

    torch.set_num_threads(options.threads)
    train, test = read(catalogue.path("tiny-shakespeare", options.data_dir))
    limit = QUICK_SECONDS if options.quick else TRAIN_SECONDS
    config = TrainConfig(time_limit_s=limit)
    size = "small" if options.quick else "medium"
    model = LanguageModel(tokenizer="char", size=size, random_state=SEED, train=config)
    start, cpu = time.perf_counter(), time.process_time()
    # Settings were chosen with the end of the training part held out. It is learned from here: it
    # is the beginning of the play that the test part goes on with.
    model.fit(train, held_out=0.0)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    record = model.fitted_.record
    if options.quick:
        test = test[:10_000]
    evaluation = model.evaluate(test, cache=NeuralCache(), dynamic=DynamicEvaluation())
    for system, values in evaluation.rows.items():
        name = system.replace("LSTM", "cellstate")
        recorder.add(CASE, name, "nats_per_character", values["nats per token"], seed=SEED)
        recorder.add(CASE, name, "bits_per_character", values["bits per character"], seed=SEED)
    tokens = record["data"]["tokens"]
    figures = {
        "fit_seconds": seconds,
        "fit_cpu_seconds": cpu_seconds,
        "epochs": record["history"][-1]["step"] * record["streams"] * record["context"] / tokens,
        "parameters": record["parameters"],
    }
    for metric, value in figures.items():
        recorder.add(CASE, "cellstate", metric, value, seed=SEED, seconds=seconds)
    for system, nats in PUBLISHED.items():
        recorder.add(CASE, system, "nats_per_character", nats)


def read(path: Path) -> tuple[str, str]:
    """Give the training part and the test part."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        text = file.read()
    cut = int(0.9 * len(text))
    return text[:cut], text[cut:]
