"""Standard units: the same bits for few rows and for many, and back again."""

import numpy as np
import pytest

from cellstate.tasks.health.scales import FAR, FEW, Scales

RNG = np.random.default_rng(0)


def scales():
    learned = np.exp(RNG.normal(size=(4000, 5)))
    learned[:, 1] = np.round(learned[:, 1])  # with quantiles that are equal
    learned[:, 2] = 7.0
    learned[:, 3] = np.nan
    return Scales.of(learned)


def test_few_rows_give_the_bits_of_many():
    learned = scales()
    values = np.concatenate(
        [
            np.exp(RNG.normal(0, 2, (FEW + 200, 5))),
            np.nan_to_num(learned.quantiles.T, nan=3.0),
            np.full((1, 5), np.nan),
            np.full((1, 5), -1e30),
            np.full((1, 5), 1e30),
            np.zeros((1, 5)),
        ]
    ).astype(np.float32)
    values = np.concatenate([values, np.nextafter(values, np.float32(np.inf))])
    many = learned(values)
    for count in (1, 7, FEW):
        parts = [learned(values[at : at + count]) for at in range(0, len(values), count)]
        assert np.concatenate(parts).tobytes() == many.tobytes()
    assert np.nanmax(np.abs(many)) == FAR
    assert np.isnan(many[:, 3]).all()
    assert np.isnan(many[:, [0, 1, 2, 4]]).sum() == 2 * 4


@pytest.mark.parametrize("shape", [(0, 5), (3, 0, 5), (2, 3, 5), (1, 5)])
def test_any_shape_keeps_it(shape):
    assert scales()(np.ones(shape)).shape == shape
