import json

import numpy as np
import pytest

from cellstate.tasks.arrays.augment import augmented
from cellstate.tasks.arrays.encode import Encoder
from cellstate.tasks.arrays.fitting import hold_out
from cellstate.tasks.arrays.plan import make_plan, training_defaults
from cellstate.tasks.arrays.reading import Sequences, is_ragged, of_array, read_rows


def sequences(values):
    return of_array("test", np.asarray(values, dtype=np.float64))


def test_channels_are_standardised_each_for_itself():
    rng = np.random.default_rng(0)
    given = sequences(rng.normal((5, -1e6), (2, 1e-3), (30, 20, 2)))
    scaled = Encoder.of(given).scaled(given)
    assert np.allclose(scaled.values.mean((0, 1)), 0, atol=1e-5)
    assert np.allclose(scaled.values.std((0, 1)), 1, atol=1e-4)


def test_gaps_are_bridged_between_their_neighbours():
    nan = np.nan
    given = sequences([[nan, 1.0, nan, nan, 4.0, nan], [nan] * 6, [1.0, 1.0, 4.0, 4.0, 1.0, 4.0]])
    encoder = Encoder.of(given)
    scaled = encoder.scaled(given)
    raw = scaled.values[..., 0] * encoder.scale + encoder.mean
    assert np.allclose(raw[0], [1, 1, 2, 3, 4, 4], atol=1e-6)
    assert np.array_equal(scaled.values[1], np.zeros((6, 1)))
    assert np.array_equal(scaled.gaps[0, :, 0], [1, 0, 1, 1, 0, 1])


def test_only_channels_with_gaps_are_marked():
    values = np.zeros((3, 4, 2))
    values[1, 2, 1] = np.nan
    encoder = Encoder.of(sequences(values))
    assert encoder.gapped.tolist() == [False, True]
    assert encoder.inputs == 5


def test_a_wholly_missing_channel_is_zero():
    values = np.ones((3, 4, 2))
    values[..., 1] = np.nan
    given = sequences(values)
    encoder = Encoder.of(given)
    assert np.array_equal(encoder.features(encoder.scaled(given))[..., 1], np.zeros((3, 4)))


def test_differences_stand_beside_the_values():
    given = sequences([[0.0, 1.0, 3.0], [0.0, -1.0, -3.0]])
    encoder = Encoder.of(given)
    features = encoder.features(encoder.scaled(given))
    assert features.dtype == np.float32
    ratio = features[0, 2, 1] / features[0, 1, 1]
    assert (features[0, 0, 1], ratio) == (0.0, pytest.approx(2.0))


def test_what_lies_beyond_a_row_is_zero():
    given = read_rows("test", [np.arange(5.0), np.arange(2.0)])
    encoder = Encoder.of(given)
    features = encoder.features(encoder.scaled(given))
    assert not features[1, 2:].any()
    assert not encoder.gapped.any()


def test_outliers_are_clipped():
    values = np.random.default_rng(0).normal(size=(50, 30))
    encoder = Encoder.of(sequences(values))
    values[0, 0] = 1e9
    features = encoder.features(encoder.scaled(sequences(values)))
    assert np.abs(features).max() == 10.0


def test_an_encoder_survives_json():
    encoder = Encoder.of(sequences(np.random.default_rng(0).normal(size=(5, 6, 2))))
    again = Encoder.from_dict(json.loads(json.dumps(encoder.as_dict())))
    for name in ("mean", "scale", "change", "gapped"):
        assert np.array_equal(getattr(again, name), getattr(encoder, name))


def test_augmented_rows_stay_close_and_within_their_length():
    given = read_rows("test", [np.sin(np.arange(n) / 9) for n in (100, 60)])
    scaled = Encoder.of(given).scaled(given)
    changed = augmented(scaled, np.random.default_rng(0))
    assert not np.array_equal(changed.values, scaled.values)
    correlation = np.corrcoef(changed.values[0, :, 0], scaled.values[0, :, 0])[0, 1]
    assert correlation > 0.9
    features = Encoder.of(given).features(changed)
    assert not features[1, 60:, 1].any()


def test_the_columns_of_a_table_are_not_shifted():
    given = sequences(np.arange(40.0).reshape(4, 10))
    scaled = Encoder.of(given).scaled(given)
    changed = augmented(scaled, np.random.default_rng(1))
    assert np.abs(changed.values - scaled.values).max() < 1.0


@pytest.mark.parametrize("rows", [1, 23, 199, 200, 5000, 10**6])
@pytest.mark.parametrize("steps", [2, 500])
def test_training_is_neither_too_short_nor_too_long(rows, steps):
    defaults = training_defaults(rows, steps, is_split=True)
    updates = defaults["epochs"] * -(-rows // defaults["batch_size"])
    assert updates >= 12
    assert defaults["epochs"] <= 100
    assert 0.9 <= defaults["average"] < 1


@pytest.mark.parametrize("size", ["small", "medium", "large"])
@pytest.mark.parametrize("steps", [1, 30, 5000])
def test_long_rows_are_cut_into_few_segments(size, steps):
    plan = make_plan("test", size=size, inputs=1, outputs=1, steps=steps)
    assert -(-steps // plan.stride) <= 48
    assert plan.window >= plan.stride
    assert plan.window % 2 == 1


def test_every_class_is_held_out_alike_and_rare_ones_not_at_all():
    groups = np.repeat([0, 1, 2], [300, 100, 3])
    held = hold_out(groups, np.random.default_rng(0))
    assert [int(held[groups == k].sum()) for k in range(3)] == [45, 15, 0]


@pytest.mark.parametrize(
    ("X", "answer"),
    [
        ([[1.0], [2.0]], False),
        ([[1.0], [2.0, 3.0]], True),
        ([np.zeros((3, 2)), np.zeros((4, 2))], True),
        (np.zeros((3, 2)), False),
        (np.array([np.zeros(2), np.zeros(3)], dtype=object), True),
        ([], False),
        ("text", False),
        ([1.0, 2.0], False),
    ],
)
def test_ragged_rows_are_recognised(X, answer):
    assert is_ragged(X) is answer


def test_picked_rows_keep_their_lengths():
    given = Sequences(np.zeros((3, 4, 1)), np.array([4, 2, 3]))
    assert given.take(np.array([2, 0])).lengths.tolist() == [3, 4]
