import pytest
import torch

from cellstate.errors import ArtifactError
from cellstate.train import TrainConfig, TrainingWarning, checkpoint, fit
from tests.train.problems import Line, Scripted, network, weights

BASE = TrainConfig(epochs=12, learning_rate=0.02, device="cpu", sanity=False)


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "COST", 1e9)


def config(tmp_path, **options):
    return BASE.filled(checkpoint=tmp_path / "run.ckpt", **options)


class CrashError(Exception):
    pass


def crash_at(step):
    def change(now, loss):
        if now == step:
            raise CrashError
        return loss

    return Scripted(change)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_training_taken_up_again_gives_the_same_weights(tmp_path, average):
    whole, broken = network(dropout=0.3), network(dropout=0.3)
    settings = config(tmp_path, average=average)
    reference = fit(whole, Line(), settings, seed=1)
    with pytest.raises(CrashError):
        fit(broken, crash_at(27), settings, seed=1)
    again = network(dropout=0.3)
    record = fit(again, Line(), settings, seed=1)
    assert torch.equal(weights(again), weights(whole))
    assert [row.valid_loss for row in record.history] == [r.valid_loss for r in reference.history]
    assert [event.kind for event in record.events] == ["resumed"]
    assert record.best_step == reference.best_step


def test_the_file_is_removed_at_the_end(tmp_path):
    fit(network(), Line(), config(tmp_path), seed=0)
    assert list(tmp_path.iterdir()) == []


def test_the_file_stays_after_ctrl_c(tmp_path):
    def interrupt(step, loss):
        if step == 20:
            raise KeyboardInterrupt
        return loss

    with pytest.warns(TrainingWarning, match="Ctrl-C"):
        fit(network(), Scripted(interrupt), config(tmp_path), seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["run.ckpt"]


def crashed(tmp_path):
    with pytest.raises(CrashError):
        fit(network(), crash_at(20), config(tmp_path), seed=0)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"task": Line(rows=48)},
        {"model": network(seed=9)},
        {"config": {"learning_rate": 0.5}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, other):
    crashed(tmp_path)
    settings = TrainConfig(**other.get("config", {})).filled(
        epochs=12, learning_rate=0.02, device="cpu", sanity=False, checkpoint=tmp_path / "run.ckpt"
    )
    with pytest.raises(ArtifactError, match=r"same model, data, settings and seed; got one of"):
        fit(
            other.get("model", network()),
            other.get("task", Line()),
            settings,
            seed=other.get("seed", 0),
        )


@pytest.mark.parametrize("keep", [0, 5, 100, 800])
def test_a_damaged_checkpoint_is_refused(tmp_path, keep):
    crashed(tmp_path)
    path = tmp_path / "run.ckpt"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="Delete the file to train from the start"):
        fit(network(), Line(), config(tmp_path), seed=0)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    settings = BASE.filled(checkpoint=tmp_path / "missing" / "run.ckpt")
    with pytest.raises(ArtifactError, match=r"run\.ckpt must be writable"):
        fit(network(), Line(), settings, seed=0)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    crashed(tmp_path)
    before = (tmp_path / "run.ckpt").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ArtifactError, match="No space left"):
        fit(network(), Line(), config(tmp_path), seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["run.ckpt"]
    assert (tmp_path / "run.ckpt").read_bytes() == before
