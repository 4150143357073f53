"""Evaluations on examples that can be checked by hand, and which windows are scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate.data import Panel
from cellstate.errors import FrameError, InputError
from cellstate.tasks.forecast.evaluation import Evaluation, evaluate, held_cutoffs
from cellstate.tasks.forecast.forecaster import Forecaster
from tests.tasks.forecast import samples
from tests.tasks.forecast.samples import HORIZON, forecaster, wave, waves

Give = Callable[[str], Forecaster]
TAUS = (0.1, 0.5, 0.9)


class Oracle:
    """Stands in for a fitted network: forecasts the truth, moved by as much as one likes."""

    def __init__(self, horizon: int, *, off: tuple[float, float, float]) -> None:
        self.plan = SimpleNamespace(horizon=horizon, taus=TAUS, context=3, season=1)
        self.record = {"data": {"validation_steps": 4}}
        self.off = np.array(off)

    def forecast_at(self, panel: Panel, series: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
        rows = (panel.offsets[series] + cutoffs)[:, None] + np.arange(self.plan.horizon)
        return panel.target[rows][..., None] + self.off


def judge(oracle: Any, values: list[float], levels: tuple[float, ...] = (80,)) -> Evaluation:
    frame = pl.DataFrame({"ds": range(len(values)), "y": values}, {"ds": pl.Int64, "y": pl.Float64})
    panel = samples.panel_of(frame)
    cutoffs = held_cutoffs(panel, None, oracle, 2)
    return evaluate(oracle, *cutoffs, levels, False)


def test_scores_are_those_computed_by_hand() -> None:
    """Truths 4, 5 and 6, 7 after 0, 1, 2, 3; forecasts one too high, quantiles 0, 1 and 2."""
    result = judge(Oracle(2, off=(0, 1, 2)), [0, 1, 2, 3, 4, 5, 6, 7])
    assert result.metric("MAE") == pytest.approx(1)
    assert result.metric("MASE") == pytest.approx(1)  # in sample, each step is 1
    by_hand = np.mean([200 / 9, 200 / 11, 200 / 13, 200 / 15])
    assert result.metric("sMAPE") == pytest.approx(by_hand)
    assert result.metric("quantile loss") == pytest.approx(2 * (0 + 0.5 * 1 + 0.1 * 2) / 3)
    assert result.metric("coverage 80") == 100
    assert result.metric("MAE", "naive") == pytest.approx(1.5)  # 1 and 2 steps behind
    assert result.metric("MAE", "drift") == pytest.approx(0)
    assert result.winner == "drift"
    assert result.decided_by == "MASE"
    assert result.protocol.startswith("Protocol: 2 windows of 2 periods on the validation split")


def test_missing_truths_are_not_counted() -> None:
    whole = judge(Oracle(2, off=(0, 1, 2)), [0, 1, 2, 3, 4, 5, 6, 7])
    gapped = judge(Oracle(2, off=(0, 1, 2)), [0, 1, 2, 3, 4, float("nan"), 6, 7])
    assert gapped.metric("MAE") == whole.metric("MAE")
    assert gapped.metric("MAE", "naive") == pytest.approx((1 + 2 + 3) / 3)


def test_windows_without_any_truth_are_left_out() -> None:
    nan = float("nan")
    result = judge(Oracle(2, off=(0, 1, 2)), [0, 1, 2, 3, nan, nan, 6, 7])
    assert "1 windows" in result.protocol
    assert result.rolled is not None
    assert result.rolled.truth.tolist() == [[6, 7]]


def test_the_verdict_names_the_network_where_it_wins() -> None:
    zigzag = [3.0, 9.0, 2.0, 8.0, 1.0, 9.0, 3.0, 7.0]
    result = judge(Oracle(2, off=(-1, 0.1, 1)), zigzag)
    assert result.winner == "LSTM"
    assert result.verdict.startswith("LSTM wins: MASE 0.0")
    assert "% below the best baseline" in result.verdict
    assert "LSTM *" in str(result)


def table(ours: float, theirs: float, winner: str) -> Evaluation:
    rows = {"LSTM": (ours,), "naive": (theirs,), "drift": (float("nan"),)}
    return Evaluation(("MASE",), rows, winner, "MASE", "Protocol: none.")


def test_the_verdict_says_by_how_much() -> None:
    won = "LSTM wins: MASE 0.5, 50.0 % below the best baseline, naive (1)."
    assert table(0.5, 1, "LSTM").verdict == won
    lost = (
        "A baseline wins: naive has MASE 1; the LSTM has 1.5, 50.0 % above it. Prefer naive here."
    )
    assert table(1.5, 1, "naive").verdict == lost


def test_no_share_of_nothing_is_told() -> None:
    """A constant series: a baseline without any error leaves nothing to divide by."""
    lost = "A baseline wins: naive has MASE 0; the LSTM has 0.1. Prefer naive here."
    assert table(0.1, 0, "naive").verdict == lost
    assert table(0, 0, "LSTM").verdict == (
        "LSTM wins: MASE 0, the same as the best baseline, naive (0)."
    )
    assert table(0.5, float("nan"), "LSTM").verdict == (
        "LSTM: MASE 0.5; no baseline could be computed."
    )


def test_a_series_that_repeats_itself_is_decided_by_the_plain_error() -> None:
    result = judge(Oracle(2, off=(-1, 0.1, 1)), [5.0] * 8)
    assert result.decided_by == "MAE"
    assert np.isnan(result.metric("MASE"))
    assert result.winner == "naive"
    assert "–" in str(result)


def test_an_evaluation_prints_itself_and_is_json() -> None:
    result = judge(Oracle(2, off=(0, 1, 2)), [0, 1, 2, 3, 4, 5, 6, 7], (80,))
    shown = str(result)
    assert repr(result) == shown
    for word in ("LSTM", "naive", "drift *", "MASE", "coverage 80", "Protocol", "MAE: mean of"):
        assert word in shown
    given = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert given["winner"] == "drift"
    assert given["systems"]["naive"]["MAE"] == pytest.approx(1.5)
    assert set(given["definitions"]) == set(result.columns)
    with pytest.raises(InputError, match="Did you mean 'MASE'"):
        result.metric("MASSE")
    with pytest.raises(InputError, match="Did you mean 'drift'"):
        result.metric("MASE", "drifts")


def test_rolling_cutoffs_are_a_stride_apart_from_the_end_of_training_on() -> None:
    oracle = Oracle(2, off=(0, 0, 0))
    panel = samples.panel_of(waves(12, 6, 5))
    known, series, cutoffs, learnt = held_cutoffs(panel, None, oracle, 1)
    assert known is panel
    assert learnt.tolist() == [8, 6, 5]  # the short ones were learnt from whole
    assert series.tolist() == [0, 0, 0]
    assert cutoffs.tolist() == [8, 9, 10]
    assert held_cutoffs(panel, None, oracle, 3)[2].tolist() == [8]


def test_held_out_rows_follow_what_is_known_and_new_series_start_afresh() -> None:
    oracle = Oracle(2, off=(0, 0, 0))
    history = samples.panel_of(waves(10, 9))
    held = samples.panel_of(waves(14, 9, 8))  # four new rows, none, and a new series
    panel, series, cutoffs, learnt = held_cutoffs(history, held, oracle, 2)
    assert panel.ids == ("s0", "s1", "s2")
    assert panel.lengths.tolist() == [14, 9, 8]
    assert learnt.tolist() == [10, 9, 3]  # of the new series as much as a window reads
    assert list(zip(series.tolist(), cutoffs.tolist(), strict=True)) == [
        (0, 10), (0, 12), (2, 3), (2, 5),
    ]  # fmt: skip
    assert np.array_equal(panel.target[panel.rows(0)], held.target[held.rows(0)])


@pytest.mark.parametrize("kind", ["direct", "student_t"])
def test_rows_known_already_change_no_score(kind: str, surfer: Give) -> None:
    model = surfer(kind)
    whole = waves(70, 50, 45).with_columns(pl.col("y") - waves(60, 50, 45)["y"].min())
    history = model.history_
    whole = pl.concat(
        [
            pl.DataFrame({"unique_id": "s0", "ds": range(60), "y": history.target[:60]}),
            whole.filter(pl.col("unique_id") == "s0", pl.col("ds") >= 60).cast({"ds": pl.Int64}),
        ]
    )
    with_known = model.evaluate(whole)
    only_new = model.evaluate(whole.filter(pl.col("ds") >= 60))
    assert with_known.rows == only_new.rows
    assert "held-out rows" in with_known.protocol
    assert not any("chose when training stopped" in note for note in with_known.notes)


def test_a_new_series_is_scored(surfer: Give) -> None:
    new = wave(40).with_columns(unique_id=pl.lit("new"))
    result = surfer("direct").evaluate(new, stride=1)
    assert result.rolled is not None
    assert set(np.asarray(result.rolled.panel.ids)[result.rolled.series]) == {"new"}
    assert np.isfinite(result.metric("MASE"))


def test_the_validation_split_is_scored_where_nothing_is_given(surfer: Give) -> None:
    model = surfer("direct")
    result = model.evaluate()
    assert result.rolled is not None
    assert result.rolled.cutoffs.tolist() == [56, 46, 41]
    assert any("chose when training stopped" in note for note in result.notes)


def test_updates_move_no_score_of_the_validation_split(surfer: Give) -> None:
    model = surfer("direct")
    before = model.evaluate()
    model.update(pl.DataFrame({"unique_id": ["s0", "x"], "ds": [63, 0], "y": [90.0, 1.0]}))
    after = model.evaluate()
    assert after.rows == before.rows
    assert after.protocol == before.protocol


def test_equal_scores_after_saving_and_loading(surfer: Give, tmp_path: Path) -> None:
    for kind in ("direct", "quantiles"):
        model = surfer(kind)
        more = waves(9, start=60)
        for pushed in (more[:0], more[:2]):
            if len(pushed):
                model.update(pushed)
            model.save(tmp_path / kind)
            loaded = Forecaster.load(tmp_path / kind)
            assert loaded.evaluate().as_dict() == model.evaluate().as_dict()
            assert loaded.evaluate(more).as_dict() == model.evaluate(more).as_dict()


def test_series_learnt_from_whole_are_not_scored() -> None:
    """One too short for a validation split was trained on to its last row."""
    model = forecaster("direct").fit(waves(60, 7))
    result = model.evaluate()
    assert result.rolled is not None
    assert set(result.rolled.series) == {0}


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        (waves(60), "only rows that are known already"),
        (waves(HORIZON - 1, start=60), f"got at most {HORIZON - 1}"),
        (waves(9, start=60).with_columns(y=pl.lit(None, pl.Float64)), "of missing ones"),
    ],
)
def test_nothing_to_score_on_is_refused(rows: pl.DataFrame, error: str, surfer: Give) -> None:
    with pytest.raises(InputError, match=error):
        surfer("direct").evaluate(rows)


def test_held_out_rows_must_fit_the_grid(surfer: Give) -> None:
    with pytest.raises(FrameError):
        surfer("direct").evaluate(waves(9, start=60).cast({"ds": pl.Date}))


def test_a_forecaster_of_series_too_short_to_split_says_why_it_cannot_be_scored() -> None:
    model = forecaster("direct", context=None).fit(wave(HORIZON + 1))
    with pytest.raises(InputError, match="must have 4 periods or more after the training data"):
        model.evaluate()
