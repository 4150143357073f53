"""The parts of the text classifier: words, labels, baseline, mix, attributions."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from cellstate import train
from cellstate.data.text.tokenizer import EOS, UNK, Tokenizer
from cellstate.nn.language import LanguageNetwork
from cellstate.nn.text_classifier import FineTunedNetwork, TextNetwork
from cellstate.tasks.calibration import best_thresholds
from cellstate.tasks.metrics import calibration_error, score_labels
from cellstate.tasks.text.classification.attributions import integrated_gradients, occlusion
from cellstate.tasks.text.classification.baseline import WORD, Baseline, is_piece, pieces_of
from cellstate.tasks.text.classification.explaining import linear_parts
from cellstate.tasks.text.classification.labels import Labels, folds, hold_out
from cellstate.tasks.text.classification.mixing import best_mix
from cellstate.tasks.text.classification.plan import Plan
from cellstate.tasks.text.classification.pretraining import fine_tuning_groups
from cellstate.tasks.text.classification.task import StreamTask, TextTask
from cellstate.tasks.text.classification.words import WordEncoder

TEXTS = ["a good film", "a bad film", "what a good, good cast", "bad bad story", "good fun"] * 6
TARGETS = np.array([1, 0, 1, 0, 1] * 6)
ALTERNATE = np.array([1, 0] * 6)


def small_network(seed=0, outputs=3):
    with train.isolated(seed):
        return TextNetwork(
            vocabulary=30,
            pieces=50,
            outputs=outputs,
            width=6,
            hidden=5,
            layers=1,
            word_dropout=0.2,
            embedding_dropout=0.2,
            dropout=0.2,
        ).eval()


def one_term(term):
    """Make a linear model that knows a single term, which speaks for the second of two labels."""
    weights = np.array([[0.0, 1.0]], np.float32)
    nothing = np.zeros(2, np.float32)
    return Baseline(
        [term], np.ones(1, np.float32), weights, nothing, nothing, nothing[:0], "pieces"
    )


def test_a_batch_has_the_same_words_whatever_stands_beside_them():
    encoder = WordEncoder(Tokenizer.train(TEXTS), buckets=40)
    words = encoder.encode(["a good film", "an unheard word here", ""])
    whole = encoder.batch(words, np.arange(3))
    network = small_network()
    tensors = {name: torch.from_numpy(array) for name, array in whole.items()}
    together = network(tensors["tokens"], tensors["lengths"], tensors["pieces"], tensors["places"])
    for row in range(3):
        alone = {n: torch.from_numpy(a) for n, a in encoder.batch(words, np.array([row])).items()}
        said = network(alone["tokens"], alone["lengths"], alone["pieces"], alone["places"])
        assert torch.allclose(said[0], together[row], atol=1e-6)


def test_unknown_words_keep_their_pieces():
    encoder = WordEncoder(Tokenizer.train(["good film"]), buckets=400)
    words = encoder.encode(["goodness", "filmic", "good"])
    batch = encoder.batch(words, np.arange(3))
    assert batch["tokens"][:2].tolist() == [[UNK], [UNK]]
    pieces = [set(batch["pieces"][batch["places"][row, 0]]) - {0} for row in range(3)]
    assert len(pieces[0] & pieces[2]) > len(pieces[1] & pieces[2])


@pytest.mark.parametrize("targets", [TARGETS, np.eye(2, dtype=np.float32)[TARGETS]])
def test_vectors_pushed_in_training_cost_more_and_in_validation_stay(targets):
    encoder = WordEncoder(Tokenizer.train(TEXTS), buckets=40)
    rows = (encoder.encode(TEXTS), targets)
    network = small_network(outputs=2)
    tasks = [TextTask(encoder, rows, rows, batch_size=30, push=push) for push in (0.0, 0.3)]
    batch = {n: torch.from_numpy(a) for n, a in tasks[0].valid_batches()[0].items()}
    still, pushed = (task.loss(network, batch, None).loss.item() for task in tasks)
    assert still == pushed
    network.word_dropout = network.embedding_dropout = network.dropout.p = 0.0
    network.train()
    still, pushed = (task.loss(network, batch, None).loss.item() for task in tasks)
    assert pushed > still


def test_a_framed_text_stands_between_marks_and_turns_round():
    encoder = WordEncoder(Tokenizer.train(["good film"]), is_framed=True)
    words = encoder.encode(["good film"])
    forward = encoder.batch(words, np.array([0]))["tokens"][0]
    backward = encoder.batch(words, np.array([0]), is_backward=True)["tokens"][0]
    assert forward[0] == forward[-1] == EOS
    assert backward.tolist() == forward[::-1].tolist()


def test_streams_cover_the_texts_and_targets_follow_their_tokens():
    rows = [np.arange(4, 9), np.arange(9, 12), np.arange(12, 31)]
    task = StreamTask(rows, rows[:2], streams=2, steps=4)
    batches = list(task.train_batches(np.random.default_rng(0)))
    assert len(batches) == task.steps_per_epoch()
    for before, after in itertools.pairwise(batches):
        assert np.array_equal(before["targets"][-1], after["tokens"][0])
    seen = np.concatenate([batch["targets"].ravel() for batch in batches])
    assert len(seen) >= task.tokens - 4
    assert len(task.valid_batches()) > 0


def language_network():
    with train.isolated(0):
        language = LanguageNetwork(30, embedding_size=6, hidden_size=8)
        return FineTunedNetwork(language, outputs=3, width=4, dropout=0.1).eval()


@pytest.mark.parametrize("make", [small_network, language_network])
def test_few_steps_of_the_integral_are_enough(make):
    network = make()
    with train.isolated(1):
        x_TE = torch.randn(7, 6)
    few, _ = integrated_gradients(network.answer, x_TE, 1)
    many, start = integrated_gradients(network.answer, x_TE, 1, steps=1024)
    assert few == pytest.approx(many, abs=0.1 * np.abs(many).max())
    with torch.no_grad():
        said = network.answer(x_TE[None], torch.tensor([7]))[0].double()
    assert many.sum() + start == pytest.approx(float(said[1] - (said[0] + said[2]) / 2), abs=1e-5)


def test_attributions_agree_with_what_happens_without_a_word():
    network = small_network()
    with train.isolated(1):
        x_TE = torch.randn(7, 6)
    x_TE[3] *= 6  # one word that matters most
    values, _ = integrated_gradients(network.answer, x_TE, 1)
    without = occlusion(network.answer, x_TE, 1)
    assert np.abs(without).argmax() == np.abs(values).argmax() == 3
    assert np.corrcoef(values, without)[0, 1] > 0.7


def test_a_linear_network_gets_its_weights_as_attributions():
    weights = torch.tensor([[1.0, -1.0], [0.5, 0.0]])

    def answer(x_BTE, lengths_B):
        return x_BTE.sum(1) @ weights

    x_TE = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    values, start = integrated_gradients(answer, x_TE, 0)
    assert values == pytest.approx([2.0, 1.0])  # above the other class
    assert start == 0.0


def test_the_baseline_is_scikit_learns():
    baseline = Baseline.fit(TEXTS, TARGETS, 2, "word", seed=0)
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, lowercase=True, token_pattern=WORD
    )
    x = vectorizer.fit_transform(TEXTS)
    ours = baseline.from_answers(baseline.answers(["a good story", "nothing known"]))
    matches = []
    for penalty in (1.0, 4.0, 16.0, 64.0):
        theirs = LogisticRegression(C=penalty, max_iter=300).fit(x, TARGETS)
        said = theirs.predict_proba(vectorizer.transform(["a good story", "nothing known"]))
        matches.append(np.allclose(said, ours, atol=1e-3))
    assert any(matches)


@pytest.mark.parametrize("analyzer", ["word", "pieces"])
def test_the_baseline_reads_back_as_it_was(analyzer):
    baseline = Baseline.fit(TEXTS, np.eye(2)[TARGETS], 2, analyzer, seed=0)
    again = Baseline.from_tensors("linear", baseline.tensors("linear"), analyzer)
    assert np.array_equal(again.answers(TEXTS), baseline.answers(TEXTS))
    assert np.array_equal(again.thresholds, baseline.thresholds)


def test_pieces_and_words_weigh_the_same_in_the_linear_model():
    model = Baseline.fit(TEXTS, TARGETS, 2, "pieces", seed=0)
    row = model.counted(["a good film # of #1"]).toarray()[0]
    pieces = np.array([is_piece(term) for term in model.terms])
    assert np.square(row[pieces]).sum() == pytest.approx(0.5)
    assert np.square(row[~pieces]).sum() == pytest.approx(0.5)
    assert [is_piece(term) for term in ("#", "# of", "#goo")] == [False, False, True]


@pytest.mark.parametrize("analyzer", ["word", "pieces"])
def test_the_linear_models_score_is_shared_out_among_its_words(analyzer):
    baseline = Baseline.fit(TEXTS, TARGETS, 2, analyzer, seed=0)
    text = "A good, unknown film"
    spans = Tokenizer.train(TEXTS).spans(text)
    values, start = linear_parts(baseline, text, spans, 1)
    said = baseline.answers([text])[0]
    assert values.sum() + start == pytest.approx(said[1] - said[0])
    assert text[slice(*spans[values.argmax()])] == "good"


def test_a_term_is_shared_among_the_words_that_it_reaches_over():
    text = "Not  good, not so good"
    spans = Tokenizer.train([text]).spans(text)
    shared = {
        "\x02 not good": ["Not", "good"],
        "good , not": ["good", ",", "not"],
        "so good \x03": ["so", "good"],
        "#t␣so": ["not", "so"],
        "#good␣": ["good", "good"],
        "#␣so␣": ["so"],
        "#␣bad": [],
    }
    for term, words in shared.items():
        model = one_term(term)
        values, _ = linear_parts(model, text, spans, 1)
        assert [text[slice(*spans[k])] for k in np.flatnonzero(values)] == words, term


def test_a_mark_within_a_text_that_means_the_edge_of_one_is_no_word():
    model = Baseline.fit(["a \x02 good film", "a \x03 bad film"] * 6, ALTERNATE, 2, "pieces", 0)
    text = "good \x02 film"
    values, start = linear_parts(model, text, Tokenizer.train(TEXTS).spans(text), 1)
    said = model.answers([text])[0]
    assert values.sum() + start == pytest.approx(said[1] - said[0])


def test_pieces_reach_over_words_but_not_beyond_the_text():
    found = pieces_of(["so", "good"])
    assert {"#␣so", "#o␣g", "#so␣go", "#od␣"} <= set(found)
    assert len(found) == sum(len("␣so␣good␣") - length + 1 for length in (3, 4, 5))
    assert pieces_of([]) == []


def test_a_baseline_without_any_term_says_the_most_frequent_class():
    baseline = Baseline.fit(["", " ", ""], np.array([0, 1, 1]), 2, "word", seed=0)
    assert baseline.answers(["anything"]).argmax(1).tolist() == [1]
    assert linear_parts(baseline, "anything", np.array([[0, 8]]), 1)[0].tolist() == [0.0]


def test_the_mix_follows_whoever_is_right():
    rng = np.random.default_rng(0)
    targets = rng.integers(2, size=400)
    good = np.eye(2)[targets] * 2 + rng.normal(size=(400, 2))
    noise = rng.normal(size=(400, 2))
    assert best_mix(good, noise, targets).linear == 0.0
    assert best_mix(noise * 0.1, good, targets).linear > 0.0


def test_thresholds_favour_the_rare_where_probabilities_are_low():
    truth = np.zeros((100, 1), dtype=bool)
    truth[:10] = True
    probabilities = np.where(truth, 0.22, 0.08)
    (threshold,) = best_thresholds(truth, probabilities)
    assert 0.08 < threshold <= 0.22
    named = probabilities >= threshold
    assert score_labels(truth, probabilities, named)["micro F1"] == 1.0


def test_calibrated_probabilities_have_no_gap():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=20_000)
    assert calibration_error(rng.uniform(size=20_000) < p, p) < 0.02
    assert calibration_error(rng.uniform(size=20_000) < p / 2, p) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("tokens", [0, 10_000_000])
def test_layers_thaw_from_the_head_down(tokens):
    plan = Plan(True, 30, 0, 2, 8, 8, 1)
    with train.isolated(0):
        groups = fine_tuning_groups(plan.build(), tokens)
    assert [g.prefixes[0] for g in groups] == [
        "encoder.memory_1",
        "encoder.memory_0",
        "encoder.embedding",
    ]
    assert [g.rate_factor for g in groups] == sorted((g.rate_factor for g in groups), reverse=True)
    assert [g.frozen_share for g in groups] == sorted(g.frozen_share for g in groups)


def test_every_class_is_held_out_in_its_share():
    groups = np.repeat([0, 1, 2], [500, 400, 100])
    held = hold_out(groups, 0.1, 2000, np.random.default_rng(0))
    assert np.bincount(groups[held]).tolist() == [50, 40, 10]
    numbers = folds(np.repeat([0, 1], [4, 2]), 2, np.random.default_rng(0))
    assert np.bincount(numbers[4:]).tolist() == [1, 1]


def test_balanced_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    labels = Labels.learn("here", ["a"] * 6 + ["b"] * 2)
    targets = labels.targets("here", ["a"] * 6 + ["b"] * 2)
    expected = compute_class_weight("balanced", classes=np.arange(2), y=targets)
    assert labels.weights(targets, "balanced", "here") == pytest.approx(expected)
