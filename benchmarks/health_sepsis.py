"""A risk of sepsis every hour: PhysioNet 2019, 6,000 patients of set B, split by patient.

Seven tenths and a tenth of the patients are learned from, two tenths are scored once. Thresholds
of the network and of each baseline come from patients that they left out in training.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue

TEST_SHARE = 0.2
LEAD_H = 6.0
"""Labels are 1 from six hours before the onset on."""
ALARMS_PER_DAY = 0.5
STATIC = ("Age", "Gender", "Unit1", "Unit2", "HospAdmTime")
METRICS = {
    "AUROC": "AUROC",
    "AUPRC": "AUPRC",
    "ECE": "ECE",
    "utility": "utility",
    "events found": "sensitivity",
    "true alarms": "precision",
    "alarms a day": "alarms_per_patient_day",
    "lead, h": "lead_time",
}
QUICK_PATIENTS = 600
STREAMED = 50
"""Test patients who are watched event by event too."""


def run(recorder: Recorder, options: Options) -> None:
    """Fit, score the test patients, and watch some of them one event at a time."""
    import polars as pl
    import torch

    from cellstate import VitalsMonitor
    from cellstate.data.health.left_out import LeftOutWarning
    from cellstate.data.health.physionet2019 import read_physionet2019

    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore", LeftOutWarning)
    events, labels = read_physionet2019(catalogue.path("sepsis2019", options.data_dir))
    recorder.add("data", "cellstate", "events_left_out", len(events.left_out))
    ids = np.array(labels.subjects.tolist())
    owner = labels.subject
    ill = np.bincount(owner, np.nan_to_num(labels.label), len(ids)) > 0
    part = parted(ill, TEST_SHARE)
    if options.quick:
        rows = np.random.default_rng(0).permutation(len(ids))[:QUICK_PATIENTS]
        kept = np.isin(np.arange(len(ids)), rows)
    else:
        kept = np.ones(len(ids), dtype=bool)
    table = pl.DataFrame({"subject_id": ids[owner], "time": labels.hours, "sepsis": labels.label})
    sets = {}
    for name, mask in (("learn", kept & ~part), ("test", kept & part)):
        sets[name] = events.take(mask), table.filter(pl.Series(mask[owner]))
        recorder.add("data", "cellstate", f"patients_{name}", int(mask.sum()))
        recorder.add("data", "cellstate", f"septic_{name}", int(ill[mask].sum()))
    model = VitalsMonitor("sepsis", alarms_per_day=ALARMS_PER_DAY, lead_h=LEAD_H, random_state=0)
    start = time.perf_counter()
    model.fit(*sets["learn"])
    recorder.add("test", "cellstate", "fit_seconds", time.perf_counter() - start)
    start = time.perf_counter()
    told = model.predict(*sets["test"])
    recorder.add("test", "cellstate", "predict_seconds", time.perf_counter() - start)
    evaluation = model.evaluate(*sets["test"])
    for system, values in evaluation.rows.items():
        name = "cellstate" if system == "LSTM" else system
        for metric, column in METRICS.items():
            if np.isfinite(values[metric]):  # who raises no alarm has no share of true ones
                recorder.add("test", name, column, values[metric], seed=0)
    worst, micros = streamed(model, sets["test"], told)
    recorder.add("stream", "cellstate", "largest_difference_from_batch", worst)
    recorder.add("stream", "cellstate", "microseconds_per_event", micros)


def parted(is_ill: np.ndarray, share: float) -> np.ndarray:
    """Choose test patients, the same share of the ill and of the others: (n,) bool."""
    rng = np.random.default_rng(2019)
    chosen = np.zeros(len(is_ill), dtype=bool)
    for kind in (True, False):
        rows = rng.permutation(np.flatnonzero(is_ill == kind))
        chosen[rows[: round(share * len(rows))]] = True
    return chosen


def streamed(model: Any, test: tuple[Any, Any], told: Any) -> tuple[float, float]:
    """Watch patients event by event; give the largest difference and the time of an event."""
    events, labels = test
    worst, count, seconds = 0.0, 0, 0.0
    for place in range(min(STREAMED, len(events))):
        subject = events.subjects[place]
        rows = events.of_subject(place)
        hours, code, value = events.hours[rows], events.code[rows], events.value[rows]
        fixed = np.isneginf(hours)
        static = {
            events.codes[c]: v
            for c, v in zip(code[fixed], value[fixed], strict=True)
            if events.codes[c] in model.fitted_.layout.static
        }
        bed = model.stream(static)
        mine = told["subject_id"] == subject
        asked = labels.filter(labels["subject_id"] == subject)["time"].to_numpy()
        for hour, risk in zip(np.sort(asked), told["risk"][mine], strict=True):
            here = hours == hour
            measured = {
                events.codes[c]: v
                for c, v in zip(code[here], value[here], strict=True)
                if events.codes[c] in model.variables_
            }
            start = time.perf_counter()
            reading = bed.push(float(hour), measured)
            seconds += time.perf_counter() - start
            worst, count = max(worst, abs(reading.risk - float(risk))), count + 1
    return worst, 1e6 * seconds / max(1, count)
