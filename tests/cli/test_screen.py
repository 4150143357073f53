"""What commands print."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from cellstate.cli import screen


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (np.datetime64("2020-01-02T03"), "2020-01-02T03"),
        (np.array(["2020-01-02"], dtype="datetime64[ns]"), ["2020-01-02T00:00:00.000000000"]),
        (np.array(["é"]), ["é"]),
        (dt.datetime(2020, 1, 2, 3), "2020-01-02T03:00:00"),
        (Path("a/b"), "a/b"),
        ({1: {"x": float("-inf")}, None: ()}, {"1": {"x": None}, "None": []}),
        (True, True),
    ],
)
def test_values_become_json(value, written):
    assert screen.to_json(value) == written


def test_json_is_printed_with_its_letters(capfd):
    screen.print_json({"name": "東京"})
    printed = capfd.readouterr().out
    assert "東京" in printed
    assert json.loads(printed) == {"name": "東京"}


def test_a_table_is_as_wide_as_a_page_and_keeps_every_letter(capfd):
    words = "word " * 40
    screen.print_table(["name", "number"], [("[red]", 1.23456789), (words, float("nan"))], "Title")
    lines = capfd.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Title"
    assert "[red]" in "".join(lines)
    assert "1.235" in "".join(lines)
    assert "".join(lines).count("word") == 40


def test_numbers_stand_to_the_right_and_text_to_the_left(capfd):
    screen.print_table(["n", "t"], [(1, "a"), (100, "bb")])
    rows = capfd.readouterr().out.splitlines()[2:4]
    assert [row.split() for row in rows] == [["1", "a"], ["100", "bb"]]
    assert rows[0].index("1") == rows[1].index("100") + 2
    assert rows[0].index("a") == rows[1].index("bb")


def test_an_empty_table_has_its_heading(capfd):
    screen.print_table(["a"], [])
    assert "a" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "0.5"),
        (-0.0, "0"),
        (1234.56, "1235"),
        (1234567.8, "1,234,568"),
        (1e20, "1e+20"),
        (None, ""),
    ],
)
def test_numbers_are_shown_with_four_digits(value, shown):
    assert screen._cell(value) == shown


def test_paragraphs_are_as_wide_as_a_page(capfd):
    screen.say_wrapped("naïve " * 30)
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80


def test_a_table_with_many_columns_is_printed_in_parts_and_loses_none(capfd):
    names = ["system", *(f"some metric {k}" for k in range(12))]
    screen.print_table(names, [("logistic regression", *(k + 0.1234 for k in range(12)))])
    printed = capfd.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert all(f"{k + 0.1234:.4g}" in printed for k in range(12))
    assert printed.count("regression") == 2  # each part names its rows


def test_a_column_with_gaps_stands_to_the_right(capfd):
    screen.print_table(["n"], [(1000,), (None,), (7,)])
    assert "\n 1000\n\n    7\n" in capfd.readouterr().out
