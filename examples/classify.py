"""Name whole sequences: which of two rhythms is it? Sequences of any number of channels."""

import numpy as np

from cellstate import SequenceClassifier

rng = np.random.default_rng(0)
steps = np.arange(60)


def rhythm(period: float) -> np.ndarray:
    """Make one noisy wave at a random phase, (time, channels)."""
    phase = rng.uniform(0, 2 * np.pi)
    wave = np.sin(steps * 2 * np.pi / period + phase) + 0.3 * rng.normal(size=len(steps))
    return np.stack([wave, np.abs(wave)], axis=1)


labels = np.array(["slow", "fast"] * 60)
sequences = np.stack([rhythm(20 if label == "slow" else 9) for label in labels])
sequences[::7, 10:15] = np.nan  # missing values are allowed

classifier = SequenceClassifier(random_state=0).fit(sequences[:80], labels[:80])
print(classifier.predict_proba(sequences[80:84]).round(2))
print(classifier.evaluate(sequences[80:], labels[80:]))
