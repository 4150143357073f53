"""The tagger as its users meet it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstate.errors import InputError, NotFittedError
from cellstate.tasks import load
from cellstate.tasks.text.tagger import Entity, SequenceTagger
from cellstate.tasks.text.tagging import schemes
from cellstate.train import TrainConfig
from tests.tasks.text.tagging.sentences import LEARN, entities, make, plain

TRAIN, TEST = entities(120), entities(40, seed=1)
_fitted: dict[str, bytes] = {}


@pytest.fixture
def tagger() -> SequenceTagger:
    """Give a tagger of persons and places, fitted once."""
    if "entities" not in _fitted:
        _fitted["entities"] = pickle.dumps(make(train=LEARN).fit(*TRAIN))
    return pickle.loads(_fitted["entities"])


def test_entities_are_learned_and_found(tagger: SequenceTagger) -> None:
    assert tagger.score(*TEST) > 0.9
    assert tagger.scheme_ == "BIO"
    assert tagger.entities([["Kurt", "Gödel", "sleeps", "."]]) == [
        [Entity("PER", 0, 2, "Kurt Gödel")]
    ]


def test_plain_tags_are_learned_from_their_neighbours() -> None:
    tagger = make(train=LEARN).fit(*plain(100))
    assert tagger.scheme_ == "none"
    assert tagger.classes_ == ("DET", "NOUN", "PRON", "VERB")
    assert tagger.predict([["the", "run", "run"]]) == [["DET", "NOUN", "VERB"]]
    evaluation = tagger.evaluate(*plain(30, seed=1))
    assert evaluation.metric("accuracy") == 1.0
    assert evaluation.metric("accuracy", "most frequent tag") < 1.0
    assert evaluation.columns == ("accuracy", "of unseen words", "whole sentences")
    assert np.isnan(evaluation.metric("of unseen words"))
    assert {section.title for section in tagger.story().sections} >= {
        "Verdict",
        "Which tag was taken for which",
    }


@pytest.mark.parametrize("scheme", ["BIO", "BIOES", "IO"])
def test_answers_are_in_the_scheme_of_the_tags_given(scheme: str) -> None:
    tagger = make(train=LEARN).fit(*entities(120, scheme))
    assert tagger.scheme_ == scheme
    X, y = entities(20, scheme, seed=1)
    said = tagger.predict(X)
    assert np.mean([one == other for one, other in zip(said, y, strict=True)]) > 0.8
    for tags, shares in zip(said, tagger.predict_proba(X), strict=True):
        assert all(schemes.is_tag(tag, scheme) for tag in tags)
        assert shares.shape == (len(tags), len(tagger.classes_))
        np.testing.assert_allclose(shares.sum(1), 1.0)
    assert all(schemes.is_tag(tag, scheme) for tag in tagger.classes_)


def test_probabilities_agree_with_answers_that_are_sure(tagger: SequenceTagger) -> None:
    X = TEST[0][:10]
    for tags, shares in zip(tagger.predict(X), tagger.predict_proba(X), strict=True):
        for tag, row in zip(tags, shares, strict=True):
            if row.max() > 0.9:
                assert tagger.classes_[row.argmax()] == tag


def test_answers_do_not_depend_on_companions(tagger: SequenceTagger) -> None:
    X = [*TEST[0][:12], []]
    together = tagger.predict_proba(X)
    for words, shares in zip(X, together, strict=True):
        np.testing.assert_allclose(tagger.predict_proba([words])[0], shares, rtol=1e-9, atol=1e-12)


def test_empty_sentences_and_unknown_words_and_characters_are_answered(
    tagger: SequenceTagger,
) -> None:
    X = [[], ["Zzyzx", "☃☃", "", "x" * 1000], ["."]]
    assert [len(tags) for tags in tagger.predict(X)] == [0, 4, 1]
    assert [shares.shape for shares in tagger.predict_proba(X)] == [(0, 5), (4, 5), (1, 5)]
    assert tagger.entities([[]]) == [[]]
    assert tagger.predict([]) == []


def test_empty_sentences_may_be_among_the_training_ones() -> None:
    X, y = entities(20)
    tagger = make().fit([[], *X, []], [[], *y, []])
    assert len(tagger.predict(X)) == 20


def test_several_networks_answer_together(tmp_path: Path) -> None:
    X, y = entities(60)
    tagger = make(networks=2, train=LEARN).fit(X, y)
    one, two = tagger.fitted_.networks
    assert not all(np.array_equal(*pair) for pair in zip(one.crf.pairs, two.crf.pairs, strict=True))
    assert [row["seed"] for row in tagger.fitted_.record["networks"]] == [0, 1_000_003]
    tagger.save(tmp_path / "model")
    again = SequenceTagger.load(tmp_path / "model")
    for shares, others in zip(tagger.predict_proba(X), again.predict_proba(X), strict=True):
        np.testing.assert_array_equal(shares, others)


def test_validation_sentences_can_be_given() -> None:
    tagger = make().fit(*entities(30), valid=entities(7, "BIOES", seed=2))
    data = tagger.fitted_.record["data"]
    assert (data["sentences"], data["held_out"]) == (37, 7)
    assert "7 sentences that were held out" in tagger.evaluate().protocol


def test_tags_that_only_the_held_out_sentences_have_are_survived() -> None:
    tagger = make().fit(*entities(30), valid=([["Then"]], [["B-NEW"]]))
    assert "NEW" in tagger.evaluate().by_class


def test_nothing_held_out_leaves_nothing_to_score() -> None:
    tagger = make(held_out=0.0).fit(*entities(60))
    assert tagger.fitted_.record["data"]["held_out"] == 0
    with pytest.raises(InputError, match=r"must be sentences to score; got none.* Give X and y"):
        tagger.evaluate()
    assert "Nothing was held out" in tagger.story().summary


def test_an_evaluation_shows_definitions_protocol_types_and_baselines(
    tagger: SequenceTagger,
) -> None:
    evaluation = tagger.evaluate(*TEST)
    text = str(evaluation)
    for part in (
        evaluation.verdict,
        "most frequent tag",
        "linear model",
        "precision: share of the named entities that are right",
        "Protocol: 40 sentences that were given; 108 learned from.",
        "LOC",
    ):
        assert part in text
    told = evaluation.as_dict()
    assert set(told["by_class"]) == {"LOC", "PER"}
    assert set(told["systems"]) == {"LSTM", "most frequent tag", "linear model"}


def test_a_loaded_tagger_has_all_that_it_had(tagger: SequenceTagger, tmp_path: Path) -> None:
    tagger.save(tmp_path / "model")
    again: Any = load(str(tmp_path / "model"))
    assert again.predict(TEST[0]) == tagger.predict(TEST[0])
    assert again.evaluate().as_dict() == tagger.evaluate().as_dict()
    assert again.mentions_ == tagger.mentions_
    assert [s.title for s in again.story().sections] == [s.title for s in tagger.story().sections]


def test_stray_tags_are_read_as_conlleval_does_and_noted() -> None:
    X, y = entities(60)
    loose = [[tag.replace("B-", "I-") if row % 2 else tag for tag in y[row]] for row in range(60)]
    tagger = make().fit(X, loose)
    assert tagger.fitted_.record["data"]["stray"] > 0
    facts = next(section for section in tagger.story().sections if section.title == "Data")
    assert "as conlleval does" in facts.note  # type: ignore[union-attr]
    notes = tagger.evaluate(X, loose).notes
    assert any("true tags continue an entity that has not begun" in note for note in notes)


def test_the_story_tells_errors_by_kind_length_and_novelty() -> None:
    tagger = make(train=TrainConfig(epochs=1)).fit(*TRAIN)
    X = [["Then", "Zoë", "Quux", "went", "to", "York", "."]]
    story = tagger.story(X, [["O", "B-PER", "I-PER", "O", "O", "B-LOC", "O"]])
    tables = {section.title: section for section in story.sections}
    assert {"By type", "What goes wrong", "Some errors", "Sentences"} <= set(tables)
    groups = {row[0]: row[1] for row in tables[GROUPS].rows}  # type: ignore[union-attr]
    assert groups == {
        "1 word": 1,
        "2 words": 1,
        "seen in training": 1,
        "unseen, with a word that is unknown": 1,
    }


GROUPS = "Recall by length and by what training has shown"
ONE = [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ("a text", ONE, r"list of sentences, each a list of words; got one text"),
        (["a b"], [["O", "O"]], r"got a text as X\[0\]. Split each sentence into words"),
        (ONE, [["O", "B-X"], "O"], r"a list of tags; got a text as y\[1\]"),
        (None, ONE, r"got NoneType"),
        ([["a", 3]], [["O", "O"]], r"got 3 as X\[0\]\[1\]"),
        ([3], [["O"]], r"got int as X\[0\]"),
        (ONE, [["O", "B-X"]], r"same number of sentences; got 2 and 1"),
        (ONE, [["O", "B-X"], ["O", "O"]], r"one tag; got 1 words and 2 tags in sentence 1"),
        ([], [], r"at least one sentence with a word; got none"),
        ([[], []], [[], []], r"got 2 empty sentences"),
        (ONE, [["O", ""], ["O"]], r"must not be empty; got '' as y\[0\]\[1\]"),
        (ONE, [["O", "O"], ["O"]], r"two different tags; got 'O' everywhere"),
        (ONE, [["N", "N"], ["N"]], r"two different tags; got 'N' everywhere"),
    ],
)
def test_sentences_that_cannot_be_used_are_named(X: Any, y: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"SequenceTagger.fit: .*{message}"):
        make().fit(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "bio"}, r"one of 'auto', .* got 'bio'"),
        ({"scheme": "IO"}, r"of the scheme 'IO' must be 'O', 'I-…'; got 'B-PER' as y\[0\]"),
        ({"size": "huge"}, r"'small', 'medium' or 'large'; got 'huge'"),
        ({"networks": 0}, r"networks must be a whole number of at least 1; got 0"),
        ({"random_state": -1}, r"random_state must be .* got -1"),
        ({"random_state": 1.5}, r"random_state must be .* got 1.5"),
        ({"swapped": 1.2}, r"swapped must be a number .* got 1.2"),
        ({"held_out": 1.0}, r"held_out must be a number .* got 1.0"),
        ({"train": 3}, r"train must be a TrainConfig; got int"),
    ],
)
def test_arguments_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    X, y = [["Ada", "runs"]], [["B-PER", "O"]]
    with pytest.raises(InputError, match=message):
        make(**options).fit(X, y)


def test_a_mistyped_tag_does_not_make_entities_plain_tags() -> None:
    X, y = [["Ann", "sings"]] * 3, [["B-PER", "O"], ["B-PER", "O"], ["U-PER", "O"]]
    with pytest.raises(InputError, match=r"got 'U-PER' as y\[2\]\[0\], and 'B-PER' elsewhere"):
        make(train=LEARN).fit(X, y)
    assert make(scheme="none", train=LEARN).fit(X, y).scheme_ == "none"


@pytest.mark.parametrize("valid", [3, (ONE,), "ab"])
def test_validation_sentences_must_be_a_pair(valid: Any) -> None:
    with pytest.raises(InputError, match="valid"):
        make().fit(*entities(20), valid=valid)


def test_wrong_calls_of_a_fitted_tagger_are_named(tagger: SequenceTagger) -> None:
    for wrong, message in (
        (lambda: tagger.predict("a text"), "SequenceTagger.predict: .* got one text"),
        (lambda: tagger.predict(["a text"]), r"got a text as X\[0\]"),
        (lambda: tagger.evaluate(ONE), "must be given together; got X alone"),
        (lambda: tagger.evaluate(y=ONE), "must be given together; got y alone"),
        (lambda: tagger.evaluate(ONE, [["O", "NN"], ["O"]]), r"got 'NN' as y\[0\]\[1\]"),
        (lambda: tagger.evaluate(ONE, [["O"], ["O"]]), "got 2 words and 1 tags in sentence 0"),
    ):
        with pytest.raises(InputError, match=message):
            wrong()


def test_plain_tags_have_no_entities() -> None:
    with pytest.raises(InputError, match=r"must mark entities.* got 'DET', 'NOUN', 'PRON'. Call"):
        make().fit(*plain(20)).entities([["the"]])


def test_an_unfitted_tagger_asks_for_fit() -> None:
    for method in ("predict", "predict_proba", "entities"):
        with pytest.raises(NotFittedError, match=f"{method}: .*must be fitted"):
            getattr(make(), method)([["a"]])
