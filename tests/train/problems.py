"""Small tasks for the tests of the training loop."""

from __future__ import annotations

import numpy as np
import torch

from cellstate.train import StepLoss, isolated


class Line:
    """y = 2x + 1 with a split of its own; counts what the loop asks for."""

    def __init__(self, rows=64, batch=16, valid=True, dtype=np.float32):
        rng = np.random.default_rng(5)
        x = rng.normal(size=(rows, 1)).astype(dtype)
        self.data = {"x": x, "y": (2 * x + 1).astype(dtype)}
        self.batch = batch
        self.valid = valid
        self.epochs = 0
        self.losses = 0

    def train_batches(self, rng):
        self.epochs += 1
        order = rng.permutation(len(self.data["x"]))
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            yield {name: array[rows] for name, array in self.data.items()}

    def valid_batches(self):
        return [self.data] if self.valid else []

    def steps_per_epoch(self):
        return -(-len(self.data["x"]) // self.batch)

    def loss(self, model, batch, state):
        self.losses += 1
        loss = torch.nn.functional.mse_loss(model(batch["x"]), batch["y"])
        return StepLoss(loss, weight=len(batch["x"]))


class Scripted(Line):
    """A line whose training losses are changed by a function of the count of training steps."""

    def __init__(self, change, **options):
        super().__init__(**options)
        self.change = change
        self.step = 0

    def loss(self, model, batch, state):
        outcome = super().loss(model, batch, state)
        if not model.training:
            return outcome
        self.step += 1
        return StepLoss(self.change(self.step, outcome.loss), outcome.weight)


def network(seed=0, dropout=0.0):
    with isolated(seed):
        return torch.nn.Sequential(
            torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Dropout(dropout), torch.nn.Linear(8, 1)
        )


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])
