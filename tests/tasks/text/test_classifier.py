"""The job as its user meets it: labels of every form, bad input, words unseen, pages."""

import io

import numpy as np
import pytest
from rich.console import Console

from cellstate.errors import ArgumentTypeError, InputError, NotFittedError, ShapeError
from cellstate.inspector.report import print_story, write_page
from cellstate.tasks.text.classifier import TextClassifier
from cellstate.train import TrainConfig

BRIEF = TrainConfig(epochs=4)
ENOUGH = TrainConfig(epochs=10)
RNG = np.random.default_rng(0)
GOOD = ["lovely", "brilliant", "moving", "delightful", "funny"]
BAD = ["dull", "tedious", "lifeless", "clumsy", "shallow"]
REST = ["film", "story", "plot", "cast", "scene", "the", "a", "this"]


def reviews(count, seed=0):
    """Texts of random words, one of which tells the class."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for k in range(count):
        words = list(rng.choice(REST, size=rng.integers(2, 8)))
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice(GOOD if k % 2 else BAD)))
        texts.append(" ".join(words))
        labels.append("good" if k % 2 else "bad")
    return texts, labels


TEXTS, LABELS = reviews(120)
SEVERAL = [["about film"] * ("film" in t) + [label] for t, label in zip(TEXTS, LABELS, strict=True)]


@pytest.fixture(scope="module")
def model():
    return TextClassifier(networks=2, random_state=0, train=ENOUGH).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def tagged():
    return TextClassifier(networks=2, random_state=0, train=ENOUGH).fit(TEXTS, SEVERAL)


def test_it_learns_which_words_tell_the_class(model):
    texts, labels = reviews(60, seed=1)
    assert model.score(texts, labels) > 0.95
    assert model.predict(texts).tolist() == [
        model.classes_[k] for k in model.predict_proba(texts).argmax(1)
    ]
    assert np.allclose(model.predict_proba(texts).sum(1), 1.0)


def test_several_labels_come_as_lists_of_those_above_their_thresholds(tagged):
    texts, labels = reviews(60, seed=1)
    predicted = tagged.predict(texts)
    probabilities = tagged.predict_proba(texts)
    names = tagged.classes_.tolist()
    for said, row in zip(predicted, probabilities, strict=True):
        above = row >= tagged.fitted_.thresholds
        assert said == [name for name, is_named in zip(names, above, strict=True) if is_named]
    truth = [["about film"] * ("film" in t) + [lab] for t, lab in zip(texts, labels, strict=True)]
    assert tagged.score(texts, truth) > 0.9
    assert "exact match" in str(tagged.evaluate(texts, truth))


def test_a_text_without_any_label_is_one_of_several_labels():
    labels = [[] if k % 3 == 0 else given for k, given in enumerate(SEVERAL)]
    model = TextClassifier(networks=1, random_state=0, train=BRIEF).fit(TEXTS, labels)
    assert all(isinstance(said, list) for said in model.predict(TEXTS[:5]))


def test_numbers_and_truth_values_are_labels_too():
    numbers = [k % 2 for k in range(120)]
    model = TextClassifier(networks=1, random_state=0, train=BRIEF).fit(TEXTS, np.array(numbers))
    assert set(model.predict(TEXTS).tolist()) <= {0, 1}


def test_given_validation_rows_leave_all_others_for_training():
    model = TextClassifier(networks=1, random_state=0, train=BRIEF)
    model.fit(TEXTS[:80], LABELS[:80], validation=(TEXTS[80:], LABELS[80:]))
    assert model.fitted_.record["data"]["held_out"] == 40
    assert "40 rows that were held out" in model.evaluate().protocol


def test_every_row_is_scored_by_networks_that_left_it_out_where_rows_are_few(model):
    evaluation = TextClassifier(networks=3, random_state=0, train=BRIEF).fit(TEXTS, LABELS)
    assert "120 training rows, each answered by networks" in evaluation.evaluate().protocol
    assert set(model.evaluate().rows) >= {"LSTM", "most frequent class"}
    assert "TF-IDF + logistic regression" in model.evaluate().rows


def test_words_never_seen_are_read_by_their_pieces(model):
    known, unknown = model.predict_proba(["a lovely film", "a loveliest film"])
    other = model.predict_proba(["a qqqq film"])[0]
    good = list(model.classes_).index("good")
    assert known[good] > 0.9
    assert unknown[good] > other[good]


def test_the_words_that_tell_the_class_add_the_most(model):
    texts, labels = reviews(20, seed=4)
    for said, label in zip(model.explain(texts), labels, strict=True):
        assert said.label == label
        assert said.words[said.values.argmax()] in GOOD + BAD
    against = model.explain(texts[:1], label="good" if labels[0] == "bad" else "bad")[0]
    assert against.words[against.values.argmin()] in GOOD + BAD


def test_empty_texts_are_allowed_and_counted():
    model = TextClassifier(networks=1, random_state=0, train=BRIEF)
    model.fit([*TEXTS, "", "  "], [*LABELS, "good", "bad"])
    assert model.fitted_.record["data"]["empty"] == 2
    assert np.isfinite(model.predict_proba(["", " \n"])).all()
    assert model.explain([""])[0].words == ()


def test_texts_are_cut_only_on_request():
    long = " ".join(["film"] * 300)
    whole = TextClassifier(networks=1, random_state=0, train=BRIEF).fit(
        [*TEXTS, long], [*LABELS, "bad"]
    )
    assert whole.fitted_.record["data"]["lengths"][2] == 300
    cut = TextClassifier(networks=1, longest=5, random_state=0, train=BRIEF).fit(TEXTS, LABELS)
    assert cut.fitted_.record["data"]["lengths"][2] == 5
    assert cut.fitted_.record["data"]["cut"] > 0
    same = cut.predict_proba(["a b c d e", "a b c d e lovely"])
    if cut.fitted_.mix.linear == 0:
        assert np.allclose(same[0], same[1])


def test_rare_classes_weigh_more_when_balanced():
    texts, labels = TEXTS[:60] + TEXTS[1::2], LABELS[:60] + LABELS[1::2]
    plain = TextClassifier(networks=1, random_state=0, train=BRIEF).fit(texts, labels)
    even = TextClassifier(networks=1, class_weight="balanced", random_state=0, train=BRIEF)
    even.fit(texts, labels)
    bad = list(plain.classes_).index("bad")
    said = [
        m.fitted_.answers(TEXTS)[:, bad] - m.fitted_.answers(TEXTS)[:, 1 - bad]
        for m in (plain, even)
    ]
    assert said[1].mean() > said[0].mean()


@pytest.mark.parametrize("tokenizer", ["whitespace", "bpe", "char"])
def test_texts_are_cut_in_other_ways_too(tokenizer):
    model = TextClassifier(tokenizer=tokenizer, networks=1, random_state=0, train=BRIEF)
    model.fit(TEXTS, LABELS)
    assert model.predict_proba(["lovely", "unseen Ω"]).shape == (2, 2)
    assert "".join(model.explain(["a lovely film"])[0].pieces()[0]) == "a lovely film"


def test_a_pretrained_model_learns_from_further_texts(tmp_path):
    further = reviews(60, seed=3)[0]
    model = TextClassifier(networks=2, random_state=0, train=TrainConfig(epochs=2))
    model.fit(TEXTS, LABELS, unlabelled=further)
    assert model.fitted_.plan.is_pretrained
    assert model.fitted_.record["language"]["history"]
    model.save(tmp_path / "model")
    loaded = TextClassifier.load(tmp_path / "model")
    assert np.array_equal(loaded.predict_proba(TEXTS[:9]), model.predict_proba(TEXTS[:9]))
    assert loaded.explain(TEXTS[:1])[0].values == pytest.approx(model.explain(TEXTS[:1])[0].values)


def test_a_saved_model_scores_what_was_left_out_without_the_texts(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = TextClassifier.load(tmp_path / "model")
    assert loaded.evaluate().as_dict() == model.evaluate().as_dict()
    assert loaded.story().summary == model.story().summary


@pytest.mark.parametrize("kind", ["model", "tagged"])
def test_the_story_can_be_written_and_printed(kind, request, tmp_path):
    fitted = request.getfixturevalue(kind)
    page = write_page(fitted.story(), tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'class="token ' in page
    told = io.StringIO()
    print_story(fitted.story(), Console(file=told, width=110))
    assert "Which words decided" in told.getvalue()
    assert "TF-IDF + logistic regression" in told.getvalue()


def test_the_report_has_every_class_with_its_errors(model):
    evaluation = model.evaluate(*reviews(40, seed=2))
    assert set(evaluation.by_class) == {"good", "bad"}
    assert sum(values["rows"] for values in evaluation.by_class.values()) == 40
    assert {"accuracy", "macro F1", "log loss", "ECE"} == set(evaluation.columns)
    assert "precision" in str(evaluation)


BAD_FITS = {
    "one class": (TEXTS, ["good"] * 120, InputError, "at least two classes; got only 'good', 120"),
    "seen once": (
        TEXTS,
        [*LABELS[:-1], "so-so"],
        InputError,
        "seen at least twice.*got 'so-so' in row 119 alone",
    ),
    "longer y": (TEXTS[:-1], LABELS, ShapeError, "same number of rows; got 119 and 120"),
    "one text": ("lovely", ["good"], ArgumentTypeError, "X must be a list of texts; got one str"),
    "no text": ([], [], InputError, "at least one text; got none"),
    "no str": ([None, *TEXTS[1:]], LABELS, ArgumentTypeError, "got NoneType None in row 0"),
    "all empty": ([""] * 120, LABELS, InputError, "some text must hold a word; got 120 empty"),
    "missing label": (TEXTS, [float("nan"), *LABELS[1:]], InputError, "got nan in row 0"),
    "mixed labels": (TEXTS, [1, 1, *LABELS[2:]], InputError, "all str or all numbers"),
    "mixed forms": (
        TEXTS,
        [["good"], *LABELS[1:]],
        InputError,
        "one label for each text, or a list",
    ),
}


@pytest.mark.parametrize(("X", "y", "error", "message"), BAD_FITS.values(), ids=BAD_FITS)
def test_what_cannot_be_learned_from_is_named(X, y, error, message):
    with pytest.raises(error, match=message):
        TextClassifier(train=BRIEF).fit(X, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "smal"}, "Did you mean 'small'"),
        ({"tokenizer": "words"}, "Did you mean 'word'"),
        ({"networks": 0}, "networks must be a whole number of at least 1; got 0"),
        ({"longest": 1.5}, "longest must be a whole number"),
        ({"random_state": -1}, "random_state must be"),
        ({"pretrain": "yes"}, "pretrain must be True, False or None"),
        ({"class_weight": "even"}, "class_weight must be 'balanced'"),
        ({"class_weight": {"god": 2.0}}, "Did you mean 'good'"),
        ({"train": {"epochs": 2}}, "train must be a TrainConfig"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        TextClassifier(**{"train": BRIEF, **arguments}).fit(TEXTS, LABELS)


def test_calls_that_make_no_sense_are_named(model, tagged):
    with pytest.raises(InputError, match="X and y must be given together"):
        model.evaluate(TEXTS)
    with pytest.raises(InputError, match=r"among the 2 .* got 'gods'. Did you mean 'good'"):
        model.evaluate(TEXTS[:2], ["good", "gods"])
    with pytest.raises(InputError, match=r"must hold a list of labels .* got 'good'"):
        tagged.evaluate(TEXTS[:1], ["good"])
    with pytest.raises(InputError, match="Did you mean 'bad'"):
        model.explain(TEXTS[:1], label="bade")
    with pytest.raises(ArgumentTypeError, match="X must be a list of texts"):
        model.predict("lovely")
    with pytest.raises(NotFittedError, match=r"explain: .* Call fit"):
        TextClassifier().explain(TEXTS)
