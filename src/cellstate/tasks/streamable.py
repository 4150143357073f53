"""The streamable network of a saved model, of whatever job, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cellstate import network
from cellstate.errors import InputError, explain

if TYPE_CHECKING:
    from cellstate.artifact import Manifest

CHAIN = "chain"
OTHERS = "Use the model through cellstate predict, or cellstate.load in Python"
PREFIXES = ("network.0.", "network.", "")  # of a chain's tensors, by job


def chain_of(
    manifest: Manifest, tensors: Mapping[str, NDArray[Any]]
) -> tuple[tuple[network.Layer, ...], dict[str, NDArray[Any]]]:
    """Give the layers of a model whose network is one chain, and the layers' tensors.

    Raises
    ------
    InputError
        The network is something else, or consists of several.

    Examples
    --------
    >>> import numpy as np
    >>> from cellstate.artifact import Manifest
    >>> layers = network.to_json((network.Linear("head", 1, 1),))
    >>> manifest = Manifest("forecast", network={"layers": {"chain": layers}})
    >>> tensors = {"network.0.head.weight": np.ones((1, 1)), "network.0.head.bias": np.ones(1)}
    >>> chain_of(manifest, tensors)[0]
    (Linear(name='head', inputs=1, outputs=1, activation='identity'),)
    """
    described = manifest.network.get("layers")
    count = manifest.network.get("networks", 1)
    if count != 1:
        must, given = "the model's network must be one chain of layers", f"{count} networks"
        raise InputError(explain("export", must, f"{given}, for the job {manifest.task!r}", OTHERS))
    if isinstance(described, Mapping) and set(described) == {CHAIN}:
        described = described[CHAIN]
    if not isinstance(described, list):
        raise _no_chain(manifest, described)
    layers = network.from_json(described)
    names = {f"{layer.name}." for layer in layers}
    for prefix in PREFIXES:
        own = {
            name.removeprefix(prefix): values
            for name, values in tensors.items()
            if name.startswith(tuple(prefix + name for name in names))
        }
        if own:
            return layers, own
    raise InputError(
        explain(
            "export",
            "the model must hold the tensors of its layers",
            f"none of {', '.join(sorted(names))}",
            "Fit it again with this version",
        )
    )


def _no_chain(manifest: Manifest, described: Any) -> InputError:
    if isinstance(described, Mapping):
        given = f"the parts {', '.join(described)}"
    else:
        given = f"the kind {manifest.network.get('kind', 'unknown')!r}"
    can_be_one = manifest.task == "forecast"
    return InputError(
        explain(
            "export",
            "the model's network must be one chain of layers",
            f"{given}, for the job {manifest.task!r}",
            "Fit with --decoder recursive, whose network is a chain" if can_be_one else OTHERS,
        )
    )
