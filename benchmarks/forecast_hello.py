"""Airline passengers from a cold start: import, fit with default settings, predict, one thread."""

from __future__ import annotations

import json
import sys

import numpy as np

from benchmarks.harness.options import ROOT, Options
from benchmarks.harness.process import measure
from benchmarks.harness.record import Recorder
from cellstate.data import catalogue

SEEDS = (0, 1, 2, 3, 4)
PROGRAM = """
import json, sys
from cellstate.data.series import airline
from cellstate.tasks.forecast.forecaster import Forecaster
frame = airline(sys.argv[1] if sys.argv[1] != "-" else None)
forecaster = Forecaster(12, random_state=int(sys.argv[2])).fit(frame[:-12])
said, truth = forecaster.predict()["LSTM"].to_numpy(), frame["y"][-12:].to_numpy()
smape = (200 * abs(said - truth) / (abs(said) + abs(truth))).mean()
print(json.dumps({"smape": smape, "torch_threads": __import__("torch").get_num_threads()}))
"""


def run(recorder: Recorder, options: Options) -> None:
    """Measure whole processes; the last twelve months are never seen."""
    catalogue.path("airline", options.data_dir)  # says what is missing before anything is timed
    seeds = SEEDS[:1] if options.quick else SEEDS
    walls, errors = [], []
    for seed in seeds:
        done = measure(
            [sys.executable, "-c", PROGRAM, options.data_dir or "-", str(seed)],
            environment={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            folder=ROOT,
        ).require_success("the process")
        said = json.loads(done.stdout)
        assert said["torch_threads"] == 1
        figures = {
            "process_seconds": done.wall_seconds,
            "process_cpu_seconds": done.cpu_seconds,
            "peak_mib": done.peak_bytes / 2**20,
            "smape": said["smape"],
        }
        for metric, value in figures.items():
            recorder.add("airline, last 12", "cellstate", metric, value, seed=seed, threads=1)
        walls.append(done.wall_seconds)
        errors.append(said["smape"])
    for metric, values in (("process_seconds", walls), ("smape", errors)):
        for name, value in (("median", np.median(values)), ("max", np.max(values))):
            recorder.add("airline, last 12", "cellstate", f"{metric}_{name}", float(value),
                         threads=1)  # fmt: skip
    imports = [
        measure([sys.executable, "-c", "import cellstate; cellstate.Forecaster"], folder=ROOT)
        .require_success("the import")
        .wall_seconds
        for _ in range(7)
    ]
    bare = [measure([sys.executable, "-c", "pass"], folder=ROOT).wall_seconds for _ in range(7)]
    seconds = float(np.median(imports) - np.median(bare))
    recorder.add("import", "cellstate", "import_seconds", seconds, threads=1)
