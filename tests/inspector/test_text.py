import io

import numpy as np
import pytest
from rich.console import Console

from cellstate.inspector import print_story
from cellstate.inspector.plot.characters import Canvas, bar, sparkline
from cellstate.tasks import sections
from tests.inspector import stories


def printed(story: sections.Story, width: int = 100, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    print_story(story, Console(file=file, width=width))
    file.flush()
    return raw.getvalue().decode(encoding)


def test_terminal_shows_every_section():
    text = printed(stories.climate())
    for section in stories.climate().sections:
        assert section.title in text
    assert "● 0.8312" in text
    assert "cellstate fit forecast climate.parquet --horizon 24" in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    assert max(map(len, printed(stories.climate(), width).splitlines())) <= width


def test_a_terminal_without_unicode_gets_ascii():
    text = printed(stories.climate(), encoding="ascii")
    assert "* 0.8312" in text
    assert "Calibration" in text


def test_names_cannot_steer_the_terminal_or_the_markup():
    text = printed(stories.hostile("[bold]\x1b[2J\x9b31m[/nonsense] \x07"))
    assert "[bold]" in text
    assert not set("\x1b\x9b\x07") & set(text)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("values", stories.HARD_VALUES.values(), ids=stories.HARD_VALUES)
def test_any_values_can_be_printed(values, encoding):
    assert "Gates" in printed(stories.with_values(np.array(values)), encoding=encoding)


def test_a_gap_stays_empty_in_a_line():
    canvas = Canvas(9, 1)
    canvas.line(np.array([0, 0.4, 0.6, 1]), np.array([0.5, np.nan, np.nan, 0.5]), "blue")
    signs = [sign for sign, _ in canvas.rows()[0]]
    assert signs[0] != " "
    assert signs[8] != " "
    assert signs[1:8] == [" "] * 7


def test_a_straight_line_is_straight():
    canvas = Canvas(5, 5, plain=True)
    canvas.line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "")
    assert ["".join(sign for sign, _ in row) for row in canvas.rows()] == [
        "    *",
        "   * ",
        "  *  ",
        " *   ",
        "*    ",
    ]


def test_bars_and_sparklines_of_nothing_are_blank():
    assert bar(float("nan"), 10) == ""
    assert sparkline(np.array([np.nan, np.nan]), 10) == "  "
    assert sparkline(np.zeros(0), 10) == ""


def test_print_story_writes_to_standard_output(capsys):
    print_story(sections.Story("Title", "Summary.", ()))
    assert capsys.readouterr().out.split() == ["Title", "Summary."]


def test_risks_are_told_with_their_alarms_and_what_moved_them():
    movers = (sections.Mover(4.0, "lactate", 0.2), sections.Mover(2.0, "fluids", -0.05))
    many = np.arange(20.0)
    panels = (
        sections.RiskPanel("stay 1", many, many / 20, np.array([5.0, 9.0]), 12.0, movers, "found"),
        sections.RiskPanel("stay 2", many, many / 20, many),
        *(sections.RiskPanel(f"stay {k}", many, many / 20, np.zeros(0)) for k in range(3, 9)),
    )
    shown = sections.Risks("Risks", panels, 0.2, "sepsis", "hours since admission")
    text = printed(sections.Story("S", "", (shown,)))
    assert "stay 1 found" in text
    assert "hours since admission; alarms: 5 (0.250), 9 (0.450)" in text
    assert "11 (0.550) …" in text
    assert "no alarm" in text
    assert "+0.2" in text
    assert "2 more are not drawn." in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_table_with_many_columns_is_told_in_parts_and_loses_none(width):
    scores = {f"metric {k}": 0.1111 + k / 100 for k in range(12)}
    row = ("gradient boosting", *scores.values())
    table = sections.Table("Scores", ("system", *scores), (row,), best={"metric 3": "max"})
    text = printed(sections.Story("Job", "", (table,)), width)
    assert max(map(len, text.splitlines())) <= width
    assert all(f"{value:.4f}" in text for value in scores.values())
    assert "● 0.1411" in text
