"""Layers as JSON, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.network.layers import KINDS, Layer

MOST_SIZE = 2**31  # of a whole number
MOST = 1e300  # of any other


def to_json(layers: tuple[Layer, ...]) -> list[dict[str, Any]]:
    """Describe layers as JSON-ready dictionaries.

    Examples
    --------
    >>> from cellstate.network import Linear
    >>> to_json((Linear("head", 4, 1),))[0]["kind"]
    'linear'
    """
    return [{"kind": layer.kind, **_options(layer)} for layer in layers]


def _options(layer: Layer) -> dict[str, Any]:
    unset = {f.name for f in fields(layer) if f.metadata and getattr(layer, f.name) == f.default}
    return {name: value for name, value in asdict(layer).items() if name not in unset}


def from_json(items: list[dict[str, Any]]) -> tuple[Layer, ...]:
    """Read layers back from `to_json`'s form.

    Raises
    ------
    InputError
        A kind or an option is unknown, an option is missing or of another type.

    Examples
    --------
    >>> from_json([{"kind": "dropout", "name": "drop", "rate": 0.5}])
    (Dropout(name='drop', rate=0.5),)
    """
    return tuple(_layer(dict(item) if isinstance(item, Mapping) else {}) for item in items)


def _layer(item: dict[str, Any]) -> Layer:
    kind = item.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(
            explain(
                "network",
                f"a layer's kind must be one of {', '.join(KINDS)}",
                repr(kind)[:80],
                did_you_mean(str(kind), KINDS),
            )
        )
    known = {f.name for f in fields(KINDS[kind])}
    if unknown := set(item) - known:
        raise InputError(
            explain(
                "network",
                f"a {kind} layer has the options {', '.join(sorted(known))}",
                ", ".join(sorted(unknown)),
                "Load the model with the version of cellstate that wrote it",
            )
        )
    for option in fields(KINDS[kind]):
        if option.name in item and not _TYPES[str(option.type)](item[option.name]):
            raise InputError(
                explain(
                    "network",
                    f"the option {option.name!r} of a {kind} layer must be of type {option.type}",
                    repr(item[option.name])[:80],
                    "Load the model as it was written",
                )
            )
    try:
        return KINDS[kind](**item)
    except TypeError as problem:
        raise InputError(
            explain(
                "network", f"a {kind} layer needs all its options", str(problem), "Re-export it"
            )
        ) from problem


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST < value < MOST


# By how a field of a description is annotated.
_TYPES: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: _is_number(value) and isinstance(value, int) and 0 <= value < MOST_SIZE,
    "float": _is_number,
    "float | None": lambda value: value is None or _is_number(value),
}
