"""The one autograd formula for every backend that brings its own backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import Function

from cellstate.ops import reference
from cellstate.ops.problem import (
    Backend,
    Cotangents,
    Forward,
    LSTMResult,
    LSTMState,
    LSTMTrace,
    Operands,
    Problem,
)


def run(backend: Backend, problem: Problem, operands: Operands) -> LSTMResult:
    """Run a backend so that its result carries a gradient where one is wanted."""
    if problem.steps == 1 and not problem.needs_grad and backend.step is not None:
        return backend.step(problem, operands).result
    if backend.backward is None or not problem.needs_grad:
        return backend.forward(problem, operands).result
    y, h, c, *trace = _recurrence(backend, problem, operands, *operands.tensors())
    return LSTMResult(y, LSTMState(h, c), LSTMTrace(*trace) if trace else None)


class _Recurrence(Function):
    """Forward and backward of a backend, as torch's autograd wants them."""

    @staticmethod
    def forward(
        ctx: Any, backend: Backend, problem: Problem, operands: Operands, *tensors: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Run the backend's forward pass and keep what its backward pass wants."""
        (y, state, trace), saved = backend.forward(problem, operands)
        ctx.backend, ctx.problem, ctx.count = backend, problem, len(tensors)
        plain = operands.lengths, operands.reset, operands.keys
        ctx.save_for_backward(*tensors, *plain, *saved)
        ctx.set_materialize_grads(False)
        return (y, *state, *(trace or ()))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Run the backend's backward pass, or the reference's where it is differentiated again."""
        kept = cast("tuple[Tensor | None, ...]", ctx.saved_tensors)
        lengths, reset, keys = kept[ctx.count : ctx.count + 3]
        operands = Operands.of_tensors(kept[: ctx.count], lengths=lengths, reset=reset, keys=keys)
        received = cotangents(ctx.problem, operands, gradients)
        if torch.is_grad_enabled():
            found = reference_backward(ctx.problem, operands, received)
        else:
            found = ctx.backend.backward(ctx.problem, operands, kept[ctx.count + 3 :], received)
        return (None, None, None, *found)


_recurrence = cast("Callable[..., tuple[Tensor, ...]]", _Recurrence.apply)


def cotangents(
    problem: Problem, operands: Operands, gradients: Sequence[Tensor | None]
) -> Cotangents:
    """Give zeros for outputs that nobody used; no trace where nobody used any of it."""
    x, state = operands.x, operands.state
    y, h, c, *trace = gradients
    if y is None:
        width = problem.directions * (problem.proj_size or problem.hidden_size)
        y = x.new_zeros((problem.steps, problem.batch, width))
    h = torch.zeros_like(state.h) if h is None else h
    c = torch.zeros_like(state.c) if c is None else c
    if all(gradient is None for gradient in trace):
        return Cotangents(y, LSTMState(h, c), None)
    sizes = (problem.layers, problem.directions, problem.steps, problem.batch, problem.hidden_size)
    filled = (x.new_zeros(sizes) if gradient is None else gradient for gradient in trace)
    return Cotangents(y, LSTMState(h, c), LSTMTrace(*filled))


def reference_backward(
    problem: Problem, operands: Operands, cotangents: Cotangents
) -> tuple[Tensor | None, ...]:
    """Differentiate the reference, as `run_backward` does."""
    return run_backward(reference.forward, problem, operands, cotangents)


def run_backward(
    forward: Callable[[Problem, Operands], Forward],
    problem: Problem,
    operands: Operands,
    cotangents: Cotangents,
) -> tuple[Tensor | None, ...]:
    """Run a forward pass that leaves its gradient to autograd, and differentiate it.

    In grad mode the gradients carry a gradient themselves, with respect to operands and cotangents.

    Returns
    -------
    tuple of Tensor or None
        One gradient for each of `operands.tensors()`, None where none is wanted.
    """
    differentiate_again = torch.is_grad_enabled()
    with torch.enable_grad():
        # Aliases, so that a tensor that serves as two operands gets its share from each.
        tensors = [
            t.view_as(t) if t is not None and t.requires_grad else t for t in operands.tensors()
        ]
        again = operands.with_tensors(tensors)
        result = forward(problem, again).result
    outputs = [result.y, *result.state]
    gradients = [cotangents.y, *cotangents.state]
    if result.trace is not None and cotangents.trace is not None:
        outputs += result.trace
        gradients += cotangents.trace
    used = [(o, g) for o, g in zip(outputs, gradients, strict=True) if o.requires_grad]
    wanted = [t for t in tensors if t is not None and t.requires_grad]
    found = iter(
        torch.autograd.grad(
            [output for output, _ in used],
            wanted,
            [gradient for _, gradient in used],
            create_graph=differentiate_again,
            allow_unused=True,
        )
    )
    return tuple(next(found) if t is not None and t.requires_grad else None for t in tensors)
