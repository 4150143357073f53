"""One system's LSTM layer in a process of its own: ``layer_server SYSTEM THREADS``.

Reads lines of JSON and answers each with one, as `benchmarks.harness.remote` asks them:
``{"prepare": FOLDER, "training": false}`` loads ``in.npz`` (x and dy (T, B, ·), weights in torch's
layout) from a folder, runs the layer once and leaves ``y``, or the gradient ``dx``, in ``out.npz``
there; ``{"sample": 5}`` calls it five times.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SYSTEMS = {
    "keras on torch": "benchmarks.peers.keras_torch_layer",
    "keras on jax": "benchmarks.peers.keras_jax_layer",
    "torch.compile of a loop": "benchmarks.peers.compiled_loop",
}
COMPILED = ("keras on jax", "torch.compile of a loop")  # whose first call is not like the others


@dataclass(frozen=True)
class Prepared:
    """A layer ready to be timed.

    Attributes
    ----------
    call : callable
        Does the work, waits for its end, and returns what `result` takes.
    result : callable
        Gives y, or the gradient of x, as an array (T, B, ·).
    """

    call: Callable[[], object]
    result: Callable[[object], np.ndarray]


def main() -> None:
    """Answer until the input ends."""
    system, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    module = importlib.import_module(SYSTEMS[system])
    module.set_threads(threads)
    call: Callable[[], object] | None = None
    for line in sys.stdin:
        question = json.loads(line)
        if "prepare" in question:
            folder = Path(question["prepare"])
            with np.load(folder / "in.npz") as file:
                arrays = dict(file)
            prepared: Prepared = module.prepare(arrays, question["training"])
            call = prepared.call
            start = time.perf_counter()
            result = call()
            first = time.perf_counter() - start
            np.savez(folder / "out.npz", result=prepared.result(result))
            call()
            answer = {"first": first, "again": _sample(call, 1), "versions": module.versions()}
        else:
            assert call is not None, "prepare comes first"
            answer = {"seconds": _sample(call, question["sample"])}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _sample(call: Callable[[], object], repeats: int) -> float:
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    seconds = time.perf_counter() - start
    gc.enable()
    return seconds / repeats


if __name__ == "__main__":
    main()
