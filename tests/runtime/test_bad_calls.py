"""Calls that cannot be answered, each with its three sentences."""

import numpy as np
import pytest

from cellstate import _native, network
from cellstate.errors import InputError, ShapeError
from cellstate.runtime import Chain
from tests.runtime.networks import STACK, TEXT, random_tensors

TENSORS = random_tensors(STACK + TEXT[:1], np.random.default_rng(0))
ZEROS = np.zeros((4, 3, 5), np.float32)


def chain():
    return Chain(STACK, TENSORS)


def text_chain():
    return Chain(TEXT, random_tensors(TEXT, np.random.default_rng(0)))


def state_of(h, c):
    return {"body": (h, c)}


GOOD = np.zeros((2, 3, 33), np.float32)
NAN_WEIGHT = np.full((132, 33), np.nan, np.float32)

CHAIN_CALLS = {
    "no layers": (lambda: Chain((), {}), InputError, "unique names"),
    "one name twice": (
        lambda: Chain((network.Linear("a", 2, 2), network.Linear("a", 2, 2)), {}),
        InputError,
        "got 'a', 'a'. Name each layer",
    ),
    "a dot in a name": (
        lambda: Chain((network.Linear("a.b", 2, 2),), {}),
        InputError,
        "without dots; got 'a.b'",
    ),
    "an unknown activation": (
        lambda: Chain((network.Linear("a", 2, 2, "rely"),), {}),
        InputError,
        "Did you mean 'relu'?",
    ),
    "layers that do not fit": (
        lambda: Chain((network.Linear("a", 2, 3), network.LSTM("b", 4, 5)), {}),
        InputError,
        "'b' must take what 'a' gives; got 3 features for 4",
    ),
    "an embedding in the middle": (
        lambda: Chain((network.Linear("a", 2, 3), network.Embedding("b", 4, 5)), {}),
        InputError,
        "got 3 features for integers",
    ),
    "a missing tensor": (
        lambda: Chain(STACK, {}),
        InputError,
        "tensors must hold 'stem.weight'; got 0 others",
    ),
    "a tensor of another shape": (
        lambda: Chain(STACK, TENSORS | {"stem.bias": np.zeros(3)}),
        ShapeError,
        r"'stem.bias' must hold floating point numbers of shape \(7,\); got \(3,\) float64",
    ),
    "a tensor of integers": (
        lambda: Chain(STACK, TENSORS | {"stem.bias": np.zeros(7, int)}),
        ShapeError,
        r"got \(7,\) int64",
    ),
    "no threads": (lambda: Chain(STACK, TENSORS, threads=0), InputError, "1 or more; got 0"),
    "an unknown form of weights": (
        lambda: Chain(STACK, TENSORS, weights="int9"),
        InputError,
        "'bf16' or 'int8'; got 'int9'. Did you mean 'int8'?",
    ),
    "whole numbers from NaN": (
        lambda: Chain(STACK, TENSORS | {"body.weight_hh_l1": NAN_WEIGHT}, weights="int8"),
        InputError,
        "'body.weight_hh_l1' must be finite to be stored as int8; got 4356 infinite or NaN",
    ),
    "no axes": (lambda: chain().step(np.float32(1)), ShapeError, r"got \(\) float32"),
    "an array of no axes": (lambda: chain().step(ZEROS[0, 0, 0, ...]), ShapeError, r"got \(\)"),
    "too few axes": (lambda: chain().sequence(ZEROS[0]), ShapeError, r"x must be \(time, batch"),
    "too many axes": (lambda: chain().step(ZEROS), ShapeError, r"x must be \(batch, input=5\)"),
    "another width": (lambda: chain().step(ZEROS[0, :, :4]), ShapeError, r"got \(3, 4\) float32"),
    "text": (lambda: chain().step([["a"] * 5]), ShapeError, r"real numbers; got \(1, 5\) <U1"),
    "complex numbers": (lambda: chain().step(ZEROS[0] * 1j), ShapeError, "complex64"),
    "floats for an embedding": (
        lambda: text_chain().step(np.zeros(3)),
        ShapeError,
        r"x must be \(batch\) integers; got \(3,\) float64",
    ),
    "an index too high": (
        lambda: text_chain().step(np.array([3, 11])),
        InputError,
        "from 0 to 10 for 'letters'; got values from 3 to 11",
    ),
    "a negative index": (
        lambda: text_chain().step(np.array([-1])),
        InputError,
        "got values from -1 to -1",
    ),
    "a state without names": (
        lambda: chain().step(ZEROS[0], (GOOD, GOOD)),
        InputError,
        r"layers by name; got tuple. Pass the state that the last call returned",
    ),
    "a state by another name": (
        lambda: chain().step(ZEROS[0], {"bodi": (GOOD, GOOD)}),
        InputError,
        "got 'bodi'. Did you mean 'body'?",
    ),
    "a state where there is no memory": (
        lambda: Chain(STACK[:1], TENSORS).step(ZEROS[0], {"stem": (GOOD, GOOD)}),
        InputError,
        "got 'stem'. Leave it out",
    ),
    "a state of another batch": (
        lambda: chain().step(ZEROS[0], state_of(GOOD[:, :2], GOOD)),
        ShapeError,
        r"each \(layers, batch, hidden\) = \(2, 3, 33\); got \(2, 2, 33\) float32",
    ),
    "a state without c": (
        lambda: chain().step(ZEROS[0], {"body": (GOOD,)}),
        ShapeError,
        "got tuple of another form",
    ),
    "a state of text": (
        lambda: chain().step(ZEROS[0], state_of(GOOD, GOOD.astype(str))),
        ShapeError,
        "got .* <U",
    ),
    "a negative batch": (lambda: chain().zero_state(-1), ShapeError, "zero or more; got -1"),
    "half a batch": (lambda: chain().zero_state(1.5), ShapeError, "whole number.*got 1.5"),
}


