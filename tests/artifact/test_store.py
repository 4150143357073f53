"""A model folder: what goes in comes out, and only a model is ever replaced."""

import json
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from cellstate import artifact
from cellstate.artifact import Manifest
from cellstate.errors import ArtifactError, InputError

TENSORS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3)}
OLD = Manifest("forecast", record={"epoch": 1})
NEW = Manifest("forecast", record={"epoch": 2})


@pytest.fixture
def folder(tmp_path):
    artifact.save(tmp_path / "model", OLD, TENSORS)
    return tmp_path / "model"


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_what_was_saved_is_loaded(tmp_path):
    manifest = Manifest(
        task="forecast",
        arguments={
            "horizon": 24,
            "train": None,
            "flag": True,
            "tiny": 5e-324,
            "text": 'ü"\n\u2028',
        },
        network={"chain": [{"kind": "dropout", "name": "drop", "rate": 0.5}]},
        encoders={"deep": {"er": [1, [2.5, []]]}},
        decoding={"": {}},
        record={"big": 2**200, "negative": -0.0},
    )
    artifact.save(tmp_path / "model", manifest, TENSORS)
    loaded, tensors = artifact.load(tmp_path / "model")
    assert loaded == manifest
    assert list(tensors) == list(TENSORS)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, TENSORS[name])
        assert tensor.dtype == TENSORS[name].dtype
        assert tensor.flags.writeable


def test_tuples_come_back_as_lists(tmp_path):
    artifact.save(tmp_path / "model", Manifest("t", {"levels": (80, (95,))}), {})
    assert artifact.load(tmp_path / "model")[0].arguments == {"levels": [80, [95]]}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(10)[::-2],
        np.arange(4, dtype=">f4"),
        np.asfortranarray(np.arange(6, dtype=np.int8).reshape(3, 2)),
        np.array(1.5, dtype=np.float16),
        np.zeros((0, 3), dtype=np.uint16),
        np.array([[True], [False]]),
        np.array([np.nan, np.inf, -0.0]),
    ],
)
def test_any_layout_comes_back_with_its_values(tmp_path, array):
    artifact.save(tmp_path / "model", OLD, {"a": array})
    loaded = artifact.load(tmp_path / "model")[1]["a"]
    np.testing.assert_array_equal(loaded, array)
    assert loaded.shape == array.shape
    assert loaded.dtype == array.dtype.newbyteorder("=")


def test_the_folder_holds_two_files_with_ordinary_permissions(folder):
    assert names(folder.parent) == {"model"}
    assert names(folder) == {"model.json", "model.safetensors"}
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((folder / "model.json").stat().st_mode) == 0o666 & ~mask


def test_model_json_is_readable_text(folder):
    document = json.loads((folder / "model.json").read_text())
    assert document["format_version"] == artifact.FORMAT
    assert document["tensors"]["entries"]["w"] == {"dtype": "float32", "shape": [2, 3]}


def test_an_older_model_is_replaced(folder):
    artifact.save(folder, NEW, TENSORS)
    assert artifact.load(folder)[0] == NEW
    assert names(folder.parent) == {"model"}


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "model").mkdir()
    artifact.save(tmp_path / "model", OLD, TENSORS)
    assert artifact.load(tmp_path / "model")[0] == OLD


def test_a_link_to_a_model_stays_a_link(folder):
    link = folder.parent / "latest"
    link.symlink_to("model")
    artifact.save(link, NEW, TENSORS)
    assert link.is_symlink()
    assert artifact.load(folder)[0] == artifact.load(link)[0] == NEW


def test_a_trailing_slash_means_the_same_folder(folder):
    artifact.save(f"{folder}/", NEW, TENSORS)
    assert artifact.load(f"{folder}/")[0] == NEW


@pytest.mark.parametrize("content", ["notes.txt", "model.json", "sub/"])
def test_a_folder_that_is_not_a_model_is_never_deleted(tmp_path, content):
    target = tmp_path / "model"
    target.mkdir()
    if content.endswith("/"):
        (target / content).mkdir()
    else:
        (target / content).write_text("{}")
    with pytest.raises(ArtifactError, match="the name must be free, or be that of a folder with"):
        artifact.save(target, OLD, TENSORS)
    assert names(target) == {content.rstrip("/")}
    assert names(tmp_path) == {"model"}


def test_a_model_with_other_files_beside_it_is_not_replaced(folder):
    (folder / "report.html").write_text("<p>")
    with pytest.raises(ArtifactError, match=r"a folder that holds 'report.html'\. Choose another"):
        artifact.save(folder, NEW, TENSORS)
    assert artifact.load(folder)[0] == OLD


def test_a_file_is_never_replaced_by_a_model(tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(ArtifactError, match="got a file"):
        artifact.check_target(tmp_path / "model")


def test_a_missing_parent_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"no directory .*/nowhere\. Create it first"):
        artifact.save(tmp_path / "nowhere" / "model", OLD, TENSORS)


def test_is_model_tells_models_from_the_rest(folder):
    assert artifact.is_model(folder)
    assert not artifact.is_model(folder.parent)
    assert not artifact.is_model(folder / "model.json")
    assert not artifact.is_model(folder / "missing")


@pytest.mark.parametrize(
    ("manifest", "tensors", "message"),
    [
        (Manifest("t", {"a": np.float32(1)}), {}, "arguments.a of type float32"),
        (Manifest("t", {"a": {"b": (1, {2})}}), {}, r"arguments.a.b\[1\] of type set"),
        (Manifest("t", record={"loss": [float("nan")]}), {}, r"record.loss\[0\] = nan"),
        (Manifest("t", record={"loss": float("-inf")}), {}, "record.loss = -inf"),
        (Manifest("t", encoders={1: "a"}), {}, "the key 1 in encoders"),
        (Manifest("t", network=[]), {}, "the manifest's network must be a dict; got list"),
        (Manifest(3), {}, "the manifest's task must be a str; got int"),
        (OLD, {"w": [1.0]}, "'w' of list"),
        (OLD, {"w": np.array(["a"])}, "'w' of str32"),
        (OLD, {"w": np.array([None])}, "'w' of object"),
        (OLD, {3: np.zeros(1)}, "3 of float64"),
        (OLD, {"__metadata__": np.zeros(1)}, "'__metadata__' of float64"),
    ],
)
def test_bad_content_is_refused_before_anything_is_written(tmp_path, manifest, tensors, message):
    with pytest.raises(InputError, match=message):
        artifact.save(tmp_path / "model", manifest, tensors)
    assert names(tmp_path) == set()


def test_a_manifest_that_contains_itself_is_refused(tmp_path):
    loop = {}
    loop["loop"] = loop
    with pytest.raises(InputError, match="recursion depth exceeded"):
        artifact.save(tmp_path / "model", Manifest("t", loop), {})
    assert names(tmp_path) == set()


def test_a_manifest_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("cellstate.artifact.manifest.LIMIT", 100)
    with pytest.raises(InputError, match=r"at most 100 bytes.*Store arrays as tensors"):
        artifact.save(tmp_path / "model", OLD, TENSORS)


def test_a_reader_sees_the_old_model_or_the_new_one(folder):
    seen = set()
    done = threading.Event()
    failures = []

    def read():
        try:
            while not done.is_set():
                seen.add(artifact.load(folder)[0].record["epoch"])
        except BaseException as failure:  # noqa: BLE001 - handed to the test's own thread
            failures.append(failure)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(10):
        artifact.save(folder, NEW, TENSORS)
        artifact.save(folder, OLD, TENSORS)
    done.set()
    reader.join()
    assert not failures
    assert seen <= {1, 2}
