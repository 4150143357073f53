"""Translate: learn from pairs of sentences, translate new ones, and see where it looked."""

import numpy as np

from cellstate.tasks.text.translator import Translator
from cellstate.train import TrainConfig

rng = np.random.default_rng(0)
nouns = {"Hund": "dog", "Katze": "cat", "Ball": "ball", "Mann": "man"}
adjectives = {"rot": "red", "alt": "old", "klein": "small"}
verbs = {"sieht": "sees", "mag": "likes"}


def pair() -> tuple[str, str]:
    """Make a sentence of a small language, in which adjectives follow, and its translation."""
    (a, b), (x, y) = rng.choice(list(nouns), 2), rng.choice(list(adjectives), 2)
    verb = rng.choice(list(verbs))
    english = f"{adjectives[x]} {nouns[a]} {verbs[verb]} {adjectives[y]} {nouns[b]}."
    return f"{a} {x} {verb} {b} {y}.", english


german, english = zip(*(pair() for _ in range(440)), strict=True)

settings = TrainConfig(epochs=6, learning_rate=5e-3)
model = Translator(vocabulary="word", dropout=0.1, train=settings, random_state=0)
model.fit(german[:400], english[:400])

print(model.predict(["Katze klein mag Hund alt.", ""]))
print(model.evaluate(german[400:], english[400:]))

(alignment,) = model.alignments(["Katze klein mag Hund alt."])
for word, weights in zip(alignment.target, alignment.weights, strict=True):
    print(f"{word:6} looked at {alignment.source[weights.argmax()]}")
