"""The layers for irregular time: `DecayLSTM` and `TimeAwareLSTM`."""

from __future__ import annotations

import copy
import io
import itertools
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cellstate.errors import ArgumentTypeError, CellstateError, InputError, ShapeError
from cellstate.nn import LSTM, DecayLSTM, InputDecay, TimeAwareLSTM

NAN = torch.nan
FORMS: dict[str, Callable[..., Any]] = {
    "hidden": DecayLSTM,
    "cell": lambda *sizes, **more: DecayLSTM(*sizes, decay="cell", **more),
    "both": lambda *sizes, **more: DecayLSTM(*sizes, decay="both", **more),
    "log": TimeAwareLSTM,
    "inverse": lambda *sizes, **more: TimeAwareLSTM(*sizes, discount="inverse", **more),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(form: str, inputs: int = 4, hidden: int = 5, **options: Any) -> Any:
    layer = FORMS[form](inputs, hidden, **{"dtype": torch.float64, "time_scale": 5.0, **options})
    for name, parameter in layer.named_parameters():
        if name.endswith("decay_bias") or name == "inputs.bias":
            nn.init.uniform_(parameter, -0.1, 0.2)
    return layer


def draw(steps: int, batch: int, inputs: int = 4) -> tuple[Tensor, Tensor]:
    values = torch.randn(steps, batch, inputs, dtype=torch.float64)
    values[torch.rand(values.shape) < 0.5] = NAN
    times = torch.rand(steps, batch, dtype=torch.float64).mul(4).cumsum(0) + 100
    return values, times


def naive(
    layer: Any, values: Tensor, times: Tensor, lengths: list[int] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Row by row and step by step, from the sources' equations."""
    steps, batch, inputs = values.shape
    H, cell = layer.hidden_size, layer.cell
    ys, hs, cs = [], [], []
    for b in range(batch):
        h = c = values.new_zeros(H)
        since, outputs = values.new_zeros(inputs), []
        last = layer.inputs.means if isinstance(layer, DecayLSTM) else None
        length = steps if lengths is None else lengths[b]
        for t in range(length):
            passed = times[t, b] - times[t - 1, b] if t else times.new_zeros(())
            measured = ~values[t, b].isnan()
            clean = torch.where(measured, values[t, b], 0)
            if isinstance(layer, DecayLSTM):
                fill, gap, m = layer.inputs, since + passed, measured.double()
                kept = torch.exp(-torch.relu(fill.weight * gap + fill.bias))
                x = m * clean + (1 - m) * (kept * last + (1 - kept) * fill.means)
                last, since = torch.where(measured, clean, last), gap * (1 - m)
                x = torch.cat([x, m])
                factor = torch.exp(-torch.relu(layer.decay_weight @ gap + layer.decay_bias))
                h = h if layer.decay == "cell" else factor * h
                c = c if layer.decay == "hidden" else factor * c
            else:
                x, gap = clean, passed / layer.time_scale
                g = 1 / torch.log(math.e + gap) if layer.discount == "log" else 1 / max(gap, 1)
                short = torch.tanh(layer.memory_weight @ c + layer.memory_bias)
                c = (c - short) + g * short
            sums = cell.weight_ih @ x + cell.weight_hh @ h
            sums = sums if cell.bias_ih is None else sums + cell.bias_ih + cell.bias_hh
            i, f, o_in, o = sums.chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(o_in)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        ys.append(torch.stack(outputs + [torch.zeros_like(h)] * (steps - length)))
        hs.append(h)
        cs.append(c)
    return torch.stack(ys, 1), torch.stack(hs), torch.stack(cs)


def gradients(results: tuple[Tensor, ...], tensors: list[Tensor]) -> list[Tensor]:
    torch.manual_seed(1)
    loss = sum((r * torch.randn(r.shape, dtype=r.dtype)).sum() for r in results)
    if not loss.requires_grad:  # no step was taken
        return [torch.zeros_like(t) for t in tensors]
    found = torch.autograd.grad(loss, tensors, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for g, t in zip(found, tensors, strict=True)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("steps", "batch", "hidden"),
    [*itertools.product((1, 2), (1, 3), (1, 7)), (33, 3, 7), (2, 1, 33), (5, 3, 33)],
)
def test_results_and_gradients_are_those_of_the_sources(
    form: str, steps: int, batch: int, hidden: int
) -> None:
    layer, (values, times) = build(form, 3, hidden), draw(steps, batch, 3)
    values.requires_grad_()
    y, state = layer(values, times)
    theirs = naive(layer, values, times)
    ours = (y, state.h[0], state.c[0])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    tensors = [values, *layer.parameters()]
    for a, b in zip(gradients(ours, tensors), gradients(theirs, tensors), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lengths", [[6, 0, 2], [0, 0, 0], [1, 6, 6]])
def test_ragged_rows_stop_at_their_length(form: str, lengths: list[int]) -> None:
    layer, (values, times) = build(form), draw(6, 3)
    padding = torch.arange(6)[:, None] >= torch.tensor(lengths)
    times[padding] = NAN
    values.requires_grad_()
    y, state = layer(values, times, lengths=lengths)
    ours, theirs = (y, state.h[0], state.c[0]), naive(layer, values, times, lengths)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    last = [times[n - 1, b] if n else NAN for b, n in enumerate(lengths)]
    torch.testing.assert_close(state.time.tolist(), [float(t) for t in last], equal_nan=True)
    tensors = [values, *layer.parameters()]
    for a, b in zip(gradients(ours, tensors), gradients(theirs, tensors), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_step_by_step_is_one_pass(form: str, dtype: torch.dtype) -> None:
    layer, (values, times) = build(form, dtype=dtype), draw(33, 3)
    values = values.to(dtype)
    with torch.no_grad():
        whole, after = layer(values, times)
        state = None
        for t in range(33):
            y, state = layer(values[t : t + 1], times[t : t + 1], state)
            torch.testing.assert_close(y[0], whole[t], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(tuple(state), tuple(after), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [0, 1, 7, 12])
def test_a_sequence_may_be_split_anywhere_with_its_gradient(form: str, cut: int) -> None:
    layer, (values, times) = build(form), draw(12, 3)
    whole, _ = layer(values, times)
    first, state = layer(values[:cut], times[:cut])
    rest, _ = layer(values[cut:], times[cut:], state)
    joined, tensors = torch.cat([first, rest]), list(layer.parameters())
    torch.testing.assert_close(joined, whole, rtol=1e-12, atol=1e-12)
    pairs = zip(gradients((joined,), tensors), gradients((whole,), tensors), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_rows_do_not_see_one_another(form: str) -> None:
    layer, (values, times) = build(form), draw(8, 3)
    together, _ = layer(values, times, lengths=[8, 5, 0])
    alone, _ = layer(values[:5, 1:2], times[:5, 1:2])
    torch.testing.assert_close(together[:5, 1:2], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_known_of_the_future(form: str) -> None:
    layer, (values, times) = build(form), draw(10, 2)
    before, _ = layer(values, times)
    values[6:], times[6:] = 50.0, times[6:] + 7
    after, _ = layer(values, times)
    torch.testing.assert_close(after[:6], before[:6], rtol=0, atol=1e-15)
    assert not torch.allclose(after[6:], before[6:])


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_input_is_kept(form: str) -> None:
    layer, (values, times) = build(form), draw(6, 3)
    turned = build(form, batch_first=True)
    turned.load_state_dict(layer.state_dict())
    expected, state = layer(values, times, lengths=[6, 2, 4])
    y, after = turned(values.transpose(0, 1), times.t(), lengths=[6, 2, 4])
    assert torch.equal(y.transpose(0, 1), expected)
    assert all(map(torch.equal, after, state))
    one, alone = layer(values[:, 1], times[:, 1], lengths=2)
    torch.testing.assert_close(one, expected[:, 1])
    assert alone.h.shape == (1, 5)
    torch.testing.assert_close(alone.c, state.c[:, 1])
    again, _ = layer(values[:, 1], times[:, 1] + 100, alone)
    assert again.shape == (6, 5)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_right_by_finite_differences(form: str) -> None:
    layer, (values, times) = build(form, 2, 3), draw(3, 2, 2)
    names = [name for name, _ in layer.named_parameters()]

    def run(values: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(names, parameters, strict=True))
        y, state = torch.func.functional_call(layer, named, (values, times))
        return y, state.h, state.c

    given = (values.requires_grad_(), *(p.detach().requires_grad_() for p in layer.parameters()))
    assert torch.autograd.gradcheck(run, given)


def test_without_gaps_and_decay_it_is_the_plain_layer() -> None:
    values, times = torch.randn(6, 3, 4, dtype=torch.float64), torch.zeros(6, 3)
    aware, plain = build("log"), LSTM(4, 5, dtype=torch.float64)
    plain.load_state_dict({f"{n}_l0": p for n, p in aware.cell.state_dict().items()})
    torch.testing.assert_close(aware(values, times)[0], plain(values)[0], rtol=1e-12, atol=1e-14)
    decayed, wide = DecayLSTM(4, 5, dtype=torch.float64), LSTM(8, 5, dtype=torch.float64)
    wide.load_state_dict({f"{n}_l0": p for n, p in decayed.cell.state_dict().items()})
    masked = torch.cat([values, torch.ones_like(values)], -1)
    torch.testing.assert_close(decayed(values, times)[0], wide(masked)[0], rtol=1e-12, atol=1e-14)


def test_the_input_is_that_of_input_decay() -> None:
    layer, (values, times) = build("hidden"), draw(9, 3)
    nn.init.zeros_(layer.decay_weight)
    nn.init.zeros_(layer.decay_bias)
    fill, plain = InputDecay(4, dtype=torch.float64), LSTM(8, 5, dtype=torch.float64)
    fill.load_state_dict(layer.inputs.state_dict())
    plain.load_state_dict({f"{n}_l0": p for n, p in layer.cell.state_dict().items()})
    x = torch.cat([fill(values, times)[0], (~values.isnan()).double()], -1)
    torch.testing.assert_close(layer(values, times)[0], plain(x)[0])


def test_decays_are_near_one_at_the_start() -> None:
    layer = DecayLSTM(10, 20, time_scale=100.0)
    factors = torch.exp(-torch.relu(torch.ones(10) @ layer.decay_weight.detach().t()))
    assert 0.98 < float(factors.min()) < float(factors.max()) < 1
    assert layer.inputs.weight.tolist() == pytest.approx([0.01] * 10)
    assert not layer.decay_bias.any()


def test_long_gaps_empty_what_decays() -> None:
    values = torch.randn(3, 1, 2)
    times = torch.tensor([[0.0], [1.0], [1e9]])
    layer = DecayLSTM(2, 4, decay="both")
    with torch.no_grad():
        y, _ = layer(values, times)
        # Every variable's gap is endless, so that the last step starts from nothing.
        alone, _ = layer(values[2:], times[2:])
    torch.testing.assert_close(y[2], alone[0])


@pytest.mark.parametrize("form", FORMS)
def test_a_layer_goes_through_state_dict_deepcopy_and_pickle(form: str) -> None:
    layer, (values, times) = build(form), draw(4, 2)
    expected, _ = layer(values, times)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    other = build(form)
    other.load_state_dict(layer.state_dict())
    read = torch.load(file, weights_only=False)
    for again in (other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), read):
        assert repr(again) == repr(layer)
        assert torch.equal(again(values, times)[0], expected)


@pytest.mark.parametrize("form", FORMS)
def test_reset_parameters_starts_again(form: str) -> None:
    layer = build(form, forget_bias=1.0)
    for parameter in layer.parameters():
        nn.init.constant_(parameter, 9.0)
    layer.reset_parameters()
    assert all(float(p.detach().abs().max()) <= 1.0 for p in layer.parameters())
    both = layer.cell.bias_ih + layer.cell.bias_hh
    assert both[5:10].tolist() == [1.0] * 5


@pytest.mark.parametrize("form", FORMS)
def test_weights_that_changed_are_seen(form: str) -> None:
    layer, (values, times) = build(form, bias=False), draw(4, 2)
    for _ in range(2):
        y, _ = layer(values, times)
        torch.testing.assert_close(y, naive(layer, values, times)[0])
        y.square().sum().backward()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter -= 0.1 * parameter.grad


@pytest.mark.parametrize("form", FORMS)
def test_repr_shows_what_differs(form: str) -> None:
    shown = build(form, batch_first=True).extra_repr()
    assert shown.startswith("4, 5, batch_first=True")
    assert (repr(form) in shown) == (form not in ("hidden", "log"))


X, TIMES = torch.zeros(4, 2, 3), torch.zeros(4, 2)
BAD: list[tuple[type[CellstateError], str, dict[str, Any]]] = [
    (ShapeError, r"x must be \(time, batch, input=3\)", {"input": torch.zeros(4, 2, 5)}),
    (ArgumentTypeError, "x must be a tensor", {"input": [1.0]}),
    (ShapeError, "x and the parameters must have one dtype", {"input": X.double()}),
    (ShapeError, r"times must be \(time, batch\) = \(4, 2\)", {"times": torch.zeros(2, 4)}),
    (InputError, "row 1, step 3", {"times": torch.tensor([[0, 0], [0, 2], [0, 2], [0, 1]])}),
    (ArgumentTypeError, r"state must be \(h, c, ", {"state": (X, X)}),
    (InputError, "lengths must be 2 integers", {"lengths": [1, 9]}),
]


@pytest.mark.parametrize("kind", [DecayLSTM, TimeAwareLSTM])
@pytest.mark.parametrize(("error", "message", "given"), BAD, ids=[m for _, m, _ in BAD])
def test_bad_calls_are_explained(
    kind: Any, error: type[CellstateError], message: str, given: dict[str, Any]
) -> None:
    with pytest.raises(error, match=message):
        kind(3, 4)(**{"input": X, **given})


@pytest.mark.parametrize("kind", [DecayLSTM, TimeAwareLSTM])
def test_a_bad_state_and_a_packed_sequence_are_explained(kind: Any) -> None:
    layer = kind(3, 4)
    _, state = layer(X, TIMES)
    with pytest.raises(ShapeError, match=r"state.h must be \(layer, batch, size\) = \(1, 2, 4\)"):
        layer(X, TIMES, state._replace(h=state.h[0]))
    with pytest.raises(InputError, match="row 0, step 0"):
        layer(X, TIMES - 1, state)
    with pytest.raises(ArgumentTypeError, match="x must be a padded tensor"):
        layer(nn.utils.rnn.pack_padded_sequence(X, [4, 4]))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (DecayLSTM, {"decay": "hiden"}, "DecayLSTM: decay must be .*Did you mean 'hidden'"),
        (TimeAwareLSTM, {"discount": "exp"}, "TimeAwareLSTM: discount must be 'log' or 'inverse'"),
        (TimeAwareLSTM, {"time_scale": -1}, "TimeAwareLSTM: time_scale must be"),
        (DecayLSTM, {"hidden_size": 0}, "DecayLSTM: hidden_size must be greater than zero"),
        (DecayLSTM, {"bias": None}, "DecayLSTM: bias must be True or False"),
        (DecayLSTM, {"bias": False, "forget_bias": 1.0}, "forget_bias needs a layer with a bias"),
    ],
)
def test_bad_arguments_are_explained(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**{"input_size": 3, "hidden_size": 4, **options})
