"""A process that serves under load until it is killed, and the next one on the same file."""

from __future__ import annotations

import os
import random
import select
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving.crash_events import event_of, make_stream
from benchmarks.serving.crash_ledger import Ledger, Told, told_of
from cellstate.errors import BusyError
from cellstate.runtime.network_stream import NetworkStream
from cellstate.serve.engine import Engine
from cellstate.serve.events import Outcome
from cellstate.serve.settings import Settings
from cellstate.serve.stores import sqlite_checkpoint
from cellstate.serve.stores.sqlite import SqliteStore

THREADS, UNDER_WAY = 4, 3  # submitting threads, and requests of each that wait at a time
SOONEST, LATEST = 0.02, 0.3  # seconds from the first acknowledgement to the kill
RUNS_PER_FILE = 10
AGAIN = 0.15  # share of the events that are sent once more
SETTINGS = Settings(snapshot_every=20, max_replay=200, cache=30)
SEPARATOR = b"\x1f"  # of the fields of a line


def kill_often(folder: Path, kills: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """Start, kill and check, so many times.

    Returns
    -------
    counts, wrong : Counter
        See `Ledger`; "kills" counts the kills.
    """
    sqlite_checkpoint.PAGES = 300  # so that many kills meet a checkpoint
    stream, chance = make_stream(), random.Random(seed)
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for first in range(0, kills, RUNS_PER_FILE):
        path = folder / f"kills-{seed}-{first}.db"
        ledger = Ledger(stream)
        for run in range(first, min(kills, first + RUNS_PER_FILE)):
            before = len(ledger.ids)
            lines = run_and_kill(path, stream, ledger, f"{seed}.{run}", chance)
            ledger.note(map(parsed, lines))
            check(path, stream, ledger, ledger.ids[before:], chance)
            counts["kills"] += 1
        counts += ledger.counts
        wrong += ledger.wrong
        for file in folder.glob(f"{path.name}*"):
            file.unlink()
    return counts, wrong


def run_and_kill(
    path: Path, stream: NetworkStream, ledger: Ledger, run: str, chance: random.Random
) -> list[bytes]:
    """Fork a server, kill it at a random moment under load, and give what it acknowledged."""
    reading, writing = os.pipe()
    old = ledger.ids
    seed = chance.getrandbits(32)
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            serve_until_killed(path, stream, run, old, writing, seed)
        finally:
            os._exit(1)
    os.close(writing)
    try:
        said = b""
        end: float | None = None
        while end is None or time.monotonic() < end:
            wait = 10.0 if end is None else max(0.0, end - time.monotonic())
            if not select.select([reading], [], [], wait)[0]:
                if end is None:
                    raise RuntimeError("the server acknowledged nothing within ten seconds")
                continue
            got = os.read(reading, 1 << 16)
            if not got:
                raise RuntimeError("the server ended by itself")
            said += got
            end = end or time.monotonic() + chance.uniform(SOONEST, LATEST)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    while got := os.read(reading, 1 << 16):
        said += got
    os.close(reading)
    return said.split(b"\n")[:-1]  # the last may be a part of a line


def serve_until_killed(
    path: Path, stream: NetworkStream, run: str, old: Sequence[str], writing: int, seed: int
) -> None:
    """Take events from several threads; each that was acknowledged is a line in the pipe."""
    engine = Engine(stream, SqliteStore(path), SETTINGS)
    engine.start()
    threads = [
        threading.Thread(target=send, args=(engine, f"{run}.{n}", old, writing, seed + n))
        for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def send(engine: Engine, name: str, old: Sequence[str], writing: int, seed: int) -> None:
    """Send requests of a few events, now and then some that were sent before."""
    chance = random.Random(seed)
    room = threading.Semaphore(UNDER_WAY)
    sent: list[str] = []
    count = chance.randrange(1000)
    while True:
        ids: list[str] = []
        for _ in range(chance.randint(1, 12)):
            if (sent or old) and chance.random() < AGAIN:
                ids.append(chance.choice(sent if sent and chance.random() < 0.7 else old or sent))
            else:
                count += 1
                ids.append(f"{name}-{count}")
        room.acquire()

        def done(outcomes: list[Outcome], ids: list[str] = ids) -> None:
            lines = b"".join(line(told_of(*pair)) for pair in zip(ids, outcomes, strict=True))
            os.write(writing, lines)  # less than a pipe takes in one piece
            room.release()

        try:
            engine.submit("", [event_of(id) for id in ids], done)
        except BusyError:
            room.release()
            time.sleep(0.001)
            continue
        sent.extend(ids)


def line(told: Told) -> bytes:
    """Write what was told as a line."""
    head = f"{told.id}\x1f{told.status}\x1f{told.seq}\x1f".encode()
    return head + told.answer + b"\n"


def parsed(text: bytes) -> Told:
    """Read what `line` wrote.

    Examples
    --------
    >>> parsed(line(Told("a-1", "applied", 3, b"{}")).rstrip())
    Told(id='a-1', status='applied', seq=3, answer=b'{}')
    """
    id, status, seq, answer = text.split(SEPARATOR)
    return Told(id.decode(), status.decode(), int(seq), answer)


def check(
    path: Path, stream: NetworkStream, ledger: Ledger, fresh: list[str], chance: random.Random
) -> None:
    """Judge what the kill left, ask again, and judge once more."""
    store = SqliteStore(path)
    ledger.judge(store)
    engine = Engine(stream, store, SETTINGS)  # stops with the store
    engine.start()
    older = chance.sample(ledger.ids, min(20, len(ledger.ids)))
    ledger.ask_again(engine, fresh[-400:] + older)
    if not engine.stop():
        raise RuntimeError("the engine did not stop")
