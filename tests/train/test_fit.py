import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from cellstate.errors import TrainingError
from cellstate.train import StepLoss, TrainConfig, TrainRecord, fit
from tests.train.problems import Line, network, weights

QUICK = TrainConfig(epochs=10, learning_rate=0.05, device="cpu")


def test_a_model_learns():
    record = fit(network(), Line(), TrainConfig(epochs=60, learning_rate=0.05), seed=0)
    assert record.best_loss is not None
    assert record.best_loss < 0.01 < record.history[0].valid_loss


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_equal_seeds_give_equal_weights(average, schedule):
    config = TrainConfig(epochs=4, average=average, schedule=schedule)
    models = [network(dropout=0.5), network(dropout=0.5)]
    for model in models:
        torch.rand(3)  # the state of the caller's generator must not matter
        fit(model, Line(), config, seed=3)
    assert torch.equal(weights(models[0]), weights(models[1]))


def test_other_seeds_give_other_weights():
    models = [network(dropout=0.5), network(dropout=0.5)]
    for seed, model in enumerate(models):
        fit(model, Line(), QUICK, seed=seed)
    assert not torch.equal(weights(models[0]), weights(models[1]))


def test_the_sanity_pass_leaves_no_trace():
    models = [network(dropout=0.5), network(dropout=0.5)]
    for model, sanity in zip(models, (True, False), strict=True):
        fit(model, Line(), TrainConfig(epochs=50, sanity=sanity), seed=3)
    assert torch.equal(weights(models[0]), weights(models[1]))


def test_the_callers_generators_are_as_before():
    before_torch, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    fit(network(dropout=0.5), Line(), QUICK, seed=0)
    assert torch.equal(torch.get_rng_state(), before_torch)
    assert np.array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002


@pytest.mark.parametrize("average", [0.0, 0.8])
def test_the_kept_weights_have_the_best_validation_loss(average):
    model, task = network(), Line()
    config = TrainConfig(epochs=30, learning_rate=0.3, schedule="constant", average=average)
    record = fit(model, task, config, seed=0)
    with torch.no_grad():
        loss = task.loss(model, {k: torch.from_numpy(v) for k, v in task.data.items()}, None).loss
    losses = [row.valid_loss for row in record.history]
    assert loss.item() == pytest.approx(min(losses), rel=1e-6)
    assert record.best_loss == min(losses)
    assert record.best_step == record.history[int(np.argmin(losses))].step


def test_patience_stops_a_training_that_no_longer_improves():
    model = network()
    config = TrainConfig(epochs=500, learning_rate=0.5, schedule="constant", patience=3)
    record = fit(model, Line(), config, seed=0)
    assert record.stopped == "early"
    assert len(record.history) < 500
    assert record.history[-1].epoch - record.best_epoch == 3


def test_validation_may_come_every_few_steps():
    record = fit(network(), Line(), TrainConfig(epochs=2, valid_every=3), seed=0)
    assert [(row.epoch, row.step) for row in record.history] == [(1, 3), (2, 6), (2, 8)]


def test_without_a_split_the_last_weights_are_kept():
    record = fit(network(), Line(valid=False), TrainConfig(epochs=3, patience=1), seed=0)
    assert record.best_loss is None
    assert [row.valid_loss for row in record.history] == [None] * 3
    assert record.best_step == 12
    assert record.stopped == "finished"


def test_the_train_loss_of_a_row_is_the_mean_since_the_row_before():
    class Counting(Line):
        step = 0

        def loss(self, model, batch, state):
            outcome = super().loss(model, batch, state)
            self.step += model.training
            return StepLoss(outcome.loss * 0 + self.step, outcome.weight)

    record = fit(network(), Counting(), TrainConfig(epochs=2, sanity=False), seed=0)
    assert [row.train_loss for row in record.history] == [2.5, 6.5]


def test_carried_state_reaches_the_next_batch_of_the_epoch_without_gradient():
    seen = []

    class Carrying(Line):
        def loss(self, model, batch, state):
            outcome = super().loss(model, batch, state)
            if model.training:
                seen.append(state)
            here = {"layer": (outcome.loss, [outcome.loss * 2])}
            return StepLoss(outcome.loss, outcome.weight, here)

    fit(network(), Carrying(batch=32), TrainConfig(epochs=2, sanity=False), seed=0)
    assert [state is None for state in seen] == [True, False, True, False]
    first, (second,) = seen[1]["layer"]
    assert not first.requires_grad
    assert not second.requires_grad
    assert second == 2 * first


