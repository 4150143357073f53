"""A streamable network as data: a short list of layer descriptions with tensor names.

`cellstate.nn.Chain` builds modules from such a list, `cellstate.runtime.Chain` runs it without
torch; one description, so both give the same numbers.

A layer called ``name`` owns the tensors ``name.weight``, ``name.bias`` (linear, layer norm,
embedding) or ``name.weight_ih_l0`` … ``name.bias_hh_l{k}`` (LSTM, torch's names and gate order
i, f, g, o). Two chains that name the same layer share its tensors.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar

from cellstate.errors import InputError, did_you_mean, explain


@dataclass(frozen=True)
class Linear:
    """y = act(x Wᵀ + b): tensors ``weight`` (outputs, inputs) and ``bias`` (outputs,)."""

    kind: ClassVar[str] = "linear"
    name: str
    inputs: int
    outputs: int
    activation: str = "identity"  # one of ACTIVATIONS


@dataclass(frozen=True)
class LSTM:
    """A stack of unidirectional LSTM layers, equations of `torch.nn.LSTM`."""

    kind: ClassVar[str] = "lstm"
    name: str
    input_size: int
    hidden_size: int
    num_layers: int = 1
    dropout: float = 0.0  # between layers, in training only


@dataclass(frozen=True)
class LayerNorm:
    """y = (x − mean) / √(var + eps) · weight + bias over the last axis."""

    kind: ClassVar[str] = "layer_norm"
    name: str
    size: int
    eps: float = 1e-5


@dataclass(frozen=True)
class Embedding:
    """y = weight[x] for integer x: tensor ``weight`` (count, size)."""

    kind: ClassVar[str] = "embedding"
    name: str
    count: int
    size: int


@dataclass(frozen=True)
class Dropout:
    """Zeroes activations in training; the identity otherwise."""

    kind: ClassVar[str] = "dropout"
    name: str
    rate: float


Layer = Linear | LSTM | LayerNorm | Embedding | Dropout
ACTIVATIONS = ("identity", "relu", "tanh")
KINDS: dict[str, type[Layer]] = {c.kind: c for c in (Linear, LSTM, LayerNorm, Embedding, Dropout)}


def check(layers: tuple[Layer, ...]) -> None:
    """Require unique names, known activations and sizes that fit one another.

    Raises
    ------
    InputError
        The layers do not make a chain.

    Examples
    --------
    >>> check((LSTM("body", 3, 8), Linear("head", 8, 2)))
    """
    names = [layer.name for layer in layers]
    if not names or len(set(names)) < len(names) or not all(n and "." not in n for n in names):
        raise InputError(
            explain(
                "network",
                "layers must have unique names without dots",
                ", ".join(map(repr, names)) or "no layers",
                "Name each layer for what it does, such as 'body' and 'head'",
            )
        )
    for layer in layers:
        if isinstance(layer, Linear) and layer.activation not in ACTIVATIONS:
            raise InputError(
                explain(
                    "network",
                    f"the activation of {layer.name!r} must be one of {', '.join(ACTIVATIONS)}",
                    repr(layer.activation),
                    did_you_mean(layer.activation, ACTIVATIONS),
                )
            )
    sized = [layer for layer in layers if not isinstance(layer, Dropout)]
    for before, after in pairwise(sized):
        if features_out(before) != features_in(after):
            raise InputError(
                explain(
                    "network",
                    f"{after.name!r} must take what {before.name!r} gives",
                    f"{features_out(before)} features for {features_in(after) or 'integers'}",
                    "Change one of the sizes",
                )
            )


def features_in(layer: Layer) -> int | None:
    """Give the features that a layer takes; None where it takes integers or any number.

    Examples
    --------
    >>> features_in(Linear("head", 8, 2))
    8
    """
    match layer:
        case Linear():
            return layer.inputs
        case LSTM():
            return layer.input_size
        case LayerNorm():
            return layer.size
        case Embedding() | Dropout():
            return None


def features_out(layer: Layer) -> int | None:
    """Give the features that a layer puts out; None where they are those that it takes.

    Examples
    --------
    >>> features_out(Linear("head", 8, 2))
    2
    """
    match layer:
        case Linear():
            return layer.outputs
        case LSTM():
            return layer.hidden_size
        case LayerNorm() | Embedding():
            return layer.size
        case Dropout():
            return None


def to_json(layers: tuple[Layer, ...]) -> list[dict[str, Any]]:
    """Describe layers as JSON-ready dictionaries.

    Examples
    --------
    >>> to_json((Linear("head", 4, 1),))[0]["kind"]
    'linear'
    """
    return [{"kind": layer.kind, **asdict(layer)} for layer in layers]


def from_json(items: list[dict[str, Any]]) -> tuple[Layer, ...]:
    """Read layers back from `to_json`'s form.

    Raises
    ------
    InputError
        A kind or an option is unknown, or an option is missing.

    Examples
    --------
    >>> from_json([{"kind": "dropout", "name": "drop", "rate": 0.5}])
    (Dropout(name='drop', rate=0.5),)
    """
    return tuple(_layer(dict(item)) for item in items)


def _layer(item: dict[str, Any]) -> Layer:
    kind = item.pop("kind", None)
    if kind not in KINDS:
        raise InputError(
            explain(
                "network",
                f"a layer's kind must be one of {', '.join(KINDS)}",
                repr(kind),
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
    try:
        return KINDS[kind](**item)
    except TypeError as problem:
        raise InputError(
            explain(
                "network", f"a {kind} layer needs all its options", str(problem), "Re-export it"
            )
        ) from problem