@pytest.mark.parametrize("call", CHAIN_CALLS)
def test_bad_call_is_explained(call):
    attempt, error, message = CHAIN_CALLS[call]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert "; got " in str(caught.value)


# One good set of arguments, from which each bad call differs in one thing.
H, I, B = 5, 3, 2
PACKED = _native.PackedLSTM(*(np.zeros(s, np.float32) for s in ((4 * H, I), (4 * H, H), (4 * H,))))
LAYER = _native.PackedLinear(np.zeros((4, I), np.float32), np.zeros(4, np.float32))


def floats(*shape):
    return np.zeros(shape, np.float32)


def pack(**changed):
    arguments = {
        "weight_ih": floats(4 * H, I),
        "weight_hh": floats(4 * H, H),
        "bias": floats(4 * H),
    }
    return _native.PackedLSTM(**(arguments | changed))


def step(**changed):
    names = ("h", "c", "h_out", "c_out")
    arguments = {"x": floats(B, I)} | {name: floats(B, H) for name in names}
    _native.lstm_step(PACKED, **(arguments | changed))


def linear(**changed):
    _native.linear(LAYER, **({"x": floats(B, I), "y": floats(B, 4)} | changed))


SHARED = floats(B, H)
NATIVE_CALLS = {
    "weight_ih of one axis": (lambda: pack(weight_ih=floats(4)), "weight_ih must have 2 axes"),
    "weight_ih of other units": (lambda: pack(weight_ih=floats(8, I)), r"shape \(20, 3\); got"),
    "weight_hh not 4H": (lambda: pack(weight_hh=floats(H, H)), r"shape \(20, 5\)"),
    "bias too long": (lambda: pack(bias=floats(4 * H + 1)), r"shape \(20,\); got shape \(21,\)"),
    "an unknown form": (lambda: pack(stored="int4"), "'full', 'bf16' or 'int8'; got 'int4'"),
    "whole numbers of an infinity": (
        lambda: pack(weight_hh=np.full((4 * H, H), np.inf, np.float32), stored="int8"),
        "weight_hh must be finite to be stored as int8; got inf",
    ),
    "narrow float64": (
        lambda: _native.PackedLSTM64(
            *(np.zeros(s) for s in ((4 * H, I), (4 * H, H), (4 * H,))), stored="bf16"
        ),
        "float64 must be stored in full; got 'bf16'",
    ),
    "unknown isa": (lambda: pack(isa="avx1024"), r"this CPU runs \(baseline.*; got 'avx1024'"),
    "x of float64": (lambda: step(x=np.zeros((B, I))), "not float32"),
    "x of another width": (lambda: step(x=floats(B, I + 1)), r"\(2, 3\); got shape \(2, 4\)"),
    "x of three axes": (lambda: step(x=floats(1, B, I)), "x must have 2 axes"),
    "x not dense": (lambda: step(x=floats(B, 2 * I)[:, ::2]), "not dense"),
    "h of another batch": (lambda: step(h=floats(B + 1, H)), r"h must be .* \(2, 5\)"),
    "c of another size": (lambda: step(c=floats(B, H - 1)), r"c must be .* \(2, 5\)"),
    "h_out too small": (lambda: step(h_out=floats(B - 1, H)), "h_out must be"),
    "c_out too small": (lambda: step(c_out=floats(B, H - 1)), "c_out must be"),
    "h updated in place": (lambda: step(h=SHARED, h_out=SHARED), "must not share memory"),
    "one array for both outputs": (
        lambda: step(h_out=SHARED, c_out=SHARED),
        "h_out and c_out must not share memory",
    ),
    "no threads": (lambda: step(threads=0), "threads must be at least 1; got 0"),
    "linear x too wide": (lambda: linear(x=floats(B, I + 1)), "x must be a dense float32"),
    "linear y too small": (lambda: linear(y=floats(B, 3)), "y must be a dense float32"),
    "linear in place": (
        lambda: _native.linear(_native.PackedLinear(floats(I, I), floats(I)), *(floats(B, I),) * 2),
        "y and x must not share memory",
    ),
    "unknown activation": (
        lambda: _native.PackedLinear(floats(4, I), floats(4), "gelu"),
        "'identity', 'relu' or 'tanh'; got 'gelu'",
    ),
    "unknown function": (
        lambda: _native.elementwise("cosh", floats(3), floats(3)),
        "got 'cosh'",
    ),
    "output of another length": (
        lambda: _native.elementwise("tanh", floats(3), floats(4)),
        r"y must be .* \(3,\)",
    ),
}


@pytest.mark.parametrize("call", NATIVE_CALLS)
def test_bad_native_call_is_explained_before_memory_is_touched(call):
    attempt, message = NATIVE_CALLS[call]
    with pytest.raises(ValueError, match=message) as caught:
        attempt()
    assert "; got " in str(caught.value)


def test_read_only_output_is_refused():
    frozen = floats(B, H)
    frozen.flags.writeable = False
    with pytest.raises(TypeError):
        step(h_out=frozen)


def test_read_only_input_is_taken():
    frozen = floats(B, I)
    frozen.flags.writeable = False
    step(x=frozen)
