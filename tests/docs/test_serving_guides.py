"""The guides to serving run from their first line to their last, and say what is true."""

import json
import shutil
import time

import pytest

from benchmarks.serving.model import save_model
from tests.docs.guides import Guide

pytest.importorskip("uvicorn")
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def guide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = []

    def open_guide(name):
        opened.append(Guide(name, tmp_path))
        return opened[-1]

    yield open_guide
    for one in opened:
        one.end()


def test_the_guide_to_serving_runs(guide, capsys, tmp_path):
    serving = guide("how-to/serve.md")
    serving.run()
    names = serving.names
    names["client"].close()
    assert json.loads(serving.said[0])["status"] == "applied"
    assert names["result"]["seq"] == 2
    assert [one["status"] for one in names["results"]] == ["applied"] * 12
    assert [json.loads(line)["status"] for line in serving.said[1].splitlines()] == ["applied"] * 2
    assert (names["told"]["ref"], names["told"]["status"]) == (1, "applied")
    assert names["heard"]["entity"] == "summit"
    assert names["again"]["status"] == "duplicate"
    assert names["again"]["answer"] == names["first"]["answer"]
    assert "a time must be a whole number of periods (h) after the last" in capsys.readouterr().out
    assert (tmp_path / "backup.db").stat().st_size > 0
    assert "cellstate_events" in serving.said[-1]


def test_the_guide_to_changing_the_model_runs(guide, tmp_path):
    change = guide("how-to/change-model.md")
    for seed, name in enumerate(("stations", "stations2")):
        save_model(tmp_path / name, seed)
    change.serve("stations/", "--store", "stations.db", "--models", ".")
    event = json.dumps({"data": {"x": [0.5] * 8}})
    push = f"curl -s http://127.0.0.1:{change.port}/v1/entities/a/events"
    change.shell(f"{push} -H 'content-type: application/json' -d '{event}'")
    phases = []
    for kind, block in change.blocks:
        assert kind == "sh"
        for line in block.replace("\\\n", " ").replace(":8000", f":{change.port}").splitlines():
            change.shell(line)
            stop = time.monotonic() + 10
            while (phase := change.ask("GET", "/v1/model/next").get("phase")) in (
                "rebuild",
                "flipping",
                "returning",
            ):
                assert time.monotonic() < stop
                time.sleep(0.02)
            phases.append(phase)
    none = phases[0]
    assert phases == [none, "shadow", "shadow", "flipped", "shadow", "flipped", none]
    change.shell(f"{push} -H 'content-type: application/json' -d '{event}'")
    assert json.loads(change.said[-1])["version"] == 2


def test_the_guide_to_several_processes_names_options_that_exist(guide):
    scale = guide("how-to/scale-serving.md")
    (command,) = [block for kind, block in scale.blocks if kind == "sh"]
    scale._server = object()  # none is started: its database is elsewhere
    scale.shell(command)
    scale._server = None
    assert "--share" in scale.said[0]
