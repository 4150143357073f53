"""A full disk, a crash, a file system without an exchange: the old model stays whole."""

import os
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cellstate import artifact
from cellstate.artifact import Manifest, atomic
from cellstate.errors import ArtifactError

OLD = Manifest("forecast", record={"epoch": 1})
NEW = Manifest("forecast", record={"epoch": 2})
BIG = {"w": np.zeros(100_000, dtype=np.float32)}


@pytest.fixture(params=["new", "replacing"])
def folder(tmp_path, request):
    """A model's folder, once not there yet and once with an older model in it."""
    if request.param == "replacing":
        artifact.save(tmp_path / "model", OLD, {})
    return tmp_path / "model"


def snapshot(parent: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in parent.rglob("*") if path.is_file()} | {
        str(path): b"" for path in parent.rglob("*") if path.is_dir()
    }


@contextmanager
def largest_file(size):
    """Let the operating system refuse to write beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 100, 300_000])
def test_a_file_that_cannot_grow_leaves_nothing(folder, size):
    before = snapshot(folder.parent)
    with (
        largest_file(size),
        pytest.raises(ArtifactError, match=r"File too large\. Free some space or choose"),
    ):
        artifact.save(folder, NEW, BIG)
    assert snapshot(folder.parent) == before


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_disk_that_fails_to_flush_leaves_nothing(folder, monkeypatch, failing):
    before = snapshot(folder.parent)
    calls = iter(range(1, 100))
    flush = os.fsync

    def fail(descriptor):
        if next(calls) == failing:
            raise OSError(28, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ArtifactError, match=r"got No space left on device\. Free some space"):
        artifact.save(folder, NEW, BIG)
    assert snapshot(folder.parent) == before


def test_an_interrupt_leaves_nothing(folder, monkeypatch):
    before = snapshot(folder.parent)

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        artifact.save(folder, NEW, BIG)
    assert snapshot(folder.parent) == before


def test_files_and_folders_are_flushed_before_and_after_the_rename(folder, monkeypatch):
    flushed = []
    flush = os.fsync

    def note(descriptor):
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        flush(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not name open files")
    monkeypatch.setattr(os, "fsync", note)
    artifact.save(folder, NEW, BIG)
    assert flushed[:2] == ["model.json", "model.safetensors"]
    assert flushed[2].endswith(".draft")
    assert flushed[3] == folder.parent.name


def test_a_directory_without_permission_is_explained(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ArtifactError, match="a directory that can be written to; got Permission"):
        artifact.save(folder, NEW, BIG)


class TestWithoutAnExchange:
    """File systems that cannot swap two names: two renames, and a way back."""

    @pytest.fixture(autouse=True)
    def _no_exchange(self, monkeypatch):
        monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)

    @pytest.fixture
    def folder(self, tmp_path):
        artifact.save(tmp_path / "model", OLD, {})
        return tmp_path / "model"

    def test_a_model_is_replaced(self, folder):
        artifact.save(folder, NEW, BIG)
        assert artifact.load(folder)[0] == NEW
        assert [entry.name for entry in folder.parent.iterdir()] == ["model"]

    def test_a_failing_second_rename_brings_the_old_model_back(self, folder, monkeypatch):
        before = snapshot(folder.parent)
        rename = Path.rename

        def fail(self, target):
            if self.name.endswith(".draft"):
                raise OSError(5, "Input/output error")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", fail)
        with pytest.raises(ArtifactError, match="Input/output error"):
            artifact.save(folder, NEW, BIG)
        assert snapshot(folder.parent) == before

    def test_a_crash_between_the_renames_loses_nothing(self, folder):
        folder.rename(atomic.backup_name(folder))
        assert artifact.load(folder)[0] == OLD
        artifact.save(folder, NEW, BIG)
        assert artifact.load(folder)[0] == NEW
        assert [entry.name for entry in folder.parent.iterdir()] == ["model"]

    def test_a_crash_after_the_renames_is_cleared_away(self, folder):
        artifact.save(atomic.backup_name(folder), OLD, {})
        artifact.save(folder, NEW, BIG)
        assert artifact.load(folder)[0] == NEW
        assert [entry.name for entry in folder.parent.iterdir()] == ["model"]


def test_a_file_is_replaced_in_one_step(tmp_path):
    target = tmp_path / "forecast.csv"
    atomic.write_file(target, b"old")
    with largest_file(1000), pytest.raises(OSError, match="File too large"):
        atomic.write_file(target, bytes(2000))
    assert snapshot(tmp_path) == {str(target): b"old"}
    atomic.write_file(target, b"new")
    assert snapshot(tmp_path) == {str(target): b"new"}
