"""Others' weights: torch's layers and Keras' arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cellstate.errors import CellstateError
from cellstate.nn import foreign


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")  # by torch
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2, "bidirectional": True, "proj_size": 2},
        {"bias": False, "batch_first": True},
        {"dtype": torch.float64, "num_layers": 2, "dropout": 0.5},
    ],
)
def test_a_torch_layer_keeps_its_numbers(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(3, 5, **options).eval()
    ours = foreign.from_torch(theirs)
    x = torch.randn(4, 2, 3, dtype=options.get("dtype"))
    for one, other in zip((ours(x)[0], *ours(x)[1]), (theirs(x)[0], *theirs(x)[1]), strict=True):
        torch.testing.assert_close(one, other)
    assert not ours.training


def keras_lstm(weights: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Compute Keras' documented cell: z = x·kernel + h·recurrent + bias, split i, f, c, o."""
    kernel, recurrent, *bias = weights
    size = len(recurrent)
    h, c, ys = np.zeros((len(x), size)), np.zeros((len(x), size)), []
    for t in range(x.shape[1]):
        z = x[:, t] @ kernel + h @ recurrent + (bias[0] if bias else 0)
        i, f, g, o = (z[:, k * size : (k + 1) * size] for k in range(4))
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        ys.append(h)
    return np.stack(ys, axis=1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("both", [True, False])
def test_keras_arrays_give_keras_numbers(bias: bool, both: bool) -> None:
    rng = np.random.default_rng(0)
    shapes = [(3, 20), (5, 20), (20,)][: 3 if bias else 2]
    cells = [[rng.normal(size=s) for s in shapes] for _ in range(2 if both else 1)]
    layer = foreign.from_keras([array for cell in cells for array in cell])
    x = rng.normal(size=(2, 6, 3))
    expected = keras_lstm(cells[0], x)
    if both:
        back = keras_lstm(cells[1], x[:, ::-1])[:, ::-1]
        expected = np.concatenate([expected, back], axis=-1)
    y, _ = layer(torch.from_numpy(x))
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: foreign.from_torch(torch.nn.GRU(2, 3)), "got GRU"),  # type: ignore[arg-type]
        (lambda: foreign.from_keras([np.zeros((3, 8))]), "2 or 3 arrays"),
        (lambda: foreign.from_keras([np.zeros((3, 8)), np.zeros((3, 8))]), r"got shapes \(3, 8\)"),
        (lambda: foreign.from_keras([np.zeros(3), np.zeros(3)]), r"got shapes \(3,\)"),
    ],
)
def test_bad_call_is_explained(attempt: Any, message: str) -> None:
    with pytest.raises(CellstateError, match=message):
        attempt()
