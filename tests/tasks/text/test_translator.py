"""The translator on a small language that has an answer."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable

import numpy as np
import pytest

from cellstate.errors import ArgumentTypeError, InputError, ShapeError
from cellstate.tasks.sections import Matrix, Table
from cellstate.tasks.text.translation import plan as plans
from cellstate.tasks.text.translator import Translator
from cellstate.train import TrainConfig
from tests.tasks.text.translation import corpus

TEST = corpus.pairs(40, seed=1)
QUICK = TrainConfig(epochs=1, sanity=False)


def small(**arguments: object) -> Translator:
    given = {"vocabulary": "word", "dropout": 0.0, "beam": 3, "random_state": 0}
    quick = TrainConfig(epochs=8, learning_rate=1e-2, sanity=False)
    return Translator(**(given | {"train": quick} | arguments))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plans.SIZES, "small", (64, 128, 1, 2))


_fitted: dict[str, bytes] = {}


@pytest.fixture
def translator() -> Callable[[str], Translator]:
    """Give a function that copies a translator of a kind of vocabulary, fitted once."""

    def give(vocabulary: str) -> Translator:
        if vocabulary not in _fitted:
            X, y = corpus.pairs(400)
            # Names are seen once each, so that words have something to copy.
            X[:200] = [text.replace("Mann", f"M{k}") for k, text in enumerate(X[:200])]
            y[:200] = [text.replace("man", f"M{k}") for k, text in enumerate(y[:200])]
            size = 400 if vocabulary in ("bpe", "unigram") else None
            model = small(vocabulary=vocabulary, vocabulary_size=size)
            _fitted[vocabulary] = pickle.dumps(model.fit(X, y))
        return pickle.loads(_fitted[vocabulary])

    return give


@pytest.mark.parametrize("vocabulary", ["bpe", "word"])
def test_a_small_language_is_learned(translator, vocabulary):
    model = translator(vocabulary)
    evaluation = model.evaluate(*TEST)
    assert evaluation.metric("BLEU") > 80
    assert evaluation.winner == "LSTM"
    assert set(evaluation.rows) == {"LSTM", "word by word", "source copied"}


@pytest.mark.parametrize("changed", [{"input_feeding": True}, {"attention": "additive"}])
def test_other_decoders_learn_it_too(changed):
    model = small(**changed).fit(*corpus.pairs(240))
    assert model.evaluate(*TEST).metric("BLEU") > 60


def test_apart_vocabularies_and_scheduled_sampling_learn_it_too():
    model = small(shared=False, scheduled_sampling=0.2).fit(*corpus.pairs(240))
    source, target = model.fitted_.tokenizers
    assert source.vocabulary != target.vocabulary
    assert model.evaluate(*TEST).metric("BLEU") > 60


def test_empty_sentences_stay_empty_and_in_their_place(translator):
    model = translator("bpe")
    first, second = TEST[0][:2]
    alone = model.predict([first, second])
    assert model.predict(["", first, "  ", second, "\t"]) == ["", alone[0], "", alone[1], ""]
    assert model.predict([]) == []


def test_the_order_of_sentences_is_kept_whatever_their_lengths(translator):
    model = translator("bpe")
    texts = [*TEST[0], TEST[0][0] + " " + TEST[0][1], "Hund"]
    rows = np.random.default_rng(0).permutation(len(texts))
    said = model.predict(texts)
    assert model.predict([texts[k] for k in rows]) == [said[k] for k in rows]


def test_sentences_longer_than_any_seen_and_unknown_characters_are_translated(translator):
    long = " ".join(TEST[0][:30])
    for vocabulary in ("bpe", "word", "unigram"):
        said = translator(vocabulary).predict([long, "猫 ☃ Ωß", "🙂"])
        assert len(said) == 3
        assert said[0]


def test_unknown_words_are_copied_from_where_the_decoder_looks(translator):
    model = translator("word")
    said = model.predict(["Zorro rot sieht Ball klein ."])
    assert "Zorro" in said[0]
    assert "<unk>" not in " ".join(model.predict(["Qx Qy Qz", "Zorro alt mag Zorro rot ."]))


def test_pieces_of_words_never_give_an_unknown(translator):
    for vocabulary in ("bpe", "unigram"):
        assert "<" not in " ".join(translator(vocabulary).predict(["Qx ☃ Qz", *TEST[0]]))


def test_alignments_have_a_row_for_each_token_and_sum_to_one(translator):
    model = translator("word")
    full, empty = model.alignments([TEST[0][0], ""])
    assert full.source == (*TEST[0][0].split(), "⏎")
    assert full.weights.shape == (len(full.target), len(full.source))
    np.testing.assert_allclose(full.weights.sum(1), 1.0, rtol=1e-4)
    assert full.translation == model.predict([TEST[0][0]])[0]
    assert (empty.source, empty.target, empty.translation) == (("⏎",), ("⏎",), "")


def test_a_wider_beam_never_finds_a_less_likely_translation(translator):
    model = translator("bpe")
    greedy, wide = (model.predict(TEST[0], beam=beam, length_penalty=0.0) for beam in (1, 6))
    better = [score_of(model, wide), score_of(model, greedy)]
    assert better[0] >= better[1] - 1e-3


def score_of(model: Translator, said: list[str]) -> float:
    """Give the log-probability of translations, by the training's own loss."""
    import torch

    from cellstate.tasks.text.translation.task import batch_of

    fitted = model.fitted_
    pairs = (fitted.encoded(TEST[0]), fitted.encoded(said, side=1))
    batch = batch_of(pairs, np.arange(len(said)))
    names = ("source", "lengths", "target", "answer", "mask")
    with torch.inference_mode():
        loss = fitted.model.loss(*(torch.from_numpy(batch[name]) for name in names))
    return -float(loss) * float(batch["mask"].sum())


