"""The job as its user meets it: every target, attributions, bad input, unknown codes, privacy."""

import io
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from cellstate.data.health.visits import make_visits
from cellstate.errors import ArgumentTypeError, FrameError, InputError, ShapeError
from cellstate.inspector import print_story, write_page
from cellstate.tasks.health.records.vocabulary import UnknownCodesWarning
from cellstate.tasks.health.records_model import RecordsModel
from cellstate.train import TrainConfig
from tests.tasks.health.invented_records import DAY, patients

BRIEF = TrainConfig(epochs=2)
VISITS, TEST = patients(150), patients(60, seed=1)


def brief(**arguments):
    return RecordsModel(**{"networks": 1, "random_state": 0, "train": BRIEF, **arguments})


@pytest.fixture(scope="module")
def model():
    config = TrainConfig(epochs=25, patience=0, learning_rate=1e-2)
    return RecordsModel(networks=2, random_state=0, train=config).fit(VISITS)


@pytest.fixture(scope="module")
def readmission():
    return brief(target="readmission", train=TrainConfig(epochs=10)).fit(VISITS)


@pytest.fixture(scope="module")
def labs():
    return brief(target="labs", train=TrainConfig(epochs=20)).fit(VISITS)


def test_it_remembers_visits_before_the_last(model):
    evaluation = model.evaluate(TEST)
    losses = {name: scores["label loss"] for name, scores in evaluation.rows.items()}
    assert losses["LSTM"] < 0.8 * min(loss for name, loss in losses.items() if name != "LSTM")
    assert evaluation.decided_by == "label loss"  # of so few codes
    assert evaluation.winner == "LSTM"
    assert model.score(TEST) == -losses["LSTM"]


def test_the_most_probable_codes_come_first_with_their_probabilities(model):
    answers, shares = model.predict(TEST), model.predict_proba(TEST)
    assert shares.shape == (len(TEST.subjects), len(model.codes_))
    for row, told in zip(shares, answers, strict=True):
        assert [share for _, share in told] == sorted(row, reverse=True)[:10]
        assert row[model.codes_.tolist().index(told[0].code)] == told[0].probability


def test_only_codes_that_are_asked_for_are_foretold():
    model = brief(answers="DX10:B").fit(VISITS)
    assert model.codes_.tolist() == ["DX10:B50"]
    assert {code for told in model.predict(TEST) for code, _ in told} == {"DX10:B50"}


@pytest.mark.parametrize("kind", ["model", "readmission"])
def test_an_attribution_is_what_leaving_a_code_out_changes(kind, request):
    model = request.getfixturevalue(kind)
    patient = int(np.argmax(TEST.counts))
    one = TEST.take([patient])
    answer = "DX10:B50" if kind == "model" else None
    (told,) = model.attributions(one, answer)
    place = model.codes_.tolist().index(answer) if answer else None

    def log_odds(visits):
        share = model.predict_proba(visits)[0]
        share = share if place is None else share[place]
        return np.log(share / (1 - share))

    whole = log_odds(one)
    assert told.log_odds == pytest.approx(whole, abs=1e-9)
    records = [(float(s), float(e)) for s, e in zip(one.start, one.end, strict=True)]
    codes = [list(one.codes_of(n)) for n in range(len(one))]
    assert len(told.code) == sum(map(len, codes))
    for visit, code, value in zip(told.visit, told.code, told.value, strict=True):
        without = [[c for c in own if (n, c) != (visit, code)] for n, own in enumerate(codes)]
        changed = make_visits(
            {0: [(*times, own) for times, own in zip(records, without, strict=True)]},
            values=one.values,
            variables=one.variables,
        )
        assert value == pytest.approx(whole - log_odds(changed), abs=1e-6)
    assert len(told.by_visit) == len(one)
    assert "at visit" in str(told)


def test_the_early_code_speaks_for_the_late_one(model):
    seen = []
    for told in model.attributions(TEST, "DX10:B50"):
        last = len(told.by_visit) - 1
        seen += [
            value
            for visit, code, value in zip(told.visit, told.code, told.value, strict=True)
            if code == "DX10:A40" and visit == last - 1
        ]
    assert len(seen) > 5
    assert np.mean(seen) > 1.0


