"""The recurrence as operators of torch, for what captures a program as a graph.

`torch.compile` and `torch.export` see one node each for the forward and the backward pass. What
runs there is chosen and run at run time as without a graph; looked into, a loop over time would be
unrolled. Eager calls do not come here: an operator costs more than a call.

- `cellstate::lstm` gives [y, h, c, the trace's five if asked for, what is kept for the backward
  pass].
- `cellstate::lstm_backward` gives the gradient of each operand that wants one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import torch
from torch import Tensor
from torch.utils import _pytree

from cellstate.ops import autograd
from cellstate.ops.backends import select
from cellstate.ops.operators import define
from cellstate.ops.problem import (
    Backend,
    LSTMResult,
    LSTMState,
    LSTMTrace,
    Operands,
    Problem,
    Recompute,
    Request,
)
from cellstate.ops.variant import Variant

P = ParamSpec("P")
R = TypeVar("R")


def outside_graphs(function: Callable[P, R]) -> Callable[P, R]:
    """Have `torch.compile` break its graph at a function instead of tracing it.

    `torch.compiler.disable` as a decorator would do, but it imports the compiler, seconds that most
    programs never need.
    """

    @wraps(function)
    def outside(*args: P.args, **kwargs: P.kwargs) -> R:
        if torch.compiler.is_compiling():
            disabled = cast("Callable[P, R]", torch.compiler.disable(function))  # pyright: ignore
            return disabled(*args, **kwargs)
        return function(*args, **kwargs)

    return outside


class Options(NamedTuple):
    """What a call says beside its operands, in types that an operator takes.

    `present` says which of the operands there are. `keeps` names the backend that keeps something
    for a backward pass of its own; it is empty where nothing is kept, and then the backward pass
    runs forward once more.
    """

    present: list[bool]
    directions: int
    trace: bool
    recompute: str
    backend: str
    keeps: str
    peephole: bool = False
    coupled: bool = False
    layer_norm: bool = False
    hard_sigmoid: bool = False
    cell_clip: float | None = None
    recurrent_dropout: float = 0.0
    dropped_at: str = "hidden"
    zoneout_c: float = 0.0
    zoneout_h: float = 0.0

    @property
    def variant(self) -> Variant:
        """How the cells depart from the plain one."""
        first = self._fields.index("peephole")
        return Variant(*self[first:])  # pyright: ignore[reportArgumentType]

    @property
    def outputs(self) -> int:
        """How many tensors the result has."""
        return 3 + self.trace * len(LSTMTrace._fields)


_OPTIONS = (
    "bool[] present, int directions, bool trace, str recompute, str backend, str keeps, "
    "bool peephole, bool coupled, bool layer_norm, bool hard_sigmoid, float? cell_clip, "
    "float recurrent_dropout, str dropped_at, float zoneout_c, float zoneout_h"
)
_RECOMPUTE: dict[str, Recompute] = {"nothing": False, "gates": True, "sqrt": "sqrt"}


def run(operands: Operands, request: Request) -> LSTMResult:
    """Run operands that were checked, as a node of the graph that is being captured."""
    word = next(word for word, meaning in _RECOMPUTE.items() if meaning == request.recompute)
    tensors, variant = listed(operands), request.variant
    options = Options(
        [t is not None for t in tensors],
        request.directions,
        request.trace,
        word,
        request.backend,
        "",
        variant.peephole,
        variant.coupled,
        variant.layer_norm,
        variant.hard_sigmoid,
        variant.cell_clip,
        variant.recurrent_dropout,
        variant.dropped_at,
        variant.zoneout_c,
        variant.zoneout_h,
    )
    # An exported program runs without gradient as a rule, and must not pay for one.
    if not torch.compiler.is_exporting():
        options = options._replace(keeps=_keeping(operands, options))
    y, h, c, *rest = _forward_op([t for t in tensors if t is not None], *options)
    return LSTMResult(
        y, LSTMState(h, c), LSTMTrace(*rest[: options.outputs - 3]) if request.trace else None
    )


def listed(operands: Operands) -> list[Tensor | None]:
    """List operands, those without a gradient last; `_operands` reads those that are present."""
    return [*operands.tensors(), operands.lengths, operands.reset, operands.keys]


def _operands(given: Iterable[Tensor], options: Options) -> Operands:
    rest = iter(given)
    *tensors, lengths, reset, keys = [next(rest) if there else None for there in options.present]
    return Operands.of_tensors(tensors, lengths=lengths, reset=reset, keys=keys)


def _present(gradients: Sequence[Tensor | None], options: Options) -> list[Tensor | None]:
    """Keep the gradients of the operands there are; what comes last in the list has none."""
    full = [*gradients, *[None] * (len(options.present) - len(gradients))]
    return [t for t, there in zip(full, options.present, strict=True) if there]


def _problem(operands: Operands, options: Options, *, needs_grad: bool | None = None) -> Problem:
    problem = Problem.of(
        operands,
        directions=options.directions,
        trace=options.trace,
        recompute=_RECOMPUTE[options.recompute],
        variant=options.variant,
    )
    needs_grad = problem.needs_grad if needs_grad is None else needs_grad
    # Fake tensors stand for plain ones, and the backend is chosen for those.
    return replace(problem, traced=False, needs_grad=needs_grad)


def _keeping(operands: Operands, options: Options) -> str:
    """Name the backend that keeps something for the backward pass, empty if none does."""
    problem = _problem(operands, options)
    if not problem.needs_grad:
        return ""
    backend = select(options.backend, problem)
    return backend.name if backend.saved is not None and backend.saved(problem) else ""


def _forward(given: Sequence[Tensor], *rest: Any) -> list[Tensor]:
    """Run forward, on the backend that fits."""
    options = Options(*rest)
    operands = _operands(given, options)
    with torch.no_grad():
        problem = _problem(operands, options, needs_grad=bool(options.keeps))
        backend = select(options.keeps or options.backend, problem)
        if options.keeps:
            result, saved = backend.forward(problem, operands)
        else:
            result, saved = autograd.run(backend, problem, operands), ()
        outputs = [result.y, *result.state, *(result.trace or ())]
        # Kept tensors that are the result's own would be outputs twice.
        return _owned([*outputs, *(t for t in saved if t is not result.y)], given)


def _fake_forward(given: Sequence[Tensor], *rest: Any) -> list[Tensor]:
    """Say what `_forward` gives: sizes that may be symbols, no values."""
    options = Options(*rest)
    operands = _operands(given, options)
    problem = _problem(operands, options, needs_grad=bool(options.keeps))
    x, T, B = operands.x, problem.steps, problem.batch
    H, P = problem.hidden_size, problem.proj_size or problem.hidden_size
    L, D = problem.layers, problem.directions
    sizes: list[tuple[int, ...]] = [(T, B, D * P), (L * D, B, P), (L * D, B, H)]
    sizes += [(L, D, T, B, H)] * (options.outputs - len(sizes))
    return [x.new_empty(size) for size in (*sizes, *_saved(problem, options))]


def _saved(problem: Problem, options: Options) -> list[tuple[int, ...]]:
    """Give the sizes of what is kept beside the result."""
    if not options.keeps:
        return []
    backend = select(options.keeps, problem)
    assert backend.saved is not None
    return [size for size in backend.saved(problem) or () if size is not None]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    """Keep what the backward pass wants."""
    given, *rest = inputs
    ctx.options = Options(*rest)
    kept = output[ctx.options.outputs :]
    ctx.count = len(given)
    ctx.mark_non_differentiable(*kept)
    ctx.save_for_backward(*given, *(output[:1] if ctx.options.keeps else ()), *kept)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, gradients: list[Tensor | None]) -> tuple[Any, ...]:
    """Give the gradients of the operands: as a node too, unless differentiated again."""
    options: Options = ctx.options
    given, kept = list(ctx.saved_tensors[: ctx.count]), list(ctx.saved_tensors[ctx.count :])
    received, wanted = gradients[: options.outputs], list(ctx.needs_input_grad[0])
    found: list[Tensor | None]
    if torch.is_grad_enabled():
        operands = _operands(given, options)
        problem = _problem(operands, options)
        cotangents = autograd.cotangents(problem, operands, received)
        found = _present(autograd.reference_backward(problem, operands, cotangents), options)
    else:
        there = [t is not None for t in received]
        each = iter(
            _backward_op(
                given, kept, [t for t in received if t is not None], there, wanted, *options
            )
        )
        found = [next(each) if wants else None for wants in wanted]
    return found, *(None for _ in options)


def _backward(
    given: Sequence[Tensor],
    kept: Sequence[Tensor],
    received: Sequence[Tensor],
    there: Sequence[bool],
    wanted: Sequence[bool],
    *rest: Any,
) -> list[Tensor]:
    """Run backward, and forward once more where that kept nothing."""
    options = Options(*rest)
    # The very tensor where it may be had: packed weights are kept by it.
    operands = _operands(
        (
            t if t.requires_grad == wants else t.detach().requires_grad_(wants)
            for t, wants in zip(given, wanted, strict=True)
        ),
        options,
    )
    problem = _problem(operands, options, needs_grad=True)
    backend = select(options.keeps or options.backend, problem)
    each = iter(received)
    cotangents = autograd.cotangents(problem, operands, [next(each) if t else None for t in there])
    with torch.no_grad():
        if backend.backward is None:
            found = autograd.run_backward(backend.forward, problem, operands, cotangents)
        else:
            saved = (
                _refilled(backend, problem, kept)
                if options.keeps
                else backend.forward(problem, operands).saved
            )
            found = backend.backward(problem, operands, saved, cotangents)
    gradients = [
        torch.zeros_like(of) if gradient is None else gradient
        for gradient, of, wants in zip(_present(found, options), given, wanted, strict=True)
        if wants
    ]
    return _owned(gradients, [*given, *kept, *received])


def _fake_backward(
    given: Sequence[Tensor],
    kept: Sequence[Tensor],
    received: Sequence[Tensor],
    there: Sequence[bool],
    wanted: Sequence[bool],
    *rest: Any,
) -> list[Tensor]:
    """Say what `_backward` gives."""
    return [t.new_empty(t.shape) for t, wants in zip(given, wanted, strict=True) if wants]


def _refilled(backend: Backend, problem: Problem, kept: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Bring y, which comes first, back to its place among what the backend keeps."""
    assert backend.saved is not None
    y, *rest = kept
    each = iter(rest)
    return tuple(y if size is None else next(each) for size in backend.saved(problem) or ())


