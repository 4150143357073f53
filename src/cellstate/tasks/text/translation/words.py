"""Sentences as words, and words as sentences again, where no tokenizer was trained."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = frozenset(".,;:!?%)]}…’”»")
_NO_SPACE_BEHIND = frozenset("([{„“«$€£#@")


def split(text: str) -> list[str]:
    """Cut a sentence into words and signs.

    Examples
    --------
    >>> split("A dog's ball, well-thrown.")
    ['A', "dog's", 'ball', ',', 'well-thrown', '.']
    """
    return _WORD.findall(text)


def joined(words: Sequence[str]) -> str:
    """Write words and signs as a sentence; straight quotes open and close in turn.

    Examples
    --------
    >>> joined(["He", "said", ":", '"', "(", "a", ")", "ball", ".", '"'])
    'He said: "(a) ball."'
    """
    parts: list[str] = []
    is_open, glued = False, True
    for word in words:
        opens = word == '"' and not is_open
        closes = word == '"' and is_open
        if not (glued or closes or word in _NO_SPACE_BEFORE):
            parts.append(" ")
        parts.append(word)
        is_open = (is_open or opens) and not closes
        glued = opens or word in _NO_SPACE_BEHIND
    return "".join(parts)
