"""`cellstate doctor`."""

import re
import tomllib
from pathlib import Path

import pytest

from cellstate.cli import doctor


def test_the_machine_is_described_in_80_columns(cellstate):
    result = cellstate("doctor")
    assert (result.code, result.err) == (0, "")
    for text in ("cellstate", "instructions", "optional package", "LSTM problem", "torch"):
        assert text in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    assert not any(line.endswith(" ") for line in result.out.splitlines())


def test_the_machine_is_described_for_machines(cellstate):
    from cellstate import _native

    document = cellstate("doctor", "--json").json
    assert document["machine"]["instructions"] == _native.isa()
    assert document["machine"]["kernels"]["baseline"] is True
    assert document["machine"]["cores"] >= 1
    assert document["torch"]["version"]
    assert {"problem", "backend", "reason", "chosen"} <= set(document["backends"][0])


def test_every_problem_has_one_backend(cellstate):
    table = cellstate("doctor", "--json").json["backends"]
    for problem in {row["problem"] for row in table}:
        assert sum(row["chosen"] for row in table if row["problem"] == problem) == 1


def test_without_torch_the_rest_is_told(cellstate, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = cellstate("doctor")
    assert result.code == 0
    assert ["torch", "not", "installed"] in [line.split() for line in result.out.splitlines()]
    assert "LSTM problem" not in result.out
    assert cellstate("doctor", "--json").json["backends"] == []


def test_optional_packages_are_those_of_the_extras():
    packages = {package.name for package in doctor.optional_packages()}
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.split(r"[\[>]", line)[0]
        for extra, lines in extras.items()
        if extra not in ("all", "dev")
        for line in lines
    }
    assert packages == {name for name in declared if not name.startswith("cellstate")}


def test_a_missing_package_names_its_extra(cellstate, monkeypatch):
    package = doctor.Package("polars", None, "forecast")
    monkeypatch.setattr(doctor, "optional_packages", lambda: [package])
    assert "pip install 'cellstate[forecast]'" in cellstate("doctor").out


@pytest.mark.parametrize("devices", [[], ["Some GPU"]])
def test_devices_that_are_not_here_are_not_talked_of(capfd, devices):
    from cellstate.ops.backends import explain_table

    doctor._show_backends(explain_table(), devices)
    assert ("cuda float32" in capfd.readouterr().out) == bool(devices)
