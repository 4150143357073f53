import numpy as np
import pytest
import torch

from cellstate.tasks.weights import fill


def test_weights_come_back_in_the_precision_of_the_network():
    layer = torch.nn.Linear(2, 1).double()
    given = {"a.weight": np.ones((1, 2), np.float32), "a.bias": np.zeros(1, np.float32), "b": None}
    fill(layer, given, "a.")
    assert layer.weight.dtype == torch.float64
    assert layer(torch.ones(2, dtype=torch.float64)).item() == 2.0


@pytest.mark.parametrize("shape", [(2, 2), (3,)])
def test_weights_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="size mismatch"):
        fill(torch.nn.Linear(2, 1, bias=False), {"weight": np.ones(shape)})
    with pytest.raises(ValueError, match="Missing"):
        fill(torch.nn.Linear(2, 1), {"weight": np.ones((1, 2))})
