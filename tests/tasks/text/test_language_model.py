"""The language model: fitting, scoring, the stream, saving, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cellstate import artifact, runtime, tasks
from cellstate.data.text.corpus import TokenFile
from cellstate.data.text.tokenizer import EOS, UNK, Tokenizer
from cellstate.errors import ArgumentTypeError, ArtifactError, InputError
from cellstate.inspector import write_page
from cellstate.tasks.streamable import chain_of
from cellstate.tasks.text.language.dynamic import DynamicEvaluation
from cellstate.tasks.text.language.plan import Regularization
from cellstate.tasks.text.language.stream_score import NeuralCache
from cellstate.tasks.text.language_model import LanguageModel
from cellstate.train import TrainConfig
from tests.tasks.text.language.sentences import FRESH, QUICK, TEXT, fitted, sentences

ONE_EPOCH = TrainConfig(epochs=1, sanity=False)


def test_it_learns_a_small_language_better_than_counting_single_tokens():
    evaluation = fitted().evaluate(FRESH)
    ours = evaluation.metric("nats per token")
    assert ours < 0.6 * evaluation.metric("nats per token", "unigram")
    assert evaluation.metric("perplexity") == pytest.approx(math.exp(ours))
    # A character is a token here.
    scored = len(FRESH) - 1
    assert evaluation.metric("bits per character") == pytest.approx(ours / math.log(2))
    assert evaluation.answers.shape == (scored,)
    assert "7-gram, Kneser–Ney" in evaluation.rows


def test_the_held_out_end_is_scored_when_no_text_is_given():
    model = fitted()
    evaluation = model.evaluate()
    assert len(evaluation.answers) == len(model.fitted_.held) - 1
    assert "held out" in evaluation.protocol
    end = model.tokenizer_.decode(model.fitted_.held)
    assert TEXT.endswith(end)


def test_the_whole_text_can_be_learned_from():
    model = LanguageModel(train=ONE_EPOCH, **QUICK).fit(TEXT, held_out=0)
    assert not len(model.fitted_.held)
    assert model.tokenizer_.decode(model.fitted_.train) == TEXT
    assert model.fitted_.record["best_loss"] is None
    with pytest.raises(InputError, match="got none, for fit held nothing out"):
        model.evaluate()
    with pytest.raises(InputError, match=r"held_out must be a number .* got 1\.5"):
        LanguageModel(**QUICK).fit(TEXT, held_out=1.5)


def test_every_prompt_gets_its_answer_in_order():
    model = fitted()
    assert model.predict(["the cat", "\n", "the dog"], tokens=6) == [
        model.generate(prompt, tokens=6, temperature=0) for prompt in ("the cat", "\n", "the dog")
    ]
    with pytest.raises(InputError, match=r"something to go on from; got '' at place 1"):
        model.predict(["the cat", ""])
    assert len(fitted("word", "documents").predict(["", "the cat"], tokens=4)) == 2


def test_bits_are_of_characters_whatever_the_tokens_are():
    model = fitted("word", "documents")
    evaluation = model.evaluate(sentences(30, seed=1))
    characters = len(model.tokenizer_.decode(evaluation.truth[1:]))
    bits = -evaluation.answers.sum() / math.log(2) / characters
    assert evaluation.metric("bits per character") == pytest.approx(bits)


@pytest.mark.parametrize("kind", ["char", "word"])
def test_the_saved_network_streams_without_torch_and_any_split_equals_one_call(kind, tmp_path):
    model = fitted(kind)
    model.save(tmp_path / "model")
    layers, tensors = chain_of(*artifact.load(tmp_path / "model"))
    chain = runtime.Chain(layers, tensors)
    x_TB = model.tokenizer_.encode(FRESH)[:50, None]
    whole, final = chain.sequence(x_TB)
    said, state = [], None
    for cut in np.split(x_TB, [1, 7, 8, 30]):
        part, state = chain.sequence(cut, state)
        said.append(part)
    np.testing.assert_array_equal(np.concatenate(said), whole)
    steps, state = [], None
    for x_B in x_TB:
        y, state = chain.step(x_B, state)
        steps.append(y)
    np.testing.assert_array_equal(np.stack(steps), whole)
    assert all((state[name].c == final[name].c).all() for name in final)
    # What the estimator scores is what the chain says.
    log_p = whole[:, 0] - np.log(np.exp(whole[:, 0].astype(float)).sum(1, keepdims=True))
    own = model.evaluate(FRESH).answers[:49]
    np.testing.assert_allclose(log_p[np.arange(49), x_TB[1:, 0]], own, atol=1e-5)


def test_documents_begin_and_end():
    model = fitted("word", "documents")
    assert not model.fitted_.is_running
    assert EOS in model.fitted_.train
    writing = model.stream(tokens=60, seed=3)
    writing.finish()
    assert writing.ended == "end"
    # Texts of the language are likelier than others of the same words.
    good, bad = "the cat sees the dog.", "dog the the sees cat."
    scores = model.score_samples([good, bad])
    assert scores[0] > scores[1] + 5
    assert model.score(good) > model.score(bad)
    counted = len(model.tokenizer_.encode(good)) + 1  # the end too
    assert model.score(good) == pytest.approx(scores[0] / counted)


def test_tokens_on_disk_give_what_the_same_documents_give(tmp_path):
    documents = sentences(120)
    tokenizer = Tokenizer.train(documents, kind="char")
    file = TokenFile.write(tmp_path / "corpus", documents, tokenizer)
    model = LanguageModel(train=ONE_EPOCH, **QUICK).fit(file)
    assert model.tokenizer_.vocabulary == tokenizer.vocabulary
    assert not model.fitted_.is_running
    fresh = TokenFile.write(tmp_path / "fresh", sentences(20, seed=1), tokenizer)
    from_file = model.evaluate(fresh)
    tokens = np.concatenate([np.append(tokenizer.encode(d), EOS) for d in sentences(20, seed=1)])
    np.testing.assert_array_equal(from_file.truth, tokens)
    other = Tokenizer.train(["abc"], kind="char")
    stranger = TokenFile.write(tmp_path / "other", ["abc"], other)
    with pytest.raises(InputError, match="must be written with the model's tokenizer"):
        model.evaluate(stranger)


def test_an_adaptive_softmax_can_be_used_saved_and_says_that_it_is_no_chain(tmp_path):
    options = {"tokenizer": "word", "softmax": "adaptive", "train": ONE_EPOCH}
    model = LanguageModel(**options, **QUICK).fit(TEXT)
    assert model.fitted_.plan.cutoffs
    expected = model.evaluate(FRESH).as_dict()
    model.save(tmp_path / "model")
    loaded = tasks.load(str(tmp_path / "model"))
    assert loaded.evaluate(FRESH).as_dict() == expected
    assert loaded.generate("the cat", tokens=5, seed=1) == model.generate(
        "the cat", tokens=5, seed=1
    )
    with pytest.raises(InputError, match="must be one chain of layers"):
        chain_of(*artifact.load(tmp_path / "model"))


def test_averaged_gradient_descent_is_an_alternative():
    train = TrainConfig(epochs=4, optimizer="nt_asgd", sanity=False)
    model = LanguageModel(tokenizer="word", train=train, **QUICK).fit(TEXT)
    untrained = math.log(model.tokenizer_.size)
    assert model.evaluate(FRESH).metric("nats per token") < 0.8 * untrained


def test_arguments_win_over_the_size():
    model = LanguageModel(
        size="small",
        hidden=8,
        layers=2,
        tie=True,
        context=16,
        regularization=Regularization(weight_drop=0.2, alpha=1.0),
        train=ONE_EPOCH,
    ).fit(TEXT[:800])
    plan = model.fitted_.plan
    assert (plan.hidden_size, plan.num_layers, plan.tie) == (8, 2, True)
    assert model.fitted_.record["context"] == 16
    said = model.fitted_.record["regularization"]
    assert (said["weight_drop"], said["alpha"]) == (0.2, 1.0)
    assert said["output_dropout"] == 0.1  # what was not said is left to the job
    assert not len(model.fitted_.held)
    assert "Nothing was held out" in model.story().sections[0].body


def test_words_seen_once_are_unknown_and_unknown_words_are_told_as_one():
    model = LanguageModel(tokenizer="word", train=ONE_EPOCH, **QUICK).fit(2 * TEXT + "zebra")
    assert "zebra" not in model.tokenizer_.vocabulary
    assert UNK in model.fitted_.held
    assert any("unknown words" in note for note in model.evaluate("the zebra sees it. " * 3).notes)


def test_options_of_evaluate_add_their_rows_and_leave_the_model_as_it_is():
    model = fitted()
    before = model.evaluate(FRESH).as_dict()
    cache, dynamic = NeuralCache(weight=0.05), DynamicEvaluation()
    evaluation = model.evaluate(FRESH, cache=cache, dynamic=dynamic)
    assert list(evaluation.rows)[:3] == [
        "LSTM", "LSTM with neural cache", "LSTM with dynamic evaluation",
    ]  # fmt: skip
    assert model.evaluate(FRESH).as_dict() == before


def test_the_story_has_what_a_reader_looks_for_and_can_be_drawn(tmp_path):
    story = fitted().story()
    titles = [section.title for section in story.sections]
    for title in (
        "Verdict", "Against the baselines", "Loss", "A sample at temperature 0.8",
        "Loss along the text", "Loss by sort of character", "Loss by place in the word",
        "What the gates do while reading", "Data", "To reproduce",
    ):  # fmt: skip
        assert title in titles
    shares = next(s for s in story.sections if s.title == "Loss by sort of character").rows
    assert sum(row[3] for row in shares) == pytest.approx(100)
    write_page(story, tmp_path / "page.html")
    write_page(fitted("word", "documents").story(), tmp_path / "words.html")


@pytest.mark.parametrize(
    ("arguments", "X", "message"),
    [
        ({"tokenizer": "chars"}, TEXT, r"tokenizer must be .* got 'chars'. Did you mean"),
        ({"size": "huge"}, TEXT, "size must be 'small', 'medium' or 'large'; got 'huge'"),
        ({"softmax": "sparse"}, TEXT, "softmax must be .* got 'sparse'"),
        ({"hidden": 0}, TEXT, "hidden must be a whole number of at least 1; got 0"),
        ({"layers": 1.5}, TEXT, "layers must be a whole number of at least 1; got 1.5"),
        ({"context": -1}, TEXT, "context must be a whole number of at least 1; got -1"),
        ({"random_state": "x"}, TEXT, "random_state must be a whole number"),
        ({"vocabulary": 2}, TEXT, "size must be a whole number of at least 5"),
        ({"softmax": "adaptive", "tie": True}, TEXT, "cannot be tied"),
        ({}, "", "there must be text; got an empty text"),
        ({}, "  \n", "there must be text; got an empty text"),
        ({}, [], "there must be text; got 0 texts"),
        ({}, ["", " "], "there must be text; got 2 texts without any"),
        ({}, "too short", "at least 16 tokens to learn from; got 9 of kind 'char'"),
    ],
)
def test_bad_arguments_and_texts_are_refused_in_three_sentences(arguments, X, message):
    with pytest.raises(InputError, match=message):
        LanguageModel(**{**QUICK, **arguments}, train=ONE_EPOCH).fit(X)


@pytest.mark.parametrize(
    ("arguments", "X", "message"),
    [
        ({}, 7, "X must be a str, a list of str or a TokenFile; got int"),
        ({}, ["a text", None], "each text must be a str; got NoneType at place 1"),
        ({"train": {"epochs": 1}}, TEXT, "train must be a TrainConfig; got dict"),
        ({"regularization": 0.5}, TEXT, "must be a Regularization or None; got float"),
    ],
)
def test_arguments_of_another_type_are_refused(arguments, X, message):
    with pytest.raises(ArgumentTypeError, match=message):
        LanguageModel(**{**QUICK, **arguments}).fit(X)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Regularization, {"input_dropout": 1.0}, "at least 0 and below 1; got 1.0"),
        (Regularization, {"alpha": -1}, "alpha must be a number of at least 0; got -1"),
        (NeuralCache, {"size": 0}, "size must be at least 1; got 0"),
        (NeuralCache, {"weight": 1.0}, "weight must be at least 0 and below 1; got 1.0"),
        (DynamicEvaluation, {"rate": 0.0}, "rate must be above 0; got 0.0"),
        (DynamicEvaluation, {"steps": 0}, "steps must be at least 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(kind, options, message):
    with pytest.raises(InputError, match=message):
        kind(**options)


def test_a_text_of_one_token_cannot_be_scored():
    with pytest.raises(InputError, match="at least 2 tokens to score; got 1"):
        fitted().evaluate("t")


def test_a_damaged_model_is_refused(tmp_path):
    model = fitted()
    model.save(tmp_path / "model")
    manifest, tensors = artifact.load(tmp_path / "model")
    del tensors["network.output.bias"]
    with pytest.raises(ArtifactError, match="must be complete and consistent"):
        LanguageModel.from_artifact(manifest, tensors)