def test_penalties_change_what_an_unsure_network_writes():
    unsure = TrainConfig(epochs=2, learning_rate=1e-2, sanity=False)
    model = small(train=unsure).fit(*corpus.pairs(120))
    short, plain, long = (model.predict(TEST[0], length_penalty=x) for x in (0.0, 1.0, 5.0))
    assert count_tokens(model, short) < count_tokens(model, plain) < count_tokens(model, long)
    assert model.predict(TEST[0], coverage_penalty=5.0) != plain


def count_tokens(model: Translator, said: list[str]) -> int:
    return sum(map(len, model.fitted_.encoded(said, side=1)))


def test_given_validation_pairs_choose_when_to_stop_and_are_kept():
    X, y = corpus.pairs(60)
    model = small(train=QUICK).fit(X, y, validation=(TEST[0], TEST[1]))
    assert model.fitted_.record["data"]["held_out"] == len(TEST[0])
    assert model.kept_ == TEST
    assert "chose when training stopped" in str(model.evaluate())


def test_few_pairs_are_not_parted_and_the_protocol_says_so():
    model = small(train=QUICK).fit(*corpus.pairs(20))
    assert "training pairs themselves" in model.evaluate().protocol


def test_pairs_with_an_empty_side_are_left_out_of_training():
    X, y = corpus.pairs(30)
    model = small(train=QUICK).fit([*X, "", "a"], [*y, "", " "])
    assert model.fitted_.record["data"]["left_out"] == 2
    assert model.fitted_.record["data"]["pairs"] == 30


def test_the_story_shows_samples_alignments_and_lengths(translator):
    story = translator("bpe").story()
    titles = [section.title for section in story.sections]
    assert "Samples" in titles
    assert "Against the baselines" in titles
    pictures = [section for section in story.sections if isinstance(section, Matrix)]
    assert pictures
    for picture in pictures:
        assert picture.values.shape == (len(picture.row_names), len(picture.column_names))
    (samples,) = (s for s in story.sections if s.title == "Samples" and isinstance(s, Table))
    assert len({row[1] for row in samples.rows}) <= len(samples.rows)


