"""Outcomes of stays: what is read, what is answered, what is refused, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate import OutcomePredictor, TrainConfig
from cellstate.data.health.left_out import LeftOutWarning
from cellstate.errors import FrameError, InputError
from cellstate.tasks.health.cohort import CohortWarning
from cellstate.tasks.health.unread import UnreadCodesWarning

BRIEF = TrainConfig(epochs=2, progress=False)
RNG = np.random.default_rng(0)
N, T = 60, 6
IDS = np.repeat(np.arange(N), T)
HOURS = np.tile(np.arange(float(T)), N)
ILL = np.arange(N) % 3 == 0
VITALS = pl.DataFrame(
    {
        "subject_id": IDS,
        "time": HOURS,
        "HR": 80 + 12.0 * ILL[IDS] * HOURS + RNG.normal(0, 2, N * T),
        "Temp": np.where(RNG.random(N * T) < 0.5, 37 + 0.2 * RNG.normal(size=N * T), np.nan),
    }
)
OUTCOMES = pl.DataFrame(
    {
        "subject_id": np.arange(N),
        "died": ILL.astype(int),
        "days": 3.0 + 4.0 * ILL + RNG.random(N),
        "unit": np.array(["surgical", "medical", "coronary"])[np.arange(N) % 3],
        "time_to_event": 1.0 + 9.0 * RNG.random(N) + 8.0 * ~ILL,
        "event_observed": (RNG.random(N) < 0.7).astype(int),
    }
)


def fitted(target: Any, **arguments: Any) -> OutcomePredictor:
    given = {"random_state": 0, "train": BRIEF, **arguments}
    return OutcomePredictor(target, **given).fit(VITALS, OUTCOMES)


@pytest.fixture(scope="module")
def risk() -> OutcomePredictor:
    return OutcomePredictor("died", random_state=0).fit(VITALS, OUTCOMES)


def test_a_risk_is_learned_and_means_what_it_says(risk: OutcomePredictor) -> None:
    risks = risk.predict_risk(VITALS, OUTCOMES)
    assert risks.shape == (N,)
    assert risks[ILL].min() > risks[~ILL].max()
    assert risk.evaluate().metric("AUROC") > 0.95
    assert set(risk.predict(VITALS).tolist()) == {0, 1}


def test_baselines_stand_beside_the_model(risk: OutcomePredictor) -> None:
    rows = risk.evaluate(VITALS, OUTCOMES).rows
    assert {"LSTM", "LSTM networks alone", "prevalence", "logistic regression"} <= set(rows)
    assert any(name.startswith("gradient boosting") for name in rows)


def test_nothing_after_the_prediction_time_moves_an_answer(risk: OutcomePredictor) -> None:
    asked = OUTCOMES.select("subject_id").with_columns(prediction_time=pl.lit(2.0))
    before = risk.predict_risk(VITALS, asked)
    changed = VITALS.with_columns(
        HR=pl.when(pl.col("time") > 2.0).then(pl.lit(200.0)).otherwise(pl.col("HR"))
    )
    np.testing.assert_array_equal(risk.predict_risk(changed, asked), before)
    assert not np.array_equal(risk.predict_risk(VITALS, OUTCOMES), before)


def test_a_row_does_not_depend_on_the_rows_beside_it(risk: OutcomePredictor) -> None:
    alone = risk.predict_risk(VITALS, OUTCOMES[7:8])
    np.testing.assert_allclose(alone, risk.predict_risk(VITALS, OUTCOMES)[7:8], atol=1e-6)


def test_every_kind_of_outcome_has_its_answer() -> None:
    days = fitted("days").predict(VITALS, OUTCOMES)
    assert days.shape == (N,)
    unit = fitted("unit")
    assert set(unit.predict(VITALS, OUTCOMES)) <= {"surgical", "medical", "coronary"}
    np.testing.assert_allclose(unit.predict_risk(VITALS, OUTCOMES).sum(1), 1.0, atol=1e-6)
    both = fitted(["died", "days"])
    assert set(both.predict_risk(VITALS, OUTCOMES)) == {"died", "days"}
    assert "MAE" in both.evaluate(target="days").columns


def test_survival_falls_with_time_and_is_scored_with_those_who_left() -> None:
    model = fitted("time_to_event")
    curves = model.predict_risk(VITALS, OUTCOMES)
    assert curves.shape == (N, len(model.targets_[0].grid))
    assert (np.diff(curves, axis=1) <= 1e-12).all()
    evaluation = model.evaluate()
    assert {"C-index", "integrated Brier"} <= set(evaluation.columns)
    assert "Kaplan–Meier" in evaluation.rows
    assert model.predict(VITALS, OUTCOMES).shape == (N,)


@pytest.mark.parametrize("gaps", ["decay", "time_aware"])
def test_other_ways_with_gaps_are_trained_and_kept(gaps: str, tmp_path: Path) -> None:
    model = fitted("died", gaps=gaps)
    model.save(tmp_path / "model")
    again = OutcomePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(
        again.predict_risk(VITALS, OUTCOMES), model.predict_risk(VITALS, OUTCOMES)
    )


def test_balance_leaves_risks_at_the_scale_of_what_happened() -> None:
    risks = fitted("died", balance=True).predict_risk(VITALS, OUTCOMES)
    assert abs(risks.mean() - ILL.mean()) < 0.15


def test_rows_that_cannot_be_used_are_counted_and_named_by_number() -> None:
    more = pl.concat(
        [
            OUTCOMES.select("subject_id", "died"),
            pl.DataFrame({"subject_id": [777, 5000], "died": [1, 0]}),
        ]
    )
    with pytest.warns(CohortWarning, match=r"left out 2 rows .* no events: 61, 62") as caught:
        OutcomePredictor("died", train=BRIEF).fit(VITALS, more)
    assert "777" not in str(caught[0].message)


def test_questions_without_events_get_no_answer(risk: OutcomePredictor) -> None:
    asked = pl.DataFrame({"subject_id": [3, 999]})
    with pytest.warns(CohortWarning, match="no events: 2"):
        risks = risk.predict_risk(VITALS, asked)
    assert np.isfinite(risks[0])
    assert np.isnan(risks[1])


def test_a_table_tells_when_each_answer_was_asked_for(risk: OutcomePredictor) -> None:
    asked = pl.DataFrame({"subject_id": [3, 3, 4], "prediction_time": [2.0, 5.0, 5.0]})
    told = risk.table(VITALS, asked)
    assert [*told] == ["subject_id", "prediction_time", "died", "risk_died"]
    assert told["prediction_time"] == [2.0, 5.0, 5.0]
    assert told["risk_died"][0] != told["risk_died"][1]


ASKED = OUTCOMES.select("subject_id", "died")
WARNED = ("none in 60 rows", "some outcome must be known")


@pytest.mark.parametrize(
    ("arguments", "events", "outcomes", "error", "message"),
    [
        ({}, VITALS, ASKED.with_columns(died=0), InputError, "must have two values or more"),
        ({"target": "dead"}, VITALS, ASKED, FrameError, "Did you mean 'died'"),
        ({"target": ()}, VITALS, ASKED, InputError, "target must be the name of a column"),
        ({"size": "huge"}, VITALS, ASKED, InputError, "size must be"),
        ({"gaps": "fill"}, VITALS, ASKED, InputError, "gaps must be"),
        ({"window_h": -1}, VITALS, ASKED, InputError, "window_h must be a number of hours"),
        ({}, VITALS, pl.concat([ASKED, ASKED[:1]]), FrameError, "rows 1 and 61 for the same"),
        ({}, VITALS, ASKED.with_columns(pl.col("subject_id") + 500), InputError, "none in 60 rows"),
        ({}, [1, 2], ASKED, FrameError, "must be a data frame"),
        (
            {},
            VITALS,
            ASKED.with_columns(prediction_time=pl.lit(-4.0)),
            InputError,
            "not lie before its window's start",
        ),
        ({}, VITALS, ASKED[:4], InputError, "5 patients or more"),
        ({}, VITALS, ASKED.with_columns(died=None), InputError, "some outcome must be known"),
        ({"target": 3}, VITALS, ASKED, InputError, "target must be the name of a column"),
        ({"target": ("died", "died")}, VITALS, ASKED, InputError, "must be different columns"),
        ({"target": "subject_id"}, VITALS, ASKED, InputError, "none of subject_id"),
        ({"balance": "no"}, VITALS, ASKED, InputError, "balance must be True or False"),
        (
            {"target": "time_to_event"},
            VITALS,
            OUTCOMES.with_columns(event_observed=pl.lit(2)),
            InputError,
            "'event_observed' must be 0 or 1 .* in row 1",
        ),
        (
            {"target": "time_to_event"},
            VITALS,
            OUTCOMES.with_columns(time_to_event=pl.lit("soon")),
            FrameError,
            "'time_to_event' must hold numbers",
        ),
        (
            {"target": "time_to_event"},
            VITALS,
            OUTCOMES.with_columns(time_to_event=pl.lit(-1.0)),
            InputError,
            "must be above 0",
        ),
    ],
)
def test_what_cannot_be_learned_is_explained(
    arguments: dict[str, Any], events: Any, outcomes: Any, error: type[Exception], message: str
) -> None:
    given = {"target": "died", "train": BRIEF, **arguments}
    with (
        pytest.warns(CohortWarning) if message in WARNED else _nothing(),
        pytest.raises(error, match=message),
    ):
        OutcomePredictor(**given).fit(events, outcomes)


@pytest.mark.parametrize(
    ("told", "dtype"), [([None, True, False], "boolean"), ([None, "yes", "no"], "string")]
)
def test_gaps_of_pandas_are_outcomes_that_are_not_known(told: list[Any], dtype: str) -> None:
    pandas = pytest.importorskip("pandas")
    died = pandas.array([told[0], *[told[1 + k % 2] for k in range(N - 1)]], dtype=dtype)
    outcomes = pandas.DataFrame({"subject_id": np.arange(N), "died": died})
    with pytest.warns(CohortWarning, match="left out 1 row of outcomes without any outcome: 1"):
        model = OutcomePredictor("died", train=BRIEF).fit(VITALS, outcomes)
    assert model.targets_[0].kind == "binary"


def test_rows_are_named_by_their_place_in_the_table(risk: OutcomePredictor) -> None:
    asked = pl.DataFrame({"subject_id": [999, 3, 4], "prediction_time": [1.0, 2.0, -1.0]})
    with (
        pytest.warns(CohortWarning, match="no events: 1"),
        pytest.raises(InputError, match="got the contrary in row 3"),
    ):
        risk.predict_risk(VITALS, asked)


def test_an_outcome_that_the_fit_has_not_seen_is_refused(risk: OutcomePredictor) -> None:
    with pytest.raises(InputError, match=r"one of the 2 classes of the fit; got .* in row 1"):
        risk.evaluate(VITALS, ASKED.with_columns(pl.col("died") + 2))
    classes = fitted("unit")
    with pytest.raises(InputError, match=r"one of the 3 classes of the fit; got .* in row 2"):
        classes.evaluate(
            VITALS,
            OUTCOMES.with_columns(unit=pl.lit("surgical")).with_columns(
                unit=pl.when(pl.col("subject_id") == 1).then(pl.lit("burns")).otherwise("unit")
            ),
        )


def test_codes_that_are_not_read_are_named(risk: OutcomePredictor) -> None:
    more = VITALS.with_columns(Lactate=pl.lit(1.5))
    with pytest.warns(UnreadCodesWarning, match=r"1 code of 360 events .* 'Lactate'") as caught:
        risks = risk.predict_risk(more)
    assert "1.5" not in str(caught[0].message)
    np.testing.assert_array_equal(risks, risk.predict_risk(VITALS))
    with pytest.raises(InputError, match=r"some event must be of the 2 codes .* only 'Hr'"):
        risk.predict_risk(VITALS.select("subject_id", "time", Hr="HR"))


class _nothing:  # noqa: N801  stands for a context manager
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def test_a_number_that_no_instrument_gives_spoils_no_variable() -> None:
    marked = VITALS.with_columns(marker=pl.col("HR"))
    spoilt = marked.with_columns(
        marker=pl.when(pl.int_range(pl.len()) == 17).then(pl.lit(1e39)).otherwise(pl.col("marker"))
    )
    with pytest.warns(LeftOutWarning, match="1 value beyond 1e\\+30 \\(row 18\\)"):
        model = OutcomePredictor("died", train=BRIEF).fit(spoilt, OUTCOMES)
    place = model.variables_.index("marker")
    assert np.isfinite(model.fitted_.steps.scales.quantiles[place]).all()


def test_no_patient_is_in_a_models_folder_or_a_story(tmp_path: Path) -> None:
    ids = [f"PLANTED-{k}" for k in range(N)]
    vitals = VITALS.with_columns(subject_id=pl.Series([ids[k] for k in IDS]))
    extreme = 12.3456789
    vitals = vitals.with_columns(
        HR=pl.when(pl.int_range(pl.len()) == 17).then(extreme).otherwise(pl.col("HR"))
    )
    outcomes = OUTCOMES.with_columns(subject_id=pl.Series(ids))
    model = OutcomePredictor("died", train=BRIEF).fit(vitals, outcomes)
    model.save(tmp_path / "model")
    for file in (tmp_path / "model").iterdir():
        content = file.read_bytes()
        assert b"PLANTED" not in content
        assert str(extreme).encode() not in content
    assert "PLANTED" not in repr(model.story())
    record = json.loads((tmp_path / "model" / "model.json").read_text())["record"]
    assert record["data"]["patients"] == N


def test_a_loaded_model_tells_what_it_scored(risk: OutcomePredictor, tmp_path: Path) -> None:
    risk.save(tmp_path / "model")
    again = OutcomePredictor.load(tmp_path / "model")
    assert again.evaluate().rows == risk.evaluate().rows
    told = again.evaluate(VITALS, OUTCOMES)
    assert told.rows["LSTM"] == risk.evaluate(VITALS, OUTCOMES).rows["LSTM"]
    assert "keeps no rows" in told.notes[0]
    assert len(again.story().sections) < len(risk.story().sections)


def test_values_that_were_left_out_can_be_listed() -> None:
    wrong = pl.concat([VITALS, VITALS[:1].with_columns(time=pl.lit(9.0), Temp=pl.lit(370.0))])
    with pytest.warns(LeftOutWarning, match=r"1 Temp outside .* \(row 361\)"):
        model = OutcomePredictor("died", train=BRIEF).fit(wrong, OUTCOMES)
    assert model.left_out_.listed()["row"] == [361]
