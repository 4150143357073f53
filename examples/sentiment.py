"""Name the sentiment of texts, see which words decided, and let texts have several labels."""

import numpy as np

from cellstate import TextClassifier, TrainConfig

rng = np.random.default_rng(0)
good = ["lovely", "funny", "moving", "brilliant", "warm"]
bad = ["dull", "tedious", "clumsy", "lifeless", "cold"]
things = ["film", "plot", "cast", "story", "score"]


def review(is_good: bool) -> str:
    """Make a short review of two things."""
    words = rng.choice(good if is_good else bad, size=2)
    about = rng.choice(things, size=2, replace=False)
    return f"A {words[0]} {about[0]}, and the {about[1]} is {words[1]} too."


labels = ["good", "bad"] * 60
texts = [review(label == "good") for label in labels]

# Few epochs, so that this runs in seconds; leave `train` and `networks` out for real data.
short = {"networks": 1, "random_state": 0, "train": TrainConfig(epochs=10)}
classifier = TextClassifier(**short).fit(texts[:100], labels[:100])
print(classifier.evaluate(texts[100:], labels[100:]))
print(classifier.predict(["Such a funny and moving story!", "Coldly lifeless."]))
for said in classifier.explain(["A lovely plot, but the cast is clumsy."]):
    print(said)

# Lists of labels: each text may have any number of them.
several = [[label] + ["music"] * ("score" in t) for t, label in zip(texts, labels, strict=True)]
tagger = TextClassifier(**short).fit(texts[:100], several[:100])
print(tagger.predict(["The score is brilliant.", "A tedious film."]))
