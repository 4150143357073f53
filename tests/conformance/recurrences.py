"""Recurrences of every shape that a backend must get right, with random operands."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cellstate.ops import autograd
from cellstate.ops.backends import BACKENDS
from cellstate.ops.problem import (
    Backend,
    CellWeights,
    LSTMResult,
    LSTMState,
    Operands,
    Problem,
    Recompute,
)
from cellstate.ops.variant import PLAIN, Variant

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


@dataclass(frozen=True)
class Case:
    """Sizes and options of one recurrence."""

    T: int
    B: int
    I: int
    H: int
    L: int = 1
    D: int = 1
    P: int = 0
    bias: bool = True
    lengths: tuple[int, ...] | None = None
    reset: bool = False
    start: bool = False
    trace: bool = False
    strided: bool = False  # no operand is contiguous
    recompute: Recompute = False
    variant: Variant = PLAIN
    draws: bool = False  # in training, where masks are drawn

    def __str__(self) -> str:
        sizes = f"T{self.T}-B{self.B}-I{self.I}-H{self.H}"
        options = [f"L{self.L}"] * (self.L > 1) + [f"D{self.D}"] * (self.D > 1)
        options += [f"P{self.P}"] * (self.P > 0) + ["nobias"] * (not self.bias)
        options += [
            n for n in ("lengths", "reset", "start", "trace", "strided") if getattr(self, n)
        ]
        options += [f"recompute {self.recompute}"] * (self.recompute is not False)
        options += [str(self.variant)] * (self.variant != PLAIN) + ["draws"] * self.draws
        return "-".join([sizes, *options])

    def problem(self, dtype: torch.dtype, device: str, *, needs_grad: bool = True) -> Problem:
        return Problem(
            device=device,
            dtype=dtype,
            steps=self.T,
            batch=self.B,
            input_size=self.I,
            hidden_size=self.H,
            proj_size=self.P,
            layers=self.L,
            directions=self.D,
            bias=self.bias,
            lengths=self.lengths is not None,
            reset=self.reset,
            trace=self.trace,
            needs_grad=needs_grad,
            recompute=self.recompute,
            variant=self.variant,
        )

    def operands(self, dtype: torch.dtype, device: str = "cpu", seed: int = 0) -> Operands:
        """Draw operands, equal for equal seeds whatever the dtype (but for its rounding)."""
        generator = torch.Generator().manual_seed(seed)
        out = self.P or self.H

        def draw(*sizes: int, scale: float = 1.0, mean: float = 0.0) -> Tensor:
            values = torch.randn(sizes, generator=generator, dtype=torch.float64) * scale + mean
            values = values.to(device, dtype)
            if not self.strided:
                return values
            wide = torch.full((*sizes, 2), torch.nan, device=device, dtype=dtype)
            wide[..., 0] = values
            return wide[..., 0]

        def cell(inputs: int) -> CellWeights:
            scale = (3 * self.H) ** -0.5  # the spread of torch's own start
            gates, normed = self.variant.gates * self.H, self.variant.layer_norm
            return CellWeights(
                draw(gates, inputs, scale=scale),
                draw(gates, out, scale=scale),
                draw(gates, scale=scale) if self.bias else None,
                draw(gates, scale=scale) if self.bias else None,
                draw(self.P, self.H, scale=scale) if self.P else None,
                draw(self.variant.peepholes * self.H, scale=scale)
                if self.variant.peephole
                else None,
                draw(gates, scale=0.2, mean=1) if normed else None,
                draw(gates, scale=0.2, mean=1) if normed else None,
                draw(self.H, scale=0.2, mean=1) if normed else None,
                draw(self.H, scale=0.2) if normed else None,
            )

        cells = self.L * self.D
        mask = torch.rand((self.T, self.B), generator=generator) < 0.3
        return Operands(
            x=draw(self.T, self.B, self.I),
            state=LSTMState(draw(cells, self.B, out), draw(cells, self.B, self.H)),
            weights=tuple(
                cell(self.I if k < self.D else self.D * out) for k in range(self.L * self.D)
            ),
            lengths=None if self.lengths is None else torch.tensor(self.lengths, dtype=torch.int64),
            reset=mask.to(device) if self.reset else None,
            start=LSTMState(draw(cells, out), draw(cells, self.H)) if self.start else None,
            keys=torch.arange(cells) * 2**30 + seed if self.draws else None,
        )


SHAPES = (
    Case(1, 1, 1, 1),
    Case(1, 3, 5, 33),
    Case(2, 3, 7, 32),
    Case(33, 1, 3, 7),
    Case(33, 3, 33, 32),
)
OPTIONS = (
    Case(5, 3, 4, 7, L=3),
    Case(5, 3, 4, 7, D=2),
    Case(9, 3, 2, 7, L=2, D=2, strided=True),
    Case(5, 3, 4, 7, L=2, D=2, P=3),
    Case(5, 3, 4, 7, P=3, bias=False),
    Case(5, 3, 4, 7, L=2, bias=False),
    Case(5, 3, 4, 33, L=2, strided=True),
    Case(5, 3, 4, 7, lengths=(5, 0, 3)),
    Case(5, 3, 4, 7, L=2, D=2, lengths=(2, 5, 1)),
    Case(5, 3, 4, 7, L=2, D=2, P=2, lengths=(0, 0, 4), strided=True),
    Case(5, 2, 4, 7, D=2, lengths=(0, 0)),
    Case(5, 3, 4, 7, reset=True),
    Case(5, 3, 4, 7, L=2, D=2, reset=True, start=True, lengths=(2, 5, 0)),
    Case(5, 3, 4, 7, L=2, trace=True),
    Case(11, 3, 4, 7, L=2, recompute=True),
    Case(11, 3, 4, 7, L=2, recompute="sqrt"),
    Case(11, 3, 4, 7, D=2, P=3, reset=True, start=True, lengths=(2, 11, 7), recompute=True),
    Case(11, 3, 4, 7, D=2, P=3, reset=True, start=True, lengths=(2, 11, 0), recompute="sqrt"),
    Case(10, 3, 4, 7, L=2, D=2, lengths=(5, 10, 6), trace=True, recompute=True),
    Case(10, 3, 4, 7, L=2, D=2, lengths=(5, 10, 6), trace=True, recompute="sqrt"),
    Case(5, 3, 4, 7, L=2, D=2, P=3, reset=True, start=True, trace=True, lengths=(3, 5, 0)),
)
ALL = Variant(
    peephole=True,
    coupled=True,
    layer_norm=True,
    hard_sigmoid=True,
    cell_clip=0.7,
    recurrent_dropout=0.3,
    zoneout_c=0.3,
    zoneout_h=0.2,
)
VARIANTS = (
    Case(9, 3, 4, 7, variant=Variant(peephole=True)),
    Case(33, 3, 33, 32, variant=Variant(peephole=True), trace=True),
    Case(9, 3, 4, 7, D=2, variant=Variant(coupled=True)),
    Case(5, 3, 4, 33, variant=Variant(coupled=True, peephole=True), bias=False, trace=True),
    Case(9, 3, 4, 7, variant=Variant(layer_norm=True)),
    Case(5, 3, 4, 33, L=2, D=2, variant=Variant(layer_norm=True), lengths=(2, 5, 0)),
    Case(5, 20, 4, 7, P=3, variant=Variant(layer_norm=True, coupled=True), bias=False),
    Case(9, 3, 4, 7, variant=Variant(hard_sigmoid=True)),
    Case(9, 3, 4, 7, variant=Variant(cell_clip=0.5)),
    Case(9, 3, 4, 7, L=2, variant=Variant(recurrent_dropout=0.4), draws=True),
    Case(9, 3, 4, 7, P=3, variant=Variant(recurrent_dropout=0.4), draws=True),
    Case(9, 3, 4, 33, variant=Variant(recurrent_dropout=0.4, dropped_at="candidate"), draws=True),
    Case(9, 3, 4, 7, variant=Variant(zoneout_c=0.3, zoneout_h=0.2)),
    Case(9, 3, 4, 33, L=2, D=2, variant=Variant(zoneout_c=0.3, zoneout_h=0.2), draws=True),
    Case(9, 3, 4, 7, variant=Variant(zoneout_h=0.5), draws=True, reset=True, start=True),
    Case(9, 3, 4, 7, P=3, variant=Variant(zoneout_c=0.3, zoneout_h=0.2), draws=True),
    Case(9, 3, 4, 7, P=7, variant=Variant(zoneout_c=0.3, zoneout_h=0.2), draws=True),
    Case(9, 3, 4, 33, variant=ALL, draws=True, strided=True),
    Case(9, 3, 4, 33, D=2, P=3, variant=ALL, reset=True, start=True, lengths=(9, 0, 4)),
    Case(11, 3, 4, 33, L=2, D=2, variant=ALL, draws=True, recompute=True, trace=True),
    Case(11, 3, 4, 33, P=3, variant=ALL, draws=True, recompute="sqrt", lengths=(11, 3, 0)),
)
EMPTY = (
    Case(0, 3, 4, 7, variant=ALL),
    Case(0, 3, 4, 7, L=2, D=2),
    Case(5, 0, 4, 7, L=2),
    Case(0, 0, 4, 7, lengths=(), trace=True),
)


def devices() -> list[str]:
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def runnable(
    cases: tuple[Case, ...],
    dtypes: tuple[torch.dtype, ...] = (torch.float64,),
    *,
    needs_grad: bool = True,
) -> list[tuple[Backend, str, torch.dtype, Case]]:
    """List each backend with each problem that it can run on this machine."""
    return [
        (backend, device, dtype, case)
        for backend in BACKENDS
        for device in devices()
        for dtype in dtypes
        for case in cases
        if backend.why_not(case.problem(dtype, device, needs_grad=needs_grad)) is None
    ]


def name(value: object) -> str:
    """Name a parameter of a test."""
    if isinstance(value, Backend):
        return value.name
    return str(value).removeprefix("torch.")


def solve(backend: Backend, case: Case, operands: Operands, seed: int = 1) -> dict[str, Tensor]:
    """Run a backend forth and back from random cotangents.

    Returns outputs, final states, trace and the gradient of every operand, by name.
    """
    leaves = [None if t is None else t.detach().requires_grad_() for t in operands.tensors()]
    fresh = operands.with_tensors(leaves)
    problem = Problem.of(
        fresh,
        directions=case.D,
        trace=case.trace,
        recompute=case.recompute,
        variant=case.variant,
    )
    result = autograd.run(backend, problem, fresh)
    found = flat(result)
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros((), dtype=operands.x.dtype, device=operands.x.device)
    for value in found.values():
        cotangent = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        total = total + (value * cotangent.to(value)).sum()
    total.backward()
    for label, leaf in zip(labels(case), leaves, strict=True):
        if leaf is not None:
            found[f"grad {label}"] = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return {label: value.detach() for label, value in found.items()}


def flat(result: LSTMResult) -> dict[str, Tensor]:
    found = {"y": result.y, "h": result.state.h, "c": result.state.c}
    if result.trace is not None:
        found |= {f"trace {n}": t for n, t in result.trace._asdict().items()}
    return found


def labels(case: Case) -> list[str]:
    cells = [f"{n} of cell {k}" for k in range(case.L * case.D) for n in CellWeights._fields]
    return ["x", "h0", "c0", "start h", "start c", *cells]


def doubled(operands: Operands) -> Operands:
    """Convert to float64 without changing a value."""
    tensors = [None if t is None else t.double() for t in operands.tensors()]
    return operands.with_tensors(tensors)
