"""The LSTM layer: a drop-in for `torch.nn.LSTM` with what that layer lacks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from cellstate.nn import initial, options, sequences
from cellstate.nn.initial import ForgetBias
from cellstate.ops import checks, cudnn
from cellstate.ops.backends import check_name
from cellstate.ops.capture import outside_graphs
from cellstate.ops.lstm import run, zero_state
from cellstate.ops.noise import draw_keys
from cellstate.ops.problem import CellWeights, LSTMState, LSTMTrace, Operands, Recompute
from cellstate.ops.variant import PLAIN, DroppedAt, check_share

if TYPE_CHECKING:
    from cellstate.nn.quantized import QuantizedLSTM
    from cellstate.ops.stored import Stored


class LSTM(nn.Module):
    r"""A stack of long short-term memory layers over sequences.

    Constructor, call, parameters and results are those of `torch.nn.LSTM`, and state dicts load
    both ways; the keyword-only arguments are additions. Equations: `cellstate.ops.reference`, and
    `cellstate.ops.variant` for the cell's variants, which combine freely.

    Parameters
    ----------
    input_size : int
        Features I of the input at each step.
    hidden_size : int
        Units H of each layer.
    num_layers : int
        Layers L on top of each other.
    bias : bool
        Whether the gates have biases.
    batch_first : bool
        Whether input and output are (batch, time, features) instead of (time, batch, features).
        States are not affected.
    dropout : float
        Share of outputs zeroed between layers in training, in 0 … 1.
    bidirectional : bool
        Whether each layer also runs from the end to the start (D = 2); outputs are concatenated.
    proj_size : int
        Size P that the output of each cell is projected to; 0 for no projection (P = H).
    device : torch.device, optional
        Where the parameters are made.
    dtype : torch.dtype, optional
        Their type.
    learn_initial_state : bool
        Make the state before the first step, and after a reset, a parameter that starts at zero:
        `initial_h` (L·D, P) and `initial_c` (L·D, H). A given `hx` overrules it before the first
        step.
    forget_bias : float or "chrono", optional
        The forget gate's bias at the start of training (the sum of both bias vectors). ``"chrono"``
        spreads the units' time scales up to `chrono_max_steps`, and sets the input gate's bias too.
    chrono_max_steps : int, optional
        Longest dependency to bridge, in steps; for ``forget_bias="chrono"``.
    peephole : bool
        Let the gates see the cell state: `weight_ch_l{k}` (3H,) for i, f, o.
    coupled : bool
        Let the input gate be what the forget gate leaves; weights and biases then stack f, g, o
        alone (3H), peepholes f, o.
    layer_norm : bool
        Normalise the sums of input and of recurrence, with gains `norm_ih_l{k}` and
        `norm_hh_l{k}`, and the cell state, with `norm_c_l{k}` and `norm_c_bias_l{k}`.
    hard_sigmoid : bool
        Make the gates piecewise linear.
    cell_clip : float, optional
        Largest absolute value of a cell state.
    recurrent_dropout : float
        Share of the recurrent connection dropped in training, one mask for each sequence.
    recurrent_dropout_at : {"hidden", "candidate"}
        What is dropped: h as the gates see it, or the candidate g.
    weight_drop : float
        Share of the recurrent weights dropped in training, one mask for each call.
    zoneout : float or pair of float
        Share of cells and outputs that keep their value in a step of training; in evaluation the
        expectation. A pair is for c, then h.
    recompute : {False, True, "sqrt"}
        Spend time to save memory in training: compute the gates again in the backward pass, or all
        states but every √T-th, for sequences that would not fit.
    backend : str
        What computes: ``"auto"`` for the first that can, or a name from `cellstate doctor`.

    Raises
    ------
    InputError, ArgumentTypeError
        An argument is out of range or of the wrong type.

    Warns
    -----
    UserWarning
        Dropout is asked for with a single layer, where there is nothing between layers.

    Examples
    --------
    >>> import torch
    >>> layer = LSTM(3, 4, num_layers=2, batch_first=True)
    >>> y, (h, c) = layer(torch.zeros(2, 5, 3))
    >>> y.shape, h.shape
    (torch.Size([2, 5, 4]), torch.Size([2, 2, 4]))

    Sequences of different lengths need no packing:

    >>> y, (h, c) = layer(torch.ones(2, 5, 3), lengths=[5, 2])
    >>> bool((y[1, 2:] == 0).all()), bool((h[-1, 1] == y[1, 1]).all())
    (True, True)
    """

    forget_bias: ForgetBias
    initial_h: nn.Parameter | None
    initial_c: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
        *,
        learn_initial_state: bool = False,
        forget_bias: ForgetBias = None,
        chrono_max_steps: int | None = None,
        peephole: bool = False,
        coupled: bool = False,
        layer_norm: bool = False,
        hard_sigmoid: bool = False,
        cell_clip: float | None = None,
        recurrent_dropout: float = 0.0,
        recurrent_dropout_at: DroppedAt = "hidden",
        weight_drop: float = 0.0,
        zoneout: float | tuple[float, float] = 0.0,
        recompute: Recompute = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        options.check_sizes(input_size, hidden_size, num_layers, proj_size)
        options.check_flags(bias=bias, batch_first=batch_first)
        check_name("LSTM", backend)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = checks.check_rate("LSTM", dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.learn_initial_state = learn_initial_state
        self.forget_bias = options.check_forget_bias(forget_bias, chrono_max_steps, bias=bias)
        self.chrono_max_steps = chrono_max_steps
        self.variant = options.make_variant(
            peephole=peephole,
            coupled=coupled,
            layer_norm=layer_norm,
            hard_sigmoid=hard_sigmoid,
            cell_clip=cell_clip,
            recurrent_dropout=recurrent_dropout,
            recurrent_dropout_at=recurrent_dropout_at,
            zoneout=zoneout,
        )
        self.weight_drop = check_share("LSTM", "weight_drop", weight_drop)
        self.recompute: Recompute = checks.check_recompute("LSTM", recompute)
        self.backend = backend
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
                stacklevel=2,
            )
        self._make_parameters(device, dtype)
        self.flatten_parameters()
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _state_sizes(self) -> tuple[int, int]:
        """Give the sizes of h and c: P and H."""
        return self.proj_size or self.hidden_size, self.hidden_size

    def _make_parameters(
        self, device: torch.device | str | int | None, dtype: torch.dtype | None
    ) -> None:
        """Register the parameters in torch's order and under torch's names, then our own."""
        variant, (output_size, cell_size) = self.variant, self._state_sizes
        gates = variant.gates * cell_size
        self._names: list[tuple[str | None, ...]] = []
        for layer in range(self.num_layers):
            inputs = self.input_size if layer == 0 else output_size * self._directions
            sizes: dict[str, tuple[int, ...]] = {
                "weight_ih": (gates, inputs),
                "weight_hh": (gates, output_size),
            }
            if self.bias:
                sizes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
            if self.proj_size:
                sizes["weight_hr"] = (self.proj_size, self.hidden_size)
            if variant.peephole:
                sizes["weight_ch"] = (variant.peepholes * cell_size,)
            if variant.layer_norm:
                sizes |= {"norm_ih": (gates,), "norm_hh": (gates,)}
                sizes |= {"norm_c": (cell_size,), "norm_c_bias": (cell_size,)}
            for suffix in ("", "_reverse")[: self._directions]:
                for name, size in sizes.items():
                    parameter = nn.Parameter(torch.empty(size, device=device, dtype=dtype))
                    self.register_parameter(f"{name}_l{layer}{suffix}", parameter)
                self._names.append(
                    tuple(
                        f"{name}_l{layer}{suffix}" if name in sizes else None
                        for name in CellWeights._fields
                    )
                )
        for name, size in (("initial_h", output_size), ("initial_c", cell_size)):
            shape = (self.num_layers * self._directions, size)
            self.register_parameter(
                name,
                nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                if self.learn_initial_state
                else None,
            )

    def reset_parameters(self) -> None:
        """Draw the parameters anew; equal seeds give those of `torch.nn.LSTM`."""
        cells = self._weights()
        initial.fill_uniform((t for cell in cells for t in cell if t is not None), self.hidden_size)
        for cell in cells:
            initial.fill_norms(cell)
            if self.forget_bias is not None:
                initial.fill_gate_biases(cell, self.forget_bias, self.chrono_max_steps or 0)
        for parameter in (self.initial_h, self.initial_c):
            if parameter is not None:
                nn.init.zeros_(parameter)

    def _weights(self) -> tuple[CellWeights, ...]:
        """Look the parameters up by name, as they are now: they may be replaced at any time."""
        return tuple(CellWeights(*map(self._parameter, names)) for names in self._names)

    def _parameter(self, name: str | None) -> Any:
        if name is None:
            return None
        # Where torch keeps parameters, unless something computes this one from others.
        found = self._parameters.get(name)
        return getattr(self, name) if found is None else found

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names if name] for names in self._names]

    def flatten_parameters(self) -> None:
        """Lay the parameters side by side in memory, as cuDNN wants them; elsewhere do nothing."""
        if self.variant != PLAIN:  # which cuDNN does not have
            return
        cudnn.flatten(
            [weight for cell in self.all_weights for weight in cell],
            per_cell=len(self.all_weights[0]),
            input_size=self.input_size,
            hidden_size=self.hidden_size,
            proj_size=self.proj_size,
            layers=self.num_layers,
            directions=self._directions,
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Flatten again after a move to another device or dtype."""
        super()._apply(fn, recurse)
        self.flatten_parameters()
        return self

    @overload
    def forward(
        self,
        input: Tensor,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        lengths: Tensor | Sequence[int] | int | None = None,
        reset: Tensor | None = None,
        trace: Literal[False] = False,
    ) -> tuple[Tensor, LSTMState]: ...

    @overload
    def forward(
        self,
        input: Tensor,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        lengths: Tensor | Sequence[int] | int | None = None,
        reset: Tensor | None = None,
        trace: Literal[True],
    ) -> tuple[Tensor, LSTMState, LSTMTrace]: ...

    @overload
    def forward(
        self,
        input: PackedSequence,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        trace: Literal[False] = False,
    ) -> tuple[PackedSequence, LSTMState]: ...

    @overload
    def forward(
        self,
        input: PackedSequence,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        trace: Literal[True],
    ) -> tuple[PackedSequence, LSTMState, LSTMTrace]: ...

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        lengths: Tensor | Sequence[int] | int | None = None,
        reset: Tensor | None = None,
        trace: bool = False,
    ) -> Any:
        """Run over sequences.

        Parameters
        ----------
        input : Tensor or PackedSequence
            (time, batch, I), (batch, time, I) with `batch_first`, (time, I) for one sequence, or
            packed.
        hx : pair of Tensor, optional
            State (h_0, c_0) before the first step, (L·D, batch, P) and (L·D, batch, H), without the
            batch axis for one sequence. By default zero, or the learned initial state.
        lengths : tensor or sequence of int, optional
            Valid steps of each row, zero allowed; one integer for one sequence. Outputs beyond are
            zero, final states are those at the length (the initial state for zero), the reverse
            direction runs over the valid steps.
        reset : Tensor, optional
            Bool mask in the layout of the input's first two axes. Before a marked step the state
            becomes zero, or the learned initial state, in each direction before that direction
            takes the step. In the padding it does nothing.
        trace : bool
            Return gates and cell states too.

        Returns
        -------
        output : Tensor or PackedSequence
            (time, batch, D·P) in the input's form.
        state : LSTMState
            (h_n, c_n), in the form of `hx`.
        trace : LSTMTrace
            Only with ``trace=True``: i, f, g, o and c, each (L, D, time, batch, H), with time and
            batch as in the input; padded, in the order before packing, for packed input.

        Raises
        ------
        ShapeError, ArgumentTypeError, InputError
            An argument has the wrong shape, dtype, device, type or values, or the backend that was
            named cannot run the call.

        Notes
        -----
        `torch.compile` and `torch.export` see the whole call as one node, whatever the number of
        steps; a `PackedSequence` breaks the graph.
        """
        run_form = self._run_packed if isinstance(input, PackedSequence) else self._run
        return run_form(input, hx, lengths, reset, trace)

    def _run(
        self, given: Any, hx: tuple[Tensor, Tensor] | None, lengths: Any, reset: Any, trace: bool
    ) -> Any:
        form = sequences.read(
            "LSTM",
            given,
            features=self.input_size,
            batch_first=self.batch_first,
            lengths=lengths,
            reset=reset,
        )
        weights = self._weights()
        checks.check_like("LSTM", "the parameters", weights[0].weight_ih, form.x)
        state = sequences.read_state("LSTM", hx, form, len(weights), self._state_sizes)
        start = None
        if self.initial_h is not None and self.initial_c is not None:
            start = LSTMState(self.initial_h, self.initial_c)
        batch = form.x.shape[1]
        if state is None and start is not None:
            state = LSTMState(*(s[:, None].expand(-1, batch, -1) for s in start))
        elif state is None:
            state = zero_state(form.x, len(weights), batch, *self._state_sizes)
        result = run(
            Operands(
                form.x,
                state,
                weights,
                form.lengths,
                form.reset,
                None if form.reset is None else start,
                self._keys(),
            ),
            directions=self._directions,
            dropout=self.dropout if self.training else 0.0,
            variant=self.variant,
            weight_drop=self.weight_drop,
            trace=trace,
            recompute=self.recompute,
            backend=self.backend,
        )
        answer = sequences.write(result, form, batch_first=self.batch_first)
        return answer if trace else answer[:2]

    # How many rows there are at each step is data, which no graph knows.
    _run_packed = outside_graphs(_run)

    def _keys(self) -> Tensor | None:
        """Draw the keys of the masks of one call in training, from torch's generator."""
        if not self.training or not (self.variant.draws or self.weight_drop):
            return None
        return draw_keys(self.num_layers * self._directions)

    def quantize(self, stored: Stored) -> QuantizedLSTM:
        """Give the layer for inference with weights in fewer bits, half or a quarter of the bytes.

        Parameters
        ----------
        stored : {"bf16", "int8"}
            bfloat16, or whole numbers with a scale for each row. Biases, states and arithmetic stay
            float32.

        Returns
        -------
        QuantizedLSTM
            A new module with the same call, without `trace`; this layer is left as it is.

        Raises
        ------
        InputError
            `stored` is unknown, or the weights are not float32, or not finite.
        """
        from cellstate.nn.quantized import QuantizedLSTM

        return QuantizedLSTM(self, stored)

    def extra_repr(self) -> str:
        """Show the sizes, and what differs from the defaults."""
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
            "learn_initial_state": False,
            "forget_bias": None,
            "chrono_max_steps": None,
            "weight_drop": 0,
            "recompute": False,
            "backend": "auto",
        }
        shown = {name: getattr(self, name) for name in defaults}
        options = [f"{n}={v}" for n, v in shown.items() if v != defaults[n]]
        options += [str(self.variant)] if self.variant != PLAIN else []
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *options])
