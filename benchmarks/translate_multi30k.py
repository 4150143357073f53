"""Multi30k, German to English: an hour of training, then the 2016 test set, once."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.harness import surroundings
from benchmarks.harness.options import Options
from benchmarks.harness.record import PACKAGES, Recorder
from cellstate.data import catalogue
from cellstate.tasks.evaluation import Evaluation
from cellstate.train import TrainConfig

CASE = "de-en, test_2016_flickr"
QUICK_CASE = "de-en, 200 of test_2016_flickr, quick"
LIMIT_S = 3600.0
SPARE_S = 60.0
"""Of the limit, for vocabularies and the baselines."""
QUICK_PAIRS, QUICK_SENTENCES = 2000, 200
SETTINGS = {"size": "small", "vocabulary_size": 5000, "dropout": 0.3, "random_state": 0}
"""Chosen on the validation pairs, never on the test set."""
TRAIN = {"epochs": 40, "patience": 0}

Pairs = tuple[list[str], list[str]]


def run(recorder: Recorder, options: Options) -> None:
    """Train within the limit, weights chosen on the validation pairs; score the test set."""
    import torch

    from cellstate.tasks.text.translator import Translator

    torch.set_num_threads(options.threads)
    train, valid, test = read(options.data_dir)
    case, settings = CASE, TrainConfig(time_limit_s=LIMIT_S - SPARE_S, **TRAIN)
    if options.quick:
        case, settings = QUICK_CASE, TrainConfig(epochs=1)
        train = (train[0][:QUICK_PAIRS], train[1][:QUICK_PAIRS])
        valid, test = (
            (part[0][:QUICK_SENTENCES], part[1][:QUICK_SENTENCES]) for part in (valid, test)
        )

    start, start_cpu = time.perf_counter(), time.process_time()
    model = Translator(**SETTINGS, train=settings).fit(*train, validation=valid)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    record = model.fitted_.record
    recorder.add(case, "cellstate", "fit_seconds", seconds, seed=0)
    recorder.add(case, "cellstate", "fit_cpu_seconds", cpu_seconds, seed=0)
    recorder.add(case, "cellstate", "parameters", record["parameters"])
    recorder.add(case, "cellstate", "best_epoch", record["best_epoch"])
    recorder.add(case, "cellstate", "valid_nats_per_token", record["best_loss"])

    valid_case = case.replace("test_2016_flickr", "val")
    for beam in (1, model.beam):
        start = time.perf_counter()
        model.predict(valid[0], beam=beam)
        speed = len(valid[0]) / (time.perf_counter() - start)
        recorder.add(valid_case, "cellstate", f"sentences_per_second_beam_{beam}", speed)
    _score(recorder, valid_case, model.evaluate(*valid))
    _score(recorder, case, model.evaluate(*test))


def read(data_dir: Path | None) -> tuple[Pairs, Pairs, Pairs]:
    """Read pairs to train on, to choose by, and to test on: German and English lines."""
    from cellstate.data.text.reading import read_parallel

    files = catalogue.paths("multi30k", data_dir)
    parts = [
        read_parallel(*(files[f"text/multi30k/{part}.{side}.gz"] for side in ("de", "en")))
        for part in ("train", "val", "test_2016_flickr")
    ]
    return parts[0], parts[1], parts[2]


def _score(recorder: Recorder, case: str, evaluation: Evaluation) -> None:
    """Record each system's scores, with sacrebleu's signature among the versions."""
    for system, values in evaluation.rows.items():
        name = "cellstate" if system == "LSTM" else system
        for metric, value in values.items():
            signature = evaluation.metrics[metric].signature
            versions = f"{surroundings.versions(PACKAGES)}; sacrebleu {signature}"
            recorder.add(case, name, metric.lower(), value, versions=versions)
