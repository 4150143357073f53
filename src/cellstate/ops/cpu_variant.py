"""How one cell departs from the plain one, as the CPU kernels want to know it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from cellstate import _native
from cellstate.ops.packing import in_four, packed_input
from cellstate.ops.problem import CellWeights, Operands, Problem
from cellstate.ops.reference import CellNoise
from cellstate.ops.variant import PLAIN


class CellVariant:
    """One cell's departures: its peepholes, masks and gains, by the names of `_native.Variant`."""

    def __init__(self, problem: Problem, operands: Operands, k: int) -> None:
        self.variant, self.weights = problem.variant, operands.weights[k]
        self._arrays: dict[str, Tensor] = {}
        self._key = None if operands.keys is None else int(operands.keys[k])
        masks = CellNoise(problem, operands, k).of_sequence()
        if masks.h is not None:
            self._arrays["keep_h"] = masks.h
        if masks.g is not None:
            self._arrays["keep_g"] = masks.g
        cell = self.weights
        if cell.weight_ch is not None:
            self._arrays["peephole"] = _in_three(cell.weight_ch.detach(), cell.hidden_size)
        if cell.norm_hh is not None and cell.norm_c is not None and cell.norm_c_bias is not None:
            self._arrays["norm_hh"] = in_four(cell.norm_hh.detach(), cell)
            self._arrays["norm_c"] = cell.norm_c.detach()
            self._arrays["norm_c_bias"] = cell.norm_c_bias.detach()

    @classmethod
    def of(cls, problem: Problem, operands: Operands, k: int) -> CellVariant | None:
        """Describe a cell; None for the plain one."""
        return None if problem.variant == PLAIN else cls(problem, operands, k)

    @property
    def keep_h(self) -> Tensor | None:
        """The mask of h as the gates see it, (B, P)."""
        return self._arrays.get("keep_h")

    def over_steps(self, first: int) -> _native.Variant:
        """Describe the cell for steps from `first` on."""
        zoneout = {"zoneout_c": self.variant.zoneout_c, "zoneout_h": self.variant.zoneout_h}
        return self._native(self._arrays, first_step=first, key=self._key, **zoneout)

    def over_rows(self, steps: int) -> _native.Variant:
        """Describe the cell for some steps laid out as rows of one, of which only gates count."""
        masks = {
            n: self._arrays[n].repeat(steps, 1) for n in ("keep_h", "keep_g") if n in self._arrays
        }
        return self._native(self._arrays | masks)

    def _native(self, arrays: dict[str, Tensor], **more: Any) -> _native.Variant:
        return _native.Variant(
            coupled=self.variant.coupled,
            hard_sigmoid=self.variant.hard_sigmoid,
            cell_clip=self.variant.cell_clip or 0.0,
            **{name: tensor.contiguous().numpy() for name, tensor in arrays.items()},
            **more,
        )


def _in_three(stacked: Tensor, hidden_size: int) -> Tensor:
    """Put zeros before peepholes of f and o alone."""
    missing = stacked.new_zeros(3 * hidden_size - len(stacked))
    return torch.cat([missing, stacked])


def input_shares(x: Tensor, cell: CellWeights) -> Tensor:
    """Compute the normalised input's share of the gates, biases within, (…, 4H)."""
    shares = _norm(_product(x, cell), cell.norm_ih)
    for bias in (cell.bias_ih, cell.bias_hh):
        shares = shares if bias is None else shares + bias.detach()
    return _in_four_columns(shares, cell)


def _product(x: Tensor, cell: CellWeights) -> Tensor:
    out = x.new_empty((*x.shape[:-1], len(cell.weight_ih)))
    rows, flat = x.reshape(-1, x.shape[-1]), out.view(-1, out.shape[-1])
    # Not torch's product, whose order of summation depends on the number of rows.
    _native.linear(packed_input(cell), rows.numpy(), flat.numpy(), torch.get_num_threads())
    return out


def _norm(product: Tensor, gain: Tensor | None) -> Tensor:
    return layer_norm(product, product.shape[-1:], None if gain is None else gain.detach())


def _in_four_columns(stacked: Tensor, cell: CellWeights) -> Tensor:
    missing = 4 * cell.hidden_size - stacked.shape[-1]
    return torch.nn.functional.pad(stacked, (missing, 0)) if missing else stacked


def input_gradient(x: Tensor, dshares: Tensor, cell: CellWeights) -> tuple[Tensor, Tensor]:
    """Differentiate `input_shares`: with respect to the product (…, 4H), and to `norm_ih`."""
    assert cell.norm_ih is not None
    product = _product(x, cell).requires_grad_()
    gain = cell.norm_ih.detach().requires_grad_()
    with torch.enable_grad():
        shares = layer_norm(product, product.shape[-1:], gain)
    received = dshares[..., -product.shape[-1] :]
    dproduct, dgain = torch.autograd.grad(shares, [product, gain], received)
    return _in_four_columns(dproduct, cell), dgain
