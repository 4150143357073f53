import re
from html.parser import HTMLParser

import numpy as np
import pytest

from cellstate.inspector import write_page
from cellstate.inspector.judgement import risk_axis
from cellstate.inspector.page import render
from cellstate.tasks import sections
from tests.inspector import stories

VOID = {"meta", "link", "img", "source", "br", "path", "circle"}


class Outline(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def climate() -> str:
    return render(stories.climate())


def test_a_matrix_of_per_cent_says_each_number_once():
    def shown(values):
        names = ("a", "b")
        matrix = sections.Matrix("M", names, names, np.array(values), "row", "column")
        return render(sections.Story("S", "", (matrix,)))

    assert "<small>75 %</small>" in shown([[30, 10], [0, 8]])
    assert "<small>" not in shown([[75, 25], [0, 100]])


def test_a_paragraph_keeps_its_line_breaks():
    page = render(sections.Story("S", "", (sections.Text("Verse", "one\ntwo"),) * 2))
    assert "<p>one\ntwo</p>" in page
    assert re.search(r"\.prose p \{ white-space: pre-line; \}", page)


def test_page_shows_every_section_under_its_title(climate):
    text = Outline(climate).text
    for section in stories.climate().sections:
        assert text.count(section.title) >= 2  # in the contents and above the section


def test_page_is_well_formed_and_its_ids_are_unique(climate):
    ids = [attrs["id"] for _, attrs in Outline(climate).tags if attrs.get("id")]
    assert len(ids) == len(set(ids))


def test_page_names_no_address(climate):
    outline = Outline(climate)
    for _, attrs in outline.tags:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:"))
    style = climate.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "//" not in style


def test_policy_allows_only_the_one_script(climate):
    outline = Outline(climate)
    policies = [a["content"] for t, a in outline.tags if a.get("http-equiv")]
    assert len(policies) == 1
    assert "default-src 'none'" in policies[0]
    assert "script-src 'sha256-" in policies[0]
    kinds = [attrs.get("type") for tag, attrs in outline.tags if tag == "script"]
    assert kinds.count(None) == 1
    assert not [a for _, attrs in outline.tags for a in attrs if a.startswith("on")]


def test_every_picture_is_described(climate):
    outline = Outline(climate)
    pictures = [attrs for tag, attrs in outline.tags if tag == "svg"]
    assert all(a.get("aria-hidden") or a.get("aria-labelledby") for a in pictures)
    assert all(attrs.get("alt") for tag, attrs in outline.tags if tag == "img")
    assert "mean absolute error" in climate


def test_names_are_text_wherever_they_stand():
    outline = Outline(render(stories.hostile()))
    assert "alert(1)" in outline.text  # shown, not run
    assert not [attrs for _, attrs in outline.tags if "onerror" in attrs]
    runnable = [a for tag, a in outline.tags if tag == "script" and not a.get("type")]
    assert len(runnable) == 1
    assert all("</" not in script for script in outline.scripts)
    assert "\x00" not in outline.text


@pytest.mark.parametrize("values", stories.HARD_VALUES.values(), ids=stories.HARD_VALUES)
def test_any_values_can_be_drawn(values):
    page = render(stories.with_values(np.array(values)))
    Outline(page)
    for path in re.findall(r' d="([^"]*)"', page):
        assert "nan" not in path
        assert "inf" not in path
    for number in re.findall(r"(?:left|top|right):(-?[\w.]+)%", page):
        assert np.isfinite(float(number))


def test_missing_values_are_gaps():
    story = sections.Story(
        "Gaps",
        "",
        (sections.Lines("Gap", np.arange(5), {"a": np.array([1, 2, np.nan, 3, 4])}, "x", "y"),),
    )
    path = re.search(r'class="line c0" d="([^"]*)"', render(story))
    assert path is not None
    assert path[1].count("M") == 2


def test_a_value_between_gaps_is_a_dot():
    values = np.array([1.0, np.nan, 3.0, np.nan, 4.0])
    story = sections.Story(
        "Dots", "", (sections.Lines("Dots", np.arange(5), {"a": values}, "x", "y"),)
    )
    path = re.search(r'class="line c0" d="([^"]*)"', render(story))
    assert path is not None
    assert path[1].count("h0") == 3


def test_forecast_without_truth_or_past():
    times = np.array(["2024-01-01", "2024-01-02"], "datetime64[D]")
    values = np.array([1.0, 2.0])
    none = np.zeros(0)
    story = sections.Story(
        "Ahead",
        "",
        (
            sections.Forecasts(
                "Ahead",
                (
                    sections.ForecastPanel(
                        "a", none.astype("datetime64[D]"), none, times, values, {}
                    ),
                ),
            ),
        ),
    )
    page = render(story)
    assert 'class="line point"' in page
    assert 'class="line truth"' not in page
    assert "NaT" not in page


def test_truth_that_is_all_missing():
    panel = stories.panel("a", np.arange(60), np.sin(np.arange(60.0)), 12, 6)
    blank = sections.ForecastPanel(
        "a",
        panel.past_times,
        panel.past,
        panel.times,
        panel.point,
        panel.bands,
        panel.past[:12] * np.nan,
    )
    page = render(sections.Story("Blank", "", (sections.Forecasts("Blank", (blank,)),)))
    assert "mean absolute error" not in page
    assert 'class="line point"' in page


def test_best_values_and_our_row_are_marked(climate):
    rows = re.findall(
        r"<tr( class=\"ours\")?>(.*?)</tr>",
        climate.split('class="kind-table"')[1].split("</table>")[0],
    )
    ours = [cells for mark, cells in rows if mark]
    assert len(ours) == 1
    assert "LSTM" in ours[0]
    assert ours[0].count("(best)") == 4
    assert "lower is better" in climate


def test_only_the_command_that_reproduces_is_offered_for_copying(climate):
    assert re.findall(r"<pre data-copy[^>]*><code>([^<]*)", climate) == [
        "cellstate fit forecast climate.parquet --horizon 24"
    ]


def test_units_stand_from_long_to_short_memory():
    slow = np.tile([0.2, 0.9, 0.5], (4, 1))
    story = sections.Story("Gates", "", (sections.Gates("Gates", tuple("abcd"), {"f": slow}),))
    page = render(story)
    assert '"u":["unit 1","unit 2","unit 0"]' in page
    assert "keeps 90 % a step, a memory of about 10 steps" in page


def test_large_series_stay_small():
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.standard_normal(200_000))
    times = np.datetime64("2000-01-01T00") + np.arange(len(walk))
    panels = tuple(stories.panel(f"series {i}", times, walk, 20_000, 24) for i in range(30))
    story = sections.Story(
        "Large",
        "",
        (
            sections.Forecasts("Forecasts", panels),
            sections.Lines("Lines", times, {f"{i}": walk + i for i in range(8)}, "time", "value"),
            sections.Table("Table", ("n", "v"), tuple(enumerate(walk[:5000].tolist()))),
            sections.Histogram("Histogram", np.arange(20_001.0), np.ones(20_000), "x"),
            stories.gates(rng, steps=3000, units=700),
            sections.Matrix(
                "Matrix",
                tuple(map(str, range(300))),
                tuple(map(str, range(300))),
                rng.random((300, 300)),
                "row",
                "column",
            ),
        ),
    )
    page = render(story)
    assert len(page.encode()) < 2_000_000
    assert "6 more series are not drawn" in page
    assert "more rows are not shown" in page


