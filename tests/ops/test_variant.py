"""The cell's variants in the reference, held to equations (7) to (14) written out unit by unit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cellstate.errors import CellstateError, InputError
from cellstate.ops import lstm, noise, reference
from cellstate.ops.problem import CellWeights, LSTMState, Operands, Problem
from cellstate.ops.variant import PLAIN, Variant, check_variant
from tests.conformance.recurrences import Case

Row = list[float]

VARIANTS = (
    Variant(peephole=True),
    Variant(coupled=True),
    Variant(layer_norm=True),
    Variant(hard_sigmoid=True),
    Variant(cell_clip=0.3),
    Variant(recurrent_dropout=0.5),
    Variant(recurrent_dropout=0.5, dropped_at="candidate"),
    Variant(zoneout_c=0.4),
    Variant(zoneout_h=0.4),
    Variant(peephole=True, coupled=True),
    Variant(layer_norm=True, coupled=True, peephole=True, cell_clip=0.4),
    Variant(hard_sigmoid=True, coupled=True, zoneout_c=0.3, zoneout_h=0.6),
    Variant(
        peephole=True,
        layer_norm=True,
        hard_sigmoid=True,
        cell_clip=0.3,
        recurrent_dropout=0.4,
        dropped_at="candidate",
        zoneout_c=0.3,
        zoneout_h=0.3,
    ),
)


def sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a))


def hard_sigmoid(a: float) -> float:
    return min(max(a / 6 + 1 / 2, 0.0), 1.0)


def normal(v: Row) -> Row:
    mean = sum(v) / len(v)
    spread = math.sqrt(sum((one - mean) ** 2 for one in v) / len(v) + 1e-5)
    return [(one - mean) / spread for one in v]


def times(matrix: list[Row], vector: Row) -> Row:
    return [sum(w * one for w, one in zip(row, vector, strict=True)) for row in matrix]


def is_low(word: Tensor, rate: float, row: int) -> list[bool]:
    return [int(one) / 2**32 < rate for one in word[row]]


class Scalars:
    """One row of the batch through one cell, number by number."""

    def __init__(self, case: Case, operands: Operands, row: int) -> None:
        self.v, self.row, self.case = case.variant, row, case
        listed: dict[str, Any] = {
            name: None if t is None else t.tolist()
            for name, t in operands.weights[0]._asdict().items()
        }
        self.w = listed
        self.key = None if operands.keys is None else int(operands.keys[0])
        self.h: Row = operands.state.h[0, row].tolist()
        self.c: Row = operands.state.c[0, row].tolist()
        self.keep_h, self.keep_g = self.masks()

    def words(self, stream: int, t: int, columns: int) -> tuple[Tensor, Tensor]:
        assert self.key is not None
        return noise.words(self.key, stream, t, self.case.B, columns, torch.device("cpu"))

    def masks(self) -> tuple[Row, Row]:
        """What stays of h and of g in the whole sequence, already divided by 1 - p."""
        P, p = len(self.h), self.v.recurrent_dropout
        keep_h, keep_g = [1.0] * P, [1.0] * self.case.H
        if self.key is not None and p and self.v.dropped_at == "hidden":
            word, _ = self.words(noise.HIDDEN, 0, P)
            keep_h = [0.0 if low else 1 / (1 - p) for low in is_low(word, p, self.row)]
        elif self.key is not None and p:
            word, _ = self.words(noise.CANDIDATE, 0, self.case.H)
            keep_g = [0.0 if low else 1 / (1 - p) for low in is_low(word, p, self.row)]
        return keep_h, keep_g

    def zones(self, t: int) -> tuple[Row, Row]:
        """The share of the old value in c and in h."""
        P, H, v = len(self.h), self.case.H, self.v
        if self.key is None:
            return [v.zoneout_c] * H, [v.zoneout_h] * P
        of_c, of_h = self.words(noise.ZONEOUT, t, H)
        if self.case.P:
            _, of_h = self.words(noise.ZONEOUT_PROJECTED, t, P)
        c, h = is_low(of_c, v.zoneout_c, self.row), is_low(of_h, v.zoneout_h, self.row)
        return [float(one) for one in c], [float(one) for one in h]

    def sums(self, x: Row, h: Row) -> Row:
        """The gates before activation, without peepholes."""
        of_x, of_h = times(self.w["weight_ih"], x), times(self.w["weight_hh"], h)
        if self.v.layer_norm:
            of_x = [a * n for a, n in zip(self.w["norm_ih"], normal(of_x), strict=True)]
            of_h = [a * n for a, n in zip(self.w["norm_hh"], normal(of_h), strict=True)]
        zeros = [0.0] * len(of_x)
        biases = (self.w["bias_ih"] or zeros, self.w["bias_hh"] or zeros)
        return [sum(all_four) for all_four in zip(of_x, of_h, *biases, strict=True)]

    def step(self, t: int, x: Row) -> None:
        v, H = self.v, self.case.H
        squash = hard_sigmoid if v.hard_sigmoid else sigmoid
        a = self.sums(x, [k * one for k, one in zip(self.keep_h, self.h, strict=True)])
        gates = [a[k * H : (k + 1) * H] for k in range(v.gates)]
        of_f, of_g, of_o = gates[-3:]
        peep = self.w["weight_ch"]
        see_f, see_o = (peep[-2 * H : -H], peep[-H:]) if peep else ([0.0] * H, [0.0] * H)
        new_c: Row = []
        outs: Row = []
        for u in range(H):
            f = squash(of_f[u] + see_f[u] * self.c[u])
            i = 1 - f
            if not v.coupled:
                i = squash(gates[0][u] + (peep[u] * self.c[u] if peep else 0.0))
            c = f * self.c[u] + i * math.tanh(of_g[u]) * self.keep_g[u]
            if v.cell_clip is not None:
                c = min(max(c, -v.cell_clip), v.cell_clip)
            new_c.append(c)
            outs.append(squash(of_o[u] + see_o[u] * c))
        shown = new_c
        if v.layer_norm:
            gains = zip(self.w["norm_c"], normal(new_c), self.w["norm_c_bias"], strict=True)
            shown = [a * n + b for a, n, b in gains]
        new_h = [o * math.tanh(c) for o, c in zip(outs, shown, strict=True)]
        if self.w["weight_hr"]:
            new_h = times(self.w["weight_hr"], new_h)
        zone_c, zone_h = self.zones(t)
        self.c = [m * old + (1 - m) * c for m, old, c in zip(zone_c, self.c, new_c, strict=True)]
        self.h = [m * old + (1 - m) * h for m, old, h in zip(zone_h, self.h, new_h, strict=True)]


def forward(case: Case, operands: Operands) -> tuple[Tensor, LSTMState]:
    problem = Problem.of(operands, directions=1, trace=False, variant=case.variant)
    result = reference.forward(problem, operands).result
    return result.y, result.state


UNITS = [(1, 0), (3, 0), (3, 2), (3, 3)]  # units, and to how many outputs they are projected
MODES = [(v, draws) for v in VARIANTS for draws in (False, True) if v.draws or not draws]


@pytest.mark.parametrize(("variant", "draws"), MODES, ids=str)
@pytest.mark.parametrize("units", UNITS, ids=str)
def test_the_reference_gives_the_equations_unit_by_unit(
    variant: Variant, draws: bool, units: tuple[int, int]
) -> None:
    H, P = units
    case = Case(4, 3, 2, H, P=P, bias=H > 1, variant=variant, draws=draws)
    operands = case.operands(torch.float64)
    y, state = forward(case, operands)
    for row in range(case.B):
        scalars = Scalars(case, operands, row)
        for t in range(case.T):
            scalars.step(t, operands.x[t, row].tolist())
            assert y[t, row].tolist() == pytest.approx(scalars.h, abs=1e-12)
        assert state.c[0, row].tolist() == pytest.approx(scalars.c, abs=1e-12)
        assert state.h[0, row].tolist() == pytest.approx(scalars.h, abs=1e-12)


SMOOTH = (
    Variant(peephole=True),
    Variant(coupled=True, peephole=True),
    Variant(layer_norm=True),
    Variant(recurrent_dropout=0.4, zoneout_c=0.3, zoneout_h=0.3),
    Variant(
        peephole=True, coupled=True, layer_norm=True, recurrent_dropout=0.4, dropped_at="candidate"
    ),
)


def differentiable(case: Case) -> tuple[Callable[..., tuple[Tensor, ...]], list[Tensor]]:
    """Give the reference as a function of its operands, and the operands."""
    operands = case.operands(torch.float64)
    given = operands.tensors()

    def outputs(*tensors: Tensor) -> tuple[Tensor, ...]:
        rest = iter(tensors)
        again = operands.with_tensors([None if t is None else next(rest) for t in given])
        y, state = forward(case, again)
        return y, *state

    return outputs, [t.clone().requires_grad_() for t in given if t is not None]


@pytest.mark.parametrize("variant", SMOOTH, ids=str)
def test_gradients_are_those_of_finite_differences(variant: Variant) -> None:
    outputs, inputs = differentiable(Case(3, 2, 2, 3, P=2, variant=variant, draws=variant.draws))
    assert torch.autograd.gradcheck(outputs, inputs, fast_mode=True)


@pytest.mark.parametrize("variant", SMOOTH, ids=str)
def test_second_gradients_are_those_of_finite_differences(variant: Variant) -> None:
    outputs, inputs = differentiable(Case(2, 1, 2, 2, variant=variant, draws=variant.draws))
    assert torch.autograd.gradgradcheck(outputs, inputs, fast_mode=True)


def test_hard_sigmoid_and_clip_worked_out_by_hand() -> None:
    # z of i, f, g, o = 1.5, -4, 2, 0.6: i = 0.75, f = 0, o = 0.6; c = 0.75 · tanh 2 = 0.723021,
    # h = 0.6 · tanh c = 0.6 · 0.618777 = 0.371266
    z = torch.tensor([1.5, -4.0, 2.0, 0.6], dtype=torch.float64)
    cell = CellWeights(z[:, None], torch.zeros(4, 1, dtype=torch.float64))
    x = torch.ones(1, 1, 1, dtype=torch.float64)
    state = LSTMState(*torch.tensor([9.0, 9.0], dtype=torch.float64)[:, None, None, None])

    def solve(**fields: Any) -> tuple[float, float]:
        result = lstm(x, [cell], state=state, variant=Variant(**fields), backend="reference")
        return float(result.y), float(result.state.c)

    assert solve(hard_sigmoid=True) == pytest.approx((0.371266, 0.723021), abs=1e-6)
    clipped = solve(hard_sigmoid=True, cell_clip=0.5)
    assert clipped == pytest.approx((0.6 * math.tanh(0.5), 0.5), abs=1e-15)
    # Without hard gates σ(-4) · 9 + σ(1.5) · tanh 2 = 0.161876 + 0.788164 = 0.950040
    assert solve(cell_clip=1.0)[1] == pytest.approx(0.950040, abs=1e-6)
    assert solve(cell_clip=0.9)[1] == 0.9


@pytest.mark.parametrize(
    ("a", "value", "slope"),
    [(-9.0, 0.0, 0.0), (-1.5, 0.25, 1 / 6), (0.0, 0.5, 1 / 6), (2.4, 0.9, 1 / 6), (3.5, 1.0, 0.0)],
)
def test_hard_sigmoid_is_piecewise_linear(a: float, value: float, slope: float) -> None:
    given = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    found = reference.hard_sigmoid(given)
    found.backward()
    assert float(found.detach()) == pytest.approx(value, abs=1e-15)
    assert given.grad is not None
    assert float(given.grad) == pytest.approx(slope, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "variant",
    [Variant(hard_sigmoid=True), Variant(cell_clip=0.5), Variant(layer_norm=True, cell_clip=0.5)],
    ids=str,
)
def test_a_nan_is_no_number_in_the_answer_of_any_backend(
    variant: Variant, dtype: torch.dtype
) -> None:
    case = Case(3, 3, 2, 5, variant=variant)
    operands = case.operands(dtype)
    x = operands.x.clone()
    x[1, 1, 0] = torch.nan
    for backend in ("reference", "cpu"):
        y = lstm(x, operands.weights, variant=variant, backend=backend).y
        assert y[1:, 1].isnan().all()
        assert y[:1, 1].isfinite().all()
        assert y[:, [0, 2]].isfinite().all()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "all dropped": ({"recurrent_dropout": 1}, "recurrent_dropout must be in 0 … 1, 1 excluded"),
    "a negative share": ({"zoneout_c": -0.1}, "zoneout_c must be in 0 … 1, 1 excluded; got -0.1"),
    "a boolean share": ({"zoneout_h": True}, "zoneout_h must be in 0 … 1, 1 excluded; got True"),
    "a share in words": ({"zoneout_h": "half"}, "zoneout_h must be in 0 … 1, 1 excluded; got 'h"),
    "no share": ({"zoneout_c": math.nan}, "zoneout_c must be in 0 … 1, 1 excluded; got nan"),
    "no bound": ({"cell_clip": 0}, "cell_clip must be greater than zero, or None; got 0"),
    "a bound below": ({"cell_clip": -2.0}, "cell_clip must be greater than zero, or None; got -2"),
    "any bound": ({"cell_clip": math.inf}, "cell_clip must be greater than zero, or None; got inf"),
    "a boolean bound": ({"cell_clip": True}, "cell_clip must be greater than zero, or None; got T"),
    "a bound in words": ({"cell_clip": "3"}, "cell_clip must be greater than zero, or None; got '"),
    "another place": (
        {"dropped_at": "hiden"},
        "must be 'hidden' or 'candidate'; got 'hiden'. Did you mean 'hidden'?",
    ),
    "no place": ({"dropped_at": None}, "must be 'hidden' or 'candidate'; got None. Choose from"),
}


@pytest.mark.parametrize("call", BAD)
def test_bad_variant_is_explained_in_three_sentences(call: str) -> None:
    given, message = BAD[call]
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        check_variant("lstm", Variant(**given))
    assert re.fullmatch(r"lstm: .+ must .+; got .+\. .+[.?]", str(caught.value))
    operands = Case(1, 1, 1, 1).operands(torch.float64)
    with pytest.raises(CellstateError, match=re.escape(message)):
        lstm(operands.x, operands.weights, variant=Variant(**given))


MISFITS: dict[str, tuple[Variant, dict[str, Any], str]] = {
    "peepholes without weights": (
        Variant(peephole=True),
        {},
        r"weight_ch of cell 0 must be \(9,\); got None",
    ),
    "weights without peepholes": (
        PLAIN,
        {"weight_ch": torch.ones(9)},
        "weight_ch of cell 0 must be None; got",
    ),
    "peepholes of three gates where two are left": (
        Variant(peephole=True, coupled=True),
        {"weight_ih": torch.ones(9, 2), "weight_hh": torch.ones(9, 3), "weight_ch": torch.ones(9)},
        r"weight_ch of cell 0 must be \(6,\)",
    ),
    "layer norm without gains": (
        Variant(layer_norm=True),
        {"norm_ih": torch.ones(12)},
        r"norm_hh of cell 0 must be \(12,\); got None",
    ),
}


@pytest.mark.parametrize("call", MISFITS)
def test_weights_that_do_not_fit_the_variant_are_explained(call: str) -> None:
    variant, given, message = MISFITS[call]
    weights = {"weight_ih": torch.ones(12, 2), "weight_hh": torch.ones(12, 3)} | given
    with pytest.raises(InputError, match=message):
        lstm(torch.ones(1, 1, 2), [CellWeights(**weights)], variant=variant)


def test_a_variant_shows_what_departs_from_the_plain_cell() -> None:
    assert str(PLAIN) == ""
    assert str(Variant(coupled=True, zoneout_h=0.1)) == "coupled=True, zoneout_h=0.1"
    assert str(Variant(dropped_at="candidate", cell_clip=2)) == (
        "cell_clip=2, dropped_at='candidate'"
    )


@pytest.mark.parametrize(
    ("variant", "gates", "peepholes", "draws"),
    [
        (PLAIN, 4, 0, False),
        (Variant(peephole=True), 4, 3, False),
        (Variant(coupled=True), 3, 0, False),
        (Variant(coupled=True, peephole=True), 3, 2, False),
        (Variant(zoneout_h=0.1), 4, 0, True),
        (Variant(recurrent_dropout=0.1), 4, 0, True),
    ],
    ids=lambda value: str(value) if isinstance(value, Variant) else "",
)
def test_a_variant_knows_its_weights_and_whether_it_draws(
    variant: Variant, gates: int, peepholes: int, draws: bool
) -> None:
    assert (variant.gates, variant.peepholes, variant.draws) == (gates, peepholes, draws)
