import math

import numpy as np
import pytest
import torch

from cellstate.errors import TrainingError
from cellstate.train import StepLoss, TrainConfig, TrainingWarning, fit
from tests.train.problems import Line, network

LONG = TrainConfig(epochs=60, learning_rate=0.01, device="cpu")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_infinite_inputs_are_refused_by_name(value):
    task = Line(batch=64)
    task.data["x"][7] = value
    with pytest.raises(TrainingError, match=r"the first batch must be finite; .* are in 'x'\."):
        fit(network(), task, LONG, seed=0)


def test_unscaled_inputs_are_pointed_out():
    task = Line()
    task.data["x"] = task.data["x"] * 1e4
    with pytest.warns(TrainingWarning, match=r"first layer should be of size 1 or so.* in '0'"):
        fit(network(), task, LONG, seed=0)


def test_a_loss_that_cannot_be_learnt_is_pointed_out():
    class Deaf(Line):
        def loss(self, model, batch, state):
            outcome = super().loss(model, batch, state)
            return StepLoss(outcome.loss * 0 + 3.0, outcome.weight)

    with pytest.warns(TrainingWarning, match="learn one batch by heart; got a loss of 3 before"):
        fit(network(), Deaf(), LONG, seed=0)


def test_nothing_left_to_learn_is_no_reason_to_warn():
    class Constant(Line):
        def loss(self, model, batch, state):
            return StepLoss(super().loss(model, batch, state).loss * 0)

    fit(network(), Constant(), LONG, seed=0)


def test_the_check_can_be_skipped():
    task = Line()
    task.data["x"] = np.full_like(task.data["x"], 1e4)
    fit(network(), task, TrainConfig(epochs=60, sanity=False), seed=0)


@pytest.mark.parametrize("epochs", [1, 20, 100, 1000])
def test_the_check_takes_at_most_a_twentieth_of_the_run(epochs):
    task, model = Line(), network()
    passes = []
    model.register_forward_pre_hook(lambda *call: passes.append(torch.is_grad_enabled()))
    original = task.train_batches

    def train_batches(rng):
        if task.epochs == 1:  # training proper begins
            raise StopAsyncIteration
        return original(rng)

    task.train_batches = train_batches
    with pytest.raises(StopAsyncIteration):
        fit(model, task, TrainConfig(epochs=epochs, device="cpu"), seed=0)
    # A pass without gradient costs about a third of a step.
    cost = sum(1.0 if gradient else 0.35 for gradient in passes)
    assert cost <= max(0.35, 0.05 * epochs * task.steps_per_epoch())
