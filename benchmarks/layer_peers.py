"""The layers of other systems in processes of their own, ready to take turns with ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.forecast_peers import PEERS_PYTHON
from benchmarks.harness.record import Recorder
from benchmarks.harness.remote import Remote
from benchmarks.peers.layer_server import COMPILED, SYSTEMS
from cellstate import nn

LONGEST_COMPILE = 60.0  # seconds
STARTING = 60.0  # seconds in which a process must have loaded its libraries
LOOP = "torch.compile of a loop"
TOLERANCE = 1e-4  # of outputs, and of gradients in proportion to the largest


class Peer(NamedTuple):
    """A system's process and the folder that it shares with this one."""

    remote: Remote
    folder: Path


@contextmanager
def started(threads: int, systems: Iterable[str] = SYSTEMS) -> Generator[dict[str, Peer]]:
    """Start the systems that are installed, each with so many threads, and end them after."""
    with ExitStack() as stack:
        peers: dict[str, Peer] = {}
        for system in systems:
            python = _python_of(system)
            if python is None:
                print(f"without {system}: make bench-peers-env brings it", file=sys.stderr)
                continue
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            command = [python, "-m", "benchmarks.peers.layer_server", system, str(threads)]
            remote = Remote(command, _environment(threads, folder), folder)
            peers[system] = Peer(stack.enter_context(remote), folder)
        yield peers


def prepared(
    recorder: Recorder,
    peers: dict[str, Peer],
    case: str,
    layer: nn.LSTM,
    x: torch.Tensor,
    dy: torch.Tensor | None = None,
    *,
    skip: Iterable[str] = (),
) -> dict[str, Remote]:
    """Give every system the layer's weights, and require its numbers; then it can be timed.

    Parameters
    ----------
    recorder : Recorder
        Gets the seconds that compiling took, where a system compiles.
    peers : dict of str to Peer
        What `started` gave. One that compiles for too long is ended and taken out.
    case : str
        The name of the case.
    layer, x : LSTM, Tensor
        Our layer and its input (T, B, I).
    dy : Tensor, optional
        Gradient of the output (T, B, H): forward and backward are timed instead of forward alone.
    skip : iterable of str
        Systems that this case is not for.

    Raises
    ------
    RuntimeError
        A system gives other numbers.
    """
    expected = _expected(layer, x, dy)
    arrays = {
        name.removesuffix("_l0"): value.detach().numpy() for name, value in layer.named_parameters()
    }
    arrays |= {"x": x.numpy(), "dy": np.zeros_like(expected) if dy is None else dy.numpy()}
    ready: dict[str, Remote] = {}
    for system in [name for name in peers if name not in skip]:
        remote, folder = peers[system]
        np.savez(folder / "in.npz", **arrays)
        question = {"prepare": str(folder), "training": dy is not None}
        try:
            answer = remote.ask(question, STARTING + LONGEST_COMPILE)
        except TimeoutError:
            print(f"{case}: {system} compiles for more than a minute", file=sys.stderr)
            del peers[system]
            continue
        with np.load(folder / "out.npz") as file:
            difference = float(np.abs(file["result"] - expected).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise RuntimeError(f"{case}: {system} differs from our numbers by {difference:.3g}")
        remote.versions = answer["versions"]
        if system in COMPILED:
            seconds = answer["first"] - answer["again"]
            recorder.add(case, system, "compile_seconds", seconds, versions=remote.versions)
        ready[system] = remote
    return ready


def _expected(layer: nn.LSTM, x: torch.Tensor, dy: torch.Tensor | None) -> np.ndarray:
    if dy is None:
        with torch.inference_mode():
            return layer(x)[0].numpy()
    x = x.clone().requires_grad_()
    layer(x)[0].backward(dy)
    assert x.grad is not None
    return x.grad.numpy()


def _python_of(system: str) -> Path | None:
    if "keras" not in system:
        return Path(sys.executable)
    if not PEERS_PYTHON.exists():
        return None
    packages = ("keras", "jax") if "jax" in system else ("keras",)
    look = "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    found = subprocess.run([PEERS_PYTHON, "-c", look, *packages], check=False)
    return PEERS_PYTHON if found.returncode == 0 else None


def _environment(threads: int, folder: Path) -> dict[str, str]:
    """Set every library's threads; compile anew, not from what an earlier run has kept."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC")
    one = " --xla_cpu_multi_thread_eigen=false" if threads == 1 else ""
    return {
        **dict.fromkeys(names, count),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + one,
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "compiled"),
        "JAX_PLATFORMS": "cpu",
        "PYTHONWARNINGS": "ignore",
    }
