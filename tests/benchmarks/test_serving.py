"""The load generator counts from when a request was due, and what never came back is never good."""

import math
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.record import Recorder
from benchmarks.serving import disk, steppers
from benchmarks.serving.by_hand import onnx_and_sqlite
from benchmarks.serving.generator import Generator
from benchmarks.serving.ladder import Kind, Ladder, generator
from benchmarks.serving.model import INPUTS, save_model
from benchmarks.serving.server import NullServer, usage
from benchmarks.serving.traffic import Traffic, arrivals, encoded
from benchmarks.serving.trend import trend
from benchmarks.serving.wire import frame, http_answer, take_frame

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"status":"applied"}'
BUSY = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def null():
    with NullServer() as server:
        yield server


@pytest.fixture
def waiter():
    """Serve one connection, each request answered by what a function gives for its number."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve(answer):
            def run():
                connection, _ = listening.accept()
                with connection:
                    number = 0
                    while data := connection.recv(1 << 16):
                        for _ in range(data.count(b"POST")):
                            connection.sendall(answer(number))
                            number += 1

            threading.Thread(target=run, daemon=True).start()
            return listening.getsockname()[1]

        yield serve


@pytest.mark.parametrize(
    ("form", "way", "size"),
    [("events", "http", 1), ("events", "http", 7), ("websocket", "websocket", 1)],
)
def test_everything_offered_is_answered(null, form, way, size):
    running = Generator("127.0.0.1", null.port, way, lanes=4)
    answer = running.run(Traffic(form, rate=700.0, seconds=0.4, size=size, warm_up=0.1))
    running.close()
    assert answer["answered"] == answer["offered"] > 100
    assert answer["statuses"].keys() == {"200"}
    assert 0 < answer["milliseconds"]["p50"] <= answer["milliseconds"]["p99.9"] < math.inf


def test_a_stall_counts_for_all_that_were_due_meanwhile(waiter):
    def answer(number):
        time.sleep(0.4 if number == 10 else 0.0)
        return ANSWER

    running = Generator("127.0.0.1", waiter(answer), "http", lanes=1)
    told = running.run(Traffic("events", rate=200.0, seconds=0.5, warm_up=0.0))
    running.close()
    # One request in a hundred was slow to be answered; most of the others were due in its shadow.
    assert told["answered"] == told["offered"]
    assert told["milliseconds"]["p50"] > 50


def test_an_idle_connection_that_the_server_closes_is_opened_again():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            connection.sendall(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
            connection.close()
            connection, _ = listening.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(ANSWER * data.count(b"POST"))

        threading.Thread(target=serve, daemon=True).start()
        running = Generator("127.0.0.1", listening.getsockname()[1], "http", lanes=1)
        told = running.run(Traffic("events", rate=100.0, seconds=0.5, warm_up=0.1))
        running.close()
    assert told["answered"] == told["offered"] > 20
    assert told["statuses"].keys() == {"200"}


def test_what_is_refused_is_infinitely_late(waiter):
    running = Generator("127.0.0.1", waiter(lambda number: BUSY), "http", lanes=1)
    told = running.run(Traffic("events", rate=100.0, seconds=0.2, warm_up=0.0))
    running.close()
    assert told["answered"] == 0
    assert told["milliseconds"]["p50"] == math.inf
    assert told["statuses"].keys() == {"429"}


def test_what_never_comes_back_ends_the_run_and_not_the_generator(waiter):
    running = Generator(
        "127.0.0.1", waiter(lambda number: ANSWER if number < 5 else b""), "http", 1
    )
    running._open = lambda: None  # the waiter takes one connection
    told = running.run(Traffic("events", rate=200.0, seconds=0.2, warm_up=0.0, grace=0.1))
    assert told["answered"] == 5
    assert told["milliseconds"]["p99"] == math.inf


def test_a_closed_connection_is_replaced_and_its_request_lost():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run():
            for most in (3, 1000):
                connection, _ = listening.accept()
                with connection:
                    for _ in range(most):
                        if not connection.recv(1 << 16):
                            break
                        connection.sendall(ANSWER)
                    else:
                        connection.recv(1 << 16)

        threading.Thread(target=run, daemon=True).start()
        running = Generator("127.0.0.1", listening.getsockname()[1], "http", lanes=1)
        told = running.run(Traffic("events", rate=100.0, seconds=0.3, warm_up=0.0))
        running.close()
    assert told["statuses"] == {"200": told["answered"], "0": 1}
    assert told["answered"] == told["offered"] - 1


def test_arrivals_are_of_the_rate_and_repeatable():
    traffic = Traffic("events", rate=5000.0, seconds=3.0, size=5, seed=3)
    due = arrivals(traffic)
    assert len(due) == pytest.approx(4000, rel=0.1)
    assert (np.diff(due) > 0).all()
    assert (due == arrivals(traffic)).all()


def test_each_entity_has_its_turn_when_filling():
    due, requests = encoded(
        Traffic("events", 1e6, 0.0, size=4, entities=12, first=5, each_once=True), "localhost"
    )
    assert len(due) == len(requests) == 3
    whole = b"".join(requests)
    assert all(whole.count(b'"sensor-%d"' % name) == 1 for name in range(5, 17))


def test_ids_differ_from_seed_to_seed():
    def ids(seed):
        _, requests = encoded(Traffic("events", 100.0, 1.0, seed=seed), "localhost")
        return {request.split(b'"id":"')[1].split(b'"')[0] for request in requests}

    assert len(ids(1)) > 50
    assert not ids(1) & ids(2)


@pytest.mark.parametrize("size", [5, 125, 126, 70_000])
def test_frames_come_back_as_they_went(size):
    payload = bytes(range(256)) * (size // 256 + 1)
    for masked in (False, True):
        buffer = bytearray(frame(payload[:size], masked=masked))
        rest = buffer[:-1]
        assert take_frame(rest, masked=masked) is None
        assert take_frame(buffer, masked=masked) == (1, payload[:size])
        assert not buffer


def test_half_an_answer_is_none_yet():
    buffer = bytearray(ANSWER[:-1])
    assert http_answer(buffer) is None
    buffer += ANSWER[-1:] + ANSWER[:9]
    assert http_answer(buffer) == (200, b'{"status":"applied"}')
    assert buffer == ANSWER[:9]


def test_the_ladder_ends_at_the_generator_and_says_where(null, tmp_path):
    recorder = Recorder(threads=1)
    kind = Kind("HTTP, 1 event", "events", 1, lanes=4, first=2e9, half=300.0)
    with generator(tmp_path) as remote:
        ladder = Ladder(recorder, remote, seconds=0.3, halvings=0)
        assert ladder.fill(null, 0, 10)["answered"] == 10
        best = ladder.climb(kind, 10, "null server", null)
    figures = {row.metric: row.value for row in recorder.rows}
    assert figures["sustained_events_per_second"] == best
    assert figures["answered_percent"] == 100
    assert {row.case for row in recorder.rows} == {
        "HTTP, 1 event, 10 entities, offered 300/s",
        "HTTP, 1 event, 10 entities",
    }


def test_usage_counts_a_process_and_its_memory(null):
    used = usage(null._process.pid)
    assert used.resident > used.anonymous > 1e6
    assert used.descriptors > 3


def test_a_disk_in_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "disk_of", lambda folder: disk.Disk("tmpfs", "tmpfs"))
    with pytest.raises(RuntimeError, match="lies in memory"):
        disk.record_disk(Recorder(1), tmp_path, quick=True)


def test_flushes_are_timed_on_a_real_file(tmp_path):
    assert (disk.flush_seconds(tmp_path, 3) > 0).all()
    assert not list(tmp_path.iterdir())


def test_noise_around_a_level_is_flat_and_a_leak_is_not():
    seconds = np.arange(900.0)
    noise = np.random.default_rng(0).normal(size=900)
    assert trend(seconds, 100 + noise).is_flat
    leak = trend(seconds, 100 + noise + 0.01 * seconds)
    assert not leak.is_flat
    assert leak.low < 100 * 0.01 * 3600 / leak.level < leak.high
    assert trend(seconds, np.zeros(900)).is_flat


def test_all_runtimes_give_the_same_answers(tmp_path: Path):
    model = save_model(tmp_path / "model")
    systems = [
        steppers.cellstate(model),
        steppers.onnx_runtime(1),
        steppers.torch_layer(1),
        onnx_and_sqlite(tmp_path / "states.db", 1),
    ]
    rng = np.random.default_rng(0)
    for names in (["a", "b"], ["b", "c"], ["a"]):
        readings = rng.normal(size=(len(names), INPUTS)).tolist()
        first, *others = (np.array(step(names, readings)) for step in systems)
        for other in others:
            np.testing.assert_allclose(other, first, atol=1e-6)


class Scripted:
    """A generator whose server keeps up with a given rate."""

    def __init__(self, most):
        self.most, self.offered = most, []

    def ask(self, question, timeout_seconds=0.0):
        if "connect" in question:
            return {}
        rate = question["run"]["rate"]
        self.offered.append(rate)
        late = 5.0 if rate <= self.most else 500.0
        numbers = {"p50": late, "p99": late, "p99.9": late}
        facts = {"offered": 100, "answered": 100, "applied": 100, "seconds": 1.0}
        return {**facts, "milliseconds": numbers, "cpu_share": 0.1, "lag_ms_p99": 0.1}


@pytest.mark.parametrize(
    ("most", "best"),
    [(2500.0, 2500.0), (5000.0, 5000.0), (300.0, 250.0), (10.0, 0.0), (1e9, 512e3)],
)
def test_the_ladder_finds_the_rate_that_is_kept(null, most, best):
    recorder, remote = Recorder(1), Scripted(most)
    kind = Kind("HTTP, 1 event", "events", 1, lanes=4, first=500, half=1000)
    assert Ladder(recorder, remote, halvings=2).climb(kind, 1, "it", null) == best  # type: ignore[arg-type]
    twice = [row for row in recorder.rows if row.metric == "milliseconds_p99" and row.seed]
    assert all(row.value == 500.0 for row in twice)
    assert bool(twice) == (max(remote.offered) > most)
    assert kind.half in remote.offered
