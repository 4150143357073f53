"""The counter generator: published answers, and masks that are the same wherever they are drawn."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops import noise

CPU = torch.device("cpu")
# Random123's kat_vectors for philox2x32-10: counter, key, answer.
PUBLISHED = (
    ((0x00000000, 0x00000000), 0x00000000, (0xFF1DAE59, 0x6CD10DF2)),
    ((0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
    ((0x243F6A88, 0x85A308D3), 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
)
STREAMS = (noise.ZONEOUT, noise.HIDDEN, noise.CANDIDATE, noise.WEIGHT, noise.ZONEOUT_PROJECTED)
SIZES = ((1, 1), (3, 5), (7, 33), (64, 129))


def philox(place: int, low: int, key: int) -> tuple[int, int]:
    """Philox2x32-10 in whole numbers without bounds."""
    for _ in range(10):
        high, rest = divmod(place * 0xD256D193, 2**32)
        place, low = high ^ key ^ low, rest
        key = (key + 0x9E3779B9) % 2**32
    return place, low


@pytest.mark.parametrize(("counter", "key", "answer"), PUBLISHED)
def test_the_generator_gives_the_published_answers(
    counter: tuple[int, int], key: int, answer: tuple[int, int]
) -> None:
    assert philox(*counter, key) == answer


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("key", [0, 1, 0x80000000, 0xFFFFFFFF])
def test_numbers_are_those_of_the_generator_at_their_place(stream: int, key: int) -> None:
    for step in (0, 1, 2**28 - 1):
        first, second = noise.words(torch.tensor(key), stream, step, 3, 5, CPU)
        expected = [philox(place, step | stream << 28, key) for place in range(15)]
        assert list(zip(first.flatten().tolist(), second.flatten().tolist(), strict=True)) == (
            expected
        )


def of_torch(key: int, stream: int, rate: float, rows: int, columns: int, like: Tensor) -> Tensor:
    word, _ = noise.words(key, stream, 0, rows, columns, CPU)
    return noise.is_kept(word, rate).to(like.dtype) * (1.0 / (1.0 - rate))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.97, 1 - 2.0**-32])
def test_native_masks_are_those_of_tensors(
    sizes: tuple[int, int], dtype: torch.dtype, rate: float
) -> None:
    like = torch.empty(0, dtype=dtype)
    for stream in STREAMS:
        for key in (0, 77, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF):
            found = noise.mask(torch.tensor(key), stream, rate, *sizes, like)
            assert torch.equal(found, of_torch(key, stream, rate, *sizes, like))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mask_touches_its_own_array_alone(dtype: torch.dtype) -> None:
    array = torch.empty(40, dtype=dtype).numpy()
    for size in range(34):
        array[:] = 7.0
        _native.dropout_mask(5, noise.WEIGHT, 0.5, array[3 : 3 + size].reshape(1, size))
        assert set(array[:3]) == set(array[3 + size :]) == {7.0}
        assert 7.0 not in array[3 : 3 + size]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_masks_of_half_precision_keep_the_same_entries(dtype: torch.dtype) -> None:
    key = torch.tensor(123456789)
    half = noise.mask(key, noise.HIDDEN, 0.3, 9, 17, torch.empty(0, dtype=dtype))
    full = noise.mask(key, noise.HIDDEN, 0.3, 9, 17, torch.empty(0))
    assert half.dtype == dtype
    assert torch.equal(half != 0, full != 0)


def test_masks_are_the_same_with_any_number_of_threads() -> None:
    key, like, before = torch.tensor(9), torch.empty(0), torch.get_num_threads()
    masks: list[Tensor] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            masks.append(noise.mask(key, noise.WEIGHT, 0.4, 1200, 311, like))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*masks)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5, 0.9])
def test_the_share_of_zeros_is_the_rate(rate: float) -> None:
    rows, columns = 512, 512
    bound = 5 * math.sqrt(rate * (1 - rate) / (rows * columns))  # five standard deviations
    for key in (0, 1, 2**31, 2**32 - 1):
        mask = noise.mask(torch.tensor(key), noise.WEIGHT, rate, rows, columns, torch.empty(0))
        assert abs(float((mask == 0).double().mean()) - rate) < bound
        assert mask.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])
        # Rows and columns have their share too, each within six standard deviations.
        for axis in (0, 1):
            shares = (mask == 0).double().mean(axis)
            assert float((shares - rate).abs().max()) < 6 * math.sqrt(rate * (1 - rate) / 512)


def uniform(key: int, stream: int, step: int) -> tuple[Tensor, Tensor]:
    first, second = noise.words(key, stream, step, 300, 300, CPU)
    return first.double().flatten() / 2**32, second.double().flatten() / 2**32


def test_numbers_of_other_keys_streams_steps_and_places_are_uncorrelated() -> None:
    base, twin = uniform(1000, noise.ZONEOUT, 5)
    others = {
        "the second number": twin,
        "the next key": uniform(1001, noise.ZONEOUT, 5)[0],
        "a key of one other bit": uniform(1000 ^ 2**31, noise.ZONEOUT, 5)[0],
        "the next step": uniform(1000, noise.ZONEOUT, 6)[0],
        "another stream": uniform(1000, noise.HIDDEN, 5)[0],
        "the next place": base.roll(1),
        "the next row": base.roll(300),
    }
    bound = 5 / math.sqrt(len(base))
    for name, other in others.items():
        found = float(torch.corrcoef(torch.stack([base, other]))[0, 1])
        assert abs(found) < bound, name
    histogram = torch.histc(base, 64, 0, 1)
    expected = len(base) / 64
    chi_squared = float(((histogram - expected) ** 2 / expected).sum())
    assert 63 - 5 * math.sqrt(126) < chi_squared < 63 + 5 * math.sqrt(126)


def test_keys_follow_torchs_seed() -> None:
    torch.manual_seed(3)
    first = noise.draw_keys(6)
    second = noise.draw_keys(6)
    torch.manual_seed(3)
    assert torch.equal(noise.draw_keys(6), first)
    assert not torch.equal(first, second)
    assert first.dtype == torch.int64
    assert int(first.min()) >= 0
    assert int(first.max()) < 2**32
