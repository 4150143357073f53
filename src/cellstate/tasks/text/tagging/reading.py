"""Sentences and tags as given: checked once, and named by their number where they are wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cellstate.errors import ArgumentTypeError, InputError, ShapeError, did_you_mean, explain
from cellstate.tasks.text.tagging import schemes

Sentences = list[list[str]]


def read_sentences(where: str, given: Any, name: str = "X", item: str = "word") -> Sentences:
    """Check a list of lists of words (or of tags) and copy it.

    Raises
    ------
    ArgumentTypeError
        It is no list, or something in it is no list of text.
    """
    must = f"{name} must be a list of sentences, each a list of {item}s"
    if isinstance(given, str) or not isinstance(given, Iterable):
        do = "Split the text into sentences and words first"
        shown = "one text" if isinstance(given, str) else type(given).__name__
        raise ArgumentTypeError(explain(where, must, shown, do))
    sentences: Sentences = []
    for row, sentence in enumerate(given):
        if isinstance(sentence, str) or not isinstance(sentence, Iterable):
            shown = "a text" if isinstance(sentence, str) else type(sentence).__name__
            do = f"Split each sentence into {item}s, for example with text.split()"
            raise ArgumentTypeError(explain(where, must, f"{shown} as {name}[{row}]", do))
        words = list(sentence)
        for place, word in enumerate(words):
            if not isinstance(word, str):
                shown = f"{word!r} as {name}[{row}][{place}]"
                raise ArgumentTypeError(explain(where, must, shown, f"Give each {item} as text"))
        sentences.append([str(word) for word in words])
    return sentences


def read_pairs(where: str, X: Any, y: Any) -> tuple[Sentences, Sentences]:
    """Check sentences with their tags.

    Raises
    ------
    InputError
        There is nothing, or a sentence has more or fewer tags than words.
    """
    words, tags = read_sentences(where, X), read_sentences(where, y, "y", "tag")
    if len(words) != len(tags):
        must = "X and y must have the same number of sentences"
        given = f"{len(words)} and {len(tags)}"
        raise ShapeError(explain(where, must, given, "Check how they were split"))
    if not any(words):
        must = "there must be at least one sentence with a word"
        given = f"{len(words)} empty sentences" if words else "none"
        raise InputError(explain(where, must, given, "Check the file or the selection"))
    for row, (sentence, labels) in enumerate(zip(words, tags, strict=True)):
        if len(sentence) != len(labels):
            must = "each word must have one tag"
            given = f"{len(sentence)} words and {len(labels)} tags in sentence {row}"
            do = f"Look at X[{row}], which begins with {' '.join(sentence[:5])!r}"
            raise ShapeError(explain(where, must, given, do))
        if "" in labels:
            must, given = "a tag must not be empty", f"'' as y[{row}][{labels.index('')}]"
            raise InputError(explain(where, must, given, "Write 'O' where there is nothing"))
    return words, tags


def read_scheme(where: str, scheme: Any, tags: Sentences) -> str:
    """Settle the scheme of the tags.

    Raises
    ------
    InputError
        The scheme is unknown, or tags are not of it, or some tags mark entities and others do not.
    """
    if scheme not in schemes.SCHEMES:
        must = f"scheme must be one of {', '.join(map(repr, schemes.SCHEMES))}"
        do = did_you_mean(str(scheme), schemes.SCHEMES)
        raise InputError(explain(where, must, repr(scheme), do))
    different = {tag for labels in tags for tag in labels}
    if scheme == "auto":
        found = schemes.detect(different)
        if found == "none" and schemes.OUTSIDE in different:
            _check_unmixed(where, tags)
        return found
    if scheme != "none":
        check_tags(where, tags, scheme)
    return scheme


def _check_unmixed(where: str, tags: Sentences) -> None:
    """Refuse tags beside 'O' some of which mark the parts of entities, and some do not."""
    firsts = {tag: (row, k) for row, labels in enumerate(tags) for k, tag in enumerate(labels)}
    parts = [tag for tag in firsts if tag[1:2] == "-" and schemes.is_tag(tag)]
    others = [tag for tag in firsts if not schemes.is_tag(tag)]
    if not parts or not others:
        return
    row, place = firsts[others[0]]
    must = "tags beside 'O' must all mark parts of entities, or none"
    given = f"{others[0]!r} as y[{row}][{place}], and {parts[0]!r} elsewhere"
    do = "Mend the tag (of BILOU, write L as E and U as S), or give scheme='none'"
    raise InputError(explain(where, must, given, do))


def check_tags(where: str, tags: Sentences, scheme: str) -> None:
    """Refuse tags that are not of the scheme.

    Raises
    ------
    InputError
    """
    for row, labels in enumerate(tags):
        for place, tag in enumerate(labels):
            if not schemes.is_tag(tag, scheme):
                prefixes = ", ".join(f"'{prefix}-…'" for prefix in schemes.PREFIXES[scheme])
                must = f"tags of the scheme {scheme!r} must be 'O', {prefixes}"
                do = f"Give scheme={schemes.detect([tag])!r} or 'auto', or mend the tag"
                given = f"{tag!r} as y[{row}][{place}]"
                raise InputError(explain(where, must, given, do))
