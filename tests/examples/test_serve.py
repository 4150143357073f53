"""The example of serving runs, and shows what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "serve.py"


def test_example_shows_what_the_server_does(tmp_path):
    for package in ("uvicorn", "apsw", "polars", "torch"):
        pytest.importorskip(package)
    ran = subprocess.run(
        [sys.executable, EXAMPLE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    for words in (
        "the same id again: duplicate True",
        "an hour that was missing: applied late",
        "quarantined: event: load must be a number; got str.",
        "bytes, after a restart",
        "heard of event 5",
        "forgotten: True and None",
    ):
        assert words in ran.stdout
