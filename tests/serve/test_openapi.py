"""The server keeps to its own description, whatever is sent."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.keys import add_key
from cellstate.serve.settings import Settings
from tests.serve.live import Live, serving
from tests.serve.recorder import Recorder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its packages' own
    schemathesis: Any = pytest.importorskip("schemathesis", reason="needs schemathesis")

# Answered by what lasts until one side ends it, which is tested elsewhere.
LASTING = ("GET", "/v1/entities/{entity}/live")
OPERATIONS = [
    ("POST", "/v1/entities/{entity}/events"),
    ("POST", "/v1/events"),
    ("GET", "/v1/entities"),
    ("GET", "/v1/entities/{entity}/state"),
    ("GET", "/v1/entities/{entity}/history"),
    ("DELETE", "/v1/entities/{entity}"),
    ("GET", "/v1/model"),
    ("GET", "/v1/model/next"),
    ("POST", "/v1/model/next"),
    ("DELETE", "/v1/model/next"),
    ("POST", "/v1/model/next/flip"),
    ("POST", "/v1/model/next/roll-back"),
    ("POST", "/v1/model/next/finish"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/v2"),
    ("GET", "/v2/health/live"),
    ("GET", "/v2/health/ready"),
    ("GET", "/v2/models/{model}"),
    ("GET", "/v2/models/{model}/ready"),
    ("POST", "/v2/models/{model}/infer"),
]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    return path, {"Authorization": f"Bearer {add_key(path, 'clinic', 'admin')}"}


@pytest.fixture(scope="module")
def described(key: tuple[Path, dict[str, str]]) -> Iterator[Live]:
    # A description cannot say what is out of a model's range or of the clock's, so nothing is.
    stream, engine = Recorder(most=float("inf")), Settings(max_ahead_s=1e15)
    with serving(stream, engine, http=HttpSettings(max_events=50, keys=key[0])) as live:
        yield live


@pytest.fixture(scope="module")
def description(described: Live, key: tuple[Path, dict[str, str]]) -> Any:
    return schemathesis.openapi.from_url(f"{described.url}/openapi.json", headers=key[1])


def test_every_operation_is_described(described: Live, key: tuple[Path, dict[str, str]]) -> None:
    paths = described.call("GET", "/openapi.json", headers=key[1]).json["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert found == {*OPERATIONS, LASTING}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_was_described(
    description: Any, key: tuple[Path, dict[str, str]], method: str, path: str
) -> None:
    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(description[path][method].as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(headers=key[1])

    check()
