"""The kernels under AddressSanitizer and UndefinedBehaviourSanitizer, with random calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cellstate import _native

ROOT = Path(__file__).parents[2]
FLAGS = {
    "baseline": [],
    "avx2": ["-DCELLSTATE_AVX2", "-mavx2", "-mfma"],
    "avx512": ["-DCELLSTATE_AVX512", "-mavx512f"],
    "neon": ["-DCELLSTATE_NEON"],
}
RUNS_HERE = [name for name, runs_here in _native.isas() if runs_here]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
COMPILER = os.environ.get("CXX") or shutil.which("c++") or ""


@pytest.mark.skipif(not COMPILER, reason="needs a C++ compiler")
@pytest.mark.parametrize("real", ["float", "double"])
def test_random_calls_touch_nothing_else_and_give_the_equations(real: str, tmp_path: Path) -> None:
    isa, program = RUNS_HERE[-1], tmp_path / "fuzz"
    names = ["kernels.cpp", "pack.cpp", *(["chain.cpp", "pool.cpp"] if real == "float" else [])]
    sources = [ROOT / "csrc" / name for name in names]
    subprocess.run(
        # Without optimisation: the program takes half a minute more, the compiler two minutes less.
        [COMPILER, "-std=c++17", "-O0", "-g1", "-ffp-contract=off", *SANITIZERS, *FLAGS[isa],
         f"-DCELLSTATE_ISA={isa}", f"-DCELLSTATE_REAL={real}", f"-I{ROOT / 'csrc'}",
         f"-DCELLSTATE_CHAINS={int(real == 'float')}", "-pthread",
         *sources, ROOT / "tests" / "csrc" / "fuzz.cpp", "-o", program],
        check=True,
    )  # fmt: skip
    done = subprocess.run([program, "300"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "300 rounds" in done.stdout
