import math

import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.train import TrainConfig

BAD = [
    ({"epochs": 0}, "epochs must be a whole number of at least 1; got 0."),
    ({"epochs": 2.5}, "epochs must be a whole number of at least 1; got 2.5."),
    ({"epochs": True}, "epochs must be a whole number of at least 1; got True."),
    ({"batch_size": "64"}, "batch_size must be a whole number of at least 1; got '64'."),
    ({"learning_rate": 0}, "learning_rate must be a number above 0; got 0."),
    ({"learning_rate": math.nan}, "learning_rate must be a number above 0; got nan."),
    ({"learning_rate": math.inf}, "learning_rate must be a number above 0; got inf."),
    ({"learning_rate": "fast"}, "learning_rate must be a number above 0; got 'fast'."),
    ({"schedule": "one-cycle"}, "Did you mean 'one_cycle'?"),
    ({"schedule": 3}, "schedule must be 'one_cycle', 'cosine' or 'constant'; got 3."),
    ({"weight_decay": -0.1}, "weight_decay must be a number of at least 0; got -0.1."),
    ({"clip_norm": 0.0}, "clip_norm must be a number above 0; got 0.0."),
    ({"patience": -1}, "patience must be a whole number of at least 0; got -1."),
    ({"valid_every": -5}, "valid_every must be a whole number of at least 0; got -5."),
    ({"average": 1.0}, "average must be a number of at least 0 and below 1; got 1.0."),
    ({"precision": "float16"}, "Did you mean 'bfloat16'?"),
    ({"device": 0}, "device must be a device name such as 'cpu', or None; got 0."),
    ({"time_limit_s": 0}, "time_limit_s must be a number above 0; got 0."),
    ({"sanity": "no"}, "sanity must be True, False or None; got 'no'."),
    ({"progress": 1}, "progress must be True, False or None; got 1."),
    ({"checkpoint": 7}, "checkpoint must be a path or None; got 7."),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_a_bad_setting_is_named_with_what_to_do(options, message):
    with pytest.raises(InputError) as caught:
        TrainConfig(**options)
    assert message in str(caught.value)
    assert str(caught.value).startswith("TrainConfig: ")


def test_everything_may_be_left_out():
    assert TrainConfig() == TrainConfig(**dict.fromkeys(TrainConfig.__dataclass_fields__))


def test_numbers_of_numpy_are_numbers():
    config = TrainConfig(epochs=np.int64(3), learning_rate=np.float32(0.1), clip_norm=math.inf)
    assert config.epochs == 3


def test_filled_takes_defaults_only_where_nothing_was_said():
    config = TrainConfig(patience=0, epochs=3).filled(patience=5, learning_rate=0.1)
    assert (config.patience, config.epochs, config.learning_rate) == (0, 3, 0.1)


def test_filled_knows_its_fields():
    with pytest.raises(TypeError, match="patients"):
        TrainConfig().filled(patients=3)
