"""A plain loop of the equations under `torch.compile`, which unrolls it over time."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.peers.layer_server import Prepared


class Loop(torch.nn.Module):
    """The recurrence step by step, its input's product taken for all steps at once."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for name in names:
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(arrays[name])))
        self.units = arrays["weight_hh"].shape[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run over (T, B, I) from a zero state."""
        h = c = x.new_zeros(x.shape[1], self.units)
        weight = self.weight_hh.t()
        gates = torch.nn.functional.linear(x, self.weight_ih, self.bias_ih + self.bias_hh)
        ys: list[torch.Tensor] = []
        for t in range(x.shape[0]):
            i, f, g, o = (gates[t] + h @ weight).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            ys.append(h)
        return torch.stack(ys)


def set_threads(threads: int) -> None:
    """Let torch use so many threads."""
    torch.set_num_threads(threads)


def versions() -> str:
    """Name what is measured."""
    return f"torch {torch.__version__}"


def prepare(arrays: dict[str, np.ndarray], training: bool) -> Prepared:
    """Compile the loop for one length."""
    torch.compiler.reset()
    loop = Loop(arrays)
    compiled = torch.compile(loop, fullgraph=True, dynamic=False)
    x = torch.from_numpy(arrays["x"])
    if not training:

        def infer() -> object:
            with torch.inference_mode():
                return compiled(x)

        return Prepared(infer, _array)
    dy = torch.from_numpy(arrays["dy"])
    x.requires_grad_()

    def train() -> object:
        loop.zero_grad()
        x.grad = None
        compiled(x).backward(dy)
        return x.grad

    return Prepared(train, _array)


def _array(tensor: object) -> np.ndarray:
    assert isinstance(tensor, torch.Tensor)
    return tensor.detach().numpy()
