"""Triton Inference Server as a process: its own binary from the wheel, and a Python backend."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.harness.options import ROOT
from benchmarks.serving.bytewax import SERVING_PYTHON
from benchmarks.serving.model import OUTPUTS
from benchmarks.serving.server import HOST, TAIL, Usage, free_port, usage
from benchmarks.serving.traffic import INPUTS, MODEL

SOURCE = ROOT / "benchmarks" / "peers" / "triton_lstm.py"
STARTING = 60.0  # seconds
CONFIGURATION = f"""
name: "{MODEL}"
backend: "python"
max_batch_size: 256
input [ {{ name: "x" data_type: TYPE_FP32 dims: [ {INPUTS} ] }} ]
output [ {{ name: "y" data_type: TYPE_FP32 dims: [ {OUTPUTS} ] }} ]
sequence_batching {{
  max_sequence_idle_microseconds: 3600000000
  oldest {{ max_candidate_sequences: 2048 max_queue_delay_microseconds: 0 }}
  control_input [
    {{ name: "START" control [ {{ kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] }} ] }},
    {{ name: "CORRID" control [ {{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 }} ] }}
  ]
}}
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""


class Triton:
    """Triton with the served model, on a free port of loopback, ended on exit.

    Parameters
    ----------
    step : bytes
        The model's ONNX form, one step.
    scratch : Path
        Folder for its model repository and for what it says.
    """

    def __init__(self, step: bytes, scratch: Path) -> None:
        self.port = free_port()
        package = next(SERVING_PYTHON.parents[1].glob("lib/python3.*/site-packages"))
        version = package.parent.name.removeprefix("python")
        shipped, folder = package / "pytriton" / "tritonserver", scratch / "triton"
        backends, model = folder / "backends", folder / "models" / MODEL
        shutil.copytree(shipped / "backends", backends)
        stub = "triton_python_backend_stub"  # for one version of Python; the wheel has several
        shutil.copy(shipped / "python_backend_stubs" / version / stub, backends / "python" / stub)
        (model / "1").mkdir(parents=True)
        shutil.copy(SOURCE, model / "1" / "model.py")
        (model / "1" / "step.onnx").write_bytes(step)
        (model / "config.pbtxt").write_text(CONFIGURATION, "utf-8")
        options = {
            "model-repository": folder / "models",
            "backend-directory": backends,
            "http-address": HOST,
            "http-port": self.port,
            "allow-grpc": "false",
            "allow-metrics": "false",
        }
        self._words = folder / "words.txt"
        with self._words.open("wb") as words:
            self._process = subprocess.Popen(
                [
                    shipped / "bin" / "tritonserver",
                    *(f"--{name}={value}" for name, value in options.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env={
                    **os.environ,
                    "PATH": f"{SERVING_PYTHON.parent}{os.pathsep}{os.environ['PATH']}",
                    "LD_LIBRARY_PATH": str(package / "nvidia_pytriton.libs"),
                    "OMP_NUM_THREADS": "1",
                },
            )

    def wait(self) -> Self:
        """Wait until it is ready.

        Raises
        ------
        RuntimeError
            It ended, or is not ready in time.
        """
        stop = time.monotonic() + STARTING
        while time.monotonic() < stop and self._process.poll() is None:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
            try:
                connection.request("GET", f"/v2/models/{MODEL}/ready")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return self
            except OSError:
                pass  # it does not listen yet
            finally:
                connection.close()
            time.sleep(0.1)
        words = self._words.read_text("utf-8", errors="replace")[-TAIL:]
        raise RuntimeError(f"Triton is not ready:\n{words}")

    def usage(self) -> Usage:
        """Read what it and its backend hold and have used."""
        return usage(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
