"""MIMIC-IV demo, 100 patients: from the tables to next-admission codes and laboratory values.

A demonstration of the road, not of skill: 48 patients have more than one admission. Five folds by
patient, three seeds of folds and networks; what is said of each admission comes from a model that
has not seen its patient. The network's head was designed with scores of these patients in sight.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue

FOLDS, SEEDS = 5, (0, 1, 2)
CODES, DIAGNOSES, LABS = "next codes", "next diagnoses", "next labs"
LEVEL = 80.0
METRICS = {
    "recall@10": "recall_at_10",
    "recall@20": "recall_at_20",
    "precision@10": "precision_at_10",
    "label loss": "label_loss",
    "micro AUROC": "micro_auroc",
    "scaled MAE": "scaled_mae",
    "coverage": "coverage_80",
    "scaled width": "scaled_width",
}


def run(recorder: Recorder, options: Options) -> None:
    """Read the tables, then fit and score each fold."""
    import torch

    from cellstate.data.health.left_out import LeftOutWarning
    from cellstate.data.health.mimic import read_mimic

    torch.set_num_threads(options.threads)
    folder = catalogue.path("mimic4-demo", options.data_dir)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)  # counted below
        mimic = read_mimic(folder)
    seconds = time.perf_counter() - start
    visits = mimic.visits
    for name, value in {
        "read_seconds": seconds,
        "patients": len(visits.subjects),
        "admissions": len(visits),
        "different_codes": len(visits.codes),
        "events": len(mimic.events.hours),
        "rows_left_out": len(mimic.left_out),
    }.items():
        recorder.add("tables", "cellstate", name, value)
    for seed in SEEDS[:1] if options.quick else SEEDS:
        _codes(recorder, CODES, visits, seed, target="next")
        _codes(recorder, DIAGNOSES, visits, seed, target="next", answers="DX")
        _labs(recorder, visits, seed)


def _codes(recorder: Recorder, case: str, visits: Any, seed: int, **arguments: Any) -> None:
    """Score the codes of the next admission, by each admission that another follows."""
    from cellstate.tasks.health.records.scoring import AREA, RowScorer, codes_by_row

    found, seconds = _crossed(visits, seed, **arguments)

    rows: dict[str, list[dict[str, np.ndarray]]] = {}
    areas: dict[str, list[tuple[float, int]]] = {}
    patients = np.concatenate([part.patients for part in found])
    for part in found:
        for system, said in part.answers.items():
            rows.setdefault(system, []).append(codes_by_row(part.truth > 0, said))
            areas.setdefault(system, []).append((_area(part.truth, said), len(said)))
    scorers = {system: RowScorer(_joined(parts), None) for system, parts in rows.items()}
    _record(recorder, case, scorers, patients, seed, seconds)
    for system, parts in areas.items():
        values, sizes = zip(*parts, strict=True)
        mean = float(np.average(values, weights=sizes))  # folds have codes of their own
        recorder.add(case, _named(system), METRICS[AREA], mean, seed=seed)
    known = float(np.mean([part.share_known for part in found]))
    recorder.add(case, "cellstate", "percent_of_next_codes_known", 100.0 * known, seed=seed)


def _labs(recorder: Recorder, visits: Any, seed: int) -> None:
    """Score the first laboratory values of the next admission, with their intervals."""
    from cellstate.tasks.health.records.scoring import RowScorer, values_by_row

    found, seconds = _crossed(visits, seed, target="labs", level=LEVEL)
    rows: dict[str, list[dict[str, np.ndarray]]] = {}
    for part in found:
        for system, said in part.answers.items():
            rows.setdefault(system, []).append(values_by_row(part.truth, said))
    patients = np.concatenate([part.patients for part in found])
    scorers = {system: RowScorer(_joined(parts), None) for system, parts in rows.items()}
    _record(recorder, LABS, scorers, patients, seed, seconds)


def _crossed(visits: Any, seed: int, **arguments: Any) -> tuple[list[Any], float]:
    """Fit on four folds and answer for the fifth, for each of them."""
    from cellstate import RecordsModel
    from cellstate.tasks.health.records.vocabulary import UnknownCodesWarning

    fold = visits.folds(FOLDS, seed=seed)
    places = np.arange(len(visits.subjects))
    found, seconds = [], 0.0
    for k in range(FOLDS):
        start = time.process_time()
        model = RecordsModel(random_state=seed, **arguments).fit(visits.take(fold != k))
        seconds += time.process_time() - start
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownCodesWarning)  # their share is recorded
            told = model.told(visits.take(fold == k))
        found.append(replace(told, patients=places[fold == k][told.patients]))
    return found, seconds / FOLDS


def _record(
    recorder: Recorder,
    case: str,
    scorers: dict[str, Any],
    patients: np.ndarray,
    seed: int,
    seconds: float,
) -> None:
    from cellstate.tasks.evaluation import NAME
    from cellstate.tasks.health.bootstrap import bootstrap, paired_difference

    for system, scorer in scorers.items():
        for name, value in scorer(np.ones(len(patients))).items():
            recorder.add(case, _named(system), METRICS[name], value, seed=seed)
    name = next(iter(scorers[NAME].rows))
    interval = bootstrap(scorers[NAME], patients, seed=seed)[name]
    for end in ("low", "high"):
        value = getattr(interval, end)
        recorder.add(case, "cellstate", f"{METRICS[name]}_{end}_95", value, seed=seed)
    for system, scorer in scorers.items():
        if system != NAME:
            lead = paired_difference(scorers[NAME], scorer, patients, seed=seed)[name]
            for part in ("value", "low", "high"):
                metric = f"{METRICS[name]}_lead_{part}"
                recorder.add(case, system, metric, getattr(lead, part), seed=seed)
    recorder.add(case, "cellstate", "fit_cpu_seconds", seconds, seed=seed)


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _area(truth: np.ndarray, said: np.ndarray) -> float:
    from cellstate.tasks.health.ranking import Ranking

    return Ranking.of(truth.ravel() > 0, said.ravel()).found().auroc()


def _named(system: str) -> str:
    from cellstate.tasks.evaluation import NAME

    return "cellstate" if system == NAME else system
