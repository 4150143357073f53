"""`cellstate export`: a saved model's network as ONNX, used in ONNX Runtime."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from cellstate import artifact, load, network
from cellstate.artifact import Manifest
from cellstate.runtime import Chain
from tests.runtime.networks import TEXT, random_tensors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The model of a forecaster that carries its memory, and the series it has learned."""
    from cellstate import Forecaster, TrainConfig

    folder = tmp_path_factory.mktemp("export")
    t = np.arange(90)
    y = 50 + t + 10 * np.sin(t * np.pi / 6)
    train = TrainConfig(epochs=2, sanity=False)
    forecaster = Forecaster(6, decoder="recursive", random_state=0, train=train)
    import polars as pl

    forecaster.fit(pl.DataFrame({"ds": t, "y": y})).save(folder / "model")
    return folder


class OnnxChain:
    """Stands in for the runtime's chain, on ONNX Runtime."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path)
        properties = self.session.get_modelmeta().custom_metadata_map
        self.outputs = json.loads(properties["outputs"])
        self.calls = 0

    def step(self, x, state):
        self.calls += 1
        h, c = (np.ascontiguousarray(part) for part in state["memory"])
        feeds = {"x": x, "memory.h_0": h, "memory.c_0": c}
        y, h, c = self.session.run(self.outputs, feeds)
        return y, {"memory": (h, c)}


def test_a_forecast_by_the_exported_step_is_the_models(cellstate, folder):
    out = folder / "step.onnx"
    result = cellstate("export", folder / "model", out, "--step")
    assert (result.code, result.err) == (0, "")
    assert f"Written to {out}; ONNX Runtime gives the model's numbers." in result.out
    ours = load(str(folder / "model")).predict()
    estimator = load(str(folder / "model"))
    chain = OnnxChain(out)
    estimator.fitted_.model._chain = chain
    theirs = estimator.predict()
    assert chain.calls == 6
    for name in ours.columns[1:]:
        np.testing.assert_allclose(theirs[name].to_numpy(), ours[name].to_numpy(), rtol=1e-4)


def test_the_file_says_how_to_use_it(cellstate, folder):
    out = folder / "sequence.onnx"
    document = cellstate("export", folder / "model", out, "--json").json
    assert document["form"] == "sequence"
    session = onnxruntime.InferenceSession(out)
    assert document["inputs"] == {one.name: one.shape for one in session.get_inputs()}
    assert document["outputs"] == {one.name: one.shape for one in session.get_outputs()}
    properties = session.get_modelmeta().custom_metadata_map
    assert properties["task"] == "forecast"
    assert properties["format_version"] == str(artifact.FORMAT)
    assert properties["written_by"].startswith("cellstate ")
    assert json.loads(properties["inputs"]) == list(document["inputs"])
    assert json.loads(properties["arguments"])["decoder"] == "recursive"
    assert {"encoders", "decoding", "states", "outputs", "form"} <= set(properties)


@pytest.mark.parametrize("described", [network.to_json(TEXT), {"chain": network.to_json(TEXT)}])
@pytest.mark.parametrize("prefix", ["", "network.", "network.0."])
def test_any_job_whose_network_is_a_chain_is_exported(cellstate, tmp_path, described, prefix):
    weights = random_tensors(TEXT, np.random.default_rng(0))
    tensors = {prefix + name: values for name, values in weights.items()}
    manifest = Manifest("letters", network={"layers": described})
    artifact.save(tmp_path / "model", manifest, {**tensors, "state": np.zeros(3)})
    result = cellstate("export", tmp_path / "model", tmp_path / "text.onnx")
    assert (result.code, result.err) == (0, "")
    session = onnxruntime.InferenceSession(tmp_path / "text.onnx")
    assert session.get_inputs()[0].type == "tensor(int64)"


def test_a_job_of_several_networks_is_not_exported_in_part(cellstate, tmp_path):
    described = {"kind": "monitor", "networks": 3, "layers": {"chain": network.to_json(TEXT)}}
    weights = random_tensors(TEXT, np.random.default_rng(0))
    tensors = {f"network.{k}.{name}": w for k in range(3) for name, w in weights.items()}
    artifact.save(tmp_path / "model", Manifest("vitals", network=described), tensors)
    result = cellstate("export", tmp_path / "model", tmp_path / "part.onnx")
    assert (result.code, result.out) == (2, "")
    assert "must be one chain of layers; got 3 networks, for the job 'vitals'" in result.err


def test_an_export_needs_no_torch(folder):
    code = (
        "import atexit, sys; from cellstate.cli import main;"
        "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr));"
        "main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "export", folder / "model", folder / "light.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.split()[-1] == "False"


def test_an_older_file_stays_whole_where_the_disk_is_full(cellstate, folder, tmp_path, monkeypatch):
    out = tmp_path / "model.onnx"
    out.write_text("older")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cellstate.artifact.atomic.os.fsync", fail)
    result = cellstate("export", folder / "model", out)
    assert (result.code, result.out) == (2, "")
    assert "the file must be writable; got No space left on device." in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert out.read_text() == "older"


def save(folder, task, described, tensors):
    artifact.save(folder, Manifest(task, network=described), tensors)


def save_chain(folder, layers):
    described = {"layers": network.to_json(layers)}
    save(folder, "network", described, random_tensors(layers, np.random.default_rng(0)))


def test_variants_that_the_operator_has_and_a_learned_start_are_exported(cellstate, tmp_path):
    body = network.LSTM("body", 6, 4, coupled=True, peephole=True, learn_initial_state=True)
    layers = (network.FrameStack("last", 2, 3), body)
    save_chain(tmp_path / "model", layers)
    out = tmp_path / "model.onnx"
    result = cellstate("export", tmp_path / "model", out, "--to", "onnx", "--step")
    assert (result.code, result.err) == (0, "")
    session = onnxruntime.InferenceSession(out)
    facts = session.get_modelmeta().custom_metadata_map
    start = json.loads(facts["start"])
    assert {name: np.shape(values) for name, values in start.items()} == {
        "body.h_0": (1, 4),
        "body.c_0": (1, 4),
    }
    state = {name: np.float32(values)[:, np.newaxis] for name, values in start.items()}
    state["last.frames_0"] = np.zeros((2, 1, 2), np.float32)
    x = np.ones((1, 2), np.float32)
    y = session.run(["y"], {"x": x, **state})[0]
    _, tensors = artifact.load(tmp_path / "model")
    np.testing.assert_allclose(y, Chain(layers, tensors).step(x)[0], atol=2e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "export {tmp}/pooled {tmp}/m.onnx",
            "must be one chain of layers; got the kind 'pooled', for the job 'classify'. Use the ",
        ),
        (
            "export {tmp}/parts {tmp}/m.onnx",
            "got the parts encoder, skip, for the job 'forecast'. Fit with --decoder recursive",
        ),
        ("export {tmp}/empty {tmp}/m.onnx", "must hold the tensors of its layers; got none of bo"),
        (
            "export {tmp}/parts {tmp}/m.onnx --to onxx",
            "export: --to must be 'onnx'; got 'onxx'. Did you mean 'onnx'?",
        ),
        (
            "export {tmp}/clipped {tmp}/m.onnx",
            "must be those that ONNX's LSTM operator has; got a bound of the cell state (its clip ",
        ),
        ("export {tmp}/parts {tmp}/m.pt", "the file must end in .onnx; got {tmp}/m.pt. Rename it."),
        ("export {tmp}/parts {tmp}/no/m.onnx", "the output's directory must exist"),
        ("export {tmp}/none {tmp}/m.onnx", "load {tmp}/none: a model must be a folder"),
        ("export {tmp}/parts", "Missing argument 'OUT'"),
    ],
)
def test_a_bad_call_ends_with_2_and_writes_nothing(cellstate, tmp_path, words, message):
    save(tmp_path / "pooled", "classify", {"kind": "pooled"}, {})
    save(tmp_path / "parts", "forecast", {"layers": {"encoder": [], "skip": []}}, {})
    chain = network.to_json((network.LSTM("body", 2, 3),))
    save(tmp_path / "empty", "forecast", {"layers": {"chain": chain}}, {"head": np.zeros(1)})
    clipped = (network.LSTM("body", 2, 3, cell_clip=1.0),)
    save_chain(tmp_path / "clipped", clipped)
    result = cellstate(*words.format(tmp=tmp_path).split())
    assert (result.code, result.out) == (2, "")
    assert message.format(tmp=tmp_path) in result.err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["clipped", "empty", "parts", "pooled"]
