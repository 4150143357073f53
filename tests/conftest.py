"""What every test stands on: one thread, and public data sets where the machine has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Set before NumPy or torch is imported: on the small arrays of tests more threads are slower,
# and sums must not depend on how many cores a machine has.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

# A deadline measures the machine, not the code.
settings.register_profile("cellstate", deadline=None)
settings.load_profile("cellstate")


@pytest.hookimpl(trylast=True)  # after the shuffling
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what compiles for minutes, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: "csrc" not in item.path.parts)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data-dir",
        type=Path,
        default=None,
        help="folder with the public data sets of the catalogue (default: $CELLSTATE_DATA)",
    )


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """Give the folder of public data sets; a test that asks for it is skipped without one."""
    given = request.config.getoption("--data-dir") or os.environ.get("CELLSTATE_DATA")
    if not given:
        pytest.skip("needs public data sets: give --data-dir or set CELLSTATE_DATA")
    folder = Path(given)
    if not folder.is_dir():
        pytest.skip(f"the folder of public data sets does not exist: {folder}")
    return folder


@pytest.fixture(scope="session")
def data_file(data_dir: Path) -> Callable[[str], Path]:
    """Give a function that finds one file under `data_dir`, or skips the test."""

    def find(relative: str) -> Path:
        path = data_dir / relative
        if not path.is_file():
            pytest.skip(f"the data set {relative} is not in {data_dir}")
        return path

    return find
