"""Random numbers that a training draws for itself, leaving the caller's generators alone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def isolated(seed: int, device: torch.device | str = "cpu") -> Generator[None]:
    """Seed torch inside the block and put its generators back behind it.

    Build models inside such a block too, so that equal seeds give equal first weights.

    Parameters
    ----------
    seed : int
        In [0, 2**63).
    device : device or str
        Device whose generator is used besides the CPU's.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with isolated(7):
    ...     first = torch.rand(2)
    >>> with isolated(7):
    ...     bool((torch.rand(2) == first).all())
    True
    >>> bool((torch.get_rng_state() == before).all())
    True
    """
    device = torch.device(device)
    # torch.manual_seed would also seed every CUDA device behind the caller's back.
    others = [] if device.type == "cpu" else [device.index or 0]
    with torch.random.fork_rng(devices=others, device_type=_forked_type(device)):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        yield


def _forked_type(device: torch.device) -> str:
    return "cuda" if device.type == "cpu" else device.type
