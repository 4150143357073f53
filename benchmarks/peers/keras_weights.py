"""Weights of torch's layer as Keras has them: gates in the same order, transposed, one bias."""

from __future__ import annotations

import numpy as np


def keras_weights(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Give kernel (I, 4H), recurrent kernel (H, 4H) and bias (4H,)."""
    bias = arrays["bias_ih"] + arrays["bias_hh"]
    return [arrays["weight_ih"].T, arrays["weight_hh"].T, bias]
