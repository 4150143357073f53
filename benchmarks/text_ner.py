"""Disease names in PubMed abstracts: NCBI-disease, official split, three seeds, entity F1.

Settings were chosen on the devel part alone. For the test, networks learn from the train and the
devel part together, as published systems do once they are tuned, for a number of epochs that was
fixed before; the same without the devel part, which then chooses the epoch, is beside it.
"""

from __future__ import annotations

import time

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue
from cellstate.data.text.reading import read_conll

CASE = "NCBI-disease"
SEEDS = (0, 1, 2)
QUICK_SENTENCES = 800
QUICK_EPOCHS = 4


def run(recorder: Recorder, options: Options) -> None:
    """Fit on the training part, score on the test part; the baselines have no seed."""
    import torch

    from cellstate import SequenceTagger, TrainConfig

    torch.set_num_threads(options.threads)
    files = catalogue.paths("ncbi-disease", options.data_dir)
    train, devel, test = (
        read_conll(files[f"text/ncbi_disease/{part}.tsv.gz"]) for part in ("train", "devel", "test")
    )
    settings = None
    if options.quick:
        train, devel, test = (
            tuple(column[:QUICK_SENTENCES] for column in part) for part in (train, devel, test)
        )
        settings = TrainConfig(epochs=QUICK_EPOCHS)
    both = tuple(one + other for one, other in zip(train, devel, strict=True))
    size = "small" if options.quick else "large"
    means: dict[str, list[float]] = {}
    for seed in SEEDS[:1] if options.quick else SEEDS:
        for part, learn, valid in (("train", train, devel), ("train and devel", both, None)):
            case = f"{CASE}, {part}"
            tagger = SequenceTagger(size=size, held_out=0.0, random_state=seed, train=settings)
            start, cpu = time.perf_counter(), time.process_time()
            tagger.fit(*learn, valid=valid)
            cpu = time.process_time() - cpu
            seconds = time.perf_counter() - start
            evaluation = tagger.evaluate(*test)
            for name in ("F1", "precision", "recall"):
                value = 100.0 * evaluation.metric(name)
                metric = f"entity_{name.lower()}_percent"
                recorder.add(case, "cellstate", metric, value, seed=seed, seconds=seconds)
            recorder.add(case, "cellstate", "fit_seconds", seconds, seed=seed)
            recorder.add(case, "cellstate", "fit_cpu_seconds", cpu, seed=seed)
            means.setdefault(case, []).append(100.0 * evaluation.metric("F1"))
            if valid is not None:
                value = 100.0 * tagger.evaluate(*devel).metric("F1")
                recorder.add(case, "cellstate", "devel_entity_f1_percent", value, seed=seed)
            if seed == SEEDS[0]:
                for system in list(evaluation.rows)[1:]:
                    value = 100.0 * evaluation.metric("F1", system)
                    recorder.add(case, system, "entity_f1_percent", value)
    for case, values in means.items():
        recorder.add(case, "cellstate", "entity_f1_percent_mean", sum(values) / len(values))
