"""What a peer is asked to do and what it answers.

``python -m benchmarks.peers.job JOB.json`` runs one job. The job names the system (a key of
`SYSTEMS`), the task, the data file, how long training may take, and where to answer: a JSON file
with what was measured, and the forecasts as ``.npy`` beside it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

SYSTEMS = {
    "cellstate": "benchmarks.peers.cellstate_models:Direct",  # in Cellstate's own environment
    "neuralforecast LSTM": "benchmarks.peers.neuralforecast_models:LSTM",
    "neuralforecast DLinear": "benchmarks.peers.neuralforecast_models:DLinear",
    "darts BlockRNNModel": "benchmarks.peers.darts_models:BlockRNN",
    "darts RNNModel": "benchmarks.peers.darts_models:RNN",
}


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes
    ----------
    system : str
        A key of `SYSTEMS`.
    task : str
        ``"etth1"``: the standard protocol, within the budget. ``"hello"``: the last twelve
        months of airline passengers with the library's defaults, whatever they take.
    data : str
        The data file.
    budget_seconds : float
        How long training may take, in the first task.
    threads : int
        How many threads torch may use.
    seed : int
        The seed.
    answer : str
        The JSON file to write; the forecasts go beside it, ending in ``.npy``.
    horizon, context : int
        Steps ahead and steps to look back, in the first task.
    """

    system: str
    task: str
    data: str
    budget_seconds: float
    threads: int
    seed: int
    answer: str
    horizon: int = 96
    context: int = 96


@dataclass
class Answer:
    """What was measured; the forecasts are (windows, horizon, channels) or (12,)."""

    forecasts: np.ndarray
    fit_seconds: float
    predict_seconds: float
    import_seconds: float = 0.0
    steps: int = 0
    versions: str = ""


def write(job: Job, path: Path) -> None:
    """Write a job for another process."""
    path.write_text(json.dumps(asdict(job)), encoding="utf-8")


def read_answer(job: Job) -> Answer:
    """Read what the other process answered."""
    path = Path(job.answer)
    forecasts = np.load(path.with_suffix(".npy"), allow_pickle=False)
    return Answer(forecasts=forecasts, **json.loads(path.read_text(encoding="utf-8")))


def main() -> None:
    """Run the job that the command line names, and write its answer."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(job.threads)
    start = time.perf_counter()
    module, name = SYSTEMS[job.system].split(":")
    system = getattr(importlib.import_module(module), name)  # this imports the library
    import_seconds = time.perf_counter() - start
    answer: Answer = getattr(system, job.task)(job)
    answer.import_seconds = import_seconds
    words = asdict(answer)
    path = Path(job.answer)
    np.save(path.with_suffix(".npy"), words.pop("forecasts"))
    path.write_text(json.dumps(words), encoding="utf-8")


if __name__ == "__main__":
    main()
