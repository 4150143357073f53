"""What each public callable answers when it is called wrongly: three sentences."""

import dataclasses

import numpy as np
import pytest

from cellstate import artifact
from cellstate.errors import InputError
from cellstate.inspector import print_story, write_page
from cellstate.tasks import sections
from tests.inspector import stories

THREE = np.arange(3.0)
TWO = np.arange(2.0)
PANEL = sections.ForecastPanel("a", THREE, THREE, TWO, TWO, {}, None)


def with_panel(**changes) -> sections.Forecasts:
    return sections.Forecasts("F", (dataclasses.replace(PANEL, **changes),))


BAD_SECTIONS = {
    "not a section": ("text", "every section must be of a known kind; got str"),
    "table": (
        sections.Table("T", ("a", "b"), ((1,),)),
        "cells of a row and columns must be as many; got 1 and 2",
    ),
    "lines": (
        sections.Lines("L", THREE, {"a": TWO}, "x", "y"),
        "values of 'a' and places along x must be as many; got 2 and 3",
    ),
    "past": (with_panel(past=TWO), "past and past_times must be as many; got 2 and 3"),
    "point": (with_panel(point=THREE), "point and times must be as many; got 3 and 2"),
    "truth": (with_panel(truth=THREE), "truth and times must be as many; got 3 and 2"),
    "low edge": (with_panel(bands={80: (THREE, TWO)}), "the low edge at 80 and times must be"),
    "high edge": (with_panel(bands={80: (TWO, THREE)}), "the high edge at 80 and times must be"),
    "histogram": (
        sections.Histogram("H", THREE, THREE, "x"),
        "counts and spaces between edges must be as many; got 3 and 2",
    ),
    "calibration": (sections.Calibration("C", TWO, THREE), "observed and nominal must be as many"),
    "gates": (
        sections.Gates("G", ("a", "b"), {"f": np.ones((3, 4))}),
        r"every gate must have shape \(2, units\); got \[\(3, 4\)\]",
    ),
    "gates of two sizes": (
        sections.Gates("G", ("a",), {"f": np.ones((1, 4)), "i": np.ones((1, 5))}),
        "every gate must have shape",
    ),
    "signal": (sections.Gates("G", ("a",), {}, TWO), "signal and step_labels must be as many"),
    "tokens": (
        sections.Tokens("T", (sections.Passage("", ("a", "b"), np.ones(3)),)),
        "values and pieces must be as many; got 3 and 2",
    ),
    "names": (
        sections.Tokens("T", (sections.Passage("", ("a", "b"), np.ones(2), ("x",)),)),
        "labels and pieces must be as many; got 1 and 2",
    ),
    "risks": (
        sections.Risks("R", (sections.RiskPanel("stay 1", THREE, TWO, TWO),)),
        "panel 'stay 1': risk and times must be as many; got 2 and 3",
    ),
    "matrix": (
        sections.Matrix("M", ("a",), ("b",), np.ones((2, 2)), "r", "c"),
        r"values must have shape \(1, 1\); got \(2, 2\)",
    ),
}


@pytest.mark.parametrize(("section", "message"), BAD_SECTIONS.values(), ids=BAD_SECTIONS)
def test_a_section_that_cannot_be_drawn_is_named(section, message, tmp_path):
    story = sections.Story("S", "", (section,))
    with pytest.raises(InputError, match=message):
        write_page(story, tmp_path / "page.html")
    with pytest.raises(InputError, match=message):
        print_story(story)
    assert not list(tmp_path.iterdir())


def test_something_else_than_a_story_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"story must be a Story; got dict\. Pass what"):
        write_page({}, tmp_path / "page.html")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="print_story: story must be a Story; got NoneType"):
        print_story(None)  # pyright: ignore[reportArgumentType]


def test_a_path_that_is_no_place_for_a_file_is_refused(tmp_path):
    story = sections.Story("S", "", ())
    with pytest.raises(InputError, match=r"path must name a file; got the folder"):
        write_page(story, tmp_path)
    with pytest.raises(InputError, match=r"the folder of path must exist; got .*Make .* first"):
        write_page(story, tmp_path / "missing" / "page.html")
    with pytest.raises(InputError, match="path must name a file; got int"):
        write_page(story, 3)  # pyright: ignore[reportArgumentType]


def test_a_full_disk_leaves_the_older_page(tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    write_page(stories.climate(), target)
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifact.atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_page(sections.Story("New", "", ()), target)
    assert target.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
