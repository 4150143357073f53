"""The gradient of one cell on the CPU kernels, gathered stretch by stretch."""

from __future__ import annotations

import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops.cpu_cell import Cell, Kept, Stretch
from cellstate.ops.packing import packed_gradient
from cellstate.ops.problem import CellWeights, LSTMState


def differentiate(
    cell: Cell, kept: Kept, dy: Tensor, last: LSTMState, trace: tuple[Tensor, Tensor] | None
) -> Gradient:
    """Differentiate a cell, from what the output and the last state received.

    `trace` is what gate activations (T, B, 4H) and cell states (T, B, H) received.
    """
    stretches = cell.stretches(backwards=True)
    longest = max((end - first for first, end in stretches), default=0)
    gradient = Gradient(cell, cell.empty(4 * cell.problem.hidden_size, longest))
    for number, stretch in enumerate(stretches):
        again, before = cell.again(kept, stretch, len(stretches) - 1 - number)
        last = gradient.add(stretch, again, before, dy, last, trace)
    gradient.before = last
    return gradient


class Totals:
    """The gradients of a cell's parameters, as sums over stretches, with four gates each."""

    def __init__(self, weights: CellWeights) -> None:
        self._weights = weights
        wanted = {n: t for n, t in weights._asdict().items() if t is not None and t.requires_grad}
        if "bias_hh" in wanted:  # both biases have one gradient
            wanted["bias_ih"] = wanted.pop("bias_hh")
        H = weights.hidden_size
        self._sums: dict[str, Tensor] = {}
        for name, tensor in wanted.items():
            rows = {"weight_ch": 3 * H, "weight_hr": len(tensor), "norm_c": H, "norm_c_bias": H}
            shape = (rows.get(name, 4 * H), *tensor.shape[1:])
            self._sums[name] = tensor.new_zeros(shape)

    def wants(self, name: str) -> bool:
        """Say whether the gradient of a parameter is wanted."""
        return name in self._sums

    def add(self, name: str, share: Tensor) -> None:
        """Add a share of one parameter's gradient."""
        if name in self._sums:
            self._sums[name] += share

    def add_product(self, name: str, a: Tensor, b: Tensor, sums: str = "") -> None:
        """Add aᵀ b, (K, M) and (…, N) with as many rows; the sum of a's rows to `sums`."""
        total, bias = self._sums.get(name), self._sums.get(sums)
        if total is None:
            if bias is not None:
                bias += a.sum(0)
            return
        _native.accumulate(
            a.contiguous().numpy(),
            b.flatten(0, 1).contiguous().numpy(),
            total.numpy(),
            None if bias is None else bias.numpy(),
            torch.get_num_threads(),
        )

    def of_parameters(self) -> tuple[Tensor | None, ...]:
        """Give the sums, without gates that have no parameters, in the order of `CellWeights`."""
        found = self._sums
        if len(self._weights.weight_hh) != 4 * self._weights.hidden_size:
            given = self._weights._asdict()
            found = {n: total[-len(given[n]) :] for n, total in found.items()}
        bias = found.get("bias_ih")
        return tuple(bias if name == "bias_hh" else found.get(name) for name in CellWeights._fields)


