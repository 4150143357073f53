"""How a function becomes an operator of torch, a node that a captured graph does not look into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def define(name: str, schema: str, run: Callable[..., Any], fake: Callable[..., Any]) -> Any:
    """Make an operator for any device.

    Parameters
    ----------
    name : str
        Without the namespace, which is `cellstate`.
    schema : str
        Arguments and results, as torch writes them.
    run : callable
        What it does. No result may share memory with another or with an argument.
    fake : callable
        The same without values: gives tensors of the sizes and strides of the results.
    """
    full = f"cellstate::{name}"
    torch.library.define(full, schema, tags=(torch.Tag.pt2_compliant_tag,))
    torch.library.impl(full, "default", run)
    torch.library.register_fake(full, fake)
    return getattr(torch.ops.cellstate, name).default
