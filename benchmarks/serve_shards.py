"""Three servers on one PostgreSQL database; one is killed under load, and started again.

What counts is what the clients know: every event that was acknowledged must be in the log once,
with the answer that was given, and every answer and state must be that of a replay of the log.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.serving.disk import record_disk
from benchmarks.serving.judge import judge
from benchmarks.serving.model import save_model
from benchmarks.serving.sender import Acknowledged, Sender
from benchmarks.serving.server import HOST, Server, free_port
from cellstate.serve.stores import AbstractStore, open_store
from cellstate.serve.stores.store import shard_of
from tests.serve.stores.postgresql_cluster import cluster, why_not

SERVERS, VICTIM = 3, 1
SENDERS, GAP = 96, 0.1  # clients with an entity each, seconds between its events
SECONDS, QUICK_SECONDS = 90.0, 45.0
KILLED, STARTED = 1 / 3, 2 / 3  # of the run


def run(recorder: Recorder, options: Options) -> None:
    """Serve, kill one, start it again, and hold the log to what clients know.

    Raises
    ------
    RuntimeError
        PostgreSQL cannot be started, or a client got what it must not get.
    """
    if reason := why_not():
        raise RuntimeError(reason)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    with cluster(flushes=True) as database, tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        record_disk(recorder, scratch, quick=options.quick)
        model = save_model(scratch / "model")
        ports = [free_port() for _ in range(SERVERS)]
        senders = [Sender(ports, number, GAP) for number in range(SENDERS)]
        with ExitStack() as stack:
            servers = [
                stack.enter_context(served(model, database.url, scratch, place, port))
                for place, port in enumerate(ports)
            ]
            for server in servers:
                server.wait()
            start = time.monotonic()
            for sender in senders:
                sender.start()
            wait_until(start + KILLED * seconds, senders)
            with closing(open_store(database.url, create=False)) as store:
                shards = shards_of(store, servers[VICTIM])
            servers[VICTIM].kill()
            killed = time.monotonic()
            wait_until(start + STARTED * seconds, senders)
            started = time.monotonic()
            again = served(model, database.url, scratch, VICTIM, ports[VICTIM])
            stack.enter_context(again)
            wait_until(start + seconds, senders)
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.join()
        known = [one for sender in senders for one in sender.acknowledged]
        with closing(open_store(database.url, create=False)) as store:
            found = judge(known, store, model)
            homes = {one.entity: shard_of("", one.entity, store.shards) for one in senders}
    case = f"{SERVERS} processes, one killed after {KILLED * seconds:.0f} s"
    found["events_acknowledged"] = len(known)
    found["sendings"] = sum(sender.sendings for sender in senders)
    found["shards_of_the_killed"] = len(shards)
    for metric, count in found.items():
        recorder.add(case, "cellstate on PostgreSQL", metric, count)
    figures = outage(known, homes, shards, killed, started)
    for metric, value in figures.items():
        recorder.add(case, "cellstate on PostgreSQL", metric, value)


def served(model: Path, store: str, scratch: Path, place: int, port: int) -> Server:
    """Start one of the servers."""
    address = f"http://{HOST}:{port}"
    words = ("--share", f"{place + 1}/{SERVERS}", "--address", address)
    return Server(model, store, scratch, words, port)


def wait_until(moment: float, senders: Sequence[Sender]) -> None:
    """Sleep, but not on when a client has a problem.

    Raises
    ------
    RuntimeError
        A client got what it must not get.
    """
    while (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))
        for sender in senders:
            if sender.problem is not None:
                raise RuntimeError(str(sender.problem)) from sender.problem


def shards_of(store: AbstractStore, server: Server) -> set[int]:
    """Give the shards that a server holds."""
    address = f"http://{HOST}:{server.port}"
    return {shard for shard in range(store.shards) if store.holder(shard) == address}


def outage(
    known: Sequence[Acknowledged],
    homes: dict[str, int],
    shards: set[int],
    killed: float,
    started: float,
) -> dict[str, float]:
    """Say how long the killed server's entities waited, and what the others noticed.

    Parameters
    ----------
    known : sequence of Acknowledged
    homes : dict of str to int
        Shard of each entity.
    shards : set of int
        Of the killed server.
    killed, started : float
        When it was killed, and started again.
    """
    back = dict.fromkeys(shards, np.inf)
    others: list[float] = []
    after: list[float] = []
    for one in known:
        home = homes[one.entity]
        if one.ended > started:
            after.append(one.ended - one.began)
        elif one.ended > killed and home in shards:
            back[home] = min(back[home], one.ended - killed)
        elif one.ended > killed:
            others.append(one.ended - one.began)
    waited = [seconds for seconds in back.values() if seconds < np.inf]
    return {
        "takeover_seconds_median": float(np.median(waited)),
        "takeover_seconds_maximum": max(waited),
        "others_milliseconds_p50_meanwhile": 1e3 * float(np.percentile(others, 50)),
        "others_milliseconds_maximum_meanwhile": 1e3 * max(others),
        "all_milliseconds_p50_after_its_return": 1e3 * float(np.percentile(after, 50)),
        "all_milliseconds_maximum_after_its_return": 1e3 * max(after),
    }
