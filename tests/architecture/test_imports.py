"""Who may import whom, read from the sources and from a process that has just started."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PYTHON, ROOT, layer_of, module_level_imports, shown

BASE_INSTALL = {"numpy", "safetensors", "narwhals", "typer", "rich"}
TORCH_LAYERS = {"ops", "nn", "train"}
LIGHT = ["errors", "extras", "network", "data", "artifact", "runtime", "tasks", "inspector", "cli"]
HEAVY = ["torch", "sklearn", "scipy", "pandas", "polars", "pyarrow", "statsforecast", "matplotlib"]

IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys
top = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(getattr(top, "__path__", []), top.__name__ + "."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_import_layers_hold():
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", LIGHT)
def test_every_module_of_a_light_layer_imports_without_heavy_packages(name):
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, f"cellstate.{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert not set(json.loads(run.stdout)) & set(HEAVY)


@pytest.mark.parametrize("path", PYTHON, ids=shown)
def test_module_level_imports_are_of_the_base_install(path):
    allowed = BASE_INSTALL | sys.stdlib_module_names | {"cellstate"}
    if layer_of(path) in TORCH_LAYERS:
        allowed = allowed | {"torch"}
    assert module_level_imports(path) <= allowed
