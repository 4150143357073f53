"""What a tagger sees of words."""

from __future__ import annotations

import numpy as np
import pytest

from cellstate.tasks.text.tagging.word_forms import (
    CASES,
    FIRST,
    LONGEST,
    UNKNOWN,
    FormEncoder,
    case_of,
)

SENTENCES = [["The", "BRCA1", "gene", "the"], [], ["gene", "p53"]]


@pytest.fixture
def encoder() -> FormEncoder:
    return FormEncoder.of(SENTENCES, buckets=64)


def test_words_are_numbered_by_frequency_in_folded_form(encoder: FormEncoder) -> None:
    assert list(encoder.words) == ["gene", "the", "brca0", "p00"]
    assert encoder.words["gene"] == FIRST


def test_unknown_words_and_characters_have_their_number(encoder: FormEncoder) -> None:
    table = encoder.table(["gene", "geneß", "BRCA2"])
    assert table.words.tolist() == [FIRST, UNKNOWN, encoder.words["brca0"]]
    assert table.chars[1, 4] == UNKNOWN
    assert encoder.knows("GENE")
    assert not encoder.knows("geneß")


def test_words_that_share_a_stem_share_ngrams(encoder: FormEncoder) -> None:
    one, other = encoder.table(["deficiency", "deficiencies"]).grams
    shared = set(one[one > 0]) & set(other[other > 0])
    assert len(shared) > 15


def test_long_words_are_cut_in_their_middle(encoder: FormEncoder) -> None:
    long = "gene" + "e" * 500 + "the"
    table = encoder.table([long])
    assert table.char_lengths.tolist() == [LONGEST]
    assert table.chars[0, -1] == encoder.chars["e"]


def test_a_form_does_not_depend_on_the_others_in_its_table(encoder: FormEncoder) -> None:
    together, alone = encoder.table(["p53", "x" * 25]), encoder.table(["p53"])
    row = np.array([0])
    for name, array in together.take(row).items():
        assert np.array_equal(array, alone.take(row)[name]), name


def test_the_empty_word_and_a_lone_surrogate_are_words_too(encoder: FormEncoder) -> None:
    table = encoder.table(["", "\ud800"])
    assert table.char_lengths.tolist() == [1, 1]
    assert table.words.tolist() == [UNKNOWN, UNKNOWN]


def test_without_buckets_there_are_no_ngrams() -> None:
    encoder = FormEncoder.of(SENTENCES, buckets=0)
    assert encoder.sizes["grams"] == 1
    assert not encoder.table(["gene"]).grams.any()


def test_vocabularies_survive_being_saved(encoder: FormEncoder) -> None:
    assert FormEncoder.from_dict(encoder.as_dict()) == encoder


@pytest.mark.parametrize(
    ("form", "case"),
    [
        ("gene", "lower"),
        ("Gene", "Title"),
        ("I", "Title"),
        ("DNA", "UPPER"),
        ("mRNA", "miXed"),
        ("1998", "number"),
        ("1998b", "mostly digits"),
        ("exon-2", "some digits"),
        ("...", "signs"),
        ("", "signs"),
    ],
)
def test_cases_by_hand(form: str, case: str) -> None:
    assert CASES[case_of(form)] == case
