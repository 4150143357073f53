"""A Bytewax dataflow as a process: the served model over a list of events."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.options import ROOT

SERVING_PYTHON = ROOT / ".venv-serving" / "bin" / "python"
SOURCE = ROOT / "benchmarks" / "peers" / "bytewax_lstm.py"
Event = tuple[str, list[float]]


def run_bytewax(
    step: bytes, events: Sequence[Event], batch: int, scratch: Path
) -> tuple[float, list[Event]]:
    """Run events through the dataflow; give its seconds, without its start, and the answers.

    Answers of one name come in order; Bytewax takes the names of a batch in its own.

    Parameters
    ----------
    step : bytes
        The model's ONNX form, one step.
    events : sequence of (str, list of float)
    batch : int
        Events after which all changed states are written down.
    scratch : Path
        A folder on the disk that the states shall lie on.
    """
    folder = scratch / "bytewax"
    folder.mkdir()
    try:
        (folder / "step.onnx").write_bytes(step)
        (folder / "events.json").write_text(json.dumps(events), "utf-8")
        command = [str(SERVING_PYTHON), str(SOURCE), str(folder), str(batch)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        answers = json.loads((folder / "answers.json").read_text("utf-8"))
        return float(ran.stdout), [(name, answer) for name, answer in answers]
    finally:
        shutil.rmtree(folder)
