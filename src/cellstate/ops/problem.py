"""What a recurrence is made of: its operands, the facts about them, and what can run it.

Axes: T time, B batch, I input, H hidden, G = 4H gates, P what a layer puts out (the projection's
size, or H without one), L layers, D directions. States and weights of a stack are ordered layer by
layer, forward before reverse, as in `torch.nn.LSTM`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad

from cellstate.ops.variant import PLAIN, Variant

Recompute = Literal[False, True, "sqrt"]
"""What the backward pass computes again: nothing, the gates, or all states but every √T-th."""


class LSTMState(NamedTuple):
    """The memory of a stack between two steps: h (L·D, B, P) and c (L·D, B, H)."""

    h: Tensor
    c: Tensor


class LSTMTrace(NamedTuple):
    """What each cell did at each step: gate activations and cell states, each (L, D, T, B, H).

    `i`, `f` and `o` lie in (0, 1), `g` in (-1, 1); `c` is the cell state after the step. Padding
    holds zeros.
    """

    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    c: Tensor


class LSTMResult(NamedTuple):
    """Outputs (T, B, D·P), the state after the last step, and the trace if it was asked for."""

    y: Tensor
    state: LSTMState
    trace: LSTMTrace | None


class CellWeights(NamedTuple):
    """The parameters of one layer in one direction, with the names of `torch.nn.LSTM`.

    `weight_ih` (4H, I), `weight_hh` (4H, P), `bias_ih` and `bias_hh` (4H,) or None, `weight_hr`
    (P, H) or None. Gates are stacked in the order i, f, g, o; with coupled gates i is missing.

    With peepholes `weight_ch` (3H,), for i, f, o, or f, o. With layer norm the gains `norm_ih` and
    `norm_hh` (4H,) and `norm_c` (H,), and `norm_c_bias` (H,).
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    weight_hr: Tensor | None = None
    weight_ch: Tensor | None = None
    norm_ih: Tensor | None = None
    norm_hh: Tensor | None = None
    norm_c: Tensor | None = None
    norm_c_bias: Tensor | None = None

    @property
    def hidden_size(self) -> int:
        """Units H."""
        return (self.weight_hh if self.weight_hr is None else self.weight_hr).shape[1]


@dataclass(frozen=True, slots=True)
class Operands:
    """Everything that a backend reads, checked already.

    Parameters
    ----------
    x : Tensor
        Input (T, B, I).
    state : LSTMState
        State before the first step.
    weights : tuple of CellWeights
        L·D cells.
    lengths : Tensor, optional
        Valid steps of each row, (B,) int64 on the CPU, each in 0 … T.
    reset : Tensor, optional
        (T, B) bool on the device of `x`: where the state starts anew before the step.
    start : LSTMState, optional
        What the state becomes there, h (L·D, P) and c (L·D, H); zero without it.
    keys : Tensor, optional
        For each cell the key of its random masks, (L·D,) int64 on the CPU; without keys nothing is
        drawn, as in evaluation.
    """

    x: Tensor
    state: LSTMState
    weights: tuple[CellWeights, ...]
    lengths: Tensor | None = None
    reset: Tensor | None = None
    start: LSTMState | None = None
    keys: Tensor | None = None

    def tensors(self) -> tuple[Tensor | None, ...]:
        """List the differentiable tensors, in the order that `of_tensors` takes."""
        start = (None, None) if self.start is None else self.start
        return (self.x, *self.state, *start, *(t for cell in self.weights for t in cell))

    @classmethod
    def of_tensors(
        cls,
        tensors: Sequence[Tensor | None],
        *,
        lengths: Tensor | None,
        reset: Tensor | None,
        keys: Tensor | None = None,
    ) -> Operands:
        """Build operands from what `tensors` lists and from what has no gradient."""
        x, h, c, start_h, start_c, *flat = cast("Sequence[Any]", tensors)
        start = None if start_h is None else LSTMState(start_h, start_c)
        width = len(CellWeights._fields)
        cells = (CellWeights(*flat[k : k + width]) for k in range(0, len(flat), width))
        return cls(x, LSTMState(h, c), tuple(cells), lengths, reset, start, keys)

    def with_tensors(self, tensors: Sequence[Tensor | None]) -> Operands:
        """Exchange the differentiable tensors, in the order of `tensors`."""
        return self.of_tensors(tensors, lengths=self.lengths, reset=self.reset, keys=self.keys)

    def layer(self, x: Tensor, first: int, end: int) -> Operands:
        """Keep the cells `first` … `end - 1`, with `x` as their input."""
        cut = slice(first, end)
        start = None if self.start is None else LSTMState(*(s[cut] for s in self.start))
        state = LSTMState(*(s[cut] for s in self.state))
        keys = None if self.keys is None else self.keys[cut]
        return Operands(x, state, self.weights[cut], self.lengths, self.reset, start, keys)


