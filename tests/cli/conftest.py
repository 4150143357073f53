"""Commands run in this process, against small fake jobs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from cellstate import tasks
from cellstate.cli import main


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def cellstate(capfd):
    """Give a function that runs a command: `cellstate("fit", "forecast", ...)`."""

    def run(*words: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        return Result(ended.value.code or 0, captured.out, captured.err)

    return run


@pytest.fixture
def _fake_jobs(monkeypatch):
    fakes = {
        "forecast": "tests.cli.fakes:FakeForecaster",
        "classify": "tests.cli.fakes:FakeClassifier",
    }
    for name in list(tasks.TASKS):
        monkeypatch.delitem(tasks.TASKS, name)
    for name, place in fakes.items():
        monkeypatch.setitem(tasks.TASKS, name, place)


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("ds,y\n1,10\n2,20\n3,30\n")
    return path


@pytest.fixture
def model(cellstate, prices, tmp_path, _fake_jobs):
    """A fitted forecaster's folder."""
    folder = tmp_path / "model"
    assert cellstate("fit", "forecast", prices, "--horizon", 2, "--out", folder).code == 0
    return folder


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("t0,label,t1\n0,low,1\n0.5,low,\n9,high,8\n")
    return path


@pytest.fixture
def arrays(tmp_path):
    path = tmp_path / "arrays.npz"
    X = np.zeros((4, 5, 2))
    X[2:] = 9
    np.savez(path, X=X, y=np.array([0, 0, 1, 1]))
    return path
