"""Every format that was ever released keeps loading, value by value."""

from pathlib import Path

import numpy as np
import pytest

from cellstate import artifact, network

GOLDEN = Path(__file__).parent.parent / "golden"


def test_every_format_has_its_folder():
    numbers = sorted(int(folder.name.split("-")[1]) for folder in GOLDEN.glob("format-*"))
    assert numbers == list(range(1, artifact.FORMAT + 1))


@pytest.fixture(scope="module")
def loaded():
    return artifact.load(GOLDEN / "format-1")


def test_format_1_keeps_its_manifest(loaded):
    manifest, _ = loaded
    assert manifest.task == "forecast"
    assert manifest.arguments["levels"] == [80, 95]
    assert manifest.encoders == {
        "ids": ["Zürich", "東京", ""],
        "scale": {"mean": -0.1, "tiny": 5e-324},
    }
    assert manifest.decoding["quantiles"] == [0.025, 0.1, 0.5, 0.9, 0.975]
    assert manifest.record["history"] == [{"epoch": 0, "loss": None}]


def test_format_1_keeps_its_network(loaded):
    manifest, tensors = loaded
    assert network.from_json(manifest.network["chain"]) == (
        network.Linear("embed", 2, 3, "relu"),
        network.LSTM("memory", 3, 2),
        network.LayerNorm("norm", 2),
    )
    assert tensors["memory.weight_ih_l0"].shape == (8, 3)


def test_format_1_keeps_its_tensors(loaded):
    _, tensors = loaded
    np.testing.assert_array_equal(
        tensors["embed.weight"], np.arange(6, dtype=np.float32).reshape(3, 2) / 8
    )
    np.testing.assert_array_equal(tensors["embed.bias"], np.float32([6, 7, 8]) / 8)
    assert tensors["anchor"].dtype == np.float64
    assert tensors["anchor"].shape == ()
    np.testing.assert_array_equal(tensors["last_time"], [0, -1, 2**62])
    assert tensors["half"].dtype == np.float16
    np.testing.assert_array_equal(tensors["seen"], [True, False])
    assert tensors["empty"].shape == (0, 4)
    assert (
        artifact.fingerprint(tensors)
        == "sha256:3448bd2ee5634d67f0a589a106ad3b069ac89719e51bff9a58a1e9fb6976b16e"
    )
