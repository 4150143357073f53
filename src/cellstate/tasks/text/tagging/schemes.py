"""Spans as tags of words and back: BIO, BIOES, IO."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

OUTSIDE = "O"
SCHEMES = ("auto", "BIO", "BIOES", "IO", "none")
PREFIXES = {"BIO": "BI", "BIOES": "BIES", "IO": "I"}

_TAG = re.compile(r"[BIES](-.+)?", re.DOTALL)


class Span(NamedTuple):
    """Words `start` to before `end` of a sentence, and what they are."""

    type: str
    start: int
    end: int


def is_tag(tag: str, scheme: str = "BIOES") -> bool:
    """Tell whether a tag is of the scheme, with or without a type.

    Examples
    --------
    >>> is_tag("B-Disease"), is_tag("O"), is_tag("S"), is_tag("NN"), is_tag("S-Drug", "BIO")
    (True, True, True, False, False)
    """
    return tag == OUTSIDE or (_TAG.fullmatch(tag) is not None and tag[0] in PREFIXES[scheme])


def detect(tags: Iterable[str]) -> str:
    """Name the scheme that a set of tags is of; "none" for plain tags such as parts of speech.

    Examples
    --------
    >>> detect(["O", "B-Drug", "I-Drug"]), detect(["S-X", "O"]), detect(["NN", "VB"])
    ('BIO', 'BIOES', 'none')
    """
    different = set(tags)
    prefixes = {tag[0] for tag in different if tag != OUTSIDE and is_tag(tag)}
    if not prefixes or not all(map(is_tag, different)):
        return "none"
    if prefixes & set("ES"):
        return "BIOES"
    return "BIO" if "B" in prefixes else "IO"


def spans(tags: Sequence[str]) -> list[Span]:
    """Read spans off tags of any scheme, as conlleval and seqeval's default mode do.

    A span begins at B or S, and at I or E that do not continue one of the same type; it ends before
    any such beginning, before O, and after E or S.

    Examples
    --------
    >>> spans(["B-X", "I-X", "O", "I-Y", "B-Y"])
    [Span(type='X', start=0, end=2), Span(type='Y', start=3, end=4), Span(type='Y', start=4, end=5)]

    References
    ----------
    E. Tjong Kim Sang, `conlleval`, CoNLL-2000; H. Nakayama, `seqeval`, 2018.
    """
    found: list[Span] = []
    begun, kind, is_open = 0, "", False
    for place, tag in enumerate((*tags, OUTSIDE)):
        prefix, this = tag[0], tag[2:]
        if tag == OUTSIDE:
            prefix, this = OUTSIDE, ""
        continues = is_open and prefix in "IE" and this == kind
        if is_open and not continues:
            found.append(Span(kind, begun, place))
        if prefix == OUTSIDE:
            is_open = False
            continue
        if not continues:
            begun, kind, is_open = place, this, True
        if prefix in "ES":
            found.append(Span(kind, begun, place + 1))
            is_open = False
    return found


def tags_of(found: Iterable[Span], words: int, scheme: str) -> list[str]:
    """Write spans that do not overlap as the tags of a sentence.

    Examples
    --------
    >>> tags_of([Span("X", 0, 3), Span("Y", 3, 4)], 5, "BIOES")
    ['B-X', 'I-X', 'E-X', 'S-Y', 'O']
    >>> tags_of([Span("X", 0, 3)], 4, "BIO")
    ['B-X', 'I-X', 'I-X', 'O']
    """
    tags = [OUTSIDE] * words
    for kind, start, end in found:
        ending = f"-{kind}" if kind else ""
        inside = ["I"] * (end - start)
        if scheme != "IO":
            inside[0] = "B"
        if scheme == "BIOES":
            inside[-1] = "E" if end - start > 1 else "S"
        tags[start:end] = [prefix + ending for prefix in inside]
    return tags


def stray(tags: Sequence[str]) -> int:
    """Count tags that continue a span which has not begun: I or E after O or after another type.

    Examples
    --------
    >>> stray(["O", "I-X", "I-X", "I-Y"])
    2
    """
    count, before = 0, OUTSIDE
    for tag in tags:
        continues = before[0] in "BI" and before != OUTSIDE and before[2:] == tag[2:]
        count += tag != OUTSIDE and tag[0] in "IE" and not continues
        before = tag
    return count


def tag_set(types: Sequence[str]) -> tuple[str, ...]:
    """List the BIOES tags of some types, `OUTSIDE` first."""
    endings = [f"-{kind}" if kind else "" for kind in types]
    return (OUTSIDE, *(prefix + ending for ending in endings for prefix in "BIES"))


def allowed(tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tell which BIOES tags may follow which: pairs (K, K), first and last ones (K,), all bool.

    Examples
    --------
    >>> pairs, start, end = allowed(["O", "B-X", "I-X", "E-X", "S-X"])
    >>> pairs.astype(int).tolist()
    [[1, 1, 0, 0, 1], [0, 0, 1, 1, 0], [0, 0, 1, 1, 0], [1, 1, 0, 0, 1], [1, 1, 0, 0, 1]]
    >>> start.tolist(), end.tolist()
    ([True, True, False, False, True], [True, False, False, True, True])
    """
    opens = np.array([tag != OUTSIDE and tag[0] in "BI" for tag in tags])
    continues = np.array([tag != OUTSIDE and tag[0] in "IE" for tag in tags])
    kinds = np.array([tag[2:] for tag in tags])
    same = kinds[:, None] == kinds
    pairs = np.where(opens[:, None], continues & same, ~continues)
    return pairs, ~continues, ~opens
