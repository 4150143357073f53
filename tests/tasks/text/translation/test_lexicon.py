import numpy as np
import pytest

from cellstate.tasks.text.translation.lexicon import learn_lexicon, word_by_word
from tests.tasks.text.translation import corpus


def test_every_word_of_a_small_language_is_learned():
    lexicon = learn_lexicon(*corpus.pairs(300))
    expected = corpus.NOUNS | corpus.ADJECTIVES | corpus.VERBS
    assert {word: lexicon[word] for word in expected} == expected


def test_probabilities_follow_the_expectation_maximisation_by_hand():
    # After one round das meets the twice of four; further rounds part the words.
    sources, targets = ["das Haus", "das Buch", "Haus"], ["the house", "the book", "house"]
    assert learn_lexicon(sources, targets) == {"das": "the", "Haus": "house"}


def slow_model_1(pairs, rounds):
    """IBM model 1 by dictionaries, word for word as it is defined."""
    t = {}
    for _ in range(rounds):
        counts, totals = {}, {}
        for source, target in pairs:
            source = ["", *source]
            for word in target:
                norm = sum(t.get((s, word), 1.0) for s in source)
                for s in source:
                    share = t.get((s, word), 1.0) / norm
                    counts[s, word] = counts.get((s, word), 0.0) + share
                    totals[s] = totals.get(s, 0.0) + share
        t = {(s, w): count / totals[s] for (s, w), count in counts.items()}
    return t


def test_the_lexicon_is_that_of_a_plain_reading_of_the_equations():
    rng = np.random.default_rng(3)
    rows = [
        ([f"s{k}" for k in rng.integers(0, 6, 4)], [f"t{k}" for k in rng.integers(0, 6, 5)])
        for _ in range(40)
    ]
    table = slow_model_1(rows, 6)
    lexicon = learn_lexicon([" ".join(s) for s, _ in rows], [" ".join(t) for _, t in rows])
    assert set(lexicon) == {f"s{k}" for k in range(6)}
    for word, best in lexicon.items():
        top = max(p for (s, _), p in table.items() if s == word)
        assert table[word, best] == pytest.approx(top)


@pytest.mark.parametrize(("sources", "targets"), [([], []), ([""], ["a"]), (["?" * 99], ["a b"])])
def test_pairs_that_teach_nothing_give_an_empty_lexicon(sources, targets):
    assert learn_lexicon(sources, targets) == {}


def test_unknown_words_stay_and_signs_find_their_place():
    assert word_by_word({"Hund": "dog"}, "Hund Müller , ja !") == "dog Müller, ja!"
    assert word_by_word({}, "") == ""