class Request(NamedTuple):
    """What is asked of a run, beside its operands; `backend` is a name or ``"auto"``."""

    directions: int
    trace: bool
    recompute: Recompute
    backend: str
    variant: Variant = PLAIN

    def facts(self) -> dict[str, Any]:
        """Give what `Problem.of` wants."""
        return {
            "directions": self.directions,
            "trace": self.trace,
            "recompute": self.recompute,
            "variant": self.variant,
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """The facts by which a backend is chosen; sizes as in this module's head.

    `traced` says that torch works on top of the call: a transform of `torch.func`, forward-mode
    differentiation, or tensors that stand for others.
    """

    device: str
    dtype: torch.dtype
    steps: int
    batch: int
    input_size: int
    hidden_size: int
    proj_size: int = 0
    layers: int = 1
    directions: int = 1
    bias: bool = True
    lengths: bool = False
    reset: bool = False
    trace: bool = False
    needs_grad: bool = False
    traced: bool = False
    recompute: Recompute = False
    variant: Variant = PLAIN

    @property
    def output_size(self) -> int:
        """What a cell puts out: P."""
        return self.proj_size or self.hidden_size

    @classmethod
    def of(
        cls,
        operands: Operands,
        *,
        directions: int,
        trace: bool,
        recompute: Recompute = False,
        variant: Variant = PLAIN,
    ) -> Problem:
        """Read the facts off the operands."""
        x = operands.x
        steps, batch, input_size = x.shape
        cell = operands.weights[0]
        return cls(
            device=x.device.type,
            dtype=x.dtype,
            steps=steps,
            batch=batch,
            input_size=input_size,
            hidden_size=cell.hidden_size,
            proj_size=0 if cell.weight_hr is None else cell.weight_hr.shape[0],
            layers=len(operands.weights) // directions,
            directions=directions,
            bias=cell.bias_ih is not None,
            lengths=operands.lengths is not None,
            reset=operands.reset is not None,
            trace=trace,
            traced=is_transformed() or _stand_for_others(operands),
            recompute=recompute,
            variant=variant,
            needs_grad=torch.is_grad_enabled()
            and any(t is not None and t.requires_grad for t in operands.tensors()),
        )


def is_transformed() -> bool:
    """Say whether a transform of `torch.func` or forward-mode differentiation is under way.

    There more is wanted of the operands than their values.
    """
    depth: int = torch._C._functorch.get_dynamic_layer_stack_depth()  # pyright: ignore
    return depth > 0 or forward_ad._current_level >= 0  # pyright: ignore


def _stand_for_others(operands: Operands) -> bool:
    """Say whether the operands have no plain memory, as fake tensors have none."""
    given = (operands.x, operands.state.c, operands.weights[0].weight_hh)
    return any(type(t) is not Tensor and type(t) is not torch.nn.Parameter for t in given)


class Forward(NamedTuple):
    """What a backend's forward pass gives: the result, and what its backward pass wants back."""

    result: LSTMResult
    saved: tuple[Tensor, ...] = ()


class Cotangents(NamedTuple):
    """Gradients of a scalar with respect to a result; no trace where none was asked for or used."""

    y: Tensor
    state: LSTMState
    trace: LSTMTrace | None


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to run the recurrence.

    Parameters
    ----------
    name : str
        What a user types to ask for it.
    why_not : callable
        `why_not(problem)` says in one sentence why this backend cannot run the problem, or None.
    forward : callable
        `forward(problem, operands)`. Without a `backward` it must leave its work to autograd.
    backward : callable, optional
        `backward(problem, operands, saved, cotangents)` gives one gradient, or None where it is not
        wanted (the operand's `requires_grad` is False), for each of `operands.tensors()`. Where
        it is given, `forward` runs outside autograd.
    step : callable, optional
        A quicker `forward` for a single time step without gradient.
    saved : callable, optional
        `saved(problem)` gives the sizes of what `forward` saves, None for the result's `y`, before
        anything is run; None in all where they cannot be told. A captured graph needs to know.
    exact_rows : bool
        Each row's sums are added in one order, whatever the batch: a row's result is bitwise the
        same in any company.
    """

    name: str
    why_not: Callable[[Problem], str | None]
    forward: Callable[[Problem, Operands], Forward]
    backward: (
        Callable[
            [Problem, Operands, tuple[Tensor, ...], Cotangents],
            tuple[Tensor | None, ...],
        ]
        | None
    ) = None
    step: Callable[[Problem, Operands], Forward] | None = None
    saved: Callable[[Problem], tuple[tuple[int, ...] | None, ...] | None] | None = None
    exact_rows: bool = False
