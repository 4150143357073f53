"""What was left out is counted and listed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from cellstate.data.health.left_out import LeftOut, LeftOutWarning


def test_nothing_left_out_is_empty_and_silent() -> None:
    nothing = LeftOut.nothing()
    assert len(nothing) == 0
    assert nothing.counts == {}
    assert str(nothing) == "none left out"
    assert {name: len(column) for name, column in nothing.listed().items()} == {
        "row": 0, "reason": 0,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing.announce("Here")
    assert len(nothing + nothing) == len(LeftOut.of("x", [])) == 0


def test_sums_keep_every_row_in_order() -> None:
    first = LeftOut.of("b", [9, 2]) + LeftOut.of("a", [4])
    both = first + LeftOut.of("b", [1]) + LeftOut.nothing()
    listed = both.listed()
    assert listed["row"].tolist() == [1, 2, 4, 9]
    assert listed["reason"].tolist() == ["b", "b", "a", "b"]
    assert both.counts == {"b": 3, "a": 1}
    assert len(both) == sum(both.counts.values())
    assert both.within("stays").counts == {"stays: b": 3, "stays: a": 1}


def test_text_names_the_first_rows_of_the_most_frequent_reasons() -> None:
    many = LeftOut.of("outside", np.arange(1, 2001)) + LeftOut.of("no code", [3000])
    assert str(many) == (
        "2,001 left out: 2,000 outside (rows 1, 2, 3, 4, 5, …); 1 no code (row 3,000)"
    )
    for k in range(20):
        many += LeftOut.of(f"reason {k}", [k + 1])
    assert str(many).endswith("; 14 more reasons")
    assert repr(many) == f"LeftOut({many})"


def test_warning_is_one_and_points_to_the_list() -> None:
    def read() -> None:
        LeftOut.of("no code", [3]).announce("Events")

    with pytest.warns(LeftOutWarning) as caught:
        read()
    assert len(caught) == 1
    assert str(caught[0].message) == (
        "Events: each row should be possible; got 1 left out: 1 no code (row 3). "
        "List them with left_out.listed()."
    )
    assert caught[0].filename == __file__
