"""Calls that cannot be answered, each with its three sentences."""

import numpy as np
import pytest

from cellstate import _native, network
from cellstate.errors import InputError, ShapeError
from cellstate.runtime import Chain
from tests.runtime.networks import STACK, TEXT, random_tensors

TENSORS = random_tensors(STACK + TEXT[:1], np.random.default_rng(0))
ZEROS = np.zeros((4, 3, 5), np.float32)
FRAMES = (network.FrameStack("last", 5, 3),)
PACKED_STATES = np.zeros((9, 132), np.float32)
ODD_RECORDS = np.zeros(9, [("begun", "?"), ("state", "f4", (132,))])


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


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
    "packed states of another size": (
        lambda: chain().step_packed(ZEROS[0], PACKED_STATES[:, 1:]),
        ShapeError,
        r"array of shape \(N, 132\) with dense rows; got \(9, 131\) float32",
    ),
    "packed states of float64": (
        lambda: chain().step_packed(ZEROS[0], PACKED_STATES.astype(float)),
        ShapeError,
        r"got \(9, 132\) float64",
    ),
    "packed states in a list": (
        lambda: chain().step_packed(ZEROS[0], PACKED_STATES.tolist()),
        ShapeError,
        "got list",
    ),
    "too few packed states": (
        lambda: chain().step_packed(ZEROS[0], PACKED_STATES[:2]),
        ShapeError,
        "a row for each of the 3 rows of x; got 2 rows. Pass rows",
    ),
    "packed states in another order": (
        lambda: chain().step_packed(ZEROS[0], np.asfortranarray(PACKED_STATES)),
        ShapeError,
        "got rows 4 and numbers 36 bytes apart",
    ),
    "packed states that repeat": (
        lambda: chain().step_packed(
            ZEROS[0], np.lib.stride_tricks.as_strided(PACKED_STATES, strides=(0, 4))
        ),
        ShapeError,
        "got rows 0 and numbers 4 bytes apart",
    ),
    "packed states in reverse": (
        lambda: chain().step_packed(ZEROS[0], PACKED_STATES[::-1]),
        ShapeError,
        "got rows -528 and numbers 4 bytes apart",
    ),
    "read-only packed states": (
        lambda: chain().step_packed(ZEROS[0], frozen(PACKED_STATES)),
        ShapeError,
        "got a read-only array",
    ),
    "packed states off their places": (
        lambda: chain().step_packed(ZEROS[0], ODD_RECORDS["state"]),
        ShapeError,
        "aligned to 4 bytes; got rows 529 bytes apart. Make the records' dtype with align=True",
    ),
    "rows given twice": (
        lambda: chain().step_packed(ZEROS[0], PACKED_STATES, rows=[4, 1, 4]),
        InputError,
        "rows must all differ.*; got 4 more than once. Let the second event",
    ),
    "a row too high": (
        lambda: chain().step_packed(ZEROS[0], PACKED_STATES, rows=[0, 1, 9]),
        InputError,
        "rows must be in 0 … 8; got numbers from 0 to 9",
    ),
    "a negative row": (
        lambda: chain().step_packed(ZEROS[0][:1], PACKED_STATES, rows=[-1]),
        InputError,
        "got numbers from -1 to -1",
    ),
    "rows for another batch": (
        lambda: chain().step_packed(ZEROS[0], PACKED_STATES, rows=[0, 1]),
        ShapeError,
        r"rows must be \(3,\) integers, one for each row of x; got \(2,\) int64",
    ),
    "half a row": (
        lambda: chain().step_packed(ZEROS[0][:1], PACKED_STATES, rows=[0.5]),
        ShapeError,
        r"got \(1,\) float64",
    ),
    "an index too high for packed states": (
        lambda: text_chain().step_packed(np.array([11]), np.zeros((1, 32), np.float32)),
        InputError,
        "from 0 to 10 for 'letters'",
    ),
    "packed states to unpack of another size": (
        lambda: chain().unpack(PACKED_STATES[:, 1:]),
        ShapeError,
        r"got \(9, 131\) float32",
    ),
    "a state without arrays to pack": (
        lambda: Chain(STACK[:1], TENSORS).pack({}),
        InputError,
        r"must come with its batch; got an array of shape \(0,\)",
    ),
    "a state of frames of another form": (
        lambda: Chain(FRAMES, {}).step(ZEROS[0], {"last": (GOOD, GOOD)}),
        ShapeError,
        r"before, \(frames - 1, batch, inputs\) = \(2, 3, 5\); got tuple of another form",
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


def forward(**changed):
    arguments = {name: floats(B, H) for name in ("h0", "c0", "h", "c")}
    arguments |= {"x": floats(1, B, I), "y": floats(1, B, H)}
    _native.lstm_forward(PACKED, **(arguments | changed))


def linear(**changed):
    _native.linear(LAYER, **({"x": floats(B, I), "y": floats(B, 4)} | changed))


def native_chain():
    made = _native.PackedChain()
    made.add_linear(LAYER)
    return made


def cell_chain():
    made = _native.PackedChain()
    made.add_lstm([PACKED], [None])
    return made


def chain_step(**changed):
    arguments = {"x": floats(B, I), "states": floats(3, 10), "rows": None, "y": floats(B, H)}
    cell_chain().step(**(arguments | changed))


SHARED = floats(B, H)
SHARED_STATES = floats(3, 10)
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
    "x of float64": (lambda: forward(x=np.zeros((1, B, I))), "not float32"),
    "x of another width": (
        lambda: forward(x=floats(1, B, I + 1)),
        r"\(1, 2, 3\); got shape \(1, 2, 4",
    ),
    "x of two axes": (lambda: forward(x=floats(B, I)), "x must have 3 axes"),
    "x not dense": (lambda: forward(x=floats(1, B, 2 * I)[..., ::2]), "not dense"),
    "h0 of another batch": (lambda: forward(h0=floats(B + 1, H)), r"h0 must be .* \(2, 5\)"),
    "c0 of another size": (lambda: forward(c0=floats(B, H - 1)), r"c0 must be .* \(2, 5\)"),
    "y too small": (lambda: forward(y=floats(1, B - 1, H)), "y must be"),
    "h too small": (lambda: forward(h=floats(B - 1, H)), "h must be"),
    "c too small": (lambda: forward(c=floats(B, H - 1)), "c must be"),
    "h updated in place": (lambda: forward(h0=SHARED, y=SHARED[None]), "must not share memory"),
    "one array for two outputs": (
        lambda: forward(y=SHARED[None], c=SHARED),
        "y and c must not share memory",
    ),
    "no threads": (lambda: forward(threads=0), "threads must be at least 1; got 0"),
    "linear x too wide": (lambda: linear(x=floats(B, I + 1)), "x must be a dense float32"),
    "linear y too small": (lambda: linear(y=floats(B, 3)), "y must be a dense float32"),
    "linear in place": (
        lambda: _native.linear(_native.PackedLinear(floats(I, I), floats(I)), *(floats(B, I),) * 2),
        "y and x must not share memory",
    ),
    "a layer that does not fit": (
        lambda: native_chain().add_linear(_native.PackedLinear(floats(2, 5), floats(2))),
        "must take the 4 numbers of the one before it; got 5",
    ),
    "a table in the middle": (
        lambda: native_chain().add_table(floats(2, 5)),
        "a table must be the first layer",
    ),
    "a norm of two sizes": (lambda: _native.PackedNorm(floats(3), floats(4)), r"bias must be"),
    "frames of nothing": (lambda: native_chain().add_frames(4, 0), "must be at least 1; got 0"),
    "cells without variants": (
        lambda: native_chain().add_lstm([PACKED], []),
        "a variant each, or None; got 0",
    ),
    "a variant that draws": (
        lambda: native_chain().add_lstm([PACKED], [_native.Variant(zoneout_c=0.5, key=1)]),
        "must draw nothing",
    ),
    "a chain without layers": (
        lambda: _native.PackedChain().step(floats(1, 1), floats(1, 0), None, floats(1, 1)),
        "must have layers to be stepped",
    ),
    "x of another size": (lambda: chain_step(x=floats(B, I + 1)), "x must be a dense float32"),
    "y of another size": (lambda: chain_step(y=floats(B, 3)), "y must be a dense float32"),
    "states of another size": (lambda: chain_step(states=floats(B, 9)), r"of shape \(2, 10\)"),
    "states in reverse": (lambda: chain_step(states=floats(3, 10)[::-1]), r"of shape \(2, 10\)"),
    "fewer states than rows": (lambda: chain_step(states=floats(1, 10)), "or more rows"),
    "a place too high": (
        lambda: chain_step(rows=np.array([0, 3])),
        "must lie in 0 … 3, the end excluded; got 3",
    ),
    "places of int32": (lambda: chain_step(rows=np.array([0, 1], "i4")), "must be dense int64"),
    "x in the states": (
        lambda: chain_step(x=SHARED_STATES[:1, :3], y=floats(1, 5), states=SHARED_STATES),
        "states must share no memory with x and y",
    ),
    "no threads for a chain": (lambda: chain_step(threads=0), "threads must be at least 1"),
    "too few arrays": (
        lambda: cell_chain().step_apart(floats(B, I), [floats(1, B, H)], floats(B, H)),
        "states must be 2 arrays; got 1",
    ),
    "an array of another size": (
        lambda: cell_chain().step_apart(
            floats(B, I), [floats(1, B, H), floats(1, B, 4)], floats(B, H)
        ),
        r"each state must be .* \(1, 2, 5\)",
    ),
    "one array for h and c": (
        lambda: cell_chain().step_apart(floats(B, I), [SHARED[None]] * 2, floats(B, H)),
        "must not share memory",
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
    with pytest.raises(TypeError):
        forward(c=frozen(floats(B, H)))


def test_read_only_input_is_taken():
    forward(x=frozen(floats(1, B, I)))
