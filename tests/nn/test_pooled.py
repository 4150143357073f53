import pytest
import torch

from cellstate.nn.pooled import PooledNetwork, part_means

SIZES = {"places": 4, "width": 6, "hidden": 5, "layers": 1, "dropout": 0.0}


@pytest.mark.parametrize("window", [3, 9])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_any_length_gives_one_answer(window, stride, steps):
    network = PooledNetwork(2, 4, window=window, stride=stride, **SIZES)
    assert network(torch.randn(3, steps, 2)).shape == (3, 4)


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_padding_does_not_matter(stride):
    network = PooledNetwork(2, 3, window=7, stride=stride, **SIZES).double()
    x = torch.randn(4, 12, 2, dtype=torch.float64)
    lengths = torch.tensor([12, 1, 5, 8])
    together = network(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = network(x[row : row + 1, :length])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-12, atol=1e-13)


def test_full_lengths_change_nothing():
    network = PooledNetwork(2, 3, window=7, stride=2, **SIZES).double()
    x = torch.randn(4, 12, 2, dtype=torch.float64)
    torch.testing.assert_close(network(x, torch.full((4,), 12)), network(x))


def test_every_parameter_has_a_gradient():
    network = PooledNetwork(2, 3, window=5, stride=2, **SIZES)
    network(torch.randn(4, 12, 2), torch.tensor([12, 3, 5, 8])).square().sum().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in network.parameters())


@pytest.mark.parametrize("steps", [1, 3, 8, 21])
@pytest.mark.parametrize("parts", [1, 4, 8])
def test_part_means_are_torchs_adaptive_means(steps, parts):
    values = torch.randn(2, steps, 3, dtype=torch.float64)
    expected = torch.nn.functional.adaptive_avg_pool1d(values.transpose(1, 2), parts)
    torch.testing.assert_close(
        part_means(values, torch.tensor([steps]), parts), expected.transpose(1, 2)
    )
