import io

import numpy as np
from rich.console import Console

from cellstate.inspector import print_story
from cellstate.inspector.page import render
from cellstate.tasks import chapters as tasks_chapters
from cellstate.tasks import sections
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.health import chapters
from cellstate.tasks.health.alarms import Watch, choose_threshold
from cellstate.tasks.health.bootstrap import bootstrap
from cellstate.tasks.health.early_warning import alarm_curve, score_alarms
from cellstate.tasks.health.metrics import METRICS, RiskScorer, score_risks
from cellstate.tasks.health.net_benefit import decision_curves
from cellstate.tasks.health.subgroups import by_subgroup
from tests.tasks.health import cohorts


def story() -> sections.Story:
    events, risks = cohorts.rows(400)
    scorer = RiskScorer.of(events, risks)
    found = {"LSTM": bootstrap(scorer, np.arange(400), resamples=50)}
    unit = np.where(np.arange(400) < 390, "medical", "surgical")
    offsets, hours, steps, moments = cohorts.stays(60)
    watch = Watch.of(offsets, hours, moments)
    threshold = choose_threshold(watch, steps, alarms_per_day=0.5, silence=6)
    chosen = score_alarms(watch, steps, threshold, silence=6)
    return sections.Story(
        "Risks",
        "",
        (
            chapters.uncertainty(found, ("AUROC", "AUPRC")),
            chapters.calibration(events, risks),
            chapters.decisions(decision_curves(events, {"LSTM": risks})),
            chapters.subgroups(by_subgroup(events, risks, {"unit": unit})),
            *chapters.alarms(alarm_curve(watch, steps, silence=6), chosen),
            chapters.stays(
                watch,
                steps,
                threshold,
                silence=6,
                window=24,
                event="sepsis",
                movers=lambda place: [
                    sections.Mover(float(hours[offsets[place]]) + 1, "lactate", 0.1)
                ],
            ),
        ),
    )


def test_every_chapter_is_drawn_on_the_page_and_in_the_terminal():
    told = story()
    page = render(told)
    out = io.StringIO()
    print_story(told, Console(file=out, width=100))
    for words in ("Net benefit", "unit: surgical", "too few", "lactate", "sepsis", "stay 1"):
        assert words in page
        assert words in out.getvalue()


def test_net_benefit_far_below_nought_is_not_drawn():
    events, risks = cohorts.rows(400)
    lines = chapters.decisions(decision_curves(events, {"LSTM": risks}))
    highest = np.nanmax(lines.curves["LSTM"])
    for curve in lines.curves.values():
        assert np.nanmin(curve) >= -0.5 * highest


def test_a_small_group_shows_no_figure():
    groups = by_subgroup(np.arange(10) % 2, np.full(10, 0.5), {"sex": ["f"] * 10})
    (row,) = chapters.subgroups(groups).rows
    assert row == ("sex: f", "< 20", "< 5", "too few", None, None, None)


def test_stays_of_each_kind_are_picked():
    watch = Watch.of(np.arange(0, 31, 5), np.tile(np.arange(5.0), 6), [4, 4, np.nan, np.nan, 4, 4])
    risks = np.zeros((6, 5))
    risks[0, 1] = risks[2, 3] = risks[4, 3] = risks[5, 4] = 0.9
    picks = chapters.telling_stays(score_alarms(watch, risks.ravel(), 0.5))
    assert picks == [
        (4, "found 1 hours before"),
        (1, "missed"),
        (2, "alarmed for nothing"),
        (3, "rightly quiet"),
    ]


def test_stays_begin_at_nought_and_have_no_ids():
    offsets, hours, risks, events = cohorts.stays(40)
    watch = Watch.of(offsets, hours + 500_000, events + 500_000)
    told = chapters.stays(watch, risks, 0.6, window=24)
    assert [panel.name for panel in told.panels] == [
        f"stay {k + 1}" for k in range(len(told.panels))
    ]
    for panel in told.panels:
        assert panel.times[0] == 0
        assert all(alarm in panel.times for alarm in panel.alarms)


def test_the_prevalence_is_shown_and_nobody_is_best_in_it():
    events, risks = cohorts.rows(100)
    rows = {name: score_risks(events, risks) for name in ("LSTM", "logistic regression")}
    evaluation = Evaluation(rows, "AUROC", "Protocol.", metrics=METRICS)
    table = tasks_chapters.comparison(evaluation)
    assert "prevalence" in table.columns
    assert "prevalence" not in table.best
    assert table.best["AUROC"] == "max"
    assert "ties with" in evaluation.verdict
