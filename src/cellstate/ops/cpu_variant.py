"""How one cell departs from the plain one, as the CPU kernels want to know it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cellstate import _native
from cellstate.ops.packing import in_four
from cellstate.ops.problem import Operands, Problem
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
        for name in ("norm_ih", "norm_hh", "norm_c", "norm_c_bias"):
            gain: Tensor | None = getattr(cell, name)
            if gain is not None:
                of_cell = name.startswith("norm_c")
                self._arrays[name] = gain.detach() if of_cell else in_four(gain.detach(), cell)

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