def _owned(found: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
    """Make tensors dense that share no memory with one another or with what was given.

    Each starts where its memory starts, as the fake ones do.
    """
    seen = {t.untyped_storage().data_ptr() for t in given}
    owned: list[Tensor] = []
    for tensor in found:
        dense = tensor.contiguous()
        if dense.storage_offset() or dense.untyped_storage().data_ptr() in seen:
            dense = dense.clone(memory_format=torch.contiguous_format)
        seen.add(dense.untyped_storage().data_ptr())
        owned.append(dense)
    return owned


_forward_op = define(
    "lstm", f"(Tensor[] operands, {_OPTIONS}) -> Tensor[]", _forward, _fake_forward
)
_backward_op = define(
    "lstm_backward",
    "(Tensor[] operands, Tensor[] kept, Tensor[] received, bool[] there, bool[] wanted, "
    f"{_OPTIONS}) -> Tensor[]",
    _backward,
    _fake_backward,
)
torch.library.register_autograd("cellstate::lstm", _differentiate, setup_context=_remember)

# So that an exported program that returns one of them can be saved.
for _kind in (LSTMState, LSTMTrace, LSTMResult):
    _pytree._register_namedtuple(  # pyright: ignore[reportPrivateUsage]
        _kind, serialized_type_name=f"cellstate.ops.{_kind.__name__}"
    )
