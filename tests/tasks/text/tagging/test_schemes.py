"""Spans as tags and back, against conlleval's own rules written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstate.tasks.text.tagging import schemes
from cellstate.tasks.text.tagging.schemes import Span

TAGS = [f"{prefix}-{kind}" for prefix in "BIES" for kind in "XY"] + ["O"]
any_tags = st.lists(st.sampled_from(TAGS), max_size=12)


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Draw spans that do not overlap, and the number of words."""
    found, at = [], 0
    for gap, length, kind in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from("XY")), max_size=4)
    ):
        found.append(Span(kind, at + gap, at + gap + length))
        at += gap + length
    return found, at + draw(st.integers(0, 2))


def begins(before: str, tag: str, kind_before: str, kind: str) -> bool:
    """Tell whether a chunk begins, as conlleval's startOfChunk does (with S as B then E)."""
    pairs = {("E", "E"), ("E", "I"), ("S", "E"), ("S", "I"), ("O", "E"), ("O", "I")}
    return tag in "BS" or (before, tag) in pairs or (tag != "O" and kind_before != kind)


def ends(before: str, tag: str, kind_before: str, kind: str) -> bool:
    """Tell whether a chunk has ended, as conlleval's endOfChunk does."""
    pairs = set(itertools.product("BI", "BSO"))
    return before in "ES" or (before, tag) in pairs or (before != "O" and kind_before != kind)


def by_conlleval(tags: list[str]) -> list[Span]:
    found, begun, before, kind_before = [], 0, "O", ""
    for place, whole in enumerate([*tags, "O"]):
        tag, kind = whole[0], whole[2:]
        if ends(before, tag, kind_before, kind) and before != "O":
            found.append(Span(kind_before, begun, place))
        if begins(before, tag, kind_before, kind):
            begun = place
        before, kind_before = tag, kind
    return found


@given(any_tags)
def test_spans_are_conllevals(tags: list[str]) -> None:
    assert schemes.spans(tags) == by_conlleval(tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-X", [("X", 0, 1)]),
        ("B-X I-X O", [("X", 0, 2)]),
        ("I-X I-X", [("X", 0, 2)]),  # begun without B
        ("B-X B-X", [("X", 0, 1), ("X", 1, 2)]),
        ("B-X I-Y", [("X", 0, 1), ("Y", 1, 2)]),  # another type
        ("B-X I-X E-X S-Y", [("X", 0, 3), ("Y", 3, 4)]),
        ("E-X E-X", [("X", 0, 1), ("X", 1, 2)]),
        ("S-X I-X", [("X", 0, 1), ("X", 1, 2)]),
        ("B I O B", [("", 0, 2), ("", 3, 4)]),  # without types
        ("B-a-b I-a-b", [("a-b", 0, 2)]),
    ],
)
def test_spans_of_tags_by_hand(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert schemes.spans(tags.split()) == [Span(*span) for span in expected]


@given(sentences(), st.sampled_from(["BIO", "BIOES"]))
def test_spans_survive_being_written_as_tags(drawn: tuple[list[Span], int], scheme: str) -> None:
    found, words = drawn
    tags = schemes.tags_of(found, words, scheme)
    assert len(tags) == words
    assert schemes.spans(tags) == found
    assert all(schemes.is_tag(tag, scheme) for tag in tags)
    assert schemes.stray(tags) == 0


def places(found: list[Span]) -> set[tuple[str, int]]:
    return {(span.type, at) for span in found for at in range(span.start, span.end)}


@given(sentences())
def test_io_merges_neighbours_of_one_type_and_nothing_else(
    drawn: tuple[list[Span], int],
) -> None:
    found, words = drawn
    inside = schemes.spans(schemes.tags_of(found, words, "IO"))
    assert places(inside) == places(found)
    assert len(inside) <= len(found)


@given(sentences())
def test_tags_of_true_spans_are_allowed(drawn: tuple[list[Span], int]) -> None:
    tags = schemes.tag_set(["X", "Y"])
    pairs, start, end = schemes.allowed(tags)
    path = [tags.index(tag) for tag in schemes.tags_of(*drawn, "BIOES")]
    if path:
        assert start[path[0]]
        assert end[path[-1]]
    assert all(pairs[one, two] for one, two in itertools.pairwise(path))


def test_allowed_sequences_are_exactly_those_that_spans_make() -> None:
    tags = schemes.tag_set(["X", "Y"])
    pairs, start, end = schemes.allowed(tags)
    for path in itertools.product(range(len(tags)), repeat=3):
        named = [tags[number] for number in path]
        is_allowed = start[path[0]] and end[path[-1]]
        is_allowed &= all(pairs[one, two] for one, two in itertools.pairwise(path))
        assert is_allowed == (schemes.tags_of(schemes.spans(named), 3, "BIOES") == named)


def test_every_length_has_an_allowed_sequence() -> None:
    pairs, start, end = schemes.allowed(schemes.tag_set(["X"]))
    reached = start
    for _ in range(5):
        assert np.any(reached & end)
        reached = (reached[:, None] & pairs).any(0)


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-X I-X O", "BIO"),
        ("I-X O", "IO"),
        ("B-X E-X S-X O", "BIOES"),
        ("S-X", "BIOES"),
        ("B I O", "BIO"),
        ("NN VB I", "none"),
        ("O", "none"),
        ("B-X PER", "none"),
    ],
)
def test_schemes_are_told_from_the_tags(tags: str, scheme: str) -> None:
    assert schemes.detect(tags.split()) == scheme


@pytest.mark.parametrize(
    ("tags", "count"), [("I-X I-X", 1), ("B-X I-Y", 1), ("E-X I-X", 2), ("B-X I-X E-X", 0)]
)
def test_stray_tags_are_counted(tags: str, count: int) -> None:
    assert schemes.stray(tags.split()) == count
