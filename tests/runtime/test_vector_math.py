"""The kernels' exp, sigmoid and tanh against float64, over a dense sweep of floats and doubles."""

import numpy as np
import pytest

from cellstate import _native

RUNS_HERE = [name for name, runs_here in _native.isas() if runs_here]
FUNCTIONS = {
    # exact, lowest and highest x for which the bound is stated, bound in ulp (csrc/vector_math.h)
    "exp": (np.exp, -87.0, 88.0, 1.1),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), -87.0, np.finfo(np.float32).max, 2.3),
    "tanh": (np.tanh, np.finfo(np.float32).min, np.finfo(np.float32).max, 2.6),
}

pytestmark = pytest.mark.parametrize("isa", RUNS_HERE)


def evaluate(function, x, isa):
    y = np.full_like(x, np.nan)
    _native.elementwise(function, x, y, isa=isa)
    return y


def every_nth_float(n, low, high):
    """Step through the bit patterns, so that every magnitude is equally dense."""
    positive = np.arange(0, 0x7F800000, n, dtype=np.uint32).view(np.float32)
    both = np.concatenate([positive, -positive])
    return both[(both >= low) & (both <= high)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_error_stays_within_the_stated_bound(isa, function):
    exact, low, high, bound = FUNCTIONS[function]
    near = np.linspace(max(low, -100), min(high, 100), 400_001).astype(np.float32)
    x = np.concatenate([every_nth_float(4999, low, high), near])
    expected = exact(x.astype(np.float64))
    ulp = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
    error = np.abs(evaluate(function, x, isa) - expected) / ulp
    assert error.max() <= bound, f"{error.max():.3f} ulp at x = {x[error.argmax()]!r}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_error_in_double_stays_within_the_stated_bound(isa, function):
    exact, _, _, bound = FUNCTIONS[function]
    low, high = {"exp": (-708, 709), "sigmoid": (-708, 1e300), "tanh": (-1e300, 1e300)}[function]
    rng = np.random.default_rng(0)
    tiny = np.ldexp(rng.uniform(-1, 1, 100_000), rng.integers(-900, 5, 100_000))
    near = np.linspace(max(low, -800), min(high, 800), 200_001)
    x = np.concatenate([near, tiny, rng.uniform(-40, 40, 200_000), [low, high]])
    expected = exact(x.astype(np.longdouble))  # more digits than a double on x86 and Arm alike
    ulp = np.spacing(np.abs(expected).astype(np.float64))
    error = np.abs(evaluate(function, x, isa) - expected) / ulp
    assert error.max() <= bound, f"{error.max():.3f} ulp at x = {x[error.argmax()]!r}"


def test_range_ends_are_sensible(isa):
    x = np.array([-np.inf, -1e30, -100, 100, 1e30, np.inf], np.float32)
    assert (evaluate("tanh", x, isa) == [-1, -1, -1, 1, 1, 1]).all()
    sigmoid = evaluate("sigmoid", x, isa)
    assert (sigmoid[3:] == 1).all()
    assert ((sigmoid[:3] >= 0) & (sigmoid[:3] < 1.2e-38)).all()
    exp = evaluate("exp", x, isa)
    assert ((exp[:3] > 0) & (exp[:3] < 1.3e-38)).all()
    assert ((exp[3:] > 2e38) & np.isfinite(exp[3:])).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nan_stays_in_its_lane(isa, function):
    x = np.linspace(-2, 2, 37).astype(np.float32)
    clean = evaluate(function, x, isa)
    x[5] = np.nan
    y = evaluate(function, x, isa)
    assert np.isnan(y[5])
    np.testing.assert_array_equal(np.delete(y, 5), np.delete(clean, 5))
