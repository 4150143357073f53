"""A server on a disk that fails at every single change, one after the other."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.serving.crash_events import event_of, make_stream
from benchmarks.serving.crash_kills import SETTINGS
from benchmarks.serving.crash_ledger import Ledger, told_of
from cellstate.runtime.network_stream import NetworkStream
from cellstate.serve.engine import Engine
from cellstate.serve.stores import sqlite_checkpoint
from cellstate.serve.stores.sqlite import SqliteStore
from tests.serve.stores.faulty_vfs import FaultyVFS, Plan

REQUESTS, EVENTS = 4, 12
MOST = 2000  # changes; a run makes far fewer


def fail_everywhere(
    folder: Path, fault: str, seed: int, step: int
) -> tuple[Counter[str], Counter[str]]:
    """Let every `step`-th change of a run fail, each in a run of its own, from the `seed`-th on.

    Returns
    -------
    counts, wrong : Counter
        See `Ledger`; "faults" counts the runs that met one.
    """
    with _on_purpose():
        return _fail_everywhere(folder, fault, seed, step)


@contextmanager
def _on_purpose() -> Iterator[None]:
    """Copy the log of the file back often, and do not report what is meant to fail."""
    log, pages = logging.getLogger("cellstate.serve"), sqlite_checkpoint.PAGES
    level = log.level
    sqlite_checkpoint.PAGES = 40
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        sqlite_checkpoint.PAGES = pages
        log.setLevel(level)


def _fail_everywhere(
    folder: Path, fault: str, seed: int, step: int
) -> tuple[Counter[str], Counter[str]]:
    stream, chance = make_stream(), random.Random(f"{fault} {seed}")
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for at in range(1 + seed, MOST, step):
        path = folder / f"faults-{seed}-{at}.db"
        ledger = Ledger(stream)
        plan = Plan()
        run(path, stream, ledger, plan, fault, at, chance)
        counts += ledger.counts
        wrong += ledger.wrong
        for file in folder.glob(f"{path.name}*"):
            file.unlink()
        if not plan.struck:
            break
        counts["faults"] += 1
    return counts, wrong


def run(
    path: Path,
    stream: NetworkStream,
    ledger: Ledger,
    plan: Plan,
    fault: str,
    at: int,
    chance: random.Random,
) -> None:
    """Serve a few requests, one of which meets the fault; send again what failed; judge."""
    vfs = FaultyVFS(plan, remembers=fault == "power cut")
    engine = Engine(stream, SqliteStore(path, vfs=vfs.vfs_name), SETTINGS)
    engine.start()
    plan.arm(fault, at, times=chance.choice([1, 1, 3]))
    for request in range(REQUESTS):
        ids = [f"{at}.{request}.{n}-{n + EVENTS * request}" for n in range(EVENTS)]
        ids += chance.sample(ledger.ids, min(2, len(ledger.ids)))
        for _ in range(3):  # until all is known
            outcomes = engine.push("", [event_of(id) for id in ids])
            ledger.note(map(told_of, ids, outcomes))
            if plan.is_dead or all(one.status != "failed" for one in outcomes):
                break
            plan.disarm()
        if plan.is_dead:
            break
    engine.stop()
    if plan.is_dead:
        plan.lose(chance)
    store = SqliteStore(path)
    ledger.judge(store)
    engine = Engine(stream, store, SETTINGS)
    engine.start()
    ledger.ask_again(engine, ledger.ids)
    engine.stop()
