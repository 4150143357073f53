import math
import time

import numpy as np
import pytest
import torch

from cellstate.errors import TrainingError
from cellstate.train import TrainConfig, TrainingWarning, fit
from tests.train.problems import Line, Scripted, network, weights

PLAIN = TrainConfig(epochs=20, learning_rate=0.01, schedule="constant", sanity=False, device="cpu")


def at(*steps, value=math.nan):
    return lambda step, loss: loss * value if step in steps else loss


def test_a_nan_loss_rolls_back_and_halves_the_rate():
    task = Scripted(at(30))
    with pytest.warns(TrainingWarning, match=r"step 30 the loss became nan.*1 of 3 times"):
        record = fit(network(), task, PLAIN, seed=0)
    assert [(event.kind, event.step) for event in record.events] == [("roll_back", 30)]
    assert [row.learning_rate for row in record.history[:7]] == [0.01] * 7
    assert [row.learning_rate for row in record.history[8:]] == [0.005] * 12
    assert np.isfinite([row.valid_loss for row in record.history]).all()
    assert record.best_loss < record.history[0].valid_loss


def test_a_nan_gradient_is_noticed_before_it_spreads():
    def poison(step, loss):
        return loss + torch.sqrt(loss * 0) if step == 9 else loss  # finite, its slope is not

    with pytest.warns(TrainingWarning, match="gradient's norm became"):
        record = fit(network(), Scripted(poison), PLAIN, seed=0)
    assert np.isfinite([row.valid_loss for row in record.history]).all()


def test_an_exploding_loss_rolls_back():
    with pytest.warns(TrainingWarning, match="the loss exploded from"):
        record = fit(network(), Scripted(at(*range(40, 45), value=1e6)), PLAIN, seed=0)
    assert record.events[0].step == 42  # three of the last five losses


def test_a_single_large_loss_is_no_explosion():
    assert fit(network(), Scripted(at(40, value=1e6)), PLAIN, seed=0).events == []


def test_the_fourth_divergence_ends_training_in_the_last_good_state():
    model, seen = network(), []

    class Recording(Scripted):
        def valid_batches(self):
            seen.append(weights(model).clone())
            return super().valid_batches()

    task = Recording(lambda step, loss: loss if step <= 12 else loss * math.nan)
    with (
        pytest.warns(TrainingWarning),
        pytest.raises(TrainingError, match=r"after 3 roll-backs\. Lower learning_rate"),
    ):
        fit(model, task, PLAIN, seed=0)
    assert torch.equal(weights(model), seen[-1])


def test_a_nan_validation_loss_rolls_back():
    class Blind(Line):
        def loss(self, model, batch, state):
            outcome = super().loss(model, batch, state)
            broken = not model.training and self.epochs == 2
            return type(outcome)(outcome.loss * (math.nan if broken else 1.0), outcome.weight)

    with pytest.warns(TrainingWarning, match="the validation loss became nan"):
        record = fit(network(), Blind(), PLAIN, seed=0)
    assert [row.epoch for row in record.history] == [1, *range(3, 21)]


def test_a_time_limit_stops_with_the_best_weights():
    def slow(step, loss):
        time.sleep(0.002)
        return loss

    config = TrainConfig(epochs=10_000, time_limit_s=0.4, learning_rate=0.01)
    record = fit(network(), Scripted(slow), config, seed=0)
    assert record.stopped == "time_limit"
    assert record.events[-1].kind == "time_limit"
    assert record.seconds < 4
    assert record.best_loss < record.history[0].valid_loss
    # The schedule was shortened: the rate has come down.
    assert record.history[-1].learning_rate < 0.01 / 2


def test_an_ample_time_limit_changes_nothing():
    models = [network(), network()]
    for model, limit in zip(models, (None, 1000.0), strict=True):
        record = fit(model, Line(), TrainConfig(epochs=5, time_limit_s=limit), seed=0)
        assert (record.stopped, record.events) == ("finished", [])
    assert torch.equal(weights(models[0]), weights(models[1]))


def interrupt(step):
    def change(now, loss):
        if now == step:
            raise KeyboardInterrupt
        return loss

    return change


def test_ctrl_c_keeps_the_best_weights():
    model = network()
    with pytest.warns(TrainingWarning, match="Ctrl-C: the best weights so far are kept"):
        record = fit(model, Scripted(interrupt(30)), PLAIN, seed=0)
    assert record.stopped == "interrupted"
    assert len(record.history) == 7
    assert not model.training


def test_ctrl_c_before_the_first_validation_is_raised_again():
    with pytest.raises(KeyboardInterrupt):
        fit(network(), Scripted(interrupt(2)), PLAIN, seed=0)
