"""What `torch.compile` must not look into."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

import torch

P = ParamSpec("P")
R = TypeVar("R")


def outside_graphs(function: Callable[P, R]) -> Callable[P, R]:
    """Have `torch.compile` break its graph at a function instead of tracing it.

    Traced through, a loop over time would be unrolled into the graph. `torch.compiler.disable` as
    a decorator would do, but it imports the compiler, seconds that most programs never need.
    """

    @wraps(function)
    def outside(*args: P.args, **kwargs: P.kwargs) -> R:
        if torch.compiler.is_compiling():
            disabled = cast("Callable[P, R]", torch.compiler.disable(function))  # pyright: ignore
            return disabled(*args, **kwargs)
        return function(*args, **kwargs)

    return outside
