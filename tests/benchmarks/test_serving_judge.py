"""What is judged after a kill: nothing wrong gives zeros, and each wrong is found."""

import json

import pytest

from benchmarks.serve_shards import outage
from benchmarks.serving.judge import judge
from benchmarks.serving.model import INPUTS, save_model
from benchmarks.serving.sender import Acknowledged
from cellstate.serve.engine import Engine
from cellstate.serve.events import Incoming
from cellstate.serve.stores import open_store
from cellstate.tasks.streams import load_stream

pytest.importorskip("apsw")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Give a model, a store that it has filled, and what its clients were told."""
    folder = tmp_path_factory.mktemp("judge")
    model, path = save_model(folder / "model"), str(folder / "state.db")
    engine = Engine(load_stream(model), open_store(path))
    engine.start()
    events = [
        Incoming(f"station-{k % 3}", {"x": [k / 10] * INPUTS}, id=f"e-{k}") for k in range(12)
    ]
    known = [
        Acknowledged(event.entity, event.id, told.seq, json.loads(told.answer), 0.0, 0.1)
        for event, told in zip(events, engine.push("", events), strict=True)
    ]
    engine.stop()
    return model, path, known


def judged(served, known, model=None):
    store = open_store(served[1], create=False)
    try:
        return +judge(known, store, model or served[0])  # without the zeros
    finally:
        store.close()


def test_nothing_wrong_gives_zeros(served):
    assert judged(served, served[2]) == {"events_logged": 12}


def test_a_lost_event_is_found(served):
    known = [*served[2], served[2][0]._replace(id="e-99")]
    assert judged(served, known)["acknowledged_missing"] == 1


def test_a_lost_entity_is_found(served):
    known = [*served[2], served[2][0]._replace(entity="station-9")]
    assert judged(served, known)["acknowledged_missing"] == 1


def test_another_answer_is_found(served):
    known = [served[2][0]._replace(answer={"y": [9.0]}), *served[2][1:]]
    assert judged(served, known)["answers_changed"] == 1


def test_states_and_answers_of_another_model_are_found(served, tmp_path):
    found = judged(served, served[2], save_model(tmp_path / "other", seed=1))
    assert found["answers_unlike_replay"] == 12
    assert found["states_unlike_replay"] == 3


def test_an_outage_is_measured_by_shard():
    def told(entity, began, ended):
        return Acknowledged(entity, "", 1, {}, began, ended)

    known = [
        told("a", 1.0, 1.1),  # before the kill
        told("a", 9.9, 14.0),
        told("a", 14.1, 14.2),
        told("b", 10.1, 17.0),
        told("c", 10.1, 10.3),
        told("c", 21.0, 21.5),
    ]
    figures = outage(known, {"a": 0, "b": 3, "c": 1}, {0, 3, 6}, killed=10.0, started=20.0)
    assert figures["takeover_seconds_maximum"] == 7.0
    assert figures["takeover_seconds_median"] == 5.5
    assert figures["others_milliseconds_maximum_meanwhile"] == pytest.approx(200)
    assert figures["all_milliseconds_maximum_after_its_return"] == pytest.approx(500)
