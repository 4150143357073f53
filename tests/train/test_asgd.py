"""NT-ASGD: the optimizer, the moment when averaging begins, and its place in the loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellstate.errors import InputError, TrainingError
from cellstate.train import StepLoss, TrainConfig, fit
from cellstate.train.asgd import PATIENCE, SGD, NonMonotoneAverage
from tests.train.problems import Line, network, weights


def test_sgd_equals_torchs():
    ours, theirs = network(), network()
    reference = torch.optim.SGD(theirs.parameters(), lr=0.3, weight_decay=0.1)
    optimizer = SGD(ours, rate=0.3, weight_decay=0.1)
    x = torch.linspace(-1, 1, 16)[:, None]
    for _ in range(5):
        for model, method in ((ours, optimizer), (theirs, reference)):
            model.zero_grad()
            (model(x) - x.sin()).square().mean().backward()
            method.step()
    torch.testing.assert_close(weights(ours), weights(theirs))


def test_sgd_needs_something_to_train_and_leaves_what_has_no_gradient():
    model = network()
    before = weights(model).clone()
    SGD(model, rate=0.3, weight_decay=0.1).step()
    assert torch.equal(weights(model), before)
    with pytest.raises(TrainingError, match="at least one parameter"):
        SGD(network().requires_grad_(False), rate=0.3, weight_decay=0.0)


def test_averaging_begins_with_a_loss_worse_than_all_that_lie_far_back():
    average = NonMonotoneAverage([torch.zeros(1)])
    falling = [2.0 - 0.1 * k for k in range(20)]
    for k in range(len(falling)):
        assert average.hear(falling[: k + 1]) == ""
    # Worse than the last ones, better than those of long ago: a bump on the way.
    assert average.hear([*falling, falling[-1] + 0.2]) == ""
    stuck = [*falling, *[falling[-1] + 0.01] * (PATIENCE + 1)]
    assert "averaged from here on" in average.hear(stuck)
    assert average.hear(stuck) == ""  # once


def test_means_are_the_weights_before_and_their_mean_after_averaging_begins():
    tensor = torch.zeros(2)
    average = NonMonotoneAverage([tensor])
    for value in (3.0, 5.0):
        average.update([tensor.fill_(value)])
        assert average.means[0].tolist() == [value, value]
    average.hear([1.0] + [2.0] * PATIENCE)
    for value in (1.0, 2.0, 6.0):
        average.update([tensor.fill_(value)])
    np.testing.assert_allclose(average.means[0].tolist(), [3.0, 3.0], rtol=1e-6)


class Noisy(Line):
    """Targets with noise, so that gradient descent at a constant rate goes on wandering."""

    def __init__(self):
        super().__init__(rows=128, batch=2)
        noise = np.random.default_rng(1).normal(size=(128, 1)).astype(np.float32)
        self.data["y"] = self.data["y"] + 2 * noise

    def loss(self, model, batch, state):
        outcome = super().loss(model, batch, state)
        return StepLoss(outcome.loss, outcome.weight)


def test_averaged_weights_are_kept_and_better_than_wandering_ones():
    config = TrainConfig(
        epochs=30, optimizer="nt_asgd", learning_rate=0.1, clip_norm=10.0, sanity=False
    )
    model = network()
    record = fit(model, Noisy(), config, seed=0)
    begun = [event for event in record.events if event.kind == "averaging"]
    assert len(begun) == 1
    before = [row.valid_loss for row in record.history if row.step <= begun[0].step]
    assert record.best_step > begun[0].step
    assert record.best_loss < min(before)
    task = Noisy()
    with torch.no_grad():
        kept = task.loss(model, {k: torch.from_numpy(v) for k, v in task.data.items()}, None)
    assert float(kept.loss) == pytest.approx(record.best_loss, rel=1e-5)


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path):
    config = {"optimizer": "nt_asgd", "learning_rate": 0.1, "clip_norm": 10.0, "sanity": False}
    whole = network()
    fit(whole, Noisy(), TrainConfig(epochs=16, **config), seed=0)

    class Interrupted(Noisy):
        def train_batches(self, rng):
            if self.epochs == 13:  # the first look for the fingerprint counts too
                raise RuntimeError("power cut")
            return super().train_batches(rng)

    path = tmp_path / "checkpoint.safetensors"
    again = network()
    with pytest.raises(RuntimeError, match="power cut"):
        fit(again, Interrupted(), TrainConfig(epochs=16, checkpoint=path, **config), seed=0)
    resumed = network()
    fit(resumed, Noisy(), TrainConfig(epochs=16, checkpoint=path, **config), seed=0)
    assert torch.equal(weights(resumed), weights(whole))


def test_settings_of_the_two_averages_do_not_mix():
    with pytest.raises(InputError, match=r"average must be 0 or left out with optimizer='nt_asgd'"):
        TrainConfig(optimizer="nt_asgd", average=0.9)
    with pytest.raises(InputError, match=r"Did you mean 'adamw'\?"):
        TrainConfig(optimizer="adam")
