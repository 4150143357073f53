"""What the baselines of arrays answer for the rows that are scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cellstate.tasks.arrays.baselines import Flattener, Rival
from cellstate.tasks.arrays.reading import Sequences

Predict = Callable[[Any, np.ndarray], np.ndarray]


def rival_answers(
    rivals: dict[str, Rival],
    train: tuple[Sequences, np.ndarray],
    test: Sequences,
    predict: Predict,
) -> dict[str, np.ndarray]:
    """Fit each baseline on the training rows and let it answer for the test rows.

    Where all targets are equal there is nothing to learn, and only the first one, which answers
    the same for every row, can be fitted.
    """
    if len(np.unique(train[1])) < 2:
        rivals = dict(list(rivals.items())[:1])
    flat = Flattener(train[0])
    x, at = flat(train[0]), flat(test)
    return {name: predict(fit(x, train[1]), at) for name, fit in rivals.items()}
