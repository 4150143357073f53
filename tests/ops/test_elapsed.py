"""A cell whose state changes between its steps: the kernels held to a loop written unit by unit."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cellstate.ops import between, elapsed
from cellstate.ops.between import Given
from cellstate.ops.elapsed import Change, Decay, Discount, Steps
from cellstate.ops.problem import CellWeights

SIZES = [(1, 1, 1, 1), (2, 3, 4, 7), (33, 3, 5, 7), (2, 1, 2, 33), (9, 17, 3, 33)]  # T, B, I, H
KINDS = ("hidden", "cell", "both", "neither", "discount")


def draw(*sizes: int, dtype: torch.dtype = torch.float64, scale: float = 1.0) -> Tensor:
    return (torch.randn(sizes, dtype=torch.float64) * scale).to(dtype).requires_grad_()


def change_of(kind: str, T: int, B: int, H: int, dtype: torch.dtype = torch.float64) -> Change:
    factors = [torch.rand(T, B, H, dtype=torch.float64).to(dtype).requires_grad_() for _ in "hc"]
    if kind == "discount":
        lost = torch.rand(T, B, dtype=torch.float64).to(dtype).requires_grad_()
        return Discount(lost, draw(H, H, dtype=dtype, scale=H**-0.5), draw(H, dtype=dtype))
    return Decay(
        factors[0] if kind in ("hidden", "both") else None,
        factors[1] if kind in ("cell", "both") else None,
    )


def case(
    kind: str,
    sizes: tuple[int, int, int, int],
    dtype: torch.dtype = torch.float64,
    bias: bool = True,
) -> list[Any]:
    """x, h, c, weights, change: random, equal for equal arguments."""
    torch.manual_seed(0)
    T, B, I, H = sizes
    scale = (3 * H) ** -0.5
    weights = CellWeights(
        draw(4 * H, I, dtype=dtype, scale=scale),
        draw(4 * H, H, dtype=dtype, scale=scale),
        draw(4 * H, dtype=dtype) if bias else None,
        draw(4 * H, dtype=dtype) if bias else None,
    )
    state = draw(B, H, dtype=dtype), draw(B, H, dtype=dtype)
    return [draw(T, B, I, dtype=dtype), *state, weights, change_of(kind, T, B, H, dtype)]


def naive(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weights: CellWeights,
    change: Change,
    lengths: list[int] | None = None,
) -> Steps:
    """Each row by itself, step by step, from the equations as the sources write them."""
    T, B, _ = x.shape
    bias = 0 if weights.bias_ih is None else weights.bias_ih + weights.bias_hh
    ys, hs, cs = [], [], []
    for row in range(B):
        h_row, c_row, outputs = h[row], c[row], []
        length = T if lengths is None else lengths[row]
        for t in range(length):
            if isinstance(change, Discount):
                short = torch.tanh(change.weight @ c_row + change.bias)
                discounted = (1 - change.lost[t, row]) * short
                c_row = (c_row - short) + discounted
            else:
                h_row = h_row if change.of_h is None else change.of_h[t, row] * h_row
                c_row = c_row if change.of_c is None else change.of_c[t, row] * c_row
            sums = weights.weight_ih @ x[t, row] + weights.weight_hh @ h_row + bias
            i, f, g, o = sums.chunk(4)
            c_row = torch.sigmoid(f) * c_row + torch.sigmoid(i) * torch.tanh(g)
            h_row = torch.sigmoid(o) * torch.tanh(c_row)
            outputs.append(h_row)
        outputs += [torch.zeros_like(h_row)] * (T - length)
        ys.append(torch.stack(outputs))
        hs.append(h_row)
        cs.append(c_row)
    return Steps(torch.stack(ys, 1), torch.stack(hs), torch.stack(cs))


def leaves(given: list[Any]) -> list[Tensor]:
    x, h, c, weights, change = given
    return [t for t in (x, h, c, *weights, *change) if t is not None]


def gradients(steps: Steps, given: list[Any]) -> list[Tensor]:
    torch.manual_seed(1)
    loss = sum((s * torch.randn(s.shape, dtype=torch.float64).to(s.dtype)).sum() for s in steps)
    found = torch.autograd.grad(loss, leaves(given), allow_unused=True)
    pairs = zip(found, leaves(given), strict=True)
    return [torch.zeros_like(t) if g is None else g for g, t in pairs]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "run",
    [elapsed.run, lambda *given: between.loop(Given(*given, None, None))],
    ids=["kernels", "loop"],
)
def test_results_and_gradients_are_those_of_the_equations(
    run: Callable[..., Steps], kind: str, sizes: tuple[int, int, int, int]
) -> None:
    given = case(kind, sizes)
    ours, theirs = run(*given), naive(*given)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)
    pairs = zip(gradients(ours, given), gradients(theirs, given), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("lengths", [[0, 9, 4], [9, 9, 9], [0, 0, 0], [3, 1, 2]])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fits", [True, False], ids=["kernels", "loop"])
def test_ragged_rows_are_those_of_the_equations(
    monkeypatch: pytest.MonkeyPatch, fits: bool, kind: str, lengths: list[int]
) -> None:
    if not fits:
        monkeypatch.setattr(elapsed, "_fits_kernels", lambda given: False)
    given = case(kind, (9, 3, 4, 5))
    ours = elapsed.run(*given, lengths=torch.tensor(lengths))
    theirs = naive(*given, lengths=lengths)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)
    for a, b in zip(gradients(ours, given), gradients(theirs, given), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fits", [True, False], ids=["kernels", "loop"])
def test_nan_in_the_padding_reaches_nothing(
    monkeypatch: pytest.MonkeyPatch, fits: bool, kind: str
) -> None:
    if not fits:
        monkeypatch.setattr(elapsed, "_fits_kernels", lambda given: False)
    given = case(kind, (6, 3, 4, 5))
    lengths = torch.tensor([6, 0, 2])
    expected = gradients(elapsed.run(*given, lengths=lengths), given)
    x, h, c, _, change = given
    with torch.no_grad():
        padding = torch.arange(6)[:, None] >= lengths
        x[padding] = torch.nan
        h[1] = c[1] = torch.nan
        for tensor in change[:1] if kind == "discount" else change:
            if tensor is not None:
                tensor[padding] = torch.nan
    steps = elapsed.run(*given, lengths=lengths)
    assert bool(steps.y.isfinite().all())
    found = gradients(Steps(steps.y, steps.h[::2], steps.c[::2]), given)
    assert all(bool(g.isfinite().all()) for g in found)
    assert len(found) == len(expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_step_by_step_is_one_pass_to_the_bit(dtype: torch.dtype, kind: str) -> None:
    x, h, c, weights, change = case(kind, (7, 5, 3, 11), dtype)
    with torch.no_grad():
        whole = elapsed.run(x, h, c, weights, change)
        for t in range(7):
            one = [
                v if v is None or v.shape[0] != 7 or v.dim() == 1 else v[t : t + 1] for v in change
            ]
            y, h, c = elapsed.run(x[t : t + 1], h, c, weights, type(change)(*one))
            assert torch.equal(y[0], whole.y[t])
    assert torch.equal(h, whole.h)
    assert torch.equal(c, whole.c)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_is_near_double(kind: str) -> None:
    ours, exact = case(kind, (20, 4, 5, 9), torch.float32), case(kind, (20, 4, 5, 9))
    a, b = elapsed.run(*ours), naive(*exact)
    torch.testing.assert_close(a.y.double(), b.y, rtol=1e-4, atol=1e-5)
    for one, other in zip(gradients(a, ours), gradients(b, exact), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_gradients_are_right(kind: str) -> None:
    x, h, c, weights, change = case(kind, (2, 2, 2, 2))
    tensors = leaves([x, h, c, weights, change])

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        left = list(values)
        parts: list[list[Tensor | None]] = [
            [None if t is None else left.pop(0) for t in group]
            for group in ((x, h, c), weights, change)
        ]
        return tuple(
            elapsed.run(*parts[0], CellWeights(*parts[1]), type(change)(*parts[2]))  # type: ignore[arg-type]
        )

    assert torch.autograd.gradcheck(run, tensors)
    assert torch.autograd.gradgradcheck(run, tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_wanted_is_differentiated(kind: str) -> None:
    given = case(kind, (4, 2, 3, 5), bias=False)
    expected = gradients(naive(*given), given)
    for k, tensor in enumerate(leaves(given)):
        for other in leaves(given):
            other.requires_grad_(other is tensor)
        steps = elapsed.run(*given)
        torch.manual_seed(1)
        loss = sum((s * torch.randn(s.shape, dtype=s.dtype)).sum() for s in steps)
        (found,) = torch.autograd.grad(loss, [tensor])
        torch.testing.assert_close(found, expected[k], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("sizes", [(0, 3, 2, 4), (3, 0, 2, 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_run_gives_the_state_back(kind: str, sizes: tuple[int, int, int, int]) -> None:
    given = case(kind, sizes)
    y, h, c = elapsed.run(*given)
    assert y.shape == (sizes[0], sizes[1], 4)
    assert torch.equal(h, given[1])
    assert torch.equal(c, given[2])


@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_no_bit(kind: str) -> None:
    given = case(kind, (5, 40, 16, 64), torch.float32)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            steps = elapsed.run(*given)
            results.append([*steps, *gradients(steps, given)[:3]])
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)
    if kind != "discount":
        assert torch.equal(results[0][0], results[1][0])


def test_other_dtypes_and_transforms_take_the_loop() -> None:
    x, h, c, weights, change = case("both", (3, 2, 2, 4))
    half = [None if t is None else t.to(torch.bfloat16) for t in (x, h, c, *weights, *change)]
    y, _, _ = elapsed.run(*half[:3], CellWeights(*half[3:13]), Decay(*half[13:]))  # type: ignore[arg-type]
    assert y.dtype == torch.bfloat16
    expected = elapsed.run(x, h, c, weights, change).y
    mapped = torch.func.vmap(lambda one: elapsed.run(one, h, c, weights, change).y)(x[None])
    torch.testing.assert_close(mapped[0], expected)


def test_autocast_is_left_at_the_door() -> None:
    x, h, c, weights, change = case("hidden", (3, 2, 2, 4), torch.float32)
    assert isinstance(change, Decay)
    expected = elapsed.run(x, h, c, weights, change).y
    with torch.autocast("cpu", torch.bfloat16):
        y = elapsed.run(x, h, c, weights, change).y
    assert torch.equal(y, expected)


@pytest.mark.parametrize("fits", [True, False], ids=["kernels", "loop"])
@pytest.mark.parametrize("lengths", [None, [4, 0, 2]])
def test_features_beside_are_features_without_gradient(
    monkeypatch: pytest.MonkeyPatch, lengths: list[int] | None, fits: bool
) -> None:
    if not fits:
        monkeypatch.setattr(elapsed, "_fits_kernels", lambda given: False)
    x, h, c, weights, change = case("hidden", (4, 3, 5, 6))
    counts = None if lengths is None else torch.tensor(lengths)
    left, right = x[..., :2].detach().requires_grad_(), x[..., 2:].detach().requires_grad_()
    ours = elapsed.run(left, h, c, weights, change, counts, beside=right)
    theirs = elapsed.run(x, h, c, weights, change, counts)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
    (dleft,) = torch.autograd.grad(ours.y.sum(), [left], retain_graph=True)
    (dx,) = torch.autograd.grad(theirs.y.sum(), [x])
    torch.testing.assert_close(dleft, dx[..., :2])
    assert torch.autograd.grad(ours.y.sum(), [right], allow_unused=True) == (None,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_may_be_differentiated_twice_and_is_freed_at_once(kind: str) -> None:
    given = case(kind, (5, 3, 2, 4))
    steps = elapsed.run(*given)
    first = torch.autograd.grad(steps.y.sum(), given[:1], retain_graph=True)
    second = torch.autograd.grad(steps.y.sum(), given[:1], retain_graph=True)
    assert torch.equal(first[0], second[0])
    node = weakref.ref(steps.y.grad_fn)
    gc.disable()
    try:
        del steps
        assert node() is None
    finally:
        gc.enable()


def test_a_weight_changed_before_the_backward_pass_is_noticed() -> None:
    given = case("hidden", (5, 3, 2, 4))
    y = elapsed.run(*given).y
    with torch.no_grad():
        given[3].weight_hh.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
