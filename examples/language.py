"""Learn what comes next in a text, score it beside n-grams, and write on, one token at a time."""

import sys
from pathlib import Path

import numpy as np

from cellstate import LanguageModel, TrainConfig

if len(sys.argv) > 1:  # a text file of your own
    text, settings = Path(sys.argv[1]).read_text(encoding="utf-8"), {}
else:  # a small stand-in
    rng = np.random.default_rng(0)
    subjects, verbs = ["The cat", "A dog", "The old king"], ["sees", "finds", "leaves", "loves"]
    objects = ["house", "river", "garden", "road", "moon"]
    text = "".join(
        f"{rng.choice(subjects)} {rng.choice(verbs)} the {rng.choice(objects)}.\n"
        for _ in range(400)
    )
    settings = {"size": "small", "hidden": 64, "train": TrainConfig(epochs=10)}

cut = int(0.9 * len(text))
model = LanguageModel(tokenizer="char", random_state=0, **settings).fit(text[:cut])
print(model.evaluate(text[cut:]))

writing = model.stream("The ", temperature=0.7, top_p=0.95, tokens=120, seed=1)
for piece in writing:
    print(piece, end="", flush=True)
print()

# The state is all of the past: it can be saved, and the text goes on from it.
print(repr(model.generate(state=writing.state, tokens=40, temperature=0.7)))
