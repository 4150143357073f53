"""Scores of entities against cases computed by hand, and properties that always hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate.tasks.text.tagging.entities import (
    ERRORS,
    Counts,
    count,
    errors,
    recalls,
    score_entities,
)
from cellstate.tasks.text.tagging.schemes import Span, spans

pairs = st.lists(
    st.integers(0, 10).flatmap(
        lambda n: st.tuples(
            *[st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), min_size=n, max_size=n)]
            * 2
        )
    ),
    max_size=4,
)


def read(*rows: str) -> list[list[Span]]:
    return [spans(row.split()) for row in rows]


def test_scores_of_the_readme_of_seqeval() -> None:
    """Its published example: precision, recall and F1 of 0.5."""
    truth = read("O O O B-MISC I-MISC I-MISC O", "B-PER I-PER O")
    said = read("O O B-MISC I-MISC I-MISC I-MISC O", "B-PER I-PER O")
    scores = score_entities(truth, said)
    assert (scores["F1"], scores["precision"], scores["recall"]) == (0.5, 0.5, 0.5)
    assert count(truth, said) == {"MISC": Counts(0, 1, 1), "PER": Counts(1, 1, 1)}
    assert scores["macro F1"] == 0.5


def test_scores_by_hand() -> None:
    truth = read("B-X I-X O B-Y", "B-X O B-X O", "O O")
    said = read("B-X I-X O B-X", "B-X O O O", "B-Y O")
    # Named: 2 + 1 + 1, true: 2 + 2, right: 1 + 1.
    assert score_entities(truth, said)["precision"] == 2 / 4
    assert score_entities(truth, said)["recall"] == 2 / 4
    # X: 2 of 3 named, 2 of 3 true; Y: none of 1 named, none of 1 true.
    assert score_entities(truth, said)["macro F1"] == pytest.approx((2 / 3 + 0) / 2)


def test_a_span_of_two_sentences_does_not_exist() -> None:
    assert score_entities(read("B-X", "I-X"), read("B-X", "O"))["recall"] == 0.5


@pytest.mark.parametrize("rows", [[], [""], ["O O"]])
def test_nothing_to_find_and_nothing_found_is_zero(rows: list[str]) -> None:
    assert set(score_entities(read(*rows), read(*rows)).values()) == {0.0}


@given(pairs)
def test_scores_are_shares_and_swap_with_the_roles(
    given_pairs: list[tuple[list[str], list[str]]],
) -> None:
    truth, said = ([spans(pair[k]) for pair in given_pairs] for k in (0, 1))
    there, back = score_entities(truth, said), score_entities(said, truth)
    assert all(0.0 <= value <= 1.0 for value in there.values())
    assert there["F1"] == back["F1"]
    assert there["precision"] == back["recall"]
    assert min(there["precision"], there["recall"]) <= there["F1"] + 1e-12
    assert there["F1"] <= max(there["precision"], there["recall"]) + 1e-12


@given(pairs)
def test_errors_account_for_every_entity(
    given_pairs: list[tuple[list[str], list[str]]],
) -> None:
    truth, said = ([spans(pair[k]) for pair in given_pairs] for k in (0, 1))
    found = errors(truth, said)
    right = sum(counts.right for counts in count(truth, said).values())
    assert right + sum(error.true is not None for error in found) == sum(map(len, truth))
    assert {error.kind for error in found} <= set(ERRORS)
    assert errors(truth, truth) == []


@pytest.mark.parametrize(
    ("true", "named", "kinds"),
    [
        ("B-X I-X O", "B-X O O", ["wrong boundary"]),
        ("B-X I-X O", "B-Y I-Y O", ["wrong type"]),
        ("B-X I-X O", "O B-Y I-Y", ["wrong boundary and type"]),
        ("B-X O O", "O O B-X", ["missed", "spurious"]),
        ("B-X I-X I-X", "B-X B-X I-X", ["wrong boundary"]),
    ],
)
def test_kinds_of_errors_by_hand(true: str, named: str, kinds: list[str]) -> None:
    assert [error.kind for error in errors(read(true), read(named))] == kinds


def test_an_error_holds_the_overlapping_entity_that_shares_most_words() -> None:
    (error,) = errors(read("B-X I-X I-X"), read("B-X B-X I-X"))
    assert error.named == Span("X", 1, 3)


def test_recall_is_counted_by_group() -> None:
    truth, said = read("B-X I-X O B-X", "B-X"), read("B-X I-X O O", "B-X")
    by_length = recalls(truth, said, lambda _, span: str(span.end - span.start))
    assert by_length == {"1": (1, 2), "2": (1, 1)}
