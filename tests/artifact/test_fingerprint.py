"""Equal data, equal fingerprint; any difference shows."""

import numpy as np
import pytest

from cellstate.artifact import fingerprint
from cellstate.errors import InputError

Y = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "same",
    [Y.copy(), np.asfortranarray(Y), Y.astype(">f8"), Y[::1]],
    ids=["copy", "layout", "byte order", "view"],
)
def test_memory_does_not_matter(same):
    assert fingerprint({"y": same}) == fingerprint({"y": Y})


def test_the_order_of_names_does_not_matter():
    assert fingerprint({"a": Y, "b": Y + 1}) == fingerprint({"b": Y + 1, "a": Y})


@pytest.mark.parametrize(
    "other",
    [
        {"x": Y},
        {"y": Y + 1e-12},
        {"y": Y.astype(np.float32)},
        {"y": Y.reshape(3, 2)},
        {"y": Y.ravel()},
        {"y": Y, "z": np.zeros(0)},
        {},
    ],
)
def test_a_difference_shows(other):
    assert fingerprint(other) != fingerprint({"y": Y})


def test_names_and_values_are_kept_apart():
    one = fingerprint({"a": np.array([98], np.uint8), "b": np.zeros(0, np.uint8)})
    assert one != fingerprint({"a": np.zeros(0, np.uint8), "b": np.array([98], np.uint8)})


def test_it_is_the_same_on_every_machine():
    arrays = {
        "ids": np.array(["a", "é"]),
        "ds": np.array(["2020-01-01"], dtype="datetime64[ns]"),
        "y": np.array([[1.0, np.nan]], dtype=np.float32),
        "scalar": np.array(True),
    }
    assert fingerprint(arrays) == (
        "sha256:592212c52d748ff9e94e039912291c609f839a1b71631f98ee6e359613ff7ed6"
    )


def test_objects_are_refused():
    with pytest.raises(InputError, match=r"dtype object in 'ids'.*astype\(str\)"):
        fingerprint({"ids": np.array(["a", None])})


def test_texts_are_told_apart_by_where_they_end():
    assert fingerprint({"x": ["ab", "c"]}) == fingerprint({"x": ["ab", "c"]})
    assert fingerprint({"x": ["ab", "c"]}) != fingerprint({"x": ["a", "bc"]})
    assert fingerprint({"x": ["a\n", "b"]}) != fingerprint({"x": ["a", "\nb"]})
    assert fingerprint({"x": ["\ud800"]}) != fingerprint({"x": ["?"]})
