"""Layers in processes of their own: they take turns, and are timed only with equal numbers."""

import sys
import time

import numpy as np
import pytest
import torch

from benchmarks import layer_peers, layers
from benchmarks.harness.record import Recorder
from benchmarks.harness.remote import Remote
from benchmarks.harness.timing import Timing, alternate
from benchmarks.peers.compiled_loop import Loop
from benchmarks.peers.keras_weights import keras_weights
from cellstate import nn

SERVER = """
import json, sys, time
for line in sys.stdin:
    question = json.loads(line)
    time.sleep(question.get("sleep", 0))
    if question.get("end"):
        sys.exit("out of paper")
    print(json.dumps({"seconds": 0.25 * question.get("sample", 1)}), flush=True)
"""


@pytest.fixture
def remote(tmp_path):
    with Remote([sys.executable, "-c", SERVER], {}, tmp_path) as remote:
        yield remote


def test_a_remote_call_is_timed_by_its_own_clock(remote):
    timing = alternate({"ours": lambda: None, "theirs": remote}, rounds=3, warm_ups=1)
    assert timing.samples["theirs"] == (0.25, 0.25, 0.25)


def test_a_process_that_ends_says_why(remote):
    with pytest.raises(RuntimeError, match=r"ended with 1:\nout of paper"):
        remote.ask({"end": True})
    with pytest.raises(RuntimeError, match="ended with 1"):
        remote.ask({})


def test_a_process_that_is_late_is_ended(remote):
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer to .'sleep': 60. within 0.1 s"):
        remote.ask({"sleep": 60}, timeout_seconds=0.1)
    assert time.monotonic() - start < 10


class Fake:
    """Answers with our own numbers, changed by `error`, or not in time."""

    def __init__(self, folder, error=0.0, late=False):
        self.folder, self.error, self.late = folder, error, late
        folder.mkdir()

    def ask(self, question, timeout_seconds):
        if self.late:
            raise TimeoutError
        with np.load(self.folder / "in.npz") as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file}
        layer = torch.nn.LSTM(arrays["x"].shape[2], arrays["weight_hh"].shape[1])
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        layer.load_state_dict({f"{name}_l0": arrays[name] for name in names})
        x = arrays["x"].requires_grad_()
        y, _ = layer(x)
        if question["training"]:
            y.backward(arrays["dy"])
        result = x.grad if question["training"] else y.detach()
        np.savez(self.folder / "out.npz", result=result.numpy() + self.error)
        return {"first": 3.0, "again": 1.0, "versions": "paper 1"}


@pytest.fixture
def problem():
    ours, _ = layers.pair(3, 4)
    return ours, torch.randn(5, 2, 3), torch.randn(5, 2, 4)


@pytest.mark.parametrize("training", [False, True])
def test_systems_of_equal_numbers_can_be_timed(tmp_path, problem, training):
    ours, x, dy = problem
    names = ("keras on torch", "keras on jax", layer_peers.LOOP)
    peers = {n: layer_peers.Peer(Fake(tmp_path / n), tmp_path / n) for n in names}
    recorder = Recorder(1)
    ready = layer_peers.prepared(
        recorder, peers, "case", ours, x, dy if training else None, skip=[layer_peers.LOOP]
    )
    assert list(ready) == ["keras on torch", "keras on jax"]
    assert [(r.system, r.metric, r.value, r.versions) for r in recorder.rows] == [
        ("keras on jax", "compile_seconds", 2.0, "paper 1")
    ]


def test_a_system_of_other_numbers_gives_no_figure(tmp_path, problem):
    ours, x, _ = problem
    peers = {"keras on jax": layer_peers.Peer(Fake(tmp_path / "a", 1e-3), tmp_path / "a")}
    with pytest.raises(RuntimeError, match=r"case: keras on jax differs from our numbers by 0.001"):
        layer_peers.prepared(Recorder(1), peers, "case", ours, x)


def test_a_system_that_compiles_for_too_long_is_left_out_from_then_on(tmp_path, problem, capsys):
    ours, x, _ = problem
    peers = {"keras on jax": layer_peers.Peer(Fake(tmp_path / "a", late=True), tmp_path / "a")}
    assert layer_peers.prepared(Recorder(1), peers, "case", ours, x) == {}
    assert peers == {}
    assert "case: keras on jax compiles for more than a minute" in capsys.readouterr().err


def arrays_of(layer):
    return {n.removesuffix("_l0"): v.detach().numpy() for n, v in layer.named_parameters()}


def test_the_loop_computes_the_layer(problem):
    ours, x, _ = problem
    torch.testing.assert_close(Loop(arrays_of(ours))(x), ours(x)[0])


def test_keras_gets_the_layer_s_weights(problem):
    ours, x, _ = problem
    layer = nn.from_keras(keras_weights(arrays_of(ours)), batch_first=False)
    torch.testing.assert_close(layer(x)[0], ours(x)[0])


def test_shares_are_of_what_the_machine_allows():
    recorder = Recorder(1)
    timing = Timing({"cellstate": (0.5, 0.5, 0.5)})
    limits = layers.Limits(peak=100.0, bandwidth=10.0)
    layers.add_shares(recorder, "case", timing, limits, operations=25e9, traffic=1e9)
    assert [(r.metric, r.value) for r in recorder.rows] == [
        ("percent_of_peak", 50.0),
        ("percent_of_bandwidth", 20.0),
    ]
    assert layers.forward_traffic(batch=2, steps=3, inputs=5, hidden=7) == 4 * (28 * 14 + 6 * 12)
