"""Parts of a model with a rate of their own, and parts that thaw later in the run."""

import pytest
import torch

from cellstate.errors import InputError
from cellstate.train import ParameterGroup, TrainConfig, fit
from cellstate.train.groups import divided
from cellstate.train.optimizer import AdamW
from tests.train.problems import Line, network, weights

SETTINGS = TrainConfig(epochs=8, learning_rate=0.01, sanity=False, progress=False)


def test_a_group_moves_at_its_share_of_the_rate():
    model = torch.nn.ModuleDict({"slow": torch.nn.Linear(1, 1), "fast": torch.nn.Linear(1, 1)})
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    slow = ParameterGroup(("slow",), rate_factor=0.25)
    optimizer = AdamW(model, rate=0.1, weight_decay=0.0, groups=[slow])
    sum(layer(torch.ones(1, 1)).sum() for layer in model.values()).backward()
    optimizer.step()  # the first step of Adam is the rate itself
    for name, parameter in model.named_parameters():
        moved = float((parameter.detach() - before[name]).abs().max())
        assert moved == pytest.approx(0.025 if name.startswith("slow") else 0.1, rel=1e-3)


def test_a_group_of_the_full_rate_changes_nothing():
    plain, grouped = network(), network()
    fit(plain, Line(), SETTINGS, seed=0)
    fit(grouped, Line(), SETTINGS, seed=0, groups=[ParameterGroup(("0",))])
    assert torch.equal(weights(plain), weights(grouped))


def test_frozen_parameters_stay_until_their_time_and_are_free_again_afterwards():
    model = network()
    first = [p.detach().clone() for p in model[0].parameters()]
    seen = []

    class Watched(Line):
        def loss(self, model, batch, state):
            if model.training:
                parts = zip(model[0].parameters(), first, strict=True)
                seen.append(all(torch.equal(p.detach(), before) for p, before in parts))
            return super().loss(model, batch, state)

    fit(model, Watched(), SETTINGS, seed=0, groups=[ParameterGroup(("0",), frozen_share=0.5)])
    steps = len(seen)
    assert all(seen[: steps // 2 + 1])  # the first step of the second half is still to be taken
    assert not any(seen[steps // 2 + 1 :])
    assert all(p.requires_grad for p in model.parameters())


def test_a_training_with_groups_is_taken_up_to_the_same_result(tmp_path):
    groups = [ParameterGroup(("0",), rate_factor=0.3, frozen_share=0.6)]
    whole, broken = network(dropout=0.2), network(dropout=0.2)
    fit(whole, Line(), SETTINGS, seed=1, groups=groups)

    class Breaks(Line):
        def train_batches(self, rng):
            if self.epochs == 4:  # the journal reads one epoch's first batch
                raise ConnectionError
            yield from super().train_batches(rng)

    from dataclasses import replace

    settings = replace(SETTINGS, checkpoint=tmp_path / "unfinished")
    with pytest.raises(ConnectionError):
        fit(broken, Breaks(), settings, seed=1, groups=groups)
    fresh = network(dropout=0.2)
    fit(fresh, Line(), settings, seed=1, groups=groups)
    assert torch.equal(weights(fresh), weights(whole))


def test_the_first_group_that_fits_takes_a_parameter():
    model = network()
    groups = [ParameterGroup(("0.bias",), 0.1), ParameterGroup(("0",), 0.2)]
    factors = [group.rate_factor for group, _ in divided(model, groups)]
    assert factors == [0.1, 0.2, 1.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParameterGroup(("0",), rate_factor=0.0), "rate_factor must be above 0; got 0.0"),
        (lambda: ParameterGroup(("0",), frozen_share=1.0), r"in \[0, 1\); got 1.0"),
        (lambda: divided(network(), [ParameterGroup(("head",))]), r"got \('head',\). .*parts are"),
        (
            lambda: divided(network(), [ParameterGroup(("0", "1", "2", "3"), frozen_share=0.1)]),
            "must learn from the first step",
        ),
        (
            lambda: fit(
                network(),
                Line(),
                TrainConfig(optimizer="nt_asgd"),
                seed=0,
                groups=[ParameterGroup(("0",))],
            ),
            "need AdamW",
        ),
    ],
)
def test_what_cannot_be_grouped_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