def test_a_readmission_counts_within_its_horizon(readmission):
    assert readmission.predict_proba(TEST).shape == (len(TEST.subjects),)
    assert readmission.predict(TEST).dtype == bool
    near = make_visits({k: [(0, 1, ["x"]), (10 * DAY, 11 * DAY, ["x"])] for k in range(9)})
    near = replace(near, observed_until=near.end[1::2])  # what follows the second is not known
    with pytest.raises(InputError, match="outcomes must not all be equal; got 9 visits, all with"):
        brief(target="readmission", horizon_days=11).fit(near)
    with pytest.raises(InputError, match="must not all be equal; got 9 visits, all without"):
        brief(target="readmission", horizon_days=5).fit(near)


def test_patients_who_have_had_a_code_are_left_out_of_its_onset():
    model = brief(target="DX10:B50").fit(VISITS)
    counts = model.fitted_.record["data"]["not_known"]
    assert counts["of patients who had it by then"] > 0
    evaluation = model.evaluate(TEST)
    assert set(evaluation.rows) == {"LSTM", "prevalence", "logistic regression"}
    assert evaluation.decided_by == "AUROC"


def test_outcomes_of_ones_own_come_as_an_array_or_a_frame():
    rng = np.random.default_rng(0)
    labels = (rng.random(len(VISITS)) < 0.3).astype(float)
    labels[::7] = np.nan
    model = brief(target="fall").fit(VISITS, labels)
    assert model.fitted_.record["data"]["not_known"] == {"no outcome": len(labels[::7])}
    frame = pl.DataFrame(
        {
            "subject_id": VISITS.subjects[VISITS.subject_of].tolist(),
            "start": VISITS.start,
            "fall": labels,
        }
    ).filter(pl.col("fall").is_not_nan())
    twin = brief(target="fall").fit(VISITS, frame)
    assert np.array_equal(twin.predict_proba(TEST), model.predict_proba(TEST))
    assert model.evaluate(VISITS, labels).rows


def test_intervals_of_values_hold_what_they_promise(labs):
    ends = labs.predict_intervals(TEST)
    assert ends.shape == (len(TEST.subjects), 2, 3)
    assert (np.diff(ends, axis=2) >= 0).all()
    assert np.array_equal(labs.predict(TEST), ends[..., 1])
    evaluation = labs.evaluate(TEST)
    assert 0.7 < evaluation.metric("coverage") < 0.92
    assert evaluation.metric("scaled MAE") < evaluation.metric("scaled MAE", "median of training")
    wider = brief(target="labs", level=95.0).fit(VISITS).predict_intervals(TEST)
    assert np.ptp(wider, axis=2).mean() > np.ptp(ends, axis=2).mean()


def test_unknown_codes_are_counted_warned_of_and_read_as_what_they_are_of(model):
    known = make_visits(
        {"a": [(0, 9, ["DX10:A40"])]}, values=[[100.0, 0.0]], variables=("lab", "noise")
    )
    odd = make_visits(
        {"a": [(0, 9, ["DX10:A41", "RX:new"])]}, values=[[100.0, 0.0]], variables=("lab", "noise")
    )
    message = (
        r"RecordsModel.predict_proba: .*got 2 of 2 codes that it does not know, in visits 0: "
        "1 are read as what they are a part of, 1 as unknown"
    )
    with pytest.warns(UnknownCodesWarning, match=message):
        said = model.predict_proba(odd)
    assert np.isfinite(said).all()
    assert not np.array_equal(said, model.predict_proba(known))


