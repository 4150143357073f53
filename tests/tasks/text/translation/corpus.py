"""A small language: words have a translation each, and adjectives follow their noun."""

from __future__ import annotations

import numpy as np

NOUNS = {"Hund": "dog", "Katze": "cat", "Ball": "ball", "Haus": "house", "Mann": "man"}
ADJECTIVES = {"rot": "red", "alt": "old", "klein": "small"}
VERBS = {"sieht": "sees", "mag": "likes"}


def pairs(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Draw sentences "Hund rot sieht Ball klein ." with "red dog sees small ball ."."""
    rng = np.random.default_rng(seed)
    sources, targets = [], []
    for _ in range(count):
        n = rng.choice(list(NOUNS), 2)
        a = rng.choice(list(ADJECTIVES), 2)
        v = rng.choice(list(VERBS))
        sources.append(f"{n[0]} {a[0]} {v} {n[1]} {a[1]} .")
        targets.append(
            f"{ADJECTIVES[a[0]]} {NOUNS[n[0]]} {VERBS[v]} {ADJECTIVES[a[1]]} {NOUNS[n[1]]}."
        )
    return sources, targets
