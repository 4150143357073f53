"""Half an hour of everything: do the server's memory, descriptors and files stay as they are?"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.serve_load import MB, served
from benchmarks.serving.disk import record_disk
from benchmarks.serving.mixed import Client
from benchmarks.serving.model import save_model
from benchmarks.serving.server import Server
from benchmarks.serving.trend import trend

SECONDS, QUICK_SECONDS = 1800.0, 60.0
CLIENTS, RATE = 4, 50.0  # requests of each client in a second
SAMPLES = 1.0  # seconds between two
REMEMBERED = 10.0, 1 / 30  # seconds, share of the run: the longer, without an event, is forgotten
LOG = 200  # events that are kept of each entity


class Sample(NamedTuple):
    """What the server holds at a moment."""

    resident_megabytes: float
    anonymous_megabytes: float
    descriptors: float
    store_megabytes: float


def run(recorder: Recorder, options: Options) -> None:
    """Let clients do what they do, sample, and judge the second half."""
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    with tempfile.TemporaryDirectory(prefix="serve-soak-") as name:
        scratch = Path(name)
        record_disk(recorder, scratch, quick=options.quick)
        model = save_model(scratch / "model")
        ttl = max(REMEMBERED[0], REMEMBERED[1] * seconds)
        words = ("--ttl", f"{ttl:.0f}s", "--history", str(LOG))
        with served(model, scratch, words) as server:
            clients = [Client(server.port, number, RATE) for number in range(CLIENTS)]
            for client in clients:
                client.start()
            at, samples = watch(server, clients, seconds)
            for client in clients:
                client.stop()
    case = f"{seconds:g} s of mixed load, {CLIENTS} clients"
    record_minutes(recorder, case, at, samples)
    record_halves(recorder, case, at, samples)
    done = sum((client.done for client in clients), start=type(clients[0].done)())
    for act, count in sorted(done.items()):
        recorder.add(case, "cellstate", f"count_of_{act}", count)


def watch(server: Server, clients: list[Client], seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Sample until the time is over.

    Raises
    ------
    RuntimeError
        A client got what it must not get.
    """
    start = time.monotonic()
    at, samples = [], []
    while (now := time.monotonic() - start) < seconds:
        for client in clients:
            if client.problem is not None:
                raise RuntimeError(f"after {now:.0f} s: {client.problem}\n{server.words()}")
        usage = server.usage()
        samples.append(
            Sample(
                usage.resident / MB,
                usage.anonymous / MB,
                usage.descriptors,
                server.store_bytes() / MB,
            )
        )
        at.append(now)
        time.sleep(SAMPLES)
    return np.array(at), np.array(samples)


def record_minutes(recorder: Recorder, case: str, at: np.ndarray, samples: np.ndarray) -> None:
    """Add each quantity's mean over each minute, in which a growth's form can be seen."""
    minutes = (at / 60).astype(int)
    for minute in range(minutes[-1] + 1):
        means = samples[minutes == minute].mean(axis=0)
        for name, mean in zip(Sample._fields, means, strict=True):
            recorder.add(f"{case}, minute {minute + 1}", "cellstate", f"{name}_mean", float(mean))


def record_halves(recorder: Recorder, case: str, at: np.ndarray, samples: np.ndarray) -> None:
    """Add each quantity's level in both halves, its trend in the second, and the verdict."""
    half = len(at) // 2
    for column, name in enumerate(Sample._fields):
        values = samples[:, column]
        found = trend(at[half:], values[half:])
        for metric, value in (
            (f"{name}_first_half_maximum", values[:half].max()),
            (f"{name}_second_half_maximum", values[half:].max()),
            (f"{name}_second_half_mean", found.level),
            (f"{name}_growth_percent_an_hour", found.growth),
            (f"{name}_growth_low", found.low),
            (f"{name}_growth_high", found.high),
            (f"{name}_is_flat", float(found.is_flat)),
        ):
            recorder.add(case, "cellstate", metric, float(value))
