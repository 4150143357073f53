import re

import numpy as np
import pytest

from cellstate.errors import ArgumentTypeError, InputError, ShapeError
from cellstate.tasks.text.translation import words
from cellstate.tasks.text.translation.reading import read_pairs, read_sentences, without_gaps


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("one text", "X must be a list of sentences (str); got one text. Give [X] for one"),
        (b"bytes", "got bytes"),
        (7, "got int"),
        (None, "got NoneType"),
        (["a", None], "got NoneType None in row 1. Decode bytes, and replace missing values"),
        (["a", 3.5], "got float 3.5 in row 1"),
    ],
)
def test_what_is_no_list_of_sentences_is_refused(given, message):
    with pytest.raises(ArgumentTypeError, match=re.escape(message)):
        read_sentences("here", "X", given)


def test_arrays_and_generators_of_sentences_are_taken():
    assert read_sentences("here", "X", np.array(["a", "b"])) == ["a", "b"]
    assert read_sentences("here", "X", (text for text in "ab")) == ["a", "b"]


def test_unequal_sides_name_the_first_row_without_a_partner():
    with pytest.raises(ShapeError, match=r"got 3 and 2: row 2, 'c', is in X alone. Align them"):
        read_pairs("here", ["a", "b", "c"], ["x", "y"])
    with pytest.raises(ShapeError, match=r"got 1 and 2: row 1, 'y', is in y alone"):
        read_pairs("here", ["a"], ["x", "y"])


def test_pairs_with_an_empty_side_are_left_out_and_counted():
    sources, targets = ["a", " ", "c", "d "], ["x", "y", "", "z"]
    assert without_gaps("here", sources, targets) == (["a", "d"], ["x", "z"], 2)
    with pytest.raises(InputError, match=r"at least two pairs .* got 2 pairs, of which 2"):
        without_gaps("here", ["", "a"], ["x", ""])


@pytest.mark.parametrize(
    "text",
    ["A man, a dog.", 'He said: "no!"', "It costs $5 (or 6).", "it's well-known", "Why?", ""],
)
def test_sentences_that_are_cut_can_be_written_again(text):
    assert words.joined(words.split(text)) == text
