"""Who may import whom, read from the sources and from a process that has just started."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PYTHON, ROOT, dotted_name, module_level_imports, shown

BASE_INSTALL = {"numpy", "safetensors", "narwhals", "typer", "rich"}
HEAVY = {"torch", "sklearn", "scipy", "pandas", "polars", "pyarrow", "statsforecast", "matplotlib"}
LIGHT = ["errors", "extras", "network", "data", "artifact", "runtime", "tasks", "inspector", "cli"]
# Part of the package -> what its files may import at once, besides the base install.
ALLOWED = {
    "ops": {"torch"},
    "nn": {"torch"},
    "train": {"torch"},
    # Estimators of scikit-learn and sktime derive from their classes; imported on demand.
    "tasks.arrays": {"sklearn"},
    "tasks.forecast.sktime_adapter": {"sktime"},
}

IMPORT_ALL = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def allowed_for(part):
    return set().union(*(ALLOWED[key] for key in ALLOWED if f"{part}.".startswith(f"{key}.")))


def modules_of(part):
    """Give the modules of one part of the package, without those that are allowed more."""
    names = {dotted_name(path) for path in PYTHON if path.name != "__main__.py"}
    own = {name for name in names if f"{name}.".startswith(f"cellstate.{part}.")}
    more = [key for key in ALLOWED if key.startswith(f"{part}.")]
    return sorted(
        name for name in own if not any(f"{name}.".startswith(f"cellstate.{m}.") for m in more)
    )


def test_import_layers_hold():
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def packages_after_importing(modules):
    """Import modules in a process that has just started; give the top-level names it then holds."""
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


@pytest.mark.parametrize("part", LIGHT)
def test_light_layers_import_without_heavy_packages(part):
    assert not packages_after_importing(modules_of(part)) & HEAVY


def test_estimators_for_arrays_import_without_torch():
    assert "torch" not in packages_after_importing(modules_of("tasks.arrays"))


@pytest.mark.parametrize("path", PYTHON, ids=shown)
def test_module_level_imports_are_of_the_base_install(path):
    part = dotted_name(path).removeprefix("cellstate.")
    allowed = BASE_INSTALL | sys.stdlib_module_names | {"cellstate"} | allowed_for(part)
    assert not module_level_imports(path) - allowed
