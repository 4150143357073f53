"""A change of model over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cellstate.errors import ArtifactError
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.http.settings import HttpSettings
from tests.serve.live import Live, serving
from tests.serve.tally import Tally

NEXT = "/v1/model/next"


def load(folder: str) -> AbstractStream:
    if Path(folder).name == "damaged":
        raise ArtifactError(f"{folder}: secret")
    return Tally(0.5)


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[Live]:
    for name in ("tally-2", "damaged"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    http = HttpSettings(models=tmp_path)
    with serving(Tally(0.25), http=http, load=load, folder=str(tmp_path / "tally-1")) as live:
        yield live


def phase(live: Live, wanted: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        report = live.call("GET", NEXT).json
        if report["phase"] == wanted:
            return report
        time.sleep(0.02)
    raise AssertionError(report)


def test_a_model_is_changed_and_changed_back(changing: Live) -> None:
    live = changing
    assert live.call("GET", NEXT).json["phase"] == "none"
    live.push("a", x=4)
    assert live.call("POST", NEXT, {"folder": "tally-2"}).status == 200
    report = phase(live, "shadow")
    assert (report["current"]["folder"], report["next"]["folder"]) == ("tally-1", "tally-2")
    assert live.push("a", x=4).json["answer"]["mean"] == 1.75
    assert live.call("POST", f"{NEXT}/flip").status == 200
    phase(live, "flipped")
    told = live.push("a", x=4).json
    assert (told["answer"]["mean"], told["version"]) == (3.5, 2)
    assert live.call("POST", f"{NEXT}/roll-back").status == 200
    phase(live, "shadow")
    assert live.push("a", x=4).json["version"] == 1
    assert live.call("POST", f"{NEXT}/flip").status == 200
    phase(live, "flipped")
    assert live.call("POST", f"{NEXT}/finish").status == 200
    assert live.call("GET", NEXT).json["phase"] == "none"
    assert live.push("a", x=4).json["version"] == 2


def test_a_change_can_be_called_off(changing: Live) -> None:
    changing.call("POST", NEXT, {"folder": "tally-2"})
    assert changing.call("POST", NEXT, {"folder": "tally-2"}).status == 200  # it is the same
    phase(changing, "shadow")
    assert changing.call("DELETE", NEXT).json["phase"] == "none"


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", ""), ("POST", "/flip"), ("POST", "/roll-back"), ("POST", "/finish")],
)
def test_a_step_that_is_not_legal_now_is_refused(changing: Live, method: str, path: str) -> None:
    told = changing.call(method, f"{NEXT}{path}")
    assert (told.status, told.code) == (409, "conflict")


def test_only_a_folder_among_the_models_can_be_named(changing: Live, tmp_path: Path) -> None:
    cases: list[tuple[Any, int]] = [
        ({"folder": "none"}, 422),
        ({"folder": "file"}, 422),
        ({"folder": "damaged"}, 422),
        ({"folder": "a\0b"}, 422),
        ({"folder": "../tally-2"}, 400),
        ({"folder": "/etc"}, 400),
        ({"folder": ".."}, 400),
        ({"folder": "."}, 400),
        ({"folder": ""}, 400),
        ({"folder": 1}, 400),
        ({"folder": "tally-2", "code": "x"}, 400),
        ({}, 400),
        ([], 400),
    ]
    for document, status in cases:
        told = changing.call("POST", NEXT, document)
        assert told.status == status, document
        assert str(tmp_path) not in told.body.decode()
        assert "secret" not in told.body.decode()


def test_without_a_folder_of_models_none_can_be_offered() -> None:
    with serving() as live:
        assert live.call("POST", NEXT, {"folder": "tally-2"}).status == 409
