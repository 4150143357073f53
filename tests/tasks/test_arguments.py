import numpy as np
import pytest

from cellstate.errors import ArgumentTypeError, InputError
from cellstate.tasks import arguments
from cellstate.train.config import TrainConfig


def test_numbers_of_numpy_are_numbers_and_come_back_plain():
    assert type(arguments.check_whole("T", "beam", np.int64(3))) is int
    assert type(arguments.check_number("T", "dropout", np.float32(0.5), most=1.0)) is float
    assert arguments.check_seed("T", None) == 0
    assert arguments.check_config("T", None) == TrainConfig()


@pytest.mark.parametrize("given", [0, -1, 1.0, True, "3", None])
def test_what_is_no_whole_number_is_refused(given):
    with pytest.raises(InputError, match=r"T: beam must be a whole number of at least 1; got "):
        arguments.check_whole("T", "beam", given)


@pytest.mark.parametrize("given", [-0.1, 1.0, float("nan"), True, "0.3", None])
def test_what_is_outside_an_open_range_is_refused(given):
    with pytest.raises(InputError, match=r"at least 0 and below 1; got .* example dropout=0\.1\."):
        arguments.check_number("T", "dropout", given, most=1.0, is_open=True)
    with pytest.raises(InputError, match=r"from 0 to 0\.5"):
        arguments.check_number("T", "dropout", given, most=0.5)


@pytest.mark.parametrize("given", ["smal", 3, None, ["small"]])
def test_other_choices_are_refused(given):
    with pytest.raises(InputError, match=r"size must be 'small' or 'large'; got "):
        arguments.check_choice("T", "size", given, ("small", "large"))


def test_settings_of_training_must_be_such():
    with pytest.raises(ArgumentTypeError, match="train must be a TrainConfig; got dict"):
        arguments.check_config("T", {"epochs": 3})


def test_truth_does_not_go_without_what_it_is_the_truth_of():
    arguments.check_together("T", [1], [2], "the rows held out")
    arguments.check_together("T", None, None, "the rows held out")
    with pytest.raises(InputError, match=r"X alone\. Give both, or neither for the rows held out"):
        arguments.check_together("T", [1], None, "the rows held out")
    with pytest.raises(InputError, match="got y alone"):
        arguments.check_together("T", None, [1], "the rows held out")
