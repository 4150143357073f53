"""Layers as data: what each is called, which sizes and options it has, which tensors it owns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

# An option that came after the first release is written down only where it is set, so that what
# does without it can still be read by an older version.
LATER = {"later": True}


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
    """A stack of unidirectional LSTM layers: equations of `torch.nn.LSTM` and of `ops.variant`.

    Parameters
    ----------
    name : str
    input_size, hidden_size, num_layers : int
        Features I, units H and layers L.
    dropout : float
        Share of outputs dropped between layers, in training only.
    proj_size : int
        Size P of each layer's output and of h; 0 for H itself.
    peephole, coupled, layer_norm, hard_sigmoid : bool
        As of `cellstate.nn.LSTM`.
    cell_clip : float, optional
        Largest absolute value of a cell state.
    zoneout_c, zoneout_h : float
        Share of the cell and of the output that keeps its value in a step; its expectation, where
        nobody trains.
    learn_initial_state : bool
        Whether the state before the first step is learned: tensors ``initial_h`` (L, P) and
        ``initial_c`` (L, H).
    """

    kind: ClassVar[str] = "lstm"
    name: str
    input_size: int
    hidden_size: int
    num_layers: int = 1
    dropout: float = 0.0
    proj_size: int = field(default=0, metadata=LATER)
    peephole: bool = field(default=False, metadata=LATER)
    coupled: bool = field(default=False, metadata=LATER)
    layer_norm: bool = field(default=False, metadata=LATER)
    hard_sigmoid: bool = field(default=False, metadata=LATER)
    cell_clip: float | None = field(default=None, metadata=LATER)
    zoneout_c: float = field(default=0.0, metadata=LATER)
    zoneout_h: float = field(default=0.0, metadata=LATER)
    learn_initial_state: bool = field(default=False, metadata=LATER)

    @property
    def output_size(self) -> int:
        """Features of the output and of h: P, or H where nothing projects."""
        return self.proj_size or self.hidden_size

    @property
    def is_plain(self) -> bool:
        """Whether the cells follow `torch.nn.LSTM`'s equations, projection included."""
        departures = (self.peephole, self.coupled, self.layer_norm, self.hard_sigmoid)
        return not any((*departures, self.cell_clip, self.zoneout_c, self.zoneout_h))

    def tensors(self, layer: int) -> dict[str, tuple[int, ...]]:
        """Give the shapes of the tensors of one layer, by name without the chain's prefix.

        Examples
        --------
        >>> list(LSTM("body", 3, 8, peephole=True).tensors(0).items())[-1]
        ('weight_ch_l0', (24,))
        """
        H, P = self.hidden_size, self.output_size
        gates = (3 if self.coupled else 4) * H  # coupled: f, g, o alone
        inputs = self.input_size if layer == 0 else P
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates, inputs),
            "weight_hh": (gates, P),
            "bias_ih": (gates,),
            "bias_hh": (gates,),
        }
        if self.proj_size:
            shapes["weight_hr"] = (P, H)
        if self.peephole:
            shapes["weight_ch"] = (gates - H,)  # all but g
        if self.layer_norm:
            shapes |= {"norm_ih": (gates,), "norm_hh": (gates,)}
            shapes |= {"norm_c": (H,), "norm_c_bias": (H,)}
        return {f"{name}_l{layer}": shape for name, shape in shapes.items()}


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


@dataclass(frozen=True)
class FrameStack:
    """y_t = the last ``frames`` inputs side by side, the oldest first; zeros before the first."""

    kind: ClassVar[str] = "frame_stack"
    name: str
    inputs: int
    frames: int  # at least 1


Layer = Linear | LSTM | LayerNorm | Embedding | Dropout | FrameStack
Recurrent = LSTM | FrameStack
ACTIVATIONS = ("identity", "relu", "tanh")
MOST_FRAMES = 1000  # what a description alone can ask for in memory
KINDS: dict[str, type[Layer]] = {
    c.kind: c for c in (Linear, LSTM, LayerNorm, Embedding, Dropout, FrameStack)
}


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
        case FrameStack():
            return layer.inputs
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
            return layer.output_size
        case LayerNorm() | Embedding():
            return layer.size
        case FrameStack():
            return layer.inputs * layer.frames
        case Dropout():
            return None
