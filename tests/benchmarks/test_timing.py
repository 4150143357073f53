import gc
import sys
import time

import pytest

from benchmarks.harness.process import measure
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import Timing, alternate
from cellstate.errors import InputError


def test_calls_take_turns():
    order: list[str] = []

    def call(name):
        def act():
            order.append(name)
            time.sleep(0.002)

        return act

    timing = alternate({"a": call("a"), "b": call("b")}, rounds=4, warm_ups=1)
    assert order[:2] == ["a", "b"]  # warming up
    rounds = [order[at : at + 2] for at in range(len(order) - 8, len(order), 2)]
    assert all(sorted(pair) == ["a", "b"] for pair in rounds)
    assert len({tuple(pair) for pair in rounds}) == 2  # neither always goes first
    assert [len(samples) for samples in timing.samples.values()] == [4, 4]


def test_short_calls_are_repeated_within_a_sample():
    count = 0

    def call():
        nonlocal count
        count += 1

    timing = alternate({"a": call}, rounds=3, warm_ups=0)
    assert count > 1000
    assert timing.median("a") < 1e-4


def test_ratio_is_of_medians():
    timing = Timing({"ours": (1.0, 1.0, 90.0), "torch": (3.0, 2.0, 0.1)})
    assert timing.times_faster("ours", than="torch") == 2.0
    recorder = Recorder(threads=1)
    timing.record(recorder, "T 32", ours="ours")
    assert [(r.system, r.metric, r.value) for r in recorder.rows] == [
        ("ours", "seconds_per_call", 1.0),
        ("torch", "seconds_per_call", 2.0),
        ("ours", "times_faster_than_torch", 2.0),
    ]


def test_timing_ends_early_but_not_before_three_rounds():
    timing = alternate({"a": lambda: time.sleep(0.005)}, rounds=1000, warm_ups=0, seconds=0.0)
    assert len(timing.samples["a"]) == 3


def test_the_collector_is_switched_on_again():
    def fail():
        raise RuntimeError("broken")

    for call in (lambda: None, fail):
        try:
            alternate({"a": call}, rounds=3, warm_ups=0)
        except RuntimeError:
            assert call is fail
        assert gc.isenabled()


@pytest.mark.parametrize(("calls", "rounds"), [({}, 5), ({"a": lambda: None}, 2)])
def test_nothing_to_time_is_refused(calls, rounds):
    with pytest.raises(InputError, match="something to time and at least 3 rounds; got"):
        alternate(calls, rounds=rounds)


def test_a_process_is_measured_whole():
    script = "import sys, time; time.sleep(0.2); print('out'); print('err', file=sys.stderr)"
    measured = measure([sys.executable, "-c", script])
    assert 0.2 < measured.wall_seconds < 10
    assert (measured.stdout, measured.stderr) == ("out\n", "err\n")
    assert measured.returncode == 0


def test_peak_memory_is_the_process_own():
    ballast = bytearray(200 * 2**20)  # the starter's memory must not count
    ballast[:: 2**12] = b"x" * len(ballast[:: 2**12])
    small = measure([sys.executable, "-S", "-c", "pass"])
    large = measure([sys.executable, "-S", "-c", "x = b'x' * (150 * 2**20)"])
    assert small.peak_bytes < 60 * 2**20
    assert large.peak_bytes > 150 * 2**20
    assert large.peak_bytes - small.peak_bytes < 170 * 2**20


def test_environment_and_folder_reach_the_process(tmp_path):
    script = "import os; print(os.environ['COLOUR'], os.getcwd())"
    measured = measure(
        [sys.executable, "-c", script], environment={"COLOUR": "blue"}, folder=tmp_path
    )
    assert measured.stdout.split() == ["blue", str(tmp_path.resolve())]


def test_a_failure_is_reported_with_its_words():
    measured = measure([sys.executable, "-c", "raise SystemExit('sorry')"])
    assert measured.returncode == 1
    with pytest.raises(RuntimeError, match="the job ended with 1:\nsorry"):
        measured.require_success("the job")


def test_a_program_that_does_not_exist_is_a_failure():
    assert measure(["/no/such/program"]).returncode != 0


def test_a_process_that_takes_too_long_is_ended_with_its_children(tmp_path):
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(3); open({str(mark)!r}, 'w')"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    start = time.perf_counter()
    with pytest.raises(TimeoutError, match=r"must end within 0\.5 s"):
        measure([sys.executable, "-c", script], timeout_seconds=0.5)
    assert time.perf_counter() - start < 2.5
    time.sleep(3)
    assert not mark.exists()


def test_an_empty_command_is_refused():
    with pytest.raises(InputError, match="command must name a program; got nothing"):
        measure([])


def test_a_pause_is_followed_by_calls_without_the_clock():
    calls = 0

    def call():
        nonlocal calls
        calls += 1
        time.sleep(0.002)

    timing = alternate({"a": call}, rounds=3, warm_ups=0, pause=0.001)
    assert calls > 3 + 3 * 5
    assert len(timing.samples["a"]) == 3