def test_codes_of_one_patient_never_enter_the_model(tmp_path):
    rare = make_visits(
        {
            f"SECRET-{k}": [(0, 9, ["DX10:I10", f"RX:only for {k}"]), (99, 120, ["DX10:I10"])]
            for k in range(12)
        },
        values=[[7919.5 if k == 0 else np.nan, 100.0 + k] for k in range(24)],
        variables=("rare", "lab"),
    )
    model = brief().fit(rare)
    labs = brief(target="labs").fit(rare)
    labs.save(tmp_path / "labs")
    with pytest.warns(UnknownCodesWarning):
        said = labs.predict(rare)
    assert np.isnan(said[:, 0]).all()  # what one patient alone had is not foretold
    assert np.isfinite(said[:, 1]).all()
    assert model.codes_.tolist() == ["DX10:I10"]
    assert "RX" in model.fitted_.vocabulary.nodes
    model.save(tmp_path / "model")
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("model.*"))
    page = write_page(model.story(), tmp_path / "page.html").read_text(encoding="utf-8")
    shown = io.StringIO()
    print_story(model.story(), Console(file=shown, width=110))
    for text in (written, page.encode(), repr(model).encode(), shown.getvalue().encode()):
        assert b"SECRET" not in text
        assert b"only for" not in text
        assert b"7919.5" not in text
        assert not [form for form in (np.float32, np.float64) if form(7919.5).tobytes() in text]


def test_errors_name_no_patient(model):
    visits = make_visits({"SECRET-1": [(0, 9, ["DX10:A40"])]})
    calls = (
        lambda: model.predict(visits),
        lambda: brief().fit(visits),
        lambda: brief().fit(visits, validation=visits),
        lambda: model.evaluate(visits),
    )
    for call in calls:
        with pytest.raises(InputError) as refused:
            call()
        assert "SECRET" not in str(refused.value)


def test_validation_patients_choose_when_to_stop_and_must_be_others():
    model = brief().fit(VISITS, validation=TEST)
    assert f"{(TEST.counts > 1).sum()} patients that were held out" in model.evaluate().protocol
    with pytest.raises(InputError, match=r"no patient may be in both .* got 150 in both"):
        brief().fit(VISITS, validation=patients(150))


@pytest.mark.parametrize("kind", ["model", "readmission", "labs"])
def test_a_saved_model_answers_and_scores_alike(kind, request, tmp_path):
    model = request.getfixturevalue(kind)
    model.save(tmp_path / "model")
    loaded = RecordsModel.load(tmp_path / "model")
    assert loaded.evaluate().as_dict() == model.evaluate().as_dict()
    assert loaded.evaluate(TEST).as_dict() == model.evaluate(TEST).as_dict()
    assert np.array_equal(loaded.predict(TEST), model.predict(TEST))
    json.dumps(model.evaluate().as_dict())


