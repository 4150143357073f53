"""A streamable network: modules built from the layer descriptions of `cellstate.network`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cellstate import artifact, network
from cellstate.errors import InputError, ShapeError, did_you_mean, explain
from cellstate.nn.frame_stack import FrameStack
from cellstate.nn.lstm import LSTM

# By layer: `LSTMState`, or `FrameState` of a frame stack. Whoever made the chain knows which.
State = dict[str, Any]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "tanh": torch.tanh,
}


class Chain(nn.Module):
    """Layers one after the other, whose parameters carry the names of the description's tensors.

    Parameters
    ----------
    layers : tuple of network.Layer
        What to build. Names are unique and each layer takes what the one before it gives.
    share : Chain, optional
        Layers of this chain that have the same name and description are reused, not built anew.

    Raises
    ------
    InputError
        The layers do not fit one another, or a shared layer has another description.

    Examples
    --------
    >>> import torch
    >>> from cellstate import network
    >>> body = network.LSTM("body", input_size=3, hidden_size=8)
    >>> chain = Chain((body, network.Linear("head", 8, 2)))
    >>> x = torch.randn(5, 4, 3)
    >>> y, state = chain(x)
    >>> y.shape, state["body"].h.shape
    (torch.Size([5, 4, 2]), torch.Size([1, 4, 8]))

    Two calls with carried state are one call over the whole sequence:

    >>> first, state = chain(x[:2])
    >>> rest, state = chain(x[2:], state)
    >>> torch.allclose(torch.cat([first, rest]), y, atol=1e-6)
    True
    """

    def __init__(self, layers: tuple[network.Layer, ...], *, share: Chain | None = None) -> None:
        super().__init__()
        self.layers = tuple(layers)
        _check(self.layers)
        for layer in self.layers:
            shared = None if share is None else _shared(layer, share)
            self.add_module(layer.name, _build(layer) if shared is None else shared)

    def forward(self, x: Tensor, state: Mapping[str, Any] | None = None) -> tuple[Tensor, State]:
        """Run over a sequence.

        Parameters
        ----------
        x : Tensor
            Input (T, B, inputs), or integers (T, B) where the first layer is an embedding.
        state : mapping of str to LSTMState or FrameState, optional
            State of each LSTM layer by name, (L, B, P) and (L, B, H), and of each frame stack,
            (frames - 1, B, I); that before the first step where it is missing.

        Returns
        -------
        y : Tensor
            Output (T, B, outputs).
        state : dict of str to LSTMState or FrameState
            State after the last step.

        Raises
        ------
        ShapeError, InputError
            `x` or a state does not fit the layers, or a state names a layer that is not there.
        """
        state = {} if state is None else state
        recurrent = [layer.name for layer in self.layers if isinstance(layer, network.Recurrent)]
        for name in state:
            if name not in recurrent:
                raise InputError(
                    explain(
                        "Chain",
                        "state must hold the chain's LSTM layers by name",
                        repr(name),
                        did_you_mean(name, recurrent) if recurrent else "Leave it out",
                    )
                )
        _check_input(self.layers[0], x)
        after: State = {}
        for layer in self.layers:
            module = self.get_submodule(layer.name)
            if isinstance(layer, network.Recurrent):
                x, after[layer.name] = module(x, state.get(layer.name))
            else:
                x = module(x)
            if isinstance(layer, network.Linear):
                x = _ACTIVATIONS[layer.activation](x)
        return x, after

    def tensors(self) -> dict[str, np.ndarray]:
        """Copy the parameters out, by the names that a model's artifact and runtime use.

        Returns
        -------
        dict of str to numpy.ndarray
            C-contiguous copies, ordered as the layers are.
        """
        return {
            name: np.array(value.detach().cpu().numpy(), order="C")
            for name, value in self.state_dict().items()
        }

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Copy parameters in, as `tensors` gave them.

        Raises
        ------
        ShapeError
            A tensor is missing, unknown or of the wrong shape.
        """
        mine = self.state_dict()
        wrong = sorted(
            name
            for name in mine.keys() | tensors.keys()
            if name not in mine or name not in tensors or tensors[name].shape != mine[name].shape
        )
        if wrong:
            raise ShapeError(
                explain(
                    "Chain",
                    "tensors must have the names and shapes of the layers",
                    f"other ones for {', '.join(wrong)}",
                    "Build the chain from the description that was saved with the tensors",
                )
            )
        self.load_state_dict({name: torch.from_numpy(np.array(tensors[name])) for name in mine})

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a model folder, all of it or nothing: what `cellstate.tasks.streams` runs.

        Parameters
        ----------
        folder : path
            Its parent must exist; an older model of that name is replaced.

        Raises
        ------
        ArtifactError
            The folder cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from cellstate.runtime import Session
        >>> from cellstate.tasks.streams import load_stream
        >>> chain = Chain((network.LSTM("body", 3, 8), network.Linear("head", 8, 2)))
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     chain.save(f"{parent}/model")
        ...     session = Session(load_stream(f"{parent}/model"), "sensor-1")
        >>> len(session.push({"x": [0.1, 0.2, 0.3]})["y"])
        2
        """
        described = {"layers": network.to_json(self.layers)}
        artifact.save(folder, artifact.Manifest("network", network=described), self.tensors())


def _build(layer: network.Layer) -> nn.Module:
    match layer:
        case network.Linear():
            return nn.Linear(layer.inputs, layer.outputs)
        case network.LSTM():
            return LSTM(
                layer.input_size,
                layer.hidden_size,
                layer.num_layers,
                dropout=layer.dropout,
                proj_size=layer.proj_size,
                learn_initial_state=layer.learn_initial_state,
                peephole=layer.peephole,
                coupled=layer.coupled,
                layer_norm=layer.layer_norm,
                hard_sigmoid=layer.hard_sigmoid,
                cell_clip=layer.cell_clip,
                zoneout=(layer.zoneout_c, layer.zoneout_h),
            )
        case network.LayerNorm():
            return nn.LayerNorm(layer.size, eps=layer.eps)
        case network.Embedding():
            return nn.Embedding(layer.count, layer.size)
        case network.FrameStack():
            return FrameStack(layer.inputs, layer.frames)
        case network.Dropout():
            return nn.Dropout(layer.rate)


def _shared(layer: network.Layer, share: Chain) -> nn.Module | None:
    """Find the module of a layer in another chain; None where it has no layer of this name."""
    theirs = next((other for other in share.layers if other.name == layer.name), None)
    if theirs is not None and theirs != layer:
        raise InputError(
            explain(
                "Chain",
                f"the shared layer {layer.name!r} must have one description",
                f"{theirs} and {layer}",
                "Give one of them another name, or both the same sizes",
            )
        )
    return None if theirs is None else share.get_submodule(layer.name)


def _check(layers: tuple[network.Layer, ...]) -> None:
    """Require layers that make a chain, with names that a module has not."""
    names = [layer.name for layer in layers]
    taken = {*dir(nn.Module()), *dir(Chain), "layers"}
    reserved = [name for name in names if not name or "." in name or name in taken]
    if not names or reserved or len(set(names)) != len(names):
        raise InputError(
            explain(
                "Chain",
                "layers must have unique names, without dots, that are no attributes of a module",
                ", ".join(map(repr, names)) or "no layers",
                "Name each layer for what it does, such as 'body' and 'head'",
            )
        )
    network.check(layers, where="Chain")


def _check_input(first: network.Layer, x: Tensor) -> None:
    """Require (time, batch, features) of the first layer's size."""
    features, embedded = network.features_in(first), isinstance(first, network.Embedding)
    if x.dim() == (2 if embedded else 3) and features in (None, x.shape[-1]):
        return
    form = "(time, batch) integers" if embedded else f"(time, batch, input={features or 'any'})"
    raise ShapeError(
        explain(
            "Chain",
            f"x must be {form}",
            f"{tuple(x.shape)}, {str(x.dtype).removeprefix('torch.')} on {x.device}",
            f"Bring x into the form that the layer {first.name!r} takes",
        )
    )
