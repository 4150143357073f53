"""Give a number for a whole sequence: here how fast a wave decays."""

import numpy as np

from cellstate import SequenceRegressor

rng = np.random.default_rng(0)
steps = np.arange(60)
rates = rng.uniform(0.01, 0.1, size=160)
waves = np.exp(-np.outer(rates, steps)) * np.sin(steps * 2 * np.pi / 12)
sequences = waves + 0.05 * rng.normal(size=waves.shape)  # (n, time): one channel

regressor = SequenceRegressor(random_state=0).fit(sequences[:120], rates[:120])
print(regressor.predict(sequences[120:124]).round(3), rates[120:124].round(3))
print(regressor.evaluate(sequences[120:], rates[120:]))
