"""Forecasts event by event: the numbers of updating and predicting, whatever the company."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from cellstate.data.columns import Columns
from cellstate.errors import EventError
from cellstate.runtime import read_moment
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.tasks.forecast.stream import MOST_SKIPPED, ForecastStream
from cellstate.train import TrainConfig

DECODERS: dict[str, dict[str, Any]] = {
    "direct": {"decoder": "direct"},
    "student_t": {"decoder": "recursive"},
    "negative_binomial": {"decoder": "recursive", "distribution": "negative_binomial"},
    "quantiles": {"decoder": "recursive", "distribution": "quantiles", "calibrate": True},
}
HOURS = 72
FIRST = np.datetime64("2024-03-30T00:00", "us")
RNG = np.random.default_rng(0)


def frame(name: str, count: int, first: int = 0) -> pl.DataFrame:
    steps = np.arange(first, first + count)
    rng = np.random.default_rng(len(name) + first)
    return pl.DataFrame(
        {
            "unique_id": [name] * count,
            "ds": FIRST + steps.astype("timedelta64[h]"),
            "y": np.round(20 + 8 * np.sin(steps * np.pi / 12) + rng.normal(0, 1, count)),
            "open": (steps % 24 > 6).astype(float),
            "wind": rng.normal(5, 2, count),
            "region": ["north" if name < "c" else "south"] * count,
            "height": [120.0 + len(name)] * count,
        }
    )


@cache
def fitted(decoder: str) -> bytes:
    columns = Columns(
        past=("wind",) if decoder == "direct" else (),
        future=("open",),
        static=("region", "height"),
        calendar="auto",  # pyright: ignore[reportArgumentType]
    )
    model = Forecaster(
        5,
        context=24,
        columns=columns,
        train=TrainConfig(epochs=1, sanity=False, progress=False),
        **DECODERS[decoder],
    )
    return pickle.dumps(model.fit(pl.concat([frame("a", HOURS), frame("bb", HOURS)])))


def model_of(decoder: str) -> Forecaster:
    return pickle.loads(fitted(decoder))


def event(row: dict[str, Any], decoder: str, *, begins: bool = False) -> dict[str, Any]:
    names = ["y", "open"] + (["wind"] if decoder == "direct" else [])
    data = {name: row[name] for name in names}
    return data | ({"region": row["region"], "height": row["height"]} if begins else {})


def moment(row: dict[str, Any]) -> int:
    return read_moment(np.datetime64(row["ds"], "us"))


def moment_of(row: dict[str, Any]) -> Any:
    return np.datetime64(row["ds"], "us")


def ahead(model: Forecaster, rows: pl.DataFrame) -> pl.DataFrame:
    """Give the frame of future covariates in which the next period alone is known."""
    horizon = model.fitted_.plan.horizon
    last = rows.group_by("unique_id", maintain_order=True).last()
    parts = []
    for row in last.to_dicts():
        stamps = np.datetime64(row["ds"], "us") + np.arange(1, horizon + 1) * np.timedelta64(1, "h")
        known = [0.0] + [None] * (horizon - 1)
        parts.append(
            pl.DataFrame(
                {"unique_id": [row["unique_id"]] * horizon, "ds": stamps, "open": known},
                schema_overrides={"open": pl.Float64},
            )
        )
    return pl.concat(parts)


@pytest.mark.parametrize("decoder", DECODERS)
def test_answers_are_those_of_updating_and_predicting(decoder: str) -> None:
    stream, model = ForecastStream.of(model_of(decoder)), model_of(decoder)
    new = {"a": frame("a", 6, HOURS), "bb": frame("bb", 6, HOURS + 3), "new": frame("new", 6)}
    states = stream.start(list(new))
    for step in range(6):
        rows = [part.row(step, named=True) for part in new.values()]
        data = [event(row, decoder, begins=not step and row["unique_id"] == "new") for row in rows]
        read = [stream.read(one | {"next_open": [0.0]}) for one in data]
        times = np.array([moment(row) for row in rows])
        states, answers = stream.step(states, read, times)
        model.update(pl.concat([part[step : step + 1] for part in new.values()]))
        future = ahead(model, pl.concat([part[: step + 1] for part in new.values()]))
        told = model.predict(future=future).group_by("unique_id", maintain_order=True).first()
        for row, answer in zip(told.to_dicts(), answers, strict=True):
            assert not isinstance(answer, EventError)
            assert answer["next"] == row["LSTM"]
            assert answer["next_lo_80"] == row["LSTM-lo-80"]
            assert answer["next_hi_95"] == row["LSTM-hi-95"]
            assert read_moment(answer["next_ds"]) == read_moment(np.datetime64(row["ds"], "us"))


@pytest.mark.parametrize("decoder", DECODERS)
def test_what_was_expected_is_what_had_been_foretold(decoder: str) -> None:
    session = model_of(decoder).session("a")
    rows = frame("a", 3, HOURS).to_dicts()
    first = session.push(
        event(rows[0], decoder) | {"next_open": rows[1]["open"]}, moment_of(rows[0])
    )
    second = session.push(event(rows[1], decoder), moment_of(rows[1]))
    for name in ("", "_lo_80", "_hi_95"):
        assert second[f"expected{name}"] == first[f"next{name}"]
    assert 0 <= second["surprise"] <= 1
    # Nobody has foretold the first one, or one behind a gap: both are told from the memory.
    alone = model_of(decoder)
    known = pl.DataFrame(
        {
            "unique_id": ["a", "bb"] * 5,
            "ds": np.repeat(FIRST + (HOURS + np.arange(5)).astype("timedelta64[h]"), 2),
            "open": [rows[0]["open"]] * 2 + [None] * 8,
        }
    )
    assert first["expected"] == alone.predict(future=known).row(0, named=True)["LSTM"]


@pytest.mark.parametrize("decoder", DECODERS)
def test_what_was_expected_behind_a_gap_is_foretold_from_the_memory(decoder: str) -> None:
    session, model = model_of(decoder).session("a"), model_of(decoder)
    rows = frame("a", 4, HOURS)
    session.push(event(rows.row(0, named=True), decoder), moment_of(rows.row(0, named=True)))
    last = rows.row(3, named=True)
    answer = session.push(event(last, decoder), moment_of(last))
    missing = rows[:3].with_columns(
        y=pl.when(pl.col("ds") == rows["ds"][0]).then(pl.col("y")),
        open=pl.when(pl.col("ds") == rows["ds"][0]).then(pl.col("open")),
        wind=pl.when(pl.col("ds") == rows["ds"][0]).then(pl.col("wind")),
    )
    model.update(missing)
    horizon = model.fitted_.plan.horizon
    stamps = np.datetime64(last["ds"], "us") + np.arange(horizon) * np.timedelta64(1, "h")
    first = np.datetime64(FIRST + np.timedelta64(HOURS, "h"))
    future = pl.DataFrame(
        {
            "unique_id": ["a"] * horizon + ["bb"] * horizon,
            "ds": np.concatenate([stamps, first + np.arange(horizon) * np.timedelta64(1, "h")]),
            "open": [last["open"], *[None] * (2 * horizon - 1)],
        }
    )
    told = model.predict(future=future).row(0, named=True)
    assert (answer["expected"], answer["expected_hi_80"]) == (told["LSTM"], told["LSTM-hi-80"])


def test_a_series_of_which_nothing_is_known_expects_nothing() -> None:
    session = model_of("direct").session("new")
    row = frame("new", 1).row(0, named=True)
    answer = session.push(event(row, "direct", begins=True), moment_of(row))
    assert answer["expected"] is None
    assert answer["surprise"] is None
    assert np.isfinite(answer["next"])


def test_a_missing_observation_surprises_nobody() -> None:
    session = model_of("direct").session("a")
    row = frame("a", 1, HOURS).row(0, named=True)
    answer = session.push({}, moment_of(row))
    assert answer["surprise"] is None
    assert np.isfinite(answer["expected"])
    same = model_of("direct").session("a")
    assert same.push({"y": None, "open": np.nan, "wind": None}, moment_of(row)) == answer


def test_outliers_surprise_more() -> None:
    said = []
    for y in (20.0, 40.0, 80.0, 20_000.0):
        session = model_of("student_t").session("a")
        row = frame("a", 1, HOURS).row(0, named=True) | {"y": y}
        answer = session.push(event(row, "student_t"), moment_of(row))
        said.append(answer["surprise"])
        assert np.isfinite([v for k, v in answer.items() if k != "next_ds"]).all()
    assert said == sorted(said)
    assert said[2] > 0.95


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_whole_horizon_is_what_predict_gives(decoder: str) -> None:
    model = model_of(decoder)
    stream, rows = ForecastStream.of(model), frame("a", 2, HOURS)
    opened = [1.0, 0.0, 0.0, 1.0, 1.0]
    stamps = np.datetime64(rows["ds"][1], "us") + np.arange(1, 6) * np.timedelta64(1, "h")
    states = stream.start(["a"])
    for row in rows.to_dicts():
        read = [stream.read(event(row, decoder))]
        states, _ = stream.step(states, read, np.array([moment(row)]))
    told = stream.horizon(states, {"open": opened})
    model.update(rows)
    first = FIRST + np.timedelta64(HOURS, "h")
    future = pl.DataFrame(
        {
            "unique_id": ["a"] * 5 + ["bb"] * 5,
            "ds": np.concatenate([stamps, first + np.arange(5) * np.timedelta64(1, "h")]),
            "open": [*opened, *[0.0] * 5],
        }
    )
    expected = model.predict(future=future).head(5)
    assert told["forecast"] == expected["LSTM"].to_list()
    assert told["forecast_lo_95"] == expected["LSTM-lo-95"].to_list()
    assert [read_moment(ds) for ds in told["ds"]] == stamps.astype(np.int64).tolist()
    known = stream.horizon(stream.start(["bb"]))["forecast"]
    assert len(known) == 5
    with pytest.raises(EventError, match="must be something to forecast from"):
        stream.horizon(stream.start(["new"]))
    with pytest.raises(EventError, match="at most 5 periods to come; got 6"):
        stream.horizon(states, {"open": [0.0] * 6})
    with pytest.raises(EventError, match="a column of the fit"):
        stream.horizon(states, {"opened": [0.0]})


def test_covariates_of_the_whole_horizon_count_where_segments_are_long() -> None:
    rows = frame("a", 1, HOURS)
    answers = []
    for ahead_ in (None, 0.0, [0.0], [0.0, None, 1.0], [0.0, 1.0, 1.0, 1.0, 1.0]):
        session = model_of("direct").session("a")
        row = rows.row(0, named=True)
        answers.append(session.push(event(row, "direct") | {"next_open": ahead_}, moment_of(row)))
    assert answers[1] == answers[2]
    assert len({answer["next"] for answer in answers}) == 4


@pytest.mark.parametrize(
    ("data", "hours", "message"),
    [
        ({"y": "1"}, 1, "y must be a number; got str"),
        ({"y": np.inf}, 1, "y must lie between -30000 and 30000; got a value outside"),
        ({"open": 1e31}, 1, "open must lie between"),
        ({"next_open": [1.0, "2"]}, 1, "next_open must be a number; got str"),
        ({"next_open": [1.0] * 6}, 1, "at most 5 periods to come; got 6"),
        ({"next_wind": [1.0]}, 1, "a column of the fit; got another name"),
        ({"opened": 1.0}, 1, "Did you mean 'open'"),
        ({3: 1.0}, 1, "a column of the fit"),
        ({"region": 5}, 1, "region must be text, as it was at fit; got int"),
        ({"region": "south"}, 1, "region belongs to the first event of a series"),
        ({"height": 12345.5}, 1, "height belongs to the first event of a series"),
        ({"y": 1.0}, 0, "must come after the last one; got one that was told before"),
        ({"y": 1.0}, -5, "must come after the last one"),
        ({"y": 1.0}, 1.25, r"whole number of periods \(h\) after the last.*; got another"),
        ({"y": 1.0}, 0.5, "whole number of periods"),
        ({"y": 1.0}, MOST_SKIPPED + 2, "at most 1,000 periods may be skipped; got 1,001"),
        ([1.0], 1, "values must come by name"),
    ],
)
def test_a_refused_event_leaves_the_series_as_it_was(data: Any, hours: float, message: str) -> None:
    session = model_of("direct").session("a")
    last = FIRST + np.timedelta64(HOURS, "h")
    session.push({"y": 20.0}, last)
    before = session.snapshot()
    time = last + np.timedelta64(round(hours * 3600), "s")
    if hours < 0:  # a session itself refuses what is late; the stream must, too
        stream = session.stream
        states = np.frombuffer(before.state, stream.state_dtype)
        _, [problem] = stream.step(states, [stream.read(data)], np.array([read_moment(time)]))
        assert isinstance(problem, EventError)
        assert "must come after the last one" in str(problem)
        return
    with pytest.raises(EventError, match=message) as caught:
        session.push(data, time)
    assert "12345" not in str(caught.value)
    assert session.snapshot() == before
    session.push({"y": 20.0, "region": "north", "height": 121.0}, last + np.timedelta64(1, "h"))


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z"])
def test_times_beyond_all_calendars_are_refused(when: str) -> None:
    for name in ("a", "new"):
        with pytest.raises(EventError, match="from 1600 to 2999"):
            model_of("direct").session(name).push({"y": 20.0}, when)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_series_has_the_same_bits_alone_and_among_many(decoder: str) -> None:
    stream = ForecastStream.of(model_of(decoder))
    names, rows = ["a", "bb", "new", "other"], frame("a", 3, HOURS).to_dicts()
    states, alone = stream.start(names * 65), stream.start(["bb"])
    for step, row in enumerate(rows):
        read = [stream.read(event({**row, "y": row["y"] + k % 4}, decoder)) for k in range(260)]
        times = np.array([moment(row)] * 260)
        times[2::4] += step * 3_600_000_000  # with gaps
        states, answers = stream.step(states, read, times)
        alone, [answer] = stream.step(alone, read[1:2], times[1:2])
        assert answer == answers[1]
        assert {states[at].tobytes() for at in range(1, 260, 4)} == {alone[0].tobytes()}


@pytest.mark.parametrize("y", [-1.0, 2.5])
def test_what_is_no_count_is_refused_where_counts_are_forecast(y: float) -> None:
    with pytest.raises(EventError, match="y must be a count: 0, 1, 2 …; got another number"):
        model_of("negative_binomial").session("a").push({"y": y}, FIRST)


def test_a_thousand_periods_may_be_skipped() -> None:
    session = model_of("student_t").session("a")
    last = FIRST + np.timedelta64(HOURS - 1, "h")
    answer = session.push({"y": 20.0}, last + np.timedelta64(MOST_SKIPPED + 1, "h"))
    assert np.isfinite(answer["expected"])


GRIDS: dict[str, Any] = {
    "integers": (1, pl.int_range(0, 40, eager=True)),
    "dates": ("D", pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 9), eager=True)),
    "month ends": (
        "ME",
        pl.date_range(pl.date(2020, 1, 1), pl.date(2023, 4, 1), "1mo", eager=True).dt.month_end(),
    ),
    "business days": (
        "B",
        pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 23), eager=True).filter(
            pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 23), eager=True).dt.weekday() < 6
        ),
    ),
    "text": ("D", pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 9), eager=True).cast(str)),
    "local days": (
        "D",
        pl.datetime_range(
            pl.datetime(2024, 3, 1), pl.datetime(2024, 4, 9), "1d", eager=True
        ).dt.replace_time_zone("Europe/Berlin"),
    ),
    "days of Honolulu": (
        "D",
        pl.datetime_range(
            pl.datetime(2024, 3, 1), pl.datetime(2024, 4, 9), "1d", eager=True
        ).dt.replace_time_zone("Pacific/Honolulu"),
    ),
    "hours with a zone": (
        "h",
        pl.datetime_range(pl.datetime(2024, 3, 30), pl.datetime(2024, 3, 31, 15), "1h", eager=True)
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Europe/Berlin"),
    ),
}


@pytest.mark.parametrize("grid", GRIDS)
def test_every_kind_of_stamps_is_stepped_along_its_grid(grid: str) -> None:
    frequency, stamps = GRIDS[grid]
    known = pl.DataFrame({"ds": stamps, "y": np.arange(40.0) % 7})
    model = Forecaster(
        2,
        decoder="recursive",
        frequency=frequency,
        columns=Columns(calendar="auto"),  # pyright: ignore[reportArgumentType]
        train=TrainConfig(epochs=1, sanity=False, progress=False),
    ).fit(known[:34])
    session = model.session("y")  # a single series bears its target's name

    def time(at: int) -> Any:
        stamp = stamps[at]
        if grid == "integers":
            return float(stamp)
        if grid == "text":
            return np.datetime64(stamp, "us")
        return stamp if stamps.dtype == pl.Datetime else np.datetime64(stamp, "us")

    for at in (34, 35, 38):
        answer = session.push({"y": float(at % 7)}, time(at))
        assert isinstance(answer["next_ds"], int if grid == "integers" else str)
        assert read_moment(answer["next_ds"]) == read_moment(time(at + 1))
    told = model.update(known[[34, 35, 38]]).predict()
    assert answer["next"] == told["LSTM"][0]
    with pytest.raises(EventError, match="must come after the last one"):
        session.push({"y": 1.0}, time(38))
