"""What a process costs that steps a saved model: no torch, a short import, little memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cellstate import artifact, network
from cellstate.artifact import Manifest
from cellstate.runtime import Chain
from tests.runtime.networks import random_tensors, varied

SECONDS = 0.2
ROOM = 3  # for a slow or busy machine; `python -m benchmarks runtime-step` measures without it
MIB = 80
PROGRAM = """
import json, sys, time
start = time.process_time()
import cellstate.runtime
seconds = time.process_time() - start
from cellstate.runtime import Session
from cellstate.tasks.streams import load_stream
session = Session(load_stream(sys.argv[1]), "sensor-1")
said = [session.push({"x": [0.1, 0.2, 0.3]})["y"] for _ in range(3)]
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
heavy = {"torch", "pandas", "polars", "scipy", "sklearn"} & set(sys.modules)
print(json.dumps({"seconds": seconds, "mib": peak / 1024, "heavy": sorted(heavy), "y": said}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc/self/status")
def test_a_fresh_process_steps_a_saved_model_within_its_budget(tmp_path):
    layers = varied("all")
    tensors = random_tensors(layers, np.random.default_rng(0))
    described = {"layers": network.to_json(layers)}
    artifact.save(tmp_path / "model", Manifest("network", network=described), tensors)
    command = [sys.executable, "-c", PROGRAM, tmp_path / "model"]
    runs = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert all(run["heavy"] == [] for run in runs)
    assert min(run["seconds"] for run in runs) < ROOM * SECONDS
    assert min(run["mib"] for run in runs) < MIB
    y, _ = Chain(layers, tensors).sequence(np.tile(np.float32([0.1, 0.2, 0.3]), (3, 1, 1)))
    np.testing.assert_array_equal(np.float32(runs[0]["y"]), y[:, 0])