def test_errors_by_length_are_told_where_lengths_differ(translator):
    X, y = corpus.pairs(30, seed=2)
    X += [f"{a} {b}" for a, b in zip(X[::2], X[1::2], strict=True)]
    y += [f"{a} {b}" for a, b in zip(y[::2], y[1::2], strict=True)]
    story = translator("bpe").story(X, y)
    (table,) = (s for s in story.sections if s.title == "By length of the source")
    assert isinstance(table, Table)
    assert [row[:2] for row in table.rows] == [("6 – 10", 30), ("11 – 15", 15)]


def test_the_story_shows_alignments_where_all_sentences_are_long(translator):
    X, y = (
        [" ".join(side[k : k + 4]) for k in range(0, len(side), 4)] for side in corpus.pairs(24)
    )
    pictures = [s for s in translator("bpe").story(X, y).sections if isinstance(s, Matrix)]
    assert len(pictures) == 2
    assert pictures[0].title != pictures[1].title
    assert all(len(picture.column_names) > 18 for picture in pictures)


@pytest.mark.parametrize("vocabulary", ["word", "char", "whitespace"])
def test_save_and_load_give_equal_translations(translator, vocabulary, tmp_path):
    model = translator("word") if vocabulary == "word" else None
    if model is None:
        arguments = {"vocabulary": vocabulary, "vocabulary_size": None, "shared": False}
        model = small(**arguments, train=QUICK).fit(*corpus.pairs(40))
    model.save(tmp_path / "model")
    loaded = Translator.load(tmp_path / "model")
    assert loaded.predict(TEST[0]) == model.predict(TEST[0])
    assert loaded.evaluate().as_dict() == model.evaluate().as_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "tiny"}, "size must be 'small', 'medium' or 'large'; got 'tiny'"),
        ({"vocabulary": "bpee"}, "got 'bpee'. Did you mean 'bpe'"),
        (
            {"vocabulary": "bpe", "vocabulary_size": 10},
            "size must be a whole number of at least 260 tokens",
        ),
        ({"attention": "adative"}, "Did you mean 'additive'"),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1; got 1.0"),
        ({"dropout": "much"}, "dropout must be a number"),
        ({"scheduled_sampling": -0.1}, "scheduled_sampling must be a number from 0 to 1"),
        ({"beam": 0}, "beam must be a whole number of at least 1; got 0"),
        ({"random_state": -1}, "random_state must be a whole number of at least 0"),
    ],
)
def test_arguments_out_of_range_are_explained(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        small(**arguments, train=arguments.get("train", QUICK)).fit(*corpus.pairs(10))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.fit(["a"], ["b", "c"]), ShapeError, "got 1 and 2: row 1, 'c', is in y alone"),
        (lambda m: m.fit("a b", "c d"), ArgumentTypeError, "X must be a list of sentences"),
        (lambda m: m.fit([], []), InputError, "at least two pairs of sentences"),
        (lambda m: m.predict("Hund"), ArgumentTypeError, "got one text. Give [X]"),
        (lambda m: m.predict([None]), ArgumentTypeError, "got NoneType None in row 0"),
        (lambda m: m.predict(["a"], beam=0), InputError, "Translator.predict: beam must be"),
        (lambda m: m.predict(["a"], length_penalty=-1), InputError, "length_penalty must be"),
        (lambda m: m.predict(["a"], coverage_penalty="x"), InputError, "coverage_penalty must"),
        (lambda m: m.evaluate(["a"]), InputError, "X and y must be given together; got X alone"),
        (lambda m: m.evaluate([], []), InputError, "there must be pairs to score; got none"),
        (lambda m: m.alignments(7), ArgumentTypeError, "got int"),
    ],
)
def test_bad_calls_are_explained(translator, call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call(translator("bpe"))
