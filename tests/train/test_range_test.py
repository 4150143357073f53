import numpy as np
import pytest
import torch

from cellstate.errors import TrainingError
from cellstate.train import TrainConfig, learning_rate_range_test
from tests.train.problems import Line, network, weights


def test_the_suggested_rate_lies_where_the_loss_falls():
    result = learning_rate_range_test(network(), Line(), seed=0)
    assert 1e-3 < result.suggested < 1.0
    assert np.all(np.diff(result.rates) > 0)
    assert len(result.rates) == len(result.losses) <= 100


def test_the_test_ends_where_the_loss_diverges():
    result = learning_rate_range_test(
        torch.nn.Linear(1, 1), Line(), TrainConfig(clip_norm=1e9), seed=0, highest=1e4
    )
    assert result.rates[-1] < 1e4


def test_model_and_generators_stay_as_they_are():
    model = network(dropout=0.5)
    before, state = weights(model), torch.get_rng_state()
    learning_rate_range_test(model, Line(), seed=0, steps=10)
    assert torch.equal(weights(model), before)
    assert torch.equal(torch.get_rng_state(), state)


def test_equal_seeds_give_equal_results():
    first, second = (learning_rate_range_test(network(), Line(), seed=4) for _ in range(2))
    assert np.array_equal(first.losses, second.losses)
    assert first.suggested == second.suggested


@pytest.mark.parametrize(
    "options", [{"lowest": 0.0}, {"lowest": 1.0, "highest": 0.1}, {"steps": 5}, {"highest": np.inf}]
)
def test_an_empty_range_is_refused(options):
    with pytest.raises(TrainingError, match="0 < lowest < highest"):
        learning_rate_range_test(network(), Line(), seed=0, **options)


def test_a_loss_that_is_never_finite_is_refused():
    task = Line()
    task.data["x"] *= np.nan
    with pytest.raises(TrainingError, match="must be finite for the first rates"):
        learning_rate_range_test(network(), task, seed=0)