@pytest.mark.parametrize("kind", ["model", "readmission", "labs"])
def test_the_story_can_be_written_and_printed(kind, request, tmp_path):
    model = request.getfixturevalue(kind)
    page = write_page(model.story(), tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Not a medical device" in page
    told = io.StringIO()
    print_story(model.story(TEST), Console(file=told, width=110))
    assert "Left out" in told.getvalue()


def test_later_visits_do_not_change_what_was_said_before(model):
    longest = int(np.argmax(TEST.counts))
    one = TEST.take([longest])
    codes = [list(one.codes_of(n)) for n in range(len(one))]
    whole = model.fitted_.answers(model.fitted_.encode(one), np.arange(len(one)))
    for steps in range(1, len(one)):
        rows = [(float(one.start[n]), float(one.end[n]), codes[n]) for n in range(steps)]
        part = make_visits({0: rows}, values=one.values[:steps], variables=one.variables)
        said = model.fitted_.answers(model.fitted_.encode(part), np.array([steps - 1]))
        assert np.allclose(said[0], whole[steps - 1], atol=1e-12)


SINGLE = make_visits({k: [(0, 9, ["DX10:I10"])] for k in range(9)})
BAD_FITS = {
    "no visits": (VISITS.take([]), {}, InputError, "there must be visits; got none"),
    "a frame": (pl.DataFrame(), {}, ArgumentTypeError, "visits must be Visits; got DataFrame"),
    "single visits": (
        SINGLE,
        {},
        InputError,
        "what came after; got 9 visits: 9 with no later visit; 9 patients have a single visit",
    ),
    "no codes": (
        make_visits({k: [(0, 1, []), (5, 6, [])] for k in range(9)}),
        {},
        InputError,
        "some visit must have a code; got none",
    ),
    "all rare": (
        make_visits({k: [(0, 1, [f"x{k}"]), (5, 6, [f"x{k}"])] for k in range(9)}),
        {},
        InputError,
        "some code must be of two patients or more",
    ),
    "other answers": (VISITS, {"answers": "PX"}, InputError, "begin as answers says; got none"),
    "one patient": (
        VISITS.take(np.flatnonzero(VISITS.counts > 1)[:1]),
        {},
        InputError,
        "at least two",
    ),
    "no numbers": (
        make_visits({k: [(0, 1, ["x"]), (5, 6, ["x"])] for k in range(9)}),
        {"target": "labs"},
        InputError,
        "visits must have numbers for target='labs'",
    ),
    "no such target": (VISITS, {"target": "readmision"}, InputError, "Did you mean 'readmission'"),
    "no such code": (VISITS, {"target": "DX10:Z99"}, InputError, "got 'DX10:Z99'"),
}


@pytest.mark.parametrize(
    ("visits", "arguments", "error", "message"), BAD_FITS.values(), ids=BAD_FITS
)
def test_what_cannot_be_learned_from_is_named(visits, arguments, error, message):
    with pytest.raises(error, match=message):
        brief(**arguments).fit(visits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "smal"}, "Did you mean 'small'"),
        ({"target": 3}, "target must be text; got 3"),
        ({"answers": "DX", "target": "readmission"}, "answers goes with target='next'"),
        ({"horizon_days": 0}, "horizon_days must be a number above 0; got 0"),
        ({"level": 100}, "level must be a number above 0 and below 100; got 100"),
        ({"least_patients": 1}, "least_patients must be a whole number of at least 2; got 1"),
        ({"networks": 0}, "networks must be a whole number of at least 1"),
        ({"random_state": -1}, "random_state must be"),
        ({"train": {"epochs": 2}}, "train must be a TrainConfig"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        brief(**arguments).fit(VISITS)


@pytest.mark.parametrize(
    ("target", "labels", "error", "message"),
    [
        ("next", [1], InputError, "labels go with an outcome of your own"),
        ("fall", [1, 0], ShapeError, rf"an outcome for each of the {len(VISITS)} visits"),
        (
            "fall",
            [3.0] * len(VISITS),
            InputError,
            "must be 0, 1 or NaN; got something else at visit 0",
        ),
        ("fall", ["yes"] * len(VISITS), InputError, "labels must be numbers"),
        ("fall", [1.0] * len(VISITS), InputError, "outcomes must not all be equal"),
        ("fall", pl.DataFrame({"subject_id": [1]}), FrameError, "must have a column 'start'"),
    ],
)
def test_labels_that_do_not_fit_are_named(target, labels, error, message):
    with pytest.raises(error, match=message):
        brief(target=target).fit(VISITS, labels)


def test_calls_that_make_no_sense_are_named(model, readmission, labs):
    with pytest.raises(InputError, match="Call predict_intervals"):
        labs.predict_proba(TEST)
    with pytest.raises(InputError, match="Call predict_proba, or fit target='labs'"):
        readmission.predict_intervals(TEST)
    with pytest.raises(InputError, match="must foretell codes or an outcome"):
        labs.attributions(TEST)
    with pytest.raises(InputError, match="Did you mean 'DX10:B50'"):
        model.attributions(TEST, "DX10:B5")
    other = make_visits({0: [(0, 1, ["DX10:I10"])]}, values=[[1.0]], variables=("lab",))
    with pytest.raises(InputError, match="the 2 variables of the training visits; got no 'noise'"):
        model.predict(other)


def test_validation_patients_of_whom_nothing_is_known_are_refused():
    single = make_visits(
        {-1: [(0, 9, ["DX10:I10"])]}, values=[[1.0, 1.0]], variables=("lab", "noise")
    )
    with pytest.raises(InputError, match="some visit of the validation patients"):
        brief().fit(VISITS, validation=single)
    with pytest.raises(InputError, match="validation takes no labels"):
        brief(target="fall").fit(VISITS, np.zeros(len(VISITS)), single)