def test_a_spike_survives_thinning():
    quiet = np.zeros(100_000)
    quiet[61_803] = 5.0
    story = sections.Story(
        "Spike", "", (sections.Lines("Spike", np.arange(len(quiet)), {"a": quiet}, "x", "y"),)
    )
    assert '"5"' in render(story)


def test_same_story_gives_the_same_page(climate):
    assert render(stories.climate()) == climate


def test_page_replaces_an_older_one(tmp_path):
    target = tmp_path / "report.html"
    target.write_text("old")
    assert write_page(stories.climate(), target) == target
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_call_that_reproduces_can_be_copied_too():
    rows = (("Estimator", "Forecaster(24, random_state=0)"), ("Versions", "python 3.11.7"))
    page = render(sections.Story("S", "", (sections.Facts("To reproduce", rows),)))
    assert page.count("<pre data-copy") == 1
    page = render(sections.Story("S", "", (sections.Facts("Data", rows),)))
    assert "<pre data-copy" not in page


def test_a_past_hardly_longer_than_its_drawing_is_drawn_whole():
    times, values = np.arange(300), np.sin(np.arange(300.0))
    pages = {
        count: render(
            sections.Story(
                "S",
                "",
                (
                    sections.Forecasts(
                        "F", (stories.panel("a", times[:count], values[:count], 24, 12),)
                    ),
                ),
            )
        )
        for count in (24 + 60, 24 + 90, 24 + 120)
    }
    assert ["The whole past" in page for page in pages.values()] == [False, False, True]


def risk_story(*panels: sections.RiskPanel, threshold: float | None = 0.3) -> sections.Story:
    shown = sections.Risks("Risks", panels, threshold=threshold, event="sepsis")
    return sections.Story("S", "", (shown,))


def test_a_risk_shows_its_alarms_its_event_and_what_moved_it():
    movers = (sections.Mover(4.0, "lactate", 0.2), sections.Mover(2.0, "fluids", -0.05))
    panel = sections.RiskPanel(
        "stay 1", np.arange(6.0), np.linspace(0.1, 0.6, 6), np.array([2.0, 5.0]), 5.5, movers
    )
    page = render(risk_story(panel))
    assert page.count('class="dot alarm"') == 2
    assert ">sepsis</span>" in page
    assert "alarm from 0.3" in page
    assert "2 alarms, the first at 2; sepsis at 5.5" in page
    text = Outline(page).text
    assert text.index("fluids") < text.index("lactate")  # in the order of time
    assert "+0.2" in text
    assert "−0.05" in text


def test_a_quiet_stay_shows_neither_alarm_nor_event():
    panel = sections.RiskPanel("stay 1", np.arange(3.0), np.array([0.1, np.nan, 0.2]), np.zeros(0))
    page = render(risk_story(panel, threshold=None))
    assert "dot alarm" not in page.split("</style>")[1]
    assert "no alarm." in page
    assert 'class="event"' not in page
    assert "movers" not in page.split("</style>")[1]


def test_risks_stand_on_nought_and_share_one_scale():
    def panel(risk):
        return sections.RiskPanel("stay", np.arange(2.0), np.array(risk), np.zeros(0))

    low, high = panel([0.1, 0.2]), panel([0.2, 0.8])
    axis = risk_axis(sections.Risks("R", (low, high), 0.5))
    assert axis.low == 0
    assert axis.high > 0.8
    assert risk_axis(sections.Risks("R", (panel([-1.0, 1.0]),))).low < -1
    assert risk_axis(sections.Risks("R", (panel([0.0, 0.0]),))).low == 0


def test_only_the_first_of_many_subjects_are_drawn():
    panels = [
        sections.RiskPanel(f"stay {k}", np.arange(3.0), np.ones(3) / 2, np.zeros(0))
        for k in range(15)
    ]
    assert "3 more are not drawn." in render(risk_story(*panels))