def test_validation_losses_are_averaged_by_weight():
    class Uneven(Line):
        def valid_batches(self):
            return [
                {k: v[:10] for k, v in self.data.items()},
                {k: v[10:] for k, v in self.data.items()},
            ]

    class OnDevice(Uneven):
        def loss(self, model, batch, state):
            outcome = super().loss(model, batch, state)
            return StepLoss(outcome.loss, torch.tensor(outcome.weight))

    one, two, three = (
        fit(network(), task, TrainConfig(epochs=1), seed=0).best_loss
        for task in (Line(), Uneven(), OnDevice())
    )
    assert two == pytest.approx(one, rel=1e-6)
    assert three == two


def test_validation_batches_without_anything_observed_are_no_validation():
    class Unseen(Line):
        def loss(self, model, batch, state):
            outcome = super().loss(model, batch, state)
            return StepLoss(outcome.loss * 0, outcome.weight if model.training else 0.0)

    record = fit(network(), Unseen(), TrainConfig(epochs=2, sanity=False), seed=0)
    assert [row.valid_loss for row in record.history] == [None, None]


def test_frozen_and_unused_parameters_stay():
    model = network()
    model[0].weight.requires_grad_(requires_grad=False)
    model.extra = torch.nn.Parameter(torch.ones(2))
    before = model[0].weight.clone()
    fit(torch.nn.Sequential(model), Line(), QUICK, seed=0)
    assert torch.equal(model[0].weight, before)
    assert torch.equal(model.extra, torch.ones(2))


def test_the_model_is_left_ready_to_predict():
    model = network(dropout=0.5)
    fit(model, Line(), QUICK, seed=0)
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


def test_nothing_is_printed(capfd):
    fit(network(), Line(), QUICK, seed=0)
    assert capfd.readouterr() == ("", "")


def test_the_record_survives_json():
    record = fit(network(), Line(), QUICK, seed=0)
    assert TrainRecord.from_dict(json.loads(json.dumps(record.as_dict()))) == record
    assert record.parameters == 25
    assert set(record.versions) == {"python", "numpy", "torch"}


def test_the_duration_is_foretold():
    record = fit(network(), Line(), TrainConfig(epochs=100, device="cpu"), seed=0)
    assert record.predicted_seconds is not None
    assert record.seconds / 20 < record.predicted_seconds < record.seconds * 20


def test_batches_may_be_views_and_read_only():
    class Views(Line):
        def train_batches(self, rng):
            for batch in super().train_batches(rng):
                reverse = {name: array[::-1] for name, array in batch.items()}
                for array in reverse.values():
                    array.flags.writeable = False
                yield reverse

    fit(network(), Views(), QUICK, seed=0)


def test_a_model_in_float64_can_be_trained():
    record = fit(network().double(), Line(dtype=np.float64), QUICK, seed=0)
    assert record.best_loss < record.history[0].valid_loss


def test_a_model_without_trainable_parameters_is_refused():
    with pytest.raises(TrainingError, match="at least one parameter that requires a gradient"):
        fit(torch.nn.Tanh(), Line(), QUICK, seed=0)


@pytest.mark.parametrize("sanity", [True, False])
def test_a_task_without_batches_is_refused(sanity):
    class Empty(Line):
        def train_batches(self, rng):
            yield from ()

    with pytest.raises(TrainingError, match="at least one batch an epoch; got none"):
        fit(network(), Empty(), TrainConfig(sanity=sanity), seed=0)


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match=r"device must be one that this machine has \(cpu"):
        fit(network(), Line(), TrainConfig(device="abacus"), seed=0)


def test_settings_can_be_read_without_torch():
    code = "import sys, cellstate.train as t; t.TrainConfig(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_does_not_import_torchs_compiler():
    code = """
import sys
from tests.train.problems import Line, network
from cellstate.train import TrainConfig, fit
fit(network(), Line(), TrainConfig(epochs=30, average=0.9), seed=0)
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
