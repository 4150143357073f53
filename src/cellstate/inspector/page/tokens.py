"""Texts whose words are coloured by what they add, or by what they are named."""

from __future__ import annotations

import numpy as np

from cellstate.inspector.judgement import label_order, naming, token_shares
from cellstate.inspector.page.frame import Detail
from cellstate.inspector.page.markup import Markup, element
from cellstate.inspector.plot import formats
from cellstate.tasks import sections

MOST_PASSAGES = 40
STRONG = 0.3
"""Share of the strongest piece from which a piece is underlined too."""
PIECES_PER_COLUMN = 4
"""Pieces of a passage that are drawn for each column that a picture would have."""
COLOURS = 6
"""Hues of names; more names share them."""
MOST_NAMES = 24
"""Names that the key lists."""


def tokens(section: sections.Tokens, detail: Detail) -> Markup:
    """Draw every passage with its words on a ground of colour.

    What speaks for and against differs in hue, which all kinds of colour vision tell apart, in the
    line under the strong ones, solid or dashed, and in the sign of the number that a word shows.
    Names stand behind what they name: colour repeats them, and is shared where they are many.
    """
    passages = section.passages[:MOST_PASSAGES]
    names = label_order(section)
    drawn = [_passage(passage, names, detail) for passage in passages]
    left = len(section.passages) - len(drawn)
    return element(
        "div",
        _key() if any(not passage.labels for passage in passages) else None,
        _key_of_names(names) if names else None,
        drawn,
        element("p", f"{left:,} more texts are not shown.", class_="note") if left > 0 else None,
    )


def _key() -> Markup:
    return element(
        "p",
        element("span", element("span", "word", class_="token for strong"), " speaks for it"),
        element(
            "span", element("span", "word", class_="token against strong"), " speaks against it"
        ),
        element("span", "The stronger the colour, the more it adds."),
        class_="key",
    )


def _key_of_names(names: dict[str, int]) -> Markup:
    swatches = [
        element("span", element("span", name, class_=f"token named c{place % COLOURS}"))
        for name, place in list(names.items())[:MOST_NAMES]
    ]
    states = [
        element("span", element("span", "word", class_=f"token named {state}"), f" {state}")
        for state in ("right", "wrong", "missed")
    ]
    return element("p", swatches, states, class_="key")


def _passage(passage: sections.Passage, names: dict[str, int], detail: Detail) -> Markup:
    most = detail.columns * PIECES_PER_COLUMN
    parts, values = passage.pieces[:most], passage.values[:most]
    if passage.labels:
        given = zip(parts, values, passage.labels[:most], strict=True)
        pieces = [_named(piece, float(value), label, names) for piece, value, label in given]
    else:
        shares = token_shares(passage.values)[:most]
        rows = zip(parts, values, shares, strict=True)
        pieces = [_piece(piece, float(value), float(share)) for piece, value, share in rows]
    left = len(passage.pieces) - len(pieces)
    rest = f" … and {left:,} more pieces" if left > 0 else None
    caption = element("figcaption", passage.caption) if passage.caption else None
    return element("figure", caption, element("span", pieces, rest), class_="passage")


def _piece(piece: str, value: float, share: float) -> Markup | str:
    if not np.isfinite(value) or share == 0.0:
        return piece
    side = "for" if value > 0 else "against"
    return element(
        "span",
        piece,
        class_=f"token {side} strong" if share >= STRONG else f"token {side}",
        style=f"--share:{share * 100:.0f}%",
        title=f"{'+' if value > 0 else ''}{formats.number(value, 2)}",
    )


def _named(piece: str, value: float, label: str, names: dict[str, int]) -> Markup | str:
    if not label:
        return piece
    return element(
        "span",
        piece,
        element("small", label),
        class_=f"token named c{names[label] % COLOURS} {naming(value)}",
    )
