"""An LSTM layer for inference whose weights are stored in fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from cellstate.errors import InputError, ShapeError, did_you_mean, explain
from cellstate.nn import sequences
from cellstate.ops import checks
from cellstate.ops.capture import outside_graphs
from cellstate.ops.lstm import run, zero_state
from cellstate.ops.problem import LSTMState, Operands
from cellstate.ops.stored import STORED, Stored, StoredWeights, run_stored, store
from cellstate.ops.variant import PLAIN

if TYPE_CHECKING:
    from cellstate.nn.lstm import LSTM

WHERE = "QuantizedLSTM"


class QuantizedLSTM(nn.Module):
    """What `LSTM.quantize` makes: the same layer for inference, with weights in fewer bits.

    The matrices (`weight_ih`, `weight_hh`, `weight_hr`) are stored as bfloat16, or as int8 with a
    float32 scale for each row; `cellstate.ops.stored` says how they are rounded. Biases, initial
    states, states, inputs, sums and activations are float32. All are buffers, under the names of
    the layer that it was made from (scales under `scale_ih_l0` and so on), so that `state_dict`
    shrinks with them; to read one, load it into the quantized form of a layer of the same sizes.
    There is no dropout. Conversions such as ``.half()`` leave the stored types as they are;
    ``.to(device)`` moves them.

    Parameters
    ----------
    layer : LSTM
        The layer to round, float32. It is left as it is, and later changes to it have no effect.
    stored : {"bf16", "int8"}
        How weights are stored.

    Raises
    ------
    InputError
        `stored` is unknown, or the weights are not float32, or not finite.

    Notes
    -----
    A step reads a half or a quarter of the bytes, which is what a step of few rows waits for; with
    many rows the time goes into arithmetic, which is the same. Results are within float32 rounding
    those of an `LSTM` whose weights are the rounded ones, and a row's are the same bits whatever
    other rows share the call.

    Examples
    --------
    >>> import torch
    >>> from cellstate.nn import LSTM
    >>> layer = LSTM(8, 16)
    >>> small = layer.quantize("int8")
    >>> y, (h, c) = small(torch.ones(5, 2, 8))
    >>> bool((y - layer(torch.ones(5, 2, 8))[0]).abs().max() < 0.01)
    True
    >>> small.weight_hh_l0.dtype, small.scale_hh_l0.shape
    (torch.int8, torch.Size([64]))
    """

    initial_h: Tensor | None
    initial_c: Tensor | None

    def __init__(self, layer: LSTM, stored: Stored) -> None:
        super().__init__()
        if stored not in STORED:
            raise InputError(
                explain(
                    WHERE,
                    "weights must be stored as " + " or ".join(map(repr, STORED)),
                    repr(stored),
                    did_you_mean(str(stored), STORED),
                )
            )
        inferred = replace(layer.variant, recurrent_dropout=0.0, dropped_at="hidden")
        if inferred != PLAIN:
            raise InputError(
                explain(
                    WHERE,
                    "the layer must be one of plain cells",
                    str(inferred),
                    "Keep this one in float32",
                )
            )
        self.stored: Stored = stored
        self.input_size = layer.input_size
        self.hidden_size = layer.hidden_size
        self.num_layers = layer.num_layers
        self.bias = layer.bias
        self.batch_first = layer.batch_first
        self.bidirectional = layer.bidirectional
        self.proj_size = layer.proj_size
        self.learn_initial_state = layer.learn_initial_state
        self._names: list[tuple[str, ...]] = []
        directions = ("", "_reverse") if layer.bidirectional else ("",)
        for number in range(layer.num_layers):
            for direction in directions:
                self._round(layer, f"_l{number}{direction}")
        for name in ("initial_h", "initial_c"):
            state: Tensor | None = getattr(layer, name)
            self.register_buffer(name, None if state is None else state.detach().clone())
        self.train(layer.training)

    def _round(self, layer: LSTM, suffix: str) -> None:
        """Store the tensors of one cell, and remember their names."""
        names: list[str] = []
        for field in StoredWeights._fields:
            kind, _, which = field.partition("_")
            name = f"{field}{suffix}"
            if kind == "weight" and hasattr(layer, name):
                weight: Tensor = getattr(layer, name)
                self._check(weight, name)
                rounded, scales = store(weight, self.stored)
                self.register_buffer(name, rounded)
                if scales is not None:
                    self.register_buffer(f"scale_{which}{suffix}", scales)
            elif kind == "bias" and layer.bias:
                self.register_buffer(name, getattr(layer, name).detach().clone())
            names.append(name)
        self._names.append(tuple(names))

    def _check(self, weight: Tensor, name: str) -> None:
        if weight.dtype != torch.float32:
            raise InputError(
                explain(
                    WHERE,
                    f"{name} must be float32 to be stored as {self.stored}",
                    checks.describe(weight),
                    "Convert the layer with .float() first",
                )
            )
        if self.stored == "int8" and not bool(weight.isfinite().all()):
            raise InputError(
                explain(
                    WHERE,
                    f"{name} must be finite to be stored as int8",
                    f"{int((~weight.isfinite()).sum())} infinite or NaN entries",
                    "Look into the training that made them",
                )
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move to another device; the types stay."""

        def moved(tensor: Tensor) -> Tensor:
            other = fn(tensor)
            return other if other.dtype == tensor.dtype else tensor.to(other.device)

        return super()._apply(moved, recurse)

    def _weights(self) -> tuple[StoredWeights, ...]:
        buffers: dict[str, Any] = dict(self.named_buffers(recurse=False))
        cells = ([buffers.get(name) for name in names] for names in self._names)
        return tuple(StoredWeights._make(cell) for cell in cells)

    @outside_graphs
    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        lengths: Tensor | Sequence[int] | int | None = None,
        reset: Tensor | None = None,
    ) -> Any:
        """Run over sequences, as `LSTM.forward` does.

        Parameters
        ----------
        input : Tensor or PackedSequence
            In the forms of `LSTM.forward`, float32; under autocast any floating dtype.
        hx, lengths, reset
            As for `LSTM.forward`.

        Returns
        -------
        output : Tensor or PackedSequence
            (time, batch, D·P) in the input's form.
        state : LSTMState
            (h_n, c_n), in the form of `hx`.

        Raises
        ------
        InputError
            A gradient is wanted of the input or the state.
        ShapeError, ArgumentTypeError, InputError
            An argument has the wrong shape, dtype, device, type or values.
        """
        weights = self._weights()
        form = sequences.read(
            WHERE,
            input,
            features=self.input_size,
            batch_first=self.batch_first,
            lengths=lengths,
            reset=reset,
        )
        form = form._replace(x=_as_float32(form.x))
        checks.check_like(WHERE, "the weights", weights[0].weight_hh, form.x, dtype=False)
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)
        state = sequences.read_state(WHERE, hx, form, len(weights), sizes)
        start = None
        if self.initial_h is not None and self.initial_c is not None:
            start = LSTMState(self.initial_h, self.initial_c)
        batch = form.x.shape[1]
        if state is None and start is not None:
            state = LSTMState(*(s[:, None].expand(-1, batch, -1) for s in start))
        elif state is None:
            state = zero_state(form.x, len(weights), batch, *sizes)
        state = LSTMState(*(s.float() for s in state))
        _check_no_gradient(form.x, *state)
        operands = Operands(
            form.x, state, (), form.lengths, form.reset, None if form.reset is None else start
        )
        result = self._run(operands, weights)
        return sequences.write(result, form, batch_first=self.batch_first)[:2]

    def _run(self, operands: Operands, weights: tuple[StoredWeights, ...]):
        directions = 2 if self.bidirectional else 1
        if operands.x.device.type == "cpu":
            return run_stored(operands, weights, self.stored, directions)
        operands = Operands(
            operands.x,
            operands.state,
            tuple(cell.widened() for cell in weights),
            operands.lengths,
            operands.reset,
            operands.start,
        )
        options: dict[str, Any] = {"dropout": 0.0, "trace": False, "recompute": False}
        with torch.autocast(operands.x.device.type, enabled=False):
            return run(operands, directions=directions, backend="auto", **options)

    def extra_repr(self) -> str:
        """Show the sizes, how weights are stored, and what differs from the defaults."""
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "bidirectional": False,
            "learn_initial_state": False,
        }
        shown = {name: getattr(self, name) for name in defaults}
        options = [f"{n}={v}" for n, v in shown.items() if v != defaults[n]]
        return ", ".join(
            [f"{self.input_size}, {self.hidden_size}, stored={self.stored!r}", *options]
        )


def _as_float32(x: Tensor) -> Tensor:
    if x.dtype != torch.float32 and checks.autocast_dtype(x.device.type) is None:
        raise ShapeError(
            explain(WHERE, "x must be float32", checks.describe(x), "Convert it with x.float()")
        )
    return x.float()


def _check_no_gradient(*tensors: Tensor) -> None:
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        raise InputError(
            explain(
                WHERE,
                "neither x nor hx may require a gradient: rounded weights are for inference",
                "one that does",
                "Call it under torch.no_grad(), or train the LSTM and quantize it afterwards",
            )
        )
