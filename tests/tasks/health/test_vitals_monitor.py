"""Watching stays: the same risk event by event, alarms at the stated rate, nothing from later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate import TrainConfig, VitalsMonitor
from cellstate.data.health.left_out import LeftOutWarning
from cellstate.errors import FrameError, InputError
from cellstate.tasks.health.cohort import CohortWarning
from cellstate.tasks.health.unread import UnreadCodesWarning
from cellstate.tasks.health.vitals.explaining import effects

BRIEF = TrainConfig(epochs=2, progress=False)
RNG = np.random.default_rng(1)
N, T = 45, 18
IDS, HOURS = np.repeat(np.arange(N), T), np.tile(np.arange(float(T)), N)
ONSET = np.where(np.arange(N) % 3 == 0, 10, 99)[IDS]
TABLE = pl.DataFrame(
    {
        "subject_id": IDS,
        "time": HOURS,
        "HR": 80 + 6.0 * np.clip(HOURS - ONSET + 4, 0, None) + RNG.normal(0, 3, N * T),
        "Lactate": np.where(RNG.random(N * T) < 0.2, RNG.lognormal(0.4, 0.2, N * T), np.nan),
        "Age": RNG.normal(60, 9, N)[IDS],
        "sepsis": (HOURS >= ONSET).astype(int),
    }
)


def monitor(**arguments: Any) -> VitalsMonitor:
    given = {"target": "sepsis", "static": ("Age",), "random_state": 0, **arguments}
    return VitalsMonitor(**given)


@pytest.fixture(scope="module")
def fitted() -> VitalsMonitor:
    return monitor().fit(TABLE)


def rows_of(stay: int) -> list[tuple[float, dict[str, float], float]]:
    table = TABLE.filter(pl.col("subject_id") == stay)
    return [
        (row["time"], {"HR": row["HR"], "Lactate": row["Lactate"]}, row["Age"])
        for row in table.to_dicts()
    ]


def test_risks_rise_where_labels_do(fitted: VitalsMonitor) -> None:
    risks = fitted.predict(TABLE)["risk"]
    is_ill = TABLE["sepsis"].to_numpy() == 1
    assert risks[is_ill].mean() > risks[~is_ill].mean() + 0.3
    assert fitted.evaluate().metric("AUROC") > 0.9


@pytest.mark.parametrize("stay", [0, 1, 2])
def test_event_by_event_equals_the_batch(fitted: VitalsMonitor, stay: int) -> None:
    told = fitted.predict(TABLE)
    mine = told["subject_id"] == stay
    rows = rows_of(stay)
    bed = fitted.stream({"Age": rows[0][2]})
    readings = [bed.push(hour, measured) for hour, measured, _ in rows]
    np.testing.assert_allclose([r.risk for r in readings], told["risk"][mine], atol=1e-6)
    assert [r.alarm for r in readings] == told["alarm"][mine].tolist()


def test_the_clock_of_a_stream_does_not_matter(fitted: VitalsMonitor) -> None:
    rows = rows_of(0)
    early, late = fitted.stream({"Age": 60.0}), fitted.stream({"Age": 60.0})
    for hour, measured, _ in rows:
        first, second = early.push(hour, measured), late.push(hour + 1000.0, measured)
        assert first.risk == pytest.approx(second.risk, abs=1e-9)


def test_what_comes_later_changes_no_earlier_risk(fitted: VitalsMonitor) -> None:
    before = fitted.predict(TABLE)["risk"].reshape(N, T)
    changed = TABLE.with_columns(
        HR=pl.when(pl.col("time") > 8).then(pl.lit(150.0)).otherwise(pl.col("HR"))
    )
    after = fitted.predict(changed)["risk"].reshape(N, T)
    np.testing.assert_array_equal(before[:, :9], after[:, :9])
    assert not np.array_equal(before, after)


def test_alarms_keep_the_stated_rate_on_the_patients_left_out() -> None:
    model = monitor(alarms_per_day=0.3, silence_h=4.0).fit(TABLE)
    rates = model.evaluate().rows["LSTM"]["alarms a day"]
    assert rates <= 0.3 + 1e-9


def test_hours_without_measurements_have_a_risk(fitted: VitalsMonitor) -> None:
    quiet = TABLE.filter(pl.col("subject_id") == 0).with_columns(
        HR=pl.when(pl.col("time") > 5).then(None).otherwise(pl.col("HR")),
        Lactate=pl.lit(None, pl.Float64),
    )
    risks = fitted.predict(quiet)["risk"]
    assert len(risks) == T
    assert np.isfinite(risks).all()


def test_long_events_with_labels_give_what_a_wide_table_gives(fitted: VitalsMonitor) -> None:
    wide = TABLE.drop("sepsis")
    long = wide.unpivot(
        ["HR", "Lactate"],
        index=["subject_id", "time"],
        variable_name="code",
        value_name="numeric_value",
    ).filter(pl.col("numeric_value").is_not_nan())
    fixed = (
        TABLE.group_by("subject_id")
        .first()
        .select(
            "subject_id",
            pl.lit(None, pl.Float64).alias("time"),
            pl.lit("Age").alias("code"),
            pl.col("Age").alias("numeric_value"),
        )
    )
    labels = TABLE.select("subject_id", "time", "sepsis")
    told = fitted.predict(pl.concat([long, fixed]), labels)
    np.testing.assert_allclose(told["risk"], fitted.predict(TABLE)["risk"], atol=1e-6)


def test_what_moved_a_risk_is_the_risk_without_it(fitted: VitalsMonitor) -> None:
    watched, _ = fitted._read("test", TABLE, None)
    found = [e for e in effects(fitted.fitted_, watched.timelines, 0) if e.step == 12]
    rows = rows_of(0)

    def last_risk(without: str | None) -> float:
        bed = fitted.stream({"Age": rows[0][2]})
        for step, (hour, measured, _) in enumerate(rows[:13]):
            kept = {k: v for k, v in measured.items() if not (step == 12 and k == without)}
            reading = bed.push(hour, kept)
        return reading.risk

    assert found
    for effect in found:
        expected = last_risk(None) - last_risk(effect.variable)
        assert effect.effect == pytest.approx(expected, abs=1e-5)


def test_without_labels_surprises_are_watched(tmp_path: Path) -> None:
    calm = TABLE.filter(pl.col("subject_id") % 3 != 0).drop("sepsis")
    model = monitor(target=None, train=TrainConfig(epochs=12, progress=False)).fit(calm)
    odd = calm.filter(pl.col("subject_id") == 1).with_columns(
        HR=pl.when(pl.col("time") == 9).then(pl.lit(190.0)).otherwise(pl.col("HR"))
    )
    risks = model.predict(odd)["risk"]
    assert risks.argmax() == 9
    assert risks[9] > 0.99
    bed = model.stream({"Age": odd["Age"][0]})
    told = [
        bed.push(r["time"], {"HR": r["HR"], "Lactate": r["Lactate"]}).risk for r in odd.to_dicts()
    ]
    np.testing.assert_allclose(told, risks, atol=1e-6)
    coming = model.forecast(odd, level=80.0)
    assert set(coming) == {"subject_id", "hour"} | {
        f"{name}{end}" for name in ("HR", "Lactate") for end in ("", "_low", "_high")
    }
    assert (coming["HR_low"] < coming["HR"]).all()
    assert (coming["HR"] < coming["HR_high"]).all()
    assert 70 < coming["HR"].mean() < 90
    wider = model.forecast(odd, level=95.0)
    assert (wider["HR_high"] > coming["HR_high"]).all()
    evaluation = model.evaluate()
    assert {"last value", "mean so far"} <= set(evaluation.rows)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        VitalsMonitor.load(tmp_path / "model").predict(odd)["risk"], risks
    )


def test_a_monitor_of_risks_foretells_no_measurements(fitted: VitalsMonitor) -> None:
    with pytest.raises(InputError, match="must watch for surprises"):
        fitted.forecast(TABLE)


def test_a_story_shows_single_stays_and_no_identifier() -> None:
    names = TABLE.with_columns(subject_id=pl.Series([f"PLANTED-{k}" for k in IDS]))
    story = monitor(train=BRIEF).fit(names).story()
    titles = [section.title for section in story.sections]
    assert "Risks of single stays" in titles
    assert "Alarms and lead time" in titles
    assert "PLANTED" not in repr(story)


def test_no_patient_is_in_a_models_folder(tmp_path: Path) -> None:
    names = TABLE.with_columns(subject_id=pl.Series([f"PLANTED-{k}" for k in IDS]))
    model = monitor(train=BRIEF).fit(names)
    model.save(tmp_path / "model")
    assert all(b"PLANTED" not in f.read_bytes() for f in (tmp_path / "model").iterdir())


@pytest.mark.parametrize(
    ("hour", "measured", "message"),
    [
        (5.0, {"HR": 90.0}, "later than the one before"),
        (np.nan, {}, "must be finite"),
        (9.0, {"HRR": 90.0}, "Did you mean 'HR'"),
        (9.0, {"HR": np.inf}, "must lie between"),
        (9.0, {"HR": 4000.0}, "HR must lie between"),
        (9.0, {"Lactate": 1e39}, "Lactate must lie between"),
        (9.0, {"HR": "fast"}, "HR must be a number; got str"),
        ("nine", {"HR": 90.0}, "each hour must be a number; got str"),
        (9.0, [90.0], "values must come by name"),
    ],
)
def test_a_refused_event_leaves_the_stream_as_it_was(
    fitted: VitalsMonitor, hour: Any, measured: Any, message: str
) -> None:
    bed, other = fitted.stream({"Age": 60.0}), fitted.stream({"Age": 60.0})
    for one in (bed, other):
        one.push(5.0, {"HR": 90.0})
    with pytest.raises(InputError, match=message) as caught:
        bed.push(hour, measured)
    assert "4000" not in str(caught.value)
    assert bed.push(6.0, {"HR": 95.0}) == other.push(6.0, {"HR": 95.0})


@pytest.mark.parametrize(
    ("arguments", "data", "labels", "error", "message"),
    [
        ({}, TABLE.with_columns(sepsis=0), None, InputError, "all equal"),
        ({}, TABLE.drop("sepsis"), None, FrameError, "must have a column 'sepsis'"),
        ({}, TABLE.rename({"sepsis": "sepsys"}), None, FrameError, "Did you mean 'sepsys'"),
        ({}, TABLE[: 2 * T], None, InputError, "3 patients or more"),
        ({"target": 3}, TABLE, None, InputError, "target must be the name of a column"),
        ({"static": 3}, TABLE, None, InputError, "static must be the name of a column"),
        ({}, TABLE.with_columns(sepsis=2), None, FrameError, "must hold 0 and 1"),
        ({"target": None}, TABLE.drop("sepsis"), TABLE, InputError, "labels go with a target"),
        ({"target": None}, TABLE.filter(pl.col("time") == 0), None, InputError, "after the first"),
        ({"alarms_per_day": -1}, TABLE, None, InputError, "alarms_per_day must be"),
        ({"size": "vast"}, TABLE, None, InputError, "size must be"),
        ({}, TABLE.drop("time"), None, FrameError, "column 'time'"),
    ],
)
def test_what_cannot_be_learned_is_explained(
    arguments: dict[str, Any], data: Any, labels: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        monitor(train=BRIEF, **arguments).fit(data, labels)


EVENTS = TABLE.unpivot(
    ["HR", "Lactate"],
    index=["subject_id", "time"],
    variable_name="code",
    value_name="numeric_value",
).drop_nans()
LABELS = TABLE.select("subject_id", "time", "sepsis")


def test_labels_that_cannot_be_used_are_counted_and_named_by_number() -> None:
    more = pl.DataFrame(
        {"subject_id": [777, 3], "time": [1.0, None], "sepsis": [1, 0]},
        schema=LABELS.schema,
    )
    labels = pl.concat([LABELS, more])
    with pytest.warns(CohortWarning) as caught:
        monitor(train=BRIEF, static=()).fit(EVENTS, labels)
    told = [str(one.message) for one in caught]
    assert any("left out 1 row of steps whose subject has no events: 811" in line for line in told)
    assert any("left out 1 row of steps without a time: 812" in line for line in told)
    assert not any("777" in line for line in told)


def test_two_labels_of_one_time_are_refused() -> None:
    labels = pl.concat([LABELS, LABELS[4:5].with_columns(sepsis=1 - pl.col("sepsis"))])
    with pytest.raises(FrameError, match="rows 5 and 811"):
        monitor(train=BRIEF, static=()).fit(EVENTS, labels)


def test_answers_need_no_labels(fitted: VitalsMonitor) -> None:
    told = fitted.predict(TABLE)["risk"]
    np.testing.assert_array_equal(fitted.predict(TABLE.drop("sepsis"))["risk"], told)


def test_codes_that_are_not_read_are_named(fitted: VitalsMonitor) -> None:
    with pytest.warns(UnreadCodesWarning, match=r"1 code of 810 events .* 'Resp'"):
        fitted.predict(TABLE.with_columns(Resp=pl.lit(16.0)))


def test_values_that_were_left_out_can_be_listed() -> None:
    wrong = TABLE.with_columns(Temp=pl.when(pl.int_range(N * T) == 4).then(370.0).otherwise(37.0))
    with pytest.warns(LeftOutWarning, match=r"1 Temp outside .* \(row 5\)"):
        model = monitor(train=BRIEF).fit(wrong)
    assert model.left_out_.listed()["row"] == [5]
