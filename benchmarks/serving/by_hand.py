"""States kept durably without the server: what one writes around a runtime on an afternoon."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from benchmarks.serving.model import HIDDEN
from benchmarks.serving.steppers import Names, Readings, Stepper, onnx_session


def onnx_and_sqlite(path: Path, threads: int) -> Stepper:
    """Step by ONNX Runtime, and commit the states of a batch in one flushed transaction.

    There is a state of each entity and nothing else: no log, no ids of events, no late ones.
    """
    session = onnx_session(threads)
    store = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for words in (
        "pragma journal_mode = wal",
        "pragma synchronous = full",
        "create table states (entity text primary key, state blob not null) without rowid",
    ):
        store.execute(words)
    new = bytes(2 * HIDDEN * 4)

    def call(names: Names, readings: Readings) -> list[list[float]]:
        found = [
            store.execute("select state from states where entity = ?", (name,)).fetchone()
            for name in names
        ]
        held = np.frombuffer(b"".join(row[0] if row else new for row in found), np.float32)
        h, c = np.ascontiguousarray(held.reshape(1, -1, 2, HIDDEN).transpose(2, 0, 1, 3))
        feeds = {"x": np.array(readings, np.float32), "body.h_0": h, "body.c_0": c}
        y, h, c = session.run(["y", "body.h_n", "body.c_n"], feeds)
        kept = np.concatenate([h[0], c[0]], 1)
        store.execute("begin immediate")
        store.executemany(
            "insert or replace into states values (?, ?)",
            [(name, row.tobytes()) for name, row in zip(names, kept, strict=True)],
        )
        store.execute("commit")
        return y.tolist()

    return call
