"""Cellstate beside other forecasting libraries, each as whole processes on the same data.

Each system trains within the same budget on ETTh1 and answers every test window of the standard
protocol; then each does its shortest hello-world on airline passengers with default settings. The
score is computed here, from the forecasts that the processes leave behind.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import protocols
from benchmarks.harness import Options, Recorder, measure
from benchmarks.harness.options import ROOT
from benchmarks.peers import job as peer_job
from benchmarks.peers.job import Answer, Job
from cellstate.data import catalogue
from cellstate.errors import InputError, explain

PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
BUDGET_SECONDS = 300.0
QUICK_SECONDS = 10.0
SEED = 1
MIB = 2**20
ETTH1, HELLO = "ETTh1, horizon 96", "airline, last 12"
# its recursive forecasts of 2,785 windows would take hours
HELLO_ONLY = ("darts RNNModel",)
# their default settings train for minutes, which the quick form does not wait for
SLOW_HELLO = ("neuralforecast LSTM", "neuralforecast DLinear")
IMPORTS = {
    "cellstate": "import cellstate; cellstate.Forecaster",
    "neuralforecast": "import neuralforecast",
    "darts": "from darts.models import BlockRNNModel",
}


@dataclass(frozen=True)
class Done:
    """A job that was run in a process of its own."""

    answer: Answer
    wall_seconds: float
    peak_bytes: int


def run(recorder: Recorder, options: Options) -> None:
    """Measure every system at every task that it has, then say how much faster Cellstate is."""
    if not PEERS_PYTHON.exists():
        raise InputError(
            explain(
                "forecast-peers",
                "the peers' environment must exist",
                f"no {PEERS_PYTHON.relative_to(ROOT)}",
                "Make it with: make bench-peers-env",
            )
        )
    etth1 = catalogue.path("etth1", options.data_dir)
    air = catalogue.path("airline", options.data_dir)
    _imports(recorder, options)
    for system in peer_job.SYSTEMS:
        print(f"{system} …", file=sys.stderr, flush=True)
        if system not in HELLO_ONLY:
            _etth1(recorder, options, system, etth1)
        if not (options.quick and system in SLOW_HELLO):
            _hello(recorder, system, air)
    _ratios(recorder, ETTH1, ("fit_seconds", "predict_seconds", "peak_mib"))
    _ratios(recorder, HELLO, ("process_seconds",))
    _ratios(recorder, "import", ("import_seconds",))


def python_of(system: str) -> Path:
    """The interpreter of the environment that a system lives in."""
    return Path(sys.executable) if system == "cellstate" else PEERS_PYTHON


def answered(wanted: Job, python: Path) -> Done:
    """Run a job in a process of its own.

    Raises
    ------
    RuntimeError
        The process failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        wanted = replace(wanted, answer=str(Path(scratch, "answer.json")))
        order = Path(scratch, "job.json")
        peer_job.write(wanted, order)
        measured = measure(
            [python, "-m", "benchmarks.peers.job", order],
            folder=Path(scratch),  # where libraries may leave logs and checkpoints
            environment={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        ).require_success(wanted.system)
        return Done(peer_job.read_answer(wanted), measured.wall_seconds, measured.peak_bytes)


def _imports(recorder: Recorder, options: Options) -> None:
    """How long it takes until a library can be used: a whole process less an empty one."""
    rounds = 1 if options.quick else 5
    for system, statement in IMPORTS.items():
        python = python_of(system)
        seconds = [_seconds(python, statement) - _seconds(python, "pass") for _ in range(rounds)]
        recorder.add("import", system, "import_seconds", sorted(seconds)[rounds // 2], threads=1)


def _seconds(python: Path, statement: str) -> float:
    measured = measure([python, "-c", statement], folder=ROOT)
    return measured.require_success(statement).wall_seconds


def _etth1(recorder: Recorder, options: Options, system: str, path: Path) -> None:
    budget = QUICK_SECONDS if options.quick else BUDGET_SECONDS
    wanted = Job(system, "etth1", str(path), budget, options.threads, SEED, answer="")
    done = answered(wanted, python_of(system))
    truth = protocols.test_windows(protocols.etth1(path).values, wanted.horizon)
    mse, mae = protocols.errors(done.answer.forecasts, truth)
    figures = {
        "mse": mse,
        "mae": mae,
        "fit_seconds": done.answer.fit_seconds,
        "predict_seconds": done.answer.predict_seconds,
        "peak_mib": done.peak_bytes / MIB,
    }
    _add(recorder, ETTH1, system, figures, done, options.threads)


def _hello(recorder: Recorder, system: str, path: Path) -> None:
    """Measure the whole process from a cold start on one thread, as a newcomer meets it."""
    wanted = Job(system, "hello", str(path), 0.0, 1, SEED, answer="")
    done = answered(wanted, python_of(system))
    _, values = protocols.air_passengers(path)
    figures = {
        "process_seconds": done.wall_seconds,
        "smape": protocols.smape(done.answer.forecasts, values[-protocols.AIR_HELD_OUT :]),
        "peak_mib": done.peak_bytes / MIB,
    }
    _add(recorder, HELLO, system, figures, done, threads=1)


def _add(
    recorder: Recorder, case: str, system: str, figures: dict[str, float], done: Done, threads: int
) -> None:
    for metric, value in figures.items():
        recorder.add(
            case,
            system,
            metric,
            value,
            seed=SEED,
            seconds=done.wall_seconds,
            threads=threads,
            versions=done.answer.versions,
        )


def _ratios(recorder: Recorder, case: str, metrics: tuple[str, ...]) -> None:
    """How many times less Cellstate needs than each other."""
    for metric in metrics:
        found = {
            row.system: row.value
            for row in recorder.rows
            if (row.case, row.metric) == (case, metric)
        }
        ours = found.pop("cellstate")
        for system, value in found.items():
            recorder.add(case, "cellstate", f"times_less_{metric}_than {system}", value / ours)
