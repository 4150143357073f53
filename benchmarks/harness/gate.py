"""No figure on red: a benchmark's tests run first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.options import ROOT
from cellstate.errors import InputError, explain


def check_tests(name: str, tests: Sequence[str], root: Path = ROOT) -> None:
    """Run the tests that vouch for a benchmark.

    Raises
    ------
    InputError
        One of them fails, is missing, or none is named.
    """
    missing = [test for test in tests if not (root / test.split("::")[0]).exists()]
    if missing or not tests:
        raise InputError(
            explain(
                name,
                "a benchmark names existing tests",
                ", ".join(missing) or "none",
                "Correct its line in benchmarks/table.py",
            )
        )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *tests],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise InputError(
            explain(
                name,
                f"its tests must pass before it says a figure ({' '.join(tests)})",
                "\n" + ran.stdout[-3000:] + ran.stderr[-1000:],
                "Repair them first",
            )
        )