class Gradient:
    """The gradient of one cell, gathered stretch by stretch.

    Attributes
    ----------
    dx : Tensor or None
        Of the input, (T, B, I), where it is wanted.
    before, start : LSTMState
        Of the state before the first step, and of what resets set.
    """

    before: LSTMState

    def __init__(self, cell: Cell, dsums: Tensor) -> None:
        self.cell = cell
        self._dsums = dsums
        self._packed = packed_gradient(cell.weights)
        self._totals = Totals(cell.weights)
        first_layer = cell.k < cell.problem.directions
        wants_dx = not first_layer or cell.operands.x.requires_grad
        self.dx = torch.empty_like(cell.x) if wants_dx else None
        start = cell.start()
        self.start = start and LSTMState(*map(torch.zeros_like, start))

    @property
    def weights(self) -> tuple[Tensor | None, ...]:
        """Of each parameter, in the order of `CellWeights`; None where none is wanted."""
        return self._totals.of_parameters()

    def add(
        self,
        stretch: Stretch,
        kept: Kept,
        c_before: Tensor,
        dy: Tensor,
        last: LSTMState,
        trace: tuple[Tensor, Tensor] | None,
    ) -> LSTMState:
        """Add a stretch; give the gradient of the state before it."""
        cell, anew = self.cell, self.cell.operands.reset is not None
        gates, cells = kept.gates, kept.cells
        assert gates is not None
        assert cells is not None
        y, projects = stretch.of(cell.y), cell.problem.proj_size > 0
        dsums = self._dsums[: stretch.end - stretch.first]
        dh = torch.empty_like(y, memory_format=torch.contiguous_format) if projects else None
        before = LSTMState(*map(torch.empty_like, last))
        of_start = LSTMState(*map(torch.empty_like, last)) if anew else None
        start, received = cell.start(), self._of_variant(kept, dsums)
        _native.lstm_backward(
            self._packed,
            c_before.numpy(),
            gates.numpy(),
            cells.numpy(),
            stretch.of(dy).numpy(),
            last.h.numpy(),
            last.c.numpy(),
            dsums.numpy(),
            before.h.numpy(),
            before.c.numpy(),
            None if dh is None else dh.numpy(),
            start_c=None if start is None else start.c.numpy(),
            dstart_h=None if of_start is None else of_start.h.numpy(),
            dstart_c=None if of_start is None else of_start.c.numpy(),
            dgates=None if trace is None else stretch.of(trace[0]).numpy(),
            dcells=None if trace is None else stretch.of(trace[1]).numpy(),
            variant=None if cell.variant is None else cell.variant.over_steps(stretch.first),
            normed=None if kept.normed is None else kept.normed.numpy(),
            stats=None if kept.stats is None else kept.stats.numpy(),
            **{name: tensor.numpy() for name, tensor in received.items()},
            **cell.steps(stretch),
        )
        if self.start is not None and of_start is not None:
            for total, rows in zip(self.start, of_start, strict=True):
                total += rows.sum(0)
        self._add_weights(stretch, kept, dsums.flatten(0, 1), dh, received)
        return before

    def _of_variant(self, kept: Kept, dsums: Tensor) -> dict[str, Tensor]:
        """Make room for the gradients of what a variant adds, by the names of the kernel."""
        weights, (_, B, gates) = self.cell.weights, dsums.shape
        H = gates // 4
        room: dict[str, Tensor] = {}
        if self.cell.variant is not None and weights.weight_hr is not None:
            room["inner"] = dsums.new_empty((*dsums.shape[:2], H))
        if weights.weight_ch is not None:
            room["dpeephole"] = dsums.new_empty((B, 3 * H))
        if kept.normed is not None:
            room["dinputs"] = torch.empty_like(dsums)
            room["dgates_norm"] = dsums.new_empty((B, 3, 4 * H))
            room["dcells_norm"] = dsums.new_empty((B, 2, H))
        return room

    def _add_weights(
        self,
        stretch: Stretch,
        kept: Kept,
        dsums: Tensor,
        dh: Tensor | None,
        received: dict[str, Tensor],
    ) -> None:
        cell, totals = self.cell, self._totals
        x = stretch.of(cell.x)
        of_input = received["dinputs"].flatten(0, 1) if "dinputs" in received else dsums
        if "dinputs" in received:
            totals.add_product("weight_ih", of_input, x)
            gates = received["dgates_norm"].sum(0)
            for name, share in zip(("norm_ih", "norm_hh", "bias_ih"), gates, strict=True):
                totals.add(name, share)
            cells = received["dcells_norm"].sum(0)
            for name, share in zip(("norm_c", "norm_c_bias"), cells, strict=True):
                totals.add(name, share)
        else:
            totals.add_product("weight_ih", dsums, x, sums="bias_ih")
        if "dpeephole" in received:
            totals.add("weight_ch", received["dpeephole"].sum(0))
        if totals.wants("weight_hh"):
            h0 = cell.operands.state.h[cell.k].detach()
            h_before = cell.state_before(stretch, cell.y, h0, "h")
            if cell.variant is not None and cell.variant.keep_h is not None:
                h_before = h_before * cell.variant.keep_h
            totals.add_product("weight_hh", dsums, h_before)
        if totals.wants("weight_hr") and dh is not None:
            inner = received.get("inner")
            if inner is None:
                assert kept.gates is not None
                assert kept.cells is not None
                inner = kept.gates[..., 3 * cell.problem.hidden_size :] * kept.cells.tanh()
            totals.add_product("weight_hr", dh.flatten(0, 1), inner)
        if self.dx is not None:
            rows, dx = of_input, stretch.of(self.dx).flatten(0, 1)
            _native.input_gradient(self._packed, rows.numpy(), dx.numpy(), torch.get_num_threads())
