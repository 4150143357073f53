"""Truncated, changed, foreign and newer models are refused with a reason, whatever the damage."""

import hashlib
import json
import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellstate import artifact
from cellstate.artifact import Manifest, strict_json
from cellstate.errors import ArtifactError

MANIFEST = Manifest("forecast", {"horizon": 24, "rate": 0.5, "text": "é"}, record={"x": [1, None]})
TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, -1])}
FIT_AGAIN = "Copy the model again from where it came from, or fit it again."


@pytest.fixture
def folder(tmp_path):
    artifact.save(tmp_path / "model", MANIFEST, TENSORS)
    return tmp_path / "model"


def change_manifest(folder, **changes):
    """Write `model.json` anew with a right checksum: the work of a careful forger."""
    path = folder / "model.json"
    document = json.loads(path.read_text()) | changes
    document = {name: value for name, value in document.items() if value is not ...}
    if "sha256" not in changes:
        document.pop("sha256")
        document["sha256"] = hashlib.sha256(strict_json.canonical(document)).hexdigest()
    path.write_text(json.dumps(document))


def write_tensors(folder, header, values, **described):
    """Write a tensor file of this header, with checksums that match."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = struct.pack("<Q", len(head)) + head + values
    (folder / "model.safetensors").write_bytes(data)
    entries = {"a": {"dtype": "float32", "shape": [2]}}
    tensors = {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "entries": entries,
    }
    change_manifest(folder, tensors=tensors | described)


def refused(folder, match):
    with pytest.raises(ArtifactError, match=match) as caught:
        artifact.load(folder)
    assert str(caught.value).startswith(f"load {folder}: ")
    assert "; got " in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_explained(tmp_path):
    message = refused(tmp_path / "none", "got No such file or directory. Check the path")
    assert "must be a folder with model.json and model.safetensors" in message


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_missing_file_is_explained(folder, name):
    (folder / name).unlink()
    refused(folder, "got No such file or directory")


def test_a_file_instead_of_a_folder_is_explained(folder):
    refused(folder / "model.json", "got Not a directory")


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_link_out_of_the_folder_is_refused(folder, name):
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)
    refused(folder, f"{name} must be a regular file; got a link")


def test_a_pipe_is_refused_and_does_not_block(folder):
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    refused(folder, "must be a regular file")


def test_a_newer_format_asks_for_an_update(folder):
    change_manifest(folder, format_version=2, written_by="9.1", novelty=1)
    message = refused(folder, "a model's format must be 1 or older; got format 2")
    assert "written by cellstate 9.1. Update cellstate: pip install -U cellstate." in message


def test_a_format_before_the_first_is_refused(folder):
    change_manifest(folder, format_version=0)
    refused(folder, "got format 0, from before the first release. Fit the model again.")


@pytest.mark.parametrize("version", [True, "1", 1.0, None, -1, ...])
def test_a_format_version_that_is_no_number_is_refused(folder, version):
    change_manifest(folder, format_version=version)
    refused(folder, "format_version must be a whole number")


@pytest.mark.parametrize("content", [b"{}", b"[]", b"3", b'{"format": "other", "task": 1}'])
def test_another_program_s_json_is_not_ours(folder, content):
    (folder / "model.json").write_bytes(content)
    refused(folder, "Name a folder that cellstate has saved")


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (b"", "Expecting value"),
        (b'{"format": "cellstate-model"', "delimiter"),
        (b'{"format": "cellstate-model", "format": "cellstate-model"}', "the key 'format' twice"),
        (b'{"x": NaN}', "the number NaN"),
        (b'{"x": [-Infinity]}', "the number -Infinity"),
        (b'{"x": 1e999}', "the number 1e999, beyond float64"),
        (b'{"x": ' + b"9" * 5000 + b"}", "integer string conversion"),
        (b"[" * 100_000, "nesting that is too deep"),
        (b'{"x": "\xff"}', "utf-8"),
        ("{}".encode("utf-16"), "utf-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
    ],
)
def test_broken_json_is_refused(folder, content, given):
    (folder / "model.json").write_bytes(content)
    assert FIT_AGAIN in refused(folder, f"model.json must be one JSON document; got .*{given}")


def test_a_manifest_larger_than_the_limit_is_not_read(folder, monkeypatch):
    monkeypatch.setattr("cellstate.artifact.manifest.LIMIT", 100)
    refused(folder, "model.json must have at most 100 bytes")


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({"network": ...}, "no 'network'"),
        ({"extra": 1}, "an unknown 'extra'"),
        ({"sha256": "0"}, "a different content"),
        ({"record": []}, "record in model.json must be a dict; got a list"),
        ({"task": None}, "task in model.json must be a str"),
        ({"tensors": []}, "'tensors' without exactly bytes, entries, sha256"),
        ({"tensors": {"bytes": -1, "sha256": "", "entries": {}}}, "bytes = -1"),
        ({"tensors": {"bytes": 8.0, "sha256": "", "entries": {}}}, "bytes = 8.0"),
        ({"tensors": {"bytes": 8, "sha256": 3, "entries": {}}}, "sha256 = 3"),
        ({"tensors": {"bytes": 8, "sha256": "", "entries": []}}, r"entries = \[\]"),
        (
            {"tensors": {"bytes": 8, "sha256": "", "entries": {"a": {"dtype": "O", "shape": []}}}},
            "dtype 'O' of 'a'",
        ),
        (
            {
                "tensors": {
                    "bytes": 8,
                    "sha256": "",
                    "entries": {"a": {"dtype": "int8", "shape": [True]}},
                }
            },
            r"shape \[True\] of 'a'",
        ),
    ],
)
def test_a_forged_manifest_is_refused(folder, changes, given):
    change_manifest(folder, **changes)
    refused(folder, given)


def test_a_changed_value_is_noticed(folder):
    path = folder / "model.json"
    path.write_text(path.read_text().replace('"horizon": 24', '"horizon": 42'))
    refused(folder, "must match the checksum inside it; got a different content")


def test_a_changed_tensor_is_noticed(folder):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused(folder, "must be the file that model.json describes; got a different content")


def test_a_truncated_tensor_file_is_noticed(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    refused(folder, r"got \d+ bytes instead of \d+")


A = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "given"),
    [
        ({}, "no tensor 'a'"),
        ({"a": A, "b": A}, "the unknown tensor 'b'"),
        ({"a": A | {"dtype": "I32"}}, "'a' with .*I32"),
        ({"a": A | {"shape": [1, 2]}}, r"'a' with .*\[1, 2\]"),
        ({"a": A | {"data_offsets": [0, 4]}}, "instead of 8 bytes"),
        ({"a": A | {"data_offsets": [8, 0]}}, "instead of 8 bytes"),
        ({"a": A | {"data_offsets": [0, 8, 8]}}, "instead of 8 bytes"),
        ({"a": A | {"data_offsets": "08"}}, "instead of 8 bytes"),
        ({"a": A | {"data_offsets": [4, 12]}}, "a gap or an overlap at byte 0"),
        ({"a": A | {"more": 1}}, "without exactly"),
        ({"a": [1]}, "without exactly"),
        ([], "no JSON object"),
        (b'{"a": NaN}', "the number NaN"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice"),
        (b"\xff", "utf-8"),
    ],
)
def test_a_forged_tensor_header_is_refused(folder, header, given):
    write_tensors(folder, header, bytes(8))
    refused(folder, f"must be the file that model.json describes; got .*{given}")


def test_bytes_after_the_last_tensor_are_refused(folder):
    write_tensors(folder, {"a": A}, bytes(9))
    refused(folder, "8 bytes of tensors in a file of")


def test_a_header_longer_than_the_file_is_not_allocated(folder):
    data = struct.pack("<Q", 2**62) + bytes(100)
    (folder / "model.safetensors").write_bytes(data)
    tensors = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "entries": {}}
    change_manifest(folder, tensors=tensors)
    refused(folder, f"a header of {2**62} bytes in a file of 108")


@pytest.mark.parametrize("size", [0, 4])
def test_a_tensor_file_shorter_than_its_first_number_is_refused(folder, size):
    (folder / "model.safetensors").write_bytes(bytes(size))
    change_manifest(folder, tensors={"bytes": size, "sha256": "", "entries": {}})
    refused(folder, "got a header of 0 bytes")


def test_a_shape_too_large_for_the_file_is_not_allocated(folder):
    entry = {"a": {"dtype": "float32", "shape": [2**62, 2**62]}}
    header = {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}}
    write_tensors(folder, header, bytes(8), entries=entry)
    refused(folder, "instead of .* bytes")


def test_what_safetensors_itself_refuses_is_explained(folder):
    header = b'{"__metadata__": 3, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
    write_tensors(folder, header, bytes(8))
    refused(folder, "must be the file that model.json describes")


def equal(folder):
    """Load; True if it is the model as saved, False if it was refused."""
    try:
        manifest, tensors = artifact.load(folder)
    except ArtifactError:
        return False
    assert manifest == MANIFEST
    assert list(tensors) == list(TENSORS)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, TENSORS[name])
    return True


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_any_damage_is_refused_or_harmless(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("fuzz") / "model"
    artifact.save(folder, MANIFEST, TENSORS)
    path = folder / name
    whole = path.read_bytes()
    places = st.integers(0, len(whole) - 1)
    edits = st.lists(st.tuples(places, st.binary(min_size=0, max_size=3)), min_size=1, max_size=3)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(edits=edits, cut=st.none() | places)
    def damage(edits, cut):
        data = bytearray(whole[:cut])
        for place, replacement in edits:
            data[place : place + len(replacement) or place + 1] = replacement
        path.write_bytes(data)
        assert not equal(folder) or name == "model.json" or bytes(data) == whole

    damage()


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_every_flipped_bit_pattern_is_refused_or_harmless(folder, name):
    path = folder / name
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        data = bytearray(whole)
        data[place] ^= 1 << (place % 8)
        path.write_bytes(data)
        equal(folder)
    path.write_bytes(whole)
    assert equal(folder)
